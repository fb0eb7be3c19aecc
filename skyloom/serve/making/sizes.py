"""The size at which the model works, and the one that is delivered."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from skyloom.fitting import SMALLEST_SIDE, seen_size
from skyloom.framing import NATIVE_AREA, cover, native_size
from skyloom.limits import LARGEST_SIDE
from skyloom.pipeline import Skyloom
from skyloom.request import Request
from skyloom.serve.order import Order
from skyloom.tiles import AT_ONCE

Frames = UInt8[np.ndarray, "F H W 3"]
Size = tuple[int, int]
"""(width, height)."""


def delivered_size(order: Order, skyloom: Skyloom, inputs: Mapping[str, Path]) -> Size:
    """The size asked for; else the given clip's own; else what the model likes for a picture."""
    if order.size is not None:
        return order.size
    if "video" in inputs:
        width, height = seen_size(inputs["video"])
        shrink = min(1.0, LARGEST_SIDE / max(width, height))
        return max(SMALLEST_SIDE, round(width * shrink)), max(SMALLEST_SIDE, round(height * shrink))
    if "picture" in inputs:
        return native_size(*seen_size(inputs["picture"]), _multiple(skyloom))
    return Request.size


def made_size(size: Size, skyloom: Skyloom, grown: bool) -> Size:
    """The size at which the model makes what is delivered at `size`: that itself where it can,
    else the one of the nearest aspect that it has learned from.

    Args:
        grown: whether it may be an image that is grown in tiles, which has any size.
    """
    multiple = _multiple(skyloom)
    on_grid = all(side % multiple == 0 for side in size)
    if on_grid and (grown or size[0] * size[1] <= AT_ONCE):
        return size
    if grown and size[0] * size[1] > NATIVE_AREA:
        width, height = (min(LARGEST_SIDE, -(-side // multiple) * multiple) for side in size)
        return width, height
    return native_size(*size, multiple)


def scaled_to(frames: Frames, size: Size) -> UInt8[np.ndarray, "F h w 3"]:
    """Frames scaled to cover a size and cut around the middle, in memory of their own."""
    if (frames.shape[2], frames.shape[1]) == size:
        return frames.copy()
    return np.stack([cover(frame, size) for frame in frames])


def scaling(made: Size, size: Size) -> list[str]:
    """The note on what was done, if anything was."""
    if made == size:
        return []
    return [f"made at {made[0]}x{made[1]} and scaled to {size[0]}x{size[1]}"]


def _multiple(skyloom: Skyloom) -> int:
    """Pixels that both sides of a frame are multiples of."""
    _, down, across = skyloom.transformer.config.patch
    return skyloom.autoencoder.stride[1] * max(down, across)
