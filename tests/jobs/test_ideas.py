"""Ideas between the store and runs' folders, and what Prometheus is told of them."""

from pathlib import Path

import pytest

from narcis.errors import Unavailable
from narcis.folder import RunFolder
from narcis.jobs import ideas, metrics
from narcis.mecene import shelf
from narcis.store import Directory

VALUES = {"words": "Winter  queen", "seed": 3}


@pytest.fixture(autouse=True)
def by_a_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NARCIS_WRITER", "bedrock")


def folder(path: Path) -> RunFolder:
    return RunFolder.create(path, "portrait")


def name(words: str, cause: str) -> str:
    return f"{shelf.beginning(words)}{cause}.json"


def test_names_begin_as_the_shelf_lets_them_begin():
    assert ideas.beginning("Winter  QUEEN") == shelf.beginning("winter queen")


def test_what_one_run_kept_the_next_machine_finds(tmp_path: Path):
    store, here, there = Directory(tmp_path / "store"), folder(tmp_path / "a"), folder(tmp_path / "b")
    here.keep(name("winter queen", "1"), b"thought")
    here.keep(name("summer king", "2"), b"another's")
    here.keep("0f.safetensors", b"a stage")
    ideas.take(VALUES, here, store)
    assert list(store.keys()) == [f"ideas/{name('winter queen', '1')}"]
    ideas.bring(VALUES, there, store)
    assert [path.name for path in there.stages.iterdir()] == [name("winter queen", "1")]
    assert (there.stages / name("winter queen", "1")).read_bytes() == b"thought"


def test_the_lexicon_asks_no_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("NARCIS_WRITER", "lexicon")
    nothing = None
    ideas.bring(VALUES, folder(tmp_path / "a"), nothing)  # type: ignore[arg-type]
    ideas.take(VALUES, folder(tmp_path / "a"), nothing)  # type: ignore[arg-type]


@pytest.mark.parametrize("values", [{}, {"words": ""}])
def test_a_job_without_words_asks_no_store(tmp_path: Path, values: dict):
    ideas.bring(values, folder(tmp_path / "a"), None)  # type: ignore[arg-type]


class Away(Directory):
    def keys(self, prefix: str = ""):
        raise Unavailable("the store is away")

    def has(self, key: str) -> bool:
        raise Unavailable("the store is away")


def test_a_store_that_is_away_hinders_no_run(tmp_path: Path):
    run = folder(tmp_path / "a")
    run.keep(name("winter queen", "1"), b"thought")
    ideas.bring(VALUES, run, Away(tmp_path))
    ideas.take(VALUES, run, Away(tmp_path))


def counted(writer: str, how: str) -> float:
    return metrics.REGISTRY.get_sample_value("narcis_ideas_total", {"writer": writer, "how": how}) or 0.0


def test_the_hit_rate_is_in_the_metrics(tmp_path: Path):
    every = [("bedrock", "written"), ("bedrock", "kept"), ("lexicon", "fell_back")]
    before = [counted(*one) for one in every]
    run = folder(tmp_path / "a")
    run.update(
        ideas=[
            {"writer": "bedrock", "kept": False, "fell_back": ""},
            {"writer": "bedrock", "kept": True, "fell_back": ""},
            {"writer": "bedrock", "kept": True, "fell_back": ""},
            {"writer": "lexicon", "kept": False, "fell_back": "bedrock: away"},
        ]
    )
    ideas.count(run)
    assert [counted(*one) - was for one, was in zip(every, before)] == [1, 2, 1]


@pytest.mark.parametrize("facts", [b"", b"{", b"[]", b'{"ideas": 3}', b'{"ideas": ["x"]}'])
def test_a_manifest_of_another_kind_is_passed_over(tmp_path: Path, facts: bytes):
    run = folder(tmp_path / "a")
    run.manifest_path.write_bytes(facts)
    ideas.count(run)
