"""From words to an idea and its prompt, by the lexicon."""

from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from narcis.errors import BadInput
from narcis.mecene import Captions, Tags, checked, imagine, lexicon, several
from narcis.mecene.captions import LEARNT
from narcis.mecene.words import refusal
from narcis.mini.painter.caption import vocabulary

LETTERS = st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=15)
# Letters by chance may spell what is declined, "SEXU4L" too; test_words has these.
WORDS = st.lists(LETTERS, min_size=1, max_size=4).map(" ".join).filter(lambda words: not refusal(words))
SAMPLE = ("corporate confidence", "ethereal beauty", "byzantine emperor", "winter queen", "jazz sorrow", "xqzt", "sea")


def parts(prompt: str) -> list[str]:
    return prompt.split(", ")


@settings(deadline=None)  # the first example reads the lexicon
@given(WORDS, st.integers(0, 2**32 - 1), st.sampled_from(["man", "woman", "person"]))
def test_any_words_make_a_prompt_in_the_grammar_of_the_captions(words: str, seed: int, class_word):
    medium_and_who, *worn, palette, backdrop, frame = parts(imagine(words, seed, class_word).prompt)
    medium, _, who = medium_and_who.partition(" of a ")
    emotion, said = who.split()
    assert medium in LEARNT["medium"] and emotion in LEARNT["emotion"] and said == class_word
    assert len(worn) in (1, 2) and worn[-1] in LEARNT["costume"]
    assert len(worn) == 1 or worn[0] in LEARNT["headwear"]
    assert palette.removesuffix(" palette") in LEARNT["palette"]
    assert backdrop.removesuffix(" background") in LEARNT["backdrop"] and frame == "portrait"


@settings(deadline=None)  # the first example reads the lexicon
@given(WORDS, st.integers(0, 2**32 - 1), st.booleans())
def test_the_same_words_and_seed_have_the_same_idea(words: str, seed: int, free: bool):
    asking = Tags() if free else None
    assert imagine(words, seed, asking=asking) == imagine(f"  {words} ", seed, asking=asking)


@settings(deadline=None)  # the first example reads the lexicon
@given(WORDS, st.integers(0, 2**32 - 1), st.booleans())
def test_an_idea_has_about_fifty_words_and_up_to_fifteen_keywords_that_differ(words: str, seed: int, free: bool):
    idea = imagine(words, seed, asking=Tags() if free else None)
    assert 35 <= len(idea.idea.removeprefix(words).split()) <= 85 and "{" not in idea.idea.replace(words, "")
    assert 8 <= len(idea.keywords) <= 15 and len({word.casefold() for word in idea.keywords}) == len(idea.keywords)
    assert idea.keywords == tuple(one.keyword for one in idea.chosen)


def test_capitals_do_not_matter():
    assert imagine("Byzantine EMPEROR", 3).prompt == imagine("byzantine emperor", 3).prompt


def test_an_idea_that_was_written_down_stays():
    """Other machines and Python versions must agree: recipes quote seeds."""
    idea = imagine("byzantine emperor", 1, "man")
    assert idea.prompt == "oil painting of a stern man, crown, robe, amber palette, halo background, portrait"
    assert idea.keywords[:6] == ("oil painting", "stern", "crown", "robe", "amber", "halo")
    assert idea.idea == WRITTEN


WRITTEN = (
    "Byzantine emperor. We come upon a man within a golden halo, at the lighting of lamps, in a coronation mantle, "
    "with a jewelled diadem. Light comes from one side and leaves amber where it falls, honey gold where it does not. "
    "The face holds measured authority; the subject is power outside time. Oil on a dark ground, age of empires; the "
    "hand owes something to state portraiture."
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
    "words, expected",
    [
        ("byzantine emperor", {"gold leaf", "Byzantine icon painting", "sixth century", "orb and sceptre"}),
        ("corporate confidence", {"graphite", "glass wall", "rehearsed calm", "sharp charcoal suit"}),
        ("jazz sorrow", {"trumpet on the knee", "Picasso's Blue Period", "brass gold", "inward grief"}),
        ("winter queen", {"crown of frost", "birch white", "gown of violet velvet", "shortest day"}),
    ],
)
def test_a_model_that_knows_all_words_is_told_what_they_call_up(words: str, expected: set):
    """Over a dozen seeds every one of these is told."""
    told = {word for idea in several(words, 12, asking=Tags()) for word in idea.keywords}
    assert expected <= told


