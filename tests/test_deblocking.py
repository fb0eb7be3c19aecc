"""Steps between latent frames."""

from collections.abc import Iterator

import numpy as np
import pytest

from skyloom.deblocking import deblocked, level

SIZE = (16, 24)


def pulsing(lengths: list[int], levels: list[int]) -> Iterator[np.ndarray]:
    for length, grey in zip(lengths, levels, strict=True):
        yield np.full((length, *SIZE, 3), grey, np.uint8)


def steps(frames: np.ndarray) -> np.ndarray:
    return np.abs(np.diff(frames.astype(int), axis=0)).mean(axis=(1, 2, 3))


@pytest.mark.parametrize("lengths", [[1, 8, 8, 8], [8, 8, 8, 8], [1, 4, 4, 4]])
def test_what_stands_still_stops_pulsing(lengths: list[int]) -> None:
    levels = [100, 112, 100, 112]
    before = np.concatenate(list(pulsing(lengths, levels)))
    after = np.concatenate(list(deblocked(pulsing(lengths, levels))))
    assert after.shape == before.shape and after.dtype == np.uint8
    assert steps(before).max() == 12 and steps(after).max() <= 6
    middle = sum(lengths[:2]) - lengths[1] // 2  # as far from every seam as can be
    assert abs(int(after[middle, 0, 0, 0]) - 112) <= 2


def test_what_boils_and_what_is_another_thing_stays() -> None:
    rng = np.random.default_rng(0)
    boiling = rng.integers(0, 256, (17, *SIZE, 3), dtype=np.uint8)
    cut = np.concatenate(list(pulsing([1, 8, 8], [30, 30, 220])))
    for frames, most in ((boiling, 2.0), (cut, 0.1)):
        result = np.concatenate(list(deblocked(iter(np.split(frames, [1, 9])))))
        assert np.abs(result.astype(int) - frames).mean() <= most


def passing() -> np.ndarray:
    """A wall of stripes that goes by, with a dark thing in front of it that does not."""
    across = np.arange(48)[None] - np.arange(17)[:, None]
    wall = 120 + 40 * np.sin(across * 2 * np.pi / 16)
    frames = np.repeat(np.repeat(wall[:, None, :, None], 32, axis=1), 3, axis=3)
    frames[:, 12:24, 18:30] = 20
    return frames.astype(np.uint8)


def test_what_moves_stops_pulsing_too() -> None:
    true = passing()
    told = true.astype(int)
    told[9:] += 10  # the last latent frame is lighter
    pieces = np.split(told.astype(np.uint8), [1, 9])
    result = np.concatenate(list(deblocked(iter(pieces))))
    means = result.mean(axis=(1, 2, 3)) - true.mean(axis=(1, 2, 3))
    assert abs(means[0]) <= 1 and abs(means[-1] - 10) <= 1  # far from where they meet
    assert np.diff(means).max() <= 2.5  # one step of 10 became a slope
    assert np.abs((result - true.astype(int)) - means[:, None, None, None]).max() <= 6


def test_motion_alone_is_no_pulse() -> None:
    frames = passing()
    result = np.concatenate(list(deblocked(iter(np.split(frames, [1, 9])))))
    assert np.abs(result.astype(int) - frames).mean() <= 1


def test_frames_come_as_soon_as_they_are_done() -> None:
    asked = []

    def blocks() -> Iterator[np.ndarray]:
        for number, block in enumerate(pulsing([1, 8, 8], [1, 2, 3])):
            asked.append(number)
            yield block

    stream = deblocked(blocks())
    assert len(next(stream)) == 1 and asked == [0, 1]
    assert [len(frames) for frames in stream] == [8, 8]


def test_a_picture_alone_is_left_as_it_is() -> None:
    (picture,) = pulsing([1], [7])
    assert np.array_equal(next(deblocked(iter([picture]))), picture)
    assert not list(deblocked(iter([])))


def squares(step: int) -> np.ndarray:
    """Two frames of 48x32 in squares of 16, every second one `step` levels lighter."""
    down, across = np.arange(32) // 16, np.arange(48) // 16
    lighter = (down[:, None] + across[None]) % 2 * step
    return np.broadcast_to(100 + lighter[None, :, :, None], (2, 32, 48, 3)).astype(np.uint8)


@pytest.mark.parametrize("step", [4, 12, 20])
def test_squares_of_latents_are_levelled_to_both_sides(step: int) -> None:
    frames = level(squares(step), 16)
    across = np.abs(np.diff(frames.astype(int), axis=2))
    down = np.abs(np.diff(frames.astype(int), axis=1))
    assert max(across.max(), down.max()) <= max(1, round(0.35 * step))
    assert (frames[:, 8, 8] == 100).all() and (frames[:, 8, 24] == 100 + step).all()
    middle = frames[0, 8, 12:20, 0].astype(int)
    assert (np.diff(middle) >= 0).all()  # it rises and never falls: no halo beside the line


def test_edges_of_things_texture_and_lines_elsewhere_stay() -> None:
    edge = squares(80)
    assert np.array_equal(level(edge, 16), edge)
    noise = np.random.default_rng(0).integers(0, 256, (2, 32, 48, 3), dtype=np.uint8)
    changed = np.abs(level(noise, 16).astype(int) - noise)
    assert changed.mean() < 3
    elsewhere = np.roll(squares(20), 8, axis=(1, 2))
    inside = np.abs(level(elsewhere, 16).astype(int) - elsewhere)
    assert inside.max() <= 1


def test_a_slope_is_no_step() -> None:
    slope = np.broadcast_to(np.arange(48, dtype=np.uint8)[None, None, :, None] * 4, (1, 32, 48, 3))
    assert np.array_equal(level(slope, 16), slope)


def test_frames_do_not_know_of_each_other() -> None:
    frames = np.concatenate([squares(12), squares(20)])
    assert np.array_equal(level(frames, 16)[2:], level(frames[2:], 16))
