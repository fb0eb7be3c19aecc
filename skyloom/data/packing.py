"""Packed batches: clips of any number of tokens, laid end to end up to a budget of tokens.

Full batches waste nothing, and batches that run side by side on several ranks should cost alike:
whoever is ready first waits. The tokens are nearly the same in all, the attention is not, for it
grows with the square of each clip. Neighbours in the order are therefore chosen to cost alike.
"""

from collections.abc import Sequence
from functools import lru_cache
from itertools import islice

import numpy as np
from jaxtyping import Float, Int64

from skyloom.data.order import shuffled
from skyloom.errors import UserError

WINDOW = 64
CHUNK = 1024
"""Batches that are planned at once: enough to find many that cost alike, and soon done."""
ALIKE = 16
"""Batches in a row that cost alike, so that as many ranks, or fewer, wait for nobody."""
CROSSOVER = 1536
"""Tokens of a clip whose attention costs as much as all the rest: six widths of the network."""


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
        raise UserError(_too_large(largest, budget))
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


def waste(
    tokens: Sequence[int] | np.ndarray, batches: Sequence[Sequence[int]], budget: int
) -> float:
    """Share of the batches' room that stays empty, 0 ... 1."""
    used = sum(int(tokens[sample]) for batch in batches for sample in batch)
    return 1 - used / (budget * len(batches))


def costs(
    tokens: Sequence[int] | np.ndarray,
    batches: Sequence[Sequence[int]],
    crossover: float = CROSSOVER,
) -> Float[np.ndarray, " batches"]:
    """What each batch costs, in tokens of very short clips: a clip of n costs n + n^2 / crossover.

    For a transformer of width D, 24 D^2 operations a token in its matrices and 4 D a pair of
    tokens in its attention, both meet at 6 D tokens.
    """
    lengths = np.asarray(tokens, dtype=np.float64)
    each = lengths * (1 + lengths / crossover)
    return np.array([each[list(batch)].sum() for batch in batches])


def idle(costs: Float[np.ndarray, " batches"], ranks: int) -> float:
    """Share of their time that `ranks` ranks wait for the slowest of each step, 0 ... 1."""
    whole = len(costs) // ranks * ranks
    steps = costs[:whole].reshape(-1, ranks)
    return 1 - float(steps.mean() / steps.max(axis=1).mean())


class BatchPlan:
    """Which samples are in which batch: a pure function of (seed, step), for any step at once.

    Batches of at most `budget` tokens are never fewer than the dataset's tokens divided by the
    budget. Each epoch uses exactly that many of its plan, so that the step tells the epoch
    without planning the ones before; the few samples behind them differ from epoch to epoch.
    An epoch is planned in chunks, each from its own part of the shuffled samples, so that a
    million samples cost no more than one chunk before the first step.

    Args:
        tokens: tokens of each sample of the dataset.
        budget: tokens of a batch at most.
        seed: of the order.
        window: samples to look ahead, see `plan`.
        crossover: see `costs`.
        alike: batches in a row that cost alike. Part of the order, so it must not be changed
            within a run; the number of ranks may.

    Raises:
        UserError: there are no samples, or one alone is larger than the budget.
    """

    def __init__(
        self,
        tokens: Sequence[int] | np.ndarray,
        budget: int,
        seed: int,
        window: int = WINDOW,
        crossover: float = CROSSOVER,
        alike: int = ALIKE,
    ) -> None:
        if not len(tokens):
            raise UserError("There are no clips to make batches of: the dataset is empty.")
        self.tokens: Int64[np.ndarray, " samples"] = np.asarray(tokens, dtype=np.int64)
        if self.tokens.max() > budget:
            raise UserError(_too_large(int(self.tokens.max()), budget))
        self.budget, self.seed, self.window = budget, seed, window
        self.crossover, self.alike = crossover, alike
        self.batches_per_epoch = max(1, int(self.tokens.sum()) // budget)
        if self.batches_per_epoch >= 100 * alike:  # then runs start where steps do for ever
            self.batches_per_epoch -= self.batches_per_epoch % alike
        # What was planned last, of as many places as a loop and its evaluation read from.
        self._epoch = lru_cache(maxsize=2)(self._begin_epoch)
        self._chunk = lru_cache(maxsize=2)(self._plan_chunk)

    def batch(self, step: int, rank: int = 0, ranks: int = 1) -> list[int]:
        """The samples of `step`. Several ranks share one order: rank r of R takes batch
        step * R + r of it, whatever the number of workers that read them.
        """
        epoch, position = divmod(step * ranks + rank, self.batches_per_epoch)
        chunk, place = divmod(position, CHUNK)
        return list(self._chunk(epoch, chunk)[place])

    def _begin_epoch(self, epoch: int) -> tuple[Int64[np.ndarray, " samples"], ...]:
        """The order of the epoch's samples, and the tokens that come before each."""
        order = shuffled(self.seed, epoch, len(self.tokens))
        lengths = self.tokens[order]
        return order, np.cumsum(lengths) - lengths

    def _plan_chunk(self, epoch: int, chunk: int) -> list[list[int]]:
        """The batches of a chunk, `CHUNK` of them but in the last.

        Its samples are those that begin within its share of the tokens. They fill at least as
        many batches: all tokens but those of a sample that began before, which is less than one.
        """
        order, before = self._epoch(epoch)
        room = CHUNK * self.budget
        first, end = np.searchsorted(before, [chunk * room, (chunk + 1) * room])
        mine = order[first:end]
        wanted = min(CHUNK, self.batches_per_epoch - chunk * CHUNK)
        lengths = self.tokens[mine].tolist()
        batches = plan(lengths, self.budget, self.window)[:wanted]
        dearest = np.argsort(costs(lengths, batches, self.crossover), kind="stable")
        # By cost, cut into runs; the runs in any order and the batches in any order within each.
        # A run that is not whole comes last, so that the others start where steps do.
        runs = [dearest[i : i + self.alike] for i in range(0, wanted, self.alike)]
        whole = shuffled(self.seed, epoch, wanted // self.alike, 1 + chunk)
        return [
            mine[batches[runs[run][place]]].tolist()
            for run in [*whole, *range(len(whole), len(runs))]
            for place in shuffled(self.seed, epoch, len(runs[run]), 1 + chunk, 1 + int(run))
        ]


def _too_large(tokens: int, budget: int) -> str:
    return (
        f"A clip of {tokens} tokens does not fit into a batch of {budget}: "
        f"a budget of at least {tokens} tokens works."
    )
