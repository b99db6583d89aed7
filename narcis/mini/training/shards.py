"""Draws the training pictures into shards, as many at once as there are cores."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, replace
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from narcis.mini import painter
from narcis.mini.domain import MEDIA
from narcis.mini.training.data import HELD_OUT

SHARD = 125  # sitters, two pictures each
PHOTO, DRAWN, PAINTING = (
    128,
    160,
    320,
)  # px; photos are drawn larger, and so are paintings than 256, for crops


def photos(first: int, folder: Path) -> None:
    pixels, landmarks = [], []
    for number in range(first, first + SHARD):
        rng, who = np.random.default_rng([99, number, 1]), painter.sitter(number)
        for _ in range(2):
            scene = painter.id_photo_scene(rng)
            sculpture = painter.sculpt(who, scene, DRAWN)
            pixels.append(
                painter.render(sculpture.gbuffer, scene, sculpture.rng, PHOTO)
            )  # each with its own sensor noise
            landmarks.append(sculpture.landmarks * (PHOTO / DRAWN))
    save(folder / f"photos-{first:06d}.npz", pixels, landmarks, [])


def paintings(first: int, folder: Path) -> None:
    """Two media of one sculpture: what differs between them is the medium alone."""
    pixels, landmarks, scenes = [], [], []
    for number in range(first, first + SHARD):
        rng = np.random.default_rng([99, number, 0])
        scene = painter.scene(rng)
        sculpture = painter.sculpt(painter.sitter(number), scene, PAINTING)
        for medium in rng.permutation(MEDIA)[:2]:
            made = replace(scene, medium=str(medium))
            pixels.append(painter.render(sculpture.gbuffer, made, np.random.default_rng(made.seed), PAINTING))
            landmarks.append(sculpture.landmarks)
            scenes.append({**asdict(made), "sitter": number})
    save(folder / f"paintings-{first:06d}.npz", pixels, landmarks, scenes)


def save(file: Path, pixels: list, landmarks: list, scenes: list[dict]) -> None:
    """Under another name first: a shard that is there is whole."""
    part = file.with_suffix(".part.npz")
    np.savez(part, px=np.stack(pixels), lm=np.stack(landmarks).astype(np.float32), meta=np.array(json.dumps(scenes)))
    part.rename(file)


def draw(folder: Path, sitters: int, say: Callable[[str], None]) -> None:
    """Whatever shards are missing, for that many sitters and 250 held out."""
    folder.mkdir(parents=True, exist_ok=True)
    firsts = [HELD_OUT, HELD_OUT + SHARD, *range(0, sitters, SHARD)]
    jobs = [(kind, first) for kind in (photos, paintings) for first in firsts]
    jobs = [(kind, first) for kind, first in jobs if not (folder / f"{kind.__name__}-{first:06d}.npz").exists()]
    with ProcessPoolExecutor(os.cpu_count(), get_context("spawn")) as pool:
        waiting = [pool.submit(kind, first, folder) for kind, first in jobs]
        for done, future in enumerate(as_completed(waiting), 1):
            future.result()
            say(f"drawn: {done} of {len(jobs)} shards")
