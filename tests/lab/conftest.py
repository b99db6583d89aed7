"""A picture, a sitter and the embedded model, once for all tests of the easel and its workbench."""

from __future__ import annotations

import pytest
from PIL import Image

from narcis.lab.easel import Easel
from narcis.portrait import images, models, painting, recipes, seats, sitters
from narcis.portrait.stages import Identity
from narcis.recipe import Recipe
from narcis.settings import HOME

WEIGHTS = HOME / "narcis" / "mini" / "weights" / "model_index.json"
# A scene that the embedded model shows a face in after few steps.
SCENE = "oil painting of a calm woman, gown, azure palette, plain background, portrait"
HOW = {"steps": 8, "detail_steps": 4, "guidance": 2.0, "detail_guidance": 2.0, "class_word": "woman"}


@pytest.fixture(scope="session")
def mini() -> models.Model:
    if not WEIGHTS.is_file():
        pytest.skip(f"the embedded model's weights are not in {WEIGHTS.parent}")
    return models.load("mini")


@pytest.fixture(scope="session")
def recipe(mini: models.Model) -> Recipe:
    return Recipe(prompt=SCENE, seed=0, **HOW)


@pytest.fixture(scope="session")
def composition(mini: models.Model, recipe: Recipe) -> Image.Image:
    return recipes.picture(mini, painting.last(recipes.compose(mini, recipe)).clean)


@pytest.fixture(scope="session")
def ada(mini: models.Model) -> Identity:
    assert mini.analyser is not None
    return seats.sitter(mini, mini.analyser, [images.open_photo(sitters.photo(sitter="ada"))]).identity


@pytest.fixture(scope="session")
def easel(mini: models.Model, recipe: Recipe, composition: Image.Image, ada: Identity) -> Easel:
    return Easel.of(mini, recipe, composition, ada)


@pytest.fixture(scope="session")
def pair(easel: Easel, composition: Image.Image) -> Easel:
    """Two faces side by side, the left one smaller."""
    both = Image.new("RGB", (512, 256))
    both.paste(composition.resize((205, 205)), (20, 30))
    both.paste(composition, (256, 0))
    return Easel.of(easel.model, easel.recipe, both, easel.sitter)
