"""From one latent frame to the next: the step between them is levelled where nothing moves.

Every latent frame but the first holds several frames of the clip, coded by itself. What the code
cannot hold differs from one to the next, and a wall that stands still changes with each of them:
the picture pulses. As deblocking filters do between the blocks of a picture (ITU-T H.264, 8.7), the
step is taken half from each side, and fades out towards the middle of each.
"""

from collections.abc import Iterator

import numpy as np
from jaxtyping import UInt8

from skyloom.settling import stillness

Frames = UInt8[np.ndarray, "_F H W 3"]


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
    """Two neighbours, the end of the first and the start of the second levelled."""
    left, right = first.astype(np.float32), second.astype(np.float32)
    still = stillness(
        left[-2] if len(left) > 1 else None,
        left[-1],
        right[0],
        right[1] if len(right) > 1 else None,
    )
    step = still * (right[0] - left[-1])
    half = max(1, len(right) // 2)
    for distance in range(half):
        share = (1 - (distance + 0.5) / half) / 2
        if distance < len(left):
            left[-1 - distance] += share * step
        if distance < len(right):
            right[distance] -= share * step
    return _bytes(left), _bytes(right)


def _bytes(levels: np.ndarray) -> Frames:
    return np.clip(np.rint(levels), 0, 255).astype(np.uint8)
