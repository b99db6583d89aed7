"""Where tensors live and in which numbers the networks count.

The loop's latents are float32 everywhere; `dtype` is what a network casts to inside.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch

from narcis.errors import BadInput, Unavailable

CUDNN: Any = torch.backends.cudnn
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}

# Bytes of weight files from which a model counts in halves even without a GPU.  SDXL's are 7 GB or more, mini's 50 MB,
# which gains nothing and stays exact.
LARGE = 1_000_000_000


@dataclass(frozen=True)
class Profile:
    """How one kind of device counts.

    tf32 is whether what stays float32 beside a half-precision network (a VAE) may be multiplied with 10 bits of
    mantissa; whoever asks for float32 gets float32.
    """

    name: str
    device: torch.device
    dtype: torch.dtype
    tf32: bool = False

    @property
    def vae_dtype(self) -> torch.dtype:
        """What a VAE counts in, unless its configuration wants float32: bfloat16's 8 bits would cost a grey level."""
        return torch.float16 if self.dtype == torch.float16 else torch.float32

    @property
    def matmul_precision(self) -> str:
        """The profile's TF32 in `torch.set_float32_matmul_precision`'s words."""
        return "high" if self.tf32 else "highest"

    @contextmanager
    def counting(self) -> Iterator[None]:
        """torch's settings of the process, as this profile wants them, for as long as the block lasts."""
        if self.device.type != "cuda":
            yield
            return
        matmul, conv = torch.get_float32_matmul_precision(), CUDNN.conv.fp32_precision
        torch.set_float32_matmul_precision(self.matmul_precision)
        CUDNN.conv.fp32_precision = "tf32" if self.tf32 else "ieee"
        try:
            yield
        finally:
            torch.set_float32_matmul_precision(matmul)
            CUDNN.conv.fp32_precision = conv


def pick(
    device: str | torch.device | None = None, dtype: str | torch.dtype | None = None, size: int = 0
) -> tuple[torch.device, torch.dtype]:
    """The device asked for, else the best one here, and the dtype asked for, else the usual one there.

    `size` is the bytes of the model's weight files.
    """
    where = torch.device(device or best_device())
    if not usable(where):
        raise Unavailable(
            f"device {str(where)!r} is not on this machine; the best one here is {best_device()!r}", device=str(where)
        )
    return where, usual_dtype(where, size) if dtype is None else as_dtype(dtype)


def best_device() -> str:
    return next(name for name in ("cuda", "mps", "cpu") if usable(torch.device(name)))


def usable(device: torch.device) -> bool:
    if device.type == "cuda":
        return (device.index or 0) < torch.cuda.device_count()
    return device.type == "cpu" or (device.type == "mps" and torch.backends.mps.is_available())


def usual_dtype(device: torch.device, size: int = 0) -> torch.dtype:
    """Half as wide as float32 on CUDA, and elsewhere for large models where the chip is quick at it."""
    if device.type == "cuda":
        return torch.bfloat16 if kind(device) == "ampere" else torch.float16
    if size < LARGE:
        return torch.float32
    if device.type == "mps":
        return torch.float16  # what SDXL is run in on Apple's chips; not measured here
    return torch.bfloat16 if kind(device) == "cpu with bfloat16" else torch.float32


def kind(device: torch.device) -> str:
    """A profile's name: chips of one kind count alike, others within a tolerance."""
    if device.type == "cuda":  # T4 and older; A10G, L4, H100, H200
        return "ampere" if torch.cuda.get_device_capability(device)[0] >= 8 else "turing"
    if device.type == "mps":
        return "apple"
    return "cpu with bfloat16" if native_bfloat16() else "cpu"


def native_bfloat16() -> bool:
    """Whether the processor multiplies bfloat16 itself, at least twice as fast as float32; else it is far slower."""
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()


def profile(device: torch.device, dtype: torch.dtype) -> Profile:
    name = kind(device)
    return Profile(name, device, dtype, tf32=name == "ampere" and dtype != torch.float32)


def as_dtype(dtype: str | torch.dtype) -> torch.dtype:
    if isinstance(dtype, torch.dtype):
        return dtype
    if dtype not in DTYPES:
        raise BadInput(f"no dtype {dtype!r}; there are {', '.join(DTYPES)}", known=list(DTYPES))
    return DTYPES[dtype]


def card(device: torch.device) -> str:
    """The device by its maker's name, such as "NVIDIA L4"; a processor is just "cpu"."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def free_bytes(device: torch.device) -> int | None:
    """What a card has left for us now, torch's own idle pool included; None where memory is the machine's."""
    if device.type != "cuda":
        return None
    idle = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return torch.cuda.mem_get_info(device)[0] + idle
