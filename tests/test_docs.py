"""The documents and the command line say the same; an undocumented command or option fails here."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from narcis.cli import complete

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")])
USUAL = {"--help", "--install-completion", "--show-completion"}


def commands(command: Any, name: str = "narcis") -> dict[str, Any]:
    """Every command that does something, by the words that call it."""
    children = getattr(command, "commands", None)
    if children is None:
        return {name: command}
    itself = {name: command} if command.invoke_without_command and command.params else {}
    return itself | {
        full: found for word, child in children.items() for full, found in commands(child, f"{name} {word}").items()
    }


COMMANDS = commands(get_command(complete()))


def options(command: Any) -> set[str]:
    """The long options of a command."""
    names = {name for one in command.params for name in [*one.opts, *one.secondary_opts]}
    return {name for name in names if name.startswith("--")} - USUAL


def sections(text: str) -> dict[str, str]:
    """What stands under each heading such as ## `narcis run`."""
    parts = re.split(r"^#+ `(narcis[^`\n]*)`.*$", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def calls(text: str) -> list[list[str]]:
    """The commands that a document shows, in code blocks and in code spans, as words."""
    blocks = "\n".join(re.findall(r"^```\w*\n(.*?)^```", text, re.MULTILINE | re.DOTALL))
    spans = "\n".join(re.findall(r"(?<!`)`(narcis [^`\n]+)`", text))
    lines = re.findall(r"^(?:\$ )?(narcis .*)$", f"{blocks}\n{spans}", re.MULTILINE)
    return [shlex.split(line.replace("…", ""), comments=True) for line in lines]


def called(words: list[str]) -> str | None:
    """The longest name of a command that the words begin with."""
    names = [" ".join(words[:n]) for n in range(len(words), 1, -1)]
    return next((name for name in names if name in COMMANDS), None)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_described_with_its_options(name: str):
    described = sections((ROOT / "docs" / "cli.md").read_text())
    assert name in described, f"docs/cli.md has no heading ## `{name}`"
    assert {option for option in options(COMMANDS[name]) if f"`{option}" not in described[name]} == set()


def test_every_heading_is_a_command():
    assert set(sections((ROOT / "docs" / "cli.md").read_text())) - COMMANDS.keys() == set()


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_command_that_a_document_shows_exists(document: Path):
    for words in calls(document.read_text()):
        if words[1:2] == ["--help"]:
            continue
        name = called(words)
        assert name, f"{document.name} shows {' '.join(words)!r}"
        shown = {word.partition("=")[0] for word in words if word.startswith("--")} - USUAL
        assert shown <= options(COMMANDS[name]), f"{document.name} shows {' '.join(words)!r}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_inside_the_repository_leads_somewhere(document: Path):
    targets = re.findall(r"\]\((?!https?:|#)([^)#\s]+)|<img [^>]*src=\"(?!https?:)([^\"]+)", document.read_text())
    links = [first or second for first, second in targets]
    assert [link for link in links if not (document.parent / link).exists()] == []
