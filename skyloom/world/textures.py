"""Procedural textures: small tiles that repeat, with their mip levels, sampled bilinearly.

A texel says by how much the colour is lighter or darker there (-1..1); how strongly each channel
follows is the texture's own tint. Mip levels keep distant patterns from shimmering.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from jaxtyping import Float32, Int

from skyloom.world.surface import TEXTURES

_SIDE = 256
_LEVELS = 8

METRES = {
    "plain": 1.0, "grass": 5.0, "sand": 6.0, "snow": 8.0, "regolith": 9.0, "paving": 4.8,
    "planks": 3.2, "brick": 2.0, "checker": 0.6,
}  # fmt: skip
TINTS = {
    "plain": (0.0, 0.0, 0.0), "grass": (0.55, 0.38, 0.40), "sand": (0.16, 0.19, 0.24),
    "snow": (0.14, 0.10, 0.05), "regolith": (0.45, 0.45, 0.45), "paving": (0.42, 0.42, 0.42),
    "planks": (0.42, 0.45, 0.48), "brick": (0.40, 0.42, 0.44), "checker": (0.42, 0.42, 0.42),
}  # fmt: skip


def smooth_noise(
    rng: np.random.Generator, rows: int, columns: int, width: int
) -> Float32[np.ndarray, "h w"]:
    """Value noise that repeats: `rows` x `columns` random values, smoothly stretched to `width`.

    The result has `width` columns, and as many rows unless `rows` is 1. Values in -1..1.
    """
    values = rng.uniform(-1, 1, (rows, columns))
    values = _stretch(values, width, axis=1)
    return (values if rows == 1 else _stretch(values, width, axis=0)).astype(np.float32)


def _stretch(values: np.ndarray, length: int, axis: int) -> np.ndarray:
    count = values.shape[axis]
    at = np.arange(length) * count / length
    low = at.astype(int)
    t = at - low
    t = t * t * (3 - 2 * t)
    t = t[:, None] if axis == 0 else t
    first = np.take(values, low % count, axis=axis)
    return first + t * (np.take(values, (low + 1) % count, axis=axis) - first)


@dataclass(frozen=True)
class Atlas:
    """All textures and mip levels in one table of texels.

    Attributes:
        corners: for each texel itself, its right, lower and lower right neighbour.
        offsets: where each texture's mip level begins, textures x levels.
    """

    corners: Float32[np.ndarray, "texels 4"]
    offsets: Int[np.ndarray, "textures levels"]

    def sample(
        self,
        texture: int | Int[np.ndarray, "..."],
        u: Float32[np.ndarray, "..."],
        v: Float32[np.ndarray, "..."],
        level: Int[np.ndarray, "..."],
    ) -> Float32[np.ndarray, "..."]:
        """Texels at (u, v), in tiles, at a mip level each: 0 is the finest. Values in -1..1."""
        side = np.right_shift(np.int32(_SIDE), level)
        length = side.astype(np.float32)
        u, v = u * length, v * length
        column, row = np.floor(u), np.floor(v)
        u -= column
        v -= row
        mask = side - np.int32(1)
        index = (row.astype(np.int32) & mask) * side
        index += column.astype(np.int32) & mask
        index += self.offsets[texture, level]
        texels = self.corners.take(index, axis=0)
        top = texels[..., 0] + u * (texels[..., 1] - texels[..., 0])
        bottom = texels[..., 2] + u * (texels[..., 3] - texels[..., 2])
        return top + v * (bottom - top)


def mip_level(texels_per_pixel: Float32[np.ndarray, "..."]) -> Int[np.ndarray, "..."]:
    """The level whose texels are about as large as the pixel."""
    level = np.log2(np.maximum(texels_per_pixel, 1)) + 0.3
    return np.minimum(level, _LEVELS - 1).astype(np.int32)


def texels_per_metre(texture: str) -> float:
    return _SIDE / METRES[texture]


@cache
def build_atlas() -> Atlas:
    """Draw every texture, the same ones each time."""
    rng = np.random.default_rng(7)
    corners = []
    offsets = np.zeros((len(TEXTURES), _LEVELS), np.int32)
    total = 0
    for number, name in enumerate(TEXTURES):
        tile = np.clip(_draw(name, rng), -1, 1).astype(np.float32)
        tile -= tile.mean()
        for level in range(_LEVELS):
            right, below = np.roll(tile, -1, 1), np.roll(tile, -1, 0)
            both = np.roll(right, -1, 0)
            corners.append(np.stack([tile, right, below, both], axis=-1).reshape(-1, 4))
            offsets[number, level] = total
            total += tile.size
            tile = 0.25 * (tile[::2, ::2] + tile[1::2, ::2] + tile[::2, 1::2] + tile[1::2, 1::2])
    return Atlas(np.concatenate(corners), offsets)


def _octaves(rng: np.random.Generator, *cells: int) -> np.ndarray:
    layers = [smooth_noise(rng, n, n, _SIDE) for n in cells]
    return sum(layers[1:], layers[0]) / len(layers) ** 0.5


def _draw(name: str, rng: np.random.Generator) -> np.ndarray:
    y, x = np.mgrid[0:_SIDE, 0:_SIDE] / _SIDE
    if name == "plain":
        return np.zeros((_SIDE, _SIDE))
    if name == "grass":
        return 0.55 * _octaves(rng, 5, 11) + 0.75 * _octaves(rng, 48, 96)
    if name == "sand":
        ripples = np.sin(2 * np.pi * (14 * y + 0.35 * smooth_noise(rng, 6, 6, _SIDE)))
        return 0.45 * ripples + 0.5 * _octaves(rng, 6, 64)
    if name == "snow":
        return 0.9 * _octaves(rng, 5, 9) + 0.3 * _octaves(rng, 40)
    if name == "regolith":
        return 0.35 * _octaves(rng, 8, 64) + _craters(rng, x, y)
    if name == "checker":
        return np.where((x < 0.5) == (y < 0.5), 1.0, -1.0)
    return _blocks(name, rng, x, y)


def _craters(rng: np.random.Generator, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Dark bowls with a bright rim, all over a tile that repeats."""
    height = np.zeros_like(x)
    for _ in range(26):
        cx, cy, radius = rng.random(), rng.random(), 0.02 + 0.07 * rng.random() ** 2
        dx, dy = (x - cx + 0.5) % 1 - 0.5, (y - cy + 0.5) % 1 - 0.5
        r = np.hypot(dx, dy) / radius
        height += 0.6 * np.exp(-(((r - 1) / 0.22) ** 2)) - 0.7 * np.exp(-((r / 0.75) ** 4))
    return height


def _blocks(name: str, rng: np.random.Generator, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Rows of blocks with dark joints: paving, planks or bricks."""
    columns, rows, stagger, joint = {
        "paving": (6, 6, 0.0, 0.045), "planks": (2, 16, 0.37, 0.07), "brick": (8, 16, 0.5, 0.11),
    }[name]  # fmt: skip
    row = np.floor(y * rows)
    along = x * columns + stagger * row * (columns if name == "planks" else 1)
    if name == "planks":
        along = x * columns + np.floor(row * 7 % 5) / 5
    column = np.floor(along)
    shade = rng.uniform(-0.5, 0.5, (rows, columns))[row.astype(int), column.astype(int) % columns]
    to_row = np.abs((y * rows) % 1 - 0.5) * 2
    to_column = np.abs(along % 1 - 0.5) * 2
    aspect = rows / columns
    gap = (to_row > 1 - 2 * joint) | (to_column > 1 - 2 * joint / aspect)
    grain = 0.25 * smooth_noise(rng, 64 if name == "planks" else 32, 8, _SIDE)
    return np.where(gap, -0.9, 0.25 + shade * 0.8 + grain)
