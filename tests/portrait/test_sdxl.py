import json
import shutil
from typing import Any

import pytest
import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.schedulers.scheduling_euler_discrete import EulerDiscreteScheduler
from safetensors.torch import load_file, save_file
from torch.testing import assert_close

from narcis.errors import BadInput, NotFound
from narcis.portrait import sdxl
from narcis.portrait.sampling import Step, denoise, noise
from narcis.portrait.schedules import at_timesteps, schedule
from narcis.portrait.steering import guided, looking_back

PROMPT = "portrait photo of a woman img, film grain, natural skin"
NEGATIVE = "worst quality, low quality"


def test_the_tiny_networks_have_the_weights_of_their_names(golden, tiny):
    for part, checksums in golden("tiny_sdxl_weight_checksums.json").items():
        weights = getattr(tiny, part).state_dict()
        for key, (total, absolute) in checksums.items():
            value = weights[key].double()
            assert value.sum().item() == pytest.approx(total, abs=1e-6 * absolute)
            assert value.abs().sum().item() == pytest.approx(absolute, rel=1e-6)


# Text


def test_negatives_and_text_alone_are_encoded_as_published(golden, tiny):
    g = golden("e2e_n1_merge3.safetensors")
    text = sdxl.joined(sdxl.encode_negatives(tiny, [NEGATIVE]), sdxl.sitters_text_only(tiny, [PROMPT]))
    assert_close(text.prompt, g["cond_first"], rtol=0, atol=1e-5)
    assert_close(text.pooled, g["pooled_first"], rtol=0, atol=1e-5)


@pytest.mark.parametrize("run, slots", [("e2e_n1_merge3", 2), ("e2e_n2_merge3_noneg", 4)])
def test_the_pooled_embedding_is_that_of_the_extended_words(golden, tiny, run, slots):
    text, _ = sdxl.sitters_text(tiny, [PROMPT], [slots])
    assert_close(text.pooled[0], golden(f"{run}.safetensors")["pooled_last"][1], rtol=0, atol=1e-5)


def test_no_negative_is_zeros_and_an_empty_one_is_encoded(golden, tiny):
    text = sdxl.encode_negatives(tiny, [None, "", NEGATIVE])
    assert not text.prompt[0].any() and not text.pooled[0].any()
    empty = sdxl.encode_prompts(tiny, [""])
    assert_close(text.prompt[1:2], empty.prompt)
    assert_close(text.pooled[1:2], empty.pooled)
    assert not golden("e2e_n2_merge3_noneg.safetensors")["cond_first"][0].any()


def test_prompts_do_not_know_of_each_other(tiny):
    prompts = ["a woman", "portrait of an old man, film grain", "a boy riding a bicycle"]
    batch = sdxl.encode_prompts(tiny, prompts)
    for row, prompt in enumerate(prompts):
        alone = sdxl.encode_prompts(tiny, [prompt])
        assert_close(batch.prompt[row], alone.prompt[0], rtol=0, atol=1e-5)
        assert_close(batch.pooled[row], alone.pooled[0], rtol=0, atol=1e-5)


# Micro-conditioning


def test_a_whole_picture_has_its_own_size_and_no_corner():
    assert sdxl.whole_picture(1024, 768) == (1024, 768, 0, 0, 1024, 768)


def test_a_crop_tells_how_large_the_magnified_picture_is_and_where_it_lies():
    assert sdxl.crop_of((256, 256), (20.4, 64.0), 2.5, (256, 256)) == (640, 640, 51, 160, 256, 256)
    assert sdxl.crop_of((256, 192), (-3.0, 0.0), 1.5, (256, 256)) == (384, 288, 0, 0, 256, 256)


# The UNet


def embeddings(common: dict) -> tuple[sdxl.Text, sdxl.Text]:
    negative = sdxl.Text(common["negative_prompt_embeds"], common["negative_pooled"])
    return negative, sdxl.Text(common["prompt_embeds"], common["pooled"])


