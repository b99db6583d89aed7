"""The writer without a language model: the lexicon's phrases, and sentences to put them into."""

from __future__ import annotations

import random
from functools import cache

from narcis.mecene import lexicon, prose
from narcis.mecene.keywords import CATEGORIES, MetaKeywords, keyword
from narcis.mecene.writers import Brief, Found

# The parts of a motif by the category that their phrases are keywords of.
CATEGORY = {
    **{"themes": "themes", "colours": "colours", "styles": "styles", "mediums": "mediums", "emotions": "emotions"},
    **{"garments": "subjects", "worn": "subjects", "props": "subjects", "ages": "time", "moments": "time"},
    "places": "places",
}
ENOUGH = 4  # keywords a category, beside those that the idea itself says


class Lexicon:
    """The same words and seed have the same idea, on every machine."""

    name, model = "lexicon", ""

    def idea(self, words: str, seed: int, brief: Brief) -> str:
        return prose.compose(words, seed, lexicon.called(words), brief.who, brief.scene)

    def keywords(self, words: str, idea: str, seed: int, brief: Brief) -> Found:
        """What the idea says, in its order; then what the words call up besides."""
        said = spotted(idea)
        rng = random.Random(f"{seed}/{words.casefold()}/keywords")
        for category, more in brought(words).items():
            left = [word for word in more if word not in said[category]]
            said[category] += rng.sample(left, min(len(left), max(0, ENOUGH - len(said[category]))))
        return Found(MetaKeywords(**{name: tuple(said[name]) for name in CATEGORIES}), brief.scene)


def spotted(idea: str) -> dict[str, list[str]]:
    """Keywords of the lexicon's phrases that a text holds, by category, in the order of the text."""
    text, known = idea.casefold(), phrases()
    places = [(text.find(phrase), phrase) for phrase in known if phrase in text]
    found: dict[str, list[str]] = {name: [] for name in CATEGORIES}
    end = 0
    for place, phrase in sorted(places, key=lambda at: (at[0], -len(at[1]))):
        whole = not (text[place - 1 : place].isalnum() or text[place + len(phrase) :][:1].isalnum())
        if place >= end and whole:  # of phrases that overlap, the first and longest
            end = place + len(phrase)
            category, word = known[phrase]
            found[category].append(word)
    return {category: list(dict.fromkeys(words)) for category, words in found.items()}


@cache
def phrases() -> dict[str, tuple[str, str]]:
    """Every phrase that an idea may hold, of the lexicon or of a medium's schools: its category and its keyword."""
    known = {school.casefold(): ("styles", school) for schools in prose.SCHOOLS.values() for school in schools}
    for one in lexicon.motifs():
        for part, category in CATEGORY.items():
            known |= {said.casefold(): (category, keyword(said, category)) for said in one[part]}
    return known


def brought(words: str) -> dict[str, list[str]]:
    """All keywords that words call up, by category."""
    found: dict[str, list[str]] = {name: [] for name in CATEGORIES}
    for one in lexicon.called(words):
        for part, category in CATEGORY.items():
            found[category] += [keyword(said, category) for said in one[part]]
    return {category: list(dict.fromkeys(words)) for category, words in found.items()}
