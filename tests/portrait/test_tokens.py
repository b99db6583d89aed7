import json
from pathlib import Path
from unittest.mock import MagicMock

import pytest
import torch
from transformers import CLIPTokenizer

from narcis.errors import BadInput
from narcis.portrait import tokens

GOLDEN = Path(__file__).parents[1] / "golden"
TINY = json.loads((GOLDEN / "tokens_tiny.json").read_text())
REAL = json.loads((GOLDEN / "tokens_real.json").read_text())


def named(rows: list[dict]) -> list:
    return [pytest.param(row, id=f"{row['prompt'][:40]}-{row['num_id_images']}") for row in rows]


def encoded(rows: list[dict]) -> list[dict]:
    """Rows that the reference encodes and that have a word before the trigger, not the start token alone."""
    return [row for row in rows if "error" not in row and row["class_tokens_mask_true_at"][0] > 0]


def has_room(row: dict) -> bool:
    """Whether all identity tokens and the end token fit behind what comes before them."""
    return row["class_tokens_mask_true_at"][0] + 2 * row["num_id_images"] <= 76


FITTING = [row for row in encoded(TINY["rows"]) if has_room(row)]
LATE = [row for row in encoded(TINY["rows"]) if not has_room(row)]
REFUSED = [row for row in TINY["rows"] if "error" in row]


def numbers(bos: int, eos: int, pad: int) -> CLIPTokenizer:
    """A tokenizer for which "7 8 9" has the ids 7, 8 and 9: for rows whose vocabulary is not at hand."""
    tokenizer = MagicMock(spec=CLIPTokenizer)
    tokenizer.configure_mock(model_max_length=77, bos_token_id=bos, eos_token_id=eos, pad_token_id=pad)
    tokenizer.side_effect = lambda text, **_: MagicMock(input_ids=[int(word) for word in text.split()])
    return tokenizer


@pytest.fixture(scope="module")
def tokenizers() -> list[CLIPTokenizer]:
    return [CLIPTokenizer.from_pretrained(GOLDEN / "tiny_sdxl" / name) for name in ("tokenizer", "tokenizer_2")]


def reference_before_the_end(ids: list[int], eos: int) -> list[int]:
    """The reference's ids, its end token put back where a long prompt pushed it out."""
    return ids if eos in ids else [*ids[:-1], eos]


@pytest.mark.parametrize("row", named(FITTING))
def test_extended_ids_are_the_published_ones(tokenizers, row):
    for tokenizer, name in zip(tokenizers, ("input_ids", "input_ids_2"), strict=True):
        ids, mask = tokens.extended(tokenizer, [row["prompt"]], [2 * row["num_id_images"]])
        assert ids[0].tolist() == reference_before_the_end(row[name], TINY["eos"])
        assert mask[0].nonzero().flatten().tolist() == row["class_tokens_mask_true_at"]


@pytest.mark.parametrize("row", named(encoded(TINY["rows"])))
def test_text_alone_is_the_published_string_and_ids(tokenizers, row):
    assert tokens.text_only(tokenizers[0], row["prompt"]) == row["prompt_text_only"]
    for tokenizer, name in zip(tokenizers, ("text_only_ids", "text_only_ids_2"), strict=True):
        assert tokens.without_trigger(tokenizer, [row["prompt"]])[0].tolist() == row[name]
        assert tokens.plain(tokenizer, [row["prompt_text_only"]])[0].tolist() == row[name]


@pytest.mark.parametrize("row", named(REFUSED))
def test_prompts_that_the_reference_refuses_get_a_line_that_helps(tokenizers, row):
    with pytest.raises(BadInput, match=r"exactly one|needs .* places for the identity"):
        tokens.extended(tokenizers[0], [row["prompt"]], [2 * row["num_id_images"]])


@pytest.mark.parametrize("row", named(LATE))
def test_a_class_word_too_late_for_its_identity_is_refused(tokenizers, row):
    with pytest.raises(BadInput, match=r"the class word is token 73 and needs . places for the identity"):
        tokens.extended(tokenizers[0], [row["prompt"]], [2 * row["num_id_images"]])


@pytest.mark.parametrize("prompt", ["img, portrait of a man", "a portrait (img:1.2)", "  img"])
def test_the_trigger_must_follow_a_word(tokenizers, prompt):
    with pytest.raises(BadInput, match="'img' must follow a class word"):
        tokens.extended(tokenizers[0], [prompt], [2])


