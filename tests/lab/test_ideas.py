"""Mécène in notebooks: the model's way of being asked, what is kept, and what is shown."""

from dataclasses import replace
from pathlib import Path

import pytest

from narcis.folder import RunFolder
from narcis.lab import ideas
from narcis.mecene import Captions, MetaKeywords, Tags, imagine
from narcis.mecene.writers import Found
from narcis.portrait import wording


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return RunFolder.create(tmp_path / "run", "ideas")


def test_a_notebooks_idea_is_the_command_lines(mini, run: RunFolder, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("NARCIS_WRITER", raising=False)
    assert ideas.imagine(run, mini, "winter queen", 3, "woman") == imagine("winter queen", 3, "woman")
    (told,) = run.manifest()["ideas"]
    assert told == {
        "words": "winter queen",
        "seed": 3,
        "writer": "lexicon",
        "model": "",
        "fell_back": "",
        "kept": False,
    }


def test_a_model_is_asked_as_it_wants(mini, tmp_path: Path):
    """The same networks in a folder that names no vocabulary."""
    free = replace(mini, made=replace(mini.made, base=tmp_path))
    assert isinstance(ideas.asking(mini), Captions)
    asking = ideas.asking(free, photos=2)
    assert isinstance(asking, Tags) and asking.room == wording.room(mini, 2) < wording.room(mini, 1)
    prompt = imagine("winter queen", 0, "woman", asking=asking).prompt
    assert 4 < asking.count(prompt) <= asking.room and prompt.startswith("portrait of a woman")


def test_a_language_models_thought_lies_in_the_runs_stages_for_the_next_run(mini, run: RunFolder, monkeypatch):
    class Thinker:
        name, model, asked = "transformers", "one", 0

        def idea(self, words, seed, brief):
            self.asked += 1
            return "A clock stops. " * 10

        def keywords(self, words, idea, seed, brief):
            return Found(MetaKeywords(themes=("time",)), {})

    thinker = Thinker()
    monkeypatch.setattr(ideas, "of_house", lambda: thinker)
    ideas.imagine(run, mini, "stopped clock", 0, "man")
    again = RunFolder.create(run.path, "ideas")  # another attempt in the same folder
    assert ideas.imagine(again, mini, "stopped clock", 0, "man").kept and thinker.asked == 1
    assert [one["kept"] for one in again.manifest()["ideas"]] == [True]


def test_the_installation_decides_who_writes_unless_the_notebook_says(monkeypatch: pytest.MonkeyPatch):
    from narcis.mecene.writers import of_house

    monkeypatch.setenv("NARCIS_WRITER", "bedrock")
    monkeypatch.setenv("NARCIS_WRITER_MODEL", "some.model-v1:0")
    assert (of_house().name, of_house().model) == ("bedrock", "some.model-v1:0")
    monkeypatch.setenv("NARCIS_WRITER", "")
    assert of_house().name == "lexicon"


def test_what_is_shown_names_every_category_choice_and_reason(mini):
    idea = imagine("winter queen", 0, "woman")
    assert idea.idea in ideas.label(idea) and "by the lexicon" in ideas.label(idea)
    table = ideas.table(idea)
    assert all(f"<th>{name}</th>" in table for name in ("themes", "places")) and table.count("<b>") == len(
        idea.keywords
    )
    assert ideas.reasons(idea).count("<tr>") == len(idea.chosen) + 1
    assert f"{wording.count(mini, idea.prompt) + 3} of 48 tokens" in ideas.budget(mini, idea)
    assert ideas.side_by_side([idea, idea], 7).count("seed ") == 2


def test_words_are_never_markup():
    idea = replace(imagine("winter queen"), idea="<script>x</script>", fell_back="<b>")
    shown = ideas.label(idea) + ideas.side_by_side([idea], 0)
    assert "<script>" not in shown and "&lt;script&gt;" in shown and "&lt;b&gt;" in shown
