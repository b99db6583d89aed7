"""Whose portrait: a photo of one's own, or one of the sitters that ship with the package."""

from __future__ import annotations

from pathlib import Path

from narcis.errors import BadInput, NotFound

# Photos that the embedded model's painter has drawn; nobody on them exists.
BUNDLED = Path(__file__).parents[1] / "mini" / "sitters"


def photo(face: str = "", sitter: str = "", seed: int = 0) -> Path:
    """The file of a face's photo, or of a bundled sitter; without either, the seed chooses a sitter."""
    if face and sitter:
        raise BadInput(f"both the face {face} and the sitter {sitter} are named; name one of them")
    if face:
        return Path(face).expanduser()
    known = bundled()
    if not known:
        raise NotFound(f"no sitter ships with this installation: {BUNDLED} is missing; name a face")
    if sitter and sitter not in known:
        raise NotFound(f"no sitter {sitter}; there are {', '.join(known)}", known=list(known))
    return known[sitter or list(known)[seed % len(known)]]


def bundled() -> dict[str, Path]:
    """The sitters that ship with the package, by name."""
    return {path.stem: path for path in sorted(BUNDLED.glob("*.png"))}
