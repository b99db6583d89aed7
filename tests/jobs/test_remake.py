"""Finding a picture and its sitters' photos, wherever they still are."""

import hashlib
from pathlib import Path

import pytest
from PIL import Image

from narcis.errors import BadInput, NotFound
from narcis.folder import RunFolder
from narcis.jobs import keep, remake
from narcis.store import Directory


@pytest.fixture
def store(tmp_path: Path) -> Directory:
    return Directory(tmp_path / "store")


def run_of(folder: Path, count: int = 2, photos: tuple[str, ...] = (), **parameters: str) -> RunFolder:
    run = RunFolder.create(folder, "portrait")
    for n in range(count):
        run.save(Image.new("RGB", (16, 16), (n, n, n)), recipe={"photos": photos})
    run.finish("succeeded")
    run.update(parameters=parameters)
    return run


def photo(path: Path, colour: str = "red") -> str:
    """A file, and its sha256."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8), colour).save(path)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_picture_its_folder_and_a_number_name_the_same(tmp_path: Path):
    run = run_of(tmp_path / "run")
    second = run.pictures[1].resolve()
    assert remake.picture_of(run.path, 2) == remake.picture_of(run.pictures[1], 1) == second
    assert remake.picture_of(tmp_path / "nothing", 1) is None and remake.picture_of(tmp_path, 1) is None
    with pytest.raises(BadInput, match="left 2 pictures, and number 3 is asked for"):
        remake.picture_of(run.path, 3)
    with pytest.raises(BadInput, match="left no picture"):
        remake.picture_of(run_of(tmp_path / "empty", 0).path, 1)


def test_a_run_comes_out_of_the_store_with_its_manifest(tmp_path: Path, store: Directory):
    run = run_of(tmp_path / "run")
    keep.keep(run, "r1", store)
    picture = remake.from_store(remake.kept("productions/r1", store), 2, tmp_path / "out", store)
    assert picture.read_bytes() == run.pictures[1].read_bytes()
    assert RunFolder.open(picture.parents[1]).manifest() == run.manifest()
    with pytest.raises(NotFound, match="keeps no pictures of productions/r2"):
        remake.kept("productions/r2", store)


def test_photos_are_found_where_they_were_in_the_folder_and_in_the_store(tmp_path: Path, store: Directory):
    first, second = photo(tmp_path / "me.png"), photo(tmp_path / "run" / "inputs" / "you.png", "blue")
    run = run_of(tmp_path / "run", photos=(first, second), face=str(tmp_path / "me.png"), beside="store:faces/_/x.png")
    picture = run.pictures[0].resolve()
    inputs = tmp_path / "again"
    assert remake.photos(picture, inputs, store) == {
        "face": str(tmp_path / "me.png"),
        "beside": str(tmp_path / "run" / "inputs" / "you.png"),
    }
    store.put(f"faces/_/{first}.png", (tmp_path / "me.png").read_bytes())
    photo(tmp_path / "me.png", "green")  # another one lies there now
    found = remake.photos(picture, inputs, store)
    assert (
        hashlib.sha256(Path(found["face"]).read_bytes()).hexdigest() == first and Path(found["face"]).parent == inputs
    )


def test_a_photo_that_is_nowhere_is_left_to_the_bundled_sitters(tmp_path: Path, store: Directory):
    run = run_of(tmp_path / "run", photos=("00" * 32,), face=str(tmp_path / "gone.png"))
    assert remake.photos(run.pictures[0].resolve(), tmp_path / "again", store) == {}
    assert not (tmp_path / "again").exists()
