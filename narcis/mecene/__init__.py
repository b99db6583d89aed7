"""Mécène, who commissions portraits: one to four words become a picture's idea and its prompt."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import Literal

from narcis.errors import BadInput

ClassWord = Literal["man", "woman", "person"]
MOST_WORDS, MOST_LETTERS = 4, 80
EXAMPLE = 'such as "byzantine emperor"'
CLASS_WORDS = ("man", "woman", "person")
# Signs that draw nothing but join letters in some scripts, and emoji.
JOINERS = "\u200c\u200d"


@dataclass(frozen=True)
class Idea:
    """What the words led to; the keywords are ordered, the negative prompt may be empty."""

    words: str
    idea: str
    keywords: tuple[str, ...]
    prompt: str
    negative: str = ""


def imagine(words: str, seed: int = 0, class_word: ClassWord = "person") -> Idea:
    """The idea of words: the same words and seed have the same one.  Raises BadInput for words that are none."""
    from narcis.mecene import lexicon

    if class_word not in CLASS_WORDS:
        raise BadInput(f"class word is {class_word!r}; it must be one of {', '.join(CLASS_WORDS)}", known=CLASS_WORDS)
    return lexicon.imagine(checked(words), seed, class_word)


def checked(words: str) -> str:
    """One to four words with single spaces between."""
    if bad := [sign for sign in words if unseen(sign)]:
        raise BadInput(f"the words hold the control character U+{ord(bad[0]):04X}; give plain words, {EXAMPLE}")
    if len(words) > MOST_LETTERS:
        raise BadInput(f"the words have {len(words)} characters; at most {MOST_LETTERS} are read: take fewer")
    listed = words.split()
    if not any(sign.isalnum() for sign in words):
        raise BadInput(f"there are no words; give one to {MOST_WORDS}, {EXAMPLE}")
    if len(listed) > MOST_WORDS:
        raise BadInput(f"there are {len(listed)} words; give one to {MOST_WORDS}, {EXAMPLE}", words=len(listed))
    return " ".join(listed)


def unseen(sign: str) -> bool:
    """Control and formatting characters, halves of pairs, and unassigned ones."""
    return unicodedata.category(sign).startswith("C") and sign not in JOINERS
