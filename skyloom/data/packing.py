"""Packed batches: clips of any number of tokens, laid end to end up to a budget of tokens."""

from collections.abc import Sequence
from itertools import islice

from skyloom.data.order import shuffled
from skyloom.errors import UserError

WINDOW = 64


def plan(tokens: Sequence[int], budget: int, window: int = WINDOW) -> list[list[int]]:
    """Fill batches of at most `budget` tokens from samples that come in a given order.

    Each batch starts with the sample that has waited longest, so none is put off for ever. The
    next `window` samples then fill the room it leaves as fully as any choice of them can.

    Args:
        tokens: tokens of each sample, in the order in which they should be used.
        budget: tokens of a batch at most.
        window: samples to look ahead.

    Returns:
        For each batch the positions in `tokens`; every position occurs once.

    Raises:
        UserError: a sample alone is larger than the budget.
    """
    largest = max(tokens, default=0)
    if largest > budget:
        raise UserError(
            f"A clip of {largest} tokens does not fit into a batch of {budget}: "
            f"a budget of at least {largest} tokens works."
        )
    arriving = iter(range(len(tokens)))
    waiting = list(islice(arriving, window))
    batches = []
    while waiting:
        batch = [waiting.pop(0)]
        room = budget - tokens[batch[0]]
        waiting += islice(arriving, window - len(waiting))
        while chosen := _fullest(waiting, tokens, room):
            batch += chosen
            room -= sum(tokens[place] for place in chosen)
            waiting = [place for place in waiting if place not in chosen]
            waiting += islice(arriving, window - len(waiting))
        batches.append(batch)
    return batches


def _fullest(waiting: Sequence[int], tokens: Sequence[int], room: int) -> list[int]:
    """The samples among `waiting` whose tokens fill `room` best, early ones where it is equal.

    The subset-sum problem by dynamic programming: bit s of `sums[k]` says whether some of the
    first k samples have s tokens together.
    """
    sums, inside = [1], (1 << (room + 1)) - 1
    for place in waiting:
        sums.append((sums[-1] | sums[-1] << tokens[place]) & inside)
        if sums[-1] >> room:
            break  # no later sample can fill it better
    total, chosen = sums[-1].bit_length() - 1, []
    for k in reversed(range(len(sums) - 1)):
        if not sums[k] >> total & 1:
            chosen.append(waiting[k])
            total -= tokens[waiting[k]]
    return chosen[::-1]


def waste(tokens: Sequence[int], batches: Sequence[Sequence[int]], budget: int) -> float:
    """Share of the batches' room that stays empty, 0 ... 1."""
    used = sum(tokens[sample] for batch in batches for sample in batch)
    return 1 - used / (budget * len(batches))


class BatchPlan:
    """Which samples are in which batch: a pure function of (seed, step), for any step at once.

    Batches of at most `budget` tokens are never fewer than the dataset's tokens divided by the
    budget. Each epoch uses exactly that many of its plan, so that the step tells the epoch
    without planning the ones before; the few samples behind them differ from epoch to epoch.

    Args:
        tokens: tokens of each sample of the dataset.
        budget: tokens of a batch at most.
        seed: of the order.
        window: samples to look ahead, see `plan`.

    Raises:
        UserError: there are no samples, or one alone is larger than the budget.
    """

    def __init__(self, tokens: Sequence[int], budget: int, seed: int, window: int = WINDOW) -> None:
        if not tokens:
            raise UserError("There are no clips to make batches of: the dataset is empty.")
        self.tokens = list(tokens)
        self.budget = budget
        self.seed = seed
        self.window = window
        self.batches_per_epoch = max(1, sum(self.tokens) // budget)
        self._planned = self._plan(0)

    def batch(self, step: int, rank: int = 0, ranks: int = 1) -> list[int]:
        """The samples of `step`. Several ranks share one order: rank r of R takes batch
        step * R + r of it, whatever the number of workers that read them.
        """
        epoch, position = divmod(step * ranks + rank, self.batches_per_epoch)
        if self._planned[0] != epoch:
            self._planned = self._plan(epoch)
        return self._planned[1][position]

    def _plan(self, epoch: int) -> tuple[int, list[list[int]]]:
        order = shuffled(self.seed, epoch, len(self.tokens)).tolist()
        batches = plan([self.tokens[i] for i in order], self.budget, self.window)
        kept = batches[: self.batches_per_epoch]
        return epoch, [[order[place] for place in batch] for batch in kept]
