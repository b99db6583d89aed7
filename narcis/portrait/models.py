"""Models by name: what each is put together from, what loading gives, and which bytes it is.

A model is a folder in diffusers' layout, beside which `id_encoder/`, `analyser/` and `preview.json` may lie; a single
`.safetensors` file of SDXL; a name of the catalogue; or one of these and what joins it, as in FILE+photomaker-v1.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from functools import cached_property
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors import SafetensorError, safe_open

from narcis.errors import BadInput, NotFound
from narcis.portrait import catalogue, photomaker, resident, sdxl, singlefile, weights
from narcis.portrait import device as devices
from narcis.portrait.catalogue import ENTRIES, MODELS, Entry
from narcis.portrait.lora import Lora
from narcis.portrait.photomaker import IdentityEncoder, PhotoMaker
from narcis.portrait.resident import Resident

if TYPE_CHECKING:
    from narcis.portrait.faces import Analyser

# Entry points of this group make face analysers from a folder; their names are the "kind" in its config.json.
ANALYSERS = "narcis.analysers"

# Folders of SDXL itself, all of which a model's folder has.
PARTS = ("unet", "vae", "text_encoder", "text_encoder_2", "tokenizer", "tokenizer_2", "scheduler")
BESIDE = ("id_encoder", "analyser")  # folders beside the base's own parts
PATHS_ALSO = "A folder in diffusers' layout, with a model_index.json, and a .safetensors file of SDXL are models too"


@dataclass(frozen=True, eq=False)
class Model(sdxl.Parts):
    """SDXL's parts, and what lies beside them, which is read when first asked for."""

    made: "Made"

    @property
    def folder(self) -> Path:
        """Of the base: a folder, or a single file."""
        return self.made.base

    @cached_property
    def photomaker(self) -> PhotoMaker | None:
        """PhotoMaker of either version, None where the model has none."""
        place = self.made.beside.get("id_encoder")
        if place is None:
            return None
        loaded = photomaker.load(place, dtype=self.dtype)
        self.ladder.admit(loaded.encoder)
        return loaded

    @property
    def id_encoder(self) -> IdentityEncoder | None:
        """PhotoMaker's identity encoder, None where the model has none."""
        return self.photomaker.encoder if self.photomaker else None

    @cached_property
    def lora(self) -> Lora | None:
        """PhotoMaker's LoRA beside the UNet's weights, off until a stage asks for it; None where there is none."""
        if not (self.photomaker and self.photomaker.lora):
            return None
        beside = Lora(self.unet, self.photomaker.lora)
        self.photomaker.lora.clear()  # it is the UNet's now, and once in memory is enough
        return beside

    @cached_property
    def analyser(self) -> "Analyser | None":
        """The model's own face analyser, None where it has none."""
        place = self.made.beside.get("analyser")
        return make_analyser(place, self.made.analyser) if place else None

    @cached_property
    def preview(self) -> sdxl.Preview | None:
        """The linear preview of `preview.json`, None where previews are decoded."""
        return sdxl.read_preview(self.folder / "preview.json")

    @property
    def hashes(self) -> dict[str, str]:
        """sha256 of every weight file, by its path in the folder, or by the part that it is."""
        return self.made.hashes


# What a name means


