"""Models by name: where they live, what loading gives, and which bytes they are.

A model is a folder in diffusers' layout, beside which `id_encoder/`, `analyser/` and `preview.json` may lie.
"""

import hashlib
import json
from dataclasses import dataclass, fields
from functools import cache, cached_property, lru_cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from narcis.errors import BadInput, NotFound
from narcis.portrait import device as devices
from narcis.portrait import sdxl
from narcis.portrait.photomaker import PhotoMakerV2

if TYPE_CHECKING:
    from narcis.portrait.faces import Analyser

# Folders that ship with the package: data only, no code is imported from there.
BUNDLED = {"mini": Path(__file__).parents[1] / "mini" / "weights"}

# Entry points of this group make face analysers from a folder; their names are the "kind" in its config.json.
ANALYSERS = "narcis.analysers"


@dataclass(frozen=True, eq=False)
class Model(sdxl.Parts):
    """SDXL's parts, and what lies beside them; the rest of the folder is read when first asked for."""

    folder: Path

    @cached_property
    def id_encoder(self) -> PhotoMakerV2 | None:
        """PhotoMaker's identity encoder, None where the folder has none."""
        folder = self.folder / "id_encoder"
        return PhotoMakerV2.from_folder(folder).to(self.device, self.dtype) if folder.is_dir() else None

    @cached_property
    def analyser(self) -> "Analyser | None":
        """The model's own face analyser, None where the folder has none."""
        folder = self.folder / "analyser"
        return make_analyser(folder) if folder.is_dir() else None

    @cached_property
    def preview(self) -> sdxl.Preview | None:
        """The linear preview of `preview.json`, None where previews are decoded."""
        return sdxl.read_preview(self.folder / "preview.json")

    @property
    def hashes(self) -> dict[str, str]:
        """sha256 of every weight file, by its path in the folder."""
        return hashes(self.folder)


def load(name_or_folder: str | Path, device: str | None = None, dtype: str | torch.dtype | None = None) -> Model:
    """The model of a name or of a folder; a second call in the same process returns the same one."""
    return load_once(find(name_or_folder).resolve(), *devices.pick(device, dtype))


@lru_cache(maxsize=2)  # two, so that a comparison does not reload; more would fill a GPU
def load_once(folder: Path, device: torch.device, dtype: torch.dtype) -> Model:
    parts = sdxl.load(folder, device, dtype)
    return Model(**{field.name: getattr(parts, field.name) for field in fields(parts)}, folder=folder)


def find(name_or_folder: str | Path) -> Path:
    """The folder of a model, by name or path."""
    folder = available().get(str(name_or_folder), Path(name_or_folder))
    if not (folder / "model_index.json").is_file():
        known = ", ".join(available()) or "none is bundled here"
        raise NotFound(
            f"no model {str(name_or_folder)!r}; there are: {known}. "
            "A folder in diffusers' layout, with a model_index.json, is a model too",
            name=str(name_or_folder),
            known=list(available()),
        )
    return folder


def available() -> dict[str, Path]:
    """Bundled models that are really there, by name."""
    return {name: folder for name, folder in BUNDLED.items() if (folder / "model_index.json").is_file()}


def hashes(folder: Path) -> dict[str, str]:
    """sha256 of every weight file of a folder, by its path there."""
    return {str(path.relative_to(folder)): sha256(path) for path in sorted(folder.rglob("*.safetensors"))}


def sha256(path: Path) -> str:
    stat = path.stat()
    return sha256_of(path, stat.st_mtime_ns, stat.st_size)


@cache
def sha256_of(path: Path, mtime_ns: int, size: int) -> str:
    """Read once as long as time and size stay: SDXL's weights are gigabytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def make_analyser(folder: Path) -> "Analyser":
    kind = json.loads((folder / "config.json").read_text()).get("kind")
    makers = entry_points(group=ANALYSERS)
    if kind not in makers.names:
        known = ", ".join(sorted(makers.names)) or "none"
        raise BadInput(f"{folder} wants a face analyser of kind {kind!r}; installed are: {known}", kind=kind)
    return makers[kind].load()(folder)
