"""The ladder: which rung follows from which bytes, and that every rung gives the same numbers."""

import logging
import weakref
from collections.abc import Iterable
from typing import Any

import pytest
import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from PIL import Image
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.testing import assert_close
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from narcis.errors import Unavailable
from narcis.portrait import memory, models, sdxl, stages
from narcis.portrait.lora import Lora
from narcis.portrait.memory import Demand, Guest, Ladder, Rung
from narcis.portrait.sampling import Step, noise
from narcis.portrait.singlefile import SIZES
from narcis.portrait.stages import Identity

GB = 10**9
STEP = Step(0, 1, 5.0, 0.0, 800.0)


# ------------------------------------------------------------------------------------------ which rung
def sdxl_networks(dtype: torch.dtype) -> tuple[Any, Any]:
    """SDXL's own sizes without the bytes; the VAE in float32, as its configuration asks."""
    vae = AutoencoderKL.from_config(SIZES["vae"])
    torch.set_default_dtype(dtype)
    try:
        return UNet2DConditionModel.from_config(SIZES["unet"]), vae
    finally:
        torch.set_default_dtype(torch.float32)


@pytest.fixture(scope="module")
def wanted() -> Demand:
    """SDXL at 1024 px in halves, with its text encoders and PhotoMaker V2."""
    with torch.device("meta"):
        unet, vae = sdxl_networks(torch.float16)
    return memory.demand(unet, vae, [246_000_000, 1_389_000_000, 1_087_000_000], (1024, 1024))


def test_sdxl_is_as_large_as_its_files(wanted: Demand):
    assert wanted.unet == pytest.approx(5_135_149_760, rel=1e-4)  # the published fp16 file; a header comes on top
    assert wanted.vae == pytest.approx(334_643_238, rel=1e-3)  # the published float32 one


@pytest.mark.parametrize(
    "card, rung",
    [
        (4, Rung.SEQUENTIAL),
        (6, Rung.SEQUENTIAL),
        (8, Rung.VAE_IN_BANDS),
        (12, Rung.ENCODERS_OFF),
        (16, Rung.RESIDENT),  # T4
        (24, Rung.RESIDENT),  # A10G, L4
        (80, Rung.RESIDENT),  # H100
    ],
)
def test_a_card_of_so_many_gigabytes_takes_sdxl_at_1024_px(wanted: Demand, card: int, rung: Rung):
    free = int(0.93 * card * GB)  # less what the driver and the context hold
    assert memory.fitting(wanted, free) == rung
    assert wanted.at(rung) <= free or rung == Rung.SEQUENTIAL


def test_every_rung_asks_for_less_than_the_one_above(wanted: Demand):
    asked = [wanted.at(rung) for rung in Rung]
    assert asked == sorted(asked, reverse=True) and len(set(asked)) == len(Rung)


def test_larger_and_more_pictures_ask_for_more():
    with torch.device("meta"):
        unet, vae = sdxl_networks(torch.float16)
    small, large, four = (
        memory.demand(unet, vae, [], (side, side), pictures) for side, pictures in ((512, 1), (1024, 1), (512, 4))
    )
    assert (large.painting, large.decoding) == (4 * small.painting, 4 * small.decoding)
    assert (four.painting, four.decoding) == (large.painting, small.decoding)  # decoded one by one
    assert memory.fitting(large, None) == Rung.RESIDENT  # memory that is the machine's own


class Live(TorchDispatchMode):
    """Counts the bytes of the tensors that are alive, but for those known before, and their peak."""

    def __init__(self, known: Iterable[torch.Tensor] = ()):
        super().__init__()
        self.now = self.peak = 0
        self.seen: weakref.WeakSet = weakref.WeakSet(tensor.untyped_storage() for tensor in known)

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(out):
            if isinstance(tensor, torch.Tensor) and (storage := tensor.untyped_storage()) not in self.seen:
                self.seen.add(storage)
                self.now += storage.nbytes()
                self.peak = max(self.peak, self.now)
                weakref.finalize(storage, self.gone, storage.nbytes())
        return out

    def gone(self, size: int) -> None:
        self.now -= size