@dataclass(frozen=True)
class Made:
    """What a model is put together from, and where that lies."""

    name: str
    base: Path  # a folder in diffusers' layout, or a single file
    beside: Mapping[str, Path] = field(default_factory=dict)  # by part: vae, id_encoder, analyser
    entries: tuple[Entry, ...] = ()  # those that the catalogue knows
    strangers: tuple[str, ...] = ()  # what it does not know, by the name of folder or file

    @property
    def analyser(self) -> str | None:
        """The kind of a catalogued analyser; others say it in their config.json."""
        return next((one.analyser for one in self.entries if one.analyser), None)

    @property
    def files(self) -> dict[str, Path]:
        """Every weight file that takes part, by its path in the base, or by its part where that lies elsewhere."""
        if self.base.is_file():
            found = {self.base.name: self.base}
        else:
            own = weights.model_files(self.base)
            found = {name: path for name, path in own.items() if name.split("/")[0] not in self.joining}
        for part, place in self.joining.items():
            found |= {f"{part}/{name}": path for name, path in weights.named_files(place).items()}
        return found

    @property
    def joining(self) -> dict[str, Path]:
        """What lies beside and not in the base."""
        return {part: place for part, place in self.beside.items() if place.parent != self.base}

    @property
    def size(self) -> int:
        """Bytes of all that takes part."""
        return sum(path.stat().st_size for path in self.files.values())

    def size_of(self, part: str) -> int:
        """Bytes of one part that lies beside; 0 where there is none."""
        place = self.beside.get(part)
        return sum(path.stat().st_size for path in weights.named_files(place).values()) if place else 0

    @property
    def hashes(self) -> dict[str, str]:
        return {name: weights.sha256(path) for name, path in self.files.items()}

    @property
    def key(self) -> tuple:
        """The same files are the same model, whatever it is called."""
        return self.base.resolve(), *sorted((part, place.resolve()) for part, place in self.beside.items())

    def at(self, dtype: torch.dtype) -> "Made":
        """Without a joining VAE unless networks count in float16: it is there for what overflows in that.

        Everywhere else only the base's own gives the published pictures.
        """
        if dtype == torch.float16 or "vae" not in self.beside:
            return self
        beside = {part: place for part, place in self.beside.items() if part != "vae"}
        kept = tuple(one for one in self.entries if one.parts != ("vae",))
        return Made(self.name, self.base, beside, kept, self.strangers)


def made_of(name: str | Path) -> Made:
    """What a name or a path means on this machine.

    Raises NotFound where nothing is called so, or a part of it is not here; BadInput where parts do not go together.
    """
    text = str(name)
    first, *rest = [text] if Path(text).exists() else text.split("+")
    if first not in MODELS and first not in ENTRIES:
        base = path_of(first, text)
        known = catalogued(base)
        strangers = () if known else (base.stem if base.is_file() else base.resolve().name,)
        return joined(Made(text, base, own_parts(base), known, strangers), rest)
    one, *others = [catalogue.entry(part) for part in MODELS.get(first, (first,))]
    places = located([one, *others, *map(catalogue.entry, rest)], text)
    if "base" not in one.parts:
        raise BadInput(
            f"{one.name} is no model: it is {' and '.join(one.parts)}; write for example sdxl-base+{one.name}"
        )
    base = places[one.name]
    return joined(Made(text, base, own_parts(base), (one,)), [*(other.name for other in others), *rest])


def own_parts(base: Path) -> dict[str, Path]:
    """What lies beside a folder's own networks."""
    return {part: base / part for part in BESIDE if (base / part).is_dir()}


def catalogued(base: Path) -> tuple[Entry, ...]:
    """The catalogue's entry whose place a path is, if it is one's."""
    folders = weights.house().models
    places = ((one, weights.place(one, folders)) for one in ENTRIES.values() if "base" in one.parts)
    return tuple(one for one, place in places if place and place.resolve() == base.resolve())


def joined(made: Made, names: list[str]) -> Made:
    """The model with further weights of the catalogue, each as the part that it is."""
    if not names:
        return made
    others = [catalogue.entry(name) for name in names]
    places = located(others, made.name)
    beside = {one.parts[0]: places[one.name] for one in others}
    if unfit := [one.name for one in others if one.parts[0] not in ("vae", *BESIDE)]:
        raise BadInput(f"{', '.join(unfit)} cannot join a model; a vae, an id_encoder or an analyser can")
    return Made(made.name, made.base, {**made.beside, **beside}, (*made.entries, *others), made.strangers)


def located(wanted: list[Entry], name: str) -> dict[str, Path]:
    """Where entries lie, by name.  Raises NotFound with all that are not here."""
    folders = weights.house().models
    found = {one.name: weights.place(one, folders) for one in wanted}
    if away := [one for one, place in found.items() if place is None]:
        asked = name if name in MODELS else " ".join(away)
        raise NotFound(
            f"{name!r} is not all here: it lacks {', '.join(away)}; `narcis models pull {asked}` fetches that",
            name=name,
            lacking=away,
        )
    return {one: place for one, place in found.items() if place is not None}


def path_of(first: str, name: str) -> Path:
    """A path that is a model's."""
    path = Path(first).expanduser()
    if path.suffix == ".safetensors" and path.is_file():
        return path
    if (path / "model_index.json").is_file():
        refuse_other_folders(path)
        return path
    if path.suffix in (".ckpt", ".pt", ".bin") and path.is_file():
        raise BadInput(f"{path} is pickled, which may run code when it is read; take the same model as .safetensors")
    known = ", ".join(available()) or "none is here"
    raise NotFound(
        f"no model {name!r}; there are: {known}, and `narcis models list` shows what can be pulled. {PATHS_ALSO}",
        name=name,
        known=available(),
    )


