"""How like two pictures are: PSNR, and SSIM as its authors define it."""

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import UInt8
from torch import Tensor

WINDOW = 11
SIGMA = 1.5
PEAK = 255.0


class Likeness:
    """Sums the likeness of a clip that arrives in pieces.

    PSNR is that of the whole clip's mean squared error; SSIM is the mean over frames and channels.
    """

    def __init__(self) -> None:
        self._squares, self._values = 0.0, 0
        self._ssim, self._frames = 0.0, 0

    def add(self, a: UInt8[np.ndarray, "F H W 3"], b: UInt8[np.ndarray, "F H W 3"]) -> None:
        """Compare further frames."""
        difference = a.astype(np.float32) - b.astype(np.float32)
        self._squares += float(np.square(difference).sum(dtype=np.float64))
        self._values += difference.size
        self._ssim += float(ssim(a, b).sum())
        self._frames += len(a)

    @property
    def psnr(self) -> float:
        """Decibels; 100 for equal clips."""
        return min(psnr(self._squares / self._values), 100.0)

    @property
    def ssim(self) -> float:
        """1 for equal clips."""
        return self._ssim / self._frames


def psnr(squared_error: float) -> float:
    """Peak signal to noise ratio in dB of a mean squared error between bytes."""
    return float(10 * np.log10(PEAK**2 / max(squared_error, 1e-9)))


def ssim(a: UInt8[np.ndarray, "F H W 3"], b: UInt8[np.ndarray, "F H W 3"]) -> np.ndarray:
    """Structural similarity of each frame, the mean over its channels.

    Wang et al. 2004, "Image quality assessment: from error visibility to structural similarity",
    equation 13 with K1 = 0.01, K2 = 0.03 and an 11x11 Gaussian window of deviation 1.5, where the
    whole window lies in the picture.

    Raises:
        ValueError: the pictures are smaller than the window.
    """
    if min(a.shape[1:3]) < WINDOW:
        raise ValueError(f"{a.shape[2]}x{a.shape[1]} is smaller than the {WINDOW}x{WINDOW} window")
    x, y = (
        rearrange(torch.from_numpy(frames), "f h w c -> (f c) 1 h w").double() for frames in (a, b)
    )
    mean_x, mean_y, xx, yy, xy = (_window(values) for values in (x, y, x * x, y * y, x * y))
    variance_x, variance_y, covariance = xx - mean_x**2, yy - mean_y**2, xy - mean_x * mean_y
    c1, c2 = (0.01 * PEAK) ** 2, (0.03 * PEAK) ** 2
    likeness = (2 * mean_x * mean_y + c1) * (2 * covariance + c2)
    likeness /= (mean_x**2 + mean_y**2 + c1) * (variance_x + variance_y + c2)
    return likeness.mean(dim=(1, 2, 3)).unflatten(0, (-1, 3)).mean(dim=1).numpy()


def _window(values: Tensor) -> Tensor:
    """The Gaussian mean around every pixel whose window lies in the picture."""
    steps = torch.arange(WINDOW, dtype=values.dtype) - WINDOW // 2
    weights = torch.exp(-(steps**2) / (2 * SIGMA**2))
    weights = (weights / weights.sum()).view(1, 1, WINDOW, 1)
    return F.conv2d(F.conv2d(values, weights), rearrange(weights, "a b h w -> a b w h"))
