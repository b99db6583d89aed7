"""LoRA beside the weights and in them; the golden one is of rank 4, for all 88 attention matrices of the tiny UNet."""

from copy import deepcopy

import pytest
import torch
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from torch.testing import assert_close

from narcis.errors import BadInput
from narcis.portrait import lora, memory
from narcis.portrait.lora import Lora, adapted
from narcis.portrait.sampling import Step

FILE = "lora_weights_old_format.safetensors"


def respelled(weights: dict, down: str, up: str) -> dict:
    """The same weights in a newer spelling."""
    new = {}
    for key, value in weights.items():
        key = key.replace(".processor.", ".").replace("to_out_lora", "to_out.0_lora")
        new[key.replace("_lora.down", down).replace("_lora.up", up)] = value
    return new


def test_fusing_adds_up_times_down_to_every_attention_matrix(golden, tiny):
    unet, weights = deepcopy(tiny.unet), golden(FILE)
    lora.fuse(unet, weights)
    before, after = tiny.unet.state_dict(), unet.state_dict()
    changed = [key for key in before if not torch.equal(before[key], after[key])]
    assert len(changed) == 88 and all(".attn" in key for key in changed)
    stem = "down_blocks.1.attentions.0.transformer_blocks.0.attn1"
    product = (
        weights[f"unet.{stem}.processor.to_out_lora.up.weight"]
        @ weights[f"unet.{stem}.processor.to_out_lora.down.weight"]
    )
    assert torch.equal(after[f"{stem}.to_out.0.weight"], before[f"{stem}.to_out.0.weight"] + product)


@pytest.mark.parametrize("down, up", [(".lora.down", ".lora.up"), (".lora_A", ".lora_B")])
def test_the_three_spellings_are_one(golden, down, up):
    old, new = lora.by_matrix(golden(FILE)), lora.by_matrix(respelled(golden(FILE), down, up))
    assert old.keys() == new.keys() and len(old) == 88
    assert all(torch.equal(old[name][part], new[name][part]) for name in old for part in ("down", "up"))


def test_strength_and_alpha_scale_the_addition(golden, tiny):
    key = "down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q"
    parts = {f"unet.{key}.lora.{part}.weight": value for part, value in lora.by_matrix(golden(FILE))[key].items()}
    whole, part = deepcopy(tiny.unet), deepcopy(tiny.unet)
    lora.fuse(whole, parts)
    lora.fuse(part, parts | {f"unet.{key}.alpha": torch.tensor(1.0)}, strength=0.5)  # alpha 1 of rank 4, by half
    start = tiny.unet.state_dict()[f"{key}.weight"]
    full, eighth = (unet.state_dict()[f"{key}.weight"] - start for unet in (whole, part))
    torch.testing.assert_close(eighth, full / 8, rtol=0, atol=1e-6)


def test_rank_matrices_and_alpha_are_those_of_the_published_fusing(golden, tiny):
    found = lora.additions(tiny.unet, golden(FILE))
    known = golden("lora_meta.json")["old"]
    assert len(golden(FILE)) == known["n_tensors"] and len(found) == known["fused_matrices"]
    assert {len(addition.down) for addition in found.values()} == {known["r"]}
    assert {addition.scale for addition in found.values()} == {known["lora_alpha"] / known["r"]}


SDXL = {
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256,
    "attention_head_dim": (5, 10, 20),
    "block_out_channels": (320, 640, 1280),
    "cross_attention_dim": 2048,
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    "projection_class_embeddings_input_dim": 2816,
    "transformer_layers_per_block": (1, 2, 10),
    "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    "use_linear_projection": True,
}


def test_the_published_lora_finds_every_matrix_of_sdxl():
    """560 matrices in 1120 tensors of rank 64, in the published spelling; shapes only, without a byte of memory."""
    with torch.device("meta"):
        unet = UNet2DConditionModel(**SDXL)
        weights = {}
        for name, layer in unet.named_modules():
            if name.endswith(("to_q", "to_k", "to_v", "to_out.0")):
                stem = f"unet.{name.removesuffix('.0')}_lora".replace(".to_", ".processor.to_")
                weights[f"{stem}.down.weight"] = torch.empty(64, layer.in_features)
                weights[f"{stem}.up.weight"] = torch.empty(layer.out_features, 64)
    assert len(weights) == 1120
    found = lora.additions(unet, weights)
    assert len(found) == 560 and {addition.scale for addition in found.values()} == {1.0}
    Lora(unet, weights)


# Beside the weights


@pytest.fixture
def plain(tiny):
    return deepcopy(tiny.unet)


