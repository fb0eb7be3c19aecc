"""Noise that belongs to a clip: drawn from the clip's own seed, whatever else is in its batch."""

import torch
from jaxtyping import Float
from torch import Tensor


def latent_noise(
    seed: int, shape: tuple[int, int, int, int], first: int = 0
) -> Float[Tensor, "C T H W"]:
    """Standard normal noise of latents, in fp32 on the CPU, so that no device changes it.

    Each latent frame draws from (seed, its index): a longer clip of the same seed starts with the
    noise of the shorter one. `first` is the index of the first frame, of a window on a clip.
    """
    channels, frames, height, width = shape
    drawn = []
    for frame in range(first, first + frames):
        generator = torch.Generator().manual_seed(_mixed(seed, frame))
        drawn.append(torch.randn(channels, height, width, generator=generator))
    return torch.stack(drawn, dim=1)


def _mixed(seed: int, frame: int) -> int:
    """One 63-bit seed from two numbers (SplitMix64's finaliser), so that neighbours differ."""
    z = (seed * 0x9E3779B97F4A7C15 + frame * 0xBF58476D1CE4E5B9 + 0x94D049BB133111EB) % 2**64
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) % 2**64
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) % 2**64
    return (z ^ (z >> 31)) >> 1
