"""The frames that latent frames stand for: decoded, levelled where they meet, in a stream."""

from collections.abc import Callable, Iterator

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float, UInt8
from torch import Tensor

from skyloom.autoencoder.model import Autoencoder
from skyloom.deblocking import deblocked, level

LOOP_LEAD = 3
"""Latent frames of a loop's end that are decoded before its start, to be forgotten again."""

Frames = UInt8[np.ndarray, "F H W 3"]
Windows = Iterator[Float[Tensor, "C T H W"]]
"""Clean latents as they come, each latent frame once."""


def frames_of(
    autoencoder: Autoencoder, windows: Windows, chunk: int, first: bool
) -> Iterator[Frames]:
    """Bytes of the frames as they are decoded, `chunk` latent frames at a time.

    Args:
        first: the first latent frame begins a clip and stands for a single frame.
    """
    yield from deblocked(_decoded(autoencoder, windows, chunk, first))


def frames_of_loop(
    latents: Windows, stride: int, decode: Callable[[Windows], Iterator[Frames]]
) -> Iterator[Frames]:
    """The frames of a loop: the decoder sees its end before its start, and its start after.

    Args:
        stride: frames that a latent frame stands for.
        decode: `frames_of` for latents that begin no clip.
    """
    whole = torch.cat(list(latents), dim=1)
    lead = min(LOOP_LEAD, whole.shape[1])
    around = torch.cat([whole[:, -lead:], whole, whole[:, :1]], dim=1)
    skip, left = lead * stride, whole.shape[1] * stride
    for frames in decode(iter([around])):
        shown = frames[skip:][:left]
        skip, left = max(0, skip - len(frames)), left - len(shown)
        yield shown


@torch.inference_mode()
def _decoded(
    autoencoder: Autoencoder, windows: Windows, chunk: int, first: bool
) -> Iterator[Frames]:
    """The frames that each latent frame stands for."""
    stride, alone = autoencoder.stride, 1 if first else 0
    pieces = (piece[None] for window in windows for piece in window.split(chunk, dim=1))
    moved = (piece.to(autoencoder.latent_mean.device) for piece in pieces)
    for pixels in autoencoder.decode_stream(moved, first):
        levels = ((pixels[0].float() + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
        pictures = rearrange(levels, "c f h w -> f h w c").cpu().numpy()
        frames = level(pictures, stride[1])
        if alone:
            yield frames[:alone]
        rest = frames[alone:]
        yield from (rest[at : at + stride[0]] for at in range(0, len(rest), stride[0]))
        alone = 0
