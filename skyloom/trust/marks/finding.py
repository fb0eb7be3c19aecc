"""From pixels back to the watermark: whether it is there, how sure that is, and its payload.

The p-value is the chance that a clip without this key's mark would look at least this much like
it. It rests on the key alone: signs that are as good as tosses of a coin, multiplied with whatever
the clip holds, give a sum whose spread is the root of the sum of squares. So nothing is assumed
about clips. That the best of many places, sizes and moments is taken is counted against it, each as
a try of its own though neighbours see nearly the same: so the p-value is rather too large.
"""

import math
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from einops import rearrange
from jaxtyping import Float32, Float64, UInt8

from skyloom.trust.marks.carriers import STILL, Carriers, carriers
from skyloom.trust.marks.coding import CODE_BITS, decode
from skyloom.trust.marks.observing import MOST_SECONDS, Observed, Seen, observe

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
    pieces: Iterable[UInt8[np.ndarray, "_F H W 3"]],
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
    tries = seen.layout.blocks * len(seen.phases)
    whole = _best(seen.whole, found.pilot)
    p_value, best, cropped = _chance(whole.score, tries), whole, False
    other, views = _best_view(seen, found)
    chance = _chance(other.score, tries * views)
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


def _best_view(seen: Observed, found: Carriers) -> tuple[_Best, int]:
    """The best place of all views that cutting may have left, and how many views there are."""
    if seen.layout is STILL:
        scores = seen.picture_scores(found.pilot[0])
        place = int(scores.argmax())
        return _Best(float(scores[place]), 0, place, 0), len(scores)
    return _best(seen.cropped, found.pilot), len(seen.cropped[0].cells)


def _best(seen: list[Seen], pilot: Float32[np.ndarray, "b p p"]) -> _Best:
    """The highest score over all phases, places, and patterns that the clip may begin with."""
    best = _Best(-math.inf, 0, 0, 0)
    period = len(pilot)
    patterns: Float32[np.ndarray, "n b"] | None = None
    for phase, one in enumerate(seen):
        count = one.cells.shape[1]
        if patterns is None or len(patterns) != count * pilot[0].size:
            # what each block shows of the pilot if the clip begins with each of its patterns
            order = (np.arange(count)[:, None] + np.arange(period)) % period
            patterns = rearrange(pilot[order], "k b y x -> (k y x) b")
        scores = rearrange(one.cells, "h k c -> h (k c)") @ patterns / one.size[:, None]
        place, start = divmod(int(scores.argmax()), period)
        best = max(best, _Best(float(scores[place, start]), phase, place, start))
    return best


def _chance(score: float, tries: float) -> float:
    """Of a standard normal variable exceeding `score` in the best of so many independent tries."""
    once = max(0.5 * math.erfc(score / math.sqrt(2)), sys.float_info.min)  # no chance is nought
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
