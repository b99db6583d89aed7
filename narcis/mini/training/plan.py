"""The whole training, in order; every part is kept when done, so that it may be stopped at any minute.

Minutes of each part: recogniser 5, critic 5, detector 5, landmarker 7, encoder 12, decoder 28, judge 5, the judge's
recogniser 7, and the denoiser whatever time there is.  How the weights that ship were made is in MODEL_CARD.md.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from torch import nn

from narcis.mini.analyser import Detector, Landmarker, MiniAnalyser
from narcis.mini.domain import QUESTIONS
from narcis.mini.judge import Judge
from narcis.mini.recogniser import Recogniser
from narcis.mini.training import begun, crops, diffusion, export, faces, judge, recogniser, samples, shards, vae
from narcis.mini.training.data import Pictures, read
from narcis.mini.training.features import features
from narcis.mini.training.latents import CHANNELS
from narcis.mini.training.likeness import Critic

Say = Callable[[str], None]
T = TypeVar("T", bound=nn.Module)
TOP, BATCH, SEED = 8e-4, 64, 0  # at 1.5e-3 and at 1.2e-3 the loss jumped by a tenth after some 90,000 samples
WHOLE, CLOSE = (0.36, 0.35), (0.64, 0.92)  # share of the batch, and of that share how much shows the sitter
SECOND = (20, 40, 64, 96)  # the judge's recogniser is another net than the one that conditions
THIRD = (24, 48, 72, 112)  # and the critic of the denoiser's training is neither


@dataclass(frozen=True)
class Plan:
    folder: Path
    hours: float
    device: str
    sitters: int
    scale: float
    start: Path | None = None  # a finished model's folder, whose parts this training begins with
    instruments: Path = Path()  # its judge and second recogniser
    again: tuple[str, ...] = ()  # parts that are trained further although they are finished

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def pictures(self, kind: str, most: int | None = None) -> Pictures:
        return read(self.data, kind, held_out=False, most=most)


def run(plan: Plan, say: Say) -> Path:
    """Everything that is not there yet; the folder of the finished model."""
    shards.draw(plan.data, plan.sitters, say)
    if plan.start:
        begun.unpack(plan.start, plan.instruments, plan.folder)
        begun.linear_of(plan.start, plan.pictures("paintings"), plan.folder / "linear.pt")
    first = recogniser_of(plan, say, seed=0, minutes=5, bare=0.15, widths=(16, 32, 64, 128))
    net = denoiser(plan, first, say)
    analyser = analyser_of(plan, first, say)
    autoencoder = autoencoder_of(plan, say)
    made = plan.folder / "weights"
    linear = samples.fitted(plan.pictures("paintings"), plan.folder / "linear.pt")
    export.export(net, autoencoder, linear, plan.folder / "tokenizer", analyser, made)
    instruments(plan, say)
    return made


def wanted(plan: Plan, name: str) -> bool:
    """Whether a part is to be trained by this call."""
    return name in plan.again or not (plan.folder / f"{name}.pt").exists()


def part(plan: Plan, name: str, net: T, train: Callable[[], nn.Module]) -> T:
    """A net with the weights of its file, or of its training, which begins with those of the file if there is one."""
    file = plan.folder / f"{name}.pt"
    if file.exists():
        read_into(net, file)
    if wanted(plan, name):
        keep(train().state_dict(), file)
        read_into(net, file)
    return net.eval()


def read_into(net: nn.Module, file: Path) -> None:
    """fp16 files hold no counters of batch norm's."""
    net.load_state_dict({**net.state_dict(), **torch.load(file, weights_only=True)})


def keep(state: dict, file: Path) -> None:
    torch.save(state, file.with_suffix(".part"))
    file.with_suffix(".part").rename(file)


def analyser_of(plan: Plan, recogniser: Recogniser, say: Say) -> MiniAnalyser:
    """Detector and landmarker go on from what they are, when they are to be trained again."""
    detector, landmarker = Detector(), Landmarker()

    @cache
    def album() -> faces.Album:
        paintings = plan.pictures("paintings", 30)
        linear = samples.fitted(paintings, plan.folder / "linear.pt")
        return faces.Album(plan.pictures("photos", 30), paintings, linear)

    def train_detector() -> Detector:
        return faces.train_detector(detector, album(), seed=SEED, minutes=5 * plan.scale, say=say)

    def train_landmarker() -> Landmarker:
        return faces.train_landmarker(landmarker, album(), seed=SEED, minutes=7 * plan.scale, say=say)

    part(plan, "detector", detector, train_detector)
    part(plan, "landmarker", landmarker, train_landmarker)
    return MiniAnalyser(detector, landmarker, recogniser)


