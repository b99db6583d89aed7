"""The warm engine, with real kernels and notebooks that need no torch."""

import base64
import hashlib
import io
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import threading
import time
import tomllib
from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint
from itertools import count
from pathlib import Path
from typing import Any

import nbformat
import papermill
import psutil
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from papermill.engines import papermill_engines
from PIL import Image

from narcis.errors import Interrupted
from narcis.folder import RunFolder
from narcis.jobs import catalog, engine, entry, kernel, outcome
from narcis.jobs.engine import Limits
from narcis.jobs.executed import INLINE, link_pictures
from narcis.jobs.kernel import WarmKernel
from narcis.jobs.outcome import Outcome
from narcis.jobs.run import execute, prepare
from narcis.settings import HOME

PARAMETERS = 'words: str = "none"  # any\nout: str = ""  # the folder'
SIGN = "import os, pathlib, time\npathlib.Path(out, 'pid').write_text(str(os.getpid()))\n"
SLEEP = f"{SIGN}time.sleep(60)"
Play = Callable[..., tuple[Outcome, RunFolder]]


@pytest.fixture(scope="module")
def warm() -> Iterator[WarmKernel]:
    with WarmKernel(runs=1000) as one:
        yield one


@pytest.fixture
def play(job_file, tmp_path) -> Play:
    """Runs cells after the parameters cell as a job."""
    numbers = count()

    def run(kernel: WarmKernel | None, *cells: str, words: str = "x", limits: Limits | None = None) -> tuple:
        name = f"job{next(numbers)}"
        job_file(name, "open: {words: {}}", PARAMETERS, *cells)
        job = catalog.find(name)
        folder = prepare(job, tmp_path / name)
        return execute(job, job.values({"words": words}), folder, kernel=kernel, limits=limits), folder

    return run


def cells(folder: RunFolder) -> list[dict]:
    return [cell for cell in json.loads(folder.notebook.read_text())["cells"] if cell["cell_type"] == "code"]


def printed(folder: RunFolder) -> str:
    return "".join("".join(out.get("text", "")) for cell in cells(folder) for out in cell["outputs"])


def statuses(folder: RunFolder) -> list[str]:
    return [cell["metadata"]["papermill"]["status"] for cell in cells(folder)]


def once(sign: Path, then: Callable[[], Any]) -> threading.Thread:
    """Does something in another thread when a cell has left its sign."""

    def wait() -> None:
        while not sign.exists() or not sign.read_text():
            time.sleep(0.02)
        then()

    thread = threading.Thread(target=wait)
    thread.start()
    return thread


# ------------------------------------------------------------------------------------------ one kernel, many runs
def test_two_runs_share_imported_modules_and_no_variable(warm, play):
    _, first = play(warm, "import colorsys\ncolorsys.loaded = x = 1", "import os\nprint(os.getpid())")
    ended, second = play(warm, "import colorsys, os\nprint(colorsys.loaded, 'x' in globals(), os.getpid())")
    assert ended.state == "succeeded"
    assert printed(second).split() == ["1", "False", printed(first).strip()]


LEAVE = """
import builtins, io, logging, os, random, signal, sys, tempfile, warnings
from IPython import get_ipython
from IPython.display import display
class Thing: note = words
keep, handle = [words], display(words, display_id="same")
os.environ["LEFT"] = os.environ["HOME"] = words
sys.path.append(words); sys.argv.append(words)
builtins.left, builtins.abs = words, lambda value: words
warnings.filterwarnings("ignore", words)
signal.signal(signal.SIGUSR1, lambda *_, w=words: w)
logging.getLogger().addHandler(logging.StreamHandler(io.StringIO(words)))
get_ipython().events.register("pre_run_cell", lambda *_, w=words: None)
get_ipython().display_formatter.formatters["text/html"].for_type(int, lambda value, w=words: w)
path = tempfile.mkstemp()[1]
with open(path, "w") as file: file.write(words)
with open(out + "/left.txt", "w") as file: file.write(path)
os.chdir(tempfile.mkdtemp())
sys.modules["__main__"].planted = words
sys.modules["__main__"] = Thing
words
"""
LOOK = """
import gc, json, os, signal, sys, tempfile, warnings
gc.unfreeze()  # else what was there before a wipe would not be looked at
needle = "".join(["c4n", "ary"])
found = [value[:80] for thing in gc.get_objects() if type(thing) in (dict, list, tuple, set)
         for value in (list(thing.values()) if type(thing) is dict else thing)
         if type(value) is str and needle in value and value is not needle]
"""
STATE = """
html = get_ipython().display_formatter.formatters["text/html"].type_printers
state = dict(found=found, names=sorted(globals()), ins=len(In), out=Out, last=[_, __, ___], inputs=_iii, dirs=_dh)
state |= dict(cwd=os.getcwd(), environ=sorted(os.environ), home=os.environ["HOME"], path=sys.path, argv=len(sys.argv))
state |= dict(main=sys.modules["__main__"].__dict__ is globals(), abs=abs(-1), left=hasattr(__builtins__, "left"))
state |= dict(usr1=str(signal.getsignal(signal.SIGUSR1)), filters=len(warnings.filters), html=len(html))
state |= dict(temporary=os.listdir(tempfile.gettempdir()), number=get_ipython().execution_count)
with open(out + "/state.json", "w") as file: json.dump(state, file, default=str)
"""


