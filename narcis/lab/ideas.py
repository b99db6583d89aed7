"""Mécène in a notebook: the model's own way of being asked, the installation's writer, the run's folder as a shelf."""

from __future__ import annotations

import html
from collections.abc import Sequence
from functools import partial

from narcis import mecene
from narcis.folder import RunFolder
from narcis.mecene.shelf import Shelf
from narcis.mecene.writers import named, of_house
from narcis.portrait import wording
from narcis.portrait.models import Model


def imagine(
    run: RunFolder,
    model: Model,
    words: str,
    seed: int,
    class_word: mecene.ClassWord,
    *,
    photos: int = 1,
    people: int = 1,
    writer: str = "",
) -> mecene.Idea:
    """An idea that fits what paints it, and the photos and people it is to hold.

    The manifest says who wrote it, and whether it was thought of before.
    """
    by = named(writer) if writer else of_house()
    how = {"asking": asking(model, photos, people), "writer": by, "shelf": Shelf(Stages(run))}
    idea = mecene.imagine(words, seed, class_word, **how)
    told = run.manifest().get("ideas", [])
    run.update(ideas=[*told, {"words": idea.words, "seed": seed, **idea.made_by}])
    return idea


def asking(model: Model, photos: int = 1, people: int = 1) -> mecene.Asking:
    """Captions of a model that has a vocabulary; of any other, keywords that its own tokenizers count."""
    if known := wording.vocabulary(model):
        return mecene.Captions(known)
    return mecene.Tags(partial(wording.count, model), wording.room(model, photos, people))


class Stages:
    """What the folder keeps for later runs: a worker shares it among the runs of its machine."""

    def __init__(self, run: RunFolder):
        self.run = run

    def get(self, name: str) -> bytes | None:
        path = self.run.stages / name
        return path.read_bytes() if path.is_file() else None

    def put(self, name: str, content: bytes) -> None:
        self.run.keep(name, content)


# ------------------------------------------------------------------------------------------ shown
class Page(str):
    """HTML that a notebook shows where it is a cell's last value."""

    __slots__ = ()

    def _repr_html_(self) -> str:
        return str(self)


STYLE = """<style>
.mecene { font: 14px/1.5 Georgia, serif; color: #3a2f28; max-width: 62rem; margin: .4rem 0 }
.mecene blockquote { margin: 0; padding: .2rem 0 .2rem 1rem; border-left: 3px solid #b9812a; font-size: 16px }
.mecene table { border-collapse: collapse; width: 100%; font-size: 13px }
.mecene tr { background: none !important }
.mecene td, .mecene th { text-align: left !important; vertical-align: top; padding: .3rem .8rem .3rem 0 !important;
  border: 0; border-bottom: 1px solid #e4dccd; white-space: normal; max-width: none !important }
.mecene th:first-child { width: 8rem }
.mecene th { font-weight: normal; color: #8a7a6a }
.mecene b { font-weight: normal; background: #f3e3b5; padding: 0 .25rem; border-radius: .2rem }
.mecene .row { display: flex; gap: 1.2rem; flex-wrap: wrap }
.mecene .row > div { flex: 1 1 12rem; border-top: 3px solid #b9812a; padding-top: .4rem }
.mecene small, .mecene code { color: #8a7a6a; font-size: 12px }
.mecene .bar { height: .6rem; background: #e4dccd; border-radius: .3rem; overflow: hidden }
.mecene .bar i { display: block; height: 100%; background: #b9812a }
</style>"""


def page(body: str) -> Page:
    return Page(f'{STYLE}<div class="mecene">{body}</div>')


def label(idea: mecene.Idea) -> Page:
    """The idea as it would hang beside the picture, and who wrote it."""
    by = f"written by the {idea.writer}" + (f", {idea.model}" if idea.model else "")
    by += f"; it stood in for another: {idea.fell_back}" if idea.fell_back else ""
    words = len(idea.idea.split())
    return page(f"<blockquote>{html.escape(idea.idea)}</blockquote><small>{words} words, {html.escape(by)}</small>")


def table(idea: mecene.Idea) -> Page:
    """Keywords by category; those that were chosen are marked."""
    chosen = set(idea.keywords)
    rows = ""
    for category in mecene.CATEGORIES:
        words = [marked(word, word in chosen) for word in getattr(idea.meta, category)]
        rows += f"<tr><th>{category}</th><td>{', '.join(words)}</td></tr>"
    return page(f"<table>{rows}</table>")


def marked(word: str, chosen: bool) -> str:
    return f"<b>{html.escape(word)}</b>" if chosen else html.escape(word)


def reasons(idea: mecene.Idea) -> Page:
    """What was chosen, in its order, and why."""
    rows = "".join(
        f"<tr><td>{n}</td><td><b>{html.escape(one.keyword)}</b></td><td>{one.category}</td><td>{one.why}</td></tr>"
        for n, one in enumerate(idea.chosen, 1)
    )
    return page(f"<table><tr><th></th><th>keyword</th><th>category</th><th>why</th></tr>{rows}</table>")


def budget(model: Model, idea: mecene.Idea, photos: int = 1) -> Page:
    """The prompts, and how much of the tokenizers' room each takes."""
    whole = model.tokenizer.model_max_length
    kept = whole - wording.room(model, photos)
    rows = ""
    for name, text, room in (("prompt", idea.prompt, kept), ("negative prompt", idea.negative, 2)):
        used = wording.count(model, text) + room if text else 0
        said = f"{used} of {whole} tokens" if text else "none: an empty one is not encoded"
        bar = f'<div class="bar"><i style="width: {100 * min(1, used / whole):.0f}%"></i></div>'
        rows += f"<tr><th>{name}</th><td>{html.escape(text)}<br><small>{said}</small>{bar}</td></tr>"
    return page(f"<table>{rows}</table><small>{kept} of the prompt's are for start, end and the sitter.</small>")


def side_by_side(ideas: Sequence[mecene.Idea], seed: int) -> Page:
    """Alternatives of neighbouring seeds, each with what it asks for."""
    cards = "".join(
        f"<div><small>seed {n}</small><br>{html.escape(idea.idea)}<br><code>{html.escape(idea.prompt)}</code></div>"
        for n, idea in enumerate(ideas, seed)
    )
    return page(f'<div class="row">{cards}</div>')