def rand(seed, *shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def asked(unet):
    """One evaluation on inputs of its own."""
    x, words, pooled = (rand(*given).to(unet.dtype) for given in ((1, 1, 4, 16, 16), (2, 1, 77, 256), (3, 1, 160)))
    added = {"text_embeds": pooled, "time_ids": torch.tensor([[128.0, 128, 0, 0, 128, 128]])}
    with torch.no_grad():
        return unet(x, 500.0, words, added_cond_kwargs=added).sample


def off(ours, theirs):
    return float((ours - theirs).abs().max() / theirs.abs().max())


@pytest.mark.parametrize("strength", [0.25, 1.0])
def test_beside_the_weights_it_says_what_it_says_in_them(golden, tiny, plain, strength):
    fused = deepcopy(tiny.unet)
    lora.fuse(fused, golden(FILE), strength)
    beside = Lora(plain, golden(FILE))
    with beside.at(strength):
        told = asked(plain)
    assert off(told, asked(fused)) < 1e-5
    assert off(told, asked(tiny.unet)) > 1e-3


def test_switched_off_it_is_not_there_to_the_bit(golden, tiny, plain):
    before = asked(tiny.unet)
    beside = Lora(plain, golden(FILE))
    assert torch.equal(asked(plain), before)
    for strength in (0.3, 1.0, 0.7):
        with beside.at(strength):
            asked(plain)
        assert torch.equal(asked(plain), before)


def test_it_is_off_again_after_an_error(golden, plain):
    beside = Lora(plain, golden(FILE))
    with pytest.raises(ZeroDivisionError), beside.at(1.0):
        raise ZeroDivisionError
    assert beside.strength == 0


def test_the_unets_own_weights_and_names_stay(golden, tiny, plain):
    with Lora(plain, golden(FILE)).at(1.0):
        asked(plain)
    before, after = tiny.unet.state_dict(), plain.state_dict()
    assert before.keys() == after.keys() and all(torch.equal(before[name], after[name]) for name in before)
    assert len(list(plain.parameters())) == len(list(tiny.unet.parameters()))


def test_it_follows_the_unet_to_another_dtype(golden, plain):
    beside = Lora(plain, golden(FILE))
    with beside.at(1.0):
        full = asked(plain)
        half = asked(plain.to(torch.bfloat16))
    assert half.dtype == torch.bfloat16 and off(half.float(), full) < 0.05


def test_it_comes_along_where_blocks_visit_a_card_one_by_one(golden, plain):
    beside = Lora(plain, golden(FILE))
    with beside.at(1.0):
        resident = asked(plain)
        for block in memory.blocks(plain):
            memory.Guest(block, torch.device("cpu"))
        assert torch.equal(asked(plain), resident)


def test_alpha_counts_beside_the_weights_too(golden, tiny, plain):
    half = golden(FILE) | {f"unet.{name}.alpha": torch.tensor(2.0) for name in lora.by_matrix(golden(FILE))}
    fused = deepcopy(tiny.unet)
    lora.fuse(fused, golden(FILE), 0.5)  # alpha 2 of rank 4
    with Lora(plain, half).at(1.0):
        assert off(asked(plain), asked(fused)) < 1e-5


def test_other_ranks_need_no_telling(plain):
    """Rank 7, from its shapes alone."""
    name = "down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k"  # 256 -> 32
    down, up, words = rand(1, 7, 256), rand(2, 32, 7), rand(3, 1, 5, 256)
    layer = plain.get_submodule(name)
    before = layer(words)
    with Lora(plain, {f"unet.{name}.lora_A.weight": down, f"unet.{name}.lora_B.weight": up}).at(1.0):
        assert_close(layer(words), before + words @ (up @ down).T, rtol=1e-4, atol=1e-4)


def test_a_denoiser_has_its_strength_for_its_own_steps_only(golden, plain):
    """Two runs that take turns on one UNet do not meet."""
    beside, seen = Lora(plain, golden(FILE)), []

    def predict(x, step):
        seen.append(beside.strength)
        return x

    strong, weak = adapted(beside, 1.0, predict), adapted(beside, 0.25, predict)
    for run in (strong, weak, predict, strong):
        run(rand(1, 1, 4, 8, 8), Step(0, 1, 1.0, 0.0, 0.0))
    assert seen == [1.0, 0.25, 0.0, 1.0]
    assert adapted(beside, 0.0, predict) is predict and adapted(None, 1.0, predict) is predict


@pytest.mark.parametrize("strength", [-0.1, 1.5])
def test_a_strength_out_of_bounds_is_refused(strength):
    with pytest.raises(BadInput, match=f"identity LoRA is {strength}; it must be 0 to 1"):
        adapted(None, strength, lambda x, step: x)


# Of another network


NAME = "down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q"  # 32 x 32


def pair(down: tuple[int, ...], up: tuple[int, ...], name: str = NAME) -> dict:
    return {f"unet.{name}.lora_A.weight": torch.zeros(down), f"unet.{name}.lora_B.weight": torch.zeros(up)}


@pytest.mark.parametrize(
    "weights, said",
    [
        ({}, "the LoRA is empty"),
        ({"text_encoder.bias": torch.zeros(1)}, "'text_encoder.bias' is no LoRA weight; keys end in"),
        ({f"unet.{NAME}.lora.down.weight": torch.zeros(4, 32)}, f"has down for '{NAME}'; this UNet wants down and up"),
        (pair((4, 32), (32, 4), "mid.to_q"), "has down, up for 'mid.to_q'; this UNet wants down and up of its own"),
        (pair((4, 32), (32, 8)), r"down \[4, 32\] and up \[32, 8\] do not make .* \[32, 32\] of this UNet"),
        (pair((64, 1280), (1280, 64)), r"down \[64, 1280\] and up \[1280, 64\] do not make .* \[32, 32\] of this"),
        (pair((4, 32, 1, 1), (32, 4, 1, 1)), r"down \[4, 32, 1, 1\] and up \[32, 4, 1, 1\] do not make"),
    ],
)
def test_a_lora_for_another_network_is_refused_in_both_ways(plain, weights, said):
    before = {name: value.clone() for name, value in plain.state_dict().items()}
    for use in (lora.fuse, Lora):
        with pytest.raises(BadInput, match=said):
            use(plain, weights)
    assert all(torch.equal(value, before[name]) for name, value in plain.state_dict().items())
