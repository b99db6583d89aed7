"""MediaPipe's face mesh: 468 landmarks of every face, found without a network, a GPU or anything else to install.

Its two networks ship with the package (`mediapipe/`, Apache-2.0, as MediaPipe 0.10.21 has them) and run in OpenCV.
There is no recogniser among them: embeddings are empty, and the sex is unknown.
Bazarevsky et al. 2019, arXiv 1907.05047; Kartynnik et al. 2019, arXiv 1907.06724.
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from narcis.portrait import layouts
from narcis.portrait.faces import Affine, Face, Points, scale_of, warp

WEIGHTS = Path(__file__).with_name("mediapipe")
DETECTOR, MESHER = "face_detection_short_range.tflite", "face_landmark.tflite"

CANVAS = 128  # px, the detector's input
CELLS = ((8, 2), (16, 6))  # cells of so many px, with so many guesses in each
FOUND, ALIKE = 0.4, 0.3  # score from which a guess counts, overlap from which two are one face
LARGE = 2048  # px, the longer side of what is looked at; both networks see far less
SURE = 0.9  # score up to which a face may be lying on its side

SEEN = 192  # px, the mesher's input
ROOM = 1.5  # its side, in sides of the face
PRESENT = 0.5  # the mesher's own score, from which there is a face
CORNERS = (33, 263)  # the eyes' outer corners, left and right
APART = 0.7  # eye-mouth distances between the eyes of two faces

Guesses = Float[np.ndarray, "n 9"]  # score, box (middle, width, height), left and right eye; px of the picture


class MeshAnalyser:
    """Implements `narcis.portrait.faces.Analyser`."""

    name = "mediapipe"
    licence = "Apache-2.0"

    def __init__(self, folder: Path = WEIGHTS):
        self.folder = folder

    @classmethod
    def from_folder(cls, folder: Path) -> MeshAnalyser:
        """By the networks of a folder; by the package's own where it holds none, and only asks for them."""
        return cls(folder if (folder / DETECTOR).is_file() and (folder / MESHER).is_file() else WEIGHTS)

    @cached_property
    def detector(self) -> cv2.dnn.Net:
        return cv2.dnn.readNetFromTFLite(str(self.folder / DETECTOR))

    @cached_property
    def mesher(self) -> cv2.dnn.Net:
        return cv2.dnn.readNetFromTFLite(str(self.folder / MESHER))

    def analyse(self, picture: UInt8[np.ndarray, "h w 3"]) -> list[Face]:
        """uint8 RGB -> its faces, surest first.

        Where none is sure the picture is turned on its sides; small faces are looked for where there is no large one.
        """
        scale = min(1.0, LARGE / max(picture.shape))
        if scale < 1:
            picture = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        upright, *sides = [view(picture, turn) for turn in (0, 90, 180, 270)]
        found = self.looked_at(picture, [upright])
        if not found or found[0].score < SURE:
            found = self.looked_at(picture, [upright, *sides])
        found = found or self.looked_at(picture, parts(picture))
        return [enlarged(face, 1 / scale) for face in found] if scale < 1 else found

    def looked_at(self, picture: np.ndarray, views: list[Affine]) -> list[Face]:
        """The faces of some views of a picture, each once."""
        guesses = [guess for view in views for guess in merged(self.guesses(picture, view))]
        faces: list[Face] = []
        for guess in sorted(guesses, key=lambda guess: -guess[0]):
            face = self.meshed(picture, guess)
            if face and all(apart(face, other) for other in faces):
                faces.append(face)
        return faces

    def guesses(self, picture: np.ndarray, view: Affine) -> Guesses:
        """What the detector takes for faces in one view, many times over."""
        seen = warp(picture.astype(np.float32), view, (CANVAS, CANVAS), cv2.BORDER_CONSTANT)
        scores = sigmoid(answer(self.detector, seen / 127.5 - 1, "classificators").ravel())
        sure = scores > FOUND
        told = answer(self.detector, seen / 127.5 - 1, "regressors").reshape(-1, 8, 2)[sure]  # middle, size, six points
        at, back = anchors()[sure], cv2.invertAffineTransform(view)
        middle, left, right = (moved(told[:, i] + at, back) for i in (0, 2, 3))
        return np.column_stack([scores[sure], middle, told[:, 1] * scale_of(back), left, right])

    def meshed(self, picture: np.ndarray, guess: np.ndarray) -> Face | None:
        """A first mesh in the detector's square, a second in the square of the first; None where it lies on no face."""
        score, (x, y, *sides), left, right = guess[0], guess[1:5], guess[5:7], guess[7:9]
        frame = square(np.array([x, y]), ROOM * max(sides), left, right)
        for _ in range(2):
            seen = warp(picture.astype(np.float32), frame, (SEEN, SEEN), cv2.BORDER_REPLICATE)
            if sigmoid(answer(self.mesher, seen / 255, "conv2d_31")).item() < PRESENT:
                return None
            mesh = answer(self.mesher, seen / 255, "conv2d_21").reshape(468, 3)[:, :2] - 0.5
            points = moved(mesh, cv2.invertAffineTransform(frame))
            frame = around(mesh, points)
        landmarks = layouts.landmarks(points)
        (left, top), (right, bottom) = points.min(0).tolist(), points.max(0).tolist()
        return Face((left, top, right, bottom), float(score), landmarks, np.empty(0, np.float32), "unknown")


