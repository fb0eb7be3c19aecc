"""Linear layers that give a row the same bits whatever other rows are beside it.

A library of matrix products picks another kernel for another number of rows, and with it another
order of summation: the last bit of a clip would depend on who else is in its pass. Here a product
is only made with numbers of rows that were seen to give what blocks of `BLOCK` rows give; where the
rows at hand are not so many, zeros are added and what comes of them is dropped.

Applied from outside to a network that knows nothing of it: the copy shares all weights.

One thing is left: on a CPU, GELU rounds the last few numbers of each thread's share otherwise (in
fp32 now and then, in bf16 hardly ever). With one or two threads shares end where rows end and all
is well; with three or more a bit may differ.
"""

import copy
from typing import TypeVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

BLOCK = 512
"""Rows of the products that all others have to agree with."""
QUANTUM = 32
"""Rows are made up to a multiple of this, of larger steps where they are many."""

DRAWN = 61
"""Rows that are drawn to find out; they come again and again, at other places."""

Network = TypeVar("Network", bound=nn.Module)


def steady(network: Network) -> Network:
    """A copy that shares all weights, and whose linear layers are steady."""
    shared = {id(each): each for each in (*network.parameters(), *network.buffers())}
    twin = copy.deepcopy(network, dict(shared))
    known: Known = {}
    for module in list(twin.modules()):
        for name, child in module.named_children():
            if type(child) is nn.Linear:
                setattr(module, name, SteadyLinear(child, known))
    return twin


Known = dict[tuple[object, ...], bool]
"""Whether so many rows give, for a shape, what blocks give."""


class SteadyLinear(nn.Module):
    """A linear layer with the weights of another.

    Args:
        known: what has been found out, shared by the layers of a network.
    """

    def __init__(self, base: nn.Linear, known: Known) -> None:
        super().__init__()
        self.weight, self.bias = base.weight, base.bias
        self._known = known

    def forward(self, x: Float[Tensor, "N D"]) -> Float[Tensor, "N E"]:
        rows = len(x)
        count = self._count(rows)
        if count is None:
            blocks = _padded(x, _up(rows, BLOCK)).split(BLOCK)
            return torch.cat([F.linear(b, self.weight, self.bias) for b in blocks])[:rows]
        return F.linear(_padded(x, count), self.weight, self.bias)[:rows]

    def _count(self, rows: int) -> int | None:
        """A number of rows, `rows` or a little more, that is as good as blocks."""
        weight = self.weight
        threads = torch.get_num_threads() if weight.device.type == "cpu" else 0
        finest = max(QUANTUM, 2 ** (rows.bit_length() - 4))
        for step in (finest, BLOCK // 2, BLOCK):
            count = _up(rows, step)
            key = (weight.shape, self.bias is None, weight.dtype, weight.device, threads, count)
            if key not in self._known:
                self._known[key] = agrees(weight, self.bias is not None, count)
            if self._known[key]:
                return count
        return None


def agrees(like: Float[Tensor, "E D"], bias: bool, count: int) -> bool:
    """Whether a product of `count` rows gives each row what a product of `BLOCK` rows gives it.

    Tried with sums that cancel: their exact value is zero, what is left is rounding alone, and
    another order of summation rounds nearly every one of them otherwise. The rows lie elsewhere in
    the blocks, so that it would also be seen if it mattered where a row is.
    """
    x, weight = cancelling(count, like.shape[1], 1), cancelling(like.shape[0], like.shape[1], -1)
    x, weight = x.to(like), weight.to(like)
    zeros = like.new_zeros(like.shape[0]) if bias else None
    turn = min(7, count - 1)
    blocks = _padded(x.roll(turn, 0), _up(count, BLOCK)).split(BLOCK)
    by_blocks = torch.cat([F.linear(block, weight, zeros) for block in blocks])[:count]
    return torch.equal(F.linear(x, weight, zeros).roll(turn, 0), by_blocks)


def cancelling(rows: int, width: int, sign: int) -> Float[Tensor, "rows width"]:
    """Rows of either sign that have, exactly, no product with those of the other."""
    generator = torch.Generator().manual_seed(0)
    half = width // 2
    few = torch.randn(DRAWN, half, generator=generator)
    order = torch.randperm(half, generator=generator)
    few = torch.cat([few, sign * few[:, order], torch.zeros(DRAWN, width % 2)], dim=1)
    return few.repeat(-(-rows // DRAWN), 1)[:rows]


def _up(rows: int, step: int) -> int:
    return -(-rows // step) * step


def _padded(x: Tensor, rows: int) -> Tensor:
    return x if len(x) == rows else F.pad(x, (0, 0, 0, rows - len(x)))
