"""A stage that was painted once is not painted again: its film lies in the run's folder, by what made it.

A run that was given back to the queue, retried, or asked for again with another Stage 2 so starts after the last
stage that still holds.  The cause must name everything that determines the stage: `Recipe.composition_cause` does.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from narcis.folder import RunFolder
from narcis.lab import progress
from narcis.lab.progress import Film, Frame
from narcis.portrait.models import Model
from narcis.portrait.sampling import Moment


def follow(
    cause: str,
    moments: Callable[[], Iterable[Moment]],
    model: Model,
    run: RunFolder,
    stage: str,
    part: int = 0,
    parts: int = 1,
) -> Film:
    """The film of a cause (a hash in hex): read where it is kept, else painted as `progress.follow` does, and kept."""
    path = run.stages / f"{cause}.safetensors"
    try:
        film = read(path)
    except (FileNotFoundError, SafetensorError, KeyError, ValueError):  # none there, or half of one from a full disk
        film = progress.follow(moments(), model, run, stage, part, parts)
        run.keep(path.name, written(film))
    else:
        progress.passed(film, run, stage, part, parts)
    return film


def written(film: Film) -> bytes:
    """Latents as they are, frames as uint8 [h, w, 3], their steps in the header."""
    pictures = [np.array(frame.picture.convert("RGB")) for frame in film.frames]
    tensors = {f"frame{i}": torch.from_numpy(picture) for i, picture in enumerate(pictures)}
    said = [[frame.step, frame.of, frame.sigma] for frame in film.frames]
    return save({"clean": film.clean.detach().cpu().contiguous(), **tensors}, {"frames": json.dumps(said)})


def read(path: Path) -> Film:
    with safe_open(path, framework="pt") as file:
        said = json.loads(file.metadata()["frames"])
        pictures = [Image.fromarray(file.get_tensor(f"frame{i}").numpy()) for i in range(len(said))]
        frames = [Frame(int(step), int(of), float(sigma), p) for (step, of, sigma), p in zip(said, pictures)]
        return Film(frames, file.get_tensor("clean"))
