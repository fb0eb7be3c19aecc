"""Batches that would do harm: a loss or a gradient far above those of late, or not finite."""

import math
from statistics import median

WINDOW = 64
"""Steps that are looked back on; before there are so many, only what is not finite is refused."""


class Spikes:
    """Remembers the losses and gradient norms of late.

    Args:
        factor: how many times the running median is too much; 0 asks for finite values alone.
        losses, norms: what was remembered when the run was saved.
    """

    def __init__(self, factor: float, losses: list[float], norms: list[float]) -> None:
        self.factor = factor
        self.losses, self.norms = losses[-WINDOW:], norms[-WINDOW:]

    def largest_norm(self, loss: float) -> float:
        """The largest gradient norm that may move the weights; none may where the loss is one."""
        fine = math.isfinite(loss) and loss <= self._limit(self.losses)
        return self._limit(self.norms) if fine else -math.inf

    def why_not(self, loss: float, norm: float) -> str | None:
        """What speaks against a batch, in words; None if nothing does.

        What is finite is remembered in any case: where all losses are higher from now on, the
        median follows, and training goes on.
        """
        reason = None
        for name, value, kept in (("loss", loss, self.losses), ("gradient", norm, self.norms)):
            if not math.isfinite(value):
                reason = reason or f"the {name} was not finite"
                continue
            if value > self._limit(kept):
                times = value / median(kept)
                reason = reason or f"the {name} of {value:.4g} was {times:.0f} times the median"
            kept.append(value)
            del kept[:-WINDOW]
        return reason

    def _limit(self, kept: list[float]) -> float:
        if not self.factor or len(kept) < WINDOW:
            return math.inf
        return self.factor * median(kept)