def seen(folder: RunFolder) -> dict[str, Any]:
    return json.loads((folder.path / "state.json").read_text())


def test_nothing_of_a_run_can_be_read_by_the_next(warm, play):
    """A run leaves a canary wherever it can; the next sees what the first of a new kernel sees, and no canary."""
    with WarmKernel() as fresh:
        _, before = play(fresh, LOOK, STATE)
    play(warm, "1")
    starts = warm.starts
    ended, left = play(warm, LEAVE, "raise ValueError(words)", words="c4nary")
    assert ended.said == "failed in cell 4: ValueError: c4nary" and "c4nary" in left.notebook.read_text()
    assert not Path((left.path / "left.txt").read_text()).parent.exists()
    _, after = play(warm, LOOK, STATE)
    assert seen(after)["found"] == []
    assert seen(after) == seen(before)
    assert warm.starts == starts, warm.ended


CIRCLE = """
class Circle:
    def __init__(self): self.itself = self
    def __del__(self, path=out + "/freed.txt"): open(path, "w").close()
circle = Circle()
"""


def test_what_a_run_left_in_circles_is_freed_by_every_wipe(warm, play):
    for _ in range(3):
        _, folder = play(warm, CIRCLE)
        assert (folder.path / "freed.txt").exists()


def test_libraries_are_gone_through_for_garbage_by_one_wipe_in_many(warm, play):
    play(warm, "1")
    _, folder = play(warm, "import gc; print(gc.get_freeze_count() > 10_000)")
    assert printed(folder) == "True\n"


def test_random_states_are_not_those_of_the_last_run(warm, play):
    draw = "import random, numpy\nprint(random.random(), numpy.random.rand())"
    seeded = f"import random, numpy\nrandom.seed(1)\nnumpy.random.seed(1)\n{draw}"
    runs = [printed(play(warm, source)[1]).split() for source in (seeded, draw, draw)]
    assert len({value for run in runs for value in run}) == 6


def test_figures_are_closed_and_styles_put_back(warm, play):
    play(warm, "import matplotlib.pyplot as plt\nplt.style.use('dark_background')\nplt.ioff()\nfig = plt.figure()")
    _, after = play(warm, "import matplotlib.pyplot as plt\nprint(plt.get_fignums(), plt.rcParams['text.color'])")
    assert printed(after).split() == ["[]", "black"]
    _, shows = play(warm, "import matplotlib.pyplot as plt\nplt.plot([1, 2]);")
    assert "image/png" in cells(shows)[-1]["outputs"][0]["data"]


