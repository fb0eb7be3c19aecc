"""What a detector keeps of a clip: cells at moments, with the picture taken out as far as it goes.

Cells of a pattern change from block to block and the picture mostly does not, so each block loses
what the blocks beside it tell of it; then each cell loses the mean around it and is weighed by
what is usual around it: where much happens a cell says little of the mark.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import numpy as np
from einops import rearrange, reduce
from jaxtyping import Float32, UInt8

from skyloom.trust.marks.carriers import BLOCK, MOVING, STILL, Layout
from skyloom.trust.watermark import LUMA, gathering

SLOTS = 4
"""Moments in a block at which one may begin: a cut clip is met to a twelfth of a second."""

MOST_SECONDS = 60.0
"""How much of a clip is looked at unless told otherwise."""

SIZES = (1.0, 0.96, 0.92, 0.88, 0.84, 0.8)
"""Shares of the marked frame's width and height that may be left of it."""

MOST_CUT = 0.1
"""Share of a picture's side that may have been cut off at each of its ends."""

FINE = 2
"""Samples a cell, along each side."""

AROUND = 5
"""Samples along each side of what counts as around a cell."""

REGION = 9
"""The same of what counts as a part of the picture that moves or stands still."""

NOISE = 0.05
"""Squared levels that differences of cells have from rounding alone."""

LOUDEST = 2.0
"""No sample counts for more than so many times the usual size around it."""

Samples = Float32[np.ndarray, "t s s"]


@dataclass(frozen=True, eq=False)
class Seen:
    """What shows of the pilot's cells from one phase on.

    Attributes:
        cells: at each place (a view of the frame) and block of time.
        size: root of the sum of squares at each place, by which agreement is measured.
    """

    cells: Float32[np.ndarray, "h k c"]
    size: Float32[np.ndarray, "h"]


