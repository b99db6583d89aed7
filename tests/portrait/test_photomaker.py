"""The identity encoders, against the published class's numbers and the published checkpoint's names."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image
from published import GOLDEN, TINY_ENCODING, TINY_ENCODING_V1
from torch.nn.functional import gelu, layer_norm, linear
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

from narcis.errors import BadInput
from narcis.portrait import photomaker
from narcis.portrait.photomaker import CLIP_STD, Encoding, PhotoMakerV1, PhotoMakerV2, clip_pixels


@pytest.fixture(scope="module")
def tiny(by_rule):
    encoder = PhotoMakerV2(TINY_ENCODING).eval().requires_grad_(False)
    by_rule(encoder, "id_tiny/")
    return encoder


@pytest.fixture(scope="module")
def first(by_rule):
    encoder = PhotoMakerV1(TINY_ENCODING_V1).eval().requires_grad_(False)
    by_rule(encoder, "id_tiny/")
    return encoder


def order(drawn, n):
    mask = torch.zeros(1, 77, dtype=torch.bool)
    mask[0, 5 : 5 + 2 * n] = True
    pixels = drawn(f"idtiny/pixels/{n}", (1, n, 3, 224, 224))
    return pixels, drawn(f"idtiny/prompt/{n}", (1, 77, 256)), mask, 0.8 * drawn(f"idtiny/id/{n}", (1, n, 64))


def off(ours, theirs):
    return float((ours - theirs).norm() / theirs.norm())


@pytest.mark.parametrize("n", [1, 2, 4])
def test_fused_tokens_are_the_published_ones(tiny, golden, drawn, n):
    pixels, prompt, mask, embedding = order(drawn, n)
    known = golden("id_encoder_tiny.safetensors")
    fused = tiny(pixels, prompt, mask, embedding)
    assert off(fused[mask], known[f"n{n}.class_tokens"]) < 1e-5
    assert off(tiny.identity(pixels[0], embedding[0]), known[f"n{n}.qformer_out"]) < 1e-5
    assert torch.equal(fused[~mask], prompt[~mask])


@pytest.mark.parametrize("n", [1, 2, 4])
def test_every_stage_on_the_way_is_the_published_one(tiny, golden, drawn, n):
    pixels, _, _, embedding = order(drawn, n)
    known = golden("id_encoder_tiny.safetensors")
    seen = tiny.vision_model(pixels[0]).last_hidden_state
    assert off(seen[:, [0, -1]], known[f"n{n}.vision_cls_and_last_patch"]) < 1e-5
    assert off(seen.mean(1), known[f"n{n}.vision_mean_over_tokens"]) < 1e-5
    asking = tiny.qformer_perceiver
    tokens = asking.token_norm(asking.token_proj(embedding[0]).reshape(n, 2, 256))
    assert off(tokens, known[f"n{n}.qformer_tokens_normed"]) < 1e-5


def test_weights_of_the_rule_have_the_published_sums(tiny, golden):
    sums = golden("id_encoder_tiny_weight_checksums.json")
    state = {key: value.double() for key, value in tiny.state_dict().items()}
    assert state.keys() == sums.keys()
    for key, value in state.items():
        assert [float(value.sum()), float(value.abs().sum())] == pytest.approx(sums[key], rel=1e-6, abs=1e-6)


def test_the_tiny_encoder_has_the_published_names_and_shapes(tiny, golden):
    assert shapes(tiny) == golden("id_encoder_tiny_shapes.json")


def shapes(encoder) -> dict[str, list[int]]:
    return {key: list(value.shape) for key, value in encoder.state_dict().items()}


def test_the_published_checkpoint_would_load_strictly(golden):
    """463 names and shapes, without a byte of memory."""
    with torch.device("meta"):
        encoder = PhotoMakerV2(Encoding())
    assert shapes(encoder) == golden("photomaker_v2_state_dict.json") and len(shapes(encoder)) == 463
    assert sum(value.numel() for value in encoder.state_dict().values()) == 543_395_840


FULL_SIZE = """
import json, resource, sys
import torch
from narcis.portrait.photomaker import Encoding, PhotoMakerV2, filled

