"""The house: Makefile, constraints, layers, and what no file may say."""

import configparser
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
TENSOR_ROOMS = {"portrait", "mini", "lab"}
needs_make = pytest.mark.skipif(not shutil.which("make"), reason="there is no make here")


def lines_of_constraints() -> list[str]:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def pins() -> dict[str, str]:
    return {canonicalize_name(name): version for name, version in (line.split("==") for line in lines_of_constraints())}


def wanted() -> list[Requirement]:
    """What pyproject.toml asks for, the extras too."""
    extras = PROJECT["optional-dependencies"].values()
    return [Requirement(text) for text in [*PROJECT["dependencies"], *(text for extra in extras for text in extra)]]


def brought(requirement: Requirement, seen: set[str]) -> Iterator[str]:
    """The names of a requirement and of all that it brings along on this machine."""
    name = canonicalize_name(requirement.name)
    key = f"{name}[{','.join(sorted(requirement.extras))}]"
    if key in seen:
        return
    seen.add(key)
    yield name
    try:
        further = [Requirement(text) for text in requires(name) or []]
    except PackageNotFoundError:
        return
    for one in further:
        if not one.marker or any(one.marker.evaluate({"extra": extra}) for extra in ("", *requirement.extras)):
            yield from brought(one, seen)


def make(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """make as a person calls it, though we may run inside another make."""
    clean = {
        key: value for key, value in os.environ.items() if key not in {"MAKEFLAGS", "MAKELEVEL", "MFLAGS", "DISPLAY"}
    }
    return subprocess.run(["make", *words], cwd=folder, env=clean, capture_output=True, text=True, timeout=60)


def targets() -> set[str]:
    phony = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert phony
    return set(phony[1].split())


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A folder with our Makefile and nothing installed."""
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


@pytest.fixture
def installed(house: Path) -> Path:
    """The same, with an environment whose `narcis` prints what it is given, one argument a line."""
    binaries = house / ".venv" / "bin"
    binaries.mkdir(parents=True)
    for name in ("python", "narcis"):
        (binaries / name).write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
        (binaries / name).chmod(0o755)
    (house / ".venv" / "installed").touch()
    return house


@needs_make
def test_make_alone_lists_every_target(house: Path):
    said = make(house).stdout
    assert targets() == set(re.findall(r"^  make (\w+)", said, re.MULTILINE))


@needs_make
def test_a_missing_python_is_named_with_the_way_out(house: Path):
    done = make(house, "portrait", "PYTHON=python-of-nowhere")
    assert done.returncode != 0
    assert "no python-of-nowhere on this machine" in done.stderr
    assert "make portrait PYTHON=" in done.stderr


@needs_make
def test_make_portrait_hands_over_words_and_photo_whole(installed: Path):
    done = make(installed, "portrait", """WORDS=it's a "king"; ls""", "FACE=my photo.jpg", "OUT=here")
    assert done.stdout.splitlines() == ["portrait", """it's a "king"; ls""", "--face", "my photo.jpg", "--out", "here"]
    assert done.returncode == 0


@needs_make
def test_make_portrait_without_a_photo_leaves_the_sitter_to_narcis(installed: Path):
    arguments = make(installed, "portrait").stdout.splitlines()
    assert arguments[:3] == ["portrait", "byzantine emperor", "--out"]


@pytest.mark.parametrize("document", ["README.md", "CONTRIBUTING.md"])
def test_every_make_target_that_a_document_names_exists(document: str):
    text = (ROOT / document).read_text()
    assert set(re.findall(r"(?:^|`)make ([a-z]+)", text, re.MULTILINE)) <= targets()


def test_constraints_are_plain_pins():
    odd = [line for line in lines_of_constraints() if not re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][0-9a-z.]*", line)]
    assert odd == []


def test_constraints_pin_what_the_project_asks_for():
    found = pins()
    assert [str(one) for one in wanted() if found.get(canonicalize_name(one.name), "0") not in one.specifier] == []
    assert [one.name for one in wanted() if canonicalize_name(one.name) not in found] == []


def test_torch_is_the_build_without_gigabytes():
    assert pins()["torch"] == "2.13.0"


@pytest.mark.skipif(sys.platform != "linux", reason="the pins were taken on Linux")
def test_constraints_pin_what_those_bring_along():
    seen: set[str] = set()
    names = {name for requirement in wanted() for name in brought(requirement, seen)}
    of_a_gpu = {name for name in names if name.startswith(("nvidia", "cuda", "triton"))}
    assert names - of_a_gpu - pins().keys() == set()


def test_conda_people_get_the_same_versions():
    assert "--constraint constraints.txt" in (ROOT / "environment.yml").read_text()


def test_every_module_outside_the_tensor_rooms_is_kept_from_torch():
    layers = configparser.ConfigParser()
    layers.read(ROOT / ".importlinter")
    kept = set(layers["importlinter:contract:tensors"]["source_modules"].split())
    found = {
        path.stem for path in (ROOT / "narcis").iterdir() if path.suffix == ".py" or (path / "__init__.py").is_file()
    }
    assert {f"narcis.{name}" for name in found - TENSOR_ROOMS - {"__init__", "__main__"}} == kept


MACHINE = re.compile(r"(?<![\w.])/(?:root|home|work|opt|Users)/")
REGISTRY = re.compile(
    r"pypi[.]org|pythonhosted[.]org|download[.]pytorch|npmjs[.]org|debian[.]org|--(?:extra-)?index-url"
)


def files_of_the_repository() -> list[Path]:
    """What is tracked, and what would be with `git add`."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        pytest.skip("this is no git checkout")
    return [ROOT / name for name in done.stdout.split("\0") if name and (ROOT / name).is_file()]


def text_of(path: Path) -> str:
    data = path.read_bytes()
    return "" if b"\0" in data[:8192] else data.decode(errors="replace")


@pytest.mark.parametrize("pattern", [MACHINE, REGISTRY], ids=["a path of a machine", "a package registry"])
def test_no_file_names(pattern: re.Pattern[str]):
    hits = [(path, pattern.search(text_of(path))) for path in files_of_the_repository()]
    assert [f"{path.relative_to(ROOT)}: {hit[0]}" for path, hit in hits if hit] == []
