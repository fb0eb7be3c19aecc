"""Which process is looked upon as hanging, and which only takes its time."""

import threading
import time
from collections.abc import Iterator

import pytest
from torch.distributed import HashStore

from skyloom.train import watch
from skyloom.train.watch import BUSY, WAITING, WORKING, Watch

PATIENCE = 0.3


@pytest.fixture
def stopped(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    monkeypatch.setattr(watch, "BEAT", 0.02)
    monkeypatch.setattr(watch, "FIRST", PATIENCE)
    yield []


def looking(store: HashStore, stopped: list[str], doing: str) -> Watch:
    found = Watch(store, 0, 2, PATIENCE, stopped.append)
    found.note(doing)
    return found


def beating(store: HashStore, said: str, seconds: float) -> None:
    """Process 1 says that it lives, for so long."""
    end, beats = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        beats += 1
        store.set("skyloom/watch/1", f"{beats} {said}")
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("mine", "others", "wrong"),
    [
        (WAITING, f"{WORKING} 0 1000", "process 1 has stood still in a step"),
        (WORKING, f"{WORKING} 0 1000", "seconds, as this one has"),  # one of the two hangs
        (WORKING, f"{WAITING} 1 1000", None),  # it waits for this one, which names itself no more
        (WAITING, f"{BUSY} 1 1000", None),  # it evaluates
        (BUSY, f"{WORKING} 0 1000", None),  # it waits for this one
    ],
)
def test_who_stands_still(stopped: list[str], mine: str, others: str, wrong: str | None) -> None:
    store = HashStore()
    found = looking(store, stopped, mine)
    beating(store, others, 3 * PATIENCE + 1)
    found.close()
    assert bool(stopped) == (wrong is not None)
    assert wrong is None or wrong in stopped[0]


def test_who_says_nothing(stopped: list[str]) -> None:
    store = HashStore()
    found = looking(store, stopped, WORKING)
    beating(store, f"{WORKING} 0 0", 2 * PATIENCE)
    assert not stopped
    time.sleep(PATIENCE + 1)
    found.close()
    assert "process 1 has not been heard of" in stopped[0]


class Stalling:
    """A meeting place; its machine stands still once, and all that runs there."""

    def __init__(self, store: HashStore) -> None:
        self.store, self.looks = store, 0

    def set(self, key: str, said: str) -> None:
        self.looks += 1
        if self.looks == 10:
            time.sleep(4 * PATIENCE)
        self.store.set(key, said)

    def get(self, key: str) -> bytes:
        return self.store.get(key)

    def check(self, keys: list[str]) -> bool:
        return self.store.check(keys)


def test_what_stands_still_with_this_one_has_not_fallen_silent(stopped: list[str]) -> None:
    """A laptop that slept: nobody ran, so nobody is late."""
    store = HashStore()
    beating(store, f"{WORKING} 0 0", 0.05)
    found = Watch(Stalling(store), 0, 2, PATIENCE, stopped.append)
    found.note(WORKING)
    deadline = time.monotonic() + 20
    while found.store.looks < 10 and time.monotonic() < deadline:
        beating(store, f"{WORKING} 0 0", 0.01)
    time.sleep(4 * PATIENCE)  # the other one wakes a little later than this one
    beating(store, f"{WORKING} 0 0", 2 * PATIENCE)
    found.close()
    assert found.store.looks > 11 and not stopped


def test_a_closed_one_says_nothing(stopped: list[str]) -> None:
    found = looking(HashStore(), stopped, WAITING)
    found.close()
    time.sleep(2 * PATIENCE)
    assert not stopped and "watch" not in [thread.name for thread in threading.enumerate()]
