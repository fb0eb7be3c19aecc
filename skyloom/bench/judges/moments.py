"""Clips as judges see them: a few moments, at a common scale."""

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float, UInt8
from torch import Tensor

from skyloom.video import Video

RATE = 3.0
"""Moments a second."""
AREA = 128 * 128
"""Pixels of a picture, about."""
STEP = 16
"""What the sides are multiples of."""

Frames = UInt8[np.ndarray, "F H W 3"]


def moments(frames: int, fps: float, most: int) -> list[int]:
    """Which frames of a clip are looked at: three a second from the first on, `most` in all."""
    times = [round(number * fps / RATE) for number in range(most)]
    return sorted({index for index in times if index < frames})


def seen_size(size: tuple[int, int]) -> tuple[int, int]:
    """The (width, height) at which a clip of `size` is looked at."""
    scale = (AREA / (size[0] * size[1])) ** 0.5
    width, height = (max(round(side * scale / STEP), 1) * STEP for side in size)
    return width, height


def chosen(video: Video, most: int) -> Frames:
    """The frames that are looked at, as they are in the clip."""
    return video.frames[moments(len(video.frames), video.fps, most)]


def to_scale(frames: Frames) -> Float[Tensor, "F 3 h w"]:
    """Bytes to pixels in [-1, 1] at the judges' scale."""
    height, width = frames.shape[1:3]
    pixels = rearrange(torch.from_numpy(frames), "f h w c -> f c h w").float() / 127.5 - 1
    wide, tall = seen_size((width, height))
    if (wide, tall) == (width, height):
        return pixels
    return F.interpolate(pixels, (tall, wide), mode="bilinear", antialias=True)
