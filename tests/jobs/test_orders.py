"""Which runs may be painted together, what their notebook gets, and how each of them ended."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from narcis.folder import RunFolder
from narcis.jobs import catalog, orders, outcome
from narcis.jobs.executed import FIGURES
from narcis.jobs.outcome import SUCCEEDED, Outcome

CELL = (
    'words: str = "none"  # any\nsteps: int = 3  # how many\nscale: float = 1.0  # how much\n'
    'fine: bool = False  # whether\nmodel: str = "mini"  # which\norders: str = ""  # several at once\n'
    'out: str = ""  # the folder'
)
ENTRY = (
    "fixed: {model: mini}\nopen: {words: {}, steps: {}, scale: {}, fine: {}}\n"
    "batch: {size: 4, by: [steps, scale, fine]}\n"
)
DEFAULTS = {"steps": 3, "scale": 1.0, "fine": False}
VALUES = st.fixed_dictionaries(
    {},
    optional={
        "words": st.sampled_from(["one", "two"]),
        "steps": st.integers(2, 4),
        "scale": st.sampled_from([1, 1.0, 1.5]),
        "fine": st.booleans(),
    },
)
CRASHED = Outcome("failed", "failed: the kernel died", 1, "kernel")


@pytest.fixture
def job(job_file) -> catalog.Job:
    job_file("small", ENTRY, CELL)
    return catalog.find("small")


@dataclass
class Held:
    """What of a worker's run is looked at here."""

    folder: RunFolder
    values: dict[str, Any] = field(default_factory=dict)


@pytest.fixture
def head(tmp_path: Path) -> Held:
    """The run in whose folder the notebook is executed."""
    held = Held(RunFolder.create(tmp_path / "head"))
    held.folder.notebook.write_text("executed")
    (held.folder.path / FIGURES).mkdir()
    (held.folder.path / FIGURES / "a.png").write_bytes(b"pixels")
    return held


@pytest.fixture
def other(tmp_path: Path) -> Held:
    """Another run of its batch."""
    return Held(RunFolder.create(tmp_path / "other"))


# ------------------------------------------------------------------------------------------ who goes with whom
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(one=VALUES, two=VALUES)
def test_batch_keys_are_equal_exactly_where_the_named_values_are_equal(job: catalog.Job, one: dict, two: dict):
    agree = all(one.get(name, default) == two.get(name, default) for name, default in DEFAULTS.items())
    assert (orders.batch_key(job, one) == orders.batch_key(job, two)) == agree


def test_a_job_without_a_batch_has_no_key(job_file):
    job_file("small", "open: {steps: {}}", CELL)
    assert orders.batch_key(catalog.find("small"), {"steps": 3}) is None


def test_a_run_alone_gets_its_own_values(job: catalog.Job, head: Held):
    head.values = job.values({"words": "one"})
    assert orders.together(job, [head]) == (head.folder, {"words": "one", "model": "mini"})


def test_what_a_batch_agrees_in_is_said_once_and_the_rest_in_each_order(job: catalog.Job, head: Held, other: Held):
    head.values = job.values({"words": "one", "steps": 3, "fine": False})
    other.values = job.values({"words": "two", "fine": False})  # its steps are 3 by default
    folder, values = orders.together(job, [head, other])
    listed = json.loads(values.pop("orders"))
    assert folder == head.folder and values == {"steps": 3, "fine": False, "model": "mini"}
    assert listed == [
        {"words": "one", "out": str(head.folder.path.resolve())},
        {"words": "two", "out": str(other.folder.path.resolve())},
    ]


def test_orders_carry_text_as_it_is(job: catalog.Job, head: Held, other: Held):
    words = 'a "quoted"\nline, {{braces}} and \\ é'
    head.values, other.values = job.values({"words": words}), job.values({"words": "None"})
    _, values = orders.together(job, [head, other])
    assert [order["words"] for order in json.loads(values["orders"])] == [words, "None"]


# ------------------------------------------------------------------------------------------ how each ended
def test_a_good_order_succeeds_and_has_the_notebook_with_its_figures(head: Held, other: Held):
    other.folder.finish("succeeded")
    assert orders.outcome_of(other, SUCCEEDED, head.folder, True) is SUCCEEDED
    assert other.folder.notebook.read_text() == "executed"
    assert (other.folder.path / FIGURES / "a.png").read_bytes() == b"pixels"


def test_a_bad_order_fails_alone_for_its_own_reason(head: Held, other: Held):
    head.folder.finish("failed", error="no face")
    other.folder.finish("succeeded")
    ended = orders.outcome_of(head, SUCCEEDED, head.folder, True)
    assert (ended.state, ended.said, outcome.cause_of(ended)) == ("failed", "no face", "failed")
    assert orders.outcome_of(other, SUCCEEDED, head.folder, True) is SUCCEEDED


@pytest.mark.parametrize("ended", [SUCCEEDED, CRASHED, outcome.interrupted("the worker was stopped")])
def test_an_unfinished_order_ends_as_its_notebook_did(head: Held, other: Held, ended: Outcome):
    error = {} if ended is SUCCEEDED else {"error": ended.said}
    head.folder.finish(ended.state, **error)  # as whoever executes the notebook does
    for one in (head, other):
        assert orders.outcome_of(one, ended, head.folder, True) == ended
        manifest = one.folder.manifest()
        assert (manifest["state"], manifest.get("error")) == (ended.state, error.get("error"))


def test_an_order_that_was_finished_before_the_notebook_failed_keeps_its_end(head: Held, other: Held):
    head.folder.finish("succeeded")
    other.folder.finish("failed", error="no face")
    assert orders.outcome_of(head, CRASHED, head.folder, True) is SUCCEEDED
    ended = orders.outcome_of(other, CRASHED, head.folder, True)
    assert (ended.said, outcome.cause_of(ended)) == ("no face", "failed")  # and is not tried again


def test_a_run_alone_fails_with_its_notebook_whatever_its_folder_says(head: Held):
    head.folder.finish("succeeded")
    assert orders.outcome_of(head, CRASHED, head.folder, False) is CRASHED