def test_a_module_that_a_run_wrote_is_not_the_next_runs(warm, play):
    write = "import pathlib, sys\npathlib.Path(out, 'own.py').write_text(f'value = {words!r}')\nsys.path.insert(0, out)"
    for words in ("one", "two"):
        _, folder = play(warm, write, "import own\nprint(own.value)", words=words)
        assert printed(folder).strip() == words


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(words=st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
@example("Infinity")
@example("007")
@example("None")
@example("a \"b\" \\ 'c' {words} {{}} ${HOME} %pwd !ls ?")
@example("'''\n\"\"\"\r\n\x00\u2028 é 冬 🎨")
def test_any_text_arrives_as_it_is(warm, tmp_path_factory, words):
    folder = tmp_path_factory.mktemp("text {a} {0}")
    source = "import json, pathlib\npathlib.Path(out, 'said.json').write_text(json.dumps(words))"
    notebook(folder / "in {b}.ipynb", source)
    engine.perform(folder / "in {b}.ipynb", {"words": words, "out": str(folder)}, folder / "out.ipynb", warm)
    assert json.loads((folder / "said.json").read_text()) == words


def notebook(path: Path, *sources: str) -> None:
    nb = nbformat.v4.new_notebook(
        metadata={"kernelspec": {"name": "python3", "display_name": "", "language": "python"}}
    )
    nb.cells = [nbformat.v4.new_code_cell(source) for source in (PARAMETERS, *sources)]
    nb.cells[0].metadata["tags"] = ["parameters"]
    nbformat.write(nb, path)


# ------------------------------------------------------------------------------------------ the process
def test_its_sockets_are_files_that_only_this_user_can_reach(warm, play):
    play(warm, "1")
    assert stat.S_IMODE(warm.folder.stat().st_mode) == 0o700
    sockets = [path for path in warm.folder.rglob("*") if path.is_socket()]
    assert len(sockets) == 5 and all(len(os.fsencode(path)) < 104 for path in sockets)
    listening = [one for one in psutil.Process(warm.pid).net_connections("inet") if one.status == psutil.CONN_LISTEN]
    assert all(one.laddr.ip in ("127.0.0.1", "::1") for one in listening)


def test_a_long_folder_for_temporary_files_is_not_used_for_sockets(monkeypatch, tmp_path):
    monkeypatch.setattr(kernel.tempfile, "tempdir", str(tmp_path / ("x" * 100)))
    folder, lock = kernel.private_folder()
    lock.close()
    shutil.rmtree(folder)
    assert len(str(folder)) < kernel.LONGEST


def test_folders_of_owners_that_were_killed_are_swept_and_no_others(monkeypatch):
    monkeypatch.setattr(kernel, "PREFIX", f"narcis-test-{os.getpid()}-")
    (living, held), (dead, let_go), (new, fresh) = (kernel.private_folder() for _ in range(3))
    for lock in (let_go, fresh):
        lock.close()
    for folder in (living, dead):
        os.utime(folder / "lock", (0, 0))
    kernel.sweep(dead.parent)
    assert [folder.exists() for folder in (living, dead, new)] == [True, False, True]
    held.close()
    for folder in (living, new):
        shutil.rmtree(folder)


def test_closing_leaves_no_process_and_no_folder(play):
    with WarmKernel() as one:
        one.start()
        pid = one.pid
        assert psutil.pid_exists(pid) and one.folder.exists()
    assert not psutil.pid_exists(pid) and not one.folder.exists() and one.pid == 0
    one.close()


def test_the_process_is_replaced_after_so_many_runs(play):
    with WarmKernel(runs=2) as one:
        pids = [printed(play(one, "import os\nprint(os.getpid())")[1]) for _ in range(3)]
        assert pids[0] == pids[1] != pids[2] and one.ended == "2 runs" and one.starts == 2


def test_the_process_is_replaced_when_it_has_grown(play):
    with WarmKernel(growth=64 << 20) as one:
        play(one, "import colorsys")
        first = one.pid
        play(one, "import colorsys\ncolorsys.hoard = b'x' * (40 << 20)")
        assert one.pid == first
        play(one, "import colorsys\ncolorsys.hoard += b'x' * (80 << 20)")
        assert one.pid == 0 and one.ended.startswith("it grew by")


@pytest.mark.parametrize(
    "leave, said",
    [
        (
            "import threading, time\nthreading.Thread(target=time.sleep, args=(60,), daemon=True).start()",
            "thread Thread-",
        ),
        ("import asyncio\ntask = asyncio.ensure_future(forever())", "task Task-"),
        ("import builtins\n__import__ = None", "it could not be wiped"),
        ("import subprocess\nchild = subprocess.Popen(['sleep', '60'])", "process sleep"),
    ],
)
def test_what_cannot_be_wiped_ends_the_process(play, leave, said, monkeypatch):
    with WarmKernel() as one:
        ended, _ = play(one, "import asyncio\nasync def forever():\n    await asyncio.sleep(60)", leave)
        assert ended.state == "succeeded"
        assert one.pid == 0 and said in one.ended
        assert play(one, "1")[0].state == "succeeded" and one.starts == 2


def test_a_kernel_killed_in_the_middle_is_told_and_the_next_run_works(warm, play, tmp_path):
    starts = warm.starts
    killer = once(tmp_path / "job0" / "pid", lambda: os.kill(int((tmp_path / "job0/pid").read_text()), signal.SIGKILL))
    ended, folder = play(warm, "1", SLEEP, "2")
    killer.join()
    assert (ended.state, ended.cause) == ("failed", "kernel") and "the kernel died in cell 4" in ended.said
    assert statuses(folder) == ["completed", "completed", "completed", "failed", "pending"]
    assert "papermill-error-cell" in folder.notebook.read_text()
    assert play(warm, "print(1)")[0].state == "succeeded" and warm.starts == starts + 1


def test_a_kernel_that_died_between_two_runs_is_replaced_unseen(warm, play):
    play(warm, "1")
    os.kill(warm.pid, signal.SIGKILL)
    assert play(warm, "1")[0].state == "succeeded"


# ------------------------------------------------------------------------------------------ limits and interrupts
@pytest.mark.parametrize(
    "limits, cause, said",
    [
        (Limits(run=1.0), "run", "the run took longer than its 1 s; it was in cell 3"),
        (Limits(cell=0.5), "cell", "it took longer than a cell's 0.5 s in cell 3"),
        (Limits(progress=0.5), "progress", "nothing moved for 0.5 s in cell 3"),
    ],
)
def test_each_limit_ends_the_run_by_its_name(warm, play, limits, cause, said):
    warm.start()
    began, pid = time.monotonic(), warm.pid
    ended, folder = play(warm, SLEEP, "2", limits=limits)
    assert time.monotonic() - began < 10
    assert (ended.state, ended.cause, ended.exit_code) == ("failed", cause, 1) and said in ended.said
    assert statuses(folder) == ["completed", "completed", "timed out", "pending"]
    assert [out["ename"] for out in cells(folder)[2]["outputs"]] == ["KeyboardInterrupt", type_of(cause)]
    assert warm.pid == 0 and not psutil.pid_exists(pid)


def type_of(cause: str) -> str:
    return next(kind.__name__ for kind in outcome.TimedOut.__subclasses__() if kind.limit == cause)


def test_the_exception_of_a_limit_carries_which_where_and_how_long(warm, tmp_path):
    notebook(tmp_path / "in.ipynb", "import time\ntime.sleep(60)")
    with pytest.raises(outcome.CellTimedOut) as ended:
        engine.perform(tmp_path / "in.ipynb", {}, tmp_path / "out.ipynb", warm, Limits(cell=0.3))
    assert (ended.value.limit, ended.value.cell, ended.value.allowed) == ("cell", 2, 0.3)
    assert 0.3 <= ended.value.after < 5


def test_lines_of_progress_and_finished_cells_are_progress(warm, play):
    steps = "import time\nfrom narcis.folder import RunFolder\nrun = RunFolder.open(out)\n"
    steps += "for i in range(6):\n    run.tell('paint', i + 1, 6)\n    time.sleep(0.3)"
    ended, _ = play(warm, steps, *["time.sleep(0.5)"] * 2, limits=Limits(progress=1.2))
    assert ended.state == "succeeded"


def test_an_interrupt_from_another_thread_ends_the_cell_and_not_the_kernel(warm, play, tmp_path):
    warm.start()
    pid, heard = warm.pid, []
    stopper = once(tmp_path / "job0" / "pid", lambda: heard.append(warm.interrupt("cancelled by ada")))
    ended, folder = play(
        warm, f"try:\n    {SLEEP.replace(chr(10), chr(10) + '    ')}\nfinally:\n    print('swept')", "2"
    )
    stopper.join()
    assert heard == [True] and warm.interrupt() is False
    assert ended == outcome.interrupted("cancelled by ada") and ended.exit_code == 130 and folder.state == "interrupted"
    assert statuses(folder)[2:] == ["interrupted", "pending"] and printed(folder) == "swept\n"
    assert "papermill-error-cell" in folder.notebook.read_text()
    assert play(warm, "print(1)")[0].state == "succeeded" and warm.pid == pid


def test_an_interrupt_stops_the_notebook_even_where_the_cell_catches_it(warm, play, tmp_path):
    stopper = once(tmp_path / "job0" / "pid", warm.interrupt)
    caught = f"try:\n    {SLEEP.replace(chr(10), chr(10) + '    ')}\nexcept KeyboardInterrupt: pass"
    ended, folder = play(warm, caught, "2")
    stopper.join()
    assert ended == outcome.INTERRUPTED and statuses(folder)[2:] == ["interrupted", "pending"]


def test_a_cell_that_will_not_stop_is_killed_and_the_next_run_works(warm, play, tmp_path, monkeypatch):
    monkeypatch.setattr(kernel, "PATIENCE", 0.8)
    stopper = once(tmp_path / "job0" / "pid", warm.interrupt)
    ended, _ = play(warm, "import signal\nignored = signal.signal(signal.SIGINT, signal.SIG_IGN)\n" + SLEEP)
    stopper.join()
    assert ended == outcome.INTERRUPTED and warm.pid == 0
    assert play(warm, "1")[0].state == "succeeded"


def test_a_kernel_can_be_made_used_and_closed_by_threads_that_are_not_the_main_one(play, recwarn):
    ends: list[Any] = []
    one: list[WarmKernel] = []

    def worker(step: Callable[[], Any]) -> None:
        thread = threading.Thread(target=lambda: ends.append(step()))
        thread.start()
        thread.join()

    worker(lambda: one.append(WarmKernel()))
    worker(lambda: play(one[0], "print(1)")[0].state)
    worker(lambda: play(one[0], "print(2)")[0].state)
    worker(one[0].close)
    assert ends == [None, "succeeded", "succeeded", None] and one[0].starts == 1


def test_ctrl_c_in_the_thread_that_waits_gives_the_run_up_and_the_kernel_with_it(warm, play, tmp_path):
    """As in a Python shell, where nobody has called `stoppable`."""
    warm.start()
    pid = warm.pid
    notebook(tmp_path / "in.ipynb", SLEEP)
    presser = once(tmp_path / "pid", lambda: os.kill(os.getpid(), signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        engine.perform(tmp_path / "in.ipynb", {"out": str(tmp_path)}, tmp_path / "out.ipynb", warm)
    presser.join()
    assert play(warm, "1")[0].state == "succeeded" and not psutil.pid_exists(pid)


def test_an_interrupt_while_the_kernel_starts_needs_no_patience(tmp_path):
    notebook(tmp_path / "in.ipynb", "import time\ntime.sleep(60)")
    with WarmKernel() as one:
        threading.Timer(0.1, lambda: one.interrupt("not wanted")).start()
        began = time.monotonic()
        with pytest.raises(Interrupted, match="not wanted"):
            engine.perform(tmp_path / "in.ipynb", {}, tmp_path / "out.ipynb", one)
        assert time.monotonic() - began < 5


# ------------------------------------------------------------------------------------------ the executed notebook
@pytest.mark.parametrize("last, writes", [("3", 6), ("1/0", 6)])
def test_n_code_cells_are_written_n_plus_one_times(warm, play, monkeypatch, last, writes):
    paths = []
    put = RunFolder.put
    monkeypatch.setattr(RunFolder, "put", lambda self, path, write: paths.append(path.name) or put(self, path, write))
    _, folder = play(warm, "1", "2", last)
    assert len(cells(folder)) == 5 and paths.count("notebook.ipynb") == writes


def test_a_reader_finds_a_whole_notebook_at_every_moment(warm, play, tmp_path):
    path, over, seen = tmp_path / "job0" / "notebook.ipynb", threading.Event(), []

    def read() -> None:
        while not over.is_set():
            if path.exists():
                seen.append(len(json.loads(path.read_text())["cells"]))

    reader = threading.Thread(target=read)
    reader.start()
    ended, folder = play(warm, *["print('x' * 200_000)"] * 8)
    over.set()
    reader.join()
    assert ended.state == "succeeded" and len(seen) > 5 and set(seen) == {10}
    assert not list(folder.path.rglob("*.part"))


def test_while_a_cell_runs_the_notebook_says_which(warm, play, tmp_path):
    states: list[list[str]] = []
    looker = once(tmp_path / "job0" / "pid", lambda: states.append(statuses(RunFolder(tmp_path / "job0"))))
    play(warm, "1", f"{SIGN}time.sleep(0.5)", "2")
    looker.join()
    assert states == [["completed", "completed", "completed", "running", "pending"]]


PICTURE = """
import io, os
from IPython.display import HTML, Image, display
from PIL import Image as Pillow
def png(side):
    file = io.BytesIO()
    Pillow.frombytes("RGB", (side, side), os.urandom(3 * side * side)).save(file, "PNG")
    return file.getvalue()
large = png(200)
open(out + "/large.png", "wb").write(large)
display(Image(large, width=50), Image(png(20)))
"""


def test_large_pictures_are_files_that_the_notebook_shows(warm, play):
    _, folder = play(warm, PICTURE, "display(Image(large))")
    large = (folder.path / "large.png").read_bytes()
    name = f"figures/{hashlib.sha256(large).hexdigest()}.png"
    assert (folder.path / name).read_bytes() == large and len(os.listdir(folder.path / "figures")) == 1
    first, small = cells(folder)[2]["outputs"]
    html = "".join(first["data"]["text/html"])
    assert f'src="{name}"' in html and 'width="50"' in html and "image/png" not in first["data"]
    assert "image/png" in small["data"] and "text/html" not in small["data"]
    assert folder.notebook.stat().st_size < INLINE


def test_large_pictures_within_html_are_files_as_well(tmp_path):
    file = io.BytesIO()
    Image.frombytes("RGB", (200, 200), os.urandom(120_000)).save(file, "PNG")
    url = "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()
    nb = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("")])
    nb.cells[0].outputs = [nbformat.v4.new_output("display_data", {"text/html": f'<img src="{url}"><p>kept</p>'})]
    link_pictures(nb, tmp_path)
    (path,) = (tmp_path / "figures").iterdir()
    assert nb.cells[0].outputs[0]["data"]["text/html"] == f'<img src="figures/{path.name}"><p>kept</p>'
    assert path.read_bytes() == file.getvalue()


def test_a_second_run_in_the_same_folder_leaves_no_picture_of_the_first(job_file, warm, tmp_path):
    job_file("pictures", "open: {words: {}}", PARAMETERS, PICTURE)
    job = catalog.find("pictures")
    for _ in range(2):
        folder = prepare(job, tmp_path / "run")
        assert execute(job, job.values({}), folder, kernel=warm).state == "succeeded"
        assert len(list((folder.path / "figures").iterdir())) == 1


# ------------------------------------------------------------------------------------------ as papermill's engine
def test_papermill_finds_it_by_name_and_gives_it_a_kernel_of_its_own(tmp_path):
    notebook(tmp_path / "in.ipynb", "print(words)")
    nb = papermill.execute_notebook(
        str(tmp_path / "in.ipynb"),
        str(tmp_path / "out.ipynb"),
        {"words": "hi"},
        engine_name="narcis",
        progress_bar=False,
    )
    assert nb.cells[-1].outputs[0].text == "hi\n" and json.loads((tmp_path / "out.ipynb").read_text())


@pytest.mark.parametrize("first", ["papermill", "narcis.jobs.engine", "narcis.jobs.run", "narcis.cli"])
def test_papermill_finds_the_engine_whoever_is_imported_first(first: str):
    """As after an installation, where papermill imports what the entry point names."""
    code = (
        "import entrypoints\n"
        "ours = entrypoints.EntryPoint('narcis', 'narcis.jobs.entry', 'NarcisEngine')\n"
        "entrypoints.get_group_all = lambda group: [ours] if group == 'papermill.engine' else []\n"
        f"import {first}\n"
        "from papermill.engines import papermill_engines\n"
        "assert papermill_engines.get_engine('narcis').__name__ == 'NarcisEngine'\n"
    )
    ran = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr


def test_the_entry_point_names_what_there_is():
    entries = tomllib.loads((HOME / "pyproject.toml").read_text())["project"]["entry-points"]
    assert EntryPoint("narcis", entries["papermill.engine"]["narcis"], "papermill.engine").load() is entry.NarcisEngine
    assert entry.NarcisEngine.real() is papermill_engines.get_engine(engine.NAME) is engine.NarcisEngine
