"""Everything that determines a portrait, as JSON and back: one recipe, one kind of machine, one picture.

Lengths are fractions (of the face's height, of the steps), so that a recipe means the same at every resolution.
"""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
    model_validator,
)

from narcis.errors import BadInput

Fraction = Annotated[float, Field(ge=0, le=1)]
Strings = Annotated[tuple[str, ...], Field(strict=False)]  # JSON has lists only
Place = Annotated[float, Field(ge=-8, le=8)]  # eye-mouth distances
Point = Annotated[tuple[Place, Place], Field(strict=False)]


class Checked(BaseModel):
    """Frozen values; whatever is wrong with them is told in one line, as BadInput."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    def __init__(self, **values: Any):
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise BadInput(in_words(type(self), error), wrong=error.errors(include_url=False)) from None

    def to_json(self) -> str:
        """One line, keys sorted: equal values give equal text."""
        return json.dumps(self.model_dump(mode="json"), sort_keys=True, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> Self:
        try:
            values = json.loads(text)
        except ValueError as error:
            raise BadInput(f"{cls.__name__} is no JSON: {error}") from None
        if not isinstance(values, dict):
            raise BadInput(f"{cls.__name__} is a JSON {type(values).__name__}; it must be an object")
        return cls(**values)

    def hash(self) -> str:
        """sha256 of the JSON, in hex."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()

    def __hash__(self) -> int:
        return int(self.hash()[:15], 16)


class Stroke(Checked):
    """One way of a brush over a mask, which it brings to `level`: 1 adds, 0 takes away, what lies between joins later.

    All lengths are eye-mouth distances, and points (u, v) lie in the face's own frame: the origin is the middle of the
    eyes, v runs down to the mouth, which is at 1, u to the picture's right.  So a stroke turns and grows with the face,
    and lies on the same part of another one.
    """

    level: Fraction = 1.0
    radius: Annotated[float, Field(gt=0, le=4)] = 0.2  # up to here from the way, the mask is at the level
    soft: Annotated[float, Field(ge=0, le=4)] = 0.1  # and over this length beyond, it goes back to what it was
    points: Annotated[tuple[Point, ...], Field(strict=False, min_length=1, max_length=500)]


class MaskRecipe(Checked):
    """How far each region of the head is repainted: 1 from the first step on, 0 not at all.

    The default repaints the whole head, because hair is half of a likeness; the neck is blended.
    """

    version: Literal[1] = 1
    face: Fraction = 1.0
    brows: Fraction = 1.0
    eyes: Fraction = 1.0
    nose: Fraction = 1.0
    mouth: Fraction = 1.0
    forehead: Fraction = 1.0
    hair: Fraction = 1.0
    neck: Fraction = 0.5
    grow: Annotated[float, Field(ge=0, le=1)] = 0.04  # of the face's height, outwards
    feather: Annotated[float, Field(ge=0, le=1)] = 0.15  # of the face's height, down to 0
    curve: Annotated[float, Field(ge=0.1, le=10)] = 1.0  # exponent: above 1 keeps more of what is half covered
    floor: Fraction = 0.0
    ceiling: Fraction = 1.0
    strokes: Annotated[tuple[Stroke, ...], Field(strict=False, max_length=200)] = ()  # in turn, over all the rest

    @model_serializer(mode="wrap")
    def written(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Without strokes as before there were any, so that older masks keep their text and their hash."""
        return {name: value for name, value in write(self).items() if name != "strokes" or value}

    @model_validator(mode="after")
    def levels_in_order(self) -> Self:
        if self.floor > self.ceiling:
            raise ValueError(f"floor {self.floor} is above ceiling {self.ceiling}")
        return self


class Recipe(Checked):
    """A portrait's whole cause.

    Guidance lasts from `guidance_start` to `guidance_end` of the steps; merge steps count text-only steps.
    """

    version: Literal[1] = 1
    words: str = Field(default="", max_length=80)
    idea: str = ""
    keywords: Strings = ()
    prompt: str = Field(min_length=1, max_length=2000)
    negative_prompt: str = Field(default="", max_length=2000)  # "" asks for none, which SDXL encodes as zeros
    class_word: Literal["man", "woman", "person"] = "person"  # where identity enters the prompt
    seed: int = Field(ge=0, lt=2**32)
    size: int | None = Field(default=None, ge=64, le=4096)  # px, a side; None is the model's own
    schedule: str = "ays"
    solver: str = "euler"
    steps: int = Field(default=20, ge=1, le=150)
    guidance: float = Field(default=4.0, ge=1, le=30)
    guidance_start: Fraction = 0.0
    guidance_end: Fraction = 0.8
    merge_step: int | None = Field(default=None, ge=0, le=150)  # of Stage 1; None paints it without the sitter
    detail_steps: int = Field(default=14, ge=1, le=150)
    detail_merge_step: int = Field(default=0, ge=0, le=150)
    detail_guidance: float = Field(default=4.0, ge=1, le=30)
    identity_weight: float = Field(default=1.0, ge=0, le=2)
    identity_lora: Fraction = 0.0  # strength of the model's LoRA in Stage 1, where it has one
    detail_identity_lora: Fraction = 1.0  # and in Stage 2
    mask: MaskRecipe = MaskRecipe()
    model: str = "mini"
    weights: dict[str, str] = {}  # sha256 of every weight file by its path in the model's folder
    photos: Strings = ()  # sha256 of the sitter's photo files
    dtype: str = "float32"

    @model_validator(mode="after")
    def guidance_in_order(self) -> Self:
        if self.guidance_start > self.guidance_end:
            raise ValueError(f"guidance_start {self.guidance_start} is above guidance_end {self.guidance_end}")
        return self

    @property
    def composition_cause(self) -> str:
        """sha256 of all that determines Stage 1: two recipes that share it have the same composition."""
        sitter = {"merge_step", "photos", "identity_weight", "class_word"} if self.merge_step is not None else set()
        named = COMPOSITION | sitter | {name for name, plain in ONCE_ABSENT.items() if getattr(self, name) != plain}
        facts = {name: value for name, value in self.model_dump(mode="json").items() if name in named}
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


# What Stage 1 reads of a recipe, and which networks read it.
WORDING, LOOP = {"version", "prompt", "negative_prompt"}, {"seed", "size", "schedule", "steps"}
COMPOSITION = WORDING | LOOP | {"guidance", "guidance_end", "model", "weights", "dtype"}
# The same, unknown to older recipes; at these values a composition is the one that it was without them.
ONCE_ABSENT = {"guidance_start": 0.0, "identity_lora": 0.0, "solver": "euler"}


def in_words(kind: type[BaseModel], error: ValidationError) -> str:
    """All that is wrong, in one line: name, what is wanted, what was given."""
    return "; ".join(complaint(kind, wrong) for wrong in error.errors(include_url=False))


def complaint(kind: type[BaseModel], wrong: Any) -> str:
    name = ".".join(str(part) for part in wrong["loc"])
    if wrong["type"] == "extra_forbidden":
        return f"{kind.__name__} has no {name}; it has {', '.join(kind.model_fields)}"
    said = wrong["msg"].removeprefix("Value error, ")
    said = said[:1].lower() + said[1:]
    return f"{name} is {shortened(wrong['input'])}: {said}" if name else said


def shortened(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "…"
