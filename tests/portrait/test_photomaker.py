"""The identity encoder, against the published class's numbers and the published checkpoint's names."""

import pytest
import torch
from PIL import Image
from published import GOLDEN, TINY_ENCODING

from narcis.portrait.photomaker import Encoding, PhotoMakerV2, clip_pixels


@pytest.fixture(scope="module")
def tiny(by_rule):
    encoder = PhotoMakerV2(TINY_ENCODING).eval().requires_grad_(False)
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


def test_weights_of_the_rule_have_the_published_sums(tiny, golden):
    sums = golden("id_encoder_tiny_weight_checksums.json")
    state = {key: value.double() for key, value in tiny.state_dict().items()}
    assert state.keys() == sums.keys()
    for key, value in state.items():
        assert [float(value.sum()), float(value.abs().sum())] == pytest.approx(sums[key], rel=1e-6, abs=1e-6)


def test_the_published_checkpoint_would_load_strictly(golden):
    """463 names and shapes, without a byte of memory."""
    with torch.device("meta"):
        encoder = PhotoMakerV2(Encoding())
    shapes = {key: list(value.shape) for key, value in encoder.state_dict().items()}
    assert shapes == golden("photomaker_v2_state_dict.json") and len(shapes) == 463


def test_the_callers_prompt_is_left_alone(tiny, drawn):
    pixels, prompt, mask, embedding = order(drawn, 1)
    before = prompt.clone()
    tiny(pixels, prompt, mask, embedding)
    assert torch.equal(prompt, before)


def test_a_batch_of_sitters_is_each_of_them_alone(tiny, drawn):
    one, two = order(drawn, 1), [torch.roll(t, 3, -1) if t.dtype != torch.bool else t for t in order(drawn, 1)]
    both = tiny(*(torch.cat(pair) for pair in zip(one, two)))
    assert off(both[:1], tiny(*one)) < 1e-6 and off(both[1:], tiny(*two)) < 1e-6


def test_photos_and_slots_must_agree(tiny, drawn):
    pixels, prompt, mask, embedding = order(drawn, 2)
    mask[0, 5] = False
    with pytest.raises(ValueError, match=r"mask marks \[3\] tokens; 2 photos need 4"):
        tiny(pixels, prompt, mask, embedding)


def test_clips_view_of_a_photo_is_pillows(golden):
    pixels = clip_pixels(Image.open(GOLDEN / "clip_input.png"), 224)
    assert torch.equal(pixels, golden("clip_pixel_values.safetensors")["pil_backend"].squeeze())


def test_an_encoder_comes_back_from_its_folder(tmp_path, tiny, drawn):
    tiny.save(tmp_path)
    again = PhotoMakerV2.from_folder(tmp_path)
    given = order(drawn, 1)
    assert off(again(*given), tiny(*given)) < 1e-2  # half precision on disk
    assert again.config == tiny.config
