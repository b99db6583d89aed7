"""SDXL's tensors under the names that its training code gave them: the way back from diffusers' names, written anew."""

import re
from collections.abc import Iterator

import torch
from torch import Tensor

RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}
ENDS = {
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "add_embedding.linear_1": "label_emb.0.0",
    "add_embedding.linear_2": "label_emb.0.2",
    "conv_in": "input_blocks.0.0",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
    "mid_block.resnets.0": "middle_block.0",
    "mid_block.attentions.0": "middle_block.1",
    "mid_block.resnets.1": "middle_block.2",
}
VAE = {
    "mid_block.resnets.0": "mid.block_1",
    "mid_block.resnets.1": "mid.block_2",
    "mid_block.attentions.0": "mid.attn_1",
    "conv_norm_out": "norm_out",
    "conv_shortcut": "nin_shortcut",
    "group_norm": "norm",
    "to_q": "q",
    "to_k": "k",
    "to_v": "v",
    "to_out.0": "proj_out",
    "downsamplers.0": "downsample",
    "upsamplers.0": "upsample",
}
OPEN_CLIP = {
    "self_attn.out_proj": "attn.out_proj",
    "layer_norm1": "ln_1",
    "layer_norm2": "ln_2",
    "mlp.fc1": "mlp.c_fc",
    "mlp.fc2": "mlp.c_proj",
}


def single_file(
    unet: dict, vae: dict, text_encoder: dict, text_encoder_2: dict, blocks: list[int]
) -> dict[str, Tensor]:
    """A whole checkpoint; `blocks` are the UNet's resnets in each block on the way down."""
    return {
        **{f"model.diffusion_model.{name}": value for name, value in unet_names(unet, blocks)},
        **{f"first_stage_model.{name}": value for name, value in vae_names(vae)},
        **{f"conditioner.embedders.0.transformer.text_model.{name}": value for name, value in text_encoder.items()},
        **{f"conditioner.embedders.1.model.{name}": value for name, value in open_clip_names(text_encoder_2)},
    }


def unet_names(weights: dict[str, Tensor], blocks: list[int]) -> Iterator[tuple[str, Tensor]]:
    places = {**ENDS, **ladder(weights, blocks)}
    for name, value in weights.items():
        old = max((place for place in places if name.startswith(f"{place}.")), key=len)
        rest = name.removeprefix(f"{old}.")
        if "resnets" in old:
            inner = rest.partition(".")[0]
            rest = rest.replace(inner, RESNET[inner], 1)
        yield f"{places[old]}.{rest}", value


def ladder(weights: dict[str, Tensor], blocks: list[int]) -> dict[str, str]:
    """Where each resnet, attention and sampler stands in the training code's two flat lists."""
    places, n = {}, 1
    for b, layers in enumerate(blocks):
        for i in range(layers):
            places[f"down_blocks.{b}.resnets.{i}"] = f"input_blocks.{n}.0"
            places[f"down_blocks.{b}.attentions.{i}"] = f"input_blocks.{n}.1"
            n += 1
        if b + 1 < len(blocks):
            places[f"down_blocks.{b}.downsamplers.0.conv"] = f"input_blocks.{n}.0.op"
            n += 1
    n = 0
    for b, layers in enumerate(reversed(blocks)):
        for i in range(layers + 1):
            places[f"up_blocks.{b}.resnets.{i}"] = f"output_blocks.{n}.0"
            places[f"up_blocks.{b}.attentions.{i}"] = f"output_blocks.{n}.1"
            n += 1
        attends = any(name.startswith(f"up_blocks.{b}.attentions") for name in weights)
        places[f"up_blocks.{b}.upsamplers.0.conv"] = f"output_blocks.{n - 1}.{2 if attends else 1}.conv"
    return places


def vae_names(weights: dict[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    last = max(int(found[1]) for name in weights if (found := re.match(r"decoder\.up_blocks\.(\d)", name)))
    for name, value in weights.items():
        if ".attentions.0.to_" in name and name.endswith("weight"):
            value = value[:, :, None, None].contiguous()  # convolutions of one pixel
        for new, old in VAE.items():
            name = name.replace(new, old)
        name = re.sub(r"down_blocks\.(\d)\.resnets", r"down.\1.block", name)
        name = re.sub(r"down_blocks\.(\d)", r"down.\1", name)
        name = re.sub(r"up_blocks\.(\d)", lambda found: f"up.{last - int(found[1])}", name)
        yield name.replace(".resnets.", ".block."), value


def open_clip_names(weights: dict[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    ends = {
        "text_model.embeddings.token_embedding.weight": "token_embedding.weight",
        "text_model.embeddings.position_embedding.weight": "positional_embedding",
        "text_model.final_layer_norm.weight": "ln_final.weight",
        "text_model.final_layer_norm.bias": "ln_final.bias",
    }
    yield "text_projection", weights["text_projection.weight"].T.contiguous()
    yield "logit_scale", torch.tensor(4.6)
    for old, new in ends.items():
        yield new, weights[old]
    layers = sorted({name.split(".")[3] for name in weights if ".layers." in name}, key=int)
    for n in layers:
        inside = f"text_model.encoder.layers.{n}."
        for kind in ("weight", "bias"):
            fused = torch.cat([weights[f"{inside}self_attn.{part}_proj.{kind}"] for part in "qkv"])
            yield f"transformer.resblocks.{n}.attn.in_proj_{kind}", fused
            for old, new in OPEN_CLIP.items():
                yield f"transformer.resblocks.{n}.{new}.{kind}", weights[f"{inside}{old}.{kind}"]
