"""Which device a run uses, and in which precision its network runs there."""

import torch

from skyloom.errors import UserError


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
    """bf16, which the matrix units of GPUs and of recent CPUs are built for."""
    return torch.bfloat16
