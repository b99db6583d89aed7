import shutil
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from published import TINY_ENCODING_V1
from safetensors.torch import load_file
from torch.testing import assert_close
from transformers import CLIPTokenizer

from narcis.errors import BadInput
from narcis.portrait import lora, models, sdxl, stages, steering
from narcis.portrait.photomaker import PhotoMaker, PhotoMakerV1
from narcis.portrait.sampling import denoise, noise
from narcis.portrait.schedules import at_timesteps, schedule
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


@pytest.fixture(scope="module")
def with_lora(golden, tiny_folder, tmp_path_factory):
    """The tiny model with its identity encoder and LoRA as PhotoMaker publishes them: one pickled file."""
    folder = tmp_path_factory.mktemp("with_lora") / "model"
    shutil.copytree(tiny_folder, folder)
    weights = load_file(folder / "id_encoder" / "model.safetensors")
    (folder / "id_encoder" / "model.safetensors").unlink()
    parts = {"id_encoder": weights, "lora_weights": golden("lora_weights_old_format.safetensors")}
    torch.save(parts, folder / "id_encoder" / "photomaker-v2.bin")
    return models.load(folder, "cpu", "float32")


@pytest.fixture(params=["beside", "fused"])
def published(request, golden, with_lora, tiny, monkeypatch):
    """The tiny model of the golden run, where PhotoMaker's LoRA is active in all steps, and that LoRA's strength.

    The run saw photos as torchvision resizes them, by up to two grey levels unlike Pillow; here they are its own.
    """
    model, strength = with_lora, 1.0
    if request.param == "fused":
        model, strength = replace(tiny, unet=deepcopy(tiny.unet)), 0.0
        lora.fuse(model.unet, golden("lora_weights_old_format.safetensors"))
    seen = golden("e2e_id_pixel_values.safetensors")["id_pixel_values"]
    monkeypatch.setattr(model.id_encoder, "pixels", lambda photos: seen[: len(photos)], raising=True)
    return model, strength


@pytest.mark.parametrize(
    "run, photos, negative",
    [("e2e_n1_merge3", 1, "worst quality, low quality"), ("e2e_n2_merge3_noneg", 2, None)],
)
def test_the_whole_way_gives_the_published_latents(golden, published, run, photos, negative):
    """The reference's start_merge_step 3 means four steps of text alone."""
    g, (model, strength) = golden(f"{run}.safetensors"), published
    levels = schedule("leading", 10)
    predict = stages.denoiser(
        model,
        [sdxl.whole_picture(128, 128)],
        ["portrait photo of a woman img, film grain, natural skin"],
        [Identity([photo(number) for number in range(photos)], g["id_embeds"], class_word="woman")],
        merge_step=4,
        steps=10,
        guidance=5.0,
        guidance_end=1.0,
        negative=negative,
        identity_lora=strength,
    )
    moments = denoise(predict, g["initial_latents_unscaled"] * levels.initial, levels)
    for moment, latents in zip(moments, g["latents_out"], strict=True):
        assert_close(moment.x[0], latents, rtol=0, atol=1e-4 * latents.abs().max().item())


@pytest.mark.parametrize("run, photos", [("e2e_n1_merge3", 1), ("e2e_n2_merge3_noneg", 2)])
def test_the_words_become_the_sitter_as_published(golden, published, run, photos):
    g = golden(f"{run}.safetensors")
    identity = Identity([photo(number) for number in range(photos)], g["id_embeds"])
    text = stages.sitters_text(published[0], ["portrait photo of a woman img, film grain, natural skin"], [identity])
    assert_close(text.prompt[0], g["cond_last"][1], rtol=0, atol=1e-5)
    assert_close(text.pooled[0], g["pooled_last"][1], rtol=0, atol=1e-5)


@pytest.mark.parametrize("run", ["n1_merge3", "n2_merge3_noneg", "n1_merge0", "n1_merge3_ays"])
def test_phases_are_the_published_ones_but_for_its_one_step_more(golden, run):
    """start_merge_step k is k + 1 steps of text alone there; ours is told exactly how many."""
    known, calls = golden("e2e_meta.json")[run], []
    phases = (lambda x, step, phase=phase: calls.append(phase) or x for phase in (0, 1))
    predict = steering.switch_after(known["start_merge_step"] + 1, *phases, steps=10)
    list(denoise(predict, noise([0], (4, 8, 8)), schedule("leading", 10)))
    assert calls == known["conditioning_phase_per_step"]