@pytest.mark.parametrize("run", ["euler10", "euler10_noneg", "euler_ays"])
def test_pictures_from_noise_are_the_published_ones(golden, tiny, run):
    g, common = golden(f"sdxl_{run}.safetensors"), golden("diffdiff_common.safetensors")
    negative, positive = embeddings(common)
    if run == "euler10_noneg":
        negative = sdxl.encode_negatives(tiny, [None])
    levels = at_timesteps(g["timesteps"].tolist())
    both = sdxl.network(tiny, sdxl.joined(negative, positive), common["time_ids"].repeat(2, 1))
    predict = guided(both, sdxl.network(tiny, positive, common["time_ids"]), 5.0)
    moments = denoise(predict, g["initial_latents_unscaled"] * levels.initial, levels)
    for moment, latents in zip(moments, g["latents_out"], strict=True):
        assert_close(moment.x[0], latents, rtol=0, atol=1e-4 * latents.abs().max().item())


def test_pictures_by_a_second_order_solver_are_the_published_ones(golden, tiny):
    """There latents are scaled by sqrt(1 + sigma²), and the first noise is the unit noise itself."""
    g, common = golden("sdxl_dpmpp2m_ays.safetensors"), golden("diffdiff_common.safetensors")
    negative, positive = embeddings(common)
    levels = at_timesteps(g["timesteps"].tolist())
    both = sdxl.network(tiny, sdxl.joined(negative, positive), common["time_ids"].repeat(2, 1))
    predict = looking_back(guided(both, sdxl.network(tiny, positive, common["time_ids"]), 5.0))
    first = g["initial_latents_unscaled"] * (1 + levels.sigmas[0] ** 2).sqrt()
    for moment, latents in zip(denoise(predict, first, levels), g["latents_out"], strict=True):
        scaled = moment.x[0] / (1 + moment.step.to**2) ** 0.5
        assert_close(scaled, latents, rtol=0, atol=1e-4 * latents.abs().max().item())


@pytest.mark.parametrize("run", ["euler10", "euler_ays"])
def test_noise_levels_and_first_noise_are_the_published_ones(golden, run):
    known = golden("sdxl_meta.json")[run]
    levels = schedule("leading", 10) if run == "euler10" else at_timesteps(known["timesteps"])
    assert levels.timesteps.tolist() == known["timesteps"]
    assert_close(levels.sigmas, torch.tensor(known["sigmas"]), rtol=1e-6, atol=1e-6)
    assert levels.initial == pytest.approx(known["init_noise_sigma"], rel=1e-6)


def test_a_long_prompt_keeps_its_pooled_embedding_where_the_published_one_loses_it(golden, tiny):
    """Four photos push the end token out there, and the pooled vector no longer depends on the prompt."""
    assert golden("probes.json")["pooled_without_eos_is_prompt_independent"]
    prompts = [f"a {who} img" + f", {what}" * 40 for who, what in (("woman", "soft light"), ("boy", "film grain"))]
    text, _ = sdxl.sitters_text(tiny, prompts, [8, 8])
    assert (text.pooled[0] - text.pooled[1]).abs().max() > 0.1


def test_the_initial_latents_of_the_reference_are_unit_noise(golden, drawn):
    assert torch.equal(
        golden("sdxl_euler10.safetensors")["initial_latents_unscaled"], drawn("sdxl/latents", (1, 4, 16, 16))
    )


@pytest.mark.parametrize("sigma", [0.03, 1.0, 14.6])
def test_every_prediction_finds_the_same_clean_latents(sigma):
    clean, grain = noise([1], (4, 8, 8)), noise([2], (4, 8, 8))
    x, scale = clean + sigma * grain, (sigma**2 + 1) ** 0.5
    v = (grain - sigma * clean) / scale  # alpha · noise - sqrt(1 - alpha²) · clean
    assert_close(sdxl.clean("epsilon", grain, x, sigma), clean, rtol=0, atol=1e-5)
    assert_close(sdxl.clean("v_prediction", v, x, sigma), clean, rtol=0, atol=1e-5)


@pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept:DeprecationWarning")  # in diffusers
@pytest.mark.parametrize("prediction", sdxl.PREDICTIONS)
def test_our_step_is_diffusers_euler_step(prediction):
    reference = EulerDiscreteScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", timestep_spacing="leading", steps_offset=1,
        prediction_type=prediction,
    )  # fmt: skip
    reference.set_timesteps(10)
    outputs = noise(range(10), (4, 8, 8))
    levels, x = schedule("leading", 10), noise([99], (4, 8, 8))
    theirs = x * reference.init_noise_sigma
    for t, output in zip(reference.timesteps, outputs, strict=True):
        theirs = reference.step(output[None], t, theirs, return_dict=False)[0]
    *_, last = denoise(
        lambda x, step: sdxl.clean(prediction, outputs[step.i][None], x, step.sigma), x * levels.initial, levels
    )
    assert_close(last.x, theirs, rtol=0, atol=2e-5)


def test_the_network_casts_and_the_state_does_not(tiny_folder):
    half = sdxl.load(tiny_folder, torch.device("cpu"), torch.bfloat16)
    text = sdxl.encode_prompts(half, ["a woman"])
    predict = sdxl.network(half, text, torch.tensor([sdxl.whole_picture(128, 128)], dtype=torch.float32))
    x = noise([1], (4, 16, 16))
    assert half.unet.dtype == torch.bfloat16 and half.vae.dtype == torch.float32
    assert predict(x, Step(0, 1, 5.0, 0.0, 800.0)).dtype == torch.float32


# The VAE


def test_encoding_gives_the_reference_posterior(golden, tiny):
    common = golden("diffdiff_common.safetensors")
    scale = 0.13025
    assert_close(sdxl.encode(tiny, common["image"]), common["posterior_mean"] * scale, rtol=0, atol=1e-5)
    unit = noise([3], (4, 16, 16))
    sampled = (common["posterior_mean"] + (0.5 * common["posterior_logvar"]).exp() * unit) * scale
    assert_close(sdxl.encode(tiny, common["image"], unit), sampled, rtol=0, atol=1e-5)


def test_decoding_gives_the_reference_picture(golden, tiny):
    g = golden("diffdiff_a_strength1_gradient.safetensors")
    pixels = sdxl.decode(tiny, g["final_latents"])
    stored = g["final_decoded"].float()  # in halves
    assert_close(pixels, stored, rtol=0, atol=2e-3 * stored.abs().max().item())


def test_a_vae_that_overflows_in_float16_is_not_black(tiny_folder, caplog):
    """Activations beyond 65504 become infinite and then NaN, as SDXL's first VAE's do."""
    parts = sdxl.load(tiny_folder, torch.device("cpu"), torch.float16)
    vae: Any = parts.vae
    sdxl.cast(vae, torch.float16)  # its configuration asks for float32
    for side in (vae.decoder, vae.encoder):
        side.conv_in.weight.mul_(2.0**14)  # the norms that follow undo it, unless it has overflowed by then
    z, pixels = noise([1], (4, 16, 16)), noise([2], (3, 64, 64)).clamp(-1, 1)
    assert not vae.decode(z.half()).sample.isfinite().all()
    black = sdxl.decode(parts, z)
    assert black.isfinite().all() and vae.dtype == torch.float32 and parts.made_on["vae_dtype"] == "float32"
    assert [record.message[:31] for record in caplog.records] == ["the VAE overflows in float16: o"]
    whole = sdxl.load(tiny_folder, torch.device("cpu"), torch.float32)
    for side in (whole.vae.decoder, whole.vae.encoder):
        side.conv_in.weight.mul_(2.0**14)
    assert_close(black, sdxl.decode(whole, z), rtol=0, atol=0.05)  # its weights were rounded to halves
    sdxl.cast(vae, torch.float16)
    assert sdxl.encode(parts, pixels).isfinite().all()


def test_what_a_picture_was_made_on_is_told(tiny):
    assert tiny.made_on == {
        "device": "cpu",
        "profile": tiny.profile.name,
        "dtype": "float32",
        "vae_dtype": "float32",
        "tf32": False,
        "memory": "resident",
        "torch": torch.__version__,
    }


def test_a_folder_in_which_a_weight_is_missing_is_refused_in_one_line(tiny_folder, tmp_path):
    broken = shutil.copytree(tiny_folder / "vae", tmp_path / "vae")
    (file,) = broken.glob("*.safetensors")
    weights = load_file(file)
    del weights["decoder.conv_in.bias"]
    save_file(weights, file)
    with pytest.raises(BadInput, match=r"is no AutoencoderKL: of its \d+ tensors it lacks decoder.conv_in.bias"):
        sdxl.load_network(AutoencoderKL, broken, torch.float32)
    file.unlink()
    with pytest.raises(NotFound, match=r"has no .safetensors; a model's folder has weights in every part"):
        sdxl.load_network(AutoencoderKL, broken, torch.float32)


