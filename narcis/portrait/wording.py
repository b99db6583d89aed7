"""What a model wants to be asked by: the words that it has learnt, and how many tokens there is room for."""

from __future__ import annotations

import json

from narcis.errors import BadInput
from narcis.portrait import tokens
from narcis.portrait.models import Model

# A model that was trained on captions of one grammar says so by this file in its folder: the values of each kind of
# word, in the order of its captions.  A model without it is asked in any words.
VOCABULARY = "vocabulary.json"


def vocabulary(model: Model) -> dict[str, tuple[str, ...]] | None:
    """What a model has learnt, by kind; None where it was not limited to a vocabulary."""
    path = model.folder / VOCABULARY
    if not path.is_file():
        return None
    try:
        return {kind: tuple(values) for kind, values in json.loads(path.read_text(encoding="utf-8")).items()}
    except (ValueError, AttributeError, TypeError) as error:
        raise BadInput(f"{path} is no vocabulary: {error}; it must be an object of lists") from None


def count(model: Model, text: str) -> int:
    """Tokens of a text without start and end; of the two tokenizers, the larger number."""
    return max(len(tokens.ids_of(one, text)) for one in (model.tokenizer, model.tokenizer_2))


def room(model: Model, photos: int = 1, people: int = 1) -> int:
    """Tokens that a prompt may have where nothing of it is to be cut, for so many people of so many photos each.

    A sitter's class word makes way for the identity's tokens, some for every photo; each further person is named
    "beside a woman".
    """
    each = model.id_encoder.config.tokens if model.id_encoder is not None else 0
    identity = max(0, each * photos - 1)
    return model.tokenizer.model_max_length - 2 - identity - (people - 1) * count(model, "beside a woman")
