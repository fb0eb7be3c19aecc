"""Context parallel: the rows of one packed sequence shared by several processes.

Ulysses (arXiv 2309.14509): each process has some rows of every head; for attention alone they
change to all rows of some heads, and back. Attention within clips of any length then stays what it
is, on fewer heads. The network takes a `Context` and knows nothing of processes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor


@dataclass(frozen=True)
class Context:
    """A process among `ranks` that share every sequence, by default the only one.

    Attributes:
        rank: its number among these, from 0.
        group: the process group of these, None for one alone.
    """

    rank: int = 0
    ranks: int = 1
    group: Any = None

    def shares(self, whole: int) -> tuple[int, ...]:
        """How many of `whole` rows, or heads, each process has: as even as can be."""
        each, more = divmod(whole, self.ranks)
        return tuple(each + (rank < more) for rank in range(self.ranks))

    def part(self, whole: int) -> slice:
        """Which of `whole` rows this process has."""
        shares = self.shares(whole)
        start = sum(shares[: self.rank])
        return slice(start, start + shares[self.rank])

    def among(
        self, kept: Int[Tensor, " K"], whole: int
    ) -> tuple[Int[Tensor, " K_here"], tuple[int, ...]]:
        """Of some of the `whole` rows, in order: those that are here, and how many each has.

        The rows that are here are counted from the first one of this process.
        """
        if self.ranks == 1:
            return kept, (len(kept),)
        ends = torch.tensor(list(accumulate(self.shares(whole))), device=kept.device)
        until = [0, *torch.searchsorted(kept, ends).tolist()]
        first, last = until[self.rank], until[self.rank + 1]
        counts = tuple(b - a for a, b in pairwise(until))
        return kept[first:last] - self.part(whole).start, counts

    def gathered(
        self, rows: Float[Tensor, "here D"], counts: Sequence[int]
    ) -> Float[Tensor, "N D"]:
        """The rows of all processes, in every one of them.

        Args:
            counts: how many each process has.

        The gradient of a row is the sum of what all processes have for it.
        """
        if self.ranks == 1:
            return rows
        width = rows.shape[1]
        sent = [rows.numel()] * self.ranks
        got = _exchanged(
            rows.flatten().repeat(self.ranks), sent, [n * width for n in counts], self.group
        )
        return got.view(-1, width)


ALL_HERE = Context()
"""The plain case."""


@dataclass(frozen=True)
class Exchange:
    """Some rows of every head against all rows of some heads.

    Attributes:
        rows: of the joint sequence, that each process has.
    """

    context: Context
    rows: tuple[int, ...]

    def to_heads(
        self, qkv: Float[Tensor, "here 3 heads head"]
    ) -> Float[Tensor, "N 3 some_heads head"]:
        """The rows of the first process, then those of the second, for the heads that are here."""
        shares = self.context.shares(qkv.shape[2])
        mine, width = shares[self.context.rank], qkv.shape[3]
        sent = torch.cat([part.reshape(-1) for part in qkv.split(shares, dim=2)])
        got = _exchanged(
            sent,
            [3 * len(qkv) * heads * width for heads in shares],
            [3 * rows * mine * width for rows in self.rows],
            self.context.group,
        )
        return got.view(-1, 3, mine, width)

    def to_rows(
        self, attended: Float[Tensor, "N some_heads head"], heads: int
    ) -> Float[Tensor, "here heads head"]:
        """The way back, for `heads` in all."""
        _, mine, width = attended.shape
        here, shares = self.rows[self.context.rank], self.context.shares(heads)
        sizes = [here * each * width for each in shares]
        got = _exchanged(
            attended.reshape(-1),
            [rows * mine * width for rows in self.rows],
            sizes,
            self.context.group,
        )
        parts = zip(got.split(sizes), shares, strict=True)
        return torch.cat([part.view(here, each, width) for part, each in parts], dim=1)


def order_of_rows(text: Sequence[int], video: Sequence[int]) -> Int[Tensor, " N"]:
    """Where the rows of (all text, all video) stand in what `Exchange.to_heads` gives.

    Args:
        text, video: rows that each process has of either.
    """
    words, patches = torch.arange(sum(text) + sum(video)).split([sum(text), sum(video)])
    pairs = zip(words.split(list(text)), patches.split(list(video)), strict=True)
    return torch.cat([torch.cat(pair) for pair in pairs]).argsort()


class _Exchanged(torch.autograd.Function):
    """So many numbers to each process and from each; gradients go the same way back."""

    @staticmethod
    def forward(ctx: Any, sent: Tensor, give: list[int], take: list[int], group: Any) -> Tensor:
        ctx.give, ctx.take, ctx.group = give, take, group
        return _all_to_all(sent, give, take, group)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        back = _all_to_all(gradient.contiguous(), ctx.take, ctx.give, ctx.group)
        return back, None, None, None


def _exchanged(sent: Tensor, give: list[int], take: list[int], group: Any) -> Tensor:
    return _Exchanged.apply(sent, give, take, group)


def _all_to_all(sent: Tensor, give: list[int], take: list[int], group: Any) -> Tensor:
    from torch import distributed

    got = sent.new_empty(sum(take))
    distributed.all_to_all_single(got, sent, take, give, group=group)
    return got
