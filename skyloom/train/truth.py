"""What the world's truth does for training: a head that reads it, and weights for the subjects.

Aligning hidden states with what an image shows speeds up diffusion training (REPA, arXiv
2410.06940). There the target is another network's opinion; here it is exact: which subject lies
under each patch, of which kind and colour. The head is thrown away after training.

Most patches show sky or ground. Those that show a subject may count more in the loss, so that its
outline is not what is learnt last.
"""

import math
from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from skyloom.world.scene import COLORS, KINDS

NOTHING = 0
IGNORED = -100
LEAST_VISIBLE = 0.002
"""Share of the picture that a subject must cover to be asked for."""


class TruthHead(nn.Module):
    """Kind and colour of the subject under each token, from hidden states of width D."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.mix = nn.Linear(width, width)
        self.leave = nn.Linear(width, len(KINDS) + 1 + len(COLORS) + 1)

    def loss(
        self, hidden: Float[Tensor, "N D"], labels: Int[Tensor, "N 2"]
    ) -> tuple[Float[Tensor, ""], float]:
        """Mean cross entropy of both answers, and how often the kind under a subject is right."""
        logits = self.leave(F.silu(self.mix(hidden))).float()
        kinds, colors = logits.split([len(KINDS) + 1, len(COLORS) + 1], dim=1)
        loss = F.cross_entropy(kinds, labels[:, 0], ignore_index=IGNORED)
        loss = loss + F.cross_entropy(colors, labels[:, 1], ignore_index=IGNORED)
        shown = labels[:, 0] > NOTHING
        right = (kinds.argmax(dim=1) == labels[:, 0]) & shown
        return loss, (right.sum() / shown.sum().clamp(min=1)).item()


def truth_labels(
    truths: Sequence[dict | None],
    grids: Sequence[tuple[int, int, int]],
    time_stride: int,
) -> Int[Tensor, "N 2"]:
    """For each token the kind (1 + its index in KINDS) and the colour of the subject under it.

    Args:
        truths: the truth record of each clip, None where nobody knows.
        grids: (t, y, x) tokens of each clip.
        time_stride: frames that a token's t stands for, after the first.

    A token belongs to a subject when its centre lies in the subject's box, to the smallest such
    box where several do. Clips without truth are ignored in the loss.
    """
    return torch.cat(
        [_clip_labels(truth, grid, time_stride) for truth, grid in zip(truths, grids, strict=True)]
    )


def subject_tokens(
    truths: Sequence[dict | None],
    grids: Sequence[tuple[int, int, int]],
    time_stride: int,
) -> Bool[Tensor, " N"]:
    """Which tokens a subject's box touches in any of their frames; arguments as `truth_labels`."""
    masks = [_touched(truth, grid, time_stride) for truth, grid in zip(truths, grids, strict=True)]
    return torch.from_numpy(np.concatenate([mask.reshape(-1) for mask in masks]))


def _touched(
    truth: dict | None, grid: tuple[int, int, int], time_stride: int
) -> Bool[np.ndarray, "t y x"]:
    mask = np.zeros(grid, dtype=bool)
    for frame, boxes in enumerate(truth["screen"] if truth else ()):
        time = -(-frame // time_stride)  # frames 1 to time_stride make latent frame 1
        for box in boxes if time < grid[0] else ():
            if box and box[4] >= LEAST_VISIBLE:
                x, y, width, height, _ = box
                rows, columns = _reach(y, height, grid[1]), _reach(x, width, grid[2])
                mask[time, rows, columns] = True
    return mask


def _reach(centre: float, extent: float, count: int) -> slice:
    """The tokens of a row or column that an interval of fractions touches."""
    first = math.floor((centre - extent / 2) * count)
    last = math.ceil((centre + extent / 2) * count)
    return slice(max(first, 0), max(last, 0))


def _clip_labels(
    truth: dict | None, grid: tuple[int, int, int], time_stride: int
) -> Int[Tensor, "N 2"]:
    times, rows, columns = grid
    if not truth or not truth.get("subjects"):
        return torch.full((times * rows * columns, 2), IGNORED)
    labels = torch.zeros(times, rows, columns, 2, dtype=torch.long)
    screen, subjects = truth["screen"], truth["subjects"]
    for time in range(times):
        boxes = screen[min(time * time_stride, len(screen) - 1)]
        seen = [
            (box[2] * box[3], box, subject)
            for box, subject in zip(boxes, subjects, strict=True)
            if box and box[4] >= LEAST_VISIBLE
        ]
        for _, (x, y, width, height, _), subject in sorted(seen, key=lambda s: -s[0]):
            value = torch.tensor(
                [1 + KINDS.index(subject["kind"]), 1 + COLORS.index(subject["color"])]
            )
            # From the largest box to the smallest, which is painted last.
            labels[time, _span(y, height, rows), _span(x, width, columns)] = value
    return labels.view(-1, 2)


def _span(centre: float, extent: float, count: int) -> slice:
    """The tokens whose centres lie in a box; the one under its centre if the box is small."""
    first = round((centre - extent / 2) * count)
    last = round((centre + extent / 2) * count)
    if first >= last:
        first = min(max(int(centre * count), 0), count - 1)
        last = first + 1
    return slice(max(first, 0), max(last, 0))
