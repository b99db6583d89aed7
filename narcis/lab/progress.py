"""Progress of a denoising loop, from one source for all: lines in the run's folder, and a bar in the notebook."""

from __future__ import annotations

import base64
import io
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from html import escape
from typing import Any

from IPython.core.getipython import get_ipython
from IPython.display import HTML, display
from PIL import Image

from narcis.folder import RunFolder
from narcis.portrait import images, sdxl
from narcis.portrait.models import Model
from narcis.portrait.sampling import Latents, Moment

FRAMES = 5  # previews a stage: they cost a little, and more than these nobody looks at
SIDE = 160  # px of a preview
SHOWING = 20  # of the parts of a stage whose previews are files: a sweep has thousands


@dataclass(frozen=True)
class Frame:
    """The predicted clean image after a step."""

    step: int
    of: int
    sigma: float
    picture: Image.Image


@dataclass(frozen=True)
class Film:
    """What a stage's loop left: some of its moments, and the clean latents of the last one."""

    frames: list[Frame]
    clean: Latents


def follow(moments: Iterable[Moment], model: Model, run: RunFolder, stage: str, part: int = 0, parts: int = 1) -> Film:
    """Goes through a stage, telling the run's folder of each step; this is part `part` of `parts` alike ones."""
    bar, frames, clean = Bar.of(stage, part), [], None
    for step, _, clean in moments:
        done, of = part * step.n + step.i + 1, parts * step.n
        shown = None
        if step.i in looked_at(step.n):
            frames.append(Frame(step.i + 1, step.n, step.sigma, glimpse(model, clean)))
            if part % max(1, parts // SHOWING) == 0:
                shown = run.preview(frames[-1].picture, stage, done)
        run.tell(stage, done, of, shown)
        bar.show(done, of, frames[-1].picture if frames else None)
    if clean is None:
        raise ValueError(f"stage {stage} has no moments")
    return Film(frames, clean)


def passed(film: Film, run: RunFolder, stage: str, part: int = 0, parts: int = 1) -> None:
    """Tells of a part that is done already, as if it had just been painted."""
    n = film.frames[-1].of
    run.tell(stage, (part + 1) * n, parts * n)
    Bar.of(stage, part).show((part + 1) * n, parts * n, None)


def looked_at(n: int) -> set[int]:
    """The steps of n of which a preview is made: the first, the last, and some evenly between."""
    return {round(k * (n - 1) / max(1, FRAMES - 1)) for k in range(FRAMES)}


def glimpse(model: Model, clean: Latents) -> Image.Image:
    """A small picture of the first of the latents."""
    (picture,) = images.to_image(sdxl.preview(model, clean[:1], model.preview))
    height = round(SIDE * picture.height / picture.width)
    return picture.resize((SIDE, height), Image.Resampling.BICUBIC)


MOVING: dict[tuple[str, int | None], Bar] = {}  # the bars of the cell that runs, by stage and cell


@dataclass
class Bar:
    """One line that moves in a notebook, with the latest preview; nothing elsewhere."""

    stage: str
    started: float = field(default_factory=time.monotonic)
    handle: Any = None

    @classmethod
    def of(cls, stage: str, part: int) -> Bar:
        """A new bar for a stage's first part; the later ones in the same cell move the same bar."""
        cell = getattr(get_ipython(), "execution_count", None)
        for left in [key for key in MOVING if key[1] != cell]:
            del MOVING[left]
        if part == 0 or (stage, cell) not in MOVING:
            MOVING[stage, cell] = cls(stage)
        return MOVING[stage, cell]

    def show(self, done: int, of: int, preview: Image.Image | None) -> None:
        if get_ipython() is None:
            return
        line = HTML(self.html(done, of, None if done == of else preview))
        if self.handle is None:
            self.handle = display(line, display_id=True)
        else:
            self.handle.update(line)

    def html(self, done: int, of: int, preview: Image.Image | None) -> str:
        took = time.monotonic() - self.started
        picture = f'<br><img alt="" src="{data_url(preview)}" width="{preview.width}">' if preview else ""
        return (
            f'<progress value="{done}" max="{of}" style="width: 16em; accent-color: #9e2b25"></progress> '
            f"{escape(self.stage)} · {done} of {of} · {took:.1f} s{picture}"
        )


def data_url(picture: Image.Image) -> str:
    file = io.BytesIO()
    picture.save(file, "PNG")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()