def peak():  # bytes
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)

before, draw = peak(), torch.Generator().manual_seed(0)
some = 0.02 * torch.randn(4_000_037, generator=draw)  # a prime: no matrix repeats its rows
weights = {}
for name, shape in json.load(open(sys.argv[1])).items():
    count = torch.Size(shape).numel()
    weights[name] = some.repeat(1 + count // len(some))[:count].reshape(shape).clone()
with torch.device("meta"):
    encoder = PhotoMakerV2(Encoding())
filled(encoder, weights, torch.device("cpu"), torch.float32)
mask = torch.arange(77)[None] == 5
mask[0, 6] = True
given = torch.randn(1, 1, 3, 224, 224, generator=draw), torch.randn(1, 77, 2048, generator=draw), mask
fused = encoder(*given, torch.randn(1, 1, 512, generator=draw))
changed = (fused != given[1]).any(-1).sum()
print(json.dumps({"bytes": peak() - before, "finite": bool(fused.isfinite().all()), "changed": int(changed)}))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not tell a process's peak memory; run it elsewhere")
def test_a_full_size_forward_takes_less_than_three_gigabytes():
    """The published state dict's names and shapes, random numbers, one photo, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", FULL_SIZE, GOLDEN / "photomaker_v2_state_dict.json"],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["bytes"] < 3e9 and told["finite"] and told["changed"] == 2


def test_the_callers_prompt_is_left_alone(tiny, drawn):
    pixels, prompt, mask, embedding = order(drawn, 1)
    before = prompt.clone()
    tiny(pixels, prompt, mask, embedding)
    assert torch.equal(prompt, before)


def test_a_batch_of_sitters_is_each_of_them_alone(tiny, drawn):
    one, two = order(drawn, 1), [torch.roll(t, 3, -1) if t.dtype != torch.bool else t for t in order(drawn, 1)]
    both = tiny(*(torch.cat(pair) for pair in zip(one, two)))
    assert off(both[:1], tiny(*one)) < 1e-6 and off(both[1:], tiny(*two)) < 1e-6


# What the published class does on awkward input, and ours


def test_a_batch_of_two_runs_where_the_published_class_fails(tiny, drawn, golden):
    assert golden("probes.json")["id_encoder_batch_2"].startswith("IndexError")
    pixels, prompt, mask, embedding = (torch.cat([part, part]) for part in order(drawn, 1))
    assert tiny(pixels, prompt, mask, embedding).shape == (2, 77, 256)


def test_photos_are_stacked_and_never_averaged(tiny, drawn):
    """Token order is photo by photo; another order of photos is another order of tokens."""
    pixels, prompt, mask, embedding = order(drawn, 2)
    same = prompt.clone()
    same[mask] = prompt[0, 5]  # the same words everywhere, so that only identity differs
    there, back = tiny(pixels, same, mask, embedding), tiny(pixels.flip(1), same, mask, embedding.flip(1))
    assert off(there[0, 5:9], back[0, [7, 8, 5, 6]]) < 1e-6
    assert off(there[0, 5:7], there[0, 7:9]) > 0.01


def test_a_normalised_embedding_is_another_person(tiny, drawn):
    pixels, prompt, mask, embedding = order(drawn, 1)
    unit = embedding / embedding.norm(dim=-1, keepdim=True)
    assert off(tiny(pixels, prompt, mask, unit)[mask], tiny(pixels, prompt, mask, embedding)[mask]) > 0.1


@pytest.mark.parametrize("numbers", [torch.bfloat16, torch.float16])
def test_halves_stay_near_the_published_numbers(by_rule, drawn, golden, numbers):
    """The published class deviates by 0.6 % in bfloat16, and by 0.08 % in float16."""
    encoder = PhotoMakerV2(TINY_ENCODING).eval().requires_grad_(False)
    by_rule(encoder, "id_tiny/")
    pixels, prompt, mask, embedding = order(drawn, 2)
    fused = encoder.to(numbers)(pixels, prompt.to(numbers), mask, embedding)
    assert fused.dtype == numbers
    assert off(fused[mask].float(), golden("id_encoder_tiny.safetensors")["n2.class_tokens"]) < 0.02


def photo(number: int) -> Image.Image:
    return Image.open(GOLDEN / f"e2e_id_image_{number}.png").convert("RGB")


def slots(places: int) -> torch.Tensor:
    mask = torch.zeros(77, dtype=torch.bool)
    mask[5 : 5 + places] = True
    return mask


@pytest.mark.parametrize(
    "embeddings, said",
    [
        (None, "the sitter has 2 photos and 0 face embeddings; give each photo its own"),
        (torch.ones(1, 64), "the sitter has 2 photos and 1 face embeddings; give each photo its own"),
        (torch.ones(3, 64), "the sitter has 2 photos and 3 face embeddings; give each photo its own"),
        (torch.ones(2, 512), "embeddings have 512 numbers, this identity encoder was trained on 64; they come from"),
        (torch.full((2, 64), torch.nan), "embeddings hold numbers that are not finite"),
    ],
)
def test_embeddings_that_cannot_be_these_photos_are_refused(tiny, drawn, embeddings, said):
    with pytest.raises(BadInput, match=said):
        tiny.sitter([photo(0), photo(1)], embeddings, drawn("words", (77, 256)), slots(4))


def test_an_embedding_that_looks_normalised_is_told_of(tiny, drawn, caplog):
    tiny.sitter([photo(0)], torch.full((1, 64), 0.125), drawn("words", (77, 256)), slots(2))
    assert "a sitter's embedding has length 1; if it was normalised, give it raw" in caplog.text
    caplog.clear()
    tiny.sitter([photo(0)], torch.full((1, 64), 2.5), drawn("words", (77, 256)), slots(2))
    assert not caplog.text


def test_photos_and_embeddings_out_of_step_are_refused_by_the_network_too(tiny, drawn):
    pixels, prompt, mask, embedding = order(drawn, 2)
    with pytest.raises(BadInput, match="wants a face embedding for each of 2 photos; there are 1"):
        tiny(pixels, prompt, mask, embedding[:, :1])
    with pytest.raises(BadInput, match="wants a face embedding for each of 2 photos; there are no"):
        tiny(pixels, prompt, mask)


def test_photos_and_slots_must_agree(tiny, drawn):
    pixels, prompt, mask, embedding = order(drawn, 2)
    mask[0, 5] = False
    with pytest.raises(ValueError, match=r"mask marks \[3\] tokens; 2 photos need 4"):
        tiny(pixels, prompt, mask, embedding)


# V1


def test_version_1_has_the_names_of_version_2_without_its_face_embeddings(golden):
    """Those of the published class: CLIP, both projections and the same fusing."""
    with torch.device("meta"):
        encoder = PhotoMakerV1(photomaker.PUBLISHED[1])
    known = golden("photomaker_v2_state_dict.json")
    assert shapes(encoder) == {name: shape for name, shape in known.items() if not name.startswith("qformer")}
    assert len(shapes(encoder)) == 407


def fused_by_formula(weights: dict, words: torch.Tensor, identity: torch.Tensor) -> torch.Tensor:
    def block(name, x):
        w = {part: weights[f"fuse_module.{name}.{part}"] for part in PARTS}
        x = layer_norm(x, x.shape[-1:], w["layernorm.weight"], w["layernorm.bias"])
        return linear(gelu(linear(x, w["fc1.weight"], w["fc1.bias"])), w["fc2.weight"], w["fc2.bias"])

    x = block("mlp1", torch.cat([words, identity], -1)) + words
    x = x + block("mlp2", x)
    return layer_norm(x, x.shape[-1:], weights["fuse_module.layer_norm.weight"], weights["fuse_module.layer_norm.bias"])


PARTS = [f"{layer}.{part}" for layer in ("layernorm", "fc1", "fc2") for part in ("weight", "bias")]


@pytest.mark.parametrize("n", [1, 2, 4])
def test_version_1_is_clips_own_projection_and_a_second_one_beside(first, drawn, n):
    """A second implementation: transformers' CLIP with its projection, and the fusing written out."""
    weights, sizes = first.state_dict(), TINY_ENCODING_V1
    clip = CLIPVisionModelWithProjection(
        CLIPVisionConfig(
            hidden_size=64,
            intermediate_size=128,
            num_attention_heads=4,
            num_hidden_layers=3,
            patch_size=14,
            projection_dim=sizes.projection,
        )
    ).eval()
    clip.load_state_dict({key: weights[key] for key in clip.state_dict()})
    pixels, prompt, *_ = order(drawn, n)
    mask = slots(n)[None]
    with torch.no_grad():
        seen = clip(pixels[0])
        second = linear(clip.vision_model(pixels[0]).pooler_output, weights["visual_projection_2.weight"])
    identity = torch.cat([seen.image_embeds, second], -1)
    fused = first(pixels, prompt, mask)
    assert off(fused[mask], fused_by_formula(weights, prompt[mask], identity)) < 1e-6
    assert torch.equal(fused[~mask], prompt[~mask])


def test_version_1_asks_no_embeddings_and_passes_them_over(first, drawn):
    words = drawn("words", (77, 256))
    without = first.sitter([photo(0), photo(1)], None, words, slots(2))
    assert torch.equal(first.sitter([photo(0), photo(1)], torch.ones(2, 64), words, slots(2)), without)
    assert (without != words).any(-1).equal(slots(2))


# What CLIP sees


def test_clips_view_of_a_photo_is_pillows(golden):
    pixels = clip_pixels(Image.open(GOLDEN / "clip_input.png"), 224)
    assert torch.equal(pixels, golden("clip_pixel_values.safetensors")["pil_backend"].squeeze())


def test_torchvisions_view_differs_by_two_grey_levels_at_most(golden):
    """Which of the two transformers takes depends on what is installed; here it is always Pillow."""
    ours = clip_pixels(Image.open(GOLDEN / "clip_input.png"), 224)
    apart = (ours - golden("clip_pixel_values.safetensors")["torchvision_backend"].squeeze()).abs()
    known = golden("clip_pixel_values.json")
    assert float(apart.max()) == pytest.approx(known["max_abs_diff"], rel=1e-4)
    assert float((apart * torch.tensor(CLIP_STD)[:, None, None]).max()) * 255 <= known["in_units_of_255"]


@pytest.mark.parametrize("number", [0, 1])
def test_a_photo_that_is_no_square_is_cut_in_its_middle(golden, number):
    """The whole photo, its middle square: the golden run's pixels, to torchvision's two grey levels."""
    stored = golden("e2e_id_pixel_values.safetensors")["id_pixel_values"][number]
    assert float((clip_pixels(photo(number), 224) - stored).abs().max()) < 0.03


@pytest.mark.parametrize("mode", ["L", "RGBA", "P"])
def test_a_photo_of_any_mode_is_seen_in_colours(mode):
    assert clip_pixels(photo(0).convert(mode), 224).shape == (3, 224, 224)


def test_an_encoder_comes_back_from_its_folder(tmp_path, tiny, drawn):
    tiny.save(tmp_path)
    again = PhotoMakerV2.from_folder(tmp_path)
    given = order(drawn, 1)
    assert off(again(*given), tiny(*given)) < 1e-2  # half precision on disk
    assert again.config == tiny.config
