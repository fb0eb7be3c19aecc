"""Classifier-free guidance: one clean estimate from two (arXiv 2207.12598)."""

from jaxtyping import Float
from torch import Tensor


def guided(
    with_prompt: Float[Tensor, "N P"], without: Float[Tensor, "N P"], scale: float, rescale: float
) -> Float[Tensor, "N P"]:
    """The tokens of one clip, `scale` times as far as the prompt's difference.

    Args:
        with_prompt, without: the clean tokens believed in with the prompt, and without it.
        scale: 1 is no guidance.
        rescale: 0..1, how far the result's standard deviation is pulled back to that of the
            prompted estimate (arXiv 2305.08891, equation 15); it keeps high scales from burning
            colours out.
    """
    result = without + scale * (with_prompt - without)
    if rescale:
        deviation = result.std(correction=0).clamp(min=1e-6)
        ratio = with_prompt.std(correction=0) / deviation
        result = result * (rescale * ratio + 1 - rescale)
    return result