def test_what_networks_compute_with_is_what_was_counted():
    """SDXL's own forward passes on tensors without bytes: the estimate lies just above every tensor that was alive."""
    with FakeTensorMode(), torch.inference_mode():
        unet, vae = sdxl_networks(torch.float16)
        said = memory.demand(unet, vae, [], (1024, 1024))
        x, text = torch.zeros(2, 4, 128, 128).half(), torch.zeros(2, 77, 2048).half()
        added = {"text_embeds": torch.zeros(2, 1280).half(), "time_ids": torch.zeros(2, 6)}
        with Live() as painting:
            unet(x, torch.tensor(1.0), encoder_hidden_states=text, added_cond_kwargs=added)
        with Live() as decoding:
            vae.decode(torch.zeros(1, 4, 128, 128))
        with Live() as encoding:
            vae.encode(torch.zeros(1, 3, 1024, 1024))
    assert 0.95 * said.painting < painting.peak <= said.painting
    assert 0.95 * said.decoding < decoding.peak <= 1.001 * said.decoding and encoding.peak < said.decoding


# ------------------------------------------------------------------------------------------ on every rung
def on_rung(folder, rung: Rung) -> sdxl.Parts:
    return sdxl.load(folder, torch.device("cpu"), torch.float32, rung=rung)


