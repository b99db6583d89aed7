"""A prompt for a model that knows all words: within 77 tokens of CLIP's own tokenizers, class word first."""

from pathlib import Path

import pytest
from transformers import CLIPTokenizer

from narcis.mecene import Tags, imagine
from narcis.mecene.keywords import Chosen
from narcis.mecene.tags import NEGATIVE
from narcis.portrait import tokens

TINY = Path(__file__).parents[1] / "golden" / "tiny_sdxl"
WORDS = ("byzantine emperor", "ethereal beauty", "königin der nacht", "xqzt", "startup prophet")


@pytest.fixture(scope="module")
def both() -> list[CLIPTokenizer]:
    """Of the golden SDXL: 77 positions, CLIP's way of cutting words, and few whole words, so prompts come out long."""
    return [CLIPTokenizer.from_pretrained(TINY / name) for name in ("tokenizer", "tokenizer_2")]


@pytest.mark.parametrize("photos", [1, 2, 4, 8])
@pytest.mark.parametrize("words", WORDS)
def test_a_prompt_keeps_room_for_every_photos_identity_in_both_tokenizers(both, words: str, photos: int):
    """Two tokens a photo take the class word's place; not one token of the text is cut for them."""
    slots = 2 * photos
    asking = Tags(lambda text: max(len(tokens.ids_of(one, text)) for one in both), 75 - (slots - 1))
    prompt = imagine(words, 3, "woman", asking=asking).prompt
    assert prompt.startswith("portrait of a woman, ")
    placed = tokens.place_trigger(prompt, "woman")
    assert placed.startswith("portrait of a woman img, ")
    for one in both:
        ids, where = tokens.extend(one, placed, slots)
        text = ids[: list(ids).index(one.eos_token_id)]
        assert len(ids) == 77 and int(where.sum()) == slots
        assert len(text) - 1 == len(tokens.ids_of(one, prompt)) - 1 + slots


def test_as_many_keywords_as_fit_are_told_and_a_shorter_one_may_follow_one_that_does_not():
    chosen = [Chosen(word, "subjects", "") for word in ("crown", "a robe of many words", "lamp")]
    assert Tags(lambda text: len(text.split()), 6).prompt({}, chosen, "man") == "portrait of a man, crown, lamp"


def test_where_there_is_room_all_fifteen_are_told():
    idea = imagine("winter queen", 0, "woman", asking=Tags(lambda text: 0))
    assert idea.prompt == ", ".join(["portrait of a woman", *idea.keywords]) and len(idea.keywords) == 15


def test_the_negative_prompt_fits_too_and_is_sent(both):
    """Whole where there is room for it; of letters alone, as these tokenizers read it, its beginning."""
    assert imagine("winter queen", asking=Tags()).negative == NEGATIVE and imagine("winter queen").negative == ""
    asking = Tags(lambda text: max(len(tokens.ids_of(one, text)) for one in both), 74)
    cut = imagine("winter queen", asking=asking).negative
    assert 0 < asking.count(cut) <= 74 and set(cut.split(", ")) < set(NEGATIVE.split(", "))