@pytest.mark.parametrize("row", named([row for row in encoded(REAL["rows"]) if has_room(row)]))
def test_the_published_vocabulary_is_extended_alike(row):
    """Real CLIP ids, cut at the class word that the golden mask names."""
    k = row["class_tokens_mask_true_at"][0]
    plain = row["text_only_ids"][1:]
    body = plain[: plain.index(REAL["eos"])]
    prompt = f"{' '.join(map(str, body[:k]))} img {' '.join(map(str, body[k:]))}"
    for pad, name in zip(REAL["pad"], ("input_ids", "input_ids_2"), strict=True):
        ids, mask = tokens.extended(numbers(REAL["bos"], REAL["eos"], pad), [prompt], [2 * row["num_id_images"]])
        assert ids[0].tolist() == reference_before_the_end(row[name], REAL["eos"])
        assert mask[0].nonzero().flatten().tolist() == row["class_tokens_mask_true_at"]


def test_the_end_token_survives_every_length(tokenizers):
    for words in range(1, 120):
        ids, mask = tokens.extended(tokenizers[1], ["a man img" + " soft" * words], [8])
        assert ids.shape == (1, 77) and mask.sum() == 8
        assert (ids == tokenizers[1].eos_token_id).sum() == 1


def test_the_length_is_the_tokenizers_own(tokenizers):
    short = CLIPTokenizer.from_pretrained(GOLDEN / "tiny_sdxl" / "tokenizer", model_max_length=48)
    assert tokens.plain(short, ["a woman" * 90]).shape == (1, 48)
    assert tokens.extended(short, ["a woman img" + " a woman" * 60], [4])[0].shape == (1, 48)


def test_the_trigger_never_becomes_an_id_past_the_vocabulary(tokenizers):
    ids, _ = tokens.extended(tokenizers[0], ["a woman img in a garden"], [4])
    assert ids.max() < TINY["trigger_id"]
    assert tokens.plain(tokenizers[0], ["a woman img"]).max() < TINY["trigger_id"]


def test_orders_of_a_batch_may_have_different_numbers_of_photos(tokenizers):
    prompts = ["a woman img", "an old man img in a garden"]
    ids, mask = tokens.extended(tokenizers[0], prompts, [2, 8])
    assert mask.sum(1).tolist() == [2, 8]
    for row, (prompt, slots) in enumerate(zip(prompts, [2, 8], strict=True)):
        alone, _ = tokens.extended(tokenizers[0], [prompt], [slots])
        assert torch.equal(ids[row], alone[0])


@pytest.mark.parametrize(
    "prompt, placed",
    [
        ("woodcut of a woman in a garden", "woodcut of a woman img in a garden"),
        ("portrait of a Woman, oil", "portrait of a Woman img, oil"),
        ("two women and a woman", "two women and a woman img"),
        ("byzantine mosaic, gold", "woman img, byzantine mosaic, gold"),
        ("a woman img, gold", "a woman img, gold"),
        ("a womanimg in a red dress", "a womanimg in a red dress"),
    ],
)
def test_the_trigger_goes_behind_the_class_word(prompt, placed):
    assert tokens.place_trigger(prompt, "woman") == placed


def test_a_word_that_holds_the_trigger_by_chance_is_refused():
    """The published tokenizers would cut "imgur" in two and give its first letters a face."""
    with pytest.raises(
        BadInput, match="a sitter's prompt cannot have 'img' within a word; say it otherwise: 'an imgur"
    ):
        tokens.place_trigger("an imgur photo of a woman", "woman")


def test_only_the_last_piece_of_a_class_word_becomes_the_sitter(tokenizers):
    """As published: of "blacksmith" it is "smith" in the published vocabulary, here whatever its last piece is."""
    pieces = tokens.ids_of(tokenizers[0], "blacksmith")
    ids, mask = tokens.extended(tokenizers[0], ["blacksmith img"], [4])
    assert len(pieces) > 1 and ids[0, 1 : len(pieces)].tolist() == pieces[:-1]
    assert ids[0][mask[0]].tolist() == pieces[-1:] * 4


def test_the_trigger_is_lower_case_letters_alone(tokenizers):
    with pytest.raises(BadInput, match="the prompt has no 'img' where it needs exactly one"):
        tokens.extended(tokenizers[0], ["a man IMG in a suit"], [2])


def test_the_two_tokenizers_pad_with_their_own(tokenizers):
    first, second = (tokens.extended(tokenizer, ["a woman img"], [2])[0][0] for tokenizer in tokenizers)
    assert first[-1] == tokenizers[0].eos_token_id and second[-1] == 0
