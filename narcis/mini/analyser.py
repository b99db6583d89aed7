"""mini's face analyser: finds faces in photos and paintings, their 106 landmarks, embedding and sex."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from narcis.mini.frames import axis_of, frame, undo
from narcis.mini.recogniser import Recogniser, Residual, align, to_tensor, trunk, warp
from narcis.portrait.faces import Face, Landmarks

CANVAS = 128  # the detector sees the picture letterboxed into this square
STRIDE = 4
CROP = 80  # the landmarker's input
FOUND, FURTHER = 0.35, 0.6  # score from which a peak is a face, and from which it is one more face


class Detector(nn.Module):
    """[b, 3, 128, 128] -> [b, 6, 32, 32]: face logit, offset x y (cells), axis x y (unit), log eye-mouth distance.

    Faces as points (Zhou et al. 2019, arXiv 1904.07850): the point is the middle of the two eyes.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 16, 3, 2, 1, bias=False), nn.BatchNorm2d(16), nn.PReLU(16))
        self.fine = Residual(16, 32, 2)
        self.middle = Residual(32, 64, 2)
        self.coarse = nn.Sequential(Residual(64, 96, 2), Residual(96, 64, 1))
        self.up = nn.Upsample(scale_factor=2, mode="nearest")
        self.join, self.last = Residual(64, 32, 1), Residual(32, 32, 1)
        self.head = nn.Sequential(nn.BatchNorm2d(32), nn.Conv2d(32, 32, 3, 1, 1), nn.PReLU(32), nn.Conv2d(32, 6, 1))
        nn.init.constant_(self.head[-1].bias, -2.0)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        fine = self.fine(self.stem(x))
        middle = self.middle(fine)
        middle = middle + self.up(self.coarse(middle))
        return self.head(self.last(fine + self.up(self.join(middle))))


class Landmarker(nn.Module):
    """Framed faces [b, 3, 80, 80] -> points [b, 106, 2] in the unit square."""

    def __init__(self, widths: tuple[int, int, int, int] = (16, 32, 64, 128)):
        super().__init__()
        self.trunk = trunk(widths)
        self.hidden = nn.Sequential(
            nn.BatchNorm2d(widths[3]), nn.Flatten(), nn.Linear(widths[3] * 25, 256), nn.BatchNorm1d(256), nn.PReLU(256)
        )
        self.points = nn.Linear(256, 212)
        nn.init.normal_(self.points.weight, std=0.005)
        nn.init.constant_(self.points.bias, 0.5)

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.hidden(self.trunk(x)).float()
        with torch.autocast(x.device.type, enabled=False):  # bfloat16 has no room for a tenth of a pixel
            return self.points(hidden).unflatten(1, (106, 2))


class MiniAnalyser:
    """Implements `narcis.portrait.faces.Analyser`."""

    name = "narcis-mini"
    licence = "Apache-2.0"

    def __init__(self, detector: Detector, landmarker: Landmarker, recogniser: Recogniser):
        self.detector, self.landmarker, self.recogniser = detector.eval(), landmarker.eval(), recogniser.eval()

    @torch.inference_mode()
    def analyse(self, picture: np.ndarray) -> list[Face]:
        """uint8 RGB [h, w, 3] -> its faces, surest first."""
        found = []
        for score, eyes, axis in self.detect(picture):
            points = self.landmarks(picture, eyes, axis)
            embedding, woman = self.recognise(picture, points)
            low, high = points.min(0), points.max(0)
            box = (float(low[0]), float(low[1]), float(high[0]), float(high[1]))
            found.append(Face(box, score, Landmarks(points), embedding, "woman" if woman > 0 else "man"))
        return found

    def detect(self, picture: np.ndarray) -> list[tuple[float, np.ndarray, np.ndarray]]:
        """(score, middle of the eyes, eyes to mouth) of each face, pixels."""
        canvas, scale = letterbox(picture)
        out = self.detector(to_tensor(canvas[None]))[0].numpy()
        heat = 1 / (1 + np.exp(-out[0]))
        peaks = np.argwhere((heat == cv2.dilate(heat, np.ones((3, 3)))) & (heat > FOUND))
        faces = []
        for y, x in sorted(peaks.tolist(), key=lambda p: -heat[p[0], p[1]]):
            dx, dy, ax, ay, log = out[1:, y, x]
            eyes = (np.array([x + dx, y + dy]) + 0.5) * STRIDE / scale
            axis = np.array([ax, ay]) / max(1e-6, float(np.hypot(ax, ay))) * np.exp(log) * STRIDE / scale
            apart = all(np.hypot(*(eyes - other)) > 0.9 * np.hypot(*axis) for _, other, _ in faces)
            if apart and (not faces or heat[y, x] > FURTHER):
                faces.append((float(heat[y, x]), eyes, axis))
        return faces

    def landmarks(self, picture: np.ndarray, eyes: np.ndarray, axis: np.ndarray) -> np.ndarray:
        """[106, 2] pixels: a first look in the detector's frame, a second in the frame of the first."""
        points = np.zeros((106, 2))
        for _ in range(2):
            matrix = frame(eyes, axis, CROP)
            seen = self.landmarker(to_tensor(warp(picture, matrix, CROP)[None]))[0].numpy()
            points = undo(matrix, seen * CROP)
            eyes, axis = axis_of(points)
        return points.astype(np.float32)

    def recognise(self, picture: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, float]:
        """Raw embedding [d], and how far on the woman's side."""
        embedding = self.recogniser(to_tensor(align(picture, Landmarks(points).five)[None]))
        return embedding[0].numpy(), float(self.recogniser.woman(embedding)[0, 0])

    @classmethod
    def from_folder(cls, folder: Path) -> MiniAnalyser:
        weights = {k: v.float() for k, v in load_file(folder / "model.safetensors").items()}
        sizes = json.loads((folder / "config.json").read_text())
        recogniser = Recogniser(sizes.get("embedding", 128), tuple(sizes["recogniser"]))
        parts = [Detector(), Landmarker(tuple(sizes["landmarker"])), recogniser]
        for name, part in zip(("detector", "landmarker", "recogniser"), parts):
            own = {k.removeprefix(name + "."): v for k, v in weights.items() if k.startswith(name + ".")}
            part.load_state_dict({**own, **counters(part)})
        return cls(*parts)  # type: ignore[arg-type]

    def save(self, folder: Path, sizes: dict[str, list[int]]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "config.json").write_text(json.dumps({"kind": self.name, **sizes}, indent=1) + "\n")
        parts = {"detector": self.detector, "landmarker": self.landmarker, "recogniser": self.recogniser}
        weights = {
            f"{n}.{k}": v.half().contiguous()
            for n, p in parts.items()
            for k, v in p.state_dict().items()
            if v.is_floating_point()
        }
        save_file(weights, folder / "model.safetensors")


def counters(part: nn.Module) -> dict[str, Tensor]:
    """Batch norm's step counters, which inference never reads and the file does not hold."""
    return {k: v for k, v in part.state_dict().items() if not v.is_floating_point()}


def letterbox(picture: np.ndarray) -> tuple[np.ndarray, float]:
    """The picture in the top left of a grey square, and the scale that brought it there."""
    h, w = picture.shape[:2]
    scale = CANVAS / max(h, w)
    small = cv2.resize(picture, (max(1, round(w * scale)), max(1, round(h * scale))), interpolation=cv2.INTER_AREA)
    canvas = np.full((CANVAS, CANVAS, 3), 127, np.uint8)
    canvas[: small.shape[0], : small.shape[1]] = small
    return canvas, scale
