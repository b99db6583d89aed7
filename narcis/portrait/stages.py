"""The two stages of a portrait: `compose` paints from words, `refine` turns a crop's face into the sitter's.

Both check and encode when called, then return the denoising loop itself: each `Moment` may be shown, and the last
one's `clean` is the result.  Lists of orders run as one batch, and none of them knows of the others.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from narcis.errors import BadInput
from narcis.portrait import lora, schedules, sdxl, steering, tokens
from narcis.portrait.models import Model
from narcis.portrait.sampling import Denoiser, Latents, Moment, denoise, noise

Negative = str | None | Sequence[str | None]

REFINING = 1  # the stream of a seed that `refine` draws from; `compose` has 0


@dataclass(frozen=True, eq=False)
class Identity:
    """One sitter: N photos, the recogniser's raw embedding of each, and how much of the person to take.

    Weight 0 is text alone, 1 as published, up to 2 more.  The class word is where identity enters the prompt.
    PhotoMaker V1 asks no embeddings; they may then be None.
    """

    photos: Sequence[Image.Image]
    embeddings: Float[Tensor | np.ndarray, "N d"] | None
    weight: float = 1.0
    class_word: str = "person"

    def __post_init__(self):
        embeddings = len(self.photos) if self.embeddings is None else len(self.embeddings)
        if not len(self.photos) == embeddings > 0:
            raise BadInput(
                f"a sitter has {len(self.photos)} photos and {embeddings} embeddings; "
                "give at least one photo, and for each photo its own embedding",
                photos=len(self.photos),
                embeddings=embeddings,
            )
        if not 0 <= self.weight <= 2:
            raise BadInput(f"identity weight is {self.weight}; it must be 0 to 2", weight=self.weight)


def compose(
    model: Model,
    prompts: Sequence[str],
    seeds: Sequence[int],
    *,
    steps: int = 20,
    guidance: float = 4.0,
    guidance_start: float = 0.0,
    guidance_end: float = 0.8,
    negative: Negative = None,
    size: int | tuple[int, int] | None = None,
    schedule: str = "ays",
    solver: str = "euler",
    merge_step: int | None = None,
    identities: Sequence[Identity] | None = None,
    identity_lora: float = 0.0,
) -> Iterator[Moment]:
    """Stage 1: pictures of `size` (height, width; a side; the model's own) from prompts.

    With identities and a merge step, the sitters join after exactly that many steps of text alone.  identity_lora is
    the strength of the model's LoRA in all steps, where it has one; PhotoMaker's own use is 1.
    """
    if (merge_step is None) != (identities is None):
        raise BadInput("a merge step and identities come together; give both or neither")
    one_each(prompts, seeds=seeds, identities=identities)
    levels = schedules.schedule(schedule, steps)
    height, width = picture_size(model, size)
    predict = denoiser(
        model,
        [sdxl.whole_picture(height, width)] * len(prompts),
        prompts,
        identities,
        merge_step=merge_step or 0,
        steps=steps,
        guidance=guidance,
        guidance_start=guidance_start,
        guidance_end=guidance_end,
        negative=negative,
        solver=solver,
        identity_lora=identity_lora,
    )
    x = noise(seeds, (model.channels, height // model.factor, width // model.factor)).to(model.device)
    return denoise(predict, x * levels.initial, levels)


def refine(
    model: Model,
    crops: Float[Tensor, "b 3 H W"],
    change: Float[Tensor, "b 1 H W"],
    prompts: Sequence[str],
    identities: Sequence[Identity] | None,
    seeds: Sequence[int],
    *,
    steps: int = 14,
    merge_step: int = 0,
    guidance: float = 4.0,
    guidance_start: float = 0.0,
    guidance_end: float = 0.8,
    negative: Negative = None,
    schedule: str = "ays",
    solver: str = "euler",
    strength: float = 1.0,
    softness: float = 0.0,
    time_ids: Sequence[Sequence[int]] | Tensor | None = None,
    identity_lora: float = 1.0,
) -> Iterator[Moment]:
    """Stage 2: crops in [-1, 1] repainted where change is above 0, as their sitters; elsewhere latents stay exactly.

    A strength below 1 leaves out the noisiest steps.  time_ids say which part of which picture each crop is, see
    `sdxl.crop_of`; without them a crop counts as a whole picture.  Without identities it repaints from words alone.
    identity_lora is the strength of the model's LoRA, where it has one.
    """
    one_each(prompts, seeds=seeds, crops=crops, change=change, identities=identities, time_ids=time_ids)
    height, width = picture_size(model, (crops.shape[-2], crops.shape[-1]))
    levels = last_part(schedules.schedule(schedule, steps), strength)
    predict = denoiser(
        model,
        [sdxl.whole_picture(height, width)] * len(prompts) if time_ids is None else time_ids,
        prompts,
        identities,
        merge_step=merge_step,
        steps=len(levels),
        guidance=guidance,
        guidance_start=guidance_start,
        guidance_end=guidance_end,
        negative=negative,
        solver=solver,
        identity_lora=identity_lora,
    )
    original = sdxl.encode(model, crops)
    fresh = noise(seeds, original.shape[1:], REFINING).to(model.device)
    change = steering.shrink(change.to(original), (original.shape[-2], original.shape[-1]))
    start = original + float(levels.sigmas[0]) * fresh
    moments = denoise(predict, start, levels, steering.keep_by_map(original, fresh, change, softness))
    return kept_at_last(moments, original, change)


def kept_at_last(moments: Iterator[Moment], original: Latents, change: steering.ChangeMap) -> Iterator[Moment]:
    """The same moments, but the last one holds the original where nothing may change."""
    for step, x, clean in moments:
        if step.i == step.n - 1:
            x, clean = (steering.keep(latents, original, change) for latents in (x, clean))
        yield Moment(step, x, clean)


def denoiser(
    model: Model,
    time_ids: Sequence[Sequence[int]] | Tensor,
    prompts: Sequence[str],
    identities: Sequence[Identity] | None,
    *,
    merge_step: int,
    steps: int,
    guidance: float,
    guidance_start: float = 0.0,
    guidance_end: float = 1.0,
    negative: Negative = None,
    solver: str = "euler",
    identity_lora: float = 0.0,
) -> Denoiser:
    """The UNet under guidance and LoRA, first by text alone and from the merge step on as the sitters.

    For one run of the loop: a solver may look back.
    """
    ids = torch.as_tensor(time_ids, dtype=torch.float32)
    unwanted = sdxl.encode_negatives(model, listed(negative, len(prompts)))

    def steered(text: sdxl.Text) -> Denoiser:
        both = sdxl.network(model, sdxl.joined(unwanted, text), ids.repeat(2, 1))
        return steering.guided(both, sdxl.network(model, text, ids), guidance, guidance_end, guidance_start)

    def finished(predict: Denoiser) -> Denoiser:
        adapted = lora.adapted(model.lora if identity_lora else None, identity_lora, predict)
        return steering.solved(solver, adapted)

    if identities is None:
        return finished(steered(sdxl.encode_prompts(model, prompts)))
    prompts = [tokens.place_trigger(p, i.class_word) for p, i in zip(prompts, identities, strict=True)]
    before, after = steered(sdxl.sitters_text_only(model, prompts)), steered(sitters_text(model, prompts, identities))
    return finished(steering.switch_after(merge_step, before, after, steps=steps))


def sitters_text(model: Model, prompts: Sequence[str], identities: Sequence[Identity]) -> sdxl.Text:
    """Prompts whose class words have become the sitters; the pooled embedding is the words' own."""
    if (encoder := model.id_encoder) is None:
        raise BadInput(f"{model.folder} has no id_encoder, so it cannot paint a sitter; choose a model that has one")
    text, slots = sdxl.sitters_text(model, prompts, [encoder.config.tokens * len(i.photos) for i in identities])
    rows = []
    for identity, prompt, mask in zip(identities, text.prompt, slots, strict=True):
        fused = model.compute(partial(encoder.sitter, identity.photos, identity.embeddings, prompt, mask))
        rows.append(torch.lerp(prompt, fused, identity.weight))
    return sdxl.Text(torch.stack(rows), text.pooled)


def last_part(levels: schedules.Schedule, strength: float) -> schedules.Schedule:
    """The last steps of a schedule, as many as the strength is a fraction of all."""
    if not 0 < strength <= 1:
        raise BadInput(f"strength is {strength}; it must be above 0 and at most 1", strength=strength)
    return levels.after(len(levels) - max(1, round(strength * len(levels))))


def picture_size(model: Model, size: int | tuple[int, int] | None) -> tuple[int, int]:
    """(height, width) in pixels, which the model's latents must be able to fill."""
    height, width = size if isinstance(size, tuple) else (size or model.native_size,) * 2
    if height < model.factor or width < model.factor or height % model.factor or width % model.factor:
        raise BadInput(
            f"size is {height} by {width}; height and width must be multiples of {model.factor}", size=(height, width)
        )
    return height, width


def listed(negative: Negative, orders: int) -> list[str | None]:
    """One negative prompt for each order."""
    if negative is None or isinstance(negative, str):
        return [negative] * orders
    one_each(range(orders), negative=negative)
    return list(negative)


def one_each(prompts: Sequence, **lists: "Sequence | Tensor | None") -> None:
    """Every list of a batch has one entry for each order."""
    for name, values in lists.items():
        if values is not None and len(values) != len(prompts):
            raise BadInput(f"{len(values)} {name} for {len(prompts)} orders; give one for each", name=name)
