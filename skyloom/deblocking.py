"""Where latents meet, in the picture and in time: steps that the code made are levelled.

Every latent stands for a block of pixels and frames. What the code cannot hold, and what the
transformer did not know, differs from one to the next: a sky shows squares, and a wall pulses. As
deblocking filters do between the blocks of a picture (ITU-T H.264, 8.7), the step is taken half
from each side, and fades out towards the middle of each; a step that is large, or lies in the midst
of others, is what the picture shows, and stays.
"""

from collections.abc import Iterator

import numpy as np
from einops import rearrange
from jaxtyping import Float32, UInt8
from numpy.lib.stride_tricks import sliding_window_view

from skyloom.settling import pulse, stillness

Frames = UInt8[np.ndarray, "_F H W 3"]
Levels = Float32[np.ndarray, "_F _A _B 3"]

REACH = 5
"""Pixels on each side of a line over which its step fades out."""
ALONG = 3
"""Pixels to both sides along a line that are averaged: texture is no step."""
SURE, NEVER = 24.0, 60.0
"""Levels of 255: a step is taken away whole up to one, less and less up to the other."""
BUSY = 40.0
"""Levels between neighbouring pixels beside a line, from which on less is taken away."""


def level(frames: Frames, stride: int) -> Frames:
    """The frames without the steps at the lines between latents.

    Args:
        stride: pixels of the sides of the block that a latent stands for; H and W are multiples.
    """
    levels = frames.astype(np.float32)
    _level_lines(levels, stride)
    turned = np.ascontiguousarray(rearrange(levels, "f h w c -> f w h c"))
    _level_lines(turned, stride)
    return _bytes(rearrange(turned, "f w h c -> f h w c"))


def _level_lines(levels: Levels, stride: int) -> None:
    """Level, in place, the steps over the lines every `stride` along the third axis."""
    reach = min(REACH, stride // 2)
    for line in range(stride, levels.shape[2] - 1, stride):
        before, last, first, after = (levels[:, :, line + side] for side in (-2, -1, 0, 1))
        slopes = np.stack([last - before, after - first])
        step = _averaged(first - last - slopes.mean(axis=0), stride)
        size, busy = (np.abs(each).max(axis=-1, keepdims=True) for each in (step, slopes))
        step *= np.clip((NEVER - size) / (NEVER - SURE), 0, 1)
        step *= np.clip(2 - busy.max(axis=0) / BUSY, 0, 1)
        for distance, share in enumerate(_shares(reach)):
            levels[:, :, line - 1 - distance] += share * step
            levels[:, :, line + distance] -= share * step


def _averaged(step: Float32[np.ndarray, "_F _A 3"], stride: int) -> np.ndarray:
    """The mean along a line, of each latent's own part of it."""
    parts = rearrange(step, "f (latents a) c -> f latents a c", a=stride)
    padded = np.pad(parts, ((0, 0), (0, 0), (ALONG, ALONG), (0, 0)), mode="edge")
    means = sliding_window_view(padded, 2 * ALONG + 1, axis=2).mean(axis=-1)
    return rearrange(means, "f latents a c -> f (latents a) c")


def deblocked(latent_frames: Iterator[Frames]) -> Iterator[Frames]:
    """The same frames, levelled where latent frames meet, as soon as nothing more can change them.

    Args:
        latent_frames: the frames of one latent frame after the other.
    """
    held: Frames | None = None
    for frames in latent_frames:
        if held is None:
            held = frames
            continue
        done, held = _met(held, frames)
        yield done
    if held is not None:
        yield held


def _met(first: Frames, second: Frames) -> tuple[Frames, Frames]:
    """Two neighbours, the end of the first and the start of the second levelled.

    Where nothing moves all of the step goes, elsewhere what of it is coarser than things that move.
    """
    left, right = first.astype(np.float32), second.astype(np.float32)
    behind = left[-2] if len(left) > 1 else None  # views: they change with what is levelled
    ahead = right[1] if len(right) > 1 else None
    still = stillness(behind, left[-1], right[0], ahead)
    _take(still * (right[0] - left[-1]), left, right)
    _take(pulse(behind, left[-1], right[0], ahead), left, right)
    return _bytes(left), _bytes(right)


def _take(step: Float32[np.ndarray, "H W 3"], left: Levels, right: Levels) -> None:
    """Take a step away, in place, half from each side of it."""
    for distance, share in enumerate(_shares(max(1, len(right) // 2))):
        if distance < len(left):
            left[-1 - distance] += share * step
        if distance < len(right):
            right[distance] -= share * step


def _shares(reach: int) -> list[float]:
    """How much of a step each side takes, from where they meet on: half, and less and less."""
    return [(1 - (distance + 0.5) / reach) / 2 for distance in range(reach)]


def _bytes(levels: np.ndarray) -> Frames:
    return np.clip(np.rint(levels), 0, 255).astype(np.uint8)