# --------------------------------------------------------------------------------------------- networks
def answer(network: cv2.dnn.Net, seen: Float[np.ndarray, "s s 3"], name: str) -> np.ndarray:
    """One output; OpenCV's importer gives them one at a time."""
    network.setInput(np.ascontiguousarray(seen.transpose(2, 0, 1)[None], np.float32))
    return np.array(network.forward(name))


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x.clip(-80, 80)))


def anchors() -> Float[np.ndarray, "896 2"]:
    """The cells' middles, px of the canvas, in the order of the detector's guesses."""
    rows = []
    for cell, guesses in CELLS:
        y, x = np.mgrid[0 : CANVAS // cell, 0 : CANVAS // cell]
        rows.append(np.repeat((np.stack([x, y], -1).reshape(-1, 2) + 0.5) * cell, guesses, 0))
    return np.concatenate(rows) - 0.5


# ------------------------------------------------------------------------------------------------ views
def view(picture: np.ndarray, turn: int, middle: tuple[float, float] | None = None, side: float = 0) -> Affine:
    """From a square of the picture, or all of it, turned by so many degrees, to the detector's canvas."""
    height, width = picture.shape[:2]
    scale = CANVAS / (side or max(height, width))
    c, s = scale * math.cos(math.radians(turn)), scale * math.sin(math.radians(turn))
    rotation = np.array([[c, s], [-s, c]])
    centre = np.array(middle or (width / 2, height / 2)) - 0.5
    return np.column_stack([rotation, (CANVAS - 1) / 2 - rotation @ centre]).astype(np.float32)


def parts(picture: np.ndarray) -> list[Affine]:
    """Up to nine squares of half the longer side, which overlap by half and cover the picture."""
    height, width = picture.shape[:2]
    side = max(height, width) / 2
    across, down = [sorted({min(side / 2, d / 2), d / 2, max(d - side / 2, d / 2)}) for d in (width, height)]
    return [view(picture, 0, (x, y), side) for x in across for y in down]


def square(middle: np.ndarray, side: float, left: np.ndarray, right: np.ndarray) -> Affine:
    """From the picture to the mesher's input, on which the two eyes lie level."""
    along = (right - left) / max(float(np.hypot(*(right - left))), 1e-6)
    turn = SEEN / max(side, 1.0) * np.array([along, [-along[1], along[0]]])
    return np.column_stack([turn, (SEEN - 1) / 2 - turn @ middle]).astype(np.float32)


def around(mesh: Points, points: Points) -> Affine:
    """The square of a mesh, given in the last square and in the picture."""
    low, high = mesh.min(0), mesh.max(0)
    scale = math.dist(*points[list(CORNERS)]) / max(math.dist(*mesh[list(CORNERS)]), 1e-6)
    nearest = np.linalg.lstsq(np.column_stack([mesh, np.ones(len(mesh))]), points, rcond=None)[0]
    middle = np.array([*(low + high) / 2, 1]) @ nearest
    return square(middle, ROOM * float((high - low).max()) * scale, *points[list(CORNERS)])


def moved(points: np.ndarray, matrix: Affine) -> np.ndarray:
    return points @ matrix[:, :2].T + matrix[:, 2]


# ------------------------------------------------------------------------------------------ one face each
def merged(guesses: Guesses) -> list[np.ndarray]:
    """Guesses that overlap become their mean by score, under the best one's score; surest first."""
    faces, rest = [], guesses[np.argsort(-guesses[:, 0], kind="stable")]
    while len(rest):
        alike = overlap(rest[0], rest) > ALIKE
        faces.append(np.array([rest[0, 0], *np.average(rest[alike, 1:], 0, rest[alike, 0])]))
        rest = rest[~alike]
    return faces


def overlap(one: np.ndarray, others: Guesses) -> np.ndarray:
    """Intersection over union of boxes; a box's own is 1."""
    low = np.maximum(one[1:3] - one[3:5] / 2, others[:, 1:3] - others[:, 3:5] / 2)
    high = np.minimum(one[1:3] + one[3:5] / 2, others[:, 1:3] + others[:, 3:5] / 2)
    common = (high - low).clip(0).prod(1)
    return common / (one[3:5].prod() + others[:, 3:5].prod(1) - common).clip(1e-6)


def enlarged(face: Face, times: float) -> Face:
    """The face as it lies in a picture so many times as large."""
    left, top, right, bottom = ((edge + 0.5) * times - 0.5 for edge in face.box)
    matrix = np.array([[times, 0, times / 2 - 0.5], [0, times, times / 2 - 0.5]])
    return replace(face, box=(left, top, right, bottom), landmarks=face.landmarks.moved(matrix))


def apart(one: Face, other: Face) -> bool:
    reach = max(math.hypot(*face.landmarks.axis) for face in (one, other))
    return math.dist(one.landmarks.eyes, other.landmarks.eyes) > APART * reach
