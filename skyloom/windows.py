"""Clips longer than the model was trained on: windows that roll along the time line.

Each window starts with the last latent frames of the one before, given; what is new in it is
decoded and written at once, so that memory does not grow with the length and time grows linearly.
Where the end alone is given, windows roll from there to the start, each of them before the one
that was made last.
"""

from collections.abc import Sequence
from dataclasses import dataclass

HISTORY = 3
"""Latent frames that a window sees of what was made before it."""
HISTORY_SIGMA = 0.08
"""Noise on them: a model that takes its own mistakes for truth drifts (arXiv 2407.01392)."""


@dataclass(frozen=True)
class Span:
    """Latent frames start ... stop of a clip, made at once.

    Attributes:
        history: how many at its start are made already.
        future: how many at its end are.
    """

    start: int
    stop: int
    history: int = 0
    future: int = 0

    @property
    def new(self) -> int:
        """Latent frames that it adds."""
        return self.stop - self.start - self.history - self.future

    def frames(self, stride: int, new: bool = False) -> slice:
        """The frames it stands for, or of these the `new` ones alone.

        Latent frame 0 stands for one frame, each other one for `stride`.
        """
        start = self.start + (self.history if new else 0)
        stop = self.stop - (self.future if new else 0)
        return slice(max(0, (start - 1) * stride + 1), (stop - 1) * stride + 1)


def at_once(seconds: float, fps: float, stride: int) -> int:
    """Latent frames of a window of so many seconds: 5 at least, more than its history."""
    return max(5, 1 + round(seconds * fps / stride))


def spans(
    total: int, window: int, history: int = HISTORY, given: Sequence[bool] = ()
) -> list[Span]:
    """Windows of at most `window` latent frames that make `total` of them, in the order of making.

    What leads to given frames sees them: a window that would end a little before them ends early,
    so that the next one holds them and has time to arrive. The last one reaches further into what
    is made instead of being shorter, as far as there is anything. Where the end alone is given, all
    of it is done from there.

    Args:
        given: which latent frames are given, in part at least; none unless told.

    Raises:
        ValueError: a window has no room for anything new.
    """
    if total <= window:
        return [Span(0, total)]
    if not 0 < history < window:
        raise ValueError(f"a window of {window} latent frames cannot hold {history} of history")
    begins = [at for at in range(1, len(given)) if given[at] and not given[at - 1]]
    if len(begins) == 1 and given[-1] and not given[0]:
        return [_mirrored(span, total) for span in spans(total, window, history)]
    found: list[Span] = []
    done = 0
    while done < total:
        stop = min(total, max(0, done - history) + window)
        ahead = next((at for at in begins if at >= stop), total)
        early = ahead + 1 - (window - history)  # from there on a window makes most on its way
        if ahead < total and early < stop:
            seen = max((at + 1 for at in begins if at < stop), default=0)
            stop = max(early, seen, done + 1)
        start = max(0, stop - window)
        found.append(Span(start, stop, done - start))
        done = stop
    return found


def _mirrored(span: Span, total: int) -> Span:
    """The same window counted from the end of a clip of `total` latent frames."""
    return Span(total - span.stop, total - span.start, span.future, span.history)
