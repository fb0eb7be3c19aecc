"""Functions that return sigmas: the steps of a solver, and the draws of training."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

BASE_TOKENS = 6
"""Tokens of a clip at which no shift is applied."""


def shift_of(tokens: int) -> float:
    """How far sigmas move towards noise for a clip of `tokens` tokens.

    Averaging over m times as many tokens hides sqrt(m) times as much noise, so that the same
    uncertainty needs the sigma alpha * s / (1 + (alpha - 1) * s) with alpha = sqrt(m): equation 23
    of the Stable Diffusion 3 report (arXiv 2403.03206).
    """
    return max(1.0, math.sqrt(tokens / BASE_TOKENS))


def shifted(sigma: Float[Tensor, "..."], shift: float) -> Float[Tensor, "..."]:
    """Equation 23 above: 0 stays 0, 1 stays 1, what lies between moves up when shift > 1."""
    return shift * sigma / (1 + (shift - 1) * sigma)


def steps(count: int, shift: float = 1.0) -> Float[Tensor, " K"]:
    """`count` + 1 sigmas from 1 down to 0 for a solver.

    Raises:
        ValueError: count < 1.
    """
    if count < 1:
        raise ValueError(f"a solver needs at least 1 step, not {count}")
    return shifted(torch.linspace(1, 0, count + 1, dtype=torch.float64), shift).float()


def refining(start: float, count: int, shift: float = 1.0) -> Float[Tensor, " K"]:
    """`count` + 1 sigmas from `start` down to 0, spaced as `steps` spaces them below it.

    Raises:
        ValueError: count < 1, or start is not above 0 and at most 1.
    """
    if count < 1 or not 0 < start <= 1:
        raise ValueError(f"no schedule of {count} steps begins at sigma {start}")
    before = start / (shift - (shift - 1) * start)  # what `shifted` moves to `start`
    return shifted(torch.linspace(before, 0, count + 1, dtype=torch.float64), shift).float()


def logit_normal(
    count: int, shift: float, generator: torch.Generator, mean: float = 0.0, std: float = 1.0
) -> Float[Tensor, " N"]:
    """Sigmas of training: sigmoid of a normal (section 3.1 of the report), then shifted.

    One in ten is uniform instead, so that the ends, which a logit-normal never visits, are learnt.
    """
    normal = torch.sigmoid(mean + std * torch.randn(count, generator=generator))
    uniform = torch.rand(count, generator=generator)
    pick = torch.rand(count, generator=generator) < 0.1
    return torch.where(pick, uniform, shifted(normal, shift))