def test_a_merge_step_that_silently_loses_the_face_there_is_refused_here(golden, tiny):
    known = golden("e2e_meta.json")["n1_merge20_textonly"]
    assert not any(known["conditioning_phase_per_step"])
    with pytest.raises(BadInput, match="merge step is 21 of 10 steps"):
        compose(tiny, PROMPTS[:1], [1], steps=10, merge_step=known["start_merge_step"] + 1, identities=[sitter(0)])


@pytest.mark.parametrize("run", ["a_strength1_gradient", "b_strength05_gradient", "d_strength1_ays"])
def test_strength_leaves_the_published_steps(golden, run):
    known = golden("diffdiff_meta.json")[run]
    whole = golden("diffdiff_meta.json")["d_strength1_ays" if "ays" in run else "a_strength1_gradient"]
    levels = stages.last_part(at_timesteps(whole["timesteps"]), 0.5 if "05" in run else 1.0)
    assert levels.timesteps.tolist() == known["timesteps"] and len(levels) == known["n_model_calls"]
    assert_close(levels.sigmas, torch.tensor(known["sigmas"])[-len(levels) - 1 :], rtol=1e-6, atol=1e-6)


# The LoRA, by stage


def moments_of(model, stage: str, strength: float) -> list[torch.Tensor]:
    if stage == "compose":
        return [m.x for m in compose(model, PROMPTS[:1], [1], **QUICK, identity_lora=strength)]
    crop, change = crop_and_map()
    return [m.x for m in refine(model, crop, change, ["a woman"], [sitter(0)], [1], **QUICK, identity_lora=strength)]


@pytest.mark.parametrize("stage", ["compose", "refine"])
def test_without_the_lora_a_stage_is_that_of_a_model_that_has_none(tiny, with_lora, stage):
    moments_of(with_lora, stage, 1.0)  # it has been on before
    plain = moments_of(tiny, stage, 1.0)  # nothing is there to be on
    assert all(torch.equal(a, b) for a, b in zip(moments_of(with_lora, stage, 0.0), plain, strict=True))


@pytest.mark.parametrize("stage", ["compose", "refine"])
@pytest.mark.parametrize("strength", [0.5, 1.0])
def test_each_stage_has_a_strength_of_its_own(golden, tiny, with_lora, stage, strength):
    fused = replace(tiny, unet=deepcopy(tiny.unet))
    lora.fuse(fused.unet, golden("lora_weights_old_format.safetensors"), strength)
    ours, theirs = moments_of(with_lora, stage, strength)[-1], moments_of(fused, stage, 0.0)[-1]
    assert_close(ours, theirs, rtol=0, atol=1e-4 * theirs.abs().max().item())
    assert (ours - moments_of(tiny, stage, 0.0)[-1]).abs().max() > 1e-2


def test_the_lora_is_off_in_stage_1_and_on_in_stage_2(with_lora):
    crop, change = crop_and_map()
    composed = last(compose(with_lora, PROMPTS[:1], [1], **QUICK))
    refined_ = last(refine(with_lora, crop, change, ["a woman"], [sitter(0)], [1], **QUICK))
    assert torch.equal(composed, moments_of(with_lora, "compose", 0.0)[-1])
    assert torch.equal(refined_, moments_of(with_lora, "refine", 1.0)[-1])


def test_stages_that_take_turns_do_not_lend_each_other_the_lora(with_lora):
    """A composition goes on after a refinement began, as in a notebook that stops to look."""
    whole = moments_of(with_lora, "compose", 0.0)
    composing = compose(with_lora, PROMPTS[:1], [1], **QUICK)
    first = next(composing).x
    crop, change = crop_and_map()
    refining = refine(with_lora, crop, change, ["a woman"], [sitter(0)], [1], **QUICK)
    next(refining)
    assert all(torch.equal(a, b) for a, b in zip([first, *(m.x for m in composing)], whole, strict=True))


# Version 1


@pytest.fixture
def version_1(tiny, by_rule):
    encoder = PhotoMakerV1(TINY_ENCODING_V1).eval().requires_grad_(False)
    model = replace(tiny)
    vars(model)["photomaker"] = PhotoMaker(encoder, by_rule(encoder, "id_tiny/") and {})
    return model


def test_version_1_paints_from_photos_alone_with_one_token_each(version_1):
    text = stages.sitters_text(version_1, ["a woman img"], [Identity([photo(0), photo(1)], None)])
    words, slots = sdxl.sitters_text(version_1, ["a woman img"], [2])
    assert (text.prompt != words.prompt).any(-1).equal(slots) and slots.sum() == 2
    crop, change = crop_and_map()
    assert (
        last(refine(version_1, crop, change, ["a woman"], [Identity([photo(0)], None)], [1], **QUICK)).isfinite().all()
    )


