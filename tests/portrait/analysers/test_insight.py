"""The adapter of InsightFace, with the real package and networks that are made here: none of its packs may be shipped.

The made detector fires where one cell of 8 px is bright among dark ones, so that a mark's size decides at which size it
is found; the made recogniser gives the means of 14 px squares, which are easily had another way.
"""

import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from schematic import points as schematic_points

from narcis.errors import BadInput, NotFound, Unavailable
from narcis.portrait import layouts
from narcis.portrait.analysers.insight import InsightAnalyser
from narcis.portrait.faces import REGIONS, Analyser
from narcis.portrait.models import make_analyser

MIDDLE = np.array([320, 240])  # the left top of the marked cell, which the detector's guesses are about
FIVE = np.array([(-12.0, -8), (12, -8), (0, 4), (-8, 14), (8, 14)])  # about the middle of the mark's cell, px of 640
HALF = 24.0  # px, half of the box's side there
ARCFACE = np.array([(38.2946, 51.6963), (73.5318, 51.5014), (56.0252, 71.7366), (41.5493, 92.3655), (70.7299, 92.2041)])


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pack as InsightFace lays it out."""
    onnx = pytest.importorskip("onnx", reason="pip install onnx, to make InsightFace's networks")
    folder = tmp_path_factory.mktemp("pack")
    for name, model in {
        "det": detector(onnx),
        "2d106": landmarker(onnx),
        "ga": sexer(onnx),
        "rec": recogniser(onnx),
    }.items():
        onnx.save(model, folder / f"{name}.onnx")
    return folder


@pytest.fixture(scope="module")
def analyser(pack: Path) -> InsightAnalyser:
    pytest.importorskip("insightface", reason="pip install 'narcis[insightface]'")
    return InsightAnalyser.from_folder(pack)


# -------------------------------------------------------------------------------------------- networks
def network(onnx, nodes: list, size: tuple, outputs: dict, constants: dict):
    helper, kinds = onnx.helper, onnx.TensorProto
    held = [onnx.numpy_helper.from_array(np.asarray(v), k) for k, v in constants.items()]
    given = [helper.make_tensor_value_info("input", kinds.FLOAT, [1, 3, *size])]
    told = [helper.make_tensor_value_info(name, kinds.FLOAT, shape) for name, shape in outputs.items()]
    graph = helper.make_graph(nodes, "made", given, told, held)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)


def detector(onnx):
    """Scores, boxes and five points for strides 8, 16 and 32, two guesses a cell; only the first of stride 8 speak."""
    node = onnx.helper.make_node
    lone = np.full((1, 3, 3, 3), -1 / 8, np.float32)
    lone[:, :, 1, 1] = 1
    constants = {"lone": lone, "bar": np.float32(4), "steep": np.float32(4), "shape": np.array([-1, 1])}
    constants |= {"pair": np.array([[1.0], [0.0]], np.float32).reshape(2, 1, 1, 1), "none": np.float32(0)}
    nodes, outputs = [], {}
    for stride in (8, 16, 32):
        nodes += [
            node("AveragePool", ["input"], [f"p{stride}"], kernel_shape=[stride] * 2, strides=[stride] * 2),
            node("Conv", [f"p{stride}", "lone"], [f"c{stride}"], pads=[1] * 4),
            node("Sub", [f"c{stride}", "bar"], [f"d{stride}"]),
            node("Mul", [f"d{stride}", "steep"], [f"e{stride}"]),
            node("Sigmoid", [f"e{stride}"], [f"f{stride}"]),
            node("Conv", [f"f{stride}", "pair"], [f"g{stride}"]),
            node("Transpose", [f"g{stride}"], [f"h{stride}"], perm=[0, 2, 3, 1]),
            node("Reshape", [f"h{stride}", "shape"], [f"i{stride}"]),
            node("Mul", [f"i{stride}", "one" if stride == 8 else "none"], [f"score{stride}"]),
        ]
        outputs[f"score{stride}"] = ["n", 1]
    constants["one"] = np.float32(1)
    for kind, values in (("box", np.full(4, HALF / 8)), ("five", FIVE.ravel() / 8)):
        constants[kind] = values.astype(np.float32)[None]
        for stride in (8, 16, 32):
            nodes += [
                node("Mul", [f"i{stride}", "none"], [f"{kind}a{stride}"]),
                node("Add", [f"{kind}a{stride}", kind], [f"{kind}{stride}"]),
            ]
            outputs[f"{kind}{stride}"] = ["n", values.size]
    return network(onnx, nodes, ("h", "w"), outputs, constants)


def constant(onnx, size: int, values: np.ndarray):
    node = onnx.helper.make_node
    nodes = [
        node("ReduceMean", ["input"], ["mean"], axes=[1, 2, 3], keepdims=0),
        node("Mul", ["mean", "none"], ["nothing"]),
        node("Add", ["nothing", "values"], ["output"]),
    ]
    values = values.astype(np.float32).reshape(1, -1)
    return network(onnx, nodes, (size, size), {"output": [1, values.size]}, {"none": np.float32(0), "values": values})


def face_in_box() -> np.ndarray:
    """The schematic face in InsightFace's order, in -1 to 1 of the square that the landmarker sees."""
    return layouts.weights(106).T @ (schematic_points() * 0.3)


