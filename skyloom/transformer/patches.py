"""Latents of any size to one packed sequence of spacetime patches, and back.

Clips lie end to end; there is no padding and no batch axis. Each token carries where it is.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from einops import rearrange
from jaxtyping import Float, Int
from torch import Tensor

REFERENCE_FPS = 12.0
"""The frame rate at which neighbouring latent frames are one unit of t apart."""


@dataclass(frozen=True)
class Packed:
    """Clips laid end to end.

    Attributes:
        tokens: the patches; within a clip ordered by t, then y, then x.
        coordinates: (t, y, x) of each token; t counts latent frames at 12 frames/s from the clip's
            start, y and x count tokens from the picture's centre, down and to the right. The latent
            frame at t = 0 holds a single frame; a window on a longer clip has none and starts at 1.
        grids: (t, y, x) tokens of each clip.
        fps: frame rate of each clip.
    """

    tokens: Float[Tensor, "N P"]
    coordinates: Float[Tensor, "N 3"]
    grids: tuple[tuple[int, int, int], ...]
    fps: tuple[float, ...]

    @property
    def lengths(self) -> tuple[int, ...]:
        """Tokens of each clip."""
        return tuple(t * y * x for t, y, x in self.grids)

    def with_tokens(self, tokens: Float[Tensor, "N P"]) -> "Packed":
        """The same places with other contents."""
        return replace(self, tokens=tokens)

    def followed_by(self, other: "Packed") -> "Packed":
        """The clips of this one, then those of `other`."""
        return Packed(
            torch.cat([self.tokens, other.tokens]),
            torch.cat([self.coordinates, other.coordinates]),
            self.grids + other.grids,
            self.fps + other.fps,
        )

    def moved_to(self, device: torch.device | str) -> "Packed":
        """The same clips on another device."""
        return replace(self, tokens=self.tokens.to(device), coordinates=self.coordinates.to(device))

    def clip_of_token(self) -> Int[Tensor, " N"]:
        """The index of the clip that each token belongs to."""
        lengths = torch.tensor(self.lengths, device=self.tokens.device)
        clips = torch.arange(len(self.grids), device=self.tokens.device)
        return torch.repeat_interleave(clips, lengths, output_size=len(self.tokens))


def pack(
    latents: Sequence[Float[Tensor, "C _T _H _W"]],
    fps: Sequence[float],
    patch: tuple[int, int, int],
    starts: Sequence[int] | None = None,
) -> Packed:
    """Cut clips into patches and lay them end to end.

    Args:
        starts: the number of the first latent frame of each clip, 0 unless given.

    Raises:
        ValueError: a clip does not divide into whole patches.
    """
    tokens, coordinates, grids = [], [], []
    q, r, s = patch
    for clip, rate, start in zip(latents, fps, starts or [0] * len(latents), strict=True):
        if any(size % step for size, step in zip(clip.shape[1:], patch, strict=True)):
            raise ValueError(f"latents {tuple(clip.shape)} do not divide into patches {patch}")
        tokens.append(rearrange(clip, "c (t q) (y r) (x s) -> (t y x) (c q r s)", q=q, r=r, s=s))
        grid = (clip.shape[1] // q, clip.shape[2] // r, clip.shape[3] // s)
        coordinates.append(coordinates_of(grid, rate, q, start).to(clip.device))
        grids.append(grid)
    return Packed(torch.cat(tokens), torch.cat(coordinates), tuple(grids), tuple(fps))


def unpack(
    packed: Packed, channels: int, patch: tuple[int, int, int]
) -> list[Float[Tensor, "C _T _H _W"]]:
    """The inverse of `pack`."""
    q, r, s = patch
    return [
        rearrange(
            tokens,
            "(t y x) (c q r s) -> c (t q) (y r) (x s)",
            t=grid[0], y=grid[1], x=grid[2], c=channels, q=q, r=r, s=s,
        )
        for tokens, grid in zip(packed.tokens.split(packed.lengths), packed.grids, strict=True)
    ]  # fmt: skip


def coordinates_of(
    grid: tuple[int, int, int], fps: float, time_patch: int = 1, start: int = 0
) -> Float[Tensor, "N 3"]:
    """(t, y, x) of the tokens of one clip, as `Packed.coordinates` describes them."""
    times, rows, columns = (torch.arange(size, dtype=torch.float32) for size in grid)
    t = (start + times * time_patch) * (REFERENCE_FPS / fps)
    y = rows - (grid[1] - 1) / 2
    x = columns - (grid[2] - 1) / 2
    return rearrange(torch.stack(torch.meshgrid(t, y, x, indexing="ij")), "a t y x -> (t y x) a")
