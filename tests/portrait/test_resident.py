"""What stays in memory: by bytes, the least recently used let go first."""

import gc
import weakref

import pytest
import torch
from torch import nn

from narcis.portrait import resident
from narcis.portrait.resident import Resident

CPU, CARD = torch.device("cpu"), torch.device("meta")


class Thing:
    def __init__(self, size: int):
        self.size = size


@pytest.fixture
def kept() -> Resident[Thing]:
    """Room for 100 bytes a device."""
    return Resident(lambda thing, device: thing.size, lambda device: 100)


def test_what_is_kept_is_not_loaded_again(kept):
    first = kept.get("a", CPU, 10, lambda: Thing(10))
    assert kept.get("a", CPU, 10, lambda: pytest.fail("loaded again")) is first


def test_the_least_recently_used_goes_first(kept):
    for name in ("a", "b", "c"):
        kept.get(name, CPU, 30, lambda: Thing(30))
    kept.get("a", CPU, 30, lambda: Thing(30))
    kept.get("d", CPU, 30, lambda: Thing(30))
    assert list(kept.kept) == ["c", "a", "d"] and kept.held(CPU) == 90


def test_room_is_made_before_loading_and_really_given_back(kept):
    gone = weakref.ref(kept.get("a", CPU, 80, lambda: Thing(80)))

    def load() -> Thing:
        assert gone() is None
        return Thing(80)

    kept.get("b", CPU, 80, load)


def test_what_turns_out_larger_than_it_was_expected_to_be_pushes_others_out(kept):
    kept.get("a", CPU, 50, lambda: Thing(50))
    kept.get("b", CPU, 10, lambda: Thing(90))
    assert list(kept.kept) == ["b"]


def test_what_is_larger_than_the_room_stays_as_long_as_nothing_else_comes(kept):
    kept.get("a", CPU, 500, lambda: Thing(500))
    assert list(kept.kept) == ["a"]
    kept.get("b", CPU, 1, lambda: Thing(1))
    assert list(kept.kept) == ["b"]


def test_each_device_has_room_of_its_own(kept):
    kept.get("a", CPU, 90, lambda: Thing(90))
    kept.get("b", CARD, 90, lambda: Thing(90))
    assert list(kept.kept) == ["a", "b"]


def test_a_thing_that_does_not_load_leaves_no_trace(kept):
    with pytest.raises(ZeroDivisionError):
        kept.get("a", CPU, 1, lambda: 1 / 0)
    assert not kept.kept


def test_bytes_are_those_of_parameters_and_buffers_each_once():
    network = nn.Linear(10, 4)
    network.register_buffer("table", torch.zeros(8, dtype=torch.float16))
    assert resident.bytes_of([network, network, None], CPU) == (10 * 4 + 4) * 4 + 8 * 2
    assert resident.bytes_of([network.to("meta")], CPU) == 0


def test_a_container_has_what_it_may_have_and_not_what_its_host_has(monkeypatch, tmp_path):
    for text, wanted in (("1000000\n", 1_000_000), ("max\n", resident.psutil.virtual_memory().total)):
        (tmp_path / "memory.max").write_text(text)
        monkeypatch.setattr(resident, "CGROUP", tmp_path / "memory.max")
        assert resident.memory(CPU) == wanted and resident.room(CPU) == wanted // 2
    gc.collect()