def test_version_2_wants_the_embeddings_that_version_1_does_without(tiny):
    with pytest.raises(BadInput, match="the sitter has 1 photos and 0 face embeddings"):
        stages.sitters_text(tiny, ["a woman img"], [Identity([photo(0)], None)])


# Evaluations of the network


@pytest.fixture
def evaluations(tiny):
    """How many pictures each evaluation of the UNet was for."""
    sizes = []
    hook = tiny.unet.register_forward_pre_hook(lambda unet, given: sizes.append(len(given[0])))
    yield sizes
    hook.remove()


@pytest.mark.parametrize(
    "settings, counted",
    [
        ({"guidance_end": 1.0}, [4] * 10),
        ({"guidance_end": 0.6}, [4] * 6 + [2] * 4),
        ({"guidance_start": 0.2, "guidance_end": 0.6}, [2] * 2 + [4] * 4 + [2] * 4),
        ({"guidance_start": 0.5, "guidance_end": 0.5}, [2] * 10),
        ({"guidance": 1.0, "guidance_end": 1.0}, [2] * 10),
    ],
)
@pytest.mark.parametrize("stage", ["compose", "refine"])
def test_the_condition_alone_is_evaluated_wherever_nothing_guides(tiny, evaluations, stage, settings, counted):
    how = {"steps": 10, "guidance": 5.0, "schedule": "leading"} | settings
    if stage == "compose":
        last(compose(tiny, PROMPTS[:2], SEEDS[:2], **how))
    else:
        refined(tiny, [0, 1], [sitter(0), sitter(1)], **how)
    assert evaluations == counted


def test_without_guidance_the_negative_is_of_no_account(tiny):
    pictures = [last(compose(tiny, PROMPTS[:1], [1], steps=3, guidance=1.0, negative=n)) for n in (None, "", "hat")]
    assert torch.equal(pictures[0], pictures[1]) and torch.equal(pictures[0], pictures[2])


def test_no_negative_an_empty_one_and_a_word_guide_differently(tiny):
    pictures = [last(compose(tiny, PROMPTS[:1], [1], **QUICK, negative=n)) for n in (None, "", "hat")]
    assert not any(torch.equal(pictures[a], pictures[b]) for a, b in ((0, 1), (1, 2), (0, 2)))


@pytest.mark.parametrize("start, end", [(0.6, 0.5), (-0.1, 0.5), (0.0, 1.1)])
def test_an_interval_that_is_none_is_refused_before_the_first_step(tiny, start, end):
    with pytest.raises(BadInput, match=f"guidance lasts from {start} to {end}; both are fractions of the steps"):
        compose(tiny, PROMPTS[:1], [1], **QUICK, guidance_start=start, guidance_end=end)


def test_the_solver_is_one_that_exists(tiny):
    with pytest.raises(BadInput, match="no solver 'heun'; there are euler, dpmpp_2m"):
        compose(tiny, PROMPTS[:1], [1], **QUICK, solver="heun")
    euler, second = (last(compose(tiny, PROMPTS[:1], [1], **QUICK, solver=name)) for name in ("euler", "dpmpp_2m"))
    assert not torch.equal(euler, second)


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


NEGATIVES = [None, "", "worst quality", "hat, low quality"]


@pytest.mark.parametrize("solver", ["euler", "dpmpp_2m"])
def test_four_whole_orders_are_the_four_alone(with_lora, solver):
    """Words, sitters, numbers of photos, class words, negatives and seeds of their own; LoRA and merge step shared."""
    sitters = [
        sitter(0, class_word="woman"),
        sitter(1, 0, weight=0.7, class_word="man"),
        sitter(0, 1, 1, 0, class_word="boy"),
        sitter(1, weight=1.5, class_word="man"),
    ]
    how = {"steps": 5, "guidance": 5.0, "merge_step": 2, "identity_lora": 1.0, "solver": solver}
    together = last(compose(with_lora, PROMPTS, SEEDS, negative=NEGATIVES, identities=sitters, **how))
    for n in range(4):
        one = slice(n, n + 1)
        alone = last(
            compose(with_lora, PROMPTS[one], SEEDS[one], negative=NEGATIVES[one], identities=sitters[one], **how)
        )
        assert_close(together[n], alone[0], rtol=0, atol=1e-5 * alone.abs().max().item())


def test_two_pictures_of_one_prompt_are_two_orders(tiny):
    """As `num_images_per_prompt` elsewhere; the published differential pipeline fails at it."""
    crop, change = crop_and_map()
    crops, changes = crop.repeat(2, 1, 1, 1), change.repeat(2, 1, 1, 1)
    one, two = last(refine(tiny, crops, changes, ["a woman"] * 2, [sitter(0)] * 2, [1, 2], **QUICK))
    assert not torch.equal(one, two)


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
