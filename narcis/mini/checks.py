"""`narcis mini check`: every number of the model card, measured on seeds that no training has seen.

The judge and the second recogniser are used for nothing but these numbers.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file

from narcis.mini import painter
from narcis.mini.domain import QUESTIONS
from narcis.mini.judge import Judge
from narcis.mini.portraits import Order, Painted, paint, pixels
from narcis.mini.recogniser import Recogniser, align, to_tensor, without_hair
from narcis.portrait import measure, sdxl
from narcis.portrait.faces import Landmarks, on_painting
from narcis.portrait.images import to_image
from narcis.portrait.images import to_tensor as picture_tensor
from narcis.portrait.models import Model

HELD_OUT = 200_000  # sitters from here on belong to the check


@dataclass(frozen=True)
class Line:
    """One number, the bar it must reach, and whether more is better."""

    what: str
    value: float
    bar: float
    least: bool = True
    unit: str = ""

    @property
    def holds(self) -> bool:
        return self.value >= self.bar if self.least else self.value <= self.bar


@dataclass(frozen=True)
class Guest:
    """A sitter of the check: two photos with their true landmarks, and the words of the portrait."""

    number: int
    photos: list[painter.Painting]
    class_word: str
    scene: painter.Scene
    prompt: str


def guest(number: int) -> Guest:
    rng = np.random.default_rng([17, number])
    who, scene = painter.sitter(number), painter.scene(rng)
    photos = [painter.paint(who, painter.id_photo_scene(rng), 256) for _ in range(2)]
    words = painter.caption(who, scene, age=False, hair=False, beard=False, glasses=False)
    return Guest(number, photos, "woman" if who.woman else "man", scene, words)


def judge(folder: Path) -> Judge:
    net = Judge(QUESTIONS)
    net.load_state_dict(
        {**net.state_dict(), **{k: v.float() for k, v in load_file(folder / "judge.safetensors").items()}}
    )
    return net.eval()


def second_recogniser(folder: Path) -> Recogniser:
    net = Recogniser(widths=(20, 40, 64, 96))
    net.load_state_dict(
        {**net.state_dict(), **{k: v.float() for k, v in load_file(folder / "recogniser.safetensors").items()}}
    )
    return net.eval()


def right(net: Judge, pictures: list[np.ndarray], scenes: list, question: str) -> float:
    read = net.read(np.stack(pictures))[question]
    return float(np.mean([answer == getattr(scene, question) for answer, scene in zip(read, scenes)]))


@torch.inference_mode()
def embed(net: Recogniser, pictures: list[np.ndarray], landmarks: list[Landmarks], bare: bool) -> torch.Tensor:
    """Unit embeddings [n, d]; bare hides all but the face's ellipse."""
    faces = to_tensor(np.stack([align(p, mark.five) for p, mark in zip(pictures, landmarks)]))
    return torch.nn.functional.normalize(net(without_hair(faces) if bare else faces), dim=-1)


def found_among(query: torch.Tensor, gallery: torch.Tensor, own: torch.Tensor) -> tuple[float, float]:
    """Share of queries whose own sitter is first, and among the first five."""
    cos = query @ gallery.T
    ahead = (cos > cos.gather(1, own[:, None])).sum(1)
    return float((ahead == 0).float().mean()), float((ahead < 5).float().mean())


def on_real_paintings(model: Model, net: Judge, n: int) -> list[Line]:
    """The instruments themselves, on the painter's own pictures: judge, landmarks, autoencoder."""
    rng = np.random.default_rng(23)
    scenes = [painter.scene(rng) for _ in range(n)]
    real = [painter.paint(painter.sitter(HELD_OUT + 5000 + i), scene, 256) for i, scene in enumerate(scenes)]
    shown = [p.pixels for p in real]
    errors = [nme(model, p) for p in real]
    return [
        Line("medium read by the judge on real paintings", right(net, shown, scenes, "medium"), 0.97),
        Line("headgear read by the judge on real paintings", right(net, shown, scenes, "headwear"), 0.90),
        Line("landmarks on real paintings, NME", float(np.mean(errors)), 0.06, least=False),
        Line("autoencoder on real paintings", autoencoded(model, shown[:64]), 25.0, unit="dB"),
    ]


