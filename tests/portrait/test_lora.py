from copy import deepcopy

import pytest
import torch

from narcis.errors import BadInput
from narcis.portrait import lora

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


def test_a_lora_for_another_network_is_refused(tiny):
    with pytest.raises(BadInput, match="is no LoRA weight; keys end in"):
        lora.by_matrix({"text_encoder.bias": torch.zeros(1)})
    with pytest.raises(BadInput, match=r"down for 'nowhere.to_q'; this UNet wants down and up of its own"):
        lora.fuse(tiny.unet, {"unet.nowhere.to_q.lora.down.weight": torch.zeros(4, 32)})
