"""Progress goes to stderr: a live bar on a terminal, a line now and then elsewhere."""

import os
import select
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TextIO

import pytest

from skyloom import progress
from skyloom.progress import format_rate, format_seconds, track, tracked


@dataclass
class Terminal:
    """A pseudo-terminal: the stream to write to, and what has been written."""

    stream: TextIO
    master: int

    def text(self) -> str:
        """All of it: what was written comes through in pieces, the last a moment later."""
        self.stream.flush()
        seen = b""
        while select.select([self.master], [], [], 0.3)[0]:
            seen += os.read(self.master, 65536)
        return seen.decode()


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[Terminal]:
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("TERM", "xterm")
    master, slave = os.openpty()
    with open(slave, "w", encoding="utf-8") as stream:
        yield Terminal(stream, master)
    os.close(master)


def test_short_steps_are_silent_off_a_terminal(capfd: pytest.CaptureFixture[str]) -> None:
    with track(3, "reading", unit="files") as bar:
        for _ in range(3):
            bar.advance()
        bar.say("loss 1.0")
    assert capfd.readouterr() == ("", "")


def test_long_steps_say_a_line_now_and_then(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    with track(400, "train", unit="steps", start=100) as bar:
        for _ in range(100):
            now += 0.5
            bar.advance()
            bar.say("loss 0.25")
    out, err = capfd.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "train: 160/400 steps, 2.0 steps/s, 2:00 left, loss 0.25",
        "train: 200/400 steps, 2.0 steps/s, 1:40 left, loss 0.25",
    ]


def test_an_unknown_total_has_no_time_left(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress, "LOG_SECONDS", 0.0)
    with track(None, "decode", unit="frames") as bar:
        bar.advance(7)
    err = capfd.readouterr().err
    assert err.startswith("decode: 7 frames, ")
    assert "left" not in err


def test_terminal_shows_count_rate_and_text(
    terminal: Terminal, capfd: pytest.CaptureFixture[str]
) -> None:
    with track(4, "train", unit="steps", stream=terminal.stream) as bar:
        for _ in range(4):
            bar.advance()
            bar.say("loss [0.25]")
        print("for a pipe")
    shown = terminal.text()
    assert "train" in shown and "4/4" in shown and "steps/s" in shown and "loss [0.25]" in shown
    assert capfd.readouterr() == ("for a pipe\n", "")


def test_the_bar_ends_with_an_error(terminal: Terminal) -> None:
    with pytest.raises(KeyboardInterrupt), track(4, "train", stream=terminal.stream):
        raise KeyboardInterrupt
    with track(4, "again", stream=terminal.stream):  # the display is free again
        pass
    assert "again" in terminal.text()


def test_tracked_yields_every_item(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "LOG_SECONDS", 0.0)
    assert list(tracked([1, 2, 3], "reading")) == [1, 2, 3]
    assert list(tracked(iter("ab"), "reading")) == ["a", "b"]


@pytest.mark.parametrize(
    ("rate", "text"),
    [(0.0, "- steps/s"), (0.25, "4.0 s each"), (2.5, "2.5 steps/s"), (12345.6, "12,346 steps/s")],
)
def test_format_rate(rate: float, text: str) -> None:
    assert format_rate(rate, "steps") == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(-1.0, "0:00"), (42.4, "0:42"), (725.0, "12:05"), (11045.0, "3:04:05")]
)
def test_format_seconds(seconds: float, text: str) -> None:
    assert format_seconds(seconds) == text
