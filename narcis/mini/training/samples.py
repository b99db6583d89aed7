"""What the denoiser learns from: latents, captions as tokens, and the sitters' photos, kept in one file."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor
from transformers import CLIPTokenizer

from narcis.mini import painter
from narcis.mini.painter.caption import words_known
from narcis.mini.recogniser import Recogniser, align, to_tensor
from narcis.mini.training import crops, words
from narcis.mini.training.data import Pictures, five
from narcis.mini.training.diffusion import IDENTITY, People, Samples
from narcis.mini.training.latents import Linear, fit
from narcis.mini.training.likeness import alignment

CLOSE = 2  # crops of each painting
CHUNK = 250


def tokenizer(folder: Path) -> CLIPTokenizer:
    if not (folder / "vocab.json").exists():
        words.grow(words_known(), folder)
    return CLIPTokenizer.from_pretrained(folder)


def fitted(paintings: Pictures, file: Path) -> Linear:
    """The latent code, from seven hundred portraits and as many crops."""
    if not file.exists():
        rng = np.random.default_rng(5)
        chosen = np.random.default_rng(0).permutation(len(paintings))[:700]
        shown = [crops.whole(paintings.pixels[i], paintings.landmarks[i]).pixels for i in chosen]
        shown += [crops.close(paintings.pixels[i], paintings.landmarks[i], rng).pixels for i in chosen]
        fit(np.stack(shown)).save(file)
    return Linear.load(file)


def captions(scene: dict, rng: np.random.Generator) -> list[str]:
    """Four ways of asking for a painting: twice plain, once with the sitter's looks, once with unknown words."""
    number = scene["sitter"]
    drawn = painter.Scene(**{k: v for k, v in scene.items() if k != "sitter"})
    who = painter.sitter(number)
    plain = painter.caption(who, drawn, age=False, hair=False, beard=False, glasses=False)
    unknown = " ".join(words.junk(rng) for _ in range(rng.integers(1, 4)))
    return [plain, plain, painter.caption(who, drawn), f"{plain}, {unknown}"]


def tokens(texts: list[str], reader: CLIPTokenizer, ways: int) -> tuple[Tensor, Tensor, Tensor]:
    """[n, ways, L] plain ids, the same with the class word doubled (one photo's two slots), [n, ways] its place."""
    plain = np.array(reader(texts, padding="max_length", truncation=True, max_length=words.LENGTH)["input_ids"])
    classes = {reader.encode(word)[1] for word in ("man", "woman")}
    place = np.array([next(i for i, token in enumerate(row) if token in classes) for row in plain])
    extended = plain.copy()
    for row, (ids, k) in enumerate(zip(plain, place)):
        extended[row, k + 1 :] = ids[k:-1]
    extended[:, -1] = reader.eos_token_id
    shaped = (torch.from_numpy(a.reshape(-1, ways, *a.shape[1:])) for a in (plain, extended, place))
    return tuple(shaped)  # type: ignore[return-value]


def samples(paintings: Pictures, linear: Linear, reader: CLIPTokenizer, first_sitter: int) -> tuple[Samples, Samples]:
    """All paintings whole, and `CLOSE` crops of each."""
    rng = np.random.default_rng(5)
    plain, extended, place = tokens([c for s in paintings.scenes for c in captions(s, rng)], reader, 4)
    who = torch.from_numpy(paintings.sitters - first_sitter)
    whole, close = [], []
    for i in range(0, len(paintings), CHUNK):
        part = range(i, min(i + CHUNK, len(paintings)))
        whole.append(encoded([crops.whole(paintings.pixels[k], paintings.landmarks[k]) for k in part], linear))
        close.append(
            encoded(
                [crops.close(paintings.pixels[k], paintings.landmarks[k], rng) for k in part for _ in range(CLOSE)],
                linear,
            )
        )
    again = [t.repeat_interleave(CLOSE, 0) for t in (who, plain, extended, place)]
    return gathered(whole, [who, plain, extended, place]), gathered(close, again)


def gathered(parts: list[tuple[Tensor, Tensor, Tensor]], of_each: list[Tensor]) -> Samples:
    latents, sizes, ways = (torch.cat(columns) for columns in zip(*parts))
    return Samples(latents, sizes, ways, *of_each)


def encoded(framed: list[crops.Framed], linear: Linear) -> tuple[Tensor, Tensor, Tensor]:
    x = torch.from_numpy(np.stack([f.pixels for f in framed])).permute(0, 3, 1, 2).float().div(127.5).sub(1)
    ways = torch.from_numpy(np.stack([alignment(f.five) for f in framed]))
    return linear.encode(x).half(), torch.tensor([f.sizes for f in framed]), ways


@torch.inference_mode()
def people(photos: Pictures, recogniser: Recogniser) -> People:
    faces = np.stack([align(p, points) for p, points in zip(photos.pixels, five(photos.landmarks))])
    embeddings = torch.cat([recogniser(to_tensor(faces[i : i + CHUNK])) for i in range(0, len(faces), CHUNK)])
    side = IDENTITY.image_size
    small = np.stack([cv2.resize(p, (side, side), interpolation=cv2.INTER_AREA) for p in photos.pixels])
    pixels = torch.from_numpy(small).permute(0, 3, 1, 2).contiguous()
    return People(pixels.unflatten(0, (-1, 2)), embeddings.unflatten(0, (-1, 2)).clone())


def save(file: Path, **parts: Samples | People) -> None:
    torch.save({name: vars(part) for name, part in parts.items()}, file)


def load(file: Path) -> tuple[Samples, Samples, People]:
    parts = torch.load(file, weights_only=True)
    return Samples(**parts["whole"]), Samples(**parts["close"]), People(**parts["people"])