def test_an_unknown_word_steers_all_seeds_the_same_way():
    kept = set(lexicon.associations("xqzt"))
    assert all(kept <= {*imagine("xqzt", seed, "woman").keywords, "none"} for seed in range(20))


@pytest.mark.parametrize("words", SAMPLE)
@pytest.mark.parametrize("asking", [Captions(), Tags()], ids=["captions", "tags"])
def test_ideas_of_the_same_words_differ_really(words: str, asking):
    """No two of five share three quarters of their words; the title does not count."""
    told = [set(idea.idea.removeprefix(words).split()) for idea in several(words, 5, asking=asking)]
    assert all(len(a & b) / len(a | b) < 0.75 for a, b in combinations(told, 2))


def test_what_an_idea_says_is_what_mini_is_asked_for():
    """A crown is said where a crown is painted, by one of the names that show it."""
    from narcis.mecene.prose import SHOWS, shows

    for words in SAMPLE:
        for seed in range(12):
            idea = imagine(words, seed, "woman")
            *_, costume, palette, backdrop, _ = parts(idea.prompt)
            for value in (costume, palette.removesuffix(" palette"), backdrop.removesuffix(" background")):
                signs, stock = SHOWS[value]
                assert shows(idea.idea, signs) or any(said in idea.idea.casefold() for said in stock.split("; ")), (
                    value,
                    idea.idea,
                )


@pytest.mark.parametrize("words", SAMPLE)
def test_no_keyword_of_minis_would_be_seen_beside_its_scene(words: str):
    """A crown and a robe are painted; no lamp, and no second garment that the idea does not speak of."""
    for seed in range(6):
        idea = imagine(words, seed, "woman")
        seen = [one for one in idea.chosen if one.category in ("subjects", "mediums", "colours", "places")]
        assert all(one.why in ("the model has learnt it", "the idea says it") for one in seen)


@pytest.mark.parametrize("category", list(LEARNT))
def test_everything_that_mini_paints_is_reachable_from_a_word_that_brings_it(category: str):
    """Each value by a word of its own, within a few seeds: what no word brings would be painted by chance alone."""
    for value in LEARNT[category]:
        one = next(one for one in lexicon.motifs() if value in one.paints)
        prompts = [parts(imagine(one.words[0], seed, "woman").prompt) for seed in range(8)]
        if value == "none":
            assert any(not set(said) & set(LEARNT["headwear"]) for said in prompts), one.words
        else:
            assert any(value in " ".join(said) for said in prompts), (value, one.words)


def test_the_vocabulary_is_the_one_that_mini_was_trained_on():
    assert {name: list(values) for name, values in LEARNT.items()} == vocabulary()


def test_another_vocabulary_is_kept_to():
    fewer = {**LEARNT, "medium": ("pop art",), "headwear": ("none", "hat")}
    for seed in range(10):
        prompt = imagine("byzantine emperor", seed, asking=Captions(fewer)).prompt
        assert prompt.startswith("pop art of a") and "crown" not in prompt


def test_an_unknown_class_word_is_refused():
    with pytest.raises(BadInput, match="man, woman, person"):
        imagine("winter queen", 0, "dog")  # type: ignore[arg-type]


def test_an_idea_takes_no_tensor_library_and_ideas_come_at_once(tmp_path):
    """A bound with a wide margin: an idea takes 3 ms on one core."""
    import subprocess
    import sys

    code = (
        "import sys, time; from narcis import mecene; mecene.imagine('a b'); t = time.perf_counter()\n"
        "for n in range(20): mecene.imagine('corporate confidence', n)\n"
        "print((time.perf_counter() - t) / 20 < 0.05, sorted({'torch', 'transformers', 'boto3'} & set(sys.modules)))"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.split() == ["True", "[]"]


def test_checked_words_stay():
    assert checked("  winter   queen ") == "winter queen"
