"""Makes docs/ideas.md and its pictures again: .venv/bin/python docs/ideas.py

Ten pairs of words, the bundled sitters in turn, seed 0 for all: what comes is what is shown.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from PIL import Image
from rich.console import Console

from narcis.jobs import catalog, engine
from narcis.jobs.run import execute, prepare
from narcis.mecene import lexicon
from narcis.portrait import sitters

HERE = Path(__file__).parent
PAIRS = (
    "byzantine emperor",
    "winter queen",
    "jazz sorrow",
    "corporate confidence",
    "ethereal beauty",
    "last samurai",
    "sea captain",
    "burning revolution",
    "desert mystic",
    "königin der nacht",
)
SIDE = 256  # px

HEAD = """# Ten pairs of words

What Mécène makes of two words with nothing but its lexicon, and what mini then paints. Nothing was picked: the sitters
are the bundled ones in turn, and every seed is 0, but where a composition showed no face and was painted again.
`.venv/bin/python docs/ideas.py` makes this page anew.

An idea says what a curator's label would: who is seen, in what light, what the face holds, how it is made. Its keywords
come in eight categories, of which up to fifteen are chosen. mini has learnt 29 words, and its prompt is made of these
alone; a model that knows all words gets the chosen keywords. `narcis idea "winter queen" -n 3 --free` shows such ones.
"""

TAIL = """## How words find their ideas

The [lexicon](../narcis/mecene/lexicon.txt) holds {motifs} motifs, from Byzantium to the start-up, which {words} words
call up: English ones, their near-synonyms, and the commonest in French, German, Spanish and Italian. A paragraph is a
motif, and whoever knows better may correct a line of it. A word is found by its form, by its stem ("poets", "icy"), or
by the nearest spelling ("emperror"). A word that nobody knows still calls up something, and always the same.

The same words and seed have the same idea on every machine; neighbouring seeds differ in all that the words leave open.

## With a language model

| `NARCIS_WRITER` | `NARCIS_WRITER_MODEL` | |
|---|---|---|
| `lexicon` | | the default; 3 ms an idea, offline |
| `transformers` | a folder, or a name on the hub | any chat model on this machine, held to a schema token by token |
| `bedrock` | a model's id | Amazon's, in `NARCIS_WRITER_REGION`, with the credentials that boto3 finds |

A writer that fails, or answers twice with something else than was asked, is stood in for by the lexicon; the manifest's
`ideas` say so. What a language model has thought once is kept in the store's `ideas/` by words, seed, writer and model;
`narcis_ideas_total` counts what was written, kept and fell back.

## What is not painted

At most four words of 80 characters. Living people by name, sexual and hateful words are declined in one friendly line:
by [a small reviewed list](../narcis/mecene/declined.txt), and by a language model's own verdict where one writes.
"Naked truth" and "nude pink" are painted; "classical nude" is not, because the face in the picture is a real person's.
Markup and "ignore the above" are words like others: they are a title, and a model gets them as data, spelled so that
they can be nothing else.
"""


def main() -> None:
    pictures = HERE / "ideas"
    pictures.mkdir(exist_ok=True)
    parts, names = [HEAD], list(sitters.bundled())
    with tempfile.TemporaryDirectory() as folder, engine.lent(None) as kernel:
        job = catalog.find("portrait")
        for n, words in enumerate(PAIRS):
            run = prepare(job, Path(folder) / str(n))
            values = job.values({"words": words, "sitter": names[n % len(names)], "seed": 0})
            ended = execute(job, values, run, Console(quiet=True), kernel)
            if ended.exit_code:
                raise SystemExit(f"{words}: {ended.said}")
            (entry,) = run.manifest()["images"]
            name = f"{n + 1:02}.webp"
            with Image.open(run.pictures[0]) as picture:
                picture.convert("RGB").resize((SIDE, SIDE), Image.Resampling.LANCZOS).save(pictures / name, quality=88)
            parts.append(section(words, values["sitter"], name, entry["recipe"]))
            print(words, entry["recipe"]["seed"], entry["recipe"]["prompt"], sep=" · ")
    parts.append(TAIL.format(motifs=len(lexicon.motifs()), words=f"{len(lexicon.table()) // 100 * 100:,}"))
    (HERE / "ideas.md").write_text("\n".join(parts), encoding="utf-8")


def section(words: str, sitter: str, picture: str, recipe: dict) -> str:
    seed = f", seed {recipe['seed']}" if recipe["seed"] else ""
    return f"""## {words}

<img src="ideas/{picture}" alt="{words}, with {sitter}" width="256">

{recipe["idea"]}

*{", ".join(recipe["keywords"])}*

`{recipe["prompt"]}` ({sitter}{seed})
"""


if __name__ == "__main__":
    main()
