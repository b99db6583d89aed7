import pytest
from hypothesis import given
from hypothesis import strategies as st

from narcis.errors import BadInput, NotFound
from narcis.jobs.parameters import Parameter, parameters, parse


def test_a_line_is_a_name_a_type_a_default_and_its_help():
    found = parse('steps: int = 30  # denoising steps\nwords: str = "a = b # c"  # what for', "x.ipynb")
    assert found == {
        "steps": Parameter("steps", int, 30, "denoising steps"),
        "words": Parameter("words", str, "a = b # c", "what for"),
    }


def test_a_whole_number_is_a_float_where_that_is_said():
    assert parse("guidance: float = 3  # how strict", "x").popitem()[1].default == 3.0


@pytest.mark.parametrize(
    "source, said",
    [
        ("steps = 30  # no type", "is not `name: type = value  # help`"),
        ("steps: int  # no value", "is not `name: type = value  # help`"),
        ("import os", "is not `name: type = value  # help`"),
        ("steps: int = 30", "needs one line with its help"),
        ('words: str = ("a"\n  "b")  # two lines', "needs one line with its help"),
        ("half: int = steps // 2  # computed", "half is computed"),
        ("steps: int = 3.5  # wrong", "said to be int and is 3.5"),
        ("steps: int = True  # wrong", "said to be int and is True"),
        ("when: date = 3  # odd", "when is a date; it must be one of str, int, float, bool"),
        ('api_key: str = ""  # hush', "looks like a secret"),
        ('discord_token: str = ""  # hush', "looks like a secret"),
        ("a: int = 1  # one\na: int = 2  # two", "there twice"),
        ("a: int = = 1", "no Python"),
    ],
)
def test_anything_else_is_refused_with_its_line(source: str, said: str):
    with pytest.raises(BadInput) as refused:
        parse(source, "x.ipynb")
    assert said in str(refused.value) and str(refused.value).startswith("x.ipynb")


@given(st.text())
def test_texts_stay_as_they_are(text: str):
    assert Parameter("words", str, "", "").read(text) == text


@pytest.mark.parametrize("text", ["007", "nan", "None", "1_000", "Infinity", "true", "[1]", '"', "{{}}", "$(ls)"])
def test_words_that_look_like_values_stay_words(text: str):
    assert Parameter("words", str, "", "").read(text) == text


@pytest.mark.parametrize(
    "kind, text, value", [(int, "-3", -3), (int, "007", 7), (float, "1e-3", 1e-3), (bool, "No", False)]
)
def test_numbers_and_truths_are_read(kind: type, text: str, value):
    read = Parameter("x", kind, value, "").read(text)
    assert read == value and type(read) is kind


NO_NUMBERS = [
    *((int, text) for text in ("1_000", "3.0", "", "٣", "9" * 5000)),
    *((float, text) for text in ("nan", "inf", "1_0.5", "1e999", "three")),
    *((bool, text) for text in ("maybe", "")),
]


@pytest.mark.parametrize("kind, text", NO_NUMBERS)
def test_what_is_no_number_is_refused_in_one_line(kind: type, text: str):
    with pytest.raises(BadInput, match="x is ") as refused:
        Parameter("x", kind, kind(), "").read(text)
    assert len(str(refused.value)) < 120


def test_a_notebook_has_one_tagged_cell(tmp_path):
    (tmp_path / "none.ipynb").write_text('{"cells": [{"cell_type": "code", "metadata": {}, "source": []}]}')
    (tmp_path / "odd.ipynb").write_text("[]")
    for name, said in (("none", "0 cells tagged"), ("odd", "no notebook")):
        with pytest.raises(BadInput, match=said):
            parameters(tmp_path / f"{name}.ipynb")
    with pytest.raises(NotFound, match="there is no notebook"):
        parameters(tmp_path / "missing.ipynb")
