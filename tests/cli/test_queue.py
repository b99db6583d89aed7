"""The commands about runs say what they did, on stdout for people and as JSON for scripts."""

import json
import threading

import pytest
import structlog

from narcis import cli
from narcis.jobs import asking, queue, watching
from narcis.jobs.worker import Worker
from narcis.records import db, queries

CELL = 'words: str = "none"  # any\nout: str = ""  # the folder'
PAINT = """
from PIL import Image
from narcis.folder import RunFolder
run = RunFolder.open(out)
run.tell("paint", 1, 2), run.tell("paint", 2, 2)
run.save(Image.new("RGB", (4, 4)), caption=words)
assert words != "bad", "these words cannot be"
run.finish("succeeded")
"""


@pytest.fixture
def engine(job_file):
    job_file("small", "open: {words: {length: 20}}\n", CELL, PAINT)
    engine = db.connect()
    db.upgrade(engine)
    return engine


def narcis(capsys: pytest.CaptureFixture, *arguments: str) -> tuple[int, str, str]:
    """Exit code, stdout, stderr."""
    with pytest.raises(SystemExit) as ended:
        cli.main(list(arguments))
    said = capsys.readouterr()
    return int(ended.value.code or 0), said.out, said.err


@pytest.fixture(autouse=True)
def quiet():
    """A worker's log goes to its own process's stderr; here it would be between the commands' words."""
    with structlog.testing.capture_logs():
        yield


def submitted(capsys: pytest.CaptureFixture, *more: str) -> str:
    code, out, _ = narcis(capsys, "submit", "small", "--json", *more)
    assert code == 0
    return json.loads(out)["id"]


def test_a_database_without_tables_is_refused_with_the_command_that_makes_them(job_file, capsys):
    job_file("small", "", CELL)
    code, out, err = narcis(capsys, "submit", "small")
    assert (code, out) == (5, "") and "run `narcis db upgrade`" in err
    assert narcis(capsys, "db", "upgrade")[0] == 0
    assert narcis(capsys, "submit", "small")[0] == 0


@pytest.mark.parametrize(
    "arguments, code, said",
    [
        (["submit", "nothing"], 4, "there is no job nothing; there are: small"),
        (["submit", "small", "-p", "wrods=x"], 2, "small has no parameter wrods (did you mean words?)"),
        (["submit", "small", "-p", "words=" + "x" * 21], 2, "at most 20 characters"),
        (["show", "ffffff"], 4, "there is no run ffffff; `narcis runs` lists them"),
        (["show", "%"], 4, "there is no run %"),
        (["cancel", "ffffff"], 4, "there is no run ffffff"),
        (["runs", "--state", "done"], 2, "a run is one of queued, running"),
        (["work", "--needs", "tpu"], 2, "a worker takes cpu and gpu"),
        (["work", "--jobs", "nothing"], 4, "there is no job nothing"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(engine, capsys, arguments, code, said):
    ended, out, err = narcis(capsys, *arguments)
    assert ended == code and out == "" and said in err and len(err.strip().splitlines()) == 1
    assert queries.page(engine) == []


def test_a_submitted_run_is_listed_and_shown_with_its_place(engine, capsys):
    first, second = submitted(capsys, "-p", "words=007"), submitted(capsys)
    _, out, _ = narcis(capsys, "runs")
    assert [line.split()[0] for line in out.splitlines()] == [second, first] and "007" in out
    _, out, _ = narcis(capsys, "show", second[-8:])
    assert "place      2" in out and "state      queued" in out
    _, out, _ = narcis(capsys, "runs", "--json", "--most", "1", "--before", second)
    assert [run["id"] for run in json.loads(out)] == [first]


def test_a_page_comes_after_a_run_that_is_named_by_the_end_of_its_id(engine, capsys):
    ids = [submitted(capsys) for _ in range(3)]
    _, out, _ = narcis(capsys, "runs", "--before", ids[1][-8:])
    assert [line.split()[0] for line in out.splitlines()] == [ids[0]]
    assert narcis(capsys, "runs", "--before", "ffffff")[0] == 4


def test_ctrl_c_ends_the_watching_and_not_the_run(engine, capsys, monkeypatch):
    monkeypatch.setattr(watching.time, "sleep", lambda _: (_ for _ in ()).throw(KeyboardInterrupt))
    code, out, err = narcis(capsys, "submit", "small", "--wait")
    (run,) = queries.page(engine)
    assert (code, out, run.state) == (130, "", "queued")
    assert f"the run goes on; `narcis cancel {run.id}` ends it" in err
    assert narcis(capsys, "logs", "--follow", run.id)[0] == 130


def test_whoever_cancels_a_running_run_is_told_that_it_was_heard(engine, capsys):
    id = submitted(capsys)
    queue.claim(engine, "w")
    _, out, _ = narcis(capsys, "cancel", id)
    assert "state      running" in out and "stopping   as cli" in out


def test_the_same_key_submits_once(engine, capsys):
    assert submitted(capsys, "--key", "k") == submitted(capsys, "--key", "k")


def test_a_run_from_its_submission_to_its_pictures(engine, capsys):
    id = submitted(capsys, "-p", "words=byzantine emperor")
    Worker(engine, asking.the_store()).work(once=True)
    _, out, _ = narcis(capsys, "show", id)
    assert "state      succeeded" in out and f"{id}/1.png" in out and f"{id}.ipynb" in out
    _, out, _ = narcis(capsys, "logs", id)
    assert [line.split()[1] for line in out.splitlines()] == ["submitted", "started", "step", "step", "succeeded"]
    _, out, _ = narcis(capsys, "logs", "--json", "--follow", id)
    assert json.loads(out.splitlines()[2])["of"] == 2


def test_waiting_ends_with_the_runs_end_and_its_code(engine, capsys):
    worker = Worker(engine, asking.the_store())
    thread = threading.Thread(target=worker.work)
    thread.start()
    try:
        code, out, err = narcis(capsys, "submit", "small", "--wait")
        assert code == 0 and out.startswith("succeeded\n") and "/1.png" in out and len(err.split()) == 1
        code, out, _ = narcis(capsys, "submit", "small", "-p", "words=bad", "--wait", "--json")
        assert code == 1 and json.loads(out)["said"] == "failed in cell 3: AssertionError: these words cannot be"
    finally:
        worker.stop()
        thread.join()


def test_a_waiting_run_is_cancelled_and_may_be_retried(engine, capsys):
    id = submitted(capsys, "-p", "words=once more")
    code, out, _ = narcis(capsys, "retry", id)
    assert code == 2
    code, out, _ = narcis(capsys, "cancel", id, "--json")
    assert code == 0 and json.loads(out)["state"] == "cancelled"
    _, out, _ = narcis(capsys, "retry", id, "--json")
    again = json.loads(out)
    assert again["parent"] == id and again["values"] == {"words": "once more"} and again["state"] == "queued"


def test_a_run_that_has_ended_cannot_be_cancelled(engine, capsys):
    id = queue.submit(engine, "small", {}, by="cli:anna")
    (claim,) = queue.claim(engine, "w")
    queue.finish(engine, claim, "succeeded", "succeeded")
    code, _, err = narcis(capsys, "cancel", id)
    assert code == 2 and "has succeeded" in err
