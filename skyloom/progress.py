"""Progress of long steps: a bar with rate and time left, on stderr and never on stdout.

On a terminal it is a live bar. Anywhere else, a log file or CI, it is a line every half minute.
"""

import sys
import time
from collections.abc import Iterable, Iterator, Sized
from contextlib import contextmanager
from typing import Any, Protocol, TextIO, runtime_checkable

LOG_SECONDS = 30.0


@runtime_checkable
class Tracker(Protocol):
    """What a long step reports to."""

    def advance(self, n: int = 1) -> None:
        """`n` more units are done."""

    def say(self, text: str) -> None:
        """Show a short text, such as the loss, beside the bar until the next one."""


@contextmanager
def track(
    total: int | None,
    description: str,
    unit: str = "items",
    start: int = 0,
    stream: TextIO | None = None,
) -> Iterator[Tracker]:
    """Show the progress of the `with` block.

        with track(len(files), "reading", unit="files") as bar:
            for file in files:
                ...
                bar.advance()

    Args:
        total: units in all, None where nobody knows.
        description: what is going on, one or two words.
        unit: of what is counted, in the plural.
        start: units that were done before, such as steps of a run that is resumed: they count as
            done and not for the rate.
        stream: where to write, stderr unless told otherwise.
    """
    stream = stream or sys.stderr
    if not stream.isatty():
        log = _Log(total, description, unit, start, stream)
        yield log
        log.close()
        return
    with _live_bar(stream) as live:
        task = live.add_task(description, total=total, completed=start, unit=unit, text="")
        yield _Bar(live, task)


def tracked(items: Iterable, description: str, unit: str = "items") -> Iterator:
    """Go through `items` and show the progress; their number is known if they have a length."""
    total = len(items) if isinstance(items, Sized) else None
    with track(total, description, unit) as bar:
        for item in items:
            yield item
            bar.advance()


class _Log:
    """A line now and then, for what is no terminal."""

    def __init__(
        self, total: int | None, description: str, unit: str, start: int, stream: TextIO
    ) -> None:
        self._total, self._description, self._unit = total, description, unit
        self._start = self._done = start
        self._stream, self._text = stream, ""
        self._began = self._written = time.monotonic()

    def advance(self, n: int = 1) -> None:
        self._done += n
        if time.monotonic() - self._written >= LOG_SECONDS:
            self._write()

    def say(self, text: str) -> None:
        self._text = text

    def close(self) -> None:
        """A last line, where there has been one before: short steps stay silent."""
        if self._written > self._began:
            self._write()

    def _write(self) -> None:
        self._written = time.monotonic()
        rate = (self._done - self._start) / max(self._written - self._began, 1e-9)
        of_total = "" if self._total is None else f"/{self._total}"
        parts = [f"{self._description}: {self._done}{of_total} {self._unit}"]
        parts.append(format_rate(rate, self._unit))
        if self._total is not None and rate > 0:
            parts.append(f"{format_seconds((self._total - self._done) / rate)} left")
        print(", ".join([*parts, *filter(None, [self._text])]), file=self._stream, flush=True)


class _Bar:
    """One task of rich's progress display."""

    def __init__(self, live: Any, task: Any) -> None:
        self._live, self._task = live, task

    def advance(self, n: int = 1) -> None:
        self._live.advance(self._task, n)

    def say(self, text: str) -> None:
        self._live.update(self._task, text=text)


def _live_bar(stream: TextIO) -> Any:
    """rich's display with our columns. Imported here, for it takes a while to load."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, ProgressColumn, TextColumn, TimeRemainingColumn
    from rich.text import Text

    class Rate(ProgressColumn):
        """How fast, in units a second or seconds a unit."""

        def render(self, task: Any) -> Text:
            speed = task.finished_speed or task.speed or 0.0
            return Text(format_rate(speed, task.fields["unit"]), style="progress.data.speed")

    class Count(ProgressColumn):
        """How much of how much."""

        def render(self, task: Any) -> Text:
            of_total = "" if task.total is None else f"/{int(task.total)}"
            return Text(f"{int(task.completed)}{of_total}", style="progress.download")

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        Count(),
        Rate(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[text]}", markup=False),
        console=Console(file=stream),
        refresh_per_second=4,
        redirect_stdout=False,  # what is printed there may go down a pipe
    )


def format_rate(rate: float, unit: str) -> str:
    """A rate in units a second, or in seconds for one where that reads better."""
    if rate <= 0:
        return f"- {unit}/s"
    if rate < 1:
        return f"{1 / rate:.1f} s each"
    return f"{rate:,.0f} {unit}/s" if rate >= 100 else f"{rate:.1f} {unit}/s"


def format_seconds(seconds: float) -> str:
    """A duration as 0:42, 12:05 or 3:04:05."""
    minutes, rest = divmod(round(max(seconds, 0.0)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
