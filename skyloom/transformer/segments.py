"""Which rows of the joint sequence belong to one clip, laid out once a pass for every block.

The joint sequence is all text, then all video: the cheapest to make. A clip's tokens, its prompt
and its patches, lie apart in it; whoever needs them together finds here where they are.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from einops import rearrange, repeat
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

    @property
    def real(self) -> Bool[Tensor, "B M"]:
        """`there`, also where all do."""
        return torch.ones_like(self.rows, dtype=torch.bool) if self.there is None else self.there


@dataclass(frozen=True)
class Gather:
    """Which row goes where, and the way back for gradients.

    Attributes:
        index: the row that each place takes.
        inverse: the place that each row was taken to; any where `unread` says that there is none.
        unread: rows that no place takes, None if there are none.
    """

    index: Int[Tensor, " S"]
    inverse: Int[Tensor, " R"]
    unread: Int[Tensor, " U"] | None


@dataclass(frozen=True)
class Segments:
    """Where the clips are in a joint sequence of N rows.

    Attributes:
        lengths: tokens of each clip, its text and its video together.
        order: the rows, clip after clip.
        groups: the same rows as padded batches.
    """

    lengths: tuple[int, ...]
    order: Int[Tensor, " N"]
    groups: tuple[Group, ...]
    _gathers: dict[int, tuple[Gather, Gather]] = field(default_factory=dict, compare=False)

    def gathers(self, heads: int) -> tuple[Gather, Gather]:
        """How the rows of every head get into the batches of all groups, and out of them again.

        Inwards from rows (N 3 heads) to places (3 B heads M) of one group after another, outwards
        from places (B heads M) to rows (N heads). All blocks share them.
        """
        if heads not in self._gathers:
            inwards = [_by_head(group.rows, 3, heads) for group in self.groups]
            outwards = [_by_head(group.rows, 1, heads) for group in self.groups]
            there = [repeat(group.real, "b m -> (b h m)", h=heads) for group in self.groups]
            taken = torch.cat([each.repeat(3) for each in there])
            index, real = torch.cat(inwards), torch.cat(there)
            total = len(self.order) * heads
            places = _places(torch.cat(outwards), real, total)
            unread = None if real.all() else (~real).nonzero().squeeze(1)
            self._gathers[heads] = (
                Gather(index, _places(index, taken, 3 * total), None),
                Gather(places, torch.cat(outwards), unread),
            )
        return self._gathers[heads]

    @classmethod
    def of(
        cls,
        text_lengths: Sequence[int],
        video_lengths: Sequence[int],
        device: torch.device | str = "cpu",
        rows: Int[Tensor, " N"] | None = None,
        apart: bool = False,
    ) -> "Segments":
        """The segments of clips with so many tokens of text and of video.

        Args:
            rows: the row of each token of all text and then all video, where it is not that order.
            apart: each clip is a group of its own, so that its bits do not depend on the others.
        """
        total = sum(text_lengths) + sum(video_lengths)
        rows = torch.arange(total) if rows is None else rows
        text, video = rows.split([sum(text_lengths), sum(video_lengths)])
        pairs = zip(text.split(list(text_lengths)), video.split(list(video_lengths)), strict=True)
        clips = [torch.cat(pair) for pair in pairs]
        lengths = [len(rows) for rows in clips]
        together = [[i] for i in range(len(clips))] if apart else _alike(lengths)
        groups = [_group([clips[i] for i in alike]) for alike in together]
        return cls(
            tuple(len(rows) for rows in clips),
            torch.cat(clips).to(device),
            tuple(
                Group(rows.to(device), None if there.all() else there.to(device))
                for rows, there in groups
            ),
        )


def _by_head(rows: Int[Tensor, "B M"], parts: int, heads: int) -> Int[Tensor, " S"]:
    """Rows of (N parts heads) in the order (parts B heads M)."""
    part = torch.arange(parts, device=rows.device)[:, None, None, None]
    head = torch.arange(heads, device=rows.device)[None, None, :, None]
    return rearrange((rows[None, :, None] * parts + part) * heads + head, "a b h m -> (a b h m)")


def _places(index: Int[Tensor, " S"], real: Bool[Tensor, " S"], rows: int) -> Int[Tensor, " R"]:
    """The place of each row in `index`, of those places that are real."""
    places = index.new_empty(rows)
    places[index[real]] = real.nonzero().squeeze(1)
    return places


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
