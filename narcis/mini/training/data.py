"""Reading the shards that `shards.py` wrote, and the little that all trainings share."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

HELD_OUT = 100_000  # sitters from this number on are never trained on


@dataclass(frozen=True)
class Pictures:
    """uint8 [n, s, s, 3], landmarks [n, 106, 2] in its pixels, sitter numbers [n]; `scenes` of paintings."""

    pixels: np.ndarray
    landmarks: np.ndarray
    sitters: np.ndarray
    scenes: list[dict]

    def __len__(self) -> int:
        return len(self.pixels)


def read(folder: Path, kind: str, held_out: bool, most: int | None = None) -> Pictures:
    """All shards of a kind ("photos", "paintings"), two pictures a sitter, in the order of the sitters."""
    files = [f for f in sorted(folder.glob(f"{kind}-*.npz")) if not f.name.endswith(".part.npz")]
    files = [f for f in files if (first(f) >= HELD_OUT) == held_out][:most]
    if not files:
        raise FileNotFoundError(f"{folder} has no {kind}; run `narcis mini train`, which draws them first")
    shards = [np.load(f) for f in files]
    pixels = np.concatenate([s["px"] for s in shards])
    landmarks = np.concatenate([s["lm"] for s in shards])
    scenes = [scene for s in shards if "meta" in s for scene in json.loads(str(s["meta"]))]  # photos have none
    sitters = np.concatenate([first(f) + np.arange(len(s["px"])) // 2 for f, s in zip(files, shards)])
    return Pictures(pixels, landmarks.astype(np.float32), sitters, scenes)


def first(file: Path) -> int:
    return int(file.stem.split("-")[1])


def cosine(part: float, floor: float = 0.02, warm: float = 0.02) -> float:
    """Learning rate over a training, as a fraction of its top: linear up, cosine down; part in [0, 1]."""
    if part < warm:
        return max(part / warm, 1e-3)
    return floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * min(1.0, (part - warm) / (1 - warm))))


def five(landmarks: np.ndarray) -> np.ndarray:
    """[..., 106, 2] -> [..., 5, 2]: eye centres, nose tip, mouth corners."""
    eyes = [landmarks[..., 51:59, :].mean(-2), landmarks[..., 61:69, :].mean(-2)]
    return np.stack([*eyes, landmarks[..., 74, :], landmarks[..., 86, :], landmarks[..., 92, :]], -2)
