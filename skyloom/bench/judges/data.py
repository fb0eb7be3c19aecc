"""What the judges learn from: clips of the world, their truth, and what may befall a picture.

A model's pictures are softer and less clean than the world's. The clips are therefore blurred,
quantised, tinted and sprinkled with noise at random, so that a judge reads shape and motion and
not the renderer's handwriting.
"""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float, Int
from torch import Tensor

from skyloom.bench.judges.attributes import (
    CLIP_WORDS,
    ROLES,
    SUBJECT_WORDS,
    canonical,
    mirrored,
    scene_of,
    words_of,
)
from skyloom.bench.judges.moments import chosen, moments, seen_size, to_scale
from skyloom.data.order import shuffled
from skyloom.data.raw import RawDataset, RawRow

CELL = 8
"""Pixels of a cell of the places that roles are in."""
LEAST_VISIBLE = 0.001
"""Share of the picture from which on a subject counts as visible."""
LEARNT = {
    **{f"{role} {name}": words for name, words in SUBJECT_WORDS.items() for role in ROLES},
    **CLIP_WORDS,
}
"""The attributes that are classes, and their words."""


@dataclass(frozen=True)
class JudgeBatch:
    """Clips of one size and length, and the truth about them.

    Attributes:
        labels: by attribute the index of its word, -1 where there is none.
        things: 1 in the cells that a subject's box covers by a quarter or more, else 0.
        places: share of each cell in each role's box; zero where it cannot be seen.
        boxes: centre x, y, width and height of each role in fractions of the picture's.
        visible: 1 where a role can be seen, else 0.
    """

    clip: Float[Tensor, "B F 3 H W"]
    labels: dict[str, Int[Tensor, " B"]]
    things: Float[Tensor, "B F h w"]
    places: Float[Tensor, "B F R h w"]
    boxes: Float[Tensor, "B F R 4"]
    visible: Float[Tensor, "B F R"]


class JudgeClips:
    """Batches of raw datasets; what is drawn at a step is a pure function of (seed, step).

    Args:
        rows: which rows of the datasets laid end to end, by a slice over those of the world.
        spoil: whether pictures suffer and are mirrored, as in training.
    """

    def __init__(
        self,
        folders: Sequence[Path],
        rows: slice,
        batch: int,
        most: int,
        seed: int = 0,
        spoil: bool = True,
    ) -> None:
        self.datasets = [RawDataset(folder) for folder in folders]
        every = [
            (dataset, index)
            for dataset in self.datasets
            for index, row in enumerate(dataset.rows)
            if _is_of_the_world(row)
        ]
        self.rows = every[rows]
        self.size, self.most, self.seed, self.spoil = batch, most, seed, spoil
        groups = defaultdict(list)
        for number, (dataset, index) in enumerate(self.rows):
            truth = dataset.rows[index].truth or {}
            count = len(moments(truth["frames"], truth["fps"], most))
            groups[seen_size(tuple(truth["size"])), count].append(number)
        self.groups = list(groups.values())
        self.steps = sum(math.ceil(len(group) / batch) for group in self.groups)

    def __len__(self) -> int:
        return len(self.rows)

    def batch(self, step: int) -> JudgeBatch:
        """The batch of `step`; `steps` of them are an epoch."""
        epoch, place = divmod(step, self.steps)
        batches = []
        for number, group in enumerate(self.groups):
            order = shuffled(self.seed * 1000 + number, epoch, len(group))
            mixed = [group[index] for index in order]
            batches += [mixed[at : at + self.size] for at in range(0, len(mixed), self.size)]
        rng = np.random.default_rng((self.seed, 7, step))
        wanted = batches[shuffled(self.seed + 1, epoch, len(batches))[place]]
        return _joined([self._sample(number, rng) for number in wanted])

    def _sample(self, number: int, rng: np.random.Generator) -> "_Sample":
        dataset, index = self.rows[number]
        video, _, truth = dataset.read(index)
        assert truth is not None
        clip = to_scale(chosen(video, self.most))
        picks = moments(len(video.frames), video.fps, self.most)
        scene = scene_of(truth)
        mirror = self.spoil and bool(rng.random() < 0.5)
        if mirror:
            scene, clip = mirrored(scene), clip.flip(-1)
        words = words_of(scene, len(video.frames))
        labels = {
            name: -1 if words[name] is None else choices.index(words[name] or "")
            for name, choices in LEARNT.items()
        }
        screen = [truth["screen"][pick] for pick in picks]
        boxes, visible = boxes_of(screen, canonical(scene).order, mirror)
        if self.spoil:
            clip = spoiled(clip, rng)
        return _Sample(clip, labels, boxes, visible)


@dataclass(frozen=True)
class _Sample:
    clip: Tensor
    labels: dict[str, int]
    boxes: Tensor
    visible: Tensor


