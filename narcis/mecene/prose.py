"""An idea in about fifty words, put together from the lexicon's phrases as a curator's label is.

An idea has four sentences: who is seen, in what light, what the face holds, and how it is made.  Each has several
plans, and each blank is filled in turn from all that the words call up, so that ideas of neighbouring seeds differ in
everything that the words leave open.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from narcis.mecene.captions import Scene
from narcis.mecene.lexicon import Motif
from narcis.mecene.words import ClassWord

WHO = {"man": "a man", "woman": "a woman", "person": "a sitter"}

SEEN = (
    "{Who} in {garment}, with {worn}, sits {place} {moment}.",
    "{Moment}, {place}: {who} wearing {garment} and {worn}.",
    "{Place}, {who} has turned towards us in {garment}, with {worn}.",
    "Half-length and close to us, {who} in {garment}, with {worn}, waits {place}.",
    "We come upon {who} {place}, {moment}, in {garment}, with {worn}.",
    "{Moment}, {who} stands {place}; we see {garment}, then {worn}, then the face.",
)
SEEN_BARE = (  # of a sitter without anything but a costume
    "{Who} in {garment} sits {place} {moment}.",
    "{Moment}, {place}: {who} in {garment}, bareheaded.",
    "{Place}, {who} has turned towards us in {garment}.",
    "Half-length and close to us, {who} in {garment} waits {place} {moment}.",
    "We come upon {who} {place}, {moment}, in {garment}.",
    "{Moment}, {who} stands {place}; we see {garment}, and only then the face.",
)
LIGHT = (
    "The palette is {colour} and {colour2}, with {colour3} kept for {prop}.",
    "{Colour} gathers round the head, {colour2} fills what is left, {colour3} picks out {prop}.",
    "Light finds {prop} first, then {colour}, then {colour2}.",
    "Beside the figure, {prop}; behind it, {colour} thinning into {colour2}.",
    "There is little else: {prop}, and {colour} laid against {colour2}.",
)
LIGHT_BARE = (  # of a model that paints nothing beside its sitter
    "The palette keeps to {colour}, broken once by {colour2}.",
    "{Colour} gathers round the head and thins into {colour2} at the edges.",
    "Light comes from one side and leaves {colour} where it falls, {colour2} where it does not.",
    "All of it is built from {colour} and a little {colour2}.",
    "Nothing competes with {colour}; {colour2} only answers it.",
)
FACE = (
    "The face holds {emotion}; the subject is {theme}.",
    "What stays is {emotion}, and behind it {theme}.",
    "The face wavers between {emotion} and {emotion2}: a portrait of {theme}.",
    "Nothing happens except {emotion}, and it speaks of {theme}.",
    "Read the face for {emotion}, and the picture becomes a study of {theme}.",
    "Its subject is {theme}, its tone {emotion}.",
)
MADE = (
    "{Medium}, {age}, with {style} in mind.",
    "{Medium}, {age}; for its kin, look to {style}.",
    "{Medium}, in the spirit of {style}.",
    "{Medium}, {age}; the hand owes something to {style}.",
    "{Medium}, {age}, and a debt to {style} openly paid.",
)
ORDERS = ((0, 1, 2, 3), (0, 2, 1, 3), (2, 0, 1, 3))  # who first, as a rule; sometimes what it is about

# What says that a phrase shows a learnt value, and what is said where the motifs have no such phrase.
SHOWS = {
    "crown": ("crown diadem circlet fillet", "a heavy crown; a narrow gold crown"),
    "laurel": ("laurel wreath garland", "a laurel wreath; a crown of leaves"),
    "turban": ("turban headcloth", "a wound turban; a pale turban"),
    "hat": ("hat cap beret fedora bicorne biretta", "a broad hat; a tilted hat"),
    "helmet": ("helmet visor", "a steel helmet; a raised helmet"),
    "robe": ("robe mantle toga kimono habit cloak kaftan himation chlamys cope", "a long robe; a heavy robe"),
    "armour": ("armour cuirass breastplate mail plate gauntlets", "plate armour; a burnished cuirass"),
    "suit": ("suit jacket blazer", "a well-cut suit; a plain suit"),
    "ruff": ("ruff", "a starched ruff; a wide ruff"),
    "gown": ("gown dress", "a long gown; a gown of heavy silk"),
    "plain": ("wall ground darkness curtain backdrop", "against a plain ground; before a bare wall"),
    "landscape": (
        "plain hill hills field meadow valley sea shore beach river lake forest moor dunes mountain peak horizon ridge "
        "garden orchard lawn glade grove sky savanna bank pond fjord loch",
        "before an open landscape; with hills behind",
    ),
    "arch": ("arch arches gate gatehouse loggia vault arcade colonnade", "beneath a stone arch; framed by an arch"),
    "halo": ("gold halo", "within a golden halo; in a ring of gold light"),
    "crimson": ("crimson red scarlet carmine ruby vermilion", "crimson; wine red"),
    "azure": ("azure blue cobalt lapis turquoise navy indigo", "azure; slate blue"),
    "emerald": ("emerald green malachite viridian celadon", "emerald; moss green"),
    "violet": ("violet lilac purple plum mauve", "violet; lilac grey"),
    "amber": ("amber gold honey saffron yellow ochre orange", "amber; honey gold"),
    "umber": ("umber brown bitumen tobacco sepia rust", "umber; walnut brown"),
    "ivory": ("ivory white pearl cream bone", "ivory; bone white"),
    "calm": ("calm peace quiet composure stillness serenity ease", "quiet composure; an even calm"),
    "smiling": ("smile gladness joy mirth warmth cheer delight laughter", "the start of a smile; open good cheer"),
    "stern": ("gravity resolve authority severity reserve restraint defiance", "a stern reserve; unbending gravity"),
    "oil painting": ("oil", "oil on canvas; oil on a dark ground"),
    "watercolour": ("watercolour", "watercolour on rough paper; watercolour"),
    "ukiyo-e woodcut": ("woodblock", "ukiyo-e woodcut; colour woodblock print"),
    "pop art": ("screenprint acrylic", "pop art screenprint; flat acrylic, in the pop art way"),
}
# The schools of a medium that settles them.
SCHOOLS = {
    "ukiyo-e woodcut": ("ukiyo-e actor prints", "Edo portraiture", "Hokusai's great prints"),
    "pop art": ("American Pop Art", "comic-book drawing", "sixties poster art"),
}


def compose(words: str, seed: int, called: Sequence[Motif], who: ClassWord, scene: Scene) -> str:
    """The idea of words that call up these motifs; of a model that has learnt a scene, only what is in the scene."""
    blanks = Blanks(words.casefold(), seed, called, scene)
    seen = SEEN_BARE if scene.get("headwear") == "none" else SEEN
    plans = (seen, LIGHT_BARE if scene else LIGHT, FACE, MADE)
    filled = [blanks.fill(blanks.turn(f"plan{n}", plan), who) for n, plan in enumerate(plans)]
    order = blanks.turn("order", ORDERS)
    return " ".join([f"{words[0].title()}{words[1:]}.", *(filled[n] for n in order)])


@dataclass
class Blanks:
    """What fills the blanks of one idea; a phrase is used once."""

    words: str
    seed: int
    called: Sequence[Motif]
    scene: Scene
    used: set[str] = field(default_factory=set)
    told: set[str] = field(default_factory=set)  # values of the scene that the idea has shown

    def turn(self, what: str, among: Sequence, start: int = 0):
        """One of several: with each seed the next in an order that the words decide, shuffled anew after the last."""
        cycle, place = divmod(self.seed, len(among))
        order = list(range(len(among)))
        random.Random(f"{self.words}/{what}/{cycle}").shuffle(order)
        return among[order[(place + start) % len(among)]]

    def fill(self, plan: str, who: ClassWord) -> str:
        def blank(match: re.Match[str]) -> str:
            name = match[1]
            said = WHO[who] if name.lower() == "who" else self.phrase(name.lower().rstrip("23"))
            return said[0].upper() + said[1:] if name[0].isupper() else said

        return re.sub(r"\{(\w+)\}", blank, plan)

    def phrase(self, part: str) -> str:
        """The next phrase of a part that the idea has not used yet; of the scene, where that has one to say."""
        makers = [self.turn("maker", self.called)] if part in MAKING else []
        pools = (self.shown(part), self.pool(makers, part), self.pool(self.called, part))
        for pool in pools:
            free = [said for said in (self.turn(part, pool, n) for n in range(len(pool))) if said not in self.used]
            if fresh := [said for said in free if not self.echoes(part, said)] or free:
                self.used.add(fresh[0])
                return fresh[0]
        return pools[-1][0]

    def pool(self, motifs: Sequence[Motif], part: str) -> list[str]:
        return interleaved([one[PLURAL[part]] for one in motifs])

    def echoes(self, part: str, said: str) -> bool:
        """Whether where and when would begin alike: "before the battle, before a line of tents"."""
        return part in ("place", "moment") and any(other.startswith(f"{said.split()[0]} ") for other in self.used)

    def shown(self, part: str) -> list[str]:
        """Phrases that show the scene's value: the motifs' own, else the stock ones."""
        if part == "style":
            return list(SCHOOLS.get(self.scene.get("medium", ""), ()))
        value = self.scene.get(SCENE_OF.get(part, ""), "none")
        if value == "none" or value in self.told:
            return []
        if part == "emotion":  # one face may wear it with another; what is worn and where is as it is
            self.told.add(value)
        signs, stock = SHOWS.get(value, (value, value))
        known = [said for one in self.called for said in one[PLURAL[part]] if shows(said, signs)]
        return list(dict.fromkeys([*known, *stock.split("; ")]))


PLURAL = {
    **{"theme": "themes", "colour": "colours", "style": "styles", "medium": "mediums", "garment": "garments"},
    **{"worn": "worn", "prop": "props", "emotion": "emotions", "age": "ages", "moment": "moments", "place": "places"},
}
MAKING = ("medium", "age", "style")  # these three are of one motif: no fresco in the manner of net art
SCENE_OF: Mapping[str, str] = {
    **{"garment": "costume", "worn": "headwear", "place": "backdrop", "colour": "palette", "emotion": "emotion"},
    "medium": "medium",
}


def shows(said: str, signs: str) -> bool:
    return not set(re.findall(r"[\w-]+", said.casefold())).isdisjoint(signs.split())


def interleaved(lists: Sequence[Sequence[str]]) -> list[str]:
    """The first of each, the second of each, and so on: every word has its say."""
    longest = max(map(len, lists), default=0)
    return list(dict.fromkeys(each[n] for n in range(longest) for each in lists if n < len(each)))
