import shutil
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn.functional import interpolate
from torch.testing import assert_close
from transformers import CLIPTokenizer

from narcis.errors import BadInput
from narcis.portrait import lora, models, sdxl, stages
from narcis.portrait.photomaker import CLIP_MEAN, CLIP_STD
from narcis.portrait.sampling import denoise, noise
from narcis.portrait.schedules import schedule
from narcis.portrait.stages import Identity, compose, refine

GOLDEN = Path(__file__).parents[1] / "golden"
PROMPTS = ["a woman in a garden", "portrait of a man, film grain", "a boy riding a bicycle", "an old man"]
SEEDS = [11, 22, 33, 44]
QUICK = {"steps": 4, "guidance": 5.0}


def photo(number: int) -> Image.Image:
    return Image.open(GOLDEN / f"e2e_id_image_{number}.png").convert("RGB")


def sitter(*photos: int, weight: float = 1.0, class_word: str = "woman") -> Identity:
    embeddings = torch.stack([noise([number], (1, 8, 8)).flatten() for number in photos])
    return Identity([photo(number) for number in photos], embeddings, weight, class_word)


def last(moments):
    *_, moment = moments
    return moment.clean


# Against the published pipeline


def pixels_as_published(photos: list[Image.Image]) -> torch.Tensor:
    """The golden run resized as torchvision does, by up to two grey levels unlike Pillow."""
    views = []
    for each in photos:
        short = min(each.size)
        size = (224 * each.height // short, 224 * each.width // short)
        pixels = torch.from_numpy(np.array(each)).permute(2, 0, 1)
        wide = interpolate(pixels[None], size, mode="bicubic", antialias=True)[0] / 255
        top, left = (size[0] - 224) // 2, (size[1] - 224) // 2
        views.append(wide[:, top : top + 224, left : left + 224])
    mean, std = (torch.tensor(values)[:, None, None] for values in (CLIP_MEAN, CLIP_STD))
    return (torch.stack(views) - mean) / std


@pytest.fixture
def published(golden, tiny):
    """The tiny model as in the golden run: PhotoMaker's LoRA fused for all steps, photos resized its way."""
    model = replace(tiny, unet=deepcopy(tiny.unet))
    lora.fuse(model.unet, golden("lora_weights_old_format.safetensors"))
    assert model.id_encoder is not None
    model.id_encoder.pixels = pixels_as_published
    return model


@pytest.mark.parametrize(
    "run, photos, negative",
    [("e2e_n1_merge3", 1, "worst quality, low quality"), ("e2e_n2_merge3_noneg", 2, None)],
)
def test_the_whole_way_gives_the_published_latents(golden, published, run, photos, negative):
    """The reference's start_merge_step 3 means four steps of text alone."""
    g = golden(f"{run}.safetensors")
    levels = schedule("leading", 10)
    predict = stages.denoiser(
        published,
        [sdxl.whole_picture(128, 128)],
        ["portrait photo of a woman img, film grain, natural skin"],
        [Identity([photo(number) for number in range(photos)], g["id_embeds"], class_word="woman")],
        merge_step=4,
        steps=10,
        guidance=5.0,
        guidance_end=1.0,
        negative=negative,
    )
    moments = denoise(predict, g["initial_latents_unscaled"] * levels.initial, levels)
    for moment, latents in zip(moments, g["latents_out"], strict=True):
        assert_close(moment.x[0], latents, rtol=0, atol=1e-4 * latents.abs().max().item())


@pytest.mark.parametrize("run, photos", [("e2e_n1_merge3", 1), ("e2e_n2_merge3_noneg", 2)])
def test_the_words_become_the_sitter_as_published(golden, published, run, photos):
    g = golden(f"{run}.safetensors")
    identity = Identity([photo(number) for number in range(photos)], g["id_embeds"])
    text = stages.sitters_text(published, ["portrait photo of a woman img, film grain, natural skin"], [identity])
    assert_close(text.prompt[0], g["cond_last"][1], rtol=0, atol=1e-5)
    assert_close(text.pooled[0], g["pooled_last"][1], rtol=0, atol=1e-5)


# Orders of a batch


def test_four_orders_composed_together_are_the_four_alone(tiny):
    together = last(compose(tiny, PROMPTS, SEEDS, **QUICK))
    for place in range(4):
        alone = last(compose(tiny, PROMPTS[place : place + 1], SEEDS[place : place + 1], **QUICK))
        assert_close(together[place], alone[0], rtol=0, atol=1e-5 * alone.abs().max().item())


def refined(model, places: list[int], sitters: list[Identity], **settings):
    crops = noise(range(4), (3, 128, 128)).tanh()
    change = (noise(range(4, 8), (1, 128, 128)) + 0.5).clamp(0, 1)
    return last(
        refine(
            model,
            crops[places],
            change[places],
            [PROMPTS[place] for place in places],
            [sitters[place] for place in places],
            [SEEDS[place] for place in places],
            **(QUICK | settings),
        )
    )


def test_four_orders_refined_together_are_the_four_alone(tiny):
    """Each has its own sitter, number of photos, identity weight and change map."""
    sitters = [
        sitter(0),
        sitter(1, weight=0.5, class_word="man"),
        sitter(0, 1, class_word="boy"),
        sitter(1, weight=2.0, class_word="man"),
    ]
    together = refined(tiny, [0, 1, 2, 3], sitters)
    for place in range(4):
        alone = refined(tiny, [place], sitters)
        assert_close(together[place], alone[0], rtol=0, atol=1e-5 * alone.abs().max().item())


def test_a_pictures_noise_does_not_depend_on_its_place(tiny):
    forward = last(compose(tiny, PROMPTS[:1] * 3, [1, 2, 3], **QUICK))
    backward = last(compose(tiny, PROMPTS[:1] * 3, [3, 2, 1], **QUICK))
    assert_close(forward.flip(0), backward, rtol=0, atol=1e-5 * forward.abs().max().item())


# Stage 1


def test_composing_has_the_models_size_unless_asked_otherwise(tiny):
    assert last(compose(tiny, PROMPTS[:1], [1], steps=1)).shape == (1, 4, 16, 16)
    assert last(compose(tiny, PROMPTS[:1], [1], steps=1, size=64)).shape == (1, 4, 8, 8)
    assert last(compose(tiny, PROMPTS[:1], [1], steps=1, size=(96, 64))).shape == (1, 4, 12, 8)


def test_text_alone_until_the_merge_step_and_the_sitter_after(tiny):
    plain = [m.x for m in compose(tiny, PROMPTS[:1], [1], **QUICK)]
    merged = [m.x for m in compose(tiny, PROMPTS[:1], [1], **QUICK, merge_step=2, identities=[sitter(0)])]
    assert [torch.equal(a, b) for a, b in zip(plain, merged, strict=True)] == [True, True, False, False]


def test_a_model_of_shorter_prompts_works_alike(tiny):
    """The embedded model's prompts have 48 tokens, not CLIP's 77."""
    tokenizers = {
        name: CLIPTokenizer.from_pretrained(GOLDEN / "tiny_sdxl" / name, model_max_length=48)
        for name in ("tokenizer", "tokenizer_2")
    }
    text = stages.sitters_text(replace(tiny, **tokenizers), ["a woman img" + ", film grain" * 40], [sitter(0, 1)])
    assert text.prompt.shape == (1, 48, 256)


def test_every_moment_can_be_shown(tiny):
    for moment in compose(tiny, PROMPTS[:2], [1, 2], **QUICK):
        shown = sdxl.preview(tiny, moment.clean, tiny.preview)
        assert shown.shape == (2, 3, 128, 128) and shown.abs().max() <= 1


# Stage 2


def crop_and_map() -> tuple[torch.Tensor, torch.Tensor]:
    change = torch.zeros(1, 1, 128, 128)
    change[..., 40:96, 40:96] = 1.0
    return noise([1], (3, 128, 128)).tanh(), change


def test_latents_where_nothing_may_change_stay_to_the_bit(tiny):
    crop, change = crop_and_map()
    original = sdxl.encode(tiny, crop)
    moments = list(refine(tiny, crop, change, ["a woman"], [sitter(0)], [1], **QUICK))
    outside = torch.ones(16, 16, dtype=torch.bool)
    outside[5:12, 5:12] = False
    assert torch.equal(moments[-1].clean[..., outside], original[..., outside])
    assert torch.equal(moments[-1].x, moments[-1].clean)
    assert (moments[-1].clean - original)[..., ~outside].abs().max() > 0.1


def test_a_map_of_zeros_gives_the_crop_back(tiny):
    crop, change = crop_and_map()
    assert torch.equal(
        last(refine(tiny, crop, change * 0, ["a woman"], [sitter(0)], [1], **QUICK)), sdxl.encode(tiny, crop)
    )


def test_identity_weight_goes_from_the_words_through_the_published_person_and_beyond(tiny):
    prompts = ["a woman img"]
    zero, one, two = (stages.sitters_text(tiny, prompts, [sitter(0, weight=w)]).prompt for w in (0.0, 1.0, 2.0))
    words, slots = sdxl.sitters_text(tiny, prompts, [2])
    assert torch.equal(zero, words.prompt)
    assert_close(two - one, one - zero, rtol=0, atol=1e-5)
    assert (one != zero).any(-1).equal(slots)


def test_another_sitter_makes_another_picture(tiny):
    crop, change = crop_and_map()
    first, second = (last(refine(tiny, crop, change, ["a woman"], [sitter(n)], [1], **QUICK)) for n in (0, 1))
    assert (first - second).abs().max() > 0.01


def test_less_strength_takes_only_the_last_steps(tiny):
    crop, change = crop_and_map()
    steps = [m.step for m in refine(tiny, crop, change, ["a woman"], None, [1], steps=10, strength=0.3)]
    assert [(step.i, step.n) for step in steps] == [(0, 3), (1, 3), (2, 3)]
    assert steps[0].sigma == pytest.approx(schedule("ays", 10).sigmas[7].item())


def test_the_crops_place_in_the_painting_reaches_the_network(tiny):
    crop, change = crop_and_map()
    told = [sdxl.crop_of((256, 256), (20.0, 64.0), 2.0, (128, 128))]
    whole = last(refine(tiny, crop, change, ["a woman"], None, [1], **QUICK))
    assert not torch.equal(last(refine(tiny, crop, change, ["a woman"], None, [1], **QUICK, time_ids=told)), whole)


def test_embeddings_may_come_from_numpy(tiny):
    identity = Identity([photo(0)], np.zeros((1, 64), np.float32))
    assert stages.sitters_text(tiny, ["a woman img"], [identity]).prompt.shape == (1, 77, 256)


# At the door


@pytest.mark.parametrize("k", [4, 9])
def test_a_merge_step_after_the_end_is_refused_before_the_first_step(tiny, k):
    with pytest.raises(BadInput, match=f"merge step is {k} of 4 steps"):
        compose(tiny, PROMPTS[:1], [1], **QUICK, merge_step=k, identities=[sitter(0)])


def test_what_does_not_fit_together_is_refused(tiny):
    with pytest.raises(BadInput, match="2 seeds for 1 orders; give one for each"):
        compose(tiny, PROMPTS[:1], [1, 2])
    with pytest.raises(BadInput, match="a merge step and identities come together"):
        compose(tiny, PROMPTS[:1], [1], merge_step=2)
    with pytest.raises(BadInput, match="size is 100 by 100; height and width must be multiples of 8"):
        compose(tiny, PROMPTS[:1], [1], size=100)
    with pytest.raises(BadInput, match="a sitter has 2 photos and 1 embeddings"):
        Identity([photo(0), photo(1)], torch.zeros(1, 64))
    with pytest.raises(BadInput, match=r"identity weight is 2\.5; it must be 0 to 2"):
        Identity([photo(0)], torch.zeros(1, 64), weight=2.5)


def test_a_model_without_an_identity_encoder_paints_no_sitters(tiny, tiny_folder, tmp_path):
    bare = shutil.copytree(tiny_folder, tmp_path / "bare", ignore=shutil.ignore_patterns("id_encoder"))
    with pytest.raises(BadInput, match="has no id_encoder, so it cannot paint a sitter"):
        stages.sitters_text(models.load(bare, "cpu", "float32"), ["a woman img"], [sitter(0)])
