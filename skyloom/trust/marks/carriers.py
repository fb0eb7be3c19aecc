"""What the watermark's key stands for: patterns of -1 and 1 on a grid, another for every moment.

Two layers lie over each other. The *pilot* has coarse cells, knows no payload and is what a
detector looks for; the *data* layer has fine cells, each of which carries one code bit. Time is
cut into blocks of `BLOCK` seconds, and every block has patterns of its own, so that the mean of
many frames shows none of them; after `Layout.blocks` of them they come again.

The grid is a fraction of the frame, whatever its size in pixels, and blocks are seconds, not
frames: a clip scaled to another size or rate has the same patterns in the same places.
"""

import hashlib
import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Float32, Int64

from skyloom.trust.marks.coding import CODE_BITS, encode

BLOCK = 1 / 3
"""Seconds for which a pattern stands."""

KEY_BYTES = 32


@dataclass(frozen=True)
class Layout:
    """Grids of the two layers.

    Attributes:
        name: goes into the patterns, so that two layouts have nothing in common.
        pilot: cells of the pilot along each side.
        data: cells of the data layer along each side, a multiple of `pilot`.
        blocks: patterns until the first comes again.
    """

    name: str
    pilot: int
    data: int
    blocks: int


MOVING = Layout("moving", pilot=16, data=32, blocks=32)
"""For clips: cells that are large enough for strong compression. Frames beside it tell what is
picture and what is mark."""

STILL = Layout("still", pilot=64, data=64, blocks=1)
"""For single pictures: cells as fine as JPEG leaves them, because nothing else tells them apart."""


@dataclass(frozen=True, eq=False)
class Carriers:
    """The patterns of one key and layout.

    Attributes:
        pilot: -1 and 1.
        sign: -1 and 1 of the data layer.
        bit: the code bit that each cell of the data layer carries.
    """

    layout: Layout
    pilot: Float32[np.ndarray, "b p p"]
    sign: Float32[np.ndarray, "b d d"]
    bit: Int64[np.ndarray, "b d d"]

    def start(self, payload: int) -> int:
        """The block that a clip of this payload begins with: clips do not all begin alike."""
        digest = hashlib.blake2b(self.sign.tobytes() + payload.to_bytes(8, "big")).digest()
        return digest[0] % self.layout.blocks

    def patterns(self, payload: int) -> Float32[np.ndarray, "b d d"]:
        """Both layers at equal power on the data layer's grid; their mean square is 1."""
        data = self.sign * encode(payload)[self.bit]
        fine = self.layout.data // self.layout.pilot
        pilot = self.pilot.repeat(fine, axis=1).repeat(fine, axis=2)
        return ((pilot + data) / math.sqrt(2)).astype(np.float32)


@lru_cache(maxsize=8)
def carriers(key: bytes, layout: Layout) -> Carriers:
    """The patterns of a key of 32 bytes; the same on every machine and with every numpy."""
    if len(key) != KEY_BYTES:
        raise ValueError(f"a watermark's key has {KEY_BYTES} bytes, not {len(key)}")
    blocks, pilot, data = layout.blocks, layout.pilot, layout.data
    signs = _signs(key, f"{layout.name} pilot", blocks * pilot * pilot)
    own = _signs(key, f"{layout.name} data", blocks * data * data)
    words = np.frombuffer(_stream(key, f"{layout.name} bits", 4 * blocks * data * data), "<u4")
    order = words.reshape(blocks, -1).argsort(axis=1, kind="stable")
    bits = np.empty_like(order)
    spread = np.arange(data * data) % CODE_BITS
    np.put_along_axis(bits, order, np.broadcast_to(spread, order.shape), axis=1)
    return Carriers(
        layout,
        signs.reshape(blocks, pilot, pilot),
        own.reshape(blocks, data, data),
        bits.reshape(blocks, data, data),
    )


def _signs(key: bytes, purpose: str, count: int) -> Float32[np.ndarray, "n"]:
    bits = np.unpackbits(np.frombuffer(_stream(key, purpose, -(-count // 8)), np.uint8))[:count]
    return (1 - 2 * bits.astype(np.float32)).astype(np.float32)


def _stream(key: bytes, purpose: str, count: int) -> bytes:
    """Bytes that nobody can tell from chance without the key."""
    return hashlib.shake_256(b"skyloom watermark 1\0" + key + purpose.encode()).digest(count)