def painted(parts: sdxl.Parts) -> tuple[torch.Tensor, ...]:
    """What every network of the parts says."""
    text = sdxl.encode_prompts(parts, ["a calm woman"])
    side = parts.native_size
    predict = sdxl.network(parts, text, torch.tensor([sdxl.whole_picture(side, side)], dtype=torch.float32))
    clean = predict(noise([1], (parts.channels, side // parts.factor, side // parts.factor)), STEP)
    return text.prompt, text.pooled, clean, sdxl.decode(parts, clean)


@pytest.mark.parametrize("rung", list(Rung)[1:], ids=lambda rung: rung.said)
def test_every_rung_paints_the_same(tiny_folder, rung: Rung):
    *lower, picture = painted(on_rung(tiny_folder, rung))
    *above, whole = painted(on_rung(tiny_folder, Rung.RESIDENT))
    assert all(torch.equal(one, other) for one, other in zip(lower, above, strict=True))
    assert torch.equal(picture, whole) or rung >= Rung.VAE_IN_BANDS
    assert_close(picture, whole, rtol=0, atol=1e-5)


class Apart(nn.Module):
    """One layer after the other, in lists, as a UNet's blocks are."""

    def __init__(self, *layers: nn.Module):
        super().__init__()
        self.layers = nn.ModuleList(layers)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for layer in self.layers:
            x = layer(x)
        return x


def test_a_guest_lies_on_the_card_only_while_it_computes():
    """On a device without bytes, where any tensor that stayed behind is an error."""
    network = Apart(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Linear(8, 2)).eval()
    before = {name: tensor for name, tensor in network.state_dict(keep_vars=True).items()}
    for block in memory.blocks(network):
        Guest(block, torch.device("meta"))
    assert network(torch.zeros(3, 4, device="meta")).shape == (3, 2)
    assert all(network.state_dict(keep_vars=True)[name] is tensor for name, tensor in before.items())


@torch.inference_mode()
def test_the_whole_unet_can_be_a_guest(tiny_folder):
    unet = sdxl.load(tiny_folder, torch.device("cpu"), torch.float32).unet
    for block in memory.blocks(unet):
        Guest(block, torch.device("meta"))
    x, text = torch.zeros(1, 4, 16, 16, device="meta"), torch.zeros(1, 77, unet.config["cross_attention_dim"])
    width = unet.config["projection_class_embeddings_input_dim"] - 6 * unet.config["addition_time_embed_dim"]
    added = {"text_embeds": torch.zeros(1, width, device="meta"), "time_ids": torch.zeros(1, 6, device="meta")}
    (said,) = unet(
        x, torch.tensor(1.0, device="meta"), encoder_hidden_states=text.to("meta"), added_cond_kwargs=added,
        return_dict=False,
    )  # fmt: skip
    assert said.is_meta and not any(tensor.is_meta for tensor in unet.parameters())


@torch.inference_mode()
def test_encoders_can_be_guests(tiny_folder):
    model = models.load_once(models.made_of(tiny_folder), torch.device("cpu"), torch.float32)
    encoder: Any = model.id_encoder
    for network in (model.text_encoder, model.text_encoder_2, encoder):
        for block in memory.blocks(network):
            Guest(block, torch.device("meta"))
    ids, side = torch.zeros(1, 77, dtype=torch.long, device="meta"), encoder.config.image_size
    assert model.text_encoder(ids, output_hidden_states=True).hidden_states[-2].is_meta
    assert model.text_encoder_2(ids, output_hidden_states=True).text_embeds.is_meta
    photo, who = torch.zeros(1, 3, side, side), torch.zeros(1, encoder.config.id_dim)
    assert encoder.identity(photo.to("meta"), who.to("meta")).is_meta


def test_guests_are_on_the_card_one_at_a_time():
    layers = [nn.Linear(256, 256) for _ in range(8)]
    network = Apart(*layers)
    for block in memory.blocks(network):
        Guest(block, torch.device("cpu"))
    with torch.inference_mode(), Live(network.parameters()) as live:
        network(torch.zeros(1, 256))
    assert memory.size_of(layers[0]) < live.peak < 2 * memory.size_of(layers[0])


def test_a_guest_that_fails_or_is_interrupted_goes_home(tiny_folder):
    parts = on_rung(tiny_folder, Rung.SEQUENTIAL)
    kept = [tensor for _, _, tensor in memory.tensors(parts.unet)]
    middle = parts.unet.mid_block
    assert middle is not None
    handle = middle.register_forward_pre_hook(raising(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        painted(parts)
    handle.remove()
    assert all(now is then for (_, _, now), then in zip(memory.tensors(parts.unet), kept, strict=True))


def test_blocks_hold_every_weight_of_a_network_once(tiny):
    for network in (tiny.unet, tiny.text_encoder, tiny.text_encoder_2, tiny.id_encoder):
        found = [id(tensor) for block in memory.blocks(network) for _, _, tensor in memory.tensors(block)]
        assert sorted(found) == sorted(id(tensor) for _, _, tensor in memory.tensors(network))


@pytest.mark.parametrize("rung", list(Rung)[1:], ids=lambda rung: rung.said)
def test_a_sitter_is_the_same_where_the_identity_encoder_is_a_guest(tiny_folder, tiny, rung):
    photo = Image.effect_noise((80, 80), 60).convert("RGB")
    sitter = Identity([photo], 3 * noise([5], (1, 1, tiny.id_encoder.config.id_dim))[0, 0])
    resident = stages.sitters_text(tiny, ["a person img in a garden"], [sitter]).prompt
    model = models.load_once(models.made_of(tiny_folder), torch.device("cpu"), torch.float32)
    for come_down in (Rung.RESIDENT, rung):  # read while it was resident, then sent away
        model.ladder.go(come_down)
        assert torch.equal(stages.sitters_text(model, ["a person img in a garden"], [sitter]).prompt, resident)
    assert model.ladder.rung == rung and model.id_encoder in model.ladder.encoders


def test_a_lora_follows_the_blocks_that_it_changes(tiny_folder, tiny, golden):
    """Thin matrices that are added to a UNet's layers later come to the card and leave it with them."""
    resident, guest = (on_rung(tiny_folder, rung) for rung in (Rung.RESIDENT, Rung.SEQUENTIAL))
    weights = golden("lora_weights_old_format.safetensors")
    loras = [Lora(parts.unet, weights) for parts in (resident, guest)]
    with loras[0].at(1.0), loras[1].at(1.0):
        changed, same = painted(resident)[2], painted(guest)[2]
    assert torch.equal(changed, same) and not torch.equal(changed, painted(tiny)[2])


# ------------------------------------------------------------------------------------------ a full card
def raising(*errors: BaseException | None):
    """A hook that raises these, one a call, and then no more."""
    left = list(errors)

    def hook(*_):
        if left and (error := left.pop(0)):
            raise error

    return hook


FULL = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")


@pytest.mark.parametrize("network", ["unet", "vae.decoder", "text_encoder", "text_encoder_2"])
def test_a_full_card_is_one_step_down_said_in_the_log_and_the_same_picture(tiny_folder, tiny, network, caplog):
    parts = on_rung(tiny_folder, Rung.RESIDENT)
    module = parts.vae.decoder if network == "vae.decoder" else getattr(parts, network)
    module.register_forward_pre_hook(raising(FULL))
    with caplog.at_level(logging.WARNING):
        made = painted(parts)
    assert [record.message for record in caplog.records] == ["cpu is full: from resident to encoders off"]
    assert parts.ladder.rung == Rung.ENCODERS_OFF and parts.made_on["memory"] == "encoders off"
    for one, other in zip(made, painted(tiny)):
        assert torch.equal(one, other)


@pytest.mark.parametrize(
    "said, steps",
    [
        ("MPS backend out of memory (MPS allocated: 17.81 GB, other allocations: 64 MB)", 1),
        ("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`", 1),
        ("mat1 and mat2 shapes cannot be multiplied (2x3 and 4x5)", 0),
    ],
)
def test_a_full_card_is_told_from_other_errors(tiny_folder, said, steps):
    parts = on_rung(tiny_folder, Rung.RESIDENT)
    calls = [RuntimeError(said)]

    def call() -> str:
        if calls:
            raise calls.pop()
        return "done"

    if steps:
        assert parts.compute(call) == "done"
    else:
        with pytest.raises(RuntimeError, match="mat1 and mat2"):
            parts.compute(call)
    assert parts.ladder.rung == steps


def test_a_card_that_is_still_full_is_told_in_one_line(tiny_folder, caplog):
    parts = on_rung(tiny_folder, Rung.RESIDENT)
    handle = parts.unet.register_forward_pre_hook(raising(FULL, FULL, FULL))
    with pytest.raises(Unavailable, match="cpu is full, even with its memory used as 'encoders off'; ask for a small"):
        painted(parts)
    assert len(caplog.records) == 1  # one step for one call
    handle.remove()
    assert torch.equal(painted(parts)[2], painted(on_rung(tiny_folder, Rung.RESIDENT))[2])


def test_below_the_last_rung_there_is_nothing(tiny_folder):
    parts = on_rung(tiny_folder, Rung.SEQUENTIAL)
    parts.unet.register_forward_pre_hook(raising(FULL))
    with pytest.raises(Unavailable, match="used as 'sequential'") as told:
        painted(parts)
    assert told.value.data == {"rung": "sequential"} and "\n" not in str(told.value)


def test_an_encoder_that_comes_later_goes_to_the_rungs_place(tiny_folder):
    unet, vae = (getattr(on_rung(tiny_folder, Rung.RESIDENT), name) for name in ("unet", "vae"))
    on_card, beside = (Ladder(torch.device("cpu"), unet, vae, rung) for rung in (Rung.RESIDENT, Rung.ENCODERS_OFF))
    for ladder in (on_card, beside):
        ladder.admit(Apart(nn.Linear(2, 2), nn.Linear(2, 2)))
    assert (len(on_card.guests), len(beside.guests)) == (0, 2)
    on_card.down()
    assert len(on_card.guests) == 2
