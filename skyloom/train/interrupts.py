"""Ctrl-C and SIGTERM while training: never in the middle of an update, and in all processes at
once. A job that a shell starts in the background does not hear Ctrl-C; it hears SIGTERM."""

import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import FrameType

STOPPING = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def held_back() -> Iterator[None]:
    """Signals wait until the block is done: a step taken by half could not be resumed."""
    if threading.current_thread() is not threading.main_thread():
        yield  # signals never arrive here
        return
    caught: list[int] = []
    former = {
        number: signal.signal(number, lambda number, _: caught.append(number))
        for number in STOPPING
        if callable(signal.getsignal(number))  # not what is ignored, or kills at once
    }
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
    if caught:
        signal.raise_signal(caught[0])


class Noticed:
    """Whether somebody has asked this process to stop."""

    def __init__(self) -> None:
        self.asked = False

    def __call__(self, *signal_and_frame: object) -> None:
        self.asked = True


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


@contextmanager
def noticed(many: bool) -> Iterator[Noticed]:
    """One of `many` processes only takes note of Ctrl-C and SIGTERM: they stop after one step, all
    together, because each would wait for ever for one that had left. One alone stops at once.
    """
    stop = Noticed()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    with ExitStack() as stack:
        for number in STOPPING if many else (signal.SIGTERM,):
            former = signal.signal(number, stop if many else _interrupt)
            stack.callback(signal.signal, number, former)
        yield stop
