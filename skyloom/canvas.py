"""The frames of a clip that is to be made, as far as they are given; to latents and back.

A latent frame stands for several frames, of which some may be given and others not. It is then
held less firmly: by the root of the share that is given. What is given firmly is put back, byte
for byte, into the frames that come out.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from einops import rearrange, reduce
from jaxtyping import Float, Float32, UInt8
from torch import Tensor

from skyloom.autoencoder.model import Autoencoder
from skyloom.condition import Condition, Given
from skyloom.data.prepare import to_pixels
from skyloom.errors import UserError
from skyloom.settling import settled


@dataclass(frozen=True)
class Canvas:
    """Frames `first` ... of a clip, as far as they are given.

    Attributes:
        frames: what is given; black where nothing is.
        strength: how firmly each pixel is given, 0 where nothing is.
        first: the clip's frame at which the canvas begins.
    """

    frames: UInt8[np.ndarray, "F H W 3"]
    strength: Float32[np.ndarray, "F H W"]
    first: int = 0

    @classmethod
    def of(
        cls,
        conditions: Sequence[Condition],
        total: int,
        size: tuple[int, int],
        span: slice,
        asked: int | None = None,
    ) -> "Canvas":
        """What conditions on a clip of `total` frames give in the frames of `span`.

        Where several speak of one pixel, the last one counts.

        Args:
            asked: frames of the clip that will be shown, all unless told; the rest fill its last
                latent frame, and a condition's negative `at` does not count them.

        Raises:
            UserError: a condition is of another size, or begins outside of the clip.
        """
        width, height = size
        first, stop, _ = span.indices(total)
        canvas = cls(
            np.zeros((stop - first, height, width, 3), np.uint8),
            np.zeros((stop - first, height, width), np.float32),
            first,
        )
        for condition in conditions:
            canvas._lay(condition, total if asked is None else asked)
        return canvas

    def _lay(self, condition: Condition, total: int) -> None:
        frames = condition.video.frames
        if frames.shape[1:3] != self.frames.shape[1:3]:
            raise UserError(
                f"What is given is {frames.shape[2]}x{frames.shape[1]} and the clip is "
                f"{self.frames.shape[2]}x{self.frames.shape[1]}: scale one of them."
            )
        at = condition.at + total if condition.at < 0 else condition.at
        if not 0 <= at < total:
            raise UserError(
                f"Frame {condition.at} is not in the clip of {total} frames: use 0 to {total - 1}."
            )
        begin, end = max(at, self.first), min(at + len(frames), self.first + len(self.frames))
        if begin >= end:
            return
        here, there = slice(begin - self.first, end - self.first), slice(begin - at, end - at)
        strength = np.broadcast_to(np.array(condition.strengths, np.float32), len(frames))[there]
        inside = np.ones(frames.shape[1:3], bool) if condition.mask is None else condition.mask
        inside = np.broadcast_to(inside, frames.shape[:3])[there]
        self.frames[here][inside] = frames[there][inside]
        firm = np.broadcast_to(strength[:, None, None], inside.shape)
        self.strength[here][inside] = firm[inside]

    @property
    def empty(self) -> bool:
        """Nothing is given."""
        return not self.strength.any()

    @property
    def kept(self) -> bool:
        """All of it is given and stays."""
        return bool((self.strength == 1).all())

    @torch.inference_mode()
    def given(self, autoencoder: Autoencoder) -> Given:
        """The canvas on the latent grid; it begins and ends where latent frames do."""
        time, down, across = autoencoder.stride
        alone = self.first == 0  # the first latent frame holds the first frame alone
        pad = time - 1 if alone else 0
        strength = np.concatenate([np.repeat(self.strength[:1], pad, axis=0), self.strength])
        blocks = rearrange(strength, "(t q) (h r) (w s) -> t h w (q r s)", q=time, r=down, s=across)
        share = (blocks > 0).mean(axis=-1)
        firmness = blocks.sum(axis=-1) / np.maximum((blocks > 0).sum(axis=-1), 1)
        ceiling = torch.from_numpy((1 - firmness * np.sqrt(share)).astype(np.float32))
        touched = reduce(share, "t h w -> t", "max") > 0
        shape = (autoencoder.config.channels, *ceiling.shape)
        latents = torch.zeros(shape)
        for start, stop in _runs(touched):
            latents[:, start:stop] = self._encoded(autoencoder, start, stop, alone)
        return Given(latents, ceiling)

    def _encoded(
        self, autoencoder: Autoencoder, start: int, stop: int, alone: bool
    ) -> Float[Tensor, "C T H W"]:
        """Latent frames start ... stop, each of which is given at least in part."""
        time = autoencoder.stride[0]
        begin = max(0, (start - 1) * time + 1) if alone else start * time
        end = (stop - 1) * time + 1 if alone else stop * time
        frames = _filled(self.frames[begin:end], self.strength[begin:end])
        weight = autoencoder.latent_mean
        pixels = to_pixels(frames)[None].to(weight.device, weight.dtype)
        raw = autoencoder.encode_raw(pixels, first=alone and start == 0)
        return autoencoder.normalise(raw)[0].float().cpu()

    def pasted(
        self, made: UInt8[np.ndarray, "F H W 3"], loop: bool = False
    ) -> UInt8[np.ndarray, "F H W 3"]:
        """The frames that were made, with what was given firmly in its place.

        Those beside frames that were given whole are brought to where they meet.

        Args:
            loop: the last frame is followed by the first.
        """
        firm = self.strength == 1
        whole, kept = firm.all(axis=(1, 2)), firm[..., None]
        # Of frames that are given in part, settling may not touch that part.
        return np.where(kept, self.frames, settled(np.where(kept, self.frames, made), whole, loop))


def _runs(flags: np.ndarray) -> list[tuple[int, int]]:
    """(start, stop) of each stretch of true flags."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    return [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def _filled(
    frames: UInt8[np.ndarray, "F H W 3"], strength: Float32[np.ndarray, "F H W"]
) -> UInt8[np.ndarray, "F H W 3"]:
    """Frames of which nothing is given become the nearest of which something is."""
    there = np.flatnonzero(reduce(strength, "f h w -> f", "max") > 0)
    nearest = np.abs(np.arange(len(frames))[:, None] - there).argmin(axis=1)
    return frames[there[nearest]]
