"""Older paths from data to noise, behind the interface of the rectified one.

The Stable Diffusion 3 report (arXiv 2403.03206, section 2) compares rectified flow with the
variance-preserving paths below. A path  z = a(t) * x + b(t) * eps  differs from the rectified one
only by a factor and a change of clock: z / (a + b) is the rectified x_sigma at
sigma = b / (a + b). So each of them is an adapter: it rescales what the network would see and
says what the output means; solvers, guidance and conditions never learn of it.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from einops import rearrange, reduce
from jaxtyping import Float
from torch import Tensor

from skyloom.flow.schedule import shifted


@dataclass(frozen=True)
class VariancePreservingPath:
    """Coefficients a(t), b(t) with a^2 + b^2 = 1, t in [0, 1] from data to noise."""

    name: str
    ratio: Callable[[Tensor], Tensor]
    """b(t) / a(t), rising."""

    def sigma(self, t: Float[Tensor, " N"]) -> Float[Tensor, " N"]:
        """The rectified sigma at which this path is at time t: b / (a + b)."""
        ratio = self.ratio(t)
        return ratio / (1 + ratio)

    def draw(self, count: int, generator: torch.Generator) -> Float[Tensor, " N"]:
        """Sigmas of training: uniform in this path's own time."""
        return self.sigma(torch.rand(count, generator=generator).clamp(1e-4, 1 - 1e-4))


def _cosine(t: Tensor) -> Tensor:
    """a = cos(pi t / 2), b = sin(pi t / 2) (arXiv 2102.09672)."""
    return torch.tan(math.pi / 2 * t)


def _linear(t: Tensor) -> Tensor:
    """The discrete linear-beta schedule of DDPM in continuous time (arXiv 2006.11239)."""
    log_signal = -0.25 * t.square() * (20.0 - 0.1) - 0.5 * t * 0.1
    return torch.sqrt(torch.expm1(-2 * log_signal))


def _edm(t: Tensor) -> Tensor:
    """b / a is log-normal with mean -1.2 and deviation 1.2 over uniform t (arXiv 2206.00364)."""
    return torch.exp(-1.2 + 1.2 * torch.special.ndtri(t))


ALTERNATIVES = {
    path.name: path
    for path in (
        VariancePreservingPath("cosine", _cosine),
        VariancePreservingPath("linear", _linear),
        VariancePreservingPath("edm", _edm),
    )
}


@dataclass(frozen=True)
class VariancePreservingPrediction:
    """The output is v = a * eps - b * x (arXiv 2202.00512), the loss its squared error."""

    path: VariancePreservingPath

    def clean(
        self,
        output: Float[Tensor, "N P"],
        noisy: Float[Tensor, "N P"],
        sigma: Float[Tensor, " N"],
    ) -> Float[Tensor, "N P"]:
        a, b = _coefficients(sigma)
        return a * (noisy * (a + b)) - b * output

    def loss(
        self,
        output: Float[Tensor, "N P"],
        clean: Float[Tensor, "N P"],
        noise: Float[Tensor, "N P"],
        sigma: Float[Tensor, " N"],
    ) -> Float[Tensor, " N"]:
        a, b = _coefficients(sigma)
        return reduce((output - (a * noise - b * clean)).square(), "n p -> n", "mean")

    def draw(self, count: int, shift: float, generator: torch.Generator) -> Float[Tensor, " N"]:
        return shifted(self.path.draw(count, generator), shift)


def _coefficients(sigma: Tensor) -> tuple[Tensor, Tensor]:
    """a and b of the variance-preserving point whose rectified sigma is `sigma`."""
    column = rearrange(sigma, "n -> n 1")
    norm = torch.sqrt((1 - column).square() + column.square())
    return (1 - column) / norm, column / norm
