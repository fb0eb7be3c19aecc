"""Flashes by the thresholds of WCAG 2."""

import numpy as np
import pytest

from skyloom.bench.trust import flashing_clips
from skyloom.trust.guards.flashing import MOST, flashes


def test_every_clip_of_the_bench_is_told_right() -> None:
    for frames, safe in flashing_clips():
        assert flashes(frames, 24.0).safe == safe, flashes(frames, 24.0)


@pytest.mark.parametrize("rate", [2, 3, 4, 6])
def test_flashes_are_counted(rate: int) -> None:
    lit = (np.arange(48) % (24 // rate)) < 12 // rate
    frames = np.zeros((48, 32, 32, 3), np.uint8)
    frames[lit] = 255
    assert abs(flashes(frames, 24.0).general - rate) <= 1
    assert flashes(frames, 24.0).safe == (rate <= MOST)


def test_saturated_red_counts_even_where_it_is_dim() -> None:
    frames = np.zeros((24, 32, 32, 3), np.uint8)
    frames[::2, :, :, 0] = 88  # about 0.02 of the largest luminance: no general flash
    found = flashes(frames, 24.0)
    assert found.general == 0 and found.red > MOST
    grey = np.repeat(frames[..., :1] // 3, 3, axis=-1)
    assert flashes(grey, 24.0).red == 0


def test_grain_fine_patterns_and_slow_light_are_calm() -> None:
    rng = np.random.default_rng(0)
    grain = rng.integers(0, 256, (24, 64, 64, 3), dtype=np.uint8)
    assert flashes(grain, 24.0).safe
    board = np.indices((64, 64)).sum(axis=0) % 2
    frames = np.stack([np.where((board + at % 2) % 2, 255, 0) for at in range(24)])
    assert flashes(np.repeat(frames[..., None], 3, axis=-1).astype(np.uint8), 24.0).safe
    ramp = np.linspace(0, 255, 48).astype(np.uint8)
    slow = np.broadcast_to(ramp[:, None, None, None], (48, 32, 32, 3))
    assert flashes(slow, 24.0).general == 0
    assert flashes(grain[:1], 24.0).safe
