"""Masks by name."""

from pathlib import Path

import pytest
import yaml

from narcis.errors import BadInput, NotFound
from narcis.lab import presets
from narcis.recipe import MaskRecipe, Stroke
from narcis.settings import HOME

SMILE, DAB = Stroke(level=0, points=((0.1, 0.2), (-0.333, 1))), Stroke(points=((0, 0),))
STROKED = MaskRecipe(feather=0.3, strokes=(SMILE, DAB))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NARCIS_JOBS", str(tmp_path))
    return tmp_path / "masks"


def test_what_ships_can_be_read_and_says_what_it_is_for():
    assert presets.folder() == HOME / "papermill_jobs" / "masks" and "head" in presets.names()
    assert all(presets.load(name).about for name in presets.names())


def test_the_head_is_the_default_mask():
    assert presets.load("head").mask == presets.mask("") == MaskRecipe()


def test_a_preset_comes_back_as_it_was_saved(folder: Path):
    path = presets.save("my-mask", STROKED, "half a smile")
    assert path == folder / "my-mask.yaml" and presets.names() == ["my-mask"]
    assert presets.load("my-mask") == presets.Preset("my-mask", STROKED, "half a smile")
    assert presets.load("my-mask").mask.hash() == STROKED.hash() and list(folder.iterdir()) == [path]


def test_a_preset_holds_every_number_so_that_it_outlives_a_default(folder: Path):
    written = yaml.safe_load(presets.save("plain", MaskRecipe()).read_text())["mask"]
    assert written == MaskRecipe().model_dump()


def test_a_strokes_line_is_one_line(folder: Path):
    text = presets.save("s", STROKED).read_text()
    assert sum(line.lstrip().startswith("- {") for line in text.splitlines()) == 2


def test_another_mask_of_the_same_name_is_kept_unless_it_is_to_be_replaced(folder: Path):
    presets.save("mine", MaskRecipe(), "the first")
    presets.save("mine", MaskRecipe())  # says the same
    with pytest.raises(BadInput, match="there is another preset mine"):
        presets.save("mine", STROKED)
    presets.save("mine", STROKED, replace=True)
    assert presets.load("mine") == presets.Preset("mine", STROKED, "the first")


def test_an_unknown_preset_lists_the_known_ones():
    with pytest.raises(NotFound) as refused:
        presets.load("haed")
    assert str(refused.value).startswith("no mask 'haed' (did you mean head?); there are face, ")
    assert refused.value.data["known"] == presets.names()


@pytest.mark.parametrize("name", ["", "../head", "Head", "a b", "x" * 41, ".head"])
def test_a_name_is_a_name_and_no_path(folder: Path, name: str):
    with pytest.raises(NotFound):
        presets.load(name)
    with pytest.raises(BadInput, match="a preset's name is"):
        presets.save(name, MaskRecipe())


@pytest.mark.parametrize(
    "text, said",
    [
        ("mask: [1, 2]", "bad.yaml is no mask"),
        ("face: 1.0", "bad.yaml is no mask"),
        ("mask: {face: 2.0}", "bad.yaml: face is 2.0"),
        ("mask: {beard: 1.0}", "bad.yaml: MaskRecipe has no beard"),
        ("mask: {face: [", "bad.yaml is no YAML"),
    ],
)
def test_a_file_that_is_no_mask_says_why(folder: Path, text: str, said: str):
    folder.mkdir()
    (folder / "bad.yaml").write_text(text)
    with pytest.raises(BadInput) as refused:
        presets.load("bad")
    assert str(refused.value).startswith(said) and "\n" not in str(refused.value)


def test_changes_lie_on_top_of_a_preset():
    assert presets.mask("face", feather=0.4) == MaskRecipe(**{**presets.load("face").mask.model_dump(), "feather": 0.4})
    with pytest.raises(BadInput, match="feather is 4"):
        presets.mask("face", feather=4)


def test_knobs_that_are_not_at_their_defaults_lie_on_top_of_a_preset():
    face = presets.load("face").mask
    assert presets.tuned("face", hair=1.0, feather=0.15) == face
    assert presets.tuned("face", feather=0.4) == face.model_copy(update={"feather": 0.4})


def test_the_difference_of_two_masks_names_what_differs():
    assert presets.difference(MaskRecipe(), MaskRecipe()) == {}
    assert presets.difference(MaskRecipe(), STROKED) == {"feather": (0.15, 0.3), "strokes": (0, 2)}
    other = STROKED.model_copy(update={"strokes": STROKED.strokes[::-1]})
    assert presets.difference(STROKED, other) == {"strokes": (2, "others")}
