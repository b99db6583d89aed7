"""The lexicon: how words are found, and that what stands in it is whole."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from narcis.mecene import lexicon
from narcis.mecene.captions import LEARNT
from narcis.mecene.keywords import keyword
from narcis.mecene.lexicon import PARTS, associations, called, entry, motifs, table
from narcis.mecene.writers.lexicon import CATEGORY


def test_it_has_more_than_six_hundred_entries_with_associations_in_every_category():
    assert len(motifs()) >= 150 and len(table()) > 3900
    for one in motifs():
        assert all(one[part] and all(said.strip() == said != "" for said in one[part]) for part in PARTS), one.words


def test_every_motif_brings_a_costume_or_headwear_or_medium_and_only_what_is_learnt():
    learnt = {value for values in LEARNT.values() for value in values}
    telling = {*LEARNT["costume"], *LEARNT["headwear"], *LEARNT["medium"]}
    assert all(set(one.paints) <= learnt and telling & set(one.paints) for one in motifs())


def test_a_word_stands_once_in_a_motif_and_as_it_is_looked_up():
    for one in motifs():
        assert len(set(one.words)) == len(one.words), one.words
        assert all(lexicon.folded(word) == word for word in one.words), one.words


def test_keywords_are_short_and_begin_with_no_article():
    for one in motifs():
        for part, category in CATEGORY.items():
            words = [keyword(said, category) for said in one[part]]
            assert all(len(word.split()) <= 9 and not word.startswith(("a ", "an ", "the ")) for word in words), words


@pytest.mark.parametrize(
    "known, other", [("knight", "Knights"), ("city", "cities"), ("dream", "dreaming"), ("ice", "icy")]
)
def test_forms_of_a_word_mean_the_same(known: str, other: str):
    assert associations(known) == associations(other) and entry(known) == entry(other)


@pytest.mark.parametrize(
    "known, other",
    [
        ("queen", "Königin"),
        ("night", "noche"),
        ("love", "amore"),
        ("sea", "océan"),
        ("winter", "hiver"),
        ("joy", "Freude"),
    ],
)
def test_other_tongues_mean_the_same(known: str, other: str):
    assert set(entry(known)) & set(entry(other))


@pytest.mark.parametrize(
    "known, other", [("emperor", "emperror"), ("byzantine", "byzantyne"), ("ethereal", "etherial")]
)
def test_a_slip_of_the_pen_means_the_same(known: str, other: str):
    assert entry(known) == entry(other)


def test_a_strangers_letters_call_up_one_motif_always():
    assert called("xqzt") == called("Xqzt!") and len(called("xqzt")) == 1 and called("xqzt") != called("qrrtx")


def test_articles_bring_nothing_and_words_of_nothing_else_still_call_something():
    assert called("the winter queen") == called("winter queen") and associations("the") == []
    assert len(called("the")) == 1


@settings(deadline=None)  # the first example reads the lexicon
@given(st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=15))
def test_every_word_calls_something(word: str):
    learnt = {value for values in LEARNT.values() for value in values}
    assert called(word) and set(associations(word)) <= learnt
