"""Clips longer than the model was trained on: windows that roll along the time line.

Each window starts with the last latent frames of the one before, given; what is new in it is
decoded and written at once, so that memory does not grow with the length and time grows linearly.
"""

from dataclasses import dataclass

HISTORY = 3
"""Latent frames that a window sees of what came before."""
HISTORY_SIGMA = 0.08
"""Noise on them: a model that takes its own mistakes for truth drifts (arXiv 2407.01392)."""


@dataclass(frozen=True)
class Span:
    """Latent frames start ... stop of a clip, made at once.

    Attributes:
        history: how many at its start are made already.
    """

    start: int
    stop: int
    history: int = 0

    @property
    def new(self) -> int:
        """Latent frames that it adds."""
        return self.stop - self.start - self.history

    def frames(self, stride: int, new: bool = False) -> slice:
        """The frames it stands for, those of its history too unless only the `new` ones count.

        Latent frame 0 stands for one frame, each other one for `stride`.
        """
        start = self.start + (self.history if new else 0)
        return slice(max(0, (start - 1) * stride + 1), (self.stop - 1) * stride + 1)


def spans(total: int, window: int, history: int = HISTORY) -> list[Span]:
    """Windows of at most `window` latent frames that make `total` of them together.

    The last one reaches back further instead of being shorter, as far as there is anything.

    Raises:
        ValueError: a window has no room for anything new.
    """
    if total <= window:
        return [Span(0, total)]
    if not 0 < history < window:
        raise ValueError(f"a window of {window} latent frames cannot hold {history} of history")
    found = [Span(0, window)]
    while (done := found[-1].stop) < total:
        stop = min(total, done - history + window)
        start = stop - window
        found.append(Span(start, stop, done - start))
    return found
