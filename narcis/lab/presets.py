"""Named masks: `papermill_jobs/masks/NAME.yaml`, one file a mask, written by the workbench or by hand.

A preset holds every number of its mask, so that it stays what it is when a default changes.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml

from narcis.errors import BadInput, NotFound
from narcis.portrait import weights
from narcis.recipe import MaskRecipe

NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
FOLDER = "masks"  # beside the jobs
HEADING = "# A mask by name: `mask: str` of the notebooks takes it, notebooks/mask.ipynb shows and changes it.\n"


@dataclass(frozen=True)
class Preset:
    """One file."""

    name: str
    mask: MaskRecipe
    about: str = ""  # one line for people


def folder() -> Path:
    """Where presets lie: beside the jobs of the house's settings."""
    say = weights.decider()
    return (Path(say().jobs) if say else Path("papermill_jobs")) / FOLDER


def names() -> list[str]:
    return sorted(path.stem for path in folder().glob("*.yaml"))


def load(name: str) -> Preset:
    """The preset of a name; NotFound lists the known ones, BadInput says what is wrong with its file."""
    if not NAME.fullmatch(name) or not (path := folder() / f"{name}.yaml").is_file():
        raise unknown(name)
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise BadInput(f"{path.name} is no YAML that can be read: {' '.join(str(error).split())}") from None
    if not isinstance(content, dict) or not isinstance(content.get("mask"), dict) or content.keys() - {"mask", "about"}:
        raise BadInput(f"{path.name} is no mask; it must hold `mask` with the mask's values, and may hold `about`")
    try:
        return Preset(name, MaskRecipe(**content["mask"]), str(content.get("about", "")))
    except BadInput as error:
        raise BadInput(f"{path.name}: {error}") from None


def mask(name: str, **changes: Any) -> MaskRecipe:
    """A preset's mask, "" for the default one, with changes on top."""
    plain = load(name).mask if name else MaskRecipe()
    return MaskRecipe(**{**plain.model_dump(), **changes})


def tuned(name: str, **knobs: Any) -> MaskRecipe:
    """A preset's mask, and on top of it what a notebook's parameters say: those that are not at their defaults."""
    plain = MaskRecipe().model_dump()
    return mask(name, **{knob: value for knob, value in knobs.items() if value != plain[knob]})


def save(name: str, mask: MaskRecipe, about: str = "", *, replace: bool = False) -> Path:
    """Writes a preset; one of that name that says something else is kept, unless it is to be replaced."""
    if not NAME.fullmatch(name):
        raise BadInput(f"a preset's name is {name!r}; it must be of a-z, 0-9 and -, at most 40 letters", name=name)
    path = folder() / f"{name}.yaml"
    if path.exists() and not replace and load(name).mask != mask:
        raise BadInput(f"there is another preset {name}; replace it, or choose another name", name=name)
    about = about or (load(name).about if path.exists() else "")
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    part.write_text(HEADING + written(mask, about), encoding="utf-8")
    part.replace(path)
    return path


def written(mask: MaskRecipe, about: str) -> str:
    """A number a line, a stroke a line."""
    values = mask.model_dump(mode="json")
    strokes = values.pop("strokes", [])
    text = yaml.safe_dump({"about": about, "mask": values}, sort_keys=False, allow_unicode=True, width=118)
    lines = (yaml.safe_dump(stroke, default_flow_style=True, width=10**6).strip() for stroke in strokes)
    return text + ("  strokes:\n" + "".join(f"  - {line}\n" for line in lines) if strokes else "")


def difference(a: MaskRecipe, b: MaskRecipe) -> dict[str, tuple[Any, Any]]:
    """The names in which two masks differ, with both values; strokes by their number, "others" where that is equal."""
    told = {}
    for name in MaskRecipe.model_fields:
        here, there = getattr(a, name), getattr(b, name)
        if name == "strokes" and here != there:
            here, there = (len(here), len(there)) if len(here) != len(there) else (len(here), "others")
        if here != there:
            told[name] = (here, there)
    return told


def unknown(name: str) -> NotFound:
    known = names()
    near = get_close_matches(name, known, 1)
    meant = f" (did you mean {near[0]}?)" if near else ""
    return NotFound(f"no mask {name!r}{meant}; there are {', '.join(known) or 'none'}", name=name, known=known)
