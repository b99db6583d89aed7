"""`narcis idea`: what it prints, what it keeps, what it refuses."""

import json
from pathlib import Path

import pytest

from narcis import cli
from narcis.mecene import CATEGORIES
from narcis.mecene.writers import bedrock


def narcis(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        cli.main(list(arguments))
    return int(ended.value.code or 0)


def test_three_ideas_come_with_their_keywords_and_prompts(capsys, runs: Path):
    assert narcis("idea", "corporate confidence", "-n", "3") == 0
    said = capsys.readouterr()
    blocks = said.out.strip().split("\n\n")
    assert len(blocks) == len(set(blocks)) == 3 and said.err == ""
    for block in blocks:
        assert block.startswith("Corporate confidence. ")
        assert all(f"\n  {name} " in block for name in (*CATEGORIES, "prompt", "seed"))
        assert max(map(len, block.splitlines())) <= 96
    assert not runs.exists()  # the lexicon is faster than any shelf


def test_words_without_quotes_are_the_same_words(capsys):
    narcis("idea", "winter", "queen")
    apart = capsys.readouterr().out
    narcis("idea", "winter queen")
    assert capsys.readouterr().out == apart


def test_json_holds_all_that_is_known(capsys):
    assert narcis("idea", "winter queen", "-n", "2", "--seed", "5", "--who", "woman", "--free", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["words"] == "winter queen" and [one["seed"] for one in told["ideas"]] == [5, 6]
    first = told["ideas"][0]
    assert set(first["meta"]) == set(CATEGORIES) and first["writer"] == "lexicon" and first["negative"]
    assert [one["keyword"] for one in first["chosen"]] == first["keywords"] and len(first["keywords"]) == 15
    assert first["prompt"].startswith("portrait of a woman, ")


@pytest.mark.parametrize(
    "arguments, code, said",
    [
        (["taylor swift"], 2, "paints nobody who lives by name"),
        (["one", "two", "three", "four", "five"], 2, "5 words"),
        (["queen", "--who", "dog"], 2, "man, woman, person"),
        (["queen", "--writer", "muse"], 2, "no writer 'muse'"),
        (["queen", "--writer", "transformers"], 2, "needs a model"),
        (["queen", "-n", "0"], 2, "greater than or equal to 1"),
        (["queen", "--seed", "-1"], 2, "greater than or equal to 0"),
    ],
)
def test_what_cannot_be_is_refused_in_words(capsys, arguments: list[str], code: int, said: str):
    assert narcis("idea", *arguments) == code
    told = capsys.readouterr()
    assert said in " ".join(told.err.replace("│", " ").split()) and told.out == ""


class Thinks(bedrock.Bedrock):
    """Bedrock without its wire, which has tests of its own."""

    calls = 0

    def idea(self, words, seed, brief):
        type(self).calls += 1
        return "A clock stops. " * 10

    def keywords(self, words, idea, seed, brief):
        from narcis.mecene import MetaKeywords
        from narcis.mecene.writers import Found

        return Found(MetaKeywords(themes=("time",)), {})


@pytest.fixture
def thinks(monkeypatch: pytest.MonkeyPatch) -> type[Thinks]:
    Thinks.calls = 0
    monkeypatch.setattr(bedrock, "Bedrock", Thinks)
    monkeypatch.setenv("NARCIS_WRITER", "bedrock")
    monkeypatch.setenv("NARCIS_WRITER_MODEL", "some.model-v1:0")
    return Thinks


def test_what_a_language_model_thought_is_kept_in_the_store(capsys, thinks, runs: Path):
    for _ in range(2):
        assert narcis("idea", "stopped clock", "--json") == 0
    first, second = (json.loads(line)["ideas"][0] for line in capsys.readouterr().out.splitlines())
    assert thinks.calls == 1 and (first["kept"], second["kept"]) == (False, True)
    assert first["model"] == second["model"] == "some.model-v1:0" and first["idea"] == second["idea"]
    assert len(list((runs / "store" / "ideas").glob("idea-*.json"))) == 1


def test_a_store_that_is_away_keeps_nothing_and_hinders_nothing(capsys, thinks, runs: Path):
    runs.write_text("in the way")
    assert narcis("idea", "stopped clock") == 0
    assert "A clock stops." in capsys.readouterr().out and thinks.calls == 1


def test_the_lexicon_standing_in_is_said_on_stderr(capsys, tmp_path: Path):
    assert narcis("idea", "winter queen", "--writer", f"transformers:{tmp_path}") == 0
    said = capsys.readouterr()
    assert said.out.startswith("Winter queen. ") and said.err.startswith(
        "narcis: the lexicon stood in for transformers: "
    )
    assert len(said.err.splitlines()) == 1
