"""Where tensors live and in which numbers the networks count.

The loop's latents are float32 everywhere; `dtype` is what a network casts to inside.
"""

import torch

from narcis.errors import BadInput, Unavailable

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def pick(
    device: str | torch.device | None = None, dtype: str | torch.dtype | None = None
) -> tuple[torch.device, torch.dtype]:
    """The device asked for, else the best one here, and the dtype asked for, else the device's usual one."""
    where = torch.device(device or best_device())
    if not usable(where):
        raise Unavailable(
            f"device {str(where)!r} is not on this machine; the best one here is {best_device()!r}", device=str(where)
        )
    return where, usual_dtype(where) if dtype is None else as_dtype(dtype)


def best_device() -> str:
    return next(name for name in ("cuda", "mps", "cpu") if usable(torch.device(name)))


def usable(device: torch.device) -> bool:
    if device.type == "cuda":
        return (device.index or 0) < torch.cuda.device_count()
    return device.type == "cpu" or (device.type == "mps" and torch.backends.mps.is_available())


def usual_dtype(device: torch.device) -> torch.dtype:
    """float32, but half as wide on CUDA: bfloat16 where the chip has it (from Ampere on), else float16."""
    if device.type != "cuda":
        return torch.float32  # on a CPU halves are slower; on Apple's chips nothing has been measured
    return torch.bfloat16 if torch.cuda.get_device_capability(device)[0] >= 8 else torch.float16


def as_dtype(dtype: str | torch.dtype) -> torch.dtype:
    if isinstance(dtype, torch.dtype):
        return dtype
    if dtype not in DTYPES:
        raise BadInput(f"no dtype {dtype!r}; there are {', '.join(DTYPES)}", known=list(DTYPES))
    return DTYPES[dtype]