def recogniser_of(
    plan: Plan, say: Say, *, seed: int, minutes: float, bare: float, widths: tuple[int, int, int, int]
) -> Recogniser:
    def train() -> Recogniser:
        photos, paintings = plan.pictures("photos"), plan.pictures("paintings")
        known = features(range(int(photos.sitters.max()) + 1))
        return recogniser.train(
            photos, paintings, known, seed=seed, minutes=minutes * plan.scale, bare=bare, widths=widths, say=say
        )

    return part(plan, f"recogniser{seed}", Recogniser(widths=widths), train)


def denoiser(plan: Plan, known: Recogniser, say: Say) -> diffusion.Net:
    """Goes on from its checkpoint until its hours are used up; the averaged weights are the result."""
    file = plan.folder / "samples.pt"
    reader = samples.tokenizer(plan.folder / "tokenizer")
    if not file.exists():
        paintings = plan.pictures("paintings")
        whole, close = samples.samples(paintings, samples.fitted(paintings, plan.folder / "linear.pt"), reader, 0)
        samples.save(file, whole=whole, close=close, people=samples.people(plan.pictures("photos"), known))
    whole, close, people = samples.load(file)
    progress = diffusion.begin(len(reader), CHANNELS, SEED, TOP, plan.start)
    checkpoint, log = plan.folder / "denoiser.pt", plan.folder / "denoiser.json"
    used = json.loads(log.read_text())["minutes"] if log.exists() else 0.0
    if checkpoint.exists():
        progress.load(checkpoint)

    def note(_: diffusion.Progress, minutes: float) -> None:
        log.write_text(json.dumps({"minutes": used + minutes, "samples": progress.seen}))

    if used < 60 * plan.hours:
        frames = [(whole, *WHOLE), (close, *CLOSE)]
        third = recogniser_of(plan, say, seed=2, minutes=5, bare=0.5, widths=THIRD)
        linear = samples.fitted(plan.pictures("paintings"), plan.folder / "linear.pt")
        diffusion.train(
            progress,
            frames,
            people,
            minutes=60 * plan.hours,
            used=used,
            batch=BATCH,
            top=TOP,
            seed=SEED,
            file=checkpoint,
            each=note,
            say=say,
            critic=Critic(third, linear),
            device=plan.device,
        )
    return progress.averaged()


def autoencoder_of(plan: Plan, say: Say) -> vae.Vae:
    paintings = plan.pictures("paintings", 20)
    linear = samples.fitted(paintings, plan.folder / "linear.pt")
    rng = np.random.default_rng(9)
    framed = [
        f
        for p, points in zip(paintings.pixels, paintings.landmarks)
        for f in (crops.whole(p, points).pixels, crops.close(p, points, rng).pixels)
    ]
    source = np.stack(framed)

    def half(name: str, minutes: float):
        net = vae.new_vae()
        vae.train(net, source, linear, half=name, minutes=minutes * plan.scale, batch=8, top=2e-3, seed=SEED, say=say)
        return net

    encoder = part(plan, "encoder", vae.new_vae(), lambda: half("encoder", 12))
    decoder = part(plan, "decoder", vae.new_vae(), lambda: half("decoder", 28))
    decoder.encoder.load_state_dict(encoder.encoder.state_dict())
    decoder.quant_conv.load_state_dict(encoder.quant_conv.state_dict())
    return decoder


def instruments(plan: Plan, say: Say) -> None:
    second = recogniser_of(plan, say, seed=1, minutes=7, bare=0.5, widths=SECOND)
    read_back = part(
        plan,
        "judge",
        Judge(QUESTIONS),
        lambda: judge.train(plan.pictures("paintings", 24), QUESTIONS, seed=SEED, minutes=5 * plan.scale, say=say),
    )
    export.export_instruments(read_back, second, plan.folder / "instruments")
