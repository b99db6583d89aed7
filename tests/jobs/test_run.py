import json
import os
import signal
import threading
import time
from pathlib import Path

import pytest

from narcis.folder import RunFolder
from narcis.jobs import catalog, kernel
from narcis.jobs.outcome import Outcome
from narcis.jobs.run import execute, prepare

OUT = 'out: str = ""  # the folder'
WORDS = f'words: str = "none"  # any\n{OUT}'
ODD = ["007", "nan", "None", "1_000", 'a "b" \\ c', "two\nlines", "{words} {{}}", "'''", "${HOME}", "é 冬 🎨"]


def stop_after(sign: Path, number: int = signal.SIGINT) -> None:
    """Signals this process once a cell has left its sign."""
    while not sign.exists():
        time.sleep(0.05)
    os.kill(os.getpid(), number)


def run(name: str, given: dict, out: Path) -> tuple[Outcome, RunFolder]:
    job = catalog.find(name)
    folder = prepare(job, out)
    return execute(job, job.values(given), folder), folder


def test_a_job_leaves_its_folder_whatever_that_is_called(job_file, tmp_path):
    """Papermill would fill in the braces."""
    job_file("small", "", OUT, "from narcis.folder import RunFolder\nRunFolder.open(out).tell('paint', 1, 1)")
    ended, folder = run("small", {}, tmp_path / "a {b} c")
    assert ended.state == folder.state == "succeeded" and ended.exit_code == 0
    assert [event.stage for event in folder.events()] == ["paint"]
    assert json.loads(folder.notebook.read_text())["cells"][-1]["metadata"]["papermill"]["status"] == "completed"


def test_words_arrive_as_the_words_they_are(job_file, tmp_path):
    save = "import json, pathlib\npathlib.Path(out, 'said.json').write_text(json.dumps([words]))"
    job_file("small", "open: {words: {}}", WORDS, save)
    job = catalog.find("small")
    for i, words in enumerate(ODD[:1] + ODD[4:7]):
        _, folder = run("small", {"words": words}, tmp_path / str(i))
        assert json.loads((folder.path / "said.json").read_text()) == [words]
        assert folder.manifest()["parameters"] == {"words": words}
    assert [job.values(job.read({"words": words}))["words"] for words in ODD] == ODD


def test_an_error_of_ours_is_quoted_with_its_code(job_file, tmp_path):
    job_file("small", "", OUT, "from narcis.errors import BadInput\nraise BadInput('no face is found')")
    ended, folder = run("small", {}, tmp_path / "run")
    assert ended == Outcome("failed", "no face is found", 2)
    assert folder.state == "failed" and folder.manifest()["error"] == "no face is found"
    assert "papermill-error-cell" in folder.notebook.read_text()


def test_a_kernel_that_dies_is_told(job_file, tmp_path):
    job_file("small", "", OUT, "import os\nos._exit(7)")
    ended, folder = run("small", {}, tmp_path / "run")
    assert "kernel died" in ended.said and folder.state == "failed" and ended.exit_code == 1


def test_nothing_but_the_bar_is_said(job_file, tmp_path, capfd):
    """Kernels and papermill have much to say; none of it is for people."""
    job_file("small", "open: {words: {}}", WORDS, "1 + 1")
    run("small", {"words": "a=b"}, tmp_path / "run")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_interrupts_the_cell_and_leaves_nothing_half_written(job_file, tmp_path, capfd, number):
    half = (
        "import os, pathlib, time\nfrom narcis.folder import RunFolder\n"
        "class Slow:\n    def save(self, fp, format):\n        fp.write(b'half')\n        time.sleep(60)\n"
        "run = RunFolder.open(out)\nrun.tell('paint', 1, 2)\n"
        "pathlib.Path(out, 'pid').write_text(str(os.getpid()))\nrun.save(Slow())"
    )
    job_file("small", "", OUT, half)
    where = tmp_path / "run"
    stopper = threading.Thread(target=stop_after, args=(where / "pid", number))
    stopper.start()
    ended, folder = run("small", {}, where)
    stopper.join()
    assert ended.exit_code == 130 and folder.state == ended.state == "interrupted"
    assert os.listdir(folder.images) == [] and folder.pictures == []
    assert not list(where.rglob("*.part")) and capfd.readouterr() == ("", "")
    assert "KeyboardInterrupt" in folder.notebook.read_text()
    with pytest.raises(ProcessLookupError):
        os.kill(int((where / "pid").read_text()), 0)


def test_ctrl_c_before_the_first_cell_is_heard_as_well(job_file, tmp_path):
    job_file("small", "", OUT, "import time\ntime.sleep(60)")
    stopper = threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT))
    stopper.start()
    ended, folder = run("small", {}, tmp_path / "run")
    stopper.join()
    assert ended.exit_code == 130 and folder.state == "interrupted"


def test_a_cell_that_will_not_stop_is_killed(job_file, tmp_path, monkeypatch):
    monkeypatch.setattr(kernel, "PATIENCE", 1.0)
    deaf = "while True:\n  try:\n    while True: pass\n  except KeyboardInterrupt: pass"
    deaf = f"import pathlib\npathlib.Path(out, 'deaf').touch()\n{deaf}"
    job_file("small", "", OUT, deaf)
    stopper = threading.Thread(target=stop_after, args=(tmp_path / "run" / "deaf",))
    stopper.start()
    ended, folder = run("small", {}, tmp_path / "run")
    stopper.join()
    assert ended.exit_code == 130 and folder.state == "interrupted"
