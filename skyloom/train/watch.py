"""Notices a process that hangs: it is alive for the kernel, and the others would wait for it.

A process that dies closes its connections, and the others know at once. One that is stopped, whose
machine has lost its network, or that waits for a disk for ever says nothing. So each writes down,
in the store through which torchrun's processes meet, that it lives and what it is doing, and reads
what the others do.
"""

import os
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

BEAT = 2.0
"""Seconds between two looks."""
FIRST = 900.0
"""Seconds that a first step may take at least: something may be compiled in it."""
WORKING, WAITING, BUSY = "working", "waiting", "busy"
"""In a step; there, for the others; with what takes its time, such as an evaluation."""


class Watch:
    """Looks after the processes of a run, in a thread.

    Args:
        store: where the processes meet; it must be this thread's alone.
        patience: seconds that a process may say nothing, or stand still in a step while another
            waits for it; ten times the longest step so far where that is more.
        stop: what ends this process; it may be in a call that nothing else ends.
    """

    def __init__(
        self, store: Any, rank: int, ranks: int, patience: float, stop: Callable[[str], None]
    ) -> None:
        self.store, self.rank, self.patience, self.stop = store, rank, patience, stop
        self.others = [other for other in range(ranks) if other != rank]
        self.stretches, self.longest = 0, 0.0  # of work, each ended by waiting
        self._lost, self._looked = 0.0, time.monotonic()
        self.doing, self.since = BUSY, self._clock()
        self._heard: dict[int, tuple[str, float]] = {}
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._look, name="watch", daemon=True)
        self._thread.start()

    def note(self, doing: str) -> None:
        """Say what this process does from now on."""
        now = self._clock()
        if doing == WAITING and self.doing == WORKING:
            self.stretches += 1
            self.longest = max(self.longest, now - self.since)
        self.doing, self.since = doing, now

    def close(self) -> None:
        """Look no more."""
        self._closed.set()
        self._thread.join(timeout=BEAT)

    def _clock(self) -> float:
        """Seconds, without those in which this process did not run: nor may the others have."""
        return time.monotonic() - self._lost

    def _tick(self) -> None:
        """Tell from how late it is since the last time whether this process did not run."""
        self._lost += max(0.0, self._clock() - self._looked - 2 * BEAT)
        self._looked = self._clock()

    def _look(self) -> None:
        beats, reached = 0, self._clock()
        while not self._closed.wait(BEAT):
            beats += 1
            self._tick()
            try:
                still = int(self._clock() - self.since)
                said = f"{beats} {self.doing} {self.stretches} {still}"
                self.store.set(f"skyloom/watch/{self.rank}", said)
                self._tick()
                wrong = self._wrong()
                reached = self._clock()
            except RuntimeError as error:  # the store is gone, or does not answer
                far = self._clock() - reached > self.patience
                wrong = f"the processes' meeting place does not answer ({error})" if far else None
            if wrong is not None and not self._closed.is_set():
                self.stop(wrong)
                return

    def _wrong(self) -> str | None:
        """What another process does wrong, None if nothing."""
        now = self._clock()
        for other in self.others:
            key = f"skyloom/watch/{other}"
            said = self.store.get(key).decode() if self.store.check([key]) else ""
            if self._heard.get(other, ("", 0.0))[0] != said or other not in self._heard:
                self._heard[other] = (said, now)
            silent = now - self._heard[other][1]
            if silent > self.patience:
                return f"process {other} has not been heard of for {silent:.0f} seconds"
            if said and (still := self._stands_still(said)):
                too = ", as this one has" if self.doing == WORKING else ""
                return f"process {other} has stood still in a step for {still} seconds{too}"
        return None

    def _stands_still(self, said: str) -> int:
        """Seconds that another one has been in a step, where that is too many."""
        _, doing, stretches, still = said.split()
        if self.doing == BUSY or doing != WORKING:
            return 0
        # Either this one waits for it, or both are in the same stretch and neither gets on: where
        # weights are shared out they wait inside it, and which one hangs cannot be told. And only
        # since this one does so: before, the other may have waited for it.
        if self.doing == WORKING and self.stretches > int(stretches):
            return 0
        both = int(min(float(still), self._clock() - self.since))
        limit = max(self.patience, 10 * self.longest) if self.longest else FIRST
        return both if both > limit else 0


def ended_by(rank: int, ranks: int) -> Callable[[str], None]:
    """How a process of a run ends that has noticed something wrong: at once, and with a sentence.

    What is on the disk is whole at any moment.
    """

    def stop(wrong: str) -> None:
        print(
            f"skyloom: Process {rank} of {ranks} stops, for {wrong}. The same command goes on from "
            "the last checkpoint.",
            file=sys.stderr,
            flush=True,
        )
        os._exit(1)

    return stop