def nme(model: Model, truth: painter.Painting) -> float:
    """Mean distance of the 106 landmarks over that of the eyes; a face not found counts 1."""
    faces = model.analyser.analyse(truth.pixels) if model.analyser else []
    if not faces:
        return 1.0
    eyes = Landmarks(truth.landmarks.astype(np.float32)).five[:2]
    off = np.hypot(*(faces[0].landmarks.points - truth.landmarks).T).mean()
    return float(off / np.hypot(*(eyes[0] - eyes[1])))


@torch.inference_mode()
def autoencoded(model: Model, shown: list[np.ndarray]) -> float:
    values = []
    for picture in map(Image.fromarray, shown):
        again = to_image(sdxl.decode(model, sdxl.encode(model, picture_tensor(picture))))[0]
        values.append(measure.psnr(picture, again))
    return float(np.mean(values))


def on_portraits(
    net: Judge, second: Recogniser, guests: list[Guest], painted: list[Painted], gallery_of: int
) -> list[Line]:
    """What the model painted: medium, headgear, faces, and who they are."""
    scenes = [g.scene for g in guests]
    lines = [
        Line("medium read back", right(net, [pixels(p.portrait) for p in painted], scenes, "medium"), 0.90),
        Line("headgear read back", right(net, [pixels(p.portrait) for p in painted], scenes, "headwear"), 0.60),
        Line("face found on compositions", float(np.mean([p.face is not None for p in painted])), 0.90),
        Line("pixels changed outside the map", max(strayed(p) for p in painted), 0.0, least=False),
    ]
    for bare in (False, True):
        lines += who_they_are(second, guests[:gallery_of], painted[:gallery_of], bare)
    return lines


def who_they_are(second: Recogniser, guests: list[Guest], painted: list[Painted], bare: bool) -> list[Line]:
    """Found among all guests by another photo than the one they sat with."""
    gallery = embed(
        second,
        [g.photos[1].pixels for g in guests],
        [Landmarks(g.photos[1].landmarks.astype(np.float32)) for g in guests],
        bare,
    )
    seen = [i for i, p in enumerate(painted) if p.face]
    own, marks = torch.tensor(seen), [painted[i].face.landmarks for i in seen]  # type: ignore[union-attr]
    after = embed(second, [pixels(painted[i].portrait) for i in seen], marks, bare)
    before = embed(second, [pixels(painted[i].composition) for i in seen], marks, bare)
    lost = len(seen) / len(painted)  # a portrait without a face finds nobody
    first, five = (lost * share for share in found_among(after, gallery, own))
    note = ", hair masked" if bare else ""
    return [
        Line(f"sitter found after Stage 2, top 1{note}", first, 0.40),
        Line(f"sitter found after Stage 2, top 5{note}", five, 0.70),
        Line(
            f"sitter found after Stage 1, top 1{note}", lost * found_among(before, gallery, own)[0], 0.10, least=False
        ),
        Line(
            f"somebody else found after Stage 2, top 1{note}",
            lost * found_among(after, gallery, own.roll(1))[0],
            0.10,
            least=False,
        ),
    ]


def strayed(p: Painted) -> float:
    if p.crop is None or p.change is None:
        return 0.0
    return measure.outside(on_painting(p.change, p.crop, p.composition.size), p.composition, p.portrait)


def warm_seconds(model: Model, g: Guest) -> float:
    order = order_of(g)
    paint(model, [order])
    begun = time.perf_counter()
    paint(model, [order])
    return time.perf_counter() - begun


def order_of(g: Guest) -> Order:
    return Order(g.prompt, Image.fromarray(g.photos[0].pixels), g.class_word, g.number % 2**31)


def check(
    model: Model,
    instruments: Path,
    say: Callable[[str], None],
    *,
    portraits: int = 160,
    gallery: int = 100,
    real: int = 160,
) -> tuple[list[Line], list[Painted]]:
    """All lines, and the portraits they were measured on."""
    net, second = judge(instruments), second_recogniser(instruments)
    say("measuring the instruments on real paintings")
    lines = on_real_paintings(model, net, real)
    say(f"drawing {portraits} unseen sitters")
    guests = [guest(HELD_OUT + i) for i in range(portraits)]
    painted: list[Painted] = []
    for i in range(0, portraits, 8):
        painted += paint(model, [order_of(g) for g in guests[i : i + 8]])
        say(f"painted {len(painted)} of {portraits}")
    lines += on_portraits(net, second, guests, painted, min(gallery, portraits))
    lines.append(Line("both stages, 20 + 14 steps, warm", warm_seconds(model, guests[0]), 6.0, least=False, unit="s"))
    return lines, painted
