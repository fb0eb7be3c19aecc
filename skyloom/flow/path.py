"""The one convention for noise (rectified flow), written here and used everywhere.

    x_sigma = (1 - sigma) * x + sigma * eps        sigma = 0 clean, sigma = 1 pure noise
    v       = d x_sigma / d sigma = eps - x        what "velocity" means
    x_hat   = x_sigma - sigma * v                  the clean tokens that a velocity implies

Flow Straight and Fast (arXiv 2209.03003), equation 1, with time run from data to noise as in the
Stable Diffusion 3 report (arXiv 2403.03206), equation 13. Every token has its own sigma.
"""

from einops import rearrange
from jaxtyping import Float
from torch import Tensor


def mix(
    clean: Float[Tensor, "N P"], noise: Float[Tensor, "N P"], sigma: Float[Tensor, " N"]
) -> Float[Tensor, "N P"]:
    """Noisy tokens at each token's own sigma."""
    sigma = _column(sigma)
    return (1 - sigma) * clean + sigma * noise


def velocity(clean: Float[Tensor, "N P"], noise: Float[Tensor, "N P"]) -> Float[Tensor, "N P"]:
    """The velocity of the straight path from clean to noise; the same at every sigma."""
    return noise - clean


def clean_from_velocity(
    noisy: Float[Tensor, "N P"], velocity: Float[Tensor, "N P"], sigma: Float[Tensor, " N"]
) -> Float[Tensor, "N P"]:
    """The clean tokens that `velocity` implies at `noisy`."""
    return noisy - _column(sigma) * velocity


def velocity_from_clean(
    noisy: Float[Tensor, "N P"], clean: Float[Tensor, "N P"], sigma: Float[Tensor, " N"]
) -> Float[Tensor, "N P"]:
    """The velocity from believed clean tokens; zero where sigma is 0, where nothing moves."""
    sigma = _column(sigma)
    return (noisy - clean) / sigma.masked_fill(sigma == 0, 1.0) * (sigma > 0)


def _column(sigma: Tensor) -> Tensor:
    return rearrange(sigma, "n -> n 1")