def refuse_other_folders(folder: Path) -> None:
    """Raises BadInput for a folder in diffusers' layout of another model, such as Stable Diffusion 1 or a refiner."""
    if lacking := [part for part in PARTS if not (folder / part).is_dir()]:
        kind = json.loads((folder / "model_index.json").read_text()).get("_class_name", "model of no name")
        raise BadInput(
            f"{folder} is a {kind} without {', '.join(lacking)}; only SDXL and its finetunes fit",
            lacking=lacking,
        )


def find(name: str | Path) -> Path:
    """The base of a model, by name or path: a folder, or a single file."""
    return made_of(name).base


def available() -> list[str]:
    """Models of the catalogue that are here with all their parts."""
    folders = weights.house().models
    return [name for name, parts in MODELS.items() if all(weights.place(ENTRIES[part], folders) for part in parts)]


# Loading


def load(name: str | Path, device: str | None = None, dtype: str | torch.dtype | None = None) -> Model:
    """The model of a name, a folder or a file; a second call in the same process returns the same one.

    Raises BadInput where weights are not what was published, or production may not use them.
    """
    made = made_of(name)
    where, kind = devices.pick(device, dtype, made.size)
    made = made.at(kind)
    weights.admit([one.name for one in made.entries], made.strangers, weights.house())
    return LOADED.get((made.key, where, kind), where, made.size, lambda: load_once(made, where, kind))


def load_once(made: Made, device: torch.device, dtype: torch.dtype) -> Model:
    for one in made.entries:
        if place := weights.place(one, weights.house().models):
            weights.verify(one, place)
    with damage_told(made):
        parts = parts_of(made, device, dtype)
    return Model(**{field.name: getattr(parts, field.name) for field in fields(parts)}, made=made)


def parts_of(made: Made, device: torch.device, dtype: torch.dtype) -> sdxl.Parts:
    given = {"vae": made.beside.get("vae"), "joining": made.size_of("id_encoder")}
    if made.base.is_file():
        layout = singlefile.layout_of(made.base, weights.house().models)
        return singlefile.load(made.base, layout, device, dtype, **given)
    return sdxl.load(made.base, device, dtype, **given)


@contextmanager
def damage_told(made: Made) -> Iterator[None]:
    """A reader's own error about a damaged file, told as ours with the file and its hash."""
    try:
        yield
    except SafetensorError as error:
        for path in made.files.values():
            if path.suffix == ".safetensors" and not readable(path):
                raise BadInput(
                    f"{path} is cut off or damaged ({path.stat().st_size:,} bytes, sha256 {weights.sha256(path)}); "
                    "fetch it again",
                    file=str(path),
                ) from None
        raise BadInput(f"{made.base} cannot be read: {error}") from None


def readable(path: Path) -> bool:
    try:
        with safe_open(path, "pt"):
            return True
    except SafetensorError:
        return False


def measured(model: Model, device: torch.device) -> int:
    """Bytes of a model's networks on a device now."""
    beside = vars(model).get("photomaker")  # read only when somebody has asked for it
    networks = (model.unet, model.vae, model.text_encoder, model.text_encoder_2, beside and beside.encoder)
    return resident.bytes_of(networks, device)


# What this process keeps: by measured bytes, as many as fit.
LOADED: Resident[Model] = Resident(measured, resident.room)


def hashes(folder: Path) -> dict[str, str]:
    """sha256 of every weight file of a model's folder, by its path there."""
    return {name: weights.sha256(path) for name, path in weights.model_files(folder).items()}


def make_analyser(folder: Path, kind: str | None = None) -> "Analyser":
    """The analyser of a folder, of the kind that is named, or that its config.json names."""
    kind = kind or json.loads((folder / "config.json").read_text()).get("kind")
    makers = entry_points(group=ANALYSERS)
    if kind not in makers.names:
        known = ", ".join(sorted(makers.names)) or "none"
        raise BadInput(f"{folder} wants a face analyser of kind {kind!r}; installed are: {known}", kind=kind)
    return makers[kind].load()(folder)