def test_a_picture_does_not_depend_on_its_batch(tiny):
    latents, pixels = noise([1, 2, 3], (4, 16, 16)), noise([1, 2, 3], (3, 64, 64)).clamp(-1, 1)
    assert torch.equal(sdxl.decode(tiny, latents)[1:2], sdxl.decode(tiny, latents[1:2]))
    assert torch.equal(sdxl.encode(tiny, pixels)[1:2], sdxl.encode(tiny, pixels[1:2]))


def test_scale_and_shift_are_undone_by_decoding(tiny_folder, tmp_path):
    """A VAE whose latents are shifted decodes to the same pictures, once shift and scale are taken back."""
    parts = sdxl.load(tiny_folder, torch.device("cpu"), torch.float32)
    z = noise([1], (4, 16, 16))
    plain = sdxl.decode(parts, z * parts.vae.config["scaling_factor"])
    parts.vae.register_to_config(shift_factor=0.3, scaling_factor=0.5)
    assert_close(sdxl.decode(parts, (z - 0.3) * 0.5), plain, rtol=0, atol=1e-4)


# Previews


def test_a_linear_model_is_previewed_exactly(tiny):
    matrix, bias = torch.randn(4, 3, generator=torch.Generator().manual_seed(0)) * 0.1, torch.tensor([0.1, 0.0, -0.1])
    latents = noise([1, 2], (4, 16, 16))
    shown = sdxl.preview(tiny, latents, sdxl.Preview(matrix, bias))
    assert shown.shape == (2, 3, 16, 16)
    assert_close(shown[1, :, 3, 5], (latents[1, :, 3, 5] @ matrix + bias).clamp(-1, 1))


def test_without_a_linear_map_a_small_decode_is_shown(tiny):
    assert sdxl.preview(tiny, noise([1], (4, 16, 16))).shape == (1, 3, 128, 128)
    assert sdxl.preview(tiny, noise([1], (4, 128, 128))).shape == (1, 3, 160, 160)


def test_the_fitted_preview_is_the_least_squares_one(tiny, golden, tmp_path):
    image = golden("diffdiff_common.safetensors")["image"]
    fitted = sdxl.fit_preview(tiny, image)
    colours = torch.nn.functional.interpolate(image, (16, 16), mode="area")
    latents = sdxl.encode(tiny, image)
    rest = colours - torch.einsum("bchw,cr->brhw", latents, fitted.matrix) - fitted.bias[:, None, None]
    assert_close(torch.einsum("bchw,brhw->cr", latents, rest), torch.zeros(4, 3), rtol=0, atol=1e-2)
    sdxl.write_preview(fitted, tmp_path / "preview.json")
    stored = sdxl.read_preview(tmp_path / "preview.json")
    assert stored is not None
    assert_close(stored.matrix, fitted.matrix)


# Folders that this package does not know


@pytest.mark.parametrize(
    "change, complaint",
    [
        ({"prediction_type": "sample"}, "prediction_type 'sample'; supported are epsilon, v_prediction"),
        ({"beta_schedule": "linear"}, "beta_schedule 'linear'; only 'scaled_linear'"),
        ({"rescale_betas_zero_snr": True}, "rescales its betas to zero signal"),
    ],
)
def test_other_noise_than_sdxls_is_refused(golden, tmp_path, change, complaint):
    path = tmp_path / "scheduler_config.json"
    path.write_text(json.dumps(golden("tiny_sdxl/scheduler/scheduler_config.json") | change))
    with pytest.raises(BadInput, match=complaint):
        sdxl.prediction_of(path)


def test_halves_are_found_under_their_variants_name(tmp_path):
    (tmp_path / "model.fp16.safetensors").touch()
    assert sdxl.variant_in(tmp_path) == "fp16"
    (tmp_path / "model.safetensors").touch()
    assert sdxl.variant_in(tmp_path) is None
