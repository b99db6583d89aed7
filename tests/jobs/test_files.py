"""Files travel through the store: a worker elsewhere finds what was handed in."""

from pathlib import Path

import pytest

from narcis import store
from narcis.errors import BadInput, NotFound
from narcis.folder import RunFolder
from narcis.jobs import catalog, files

CELL = 'face: str = ""  # a photo\nwords: str = ""  # any\nout: str = ""  # the folder'


@pytest.fixture
def job(job_file) -> catalog.Job:
    job_file("small", "open: {face: {file: true}, words: {}}", CELL)
    return catalog.find("small")


def test_a_file_is_handed_in_once_and_put_into_the_runs_folder(job, tmp_path):
    kept = store.open_store(tmp_path / "store")
    (tmp_path / "Me.JPG").write_bytes(b"pixels")
    given = {"face": str(tmp_path / "Me.JPG"), "words": str(tmp_path / "Me.JPG")}
    values = files.handed_in(job, given, kept)
    assert values["face"].startswith("store:faces/_/") and values["face"].endswith(".jpg")
    assert values["words"] == given["words"]  # which is no file for this job
    assert files.handed_in(job, values, kept) == values and len(list(kept.keys())) == 1
    (tmp_path / "Me.JPG").unlink()
    run = RunFolder.create(tmp_path / "run")
    path = files.handed_out(job, values, run, kept)["face"]
    assert Path(path).is_relative_to(run.path) and Path(path).read_bytes() == b"pixels"


def test_no_file_is_no_file(job, tmp_path):
    kept = store.open_store(tmp_path / "store")
    assert files.handed_in(job, {"face": ""}, kept) == {"face": ""}
    with pytest.raises(NotFound, match="no file here"):
        files.handed_in(job, {"face": str(tmp_path / "none.jpg")}, kept)
    with pytest.raises(NotFound, match="no file here"):
        files.handed_in(job, {"face": str(tmp_path)}, kept)


@pytest.mark.parametrize("key, wrong", [("faces/_/ab.png", NotFound), ("", BadInput), ("../x", BadInput)])
def test_only_what_is_in_the_store_may_be_named_by_its_key(job, tmp_path, key, wrong):
    with pytest.raises(wrong):
        files.handed_in(job, {"face": f"store:{key}"}, store.open_store(tmp_path / "store"))


def test_nothing_huge_is_taken_in(job, tmp_path, monkeypatch):
    monkeypatch.setattr(files, "MOST", 10)
    (tmp_path / "me.png").write_bytes(b"0" * 11)
    with pytest.raises(BadInput, match="at most"):
        files.handed_in(job, {"face": str(tmp_path / "me.png")}, store.open_store(tmp_path / "store"))


def test_a_photo_that_was_removed_meanwhile_is_told(job, tmp_path):
    kept = store.open_store(tmp_path / "store")
    with pytest.raises(NotFound, match=r"has no faces/_/ab\.png"):
        files.handed_out(job, {"face": "store:faces/_/ab.png"}, RunFolder.create(tmp_path / "run"), kept)
