"""Seams between kept and made frames."""

import numpy as np
import pytest

from skyloom.settling import FADE, settled

SIZE = (32, 48)


def still(level: int, frames: int) -> np.ndarray:
    return np.full((frames, *SIZE, 3), level, np.uint8)


def steps(frames: np.ndarray) -> np.ndarray:
    return np.abs(np.diff(frames.astype(int), axis=0)).mean(axis=(1, 2, 3))


@pytest.mark.parametrize("before", [True, False])
def test_a_step_where_all_stands_still_becomes_a_slope(before: bool) -> None:
    frames = np.concatenate([still(100, 4), still(113, 20)])
    kept = np.arange(24) < 4
    if not before:
        frames, kept = frames[::-1], kept[::-1]
    result = settled(frames, kept)
    assert np.array_equal(result[kept], frames[kept])
    assert steps(frames).max() == 13 and steps(result).max() <= 2
    changed = (result != frames).any(axis=(1, 2, 3))
    assert changed.sum() == FADE  # and no further


def test_both_ends_meet() -> None:
    frames = np.concatenate([still(100, 3), still(112, 6), still(106, 3)])
    kept = np.array([True] * 3 + [False] * 6 + [True] * 3)
    result = settled(frames, kept)
    assert np.array_equal(result[kept], frames[kept])
    assert steps(result).max() < 6 < steps(frames).max()


def test_what_moves_is_left_alone() -> None:
    frames = still(100, 16)
    for number, frame in enumerate(frames):  # a bright block goes right, and jumps at the seam
        place = number + (8 if number >= 8 else 0)
        frame[10:20, place : place + 12] = 250
    frames[8:, 24:] = 110  # and the ground is a little off
    result = settled(frames, np.arange(16) < 8)
    outline = (slice(8, None), slice(10, 20), slice(15, 20))
    assert np.abs(result[outline].astype(int) - frames[outline]).max() <= 12
    assert (result[8, 26:] < 103).all()  # the ground goes on


@pytest.mark.parametrize("before", [True, False])
def test_the_light_of_what_moves_goes_on(before: bool) -> None:
    """Stripes go by on both sides of the seam; beyond it they are lighter."""
    across = np.arange(48)[None] - np.arange(24)[:, None]
    stripes = (120 + 40 * np.sin(across * 2 * np.pi / 16)).astype(int)
    frames = np.broadcast_to(stripes[:, None, :, None], (24, *SIZE, 3)).copy()
    kept = np.arange(24) < 8
    if not before:
        frames, kept = frames[::-1].copy(), kept[::-1]
    true = frames.mean(axis=(1, 2, 3))
    frames[~kept] += 10
    frames = frames.astype(np.uint8)
    result = settled(frames, kept)
    lighter = result.mean(axis=(1, 2, 3)) - true
    assert np.array_equal(result[kept], frames[kept])
    assert np.abs(np.diff(lighter)).max() <= 3  # one step of 10 became a slope
    assert np.abs(lighter[[0, -1]] - np.where(kept[[0, -1]], 0, 10)).max() <= 0.6


def test_nothing_to_settle() -> None:
    frames = still(9, 5)
    for kept in (np.ones(5, bool), np.zeros(5, bool)):
        assert settled(frames, kept) is frames


def test_a_picture_alone_is_a_seam_too() -> None:
    frames = np.concatenate([still(90, 1), still(100, 20)])
    result = settled(frames, np.arange(21) < 1)
    assert (result[1] < 93).all() and np.array_equal(result[FADE + 1 :], frames[FADE + 1 :])


def test_a_loop_meets_its_start() -> None:
    frames = np.concatenate([still(100, 4), still(113, 30)])
    kept = np.arange(34) < 4
    line, ring = settled(frames, kept), settled(frames, kept, loop=True)
    assert np.array_equal(line[-1], frames[-1])
    assert np.abs(ring[-1].astype(int) - frames[0]).max() <= 2
    assert np.array_equal(ring[: 4 + FADE], line[: 4 + FADE])
    assert np.array_equal(ring[kept], frames[kept])
