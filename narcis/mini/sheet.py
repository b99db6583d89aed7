"""`narcis mini sheet`: sitters × media × (Stage 1, Stage 2), nothing picked."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from narcis.mini import painter
from narcis.mini.domain import MEDIA
from narcis.mini.painter.caption import asked
from narcis.mini.portraits import Order, Painted, analyser_of, paint
from narcis.portrait.faces import sitter_face
from narcis.portrait.images import open_photo
from narcis.portrait.models import Model
from narcis.portrait.sitters import bundled

CELL, GAP, MARGIN = 192, 8, 28
INK, PAPER = (40, 36, 32), (247, 244, 238)


def orders(model: Model, seed: int) -> list[Order]:
    """One for each sitter and medium; the scene is drawn by the seed, the sex is what the analyser sees."""
    rng, listed = np.random.default_rng(seed), []
    for file in bundled().values():
        photo = open_photo(file)
        word = sitter_face(photo, analyser_of(model)).sex
        for medium in MEDIA:
            scene = painter.scene(rng, medium=medium)
            listed.append(Order(asked(scene, word), photo, word, int(rng.integers(2**31))))
    return listed


def sheet(model: Model, seed: int = 1) -> Image.Image:
    """A row for each sitter: the photo, then composition and portrait in every medium."""
    painted = paint(model, orders(model, seed))
    names = list(bundled())
    rows = [painted[i : i + len(MEDIA)] for i in range(0, len(painted), len(MEDIA))]
    canvas = Image.new("RGB", (place(1 + 2 * len(MEDIA)), MARGIN + place(len(rows)) - GAP), PAPER)
    draw = ImageDraw.Draw(canvas)
    for k, title in enumerate(["photo", *(f"{m}, {s}" for m in MEDIA for s in ("Stage 1", "Stage 2"))]):
        draw.text((place(k), 6), title, INK, font=ImageFont.load_default(13))
    for y, (name, row) in enumerate(zip(names, rows)):
        for x, picture in enumerate(cells(row)):
            canvas.paste(picture.resize((CELL, CELL), Image.Resampling.LANCZOS), (place(x), MARGIN + place(y) - GAP))
        draw.text(
            (place(0) + 4, MARGIN + place(y) - GAP + 4),
            name,
            PAPER,
            font=ImageFont.load_default(13),
            stroke_width=2,
            stroke_fill=INK,
        )
    return canvas


def cells(row: Sequence[Painted]) -> list[Image.Image]:
    return [row[0].order.photo, *(picture for p in row for picture in (p.composition, p.portrait))]


def place(cell: int) -> int:
    """Pixels from the edge to a cell."""
    return GAP + cell * (CELL + GAP)


def portraits_sheet(painted: Sequence[Painted], columns: int = 8) -> Image.Image:
    """Portraits side by side, as they came."""
    rows = -(-len(painted) // columns)
    canvas = Image.new("RGB", (place(columns), place(rows)), PAPER)
    for i, p in enumerate(painted):
        canvas.paste(
            p.portrait.resize((CELL, CELL), Image.Resampling.LANCZOS), (place(i % columns), place(i // columns))
        )
    return canvas
