"""VideoSeal (Fernandez et al., arXiv 2412.09492) in the place of our own watermark.

A trained network hides 256 bits in every frame. Its weights are not here: who has the TorchScript
file that its makers publish, y_256b_img.jit, names it. TorchScript is code of its own that PyTorch
runs, without Python's pickle; still, load only what you trust.

The bits are the payload's code bits, then bits that depend on the key alone; all are hidden by the
key. The latter say whether the mark is there: without it, each agrees with a toss of a coin.
"""

import hashlib
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from einops import rearrange, repeat
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from skyloom.errors import UserError
from skyloom.trust.marks.coding import CODE_BITS, decode, encode
from skyloom.trust.marks.finding import LIKELY, Found

BITS = 256
"""Of a message; those of the published model."""

TOGETHER = 8
"""Frames that go through the network at once."""

MOST_FRAMES = 240
"""How much of a clip is looked at."""

Frames = UInt8[np.ndarray, "_F H W 3"]


@dataclass(frozen=True, eq=False)
class VideoSeal:
    """A loaded checkpoint.

    Attributes:
        network: has `embed(pixels, message)` and `detect(pixels)`, pixels in 0..1, the first
            channel of what is detected being no bit.
    """

    network: Any

    @classmethod
    def load(cls, path: Path) -> "VideoSeal":
        """Load a TorchScript file.

        Raises:
            UserError: it is missing, no TorchScript, or not of this model.
        """
        try:
            network = torch.jit.load(path, map_location="cpu").eval()
        except (RuntimeError, ValueError, OSError) as error:
            raise UserError(
                f"'{path}' is no TorchScript file: VideoSeal's is called y_256b_img.jit, and "
                "pickled checkpoints are not read."
            ) from error
        if not (hasattr(network, "embed") and hasattr(network, "detect")):
            raise UserError(f"'{path}' is another model: VideoSeal's has embed and detect.")
        return cls(network)

    def marked(self, pieces: Iterable[Frames], key: bytes, payload: int) -> Iterator[Frames]:
        """Frames with the mark in them, piece by piece as they come."""
        bits = np.concatenate([encode(payload) > 0, np.ones(BITS - CODE_BITS, dtype=bool)])
        message = torch.from_numpy(bits ^ _hidden(key)).float()
        for piece in pieces:
            yield np.concatenate([self._embedded(some, message) for some in _few(piece)])

    @torch.inference_mode()
    def _embedded(self, frames: Frames, message: Float[Tensor, "m"]) -> Frames:
        messages = repeat(message, "m -> b m", b=len(frames))
        pixels = self.network.embed(_pixels(frames), messages)
        levels = (pixels * 255).round().clamp(0, 255).to(torch.uint8)
        return rearrange(levels, "f c h w -> f h w c").numpy()

    @torch.inference_mode()
    def find(self, pieces: Iterable[Frames], key: bytes) -> Found:
        """Look for the mark of a key; the p-value is exact, a binomial's.

        Raises:
            ValueError: there is no frame.
        """
        total, count = torch.zeros(BITS), 0
        for some in (some for piece in pieces for some in _few(piece)):
            if count >= MOST_FRAMES:
                break
            total += self.network.detect(_pixels(some))[:, 1 : 1 + BITS].sum(dim=0)
            count += len(some)
        if not count:
            raise ValueError("a clip without frames cannot be looked at")
        soft = total.double().numpy() / count * np.where(_hidden(key), -1.0, 1.0)
        told = BITS - CODE_BITS
        agree = int((soft[CODE_BITS:] > 0).sum())
        p_value = sum(math.comb(told, n) for n in range(agree, told + 1)) / 2**told
        payload = decode(soft[:CODE_BITS]) if p_value < LIKELY else None
        score = (2 * agree - told) / math.sqrt(told)
        return Found(p_value, score, payload, cropped=False)


def _hidden(key: bytes) -> Bool[np.ndarray, "m"]:
    """Bits that are turned around: whoever lacks the key sees chance."""
    stream = hashlib.shake_256(b"skyloom videoseal 1\0" + key).digest(BITS // 8)
    return np.unpackbits(np.frombuffer(stream, np.uint8)).astype(bool)


def _few(piece: Frames) -> Iterator[Frames]:
    for start in range(0, len(piece), TOGETHER):
        yield piece[start : start + TOGETHER]


def _pixels(frames: Frames) -> Float[Tensor, "F 3 H W"]:
    return rearrange(torch.from_numpy(frames).float() / 255, "f h w c -> f c h w")