@dataclass(frozen=True, eq=False)
class Observed:
    """A clip as the detector sees it.

    Attributes:
        layout: whether a clip or a single picture is looked at.
        samples: brightness on a square grid, `FINE` samples to a cell of the data layer, at each
            slot of time.
    """

    layout: Layout
    samples: Samples

    @property
    def phases(self) -> range:
        """The slots at which the first whole block may begin."""
        return range(max(1, min(SLOTS, len(self.samples) - SLOTS + 1)))

    @cached_property
    def whole(self) -> list[Seen]:
        """For each phase: cells of the pilot at each block, the frame taken to be whole."""
        return self._seen_through([_view(self.layout.pilot, 1.0, 0.0)])

    @cached_property
    def cropped(self) -> list[Seen]:
        """The same through every view that cutting the sides may leave; none of a picture, whose
        views are too many to be kept: see `picture_scores`."""
        if self.layout is STILL:
            return []
        return self._seen_through([_view(self.layout.pilot, *view) for view in _views(MOVING)])

    def picture_scores(self, pilot: Float32[np.ndarray, "p p"]) -> Float32[np.ndarray, "h"]:
        """How far a picture agrees with the pilot, through every view that a cut may leave.

        With S the samples and R, C the views of rows and columns, the cells of a view are R' S C,
        so that their agreement with P is <S' R P, C> and their squares sum to
        <S' R R' S, C C'>: two products of matrices for all pairs of views, and no cells are kept.
        """
        (samples,) = self._blocks(self.layout.pilot)
        every = np.stack([_view(self.layout.pilot, *view) for view in _views(self.layout)])
        shared = rearrange(every @ every.transpose(0, 2, 1), "v s t -> (s t) v")
        columns = rearrange(every, "v s c -> (s c) v")
        scores = []
        for rows in every:
            half = samples.T @ rows
            size = np.sqrt(np.maximum((half @ half.T).ravel() @ shared, 1e-9))
            scores.append((half @ pilot).ravel() @ columns / size)
        return np.concatenate(scores).astype(np.float32)

    def data(self, phase: int, place: int | None) -> Iterator[Float32[np.ndarray, "d d"]]:
        """Cells of the data layer at each block, through one of the views of `cropped`."""
        every = _views(self.layout)
        down, across = ((1.0, 0.0),) * 2 if place is None else (
            every[place // len(every)], every[place % len(every)]
        )  # fmt: skip
        rows = _view(self.layout.data, *down)
        columns = _view(self.layout.data, *across)
        for block in self._folded(self._blocks(self.layout.data), phase):
            yield rows.T @ block @ columns

    def _seen_through(self, matrices: list[np.ndarray]) -> list[Seen]:
        blocks = self._blocks(self.layout.pilot)
        every = np.stack(matrices)  # (view, samples, cells)
        seen = []
        for phase in self.phases:
            folded = self._folded(blocks, phase)
            half = np.einsum("kys,hsx->khyx", folded, every, optimize=True)
            cells = np.einsum("khsx,vsy->kvhyx", half, every, optimize=True)
            flat = np.ascontiguousarray(rearrange(cells, "k v h y x -> (v h) k (y x)"))
            size = np.sqrt(np.einsum("hkc,hkc->h", flat, flat, optimize=True))
            seen.append(Seen(flat, np.maximum(size, 1e-9)))
        return seen

    def _blocks(self, cells: int) -> Samples:
        """What is left of the picture's cells at each slot in which a block may begin."""
        joined = self.layout.data // cells
        samples = reduce(self.samples, "t (y j) (x k) -> t y x", "mean", j=joined, k=joined)
        if len(samples) > SLOTS:
            sums = np.cumsum(np.pad(samples, ((1, 0), (0, 0), (0, 0))), axis=0, dtype=np.float64)
            blocks = ((sums[SLOTS:] - sums[:-SLOTS]) / SLOTS).astype(np.float32)
        else:
            blocks = samples.mean(axis=0, keepdims=True)
        return _flattened(_changes(blocks))

    def _folded(self, blocks: Samples, phase: int) -> Float32[np.ndarray, "k s s"]:
        """Every block from this phase on; those that have the same pattern are added up."""
        taken = blocks[phase::SLOTS]
        period = self.layout.blocks
        if len(taken) <= period:
            return taken
        missing = -len(taken) % period
        padded = np.pad(taken, ((0, missing), (0, 0), (0, 0)))
        return reduce(padded, "(n b) y x -> b y x", "sum", b=period)


def observe(
    pieces: Iterable[UInt8[np.ndarray, "_F H W 3"]], fps: float, seconds: float = MOST_SECONDS
) -> Observed:
    """Look at a clip once; memory is that of some samples a slot, whatever its size.

    Raises:
        ValueError: there is no frame.
    """
    side = FINE * MOVING.data
    most = round(seconds / BLOCK * SLOTS)
    first: UInt8[np.ndarray, "H W 3"] | None = None
    count = 0
    sums: list[Any] = []
    seen: list[int] = []
    for frame in (frame for piece in pieces for frame in piece):
        first = frame.copy() if first is None else first
        slot = int(count / fps / BLOCK * SLOTS + 1e-6)
        if slot >= most:
            break
        while len(sums) < slot:  # a slot without a frame of its own shows the one before it
            sums.append(sums[-1] / seen[-1])
            seen.append(1)
        if len(sums) == slot:
            sums.append(0.0)
            seen.append(0)
        sums[slot] = sums[slot] + _sampled(frame, side)
        seen[slot] += 1
        count += 1
    if first is None:
        raise ValueError("a clip without frames cannot be looked at")
    if count == 1:
        return Observed(STILL, _sampled(first, FINE * STILL.data)[None])
    return Observed(MOVING, np.stack([one / n for one, n in zip(sums, seen, strict=True)]))


def _sampled(frame: UInt8[np.ndarray, "H W 3"], side: int) -> Float32[np.ndarray, "s s"]:
    luma = frame.astype(np.float32) @ LUMA
    return gathering(luma.shape[0], side) @ luma @ gathering(luma.shape[1], side).T


def _changes(blocks: Samples) -> Samples:
    """Each block less what the ones that touch it tell of it.

    Where the picture stands still their mean tells all of it, where it moves nothing: how much is
    measured around each sample.
    """
    count = len(blocks)
    if count <= 1:
        return blocks
    at = np.arange(count)
    before = np.where(at >= SLOTS, at - SLOTS, np.minimum(at + SLOTS, count - 1))
    after = np.where(at + SLOTS < count, at + SLOTS, np.maximum(at - SLOTS, 0))
    high = _without_mean(blocks)
    told = (high[before] + high[after]) / 2
    region = _neighbours(blocks.shape[-1], REGION)
    together = region @ (high * told) @ region.T
    share = together / (region @ np.square(told) @ region.T + NOISE)
    return high - np.clip(share, 0, 1) * told


def _flattened(blocks: Samples) -> Samples:
    """Each sample less the mean around it, weighed by how much it can tell of the mark.

    The mark is as strong in every cell, so that a sample would count by one over the variance
    around it; because that is only guessed, it counts by its power 3/4.
    """
    high = _without_mean(blocks)
    around = _neighbours(blocks.shape[-1], AROUND)
    usual = np.sqrt(around @ np.square(high) @ around.T + NOISE)
    return np.clip(high / usual, -LOUDEST, LOUDEST) / np.sqrt(usual)


def _without_mean(blocks: Samples) -> Samples:
    around = _neighbours(blocks.shape[-1], AROUND)
    return blocks - around @ blocks @ around.T


@cache
def _neighbours(side: int, across: int) -> Float32[np.ndarray, "s s"]:
    """The matrix that takes the mean of `across` samples, of fewer at the edges."""
    near = np.abs(np.arange(side)[:, None] - np.arange(side)) <= across // 2
    return (near / near.sum(axis=1, keepdims=True)).astype(np.float32)


@cache
def _views(layout: Layout) -> list[tuple[float, float]]:
    """(size, beginning) of what may be left of a side, as shares of it, half a cell apart."""
    if layout is STILL:
        ends = range(round(2 * layout.pilot * MOST_CUT) + 1)
        cuts = [(a / (2 * layout.pilot), b / (2 * layout.pilot)) for a in ends for b in ends]
        return [(1 - before - after, before) for before, after in cuts]
    found = []
    for size in SIZES:
        steps = round((1 - size) * 2 * layout.pilot + 0.49)
        found += [(size, (1 - size) * step / max(1, steps)) for step in range(steps + 1)]
    return found


@cache
def _view(cells: int, size: float, begin: float) -> Float32[np.ndarray, "s c"]:
    """How much of each sample each cell covers, where the samples see that part of a side."""
    samples = FINE * cells
    edges = begin + size * np.arange(samples + 1) / samples
    low = np.maximum(edges[:-1, None], np.arange(cells) / cells)
    high = np.minimum(edges[1:, None], (np.arange(cells) + 1) / cells)
    return (np.maximum(high - low, 0) * samples / size).astype(np.float32)
