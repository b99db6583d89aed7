import pytest
import torch

from narcis.portrait import device
from narcis.portrait.device import CUDNN, LARGE, Profile

CPU, CARD = torch.device("cpu"), torch.device("cuda", 0)


@pytest.fixture
def chip(monkeypatch: pytest.MonkeyPatch):
    """A card of a compute capability, as torch tells it; a processor with bfloat16, or without."""

    def of(capability: tuple[int, int] = (0, 0), bfloat16: bool = False) -> None:
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: capability)
        monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: bfloat16)
        monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)

    return of


def test_a_t4_counts_in_float16_and_so_does_its_vae(chip):
    chip((7, 5))
    found = device.profile(CARD, device.usual_dtype(CARD, 8 * LARGE))
    assert found == Profile("turing", CARD, torch.float16, tf32=False)
    assert (found.vae_dtype, found.matmul_precision) == (torch.float16, "highest")


@pytest.mark.parametrize("capability", [(8, 6), (8, 9), (9, 0)], ids=["A10G", "L4", "H100 and H200"])
def test_newer_cards_count_in_bfloat16_and_decode_in_tf32(chip, capability):
    chip(capability)
    found = device.profile(CARD, device.usual_dtype(CARD))
    assert found == Profile("ampere", CARD, torch.bfloat16, tf32=True)
    assert (found.vae_dtype, found.matmul_precision) == (torch.float32, "high")


def test_whoever_asks_for_float32_gets_all_of_its_bits(chip):
    chip((9, 0))
    found = device.profile(CARD, torch.float32)
    assert not found.tf32 and found.vae_dtype == torch.float32 and found.matmul_precision == "highest"


@pytest.mark.parametrize(
    "bfloat16, size, dtype",
    [(True, LARGE - 1, torch.float32), (True, LARGE, torch.bfloat16), (False, 8 * LARGE, torch.float32)],
)
def test_a_processor_counts_in_bfloat16_where_it_can_and_the_model_is_large(chip, bfloat16, size, dtype):
    chip(bfloat16=bfloat16)
    assert device.pick("cpu", None, size) == (CPU, dtype)
    assert device.profile(CPU, dtype).name == ("cpu with bfloat16" if bfloat16 else "cpu")


def test_apples_chips_count_in_float16_from_sdxls_size_on():
    mps = torch.device("mps")
    assert (device.usual_dtype(mps, 0), device.usual_dtype(mps, 8 * LARGE)) == (torch.float32, torch.float16)
    assert device.profile(mps, torch.float16).name == "apple"


def test_a_profiles_settings_end_with_its_block():
    before = torch.get_float32_matmul_precision(), CUDNN.conv.fp32_precision
    with Profile("ampere", CARD, torch.bfloat16, tf32=True).counting():
        assert (torch.get_float32_matmul_precision(), CUDNN.conv.fp32_precision) == ("high", "tf32")
    with Profile("ampere", CARD, torch.float32).counting():
        assert (torch.get_float32_matmul_precision(), CUDNN.conv.fp32_precision) == ("highest", "ieee")
    assert (torch.get_float32_matmul_precision(), CUDNN.conv.fp32_precision) == before


def test_a_processor_has_no_card_to_run_out_of():
    assert device.free_bytes(CPU) is None and device.card(CPU) == "cpu"


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here; run it on a machine with one")
def test_what_torch_keeps_idle_counts_as_free():
    before = device.free_bytes(CARD)
    torch.empty(64_000_000, device=CARD)
    assert device.free_bytes(CARD) == pytest.approx(before, abs=20_000_000)