def landmarker(onnx):
    return constant(onnx, 192, face_in_box())


def sexer(onnx):
    return constant(onnx, 96, np.array([0.2, 0.8, 0.31]))  # a man of 31


def recogniser(onnx):
    node = onnx.helper.make_node
    nodes = [
        node("AveragePool", ["input"], ["means"], kernel_shape=[14, 14], strides=[14, 14]),
        node("Flatten", ["means"], ["output"]),
    ]
    return network(onnx, nodes, (112, 112), {"output": [1, 192]}, {})


# -------------------------------------------------------------------------------------------- pictures
def marked(*middles: tuple[int, int], side: int = 8) -> np.ndarray:
    """Bright squares on a dark picture of 640 px whose colours tell RGB from BGR."""
    y, x = np.mgrid[0:640, 0:640]
    picture = np.stack([x / 25, y / 25, (x + y) / 50], -1).astype(np.uint8)
    for x, y in middles:
        picture[y - side // 2 : y + side // 2, x - side // 2 : x + side // 2] = 255
    return picture


def test_a_face_is_what_the_package_says_of_it(analyser: InsightAnalyser):
    (face,) = analyser.analyse(marked((324, 244)))
    assert face.box == pytest.approx((320 - HALF, 240 - HALF, 320 + HALF, 240 + HALF))
    assert 0.5 < face.score <= 1 and face.sex == "man" and face.class_word == "man"


def test_its_106_points_are_our_landmarks(analyser: InsightAnalyser):
    """The landmarker's square has one and a half times the box's side."""
    (face,) = analyser.analyse(marked((324, 244)))
    wanted = schematic_points() * 0.3 * 1.5 * HALF + [320, 240]
    assert np.abs(face.landmarks.points - wanted).max() < 0.5
    assert set(REGIONS) and face.landmarks.yaw == pytest.approx(0, abs=1)


def test_the_embedding_is_raw_and_of_the_aligned_face(analyser: InsightAnalyser):
    """The alignment by a solution of its own: least squares to the ArcFace template, bilinear, (x - 127.5) / 127.5."""
    picture = marked((324, 244))
    (face,) = analyser.analyse(picture)
    aligned = cv2.warpAffine(picture, similarity(FIVE + MIDDLE, ARCFACE), (112, 112))
    means = ((aligned.astype(np.float32) - 127.5) / 127.5).reshape(8, 14, 8, 14, 3).mean((1, 3))
    wanted = means.transpose(2, 0, 1).ravel()
    assert np.abs(face.embedding - wanted).max() < 2e-3
    assert abs(np.linalg.norm(face.embedding) - 1) > 0.5


def similarity(points: np.ndarray, to: np.ndarray) -> np.ndarray:
    """x' = a x - b y + c, y' = b x + a y + d, by least squares."""
    x, y = points.T
    o, i = np.zeros(len(x)), np.ones(len(x))
    rows = np.concatenate([np.stack([x, -y, i, o], 1), np.stack([y, x, o, i], 1)])
    a, b, c, d = np.linalg.lstsq(rows, to.T.ravel(), rcond=None)[0]
    return np.array([[a, -b, c], [b, a, d]])


def test_faces_come_surest_first(analyser: InsightAnalyser):
    picture = marked((324, 244))
    picture[96:104, 96:104] = 200  # found less surely
    sure, less = analyser.analyse(picture)
    assert sure.score > less.score and sure.box[0] > less.box[0]


def test_a_face_too_large_at_640_px_is_found_at_a_smaller_size(analyser: InsightAnalyser):
    (face,) = analyser.analyse(marked((330, 250), side=20))
    left, _, right, _ = face.box
    assert right - left > 2 * HALF + 10  # the box is made of cells of a smaller picture


def test_no_picture_depends_on_the_one_before(analyser: InsightAnalyser, pack: Path):
    """The published way kept a failed picture's size for the next one, which then gave another embedding."""
    usual, large = marked((324, 244)), marked((330, 250), side=20)
    fresh = InsightAnalyser.from_folder(pack).analyse(usual)
    analyser.analyse(large)
    analyser.analyse(np.zeros((640, 640, 3), np.uint8))
    (again,) = analyser.analyse(usual)
    assert again.box == fresh[0].box and np.array_equal(again.embedding, fresh[0].embedding)


def test_where_there_is_no_face_none_is_found(analyser: InsightAnalyser):
    assert analyser.analyse(np.zeros((200, 300, 3), np.uint8)) == []


def test_a_pack_without_landmarks_or_recogniser_gives_what_it_has(
    pack: Path, tmp_path: Path, analyser: InsightAnalyser
):
    (tmp_path / "det.onnx").write_bytes((pack / "det.onnx").read_bytes())
    (face,) = InsightAnalyser.from_folder(tmp_path).analyse(marked((324, 244)))
    assert not face.recognised and face.sex == "unknown"
    assert np.abs(face.landmarks.five - (FIVE + MIDDLE)).max() < 3


def test_the_pack_may_lie_in_a_models_folder_by_its_name(pack: Path, tmp_path: Path, analyser: InsightAnalyser):
    (tmp_path / "config.json").write_text('{"kind": "insightface", "pack": "own"}')
    (tmp_path / "own").symlink_to(pack)
    made = make_analyser(tmp_path)
    assert isinstance(made, InsightAnalyser) and isinstance(made, Analyser)
    assert "non-commercial" in made.licence and len(made.analyse(marked((324, 244)))) == 1


def test_a_pack_without_a_detector_is_refused(pack: Path, tmp_path: Path, analyser: InsightAnalyser):
    (tmp_path / "rec.onnx").write_bytes((pack / "rec.onnx").read_bytes())
    with pytest.raises(BadInput, match="has no face detector among its ONNX files"):
        InsightAnalyser.from_folder(tmp_path)


def test_a_pack_that_is_not_there_is_named_with_the_way_to_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("narcis.portrait.analysers.insight.HOME", tmp_path / "home")
    with pytest.raises(NotFound, match="has no ONNX files; `narcis models pull buffalo_l`"):
        InsightAnalyser.from_folder(tmp_path)


def test_where_the_package_is_missing_one_line_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "det.onnx").write_bytes(b"")
    for name in ("insightface", "insightface.app", "onnxruntime"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(Unavailable, match=r"pip install 'narcis\[insightface\]'") as refused:
        InsightAnalyser.from_folder(tmp_path)
    assert "\n" not in str(refused.value)