def boxes_of(
    screen: Sequence[Sequence[Sequence[float] | None]], order: Sequence[int], mirror: bool
) -> tuple[Float[Tensor, "F R 4"], Float[Tensor, "F R"]]:
    """The truth's boxes by role, and which of them can be seen.

    Args:
        screen: [cx, cy, w, h, visible] or None for each subject in each frame.
        order: which subject has which role.
    """
    boxes = torch.zeros(len(screen), len(ROLES), 4)
    visible = torch.zeros(len(screen), len(ROLES))
    for frame, found in enumerate(screen):
        for role, subject in enumerate(order):
            box = found[subject]
            if box is None or box[4] < LEAST_VISIBLE:
                continue
            x = 1 - box[0] if mirror else box[0]
            boxes[frame, role] = torch.tensor([x, *box[1:4]])
            visible[frame, role] = 1.0
    return boxes, visible


def places_of(
    boxes: Float[Tensor, "B F R 4"], visible: Float[Tensor, "B F R"], grid: tuple[int, int]
) -> tuple[Float[Tensor, "B F h w"], Float[Tensor, "B F R h w"]]:
    """Boxes over the cells of a (height, width) grid: `JudgeBatch` says what they are."""
    rows, columns = grid
    down = _covered(boxes[..., 1], 0.8 * boxes[..., 3], rows)
    across = _covered(boxes[..., 0], 0.8 * boxes[..., 2], columns)
    covered = down[..., :, None] * across[..., None, :] * visible[..., None, None]
    things = (covered >= 0.25).float().amax(dim=2)
    return things, covered / covered.sum(dim=(3, 4), keepdim=True).clamp(min=1e-6)


def _covered(
    middle: Float[Tensor, "B F R"], width: Float[Tensor, "B F R"], cells: int
) -> Float[Tensor, "B F R n"]:
    """Which share of each of `cells` cells along 0..1 an interval covers, a trace everywhere."""
    low = torch.arange(cells) / cells
    first = torch.maximum(low, (middle - width / 2)[..., None])
    last = torch.minimum(low + 1 / cells, (middle + width / 2)[..., None])
    return ((last - first) * cells).clamp(min=1e-4)


def spoiled(clip: Float[Tensor, "F 3 H W"], rng: np.random.Generator) -> Float[Tensor, "F 3 H W"]:
    """The clip as a worse camera, file or model might show it; the same for one state of `rng`."""
    gray = clip.mean(dim=1, keepdim=True)
    clip = gray + rng.uniform(0.85, 1.15) * (clip - gray)
    clip = rng.uniform(0.88, 1.1) * clip + rng.uniform(-0.08, 0.08)
    tint = torch.from_numpy(rng.uniform(-0.03, 0.03, (1, 3, 1, 1)).astype(np.float32))
    clip = clip + tint
    if len(clip) > 1 and rng.random() < 0.2:  # frames run into each other
        share = rng.uniform(0.05, 0.2)
        clip = torch.cat([clip[:1], torch.lerp(clip[1:], clip[:-1], share)])
    if rng.random() < 0.5:
        clip = _softened(clip, rng.uniform(1.0, 2.3))
    if rng.random() < 0.25:
        clip = _blocky(clip, rng.uniform(0.02, 0.12))
    if rng.random() < 0.35:
        noise = torch.from_numpy(rng.standard_normal(clip.shape, dtype=np.float32))
        clip = clip + rng.uniform(0.0, 0.08) * noise
    return clip.clamp(-1, 1)


def _softened(clip: Tensor, factor: float) -> Tensor:
    """Shrunk by `factor` and enlarged again."""
    size = clip.shape[2:]
    small = [max(round(side / factor), 8) for side in size]
    clip = F.interpolate(clip, small, mode="bilinear", antialias=True)
    return F.interpolate(clip, size, mode="bilinear")


def _blocky(clip: Tensor, step: float) -> Tensor:
    """Quantised as in a JPEG or MPEG: 8x8 cosine transforms, coarser for finer waves."""
    n = torch.arange(8)
    waves = torch.cos(math.pi * (2 * n[None] + 1) * n[:, None] / 16) / 2
    waves[0] /= math.sqrt(2)
    blocks = rearrange(clip, "f c (h a) (w b) -> f c h w a b", a=8, b=8)
    coarseness = step * (1 + n[:, None] + n[None])
    values = waves @ blocks @ waves.T
    blocks = waves.T @ ((values / coarseness).round() * coarseness) @ waves
    return rearrange(blocks, "f c h w a b -> f c (h a) (w b)")


def _joined(samples: Sequence[_Sample]) -> JudgeBatch:
    clip = torch.stack([sample.clip for sample in samples])
    boxes = torch.stack([sample.boxes for sample in samples])
    visible = torch.stack([sample.visible for sample in samples])
    grid = (clip.shape[3] // CELL, clip.shape[4] // CELL)
    things, places = places_of(boxes, visible, grid)
    labels = {name: torch.tensor([sample.labels[name] for sample in samples]) for name in LEARNT}
    return JudgeBatch(clip, labels, things, places, boxes, visible)


def _is_of_the_world(row: RawRow) -> bool:
    return row.truth is not None and row.truth.get("engine") == "mujoco"
