"""Classifier-free guidance: one denoiser from two (arXiv 2207.12598)."""

from collections.abc import Callable

from einops import rearrange
from jaxtyping import Float
from torch import Tensor

from skyloom.flow.solver import Denoise

DenoiseBoth = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
"""(x "N P", sigma "N") to the clean tokens believed in with the prompt, and without it."""


def guided(
    both: DenoiseBoth, scale: float, rescale: float, groups: Float[Tensor, "N B"]
) -> Denoise:
    """A denoiser that goes `scale` times as far as the prompt's difference.

    Args:
        both: denoises with the prompt and without it, in one pass.
        scale: 1 is no guidance.
        rescale: 0..1, how far the result's standard deviation is pulled back to that of the
            prompted estimate (arXiv 2305.08891, equation 15); it keeps high scales from burning
            colours out.
        groups: one-hot rows that say to which clip each token belongs, for that deviation.
    """

    def denoise(x: Float[Tensor, "N P"], sigma: Float[Tensor, " N"]) -> Float[Tensor, "N P"]:
        with_prompt, without = both(x, sigma)
        result = without + scale * (with_prompt - without)
        if rescale:
            ratio = _deviation(with_prompt, groups) / _deviation(result, groups).clamp(min=1e-6)
            per_token = rearrange(groups @ ratio, "n -> n 1")
            result = result * (rescale * per_token + 1 - rescale)
        return result

    return denoise


def _deviation(x: Float[Tensor, "N P"], groups: Float[Tensor, "N B"]) -> Float[Tensor, " B"]:
    """Standard deviation of the tokens of each clip."""
    count = groups.sum(dim=0) * x.shape[1]
    mean = (groups.T @ x).sum(dim=1) / count
    square = (groups.T @ x.square()).sum(dim=1) / count
    return (square - mean.square()).clamp(min=0).sqrt()
