"""What a model wants to be asked by."""

import json
from dataclasses import replace

import pytest
import torch

from narcis.errors import BadInput
from narcis.mini import domain
from narcis.mini.painter.caption import vocabulary
from narcis.portrait import models, tokens, wording
from narcis.settings import HOME

WEIGHTS = HOME / "narcis" / "mini" / "weights" / "model_index.json"


@pytest.fixture(scope="module")
def mini() -> models.Model:
    if not WEIGHTS.is_file():
        pytest.skip(f"the embedded model's weights are not in {WEIGHTS.parent}")
    return models.load("mini")


def test_mini_says_the_words_that_it_was_trained_on(mini):
    known = wording.vocabulary(mini)
    assert known == {kind: tuple(values) for kind, values in vocabulary().items()}
    assert known and known["costume"] == domain.COSTUMES and known["palette"] == domain.PALETTES


def test_a_model_without_the_file_knows_all_words(tiny):
    assert wording.vocabulary(tiny) is None


@pytest.mark.parametrize("content", ["[1]", "{", '{"medium": 3}'])
def test_a_vocabulary_that_is_none_is_refused(mini, tmp_path, content: str):
    (tmp_path / wording.VOCABULARY).write_text(content)
    with pytest.raises(BadInput, match="is no vocabulary"):
        wording.vocabulary(replace(mini, made=replace(mini.made, base=tmp_path)))


@pytest.mark.parametrize("photos", [1, 2, 3])
def test_a_prompt_that_fills_the_room_loses_nothing_to_the_identity(mini, photos: int):
    """With one token more, the last word would be cut."""
    room = wording.room(mini, photos)
    prompt = "woman" + " azure" * (room - 1)
    slots = mini.id_encoder.config.tokens * photos
    assert wording.count(mini, prompt) == room
    kept, cut = (
        tokens.extend(mini.tokenizer, f"woman img{words}", slots)[0] for words in (prompt[5:], f"{prompt[5:]} azure")
    )
    assert torch.equal(kept, cut) and kept[-1] == mini.tokenizer.eos_token_id
    shorter, _ = tokens.extend(mini.tokenizer, f"woman img{prompt[5:-6]}", slots)
    assert not torch.equal(kept, shorter)


@pytest.mark.parametrize("name", ["mini", "tiny"])
def test_further_people_are_named_within_the_room(name: str, request: pytest.FixtureRequest):
    model = request.getfixturevalue(name)
    one, three = "a man in a robe", "a man beside a woman beside a woman in a robe"
    more = wording.count(model, three) - wording.count(model, one)
    assert wording.room(model, 1, 3) == wording.room(model, 1) - more


def test_the_file_is_json_that_people_can_read(mini):
    assert list(json.loads((mini.folder / wording.VOCABULARY).read_text())) == list(vocabulary())
