"""Drawing ahead changes nothing but the time it takes."""

import threading

import pytest

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


def test_the_next_is_drawn_meanwhile() -> None:
    there = threading.Event()

    def draw(step: int) -> int:
        if step == 2:
            there.set()
        return step

    prefetch = Prefetch(draw, ahead=2)
    assert prefetch(0) == 0
    assert there.wait(timeout=10)


def test_what_goes_wrong_comes_to_who_asks() -> None:
    def draw(step: int) -> int:
        if step == 1:
            raise ValueError("clip 1 is damaged")
        return step

    prefetch = Prefetch(draw)
    assert prefetch(0) == 0
    with pytest.raises(ValueError, match="clip 1"):
        prefetch(1)
    assert prefetch(2) == 2
