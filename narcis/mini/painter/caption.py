"""The one grammar of captions, in which mini was trained and is to be asked."""

from __future__ import annotations

import re

from narcis.mini import domain
from narcis.mini.painter.scene import Scene
from narcis.mini.painter.sitter import BEARDS, HAIR_COLOURS, HAIR_STYLES, Sitter

MEDIUM_WORDS = {
    "oil": "oil painting",
    "woodcut": "ukiyo-e woodcut",
    "pop-art": "pop art",
    "charcoal": "charcoal drawing",
    "mosaic": "byzantine mosaic",
    "stained-glass": "stained glass",
}
YOUNG, OLD = 0.35, 0.68  # of Sitter.age


def caption(
    sitter: Sitter, scene: Scene, *, age: bool = True, hair: bool = True, beard: bool = True, glasses: bool = True
) -> str:
    """All that varies, in a fixed order; the four options leave out what an identity tells better than words.

    Without them: "oil painting of a stern man, crown, robe, crimson palette, halo background, portrait".
    """
    sex = "woman" if sitter.woman else "man"
    looks = [
        hair_words(sitter) if hair else "",
        sitter.beard if beard and sitter.beard not in ("none", "stubble") else "",
        "glasses" if glasses and sitter.glasses != "none" else "",
    ]
    return asked(scene, f"{age_word(sitter)} {sex}" if age else sex, *looks)


def asked(scene: Scene, who: str, *looks: str) -> str:
    """The caption of a scene with `who` in it ("woman", "man"), whatever she looks like."""
    parts = [
        f"{MEDIUM_WORDS.get(scene.medium, scene.medium)} of a {scene.emotion} {who}",
        *looks,
        scene.headwear if scene.headwear != "none" else "",
        scene.costume,
        f"{scene.palette} palette",
        f"{scene.backdrop} background",
        scene.frame,
    ]
    return ", ".join(part for part in parts if part)


def vocabulary() -> dict[str, list[str]]:
    """What a caption in mini's domain says of a scene, in its order: for whoever asks the trained model."""
    return {
        "medium": [MEDIUM_WORDS.get(medium, medium) for medium in domain.MEDIA],
        "emotion": list(domain.EMOTIONS),
        "headwear": list(domain.HEADWEAR),
        "costume": list(domain.COSTUMES),
        "palette": list(domain.PALETTES),
        "backdrop": list(domain.BACKDROPS),
    }


def words_known() -> set[str]:
    """Every word and sign that a caption in mini's domain can hold."""
    parts = [
        "a of , - young grown old man woman person hair bald glasses palette background portrait",
        *(MEDIUM_WORDS.get(medium, medium) for medium in domain.MEDIA),
        *domain.EMOTIONS,
        *HAIR_STYLES,
        *HAIR_COLOURS,
        *(beard for beard in BEARDS if beard not in ("none", "stubble")),
        *(headwear for headwear in domain.HEADWEAR if headwear != "none"),
        *domain.COSTUMES,
        *domain.PALETTES,
        *domain.BACKDROPS,
    ]
    return {word for part in parts for word in re.findall(r"[a-z]+|[^\sa-z]", part)}


def age_word(sitter: Sitter) -> str:
    return "young" if sitter.age < YOUNG else "old" if sitter.age > OLD else "grown"


def hair_words(sitter: Sitter) -> str:
    return "bald" if sitter.hair == "bald" else f"{sitter.hair} {sitter.hair_colour} hair"
