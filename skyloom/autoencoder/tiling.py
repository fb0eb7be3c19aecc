"""One large frame through the autoencoder in pieces, each with what it depends on around it.

Convolutions see only so far. A piece that takes its surroundings along comes out as it would
within the whole: there is nothing to blend, no seam, and memory is that of a piece.
"""

from collections.abc import Iterator
from itertools import product
from math import ceil, prod

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float, UInt8

from skyloom.autoencoder.config import AutoencoderConfig
from skyloom.autoencoder.model import Autoencoder
from skyloom.data.prepare import to_pixels

SIDE = 32
"""Latents along a side of a piece, without its surroundings."""

Frames = UInt8[np.ndarray, "F H W 3"]
Place = tuple[slice, slice]


@torch.inference_mode()
def encoded(
    autoencoder: Autoencoder, picture: Frames, side: int = SIDE
) -> Float[torch.Tensor, "C 1 h w"]:
    """Latents of one frame, in pieces; the same as in one piece."""
    stride = autoencoder.config.space_stride
    height, width = (length // stride for length in picture.shape[1:3])
    weight = autoencoder.latent_mean
    latents = torch.zeros(autoencoder.config.channels, 1, height, width)
    for outer, inner, kept in _blocks(height, width, side, encoder_reach(autoencoder.config)):
        rows, columns = (slice(part.start * stride, part.stop * stride) for part in outer)
        pixels = to_pixels(picture[:, rows, columns])[None].to(weight.device, weight.dtype)
        made = autoencoder.encode(pixels)[0]
        latents[:, :, inner[0], inner[1]] = made[:, :, kept[0], kept[1]].float().cpu()
    return latents


@torch.inference_mode()
def decoded(
    autoencoder: Autoencoder, latents: Float[torch.Tensor, "C 1 h w"], side: int = SIDE
) -> Frames:
    """The frame of one latent frame, in pieces; the same as in one piece."""
    stride = autoencoder.config.space_stride
    height, width = latents.shape[2:]
    picture = np.zeros((1, height * stride, width * stride, 3), np.uint8)
    device = autoencoder.latent_mean.device
    for outer, inner, kept in _blocks(height, width, side, decoder_reach(autoencoder.config)):
        piece = latents[None, :, :, outer[0], outer[1]].to(device)
        pixels = autoencoder.decode(piece)[0].float()
        levels = ((pixels + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
        made = rearrange(levels, "c f h w -> f h w c").cpu().numpy()
        (top, left), (rows, columns) = (
            [slice(part.start * stride, part.stop * stride) for part in parts]
            for parts in (inner, kept)
        )
        picture[:, top, left] = made[:, rows, columns]
    return picture


def piece_size(config: AutoencoderConfig, size: tuple[int, int]) -> tuple[int, int]:
    """(width, height) in pixels of the largest piece of a frame of `size` that is decoded."""
    most = (SIDE + 2 * decoder_reach(config)) * config.space_stride
    return min(size[0], most), min(size[1], most)


def decoder_reach(config: AutoencoderConfig) -> int:
    """Latents to each side that a pixel depends on: every 3x3 convolution sees one place more."""
    places = 1 + _block_reach(config, config.decoder_depths) + 2 / _finer(config, 0)
    return ceil(places)


def encoder_reach(config: AutoencoderConfig) -> int:
    """Latents to each side whose pixels a latent depends on."""
    if not config.encoder_depths:
        return 0
    places = 1 / _finer(config, 0) + _block_reach(config, config.encoder_depths)
    return ceil(places)


def _block_reach(config: AutoencoderConfig, depths: tuple[int, ...]) -> float:
    return sum(2 * depth / _finer(config, level) for level, depth in enumerate(depths))


def _finer(config: AutoencoderConfig, level: int) -> int:
    """Places of a level along the side of one latent."""
    return prod(space for _, space in config.strides[level:])


def _blocks(height: int, width: int, side: int, reach: int) -> Iterator[tuple[Place, Place, Place]]:
    """Pieces of a grid: what goes in, what comes out of it, and where that is in what went in."""
    for corner in product(range(0, height, side), range(0, width, side)):
        outer, inner, kept = [], [], []
        for start, length in zip(corner, (height, width), strict=True):
            stop = min(start + side, length)
            begin, end = max(0, start - reach), min(length, stop + reach)
            outer.append(slice(begin, end))
            inner.append(slice(start, stop))
            kept.append(slice(start - begin, stop - begin))
        yield (outer[0], outer[1]), (inner[0], inner[1]), (kept[0], kept[1])
