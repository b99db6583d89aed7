"""What was thought of once is not asked again."""

import pytest

from narcis.errors import Unavailable
from narcis.mecene import Captions, Declined, Tags, imagine
from narcis.mecene.keywords import CATEGORIES, MetaKeywords
from narcis.mecene.shelf import Shelf, beginning
from narcis.mecene.writers import Found

IDEA = "A clockmaker listens to the rain. " * 5


class Place(dict):
    def put(self, name: str, content: bytes) -> None:
        self[name] = content


class Thinker:
    """A writer that counts how often it is asked."""

    name, model = "thinker", "one"

    def __init__(self, error: Exception | None = None):
        self.asked, self.error = 0, error

    def idea(self, words, seed, brief):
        self.asked += 1
        if self.error:
            raise self.error
        return IDEA

    def keywords(self, words, idea, seed, brief):
        return Found(MetaKeywords(**{name: (f"{name} of rain",) for name in CATEGORIES}), {"costume": "suit"})


def test_the_second_time_is_from_the_shelf_and_says_the_same():
    writer, shelf = Thinker(), Shelf(Place())
    first, second = (imagine("rain clock", 3, "man", writer=writer, shelf=shelf) for _ in range(2))
    assert writer.asked == 1 and (first.kept, second.kept) == (False, True)
    assert (first.idea, first.prompt, first.meta, first.keywords) == (
        second.idea,
        second.prompt,
        second.meta,
        second.keywords,
    )
    assert second.idea == IDEA and second.writer == "thinker" and ", suit, " in second.prompt


@pytest.mark.parametrize(
    "other",
    [
        {"words": "rain watch"},
        {"seed": 4},
        {"class_word": "woman"},
        {"model": "two"},
        {"name": "another"},
        {"asking": Tags()},
        {"asking": Captions({"medium": ("pop art",), "emotion": ("calm",), "headwear": ("none",), "costume": ("suit",),
                             "palette": ("azure",), "backdrop": ("plain",)})},
    ],
    ids=lambda other: next(iter(other)),
)  # fmt: skip
def test_whatever_leads_to_another_thought_is_asked_for(other: dict):
    writer, shelf = Thinker(), Shelf(Place())
    imagine("rain clock", 3, "man", writer=writer, shelf=shelf)
    writer.model, writer.name = other.pop("model", writer.model), other.pop("name", writer.name)
    given = {"words": "rain clock", "seed": 3, "class_word": "man", **other}
    assert not imagine(**given, writer=writer, shelf=shelf).kept and writer.asked == 2


def test_all_thoughts_of_the_same_words_begin_alike():
    place = Place()
    for seed in range(3):
        imagine("Rain clock", seed, writer=Thinker(), shelf=Shelf(place))
    assert len(place) == 3 and all(name.startswith(beginning("rain  CLOCK")) for name in place)


@pytest.mark.parametrize("content", [b"", b"{", b"{}", b'{"idea": 3}', b"\xff", b"[]"])
def test_half_a_thought_is_none(content: bytes):
    place, writer = Place(), Thinker()
    imagine("rain clock", writer=writer, shelf=Shelf(place))
    place.update(dict.fromkeys(place, content))
    assert not imagine("rain clock", writer=writer, shelf=Shelf(place)).kept and writer.asked == 2


def test_the_lexicon_stands_in_for_a_writer_that_cannot_and_says_so():
    place = Place()
    idea = imagine("winter queen", 2, writer=Thinker(Unavailable("it is away")), shelf=Shelf(place))
    assert idea.writer == "lexicon" and idea.fell_back == "thinker: it is away" and not place
    assert (idea.idea, idea.prompt) == (imagine("winter queen", 2).idea, imagine("winter queen", 2).prompt)
    assert idea.made_by["fell_back"] == "thinker: it is away"


def test_what_a_writer_declines_is_not_painted_by_the_lexicon_either():
    with pytest.raises(Declined, match="rather not"):
        imagine("winter queen", writer=Thinker(Declined("rather not")))


def test_a_fault_of_a_writers_is_not_hidden():
    with pytest.raises(ZeroDivisionError):
        imagine("winter queen", writer=Thinker(ZeroDivisionError()))
