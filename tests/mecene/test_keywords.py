"""Which keywords are chosen, worked out by hand."""

from narcis.mecene.keywords import MetaKeywords, choose, keyword

FOUND = MetaKeywords(
    themes=("power", "ceremony"),
    colours=("old gold", "crimson"),
    styles=("Byzantine icon painting",),
    mediums=("oil on canvas", "mosaic"),
    subjects=("heavy crown", "crown", "robe"),
    emotions=("tired pride",),
    time=("sixth century",),
    places=("golden apse",),
)


def told(**how) -> list[str]:
    return [one.keyword for one in choose(FOUND, **how)]


def test_rounds_take_the_first_of_each_category_and_then_the_second():
    assert told()[:8] == [
        *("heavy crown", "tired pride", "oil on canvas", "Byzantine icon painting", "old gold", "golden apse"),
        *("sixth century", "power"),
    ]
    assert told()[8:] == ["mosaic", "crimson", "ceremony", "robe"]  # "crown" is in "heavy crown"


def test_what_is_learnt_goes_first_in_its_own_order_then_what_the_idea_says_then_what_the_words_name():
    chosen = choose(FOUND, "byzantine dusk", "A robe of crimson.", learnt=("mosaic", "crown"))
    assert [(one.keyword, one.why) for one in chosen[:5]] == [
        ("mosaic", "the model has learnt it"),
        ("crown", "the model has learnt it"),
        ("crimson", "the idea says it"),
        ("robe", "the idea says it"),
        ("Byzantine icon painting", "the words name it"),
    ]
    assert [one.keyword for one in chosen[5:]] == ["tired pride", "sixth century", "power", "ceremony"]


def test_no_more_are_chosen_than_are_asked_for():
    assert len(told(most=3)) == 3


def test_keywords_leave_behind_what_joins_them_to_a_sentence():
    assert keyword("beneath a golden apse", "places") == "golden apse"
    assert keyword("on the ides of March", "time") == "ides of March"
    assert keyword("an ermine") == "ermine" and keyword("before the curtain", "time") == "before the curtain"


def test_leading_keywords_come_first_and_once():
    led = FOUND.led_by([("subjects", "robe"), ("places", "arch")])
    assert led.subjects == ("robe", "heavy crown", "crown") and led.places == ("arch", "golden apse")
