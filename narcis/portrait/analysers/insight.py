"""InsightFace: detector, 106 landmarks, sex, and the recogniser whose raw embeddings PhotoMaker V2 was trained on.

The package is optional, and its model packs are for non-commercial research only.  0.7.3 keeps the first detection size
it was told and 1.0 and later look at two sizes at once, whatever is assigned; so the size goes with every call here,
which all of them obey, and no picture depends on the one before.
"""

from __future__ import annotations

import contextlib
import io
import json
import warnings
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Float, UInt8

from narcis.errors import BadInput, NotFound, Unavailable
from narcis.portrait import layouts
from narcis.portrait.faces import Face

MODULES = ("detection", "landmark_2d_106", "genderage", "recognition")
SIZES = tuple(range(640, 255, -64))  # px, tried from the first until a face is found, as PhotoMaker does
SEXES: dict[str | None, Literal["woman", "man", "unknown"]] = {"F": "woman", "M": "man", None: "unknown"}
FOUND = 0.5  # the detector's score from which there is a face
HOME = Path("~/.insightface/models")  # where the package itself puts its packs


class InsightAnalyser:
    """Implements `narcis.portrait.faces.Analyser`."""

    name = "insightface"
    licence = "MIT; its models: non-commercial research only"

    def __init__(self, pack: Path):
        """A folder of ONNX files; what each is for, InsightFace tells from their shapes."""
        self.kind_of_face, models = loaded(pack)
        self.detector = models.pop("detection")
        self.models = list(models.values())

    @classmethod
    def from_folder(cls, folder: Path) -> InsightAnalyser:
        """The ONNX files of a folder; without any, the pack that its config.json names, where InsightFace keeps it."""
        if any(folder.glob("*.onnx")):
            return cls(folder)
        config = folder / "config.json"
        name = json.loads(config.read_text()).get("pack", "buffalo_l") if config.is_file() else "buffalo_l"
        return cls(
            next((place for place in (folder / name, HOME.expanduser() / name) if place.is_dir()), folder / name)
        )

    def analyse(self, picture: UInt8[np.ndarray, "h w 3"]) -> list[Face]:
        """uint8 RGB -> its faces, surest first."""
        bgr = np.ascontiguousarray(picture[..., ::-1])
        for size in self.sizes:
            boxes, fives = self.detector.detect(bgr, input_size=size)
            if len(boxes):
                return [self.face(bgr, box, five) for box, five in zip(boxes, fives)]
        return []

    @property
    def sizes(self) -> list[tuple[int, int]]:
        """The detector's own size where it has only one."""
        sides = self.detector.input_shape[2:]
        return [(sides[1], sides[0])] if all(isinstance(s, int) for s in sides) else [(size, size) for size in SIZES]

    def face(self, bgr: np.ndarray, box: Float[np.ndarray, " 5"], five: Float[np.ndarray, "5 2"]) -> Face:
        told = self.kind_of_face(bbox=box[:4], kps=five, det_score=box[4])
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore", FutureWarning
            )  # all versions align by a call that scikit-image 0.26 renamed
            for model in self.models:
                model.get(bgr, told)
        points = told.landmark_2d_106 if told.landmark_2d_106 is not None else five
        embedding = np.asarray(told.embedding if told.embedding is not None else [], np.float32)
        left, top, right, bottom = box[:4].tolist()
        return Face((left, top, right, bottom), float(box[4]), layouts.landmarks(points), embedding, SEXES[told.sex])


def loaded(pack: Path) -> tuple[Any, dict[str, Any]]:
    """InsightFace's own class of faces, and a pack's models by what they do.  Nothing is downloaded."""
    if not any(pack.glob("*.onnx")):
        raise NotFound(
            f"{pack} has no ONNX files; `narcis models pull buffalo_l` brings InsightFace's pack", path=str(pack)
        )
    try:
        import onnxruntime  # pyright: ignore[reportMissingImports]
        from insightface.app import FaceAnalysis  # pyright: ignore[reportMissingImports]
        from insightface.app.common import Face as Told  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise Unavailable(
            f"InsightFace is not installed here ({error}); get it with `pip install 'narcis[insightface]'`"
        ) from None
    usable = [
        p for p in ("CUDAExecutionProvider", "CPUExecutionProvider") if p in onnxruntime.get_available_providers()
    ]
    with contextlib.redirect_stdout(io.StringIO()):  # 0.7.3 prints what it finds
        try:
            package = FaceAnalysis(str(pack.resolve()), allowed_modules=list(MODULES), providers=usable)
            package.prepare(0, det_thresh=FOUND, det_size=(SIZES[0], SIZES[0]))
        except AssertionError:
            raise BadInput(f"{pack} has no face detector among its ONNX files; pull the pack again") from None
    return Told, package.models
