"""Which rows of the joint sequence belong to one clip, laid out once a pass for every block.

The joint sequence is all text, then all video: the cheapest to make. A clip's tokens, its prompt
and its patches, lie apart in it; whoever needs them together finds here where they are.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Int
from torch import Tensor

SLACK = 1.2
SPARE = 12
"""A group's longest clip has at most SLACK times the tokens of its shortest, plus SPARE."""


@dataclass(frozen=True)
class Group:
    """Clips of similar length that attention treats as one padded batch of B clips of M tokens.

    Attributes:
        rows: the row of the joint sequence in each slot of the batch; any row where there is none.
        there: which slots hold a token, None if all do.
    """

    rows: Int[Tensor, "B M"]
    there: Bool[Tensor, "B M"] | None


@dataclass(frozen=True)
class Segments:
    """Where the clips are in a joint sequence of N rows.

    Attributes:
        lengths: tokens of each clip, its text and its video together.
        order: the rows, clip after clip.
        groups: the same rows as padded batches.
        slots: where each row stands in the flattened batches of all groups, one after another.
    """

    lengths: tuple[int, ...]
    order: Int[Tensor, " N"]
    groups: tuple[Group, ...]
    slots: Int[Tensor, " N"]

    @classmethod
    def of(
        cls,
        text_lengths: Sequence[int],
        video_lengths: Sequence[int],
        device: torch.device | str = "cpu",
    ) -> "Segments":
        """The segments of clips with so many tokens of text and of video."""
        total = sum(text_lengths) + sum(video_lengths)
        text, video = torch.arange(total).split([sum(text_lengths), sum(video_lengths)])
        pairs = zip(text.split(list(text_lengths)), video.split(list(video_lengths)), strict=True)
        clips = [torch.cat(pair) for pair in pairs]
        groups = [_group([clips[i] for i in alike]) for alike in _alike([len(c) for c in clips])]
        slots = torch.empty(total, dtype=torch.long)
        start = 0
        for rows, there in groups:
            slots[rows[there]] = start + there.flatten().nonzero().squeeze(1)
            start += rows.numel()
        return cls(
            tuple(len(rows) for rows in clips),
            torch.cat(clips).to(device),
            tuple(
                Group(rows.to(device), None if there.all() else there.to(device))
                for rows, there in groups
            ),
            slots.to(device),
        )


def _alike(lengths: Sequence[int]) -> list[list[int]]:
    """Indices of clips, those of similar length together."""
    groups: list[list[int]] = []
    for index in sorted(range(len(lengths)), key=lambda i: lengths[i]):
        if not groups or lengths[index] > SLACK * lengths[groups[-1][0]] + SPARE:
            groups.append([])
        groups[-1].append(index)
    return groups


def _group(clips: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """(rows, there) of a `Group`."""
    lengths = torch.tensor([len(rows) for rows in clips])
    there = torch.arange(int(lengths.max())) < lengths[:, None]
    rows = torch.zeros(there.shape, dtype=torch.long)
    rows[there] = torch.cat(list(clips))
    return rows, there
