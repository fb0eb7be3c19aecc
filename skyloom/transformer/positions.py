"""Where a token is: three-axis rotary positions inside attention, Fourier features at the entrance.

Rotary positions (arXiv 2104.09864) tell two tokens how far apart they are in t, y and x. Alone
they cannot tell a token that it lies on the ground and not in the sky, so its place is also
written into it once, as sines and cosines.
"""

import math

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor

ROTARY_BASE = 100.0
FOURIER_PERIODS = (2.0, 4.0, 8.0, 16.0, 32.0)


def rotary_angles(coordinates: Float[Tensor, "N 3"], head_width: int) -> Float[Tensor, "N pairs"]:
    """Angles of the head_width / 2 pairs of channels of a head.

    A quarter of the pairs turns with t, the rest half with y and half with x.
    """
    pairs = head_width // 2
    time = pairs // 4
    rows = (pairs - time) // 2
    parts = []
    for axis, count in enumerate((time, rows, pairs - time - rows)):
        exponents = torch.arange(count, device=coordinates.device, dtype=torch.float32) / count
        parts.append(coordinates[:, axis, None] * ROTARY_BASE**-exponents)
    return torch.cat(parts, dim=1)


def rotate(
    x: Float[Tensor, "N *heads head"], cos: Float[Tensor, "N pairs"], sin: Float[Tensor, "N pairs"]
) -> Float[Tensor, "N *heads head"]:
    """Turn each pair (x[i], x[i + pairs]) of every head by its angle."""
    first, second = x.chunk(2, dim=-1)
    shape = (len(x), *[1] * (x.ndim - 2), -1)
    cos, sin = cos.to(x.dtype).view(shape), sin.to(x.dtype).view(shape)
    return torch.cat([first * cos - second * sin, first * sin + second * cos], dim=-1)


def fourier_places(coordinates: Float[Tensor, "N 3"]) -> Float[Tensor, "N features"]:
    """Sines and cosines of t, y and x at fixed periods, 30 in all."""
    periods = torch.tensor(FOURIER_PERIODS, device=coordinates.device)
    angles = rearrange(2 * math.pi * coordinates[..., None] / periods, "n a k -> n (a k)")
    return torch.cat([angles.sin(), angles.cos()], dim=1)


def fourier_sigma(sigma: Float[Tensor, " N"], count: int = 128) -> Float[Tensor, "N features"]:
    """Sines and cosines of sigma over frequencies from 1 to 1000, `count` in all."""
    frequencies = torch.exp(
        torch.linspace(0, math.log(1000.0), count // 2, device=sigma.device, dtype=torch.float32)
    )
    angles = sigma[:, None].float() * frequencies
    return torch.cat([angles.sin(), angles.cos()], dim=1)
