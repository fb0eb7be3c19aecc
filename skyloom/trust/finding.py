"""From pixels back to the watermark: whether it is there, how sure that is, and its payload.

The p-value is the chance that a clip without this key's mark would look at least this much like
it. It rests on the key alone: signs that are as good as tosses of a coin, multiplied with whatever
the clip holds, give a sum whose spread is the root of the sum of squares. So nothing is assumed
about clips. That the best of many places, sizes and moments is taken is counted against it.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from einops import rearrange
from jaxtyping import Float32, Float64, UInt8

from skyloom.trust.carriers import Carriers, carriers
from skyloom.trust.coding import CODE_BITS, decode
from skyloom.trust.observing import MOST_SECONDS, Observed, observe

WHOLE_TRIES, CROPPED_TRIES = 0.5, 0.3
"""Independent tries behind each place and moment that is looked at: neighbours see nearly the
same. Measured on clips without a mark, see docs/trust.md."""

LIKELY = 1e-3
"""Above this p-value no payload is read."""


@dataclass(frozen=True)
class Found:
    """What a detector says of a clip.

    Attributes:
        p_value: the chance of looking this much like a marked clip without being one.
        score: standard deviations by which the pilot stands out at its best place.
        payload: the number in it, where its checksum is right; None says nothing of the mark.
        cropped: the best place was that of a clip cut at its sides.
    """

    p_value: float
    score: float
    payload: int | None
    cropped: bool


def find(
    pieces: Iterable[UInt8[np.ndarray, "F H W 3"]],
    fps: float,
    key: bytes,
    seconds: float = MOST_SECONDS,
) -> Found:
    """Look for the mark of a key in a clip of any size, rate and beginning.

    Args:
        pieces: its frames as they come; a clip of one frame is looked at as a picture.
        fps: frames a second.
        seconds: look at no more than its first so many seconds.
    """
    return search(observe(pieces, fps, seconds), key)


def search(seen: Observed, key: bytes) -> Found:
    """Look for the mark of a key in what was seen of a clip."""
    found = carriers(key, seen.layout)
    pilot = rearrange(found.pilot, "b y x -> (y x) b")
    tries = seen.layout.blocks * len(seen.phases)
    whole = max(_best(blocks, pilot, phase) for phase, blocks in enumerate(seen.whole))
    p_value, best, cropped = _chance(whole.score, WHOLE_TRIES * tries), whole, False
    if seen.cropped:
        places = seen.cropped[0].shape[1]
        other = max(_best(blocks, pilot, phase) for phase, blocks in enumerate(seen.cropped))
        chance = _chance(other.score, CROPPED_TRIES * tries * places)
        if chance < p_value:
            p_value, best, cropped = chance, other, True
        p_value = -math.expm1(2 * math.log1p(-p_value)) if p_value < 1 else 1.0
    payload = None
    if p_value < LIKELY:
        payload = decode(_soft_bits(seen, found, best, cropped))
    return Found(p_value, best.score, payload, cropped)


class _Best(NamedTuple):
    """Where the pilot stands out the most."""

    score: float
    phase: int
    place: int
    start: int


def _best(
    blocks: Float32[np.ndarray, "k h c"], pilot: Float32[np.ndarray, "c b"], phase: int
) -> _Best:
    """The highest score over all places and all patterns that the clip may begin with.

    Args:
        blocks: what was seen in each cell of the pilot at each block of time and place.
    """
    agreement = blocks @ pilot  # (block of time, place, pattern)
    period = pilot.shape[1]
    total = np.zeros(agreement.shape[1:], dtype=np.float64)
    for number, one in enumerate(agreement):
        total += np.roll(one, -number, axis=1)  # by the pattern of the first block
    size = np.sqrt(np.einsum("khc,khc->h", blocks, blocks, dtype=np.float64))
    scores = total / np.maximum(size, 1e-9)[:, None]
    place, start = divmod(int(scores.argmax()), period)
    return _Best(float(scores[place, start]), phase, place, start)


def _chance(score: float, tries: float) -> float:
    """Of a standard normal variable exceeding `score` in the best of so many independent tries."""
    once = 0.5 * math.erfc(score / math.sqrt(2))
    return -math.expm1(max(tries, 1.0) * math.log1p(-once)) if once < 1 else 1.0


def _soft_bits(
    seen: Observed, found: Carriers, best: _Best, cropped: bool
) -> Float64[np.ndarray, "c"]:
    """What was seen of every code bit at the place where the pilot was found."""
    sums = np.zeros(CODE_BITS)
    for number, cells in enumerate(seen.data(best.phase, best.place if cropped else None)):
        block = (best.start + number) % found.layout.blocks
        sums += np.bincount(
            found.bit[block].ravel(), (cells * found.sign[block]).ravel(), minlength=CODE_BITS
        )
    return sums
