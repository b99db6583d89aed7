"""PhotoMaker's checkpoint files, as published: from a file or folder to named tensors, or one line that says why not.

`photomaker-v1.bin` and `photomaker-v2.bin` pickle {"id_encoder": …, "lora_weights": …}; as safetensors the same two are
prefixes of the names.  A file with an identity encoder's names alone, without prefix, has no LoRA.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from narcis.errors import BadInput, NotFound
from narcis.portrait.weights import sha256

PARTS = ("id_encoder", "lora_weights")
SUFFIXES = (".safetensors", ".bin")
COUNTED = "vision_model.embeddings.position_ids"  # 0, 1, 2 …: older files store it, newer networks count themselves


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """The tensors of one file, in the file's dtype; a safetensors file's stay on disk until they are used."""

    path: Path
    encoder: dict[str, Tensor]
    lora: dict[str, Tensor]  # empty where the file is an identity encoder alone


def read(path: str | Path) -> Checkpoint:
    """The checkpoint at a path, or the only one in a folder.

    Raises NotFound where there is none or the folder has several, BadInput where the file is damaged or another thing.
    """
    file = only_file(Path(path)) if Path(path).is_dir() else Path(path)
    if not file.is_file():
        raise NotFound(f"no checkpoint {file}; name PhotoMaker's .bin or .safetensors, or its folder", path=str(file))
    encoder, lora = parts(file, contents(file))
    encoder.pop(COUNTED, None)
    return Checkpoint(file, encoder, lora)


def only_file(folder: Path) -> Path:
    found = sorted(path for path in folder.iterdir() if path.suffix in SUFFIXES)
    if len(found) != 1:
        names = ", ".join(path.name for path in found) or "no .bin and no .safetensors"
        raise NotFound(f"{folder} holds {names}; leave one file there, or name the one that is meant", found=len(found))
    return found[0]


def contents(file: Path) -> dict[str, Any]:
    """What a file holds; of a pickle, tensors and containers only."""
    try:
        if file.suffix == ".safetensors":
            return load_file(file)
        return dict(torch.load(file, map_location="cpu", weights_only=True))
    except (
        SafetensorError,
        UnpicklingError,
        RuntimeError,
        OSError,
        EOFError,
        KeyError,
        TypeError,
        ValueError,
    ) as error:
        raise BadInput(unreadable(file, error), path=str(file), sha256=sha256(file)) from None


def unreadable(file: Path, error: Exception) -> str:
    if "unsupported global" in str(error).lower():
        return f"{file} holds more than tensors, which may run code when unpickled; it stays closed"
    size = file.stat().st_size
    return f"{file} is truncated or no checkpoint ({size:,} bytes, sha256 {sha256(file)}); fetch it again"


def parts(file: Path, found: dict[str, Any]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The identity encoder's tensors and the LoRA's, by their names in the networks."""
    nested = found if any(isinstance(value, dict) for value in found.values()) else by_prefix(found)
    if not nested and all(isinstance(value, Tensor) for value in found.values()):
        return dict(found), {}
    if set(nested) != set(PARTS) or not all(is_part(part) for part in nested.values()):
        raise BadInput(
            f"{file} holds {listed(found)}; PhotoMaker's checkpoints hold {' and '.join(PARTS)}", found=list(found)
        )
    return dict(nested["id_encoder"]), dict(nested["lora_weights"])


def by_prefix(found: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The same names by their first word, where at least one of the first words is a part's; empty where none is."""
    firsts = {name.partition(".")[0] for name in found}
    if firsts.isdisjoint(PARTS):
        return {}
    return {
        first: {name.removeprefix(f"{first}."): value for name, value in found.items() if name.startswith(f"{first}.")}
        for first in firsts
    }


def is_part(part: Any) -> bool:
    return isinstance(part, dict) and bool(part) and all(isinstance(value, Tensor) for value in part.values())


def strictly(file: Path, kind: str, given: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> None:
    """Raises BadInput, which names them, where tensors are missing, beyond what is wanted, or of other shapes."""
    missing = [name for name in wanted if name not in given]
    beyond = [name for name in given if name not in wanted]
    unlike = [
        f"{name} {list(given[name].shape)} instead of {list(wanted[name].shape)}"
        for name in wanted
        if name in given and given[name].shape != wanted[name].shape
    ]
    faults = {"lacks": missing, "has besides": beyond, "has in other shapes": unlike}
    if said := ", ".join(f"{verb} {listed(names)}" for verb, names in faults.items() if names):
        raise BadInput(f"{file} is no {kind}: of its {len(wanted)} tensors it {said}", path=str(file), **faults)


def listed(names: Iterable[str], most: int = 3) -> str:
    """The first few names, and how many more there are."""
    names = list(names)
    rest = f" and {len(names) - most} more" if len(names) > most else ""
    return (", ".join(names[:most]) or "nothing") + rest
