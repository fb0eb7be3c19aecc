"""Steps between latent frames."""

from collections.abc import Iterator

import numpy as np
import pytest

from skyloom.deblocking import deblocked

SIZE = (16, 24)


def pulsing(lengths: list[int], levels: list[int]) -> Iterator[np.ndarray]:
    for length, level in zip(lengths, levels, strict=True):
        yield np.full((length, *SIZE, 3), level, np.uint8)


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


def test_what_moves_and_what_is_another_thing_stays() -> None:
    rng = np.random.default_rng(0)
    boiling = rng.integers(0, 256, (17, *SIZE, 3), dtype=np.uint8)
    cut = np.concatenate(list(pulsing([1, 8, 8], [30, 30, 220])))
    for frames in (boiling, cut):
        result = np.concatenate(list(deblocked(iter(np.split(frames, [1, 9])))))
        assert np.abs(result.astype(int) - frames).max() <= 1


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
