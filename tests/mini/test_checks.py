"""The arithmetic of the check, on cases solved by hand."""

import numpy as np
import pytest
import torch

from narcis.mini import checks
from narcis.mini.domain import QUESTIONS
from narcis.mini.judge import Judge


def test_who_is_found_among_whom():
    gallery = torch.eye(6)
    query = torch.nn.functional.normalize(
        torch.tensor([[1.0, 0, 0, 0, 0, 0], [0.9, 0.5, 0, 0, 0, 0], [5, 4, 0, 3, 2, 1.0]]), dim=-1
    )
    first, five = checks.found_among(query, gallery, torch.tensor([0, 1, 2]))
    assert first == pytest.approx(1 / 3)  # only the first query points at its own
    assert five == pytest.approx(2 / 3)  # the third has five others ahead of it


def test_somebody_who_looks_like_nobody_is_found_by_chance():
    gen = torch.Generator().manual_seed(0)
    gallery, query = (torch.nn.functional.normalize(torch.randn(100, 64, generator=gen), dim=-1) for _ in range(2))
    first, five = checks.found_among(query, gallery, torch.arange(100))
    assert first <= 0.04 and five <= 0.12


@pytest.mark.parametrize(
    "value, least, holds", [(0.9, True, True), (0.89, True, False), (0.9, False, True), (0.91, False, False)]
)
def test_a_bar_holds_at_its_own_value(value, least, holds):
    assert checks.Line("it", value, 0.9, least).holds is holds


def test_a_guest_is_the_same_every_time_and_has_two_photos():
    one, again = checks.guest(checks.HELD_OUT), checks.guest(checks.HELD_OUT)
    assert one.prompt == again.prompt and np.array_equal(one.photos[0].pixels, again.photos[0].pixels)
    assert not np.array_equal(one.photos[0].pixels, one.photos[1].pixels)
    assert one.class_word in one.prompt and "hair" not in one.prompt  # words must not tell who it is


def test_the_judge_answers_in_the_words_of_the_domain():
    read = Judge(QUESTIONS).read(np.zeros((2, 50, 50, 3), np.uint8))
    assert set(read) == set(QUESTIONS)
    assert all(answer in QUESTIONS[question] for question, answers in read.items() for answer in answers)
