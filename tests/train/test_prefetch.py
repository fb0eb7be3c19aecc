"""Drawing ahead changes nothing but the time it takes."""

import subprocess
import sys
import threading
import time

import pytest

from skyloom.data.latents import LatentDataset, LatentWriter
from skyloom.errors import UserError
from skyloom.train.prefetch import Prefetch


def test_every_step_gets_its_own_batch() -> None:
    drawn = []

    def draw(step: int) -> int:
        drawn.append(step)
        return step * step

    prefetch = Prefetch(draw)
    assert [prefetch(step) for step in (5, 6, 7)] == [25, 36, 49]
    assert prefetch(3) == 9  # back again, as when a run is resumed
    assert prefetch(7) == 49
    assert {3, 5, 6, 7, 8} <= set(drawn)


@pytest.mark.parametrize("ahead", [0, 1, 5])
def test_so_many_are_drawn_meanwhile_and_no_more(ahead: int) -> None:
    drawn: list[int] = []
    prefetch = Prefetch(lambda step: drawn.append(step) or step, ahead)
    assert prefetch(10) == 10
    until(lambda: len(drawn) == 1 + ahead)
    assert drawn == list(range(10, 11 + ahead))
    assert prefetch(11) == 11
    until(lambda: len(drawn) == (2 + ahead))
    assert len(prefetch._coming) <= 1 + ahead  # nor does anything more stay in memory


def test_what_goes_wrong_comes_to_who_asks_and_is_tried_again() -> None:
    broken = True

    def draw(step: int) -> int:
        if step == 1 and broken:
            raise ValueError("clip 1 is damaged")
        return step

    prefetch = Prefetch(draw)
    assert prefetch(0) == 0
    with pytest.raises(ValueError, match="clip 1") as caught:
        prefetch(1)
    assert caught.value.__notes__ == ["while the batch of step 1 was drawn"]
    assert prefetch(2) == 2
    broken = False
    assert prefetch(1) == 1


def test_a_clip_that_cannot_be_read_is_named(tmp_path) -> None:
    torch = pytest.importorskip("torch")
    with LatentWriter(tmp_path / "out", {"autoencoder": "a", "channels": 1}) as writer:
        for key in ("whole", "zebra"):
            writer.add(key, torch.ones(1, 1, 8, 8), 12.0, (), None)
    dataset = LatentDataset(tmp_path / "out")
    shard = tmp_path / "out" / "shard_00000.safetensors"
    with open(shard, "rb+") as file:
        file.truncate(shard.stat().st_size - 1)
    prefetch = Prefetch(lambda step: dataset[step].key)
    assert prefetch(0) == "whole"
    with pytest.raises(UserError, match=r"Clip zebra .*shard_00000"):
        prefetch(1)


def test_it_says_how_long_the_loop_waited() -> None:
    def slow(step: int) -> int:
        time.sleep(0.2)
        return step

    starved = Prefetch(slow)
    for step in range(3):
        starved(step)
    assert starved.waited > 0.4
    fed = Prefetch(slow, ahead=1)
    fed(0)
    first = fed.waited
    for step in range(1, 3):
        until(lambda step=step: fed._coming[step].done())
        fed(step)
    assert fed.waited - first < 0.1


def test_closed_it_draws_nothing_more() -> None:
    drawn, go = [], threading.Event()

    def draw(step: int) -> int:
        drawn.append(step)
        if step:
            go.wait(10)
        return step

    prefetch = Prefetch(draw, ahead=50)
    prefetch(0)
    until(lambda: len(drawn) == 2)
    prefetch.close()
    go.set()
    prefetch._pool.shutdown(wait=True)
    assert drawn == [0, 1]


CTRL_C = """
import signal, time
from skyloom.train.prefetch import Prefetch

def draw(step):
    time.sleep(0.0 if interrupted else 0.5)
    return step

interrupted = False
prefetch = Prefetch(draw, ahead=3)
signal.signal(signal.SIGALRM, lambda *_: signal.raise_signal(signal.SIGINT))
signal.setitimer(signal.ITIMER_REAL, 0.1)
try:
    prefetch(7)
except KeyboardInterrupt:
    interrupted = True
    print([prefetch(step) for step in (7, 8, 9)])
"""


def test_ctrl_c_while_the_loop_waits_loses_nothing() -> None:
    command = [sys.executable, "-c", CTRL_C]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("[7, 8, 9]\n", "")


def until(there, seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not there():
        assert time.monotonic() < end
        time.sleep(0.005)
