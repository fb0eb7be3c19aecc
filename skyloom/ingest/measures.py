"""What is measured of a shot, from small copies of its frames: plain functions over arrays."""

import numpy as np
from jaxtyping import UInt8

from skyloom.extras import need

MOMENTS = 4
"""Frames, evenly spaced, that a signature and a strip of pictures show."""

CELLS = 8
"""Colours across and down in a signature."""

CHANGED = 8
"""Grey levels that a pixel moves by when it counts as changed: above noise and compression."""


def luma(frames: UInt8[np.ndarray, "... 3"]) -> UInt8[np.ndarray, "..."]:
    """BT.601 luma in whole numbers, the same on every machine."""
    red, green, blue = (frames[..., channel].astype(np.uint32) for channel in range(3))
    return ((77 * red + 150 * green + 29 * blue + 128) >> 8).astype(np.uint8)


def blur(frame: UInt8[np.ndarray, "H W 3"], reach: int = 9) -> float:
    """How blurred a picture is, 0 sharp to 1: what is left of its gradients after a second blur.

    Crété et al., "The blur effect: perception and estimation with a new no-reference perceptual
    blur metric", 2007. A picture that is sharp loses most of its gradients to a box of `reach`
    pixels, one that was blurred before has little to lose. A flat picture counts as sharp.
    """
    cv2 = need("cv2", extra="ingest")
    grey = luma(frame).astype(np.float32)
    found = 0.0
    for axis, box in ((0, (1, reach)), (1, (reach, 1))):
        sharp = np.abs(np.diff(grey, axis=axis))
        again = np.abs(np.diff(cv2.blur(grey, box), axis=axis))
        whole = float(sharp.sum(dtype=np.float64))
        lost = float(np.maximum(sharp - again, 0).sum(dtype=np.float64))
        found = max(found, (whole - lost) / whole if whole else 0.0)
    return found


def motion(frames: UInt8[np.ndarray, "F H W 3"], fps: float) -> float:
    """Share of the picture that changes in a quarter of a second, the mean over the shot."""
    step = max(1, round(fps / 4))
    grey = luma(frames[::step]).astype(np.int16)
    if len(grey) < 2:
        return 0.0
    return float((np.abs(np.diff(grey, axis=0)) > CHANGED).mean())


def spread(frames: UInt8[np.ndarray, "F H W 3"]) -> float:
    """Standard deviation of the luma within a frame, the mean over the moments."""
    return float(np.mean([luma(frame).std() for frame in moments(frames)]))


def moments(frames: UInt8[np.ndarray, "F H W 3"]) -> UInt8[np.ndarray, "4 H W 3"]:
    """The frames in the middle of each quarter of the shot."""
    return frames[((np.arange(MOMENTS) + 0.5) / MOMENTS * len(frames)).astype(int)]


def signature(frames: UInt8[np.ndarray, "F H W 3"]) -> UInt8[np.ndarray, "768"]:
    """Colours of 8x8 cells at four moments: near-duplicates have nearly the same."""
    from PIL import Image

    cells = [
        np.asarray(Image.fromarray(frame).resize((CELLS, CELLS), Image.Resampling.BOX))
        for frame in moments(frames)
    ]
    return np.stack(cells).ravel()
