import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from narcis.errors import BadInput
from narcis.mecene import Idea, imagine, lexicon
from narcis.mini import domain
from narcis.mini.painter.caption import MEDIUM_WORDS

WORDS = st.lists(st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=15), min_size=1, max_size=4).map(
    " ".join
)


def parts(prompt: str) -> list[str]:
    return prompt.split(", ")


@given(WORDS, st.integers(0, 2**32 - 1), st.sampled_from(["man", "woman", "person"]))
def test_any_words_make_a_prompt_in_the_grammar_of_the_captions(words: str, seed: int, class_word):
    medium_and_who, *worn, palette, backdrop, frame = parts(imagine(words, seed, class_word).prompt)
    medium, _, who = medium_and_who.partition(" of a ")
    emotion, said = who.split()
    assert medium in lexicon.VOCABULARY["medium"] and emotion in lexicon.VOCABULARY["emotion"] and said == class_word
    assert len(worn) in (1, 2) and worn[-1] in lexicon.VOCABULARY["costume"]
    assert len(worn) == 1 or worn[0] in lexicon.VOCABULARY["headwear"]
    assert palette.removesuffix(" palette") in lexicon.VOCABULARY["palette"]
    assert backdrop.removesuffix(" background") in lexicon.VOCABULARY["backdrop"] and frame == "portrait"


@given(WORDS, st.integers(0, 2**32 - 1))
def test_the_same_words_and_seed_have_the_same_idea(words: str, seed: int):
    assert imagine(words, seed) == imagine(f"  {words} ", seed)


def test_capitals_do_not_matter():
    assert imagine("Byzantine EMPEROR", 3).prompt == imagine("byzantine emperor", 3).prompt


def test_an_idea_that_was_written_down_stays():
    """Other machines and Python versions must agree: recipes quote seeds."""
    assert imagine("byzantine emperor", 1, "man") == Idea(
        words="byzantine emperor",
        idea="byzantine emperor: a stern man in a robe and a crown, before a golden halo, "
        "as an oil painting in amber tones.",
        keywords=("oil painting", "stern", "crown", "robe", "amber", "halo"),
        prompt="oil painting of a stern man, crown, robe, amber palette, halo background, portrait",
    )


@pytest.mark.parametrize(
    "words, expected",
    [
        ("byzantine emperor", {"crown", "robe", "oil painting"}),
        ("corporate confidence", {"suit", "plain"}),
        ("ethereal beauty", {"laurel", "gown", "watercolour"}),
        ("samurai", {"helmet", "armour", "ukiyo-e woodcut"}),
        ("ottoman sultan", {"turban", "robe"}),
        ("Roman poets", {"laurel", "robe"}),
    ],
)
def test_words_bring_what_a_portraitist_expects(words: str, expected: set):
    for seed in range(8):
        assert expected <= set(imagine(words, seed, "woman").keywords)


@pytest.mark.parametrize(
    "known, other", [("knight", "Knights"), ("city", "cities"), ("dream", "dreaming"), ("ice", "icy")]
)
def test_forms_of_a_word_mean_the_same(known: str, other: str):
    assert lexicon.associations(known) == lexicon.associations(other)


def test_an_unknown_word_steers_all_seeds_the_same_way():
    kept = set(lexicon.associations("xqzt"))
    assert all(kept <= {*imagine("xqzt", seed, "woman").keywords, "none"} for seed in range(20))


def test_seeds_vary_what_the_words_leave_open():
    assert len({imagine("winter queen", seed).prompt for seed in range(20)}) > 3


def test_everything_that_mini_paints_can_be_asked_for():
    asked = {value for values in lexicon.table().values() for value in values}
    assert asked == {value for values in lexicon.VOCABULARY.values() for value in values}


def test_the_vocabulary_is_the_one_that_mini_was_trained_on():
    trained = {
        "medium": tuple(MEDIUM_WORDS.get(medium, medium) for medium in domain.MEDIA),
        "emotion": tuple(domain.EMOTIONS),
        "headwear": tuple(domain.HEADWEAR),
        "costume": domain.COSTUMES,
        "palette": domain.PALETTES,
        "backdrop": domain.BACKDROPS,
    }
    assert trained == lexicon.VOCABULARY


def test_the_table_is_large_and_each_line_says_a_costume_or_headwear_or_medium():
    assert len(lexicon.table()) > 600
    telling = {*lexicon.VOCABULARY["costume"], *lexicon.VOCABULARY["headwear"], *lexicon.VOCABULARY["medium"]}
    assert all(telling & set(values) for values in lexicon.table().values())


@pytest.mark.parametrize(
    "words, said",
    [
        ("", "no words"),
        ("  ", "no words"),
        ("?!", "no words"),
        ("one two three four five", "5 words"),
        ("x" * 81, "81 characters"),
        ("two\nlines", "control character U+000A"),
        ("nul\0", "control character U+0000"),
        ("bell\x07 rings", "control character U+0007"),
        ("left\u202eright", "control character U+202E"),
    ],
)
def test_words_that_are_none_are_refused_in_one_line(words: str, said: str):
    with pytest.raises(BadInput, match=said.replace("+", r"\+")) as refused:
        imagine(words)
    assert "\n" not in str(refused.value)
    assert not any(unicodedata.category(sign) == "Cc" for sign in str(refused.value))


def test_an_unknown_class_word_is_refused():
    with pytest.raises(BadInput, match="man, woman, person"):
        imagine("winter queen", 0, "dog")  # type: ignore[arg-type]
