"""Clips longer than the model was trained on: windows that roll along the time line.

Each window starts with the last latent frames of the one before, given; what is new in it is
decoded and written at once, so that memory does not grow with the length and time grows linearly.
Where the end alone is given, windows roll from there to the start, each of them before the one
that was made last. Where both ends are given, the last window sees where it is to arrive.
"""

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
    total: int, window: int, history: int = HISTORY, opens: bool = False, ends: bool = False
) -> list[Span]:
    """Windows of at most `window` latent frames that make `total` of them, in the order of making.

    The last one reaches further into what is made instead of being shorter, as far as there is
    anything; where both ends are given it adds as much as it can, and those before it less.

    Args:
        opens, ends: whether the clip's first frame is given, and its last.

    Raises:
        ValueError: a window has no room for anything new.
    """
    if total <= window:
        return [Span(0, total)]
    if not 0 < history < window:
        raise ValueError(f"a window of {window} latent frames cannot hold {history} of history")
    if ends and opens:
        arriving = Span(total - window, total, history)
        return [*spans(total - arriving.new, window, history), arriving]
    found = [Span(0, window)]
    while (done := found[-1].stop) < total:
        stop = min(total, done - history + window)
        start = stop - window
        found.append(Span(start, stop, done - start))
    return [_mirrored(span, total) for span in found] if ends else found


def _mirrored(span: Span, total: int) -> Span:
    """The same window counted from the end of a clip of `total` latent frames."""
    return Span(total - span.stop, total - span.start, span.future, span.history)
