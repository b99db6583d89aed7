import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from narcis.errors import BadInput, NotFound
from narcis.folder import RunFolder
from narcis.lab import remake
from narcis.portrait import images, painting, sitters
from narcis.recipe import Recipe

RECIPE = Recipe(prompt="a portrait of a woman", seed=0, photos=("ab" * 32,))


def finished(folder: Path, **facts) -> Path:
    """A run's one picture."""
    run = RunFolder.create(folder)
    path = run.save(Image.new("RGB", (64, 64), "gray"), **facts)
    run.update(parameters={"face_at": "0.2,0.2,0.5,0.5"})
    return path


# ------------------------------------------------------------------------------------------ the original
def test_a_picture_in_a_runs_folder_is_read_with_what_the_manifest_says_of_it(tmp_path):
    path = finished(tmp_path, recipe=RECIPE, made_on={"torch": "2.0"}, measures={"likeness": 0.5})
    original = remake.read(str(path))
    assert original.recipe == RECIPE and original.made_on == {"torch": "2.0"} and original.picture.size == (64, 64)
    assert original.measures == {"likeness": 0.5} and original.asked["face_at"]


def test_a_picture_anywhere_is_read_with_its_recipe_given(tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "lone.png")
    assert remake.read(str(tmp_path / "lone.png"), RECIPE.to_json()).recipe == RECIPE


def test_what_nobody_can_make_again_is_refused_in_one_line(tmp_path):
    with pytest.raises(NotFound, match=r"there is no picture .*missing\.png"):
        remake.read(str(tmp_path / "missing.png"))
    Image.new("RGB", (8, 8)).save(tmp_path / "lone.png")
    with pytest.raises(NotFound, match=r"no manifest\.json tells of .*lone\.png; give its recipe"):
        remake.read(str(tmp_path / "lone.png"))
    with pytest.raises(BadInput, match="has no recipe in its manifest"):
        remake.read(str(finished(tmp_path / "run")))


def test_a_bundled_sitter_is_found_by_the_hash_of_the_photo(tmp_path):
    hugo, ada = (sitters.bundled()[name] for name in ("hugo", "ada"))
    recipe = RECIPE.model_copy(update={"photos": (images.sha256(hugo), images.sha256(ada))})
    assert remake.photos(recipe) == [hugo, ada]
    assert remake.photos(recipe, "", "~/other.png") == [hugo, Path.home() / "other.png"]
    assert remake.photos(RECIPE.model_copy(update={"photos": ()})) == []
    with pytest.raises(NotFound, match=r"the photo of sitter 1 \(sha256 abababababab…\) .* give it with --face"):
        remake.photos(RECIPE)


# ------------------------------------------------------------------------------------------ the verdict
def noise() -> np.ndarray:
    return np.random.default_rng(0).integers(20, 200, (64, 48, 3), np.uint8)


def compared(other: np.ndarray, tolerance: float = 0.02) -> remake.Verdict:
    return remake.compare(Image.fromarray(noise()), Image.fromarray(other), tolerance)


def test_the_same_bits_are_exact_and_one_other_bit_is_not():
    assert compared(noise()).match == "exact" and "bit for bit" in compared(noise()).said
    off = noise()
    off[3, 4, 1] ^= 1
    verdict = compared(off)
    assert (
        verdict.match == "close" and verdict.largest == pytest.approx(1 / 255) and compared(off, 0).match == "different"
    )


def test_a_shade_everywhere_is_close_and_a_spot_that_the_mean_hides_is_not():
    shade = compared(noise() + 3)
    assert (shade.match, shade.mean) == ("close", pytest.approx(3 / 255)) and shade.tile == pytest.approx(3 / 255)
    spot = noise()
    spot[:4, :3] += 50  # one tile of 256
    verdict = compared(spot)
    assert verdict.match == "different" and verdict.mean < 0.001 and verdict.tile == pytest.approx(50 / 255)
    assert "a tile differs by 19.61% of the scale at most, and 2.00% is allowed" in verdict.said


def test_pictures_of_two_sizes_are_different():
    small = remake.compare(Image.fromarray(noise()), Image.new("RGB", (8, 8)), 1.0)
    assert small.match == "different"


# ------------------------------------------------------------------------------------------ why not
def test_what_is_otherwise_is_told_by_name(mini, tmp_path):
    ada = sitters.bundled()["ada"]
    known = replace(
        remake.Original(tmp_path, RECIPE.model_copy(update={"photos": (images.sha256(ada),)})),
        made_on=dict(mini.made_on),
        recipe=RECIPE.model_copy(update={"weights": mini.hashes, "photos": (images.sha256(ada),)}),
    )
    assert remake.differences(known, mini, [ada]) == []
    weights = {**mini.hashes, "unet/diffusion_pytorch_model.safetensors": "00", "lora/model.safetensors": "11"}
    weights.pop("vae/diffusion_pytorch_model.safetensors")
    other = replace(
        known,
        recipe=known.recipe.model_copy(update={"weights": weights}),
        made_on=mini.made_on | {"torch": "1.0", "device": "NVIDIA H100"},
        asked={"face_at": "0.1,0.1,0.5,0.5", "steps": 3},
    )
    assert remake.differences(other, mini, [sitters.bundled()["hugo"]]) == [
        "these weights of mini are others: unet/diffusion_pytorch_model.safetensors",
        "these weights of mini are not here: lora/model.safetensors",
        "these weights of mini are new: vae/diffusion_pytorch_model.safetensors",
        f"hugo.png is not the photo of the recipe (sha256 {images.sha256(sitters.bundled()['hugo'])[:12]}…, "
        f"not {images.sha256(ada)[:12]}…)",
        "its face was placed by hand, at 0.1,0.1,0.5,0.5, which no recipe holds",
        "device was NVIDIA H100 and is cpu",
        f"torch was 1.0 and is {mini.made_on['torch']}",
    ]


def test_a_recipe_that_forgot_its_sitter_is_told_of(mini, tmp_path):
    nobody = RECIPE.model_copy(update={"photos": (), "weights": mini.hashes})
    (why,) = remake.differences(remake.Original(tmp_path, nobody, measures={"likeness": 0.7}), mini, [])
    assert why == "it shows a sitter whom its recipe does not name; give the photo"
    assert remake.differences(remake.Original(tmp_path, nobody), mini, []) == []  # a composition


def test_a_difference_that_nothing_explains_says_so(tmp_path):
    far = remake.Verdict("different", 1.0, 0.5, 0.5, 0.02)
    original = remake.Original(tmp_path, RECIPE)
    assert remake.facts(original, far, [])["differences"] == [remake.UNKNOWN]
    assert remake.facts(original, far, ["torch"])["differences"] == ["torch"]
    assert json.dumps(remake.facts(original, replace(far, match="close"), [])["differences"]) == "[]"


# ------------------------------------------------------------------------------------------ made again
def test_it_is_painted_as_every_sheet_and_sweep_paints_it(mini, ada, recipe, tmp_path):
    run = RunFolder.create(tmp_path)
    people = remake.people(mini, recipe, [sitters.bundled()["ada"]])
    _, again = remake.paint(mini, recipe, people, run)
    assert again.tobytes() == painting.paint(mini, recipe, ada).portrait.tobytes()


def test_without_a_sitter_it_is_the_composition(mini, recipe, composition, tmp_path):
    assert remake.people(mini, recipe, []) == []
    film, again = remake.paint(mini, recipe, [], RunFolder.create(tmp_path))
    assert again.tobytes() == composition.tobytes() and len(film.frames) == 5
