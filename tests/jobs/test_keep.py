"""What a run leaves is in the store under keys of its id, whole when its manifest is there."""

import io
import json
from pathlib import Path

import pytest
from PIL import Image, ImageChops, ImageStat

from narcis.errors import NotFound
from narcis.folder import RunFolder
from narcis.jobs import keep
from narcis.jobs.executed import FIGURES
from narcis.store import Directory

ID = "01a20d78-0b93-72ad-9e12-9d4d3eab81f2"


class Recording(Directory):
    """A store that remembers the order in which it was given things."""

    def __init__(self, root: Path):
        super().__init__(root)
        self.given: list[str] = []

    def put(self, key: str, content: bytes) -> None:
        self.given.append(key)
        super().put(key, content)


@pytest.fixture
def store(tmp_path: Path) -> Recording:
    return Recording(tmp_path / "store")


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    """A run with two pictures, an executed notebook and a figure beside it."""
    run = RunFolder.create(tmp_path / "run", "small")
    run.tell("paint", 1, 1, run.preview(Image.new("RGB", (4, 4)), "paint", 1))
    run.save(
        Image.linear_gradient("L").resize((1024, 700)).convert("RGB"), caption="byzantine emperor", recipe={"a": 1}
    )
    run.save(Image.new("RGBA", (40, 90), "red"), caption="é", measures={"likeness": 0.5})
    run.notebook.write_text("{}")
    (run.path / FIGURES).mkdir()
    (run.path / FIGURES / "ab12.png").write_bytes(b"figure")
    run.stages.mkdir()
    (run.stages / "c0ffee.safetensors").write_bytes(b"latents")
    run.finish("succeeded")
    return run


def picture(store: Directory, key: str) -> Image.Image:
    found = Image.open(io.BytesIO(store.get(key)))
    found.load()
    return found


def test_everything_worth_keeping_has_a_key_of_the_runs_id_and_the_manifest_comes_last(run, store):
    keep.keep(run, ID, store)
    pictures = [f"productions/{ID}/{n}.{kind}" for n in (1, 2) for kind in ("png", "avif", "json")]
    beside = [f"notebooks/{FIGURES}/ab12.png", f"productions/{ID}/progress.jsonl", f"notebooks/{ID}.ipynb"]
    assert sorted(store.given) == sorted([*pictures, *beside, f"productions/{ID}/manifest.json"])
    assert store.given[-1] == f"productions/{ID}/manifest.json"


def test_pictures_are_kept_as_they_are_with_what_is_known_of_them(run, store):
    keep.keep(run, ID, store)
    for n, path in enumerate(run.pictures, 1):
        assert store.get(f"productions/{ID}/{n}.png") == path.read_bytes()
    assert json.loads(store.get(f"productions/{ID}/1.json")) == {"caption": "byzantine emperor", "recipe": {"a": 1}}
    assert "é".encode() in store.get(f"productions/{ID}/2.json")


def test_a_thumb_is_avif_of_at_most_512_px_and_small_pictures_stay_small(run, store):
    keep.keep(run, ID, store)
    large, small = (picture(store, f"productions/{ID}/{n}.avif") for n in (1, 2))
    assert (large.format, large.size, small.size) == ("AVIF", (512, 350), (40, 90))
    expected = Image.open(run.pictures[0]).resize(large.size, Image.Resampling.LANCZOS)
    assert max(ImageStat.Stat(ImageChops.difference(large.convert("RGB"), expected)).mean) < 2  # grey levels


def test_keeping_twice_is_harmless(run, store):
    keep.keep(run, ID, store)
    before = {key: store.get(key) for key in set(store.given)}
    keep.keep(run, ID, store)
    assert {key: store.get(key) for key in set(store.given)} == before


def test_a_later_attempt_takes_the_place_of_an_earlier_one(run, store, tmp_path):
    keep.keep(run, ID, store)
    again = RunFolder.create(tmp_path / "again", "small")
    again.save(Image.new("RGB", (8, 8), "blue"), caption="second")
    keep.preview(run, ID, "previews/paint-001.png", store)
    keep.keep(again, ID, store)
    assert picture(store, f"productions/{ID}/1.png").size == (8, 8)
    assert {key.rpartition("/")[2] for key in store.keys(f"productions/{ID}/")} == {
        "1.png", "1.avif", "1.json", "manifest.json"
    }  # fmt: skip
    assert len(json.loads(store.get(f"productions/{ID}/manifest.json"))["images"]) == 1


def test_nothing_is_kept_once_the_run_is_somebody_elses(run, store):
    left = [True, True, False]
    assert not keep.keep(run, ID, store, lambda: left.pop(0))
    assert len(store.given) == 2 and keep.keep(run, ID, store)


def test_a_run_that_left_nothing_but_its_manifest_is_kept(tmp_path, store):
    keep.keep(RunFolder.create(tmp_path / "empty", "small"), ID, store)
    assert store.given == [f"productions/{ID}/manifest.json"]


def test_what_was_kept_can_be_restored(run, store, tmp_path):
    keep.keep(run, ID, store)
    there = keep.restore(f"productions/{ID}", tmp_path / "previous", store)
    restored = RunFolder.open(there)
    assert there.is_absolute() and restored.manifest() == run.manifest()
    assert [path.read_bytes() for path in restored.pictures] == [path.read_bytes() for path in run.pictures]
    assert keep.restore(f"productions/{ID}", tmp_path / "previous", store) == there  # twice is harmless


def test_what_is_not_there_cannot_be_restored(store, tmp_path):
    with pytest.raises(NotFound, match=r"has no productions/none/manifest\.json"):
        keep.restore("productions/none", tmp_path / "previous", store)


def test_the_records_get_each_pictures_facts_and_its_size_in_px(run):
    first, second = keep.images(run)
    assert first == {"caption": "byzantine emperor", "recipe": {"a": 1}, "width": 1024, "height": 700}
    assert (second["width"], second["height"], "file" in second) == (40, 90, False)


def test_a_preview_lies_beside_the_pictures_of_its_run(run, store):
    assert keep.preview(run, ID, "previews/paint-001.png", store) == f"productions/{ID}/previews/paint-001.png"
    assert picture(store, f"productions/{ID}/previews/paint-001.png").size == (4, 4)


def test_a_sweeps_table_is_kept_and_makes_room_for_the_next_ones(run: RunFolder, store: Recording):
    run.put(run.table, lambda file: file.write(b"seed,likeness\n"))
    assert keep.keep(run, ID, store) and store.get(f"productions/{ID}/measures.csv") == b"seed,likeness\n"
    again = RunFolder.create(run.path, "small")
    assert not again.table.exists() and keep.keep(again, ID, store)
    assert not store.has(f"productions/{ID}/measures.csv")
