"""The model that ships: its size, its parts, and one portrait of a bundled sitter."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from narcis.mini import commands, painter, portraits
from narcis.mini.portraits import Order
from narcis.portrait import catalogue, measure, models
from narcis.portrait.faces import on_painting, sitter_face
from narcis.portrait.images import open_photo
from narcis.portrait.sitters import bundled

WEIGHTS = catalogue.PACKAGE / "mini" / "weights"
SEXES = {
    "ada": "woman",
    "bruno": "man",
    "chiara": "woman",
    "dimitri": "man",
    "edith": "woman",
    "farid": "man",
    "greta": "woman",
    "hugo": "man",
}


@pytest.fixture(scope="module")
def mini():
    return models.load("mini")


@pytest.fixture(scope="module")
def painted(mini):
    """The first of four portraits whose composition shows a face."""
    photo = open_photo(bundled()["farid"])
    prompt = "ukiyo-e woodcut of a calm man, turban, robe, azure palette, halo background, portrait"
    made = portraits.paint(mini, [Order(prompt, photo, "man", seed) for seed in range(4)], steps=20, detail_steps=8)
    return next(p for p in made if p.face)


def test_all_weights_together_stay_below_sixty_megabytes():
    files = [*WEIGHTS.rglob("*"), *commands.INSTRUMENTS.rglob("*")]
    assert sum(f.stat().st_size for f in files if f.is_file()) <= 60e6


def test_it_is_sdxl_and_photomakers_own_architecture(mini):
    assert type(mini.unet).__name__ == "UNet2DConditionModel" and mini.unet.config["addition_embed_type"] == "text_time"
    assert type(mini.vae).__name__ == "AutoencoderKL" and mini.factor == 16
    assert mini.id_encoder is not None and mini.id_encoder.config.tokens == 2
    assert mini.native_size == 256 and mini.prediction == "v_prediction"


def test_eight_sitters_ship_and_each_has_one_face_of_the_right_sex(mini):
    assert {name: sitter_face(open_photo(file), mini.analyser).sex for name, file in bundled().items()} == SEXES


def test_faces_are_found_on_real_paintings(mini):
    rng, errors = np.random.default_rng(77), []
    for k in range(12):
        made = painter.paint(painter.sitter(400_000 + k), painter.scene(rng), 256)
        (face, *_) = mini.analyser.analyse(made.pixels)
        eyes = made.landmarks[51:59].mean(0) - made.landmarks[61:69].mean(0)
        errors.append(np.hypot(*(face.landmarks.points - made.landmarks).T).mean() / np.hypot(*eyes))
    assert np.mean(errors) <= 0.06


@pytest.mark.parametrize(
    "picture",
    [np.full((200, 300, 3), 90, np.uint8), np.random.default_rng(0).integers(0, 255, (256, 256, 3)).astype(np.uint8)],
)
def test_no_face_is_seen_where_none_is(mini, picture):
    assert mini.analyser.analyse(picture) == []


def test_two_people_are_two_faces(mini):
    both = [open_photo(bundled()[name]).resize((200, 200)) for name in ("edith", "farid")]
    picture = np.concatenate([np.asarray(p) for p in both], 1)
    assert len(mini.analyser.analyse(picture)) == 2


def test_a_portrait_differs_from_its_composition_only_inside_the_map(painted):
    assert painted.face is not None and painted.crop is not None and painted.change is not None
    whole = on_painting(painted.change, painted.crop, painted.composition.size)
    assert measure.outside(whole, painted.composition, painted.portrait) == 0
    assert not np.array_equal(np.asarray(painted.composition), np.asarray(painted.portrait))


def test_the_same_order_paints_the_same_portrait_bit_for_bit(mini, painted):
    one, again = (portraits.paint(mini, [painted.order], steps=20, detail_steps=8)[0] for _ in range(2))
    assert one.face is not None and np.array_equal(np.asarray(one.portrait), np.asarray(again.portrait))


def test_the_model_card_names_every_number_of_the_check():
    card = (Path(commands.__file__).parent / "MODEL_CARD.md").read_text()
    for said in (
        "medium read back",
        "headgear read back",
        "face found on compositions",
        "sitter found after Stage 2",
        "autoencoder",
        "NME",
        "Apache-2.0",
        "seed",
        "hours",
    ):
        assert said in card


def test_previews_are_linear_and_look_like_the_picture(mini):
    from narcis.portrait import sdxl
    from narcis.portrait.images import to_image, to_tensor

    made = painter.paint(painter.sitter(1), painter.scene(np.random.default_rng(1), medium="pop-art"), 256)
    latents = sdxl.encode(mini, to_tensor(Image.fromarray(made.pixels)))
    (small,) = to_image(sdxl.preview(mini, latents, mini.preview))
    truth = Image.fromarray(made.pixels).resize(small.size, Image.Resampling.BOX)
    assert measure.psnr(small, truth) > 20
