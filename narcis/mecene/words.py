"""What may be asked for: one to four plain words, of nobody who lives and nothing that harms."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Literal

from narcis.errors import BadInput

ClassWord = Literal["man", "woman", "person"]
CLASS_WORDS = ("man", "woman", "person")
MOST_WORDS, MOST_LETTERS = 4, 80
EXAMPLE = 'such as "byzantine emperor"'
# Signs that draw nothing but join letters in some scripts, and emoji.
JOINERS = "\u200c\u200d"
DECLINED = Path(__file__).with_name("declined.txt")


class Declined(BadInput):
    """Words that are words, and that nobody is painted by."""


def checked(words: str) -> str:
    """One to four words with single spaces between.  Raises BadInput for others, Declined for what is not painted."""
    if bad := [sign for sign in words if unseen(sign)]:
        raise BadInput(f"the words hold the control character U+{ord(bad[0]):04X}; give plain words, {EXAMPLE}")
    if len(words) > MOST_LETTERS:
        raise BadInput(f"the words have {len(words)} characters; at most {MOST_LETTERS} are read: take fewer")
    listed = words.split()
    if not any(sign.isalnum() for sign in words):
        raise BadInput(f"there are no words; give one to {MOST_WORDS}, {EXAMPLE}")
    if len(listed) > MOST_WORDS:
        raise BadInput(f"there are {len(listed)} words; give one to {MOST_WORDS}, {EXAMPLE}", words=len(listed))
    if why := refusal(words):
        raise Declined(why)
    return " ".join(listed)


def unseen(sign: str) -> bool:
    """Control and formatting characters, halves of pairs, and unassigned ones."""
    return unicodedata.category(sign).startswith("C") and sign not in JOINERS


def folded(word: str) -> str:
    """Lower case, without accents, without signs at the ends: Café! is cafe."""
    plain = unicodedata.normalize("NFKD", word.casefold())
    kept = "".join(sign for sign in plain if not unicodedata.combining(sign))
    return kept.strip("".join(sign for sign in kept if not sign.isalnum())) or kept


# ------------------------------------------------------------------------------------------ declined
def refusal(words: str) -> str | None:
    """Why these words are declined, in one friendly line; None where they are not."""
    said = f" {' '.join(spelled(words))} "
    for fine in listed()["fine"]:
        said = said.replace(f" {fine} ", " ")
    for kind, line in FRIENDLY.items():
        if any(found(entry, said) for entry in listed()[kind]):
            return line
    return None


FRIENDLY = {
    "people": f"Mécène paints nobody who lives by name: bring a photo for the face, and words for the rest, {EXAMPLE}",
    "sexual": f"Mécène keeps its sitters dressed; there is much else to be painted by, {EXAMPLE}",
    "hateful": f"Mécène paints nothing that is meant to hurt somebody; give it other words, {EXAMPLE}",
}


def found(entry: str, said: str) -> bool:
    """An entry is whole words; one that ends in * is how words begin."""
    return f" {entry[:-1]}" in said if entry.endswith("*") else f" {entry} " in said


def spelled(words: str) -> list[str]:
    """Words as they are read: signs between letters are gaps, letters that stand alone are joined again."""
    parts = re.findall(r"[^\W_]+", folded(words).translate(LOOKALIKES))
    return [part for run in runs(parts) for part in run]


def runs(parts: list[str]) -> Iterator[list[str]]:
    single: list[str] = []
    for part in [*parts, "  "]:
        if len(part) == 1:
            single.append(part)
            continue
        if single:
            yield ["".join(single)]
            single = []
        if part.strip():
            yield [part]


# Figures and Cyrillic letters that stand for Latin ones.
LOOKALIKES = str.maketrans("013457$@аеорсух", "oieastsaaeopcyx")


@cache
def listed() -> dict[str, tuple[str, ...]]:
    """The reviewed list, by kind; what is `fine` is taken out before the rest is looked for."""
    kinds: dict[str, list[str]] = {}
    kind: list[str] = []
    for line in DECLINED.read_text(encoding="utf-8").splitlines():
        line = line.partition("#")[0].strip()
        if line.endswith(":"):
            kind = kinds.setdefault(line[:-1], [])
        elif line:
            kind.extend(" ".join(re.findall(r"[\w*]+", folded_keeping(entry))) for entry in line.split(","))
    return {name: tuple(entries) for name, entries in kinds.items()}


def folded_keeping(entry: str) -> str:
    """Folded, with the * at the end of an entry."""
    return folded(entry) + "*" * entry.rstrip().endswith("*")
