import json
import os
import re

import pytest
from PIL import Image

from narcis.errors import BadInput, NotFound
from narcis.folder import Event, RunFolder
from narcis.recipe import MaskRecipe


@pytest.fixture
def run(tmp_path) -> RunFolder:
    return RunFolder.create(tmp_path / "one", "portrait")


def picture(colour: str = "red") -> Image.Image:
    return Image.new("RGB", (4, 4), colour)


def test_a_new_run_is_running_and_has_a_manifest(run: RunFolder):
    assert run.state == "running" and run.pictures == [] and run.events() == []
    assert json.loads((run.path / "manifest.json").read_text())["job"] == "portrait"


def test_without_a_path_the_folder_is_named_by_date_job_and_a_short_id(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    first, second = RunFolder.create(job="portrait"), RunFolder.create(job="portrait")
    assert re.fullmatch(r"runs/\d{4}-\d\d-\d\d-portrait-[0-9a-f]{6}", first.path.as_posix())
    assert first.path != second.path


def test_pictures_are_numbered_and_told_with_their_facts(run: RunFolder):
    run.save(picture(), caption="red", recipe=MaskRecipe())
    second = run.save(picture("blue"), caption="blue", likeness=0.5)
    assert second == run.images / "2.png" and run.pictures == [run.images / "1.png", second]
    first, last = run.manifest()["images"]
    assert first["recipe"]["hair"] == 1.0 and last == {"file": "images/2.png", "caption": "blue", "likeness": 0.5}
    assert Image.open(second).getpixel((0, 0)) == (0, 0, 255)


def test_a_picture_that_fails_half_way_leaves_nothing(run: RunFolder):
    class Broken:
        def save(self, fp, /, *, format: str) -> None:
            fp.write(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run.save(Broken())
    assert os.listdir(run.images) == [] and run.pictures == []


def test_progress_is_one_line_an_event(run: RunFolder):
    run.tell("compose", 1, 2)
    run.tell("compose", 2, 2, run.preview(picture(), "compose", 2))
    lines = [json.loads(line) for line in run.progress.read_text().splitlines()]
    assert [(line["stage"], line["step"], line["of"]) for line in lines] == [("compose", 1, 2), ("compose", 2, 2)]
    assert run.events()[1].preview == "previews/compose-002.png" and (run.path / "previews/compose-002.png").exists()


def test_a_line_that_is_being_written_counts_later(run: RunFolder):
    event = run.tell("compose", 1, 2)
    with run.progress.open("a") as file:
        file.write('{"stage": "compose", "st')
    assert run.events() == [event] and isinstance(event, Event)


def test_the_first_ending_stays(run: RunFolder):
    run.finish("interrupted", error="stopped")
    run.finish("succeeded")
    assert run.state == "interrupted" and run.manifest()["error"] == "stopped" and "finished" in run.manifest()


def test_a_second_run_in_the_same_folder_replaces_the_first(run: RunFolder):
    run.save(picture())
    run.tell("compose", 1, 2)
    run.preview(picture(), "compose", 1)
    again = RunFolder.create(run.path)
    assert again.pictures == [] and again.events() == [] and os.listdir(run.images) == []
    assert os.listdir(run.path / "previews") == []


def test_pictures_that_no_run_left_are_not_touched(tmp_path):
    (tmp_path / "images").mkdir()
    picture().save(tmp_path / "images" / "holiday.png")
    with pytest.raises(BadInput, match="no run left there"):
        RunFolder.create(tmp_path)
    assert (tmp_path / "images" / "holiday.png").exists()


def test_a_folder_that_cannot_be_written_is_refused_in_one_line(tmp_path):
    (tmp_path / "file").write_text("in the way")
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(BadInput, match="cannot be written") as refused:
            RunFolder.create(path)
        assert "\n" not in str(refused.value)


def test_only_a_run_can_be_opened(tmp_path, run: RunFolder):
    assert RunFolder.open(run.path) == run
    with pytest.raises(NotFound, match="no run's folder"):
        RunFolder.open(tmp_path)
