"""Says in words when a run looks wrong. It reads figures and knows nothing of how they are made."""

from statistics import median

LINES = 30
"""Lines of the log that a judgement looks back on."""
RECENT = 6
FLAT = 0.001
"""A loss that has fallen by less than this share is flat."""
EXPLODING = 8.0
"""Gradients this many times as large as before are exploding."""
STARVED = 0.2
"""Share of the time spent waiting for data that is too much."""
FAR = 0.3
"""Distance of the averaged weights, as a share of the weights' own size, that is too much."""


class Health:
    """Looks at each line of the log; what is wrong is said once, and again if it comes back."""

    def __init__(self) -> None:
        self._losses: list[float] = []
        self._norms: list[float] = []
        self._said: set[str] = set()

    def of_line(self, loss: float, norm: float, waiting: float, cooling: bool) -> list[str]:
        """What looks wrong now and did not before.

        Args:
            loss, norm: means since the line before.
            waiting: share of that time in which training waited for data.
            cooling: whether the learning rate is falling: the loss should be nearly flat then.
        """
        self._losses = [*self._losses, loss][-LINES:]
        self._norms = [*self._norms, norm][-LINES:]
        found = {}
        if waiting > STARVED:
            found["starved"] = (
                f"training waits for data {waiting:.0%} of the time: faster storage, or fewer "
                "processes on the machine, would help"
            )
        if len(self._losses) == LINES:
            early, late = median(self._losses[:RECENT]), median(self._losses[-RECENT:])
            if not cooling and late > early * (1 - FLAT):
                found["flat"] = (
                    f"the loss is flat ({early:.4g} to {late:.4g} in {LINES} lines of the log): "
                    "another optim.lr may work, or there is nothing left to learn"
                )
            early, late = median(self._norms[:-RECENT]), median(self._norms[-RECENT:])
            if late > EXPLODING * early:
                found["exploding"] = (
                    f"gradients are exploding (a norm of {early:.3g} has become {late:.3g}): "
                    "a lower optim.lr may work"
                )
        return self._news(found)

    def of_averages(self, distance: float) -> list[str]:
        """The same of the averaged weights.

        Args:
            distance: of the averaged from the trained weights, over the norm of these.
        """
        found = {}
        if distance > FAR:
            found["far"] = (
                f"the averaged weights are far from the trained ones ({distance:.0%} of their "
                "size): a lower optim.ema or optim.lr may work"
            )
        self._said -= {"far"} - found.keys()
        return self._news(found, keep=self._said)

    def _news(self, found: dict[str, str], keep: set[str] | None = None) -> list[str]:
        kept = {"far"} & self._said if keep is None else keep
        news = [text for kind, text in found.items() if kind not in self._said]
        self._said = set(found) | kept
        return news
