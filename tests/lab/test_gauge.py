"""What stages take."""

import time

import numpy as np
import pytest
import torch

from narcis.lab.gauge import Gauge


@pytest.fixture
def gauge() -> Gauge:
    return Gauge(torch.device("cpu"))


def test_seconds_are_those_of_the_clock(gauge):
    with gauge.stage("wait"):
        time.sleep(0.2)
    (spent,) = gauge.spent
    assert spent.stage == "wait" and 0.2 <= spent.seconds < 2


def test_memory_is_the_most_that_was_held_and_not_what_is_left(gauge):
    with gauge.stage("little"):
        pass
    with gauge.stage("much"):
        held = np.ones(300_000_000, np.uint8)
        time.sleep(0.1)
        del held
    with gauge.stage("little again"):
        pass
    little, much, again = (one.bytes for one in gauge.spent)
    assert much - little > 250_000_000 and much - again > 250_000_000


def test_a_stage_that_fails_leaves_nothing_and_its_error_passes(gauge):
    with pytest.raises(KeyError), gauge.stage("fail"):
        raise KeyError
    assert gauge.spent == [] and gauge.facts() == {}


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA here: run the tests on a machine with a GPU")
def test_on_a_card_its_own_memory_is_counted():
    gauge = Gauge(torch.device("cuda"))
    with gauge.stage("fill"):
        torch.ones(100_000_000, dtype=torch.uint8, device="cuda")
    assert gauge.spent[0].bytes >= 100_000_000
