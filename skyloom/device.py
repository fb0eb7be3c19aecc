"""Which device is used, and in which precision networks run there."""

from pathlib import Path

import torch

from skyloom.errors import UserError

BF16_CPU = frozenset({"avx512_bf16", "amx_bf16"})
"""Features of x86 processors that multiply bf16 in hardware, as PyTorch and Linux name them."""


def pick_device(name: str) -> torch.device:
    """ "auto" is CUDA where there is one, else the CPU.

    Raises:
        UserError: a device was named that is not there.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        torch.empty(1, device=name)
    except (RuntimeError, AssertionError) as error:
        raise UserError(f"There is no device '{name}' here: 'cpu' or 'auto' works.") from error
    return torch.device(name)


def pick_dtype(device: torch.device) -> torch.dtype:
    """bf16 on CUDA and on CPUs that are built for it, fp32 elsewhere.

    A CPU without the instructions converts to fp32 and back at every operation, which is slower
    than fp32 itself.
    """
    if device.type == "cuda" or (device.type == "cpu" and BF16_CPU & cpu_features()):
        return torch.bfloat16
    return torch.float32


def cpu_features() -> frozenset[str]:
    """What this processor can do; nothing where neither PyTorch nor Linux says."""
    if hasattr(torch.cpu, "get_capabilities"):  # newer than the oldest PyTorch that we take
        known = torch.cpu.get_capabilities()
        return frozenset(name for name, value in known.items() if value is True)
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return frozenset()
    flags = next((line for line in lines if line.startswith("flags")), "")
    return frozenset(flags.partition(":")[2].split())
