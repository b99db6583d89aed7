"""The tokenizer knows mini's words whole, and training tokens are the pipeline's."""

import numpy as np
import pytest
import torch

from narcis.mini import painter
from narcis.mini.painter.caption import words_known
from narcis.mini.training import samples, words
from narcis.portrait import tokens


@pytest.fixture(scope="module")
def reader(tmp_path_factory):
    return samples.tokenizer(tmp_path_factory.mktemp("tokenizer"))


def test_every_known_word_is_one_token(reader):
    assert [w for w in words_known() if len(reader.tokenize(w)) != 1] == []


def test_an_unknown_word_falls_into_pieces(reader):
    assert len(reader.tokenize("zebra")) > 1


def test_nothing_is_lost_of_a_caption(reader):
    caption = painter.caption(painter.sitter(0), painter.scene(np.random.default_rng(0)))
    assert reader.decode(reader(caption).input_ids, skip_special_tokens=True).replace(" ", "") == caption.replace(
        " ", ""
    )


def test_training_tokens_are_the_pipelines(reader):
    texts = ["oil painting of a stern man, crown, robe", "pop art of a calm woman, hat, suit"]
    plain, extended, place = samples.tokens(texts, reader, 1)
    sitters = [tokens.place_trigger(t, w) for t, w in zip(texts, ("man", "woman"))]
    ids, mask = tokens.extended(reader, sitters, [2, 2])
    assert torch.equal(plain[:, 0], tokens.plain(reader, texts))
    assert torch.equal(plain[:, 0], tokens.without_trigger(reader, sitters))
    assert torch.equal(extended[:, 0], ids)
    assert torch.equal(place[:, 0], mask.int().argmax(1))


def test_junk_is_never_a_known_word():
    rng = np.random.default_rng(0)
    assert {words.junk(rng) for _ in range(500)} & words_known() <= {"a", "of", "e"}
