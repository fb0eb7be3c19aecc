"""Sizes and crops: aspects kept, the middle kept, no aliasing."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skyloom.framing import cover, crop_box, describe, native_size

sides = st.integers(16, 5000)


@pytest.mark.parametrize(
    ("seen", "multiple", "wanted"),
    [
        ((128, 128), 16, (128, 128)),
        ((1920, 1080), 16, (176, 96)),
        ((1080, 1920), 16, (96, 176)),
        ((1920, 1080), 32, (160, 96)),
        ((640, 480), 16, (144, 112)),
        ((16, 8000), 16, (16, 512)),
    ],
)
def test_native_size(seen: tuple[int, int], multiple: int, wanted: tuple[int, int]) -> None:
    assert native_size(*seen, multiple) == wanted


@given(sides, sides, st.sampled_from([8, 16, 32, 64]))
def test_native_size_is_on_the_grid_and_turns_with_the_picture(
    width: int, height: int, multiple: int
) -> None:
    size = native_size(width, height, multiple)
    assert all(side % multiple == 0 and multiple <= side <= 512 for side in size)
    assert native_size(height, width, multiple) == size[::-1] or width == height
    if 1 / 3 < width / height < 3:
        assert abs(math.log(size[0] * size[1] / 128**2)) < 0.9
        assert abs(math.log(size[0] / size[1] * height / width)) < 0.05 * multiple / 4


@given(sides, sides, sides, sides)
def test_a_crop_is_the_largest_middle_part_of_the_wanted_aspect(
    width: int, height: int, across: int, down: int
) -> None:
    left, top, right, bottom = crop_box((width, height), (across, down))
    assert left == pytest.approx(width - right) and top == pytest.approx(height - bottom)
    assert 0 <= left < right <= width + 1e-9 and 0 <= top < bottom <= height + 1e-9
    assert left < 1e-9 or top < 1e-9, "one side is whole"
    stretch = (right - left) / (bottom - top) * down / across
    assert abs(stretch - 1) < 0.51 / min(across, down), "less than half a pixel"


def test_what_is_seen_keeps_its_shape() -> None:
    y, x = np.mgrid[:240, :400]
    disc = np.where((x - 200) ** 2 + (y - 120) ** 2 < 60**2, 255, 0).astype(np.uint8)
    small = cover(np.repeat(disc[..., None], 3, -1), (96, 96))[..., 0] > 127
    assert abs(int(small.any(0).sum()) - 48) <= 1
    assert abs(int(small.any(1).sum()) - 48) <= 1
    centre = np.argwhere(small).mean(0)
    assert np.allclose(centre, 47.5, atol=0.5)
    flat = cover(np.repeat(disc[..., None], 3, -1), (96, 96), stretch=True)[..., 0] > 127
    assert int(flat.any(0).sum()) < 30, "unless it is to be stretched"


def test_fine_stripes_turn_grey_and_do_not_alias() -> None:
    stripes = np.zeros((540, 960, 3), dtype=np.uint8)
    stripes[:, ::2] = 255
    small = cover(stripes, (112, 64))
    assert np.abs(small.astype(int) - 127).max() <= 4


def test_a_frame_of_the_size_is_the_frame() -> None:
    frame = np.zeros((48, 64, 3), dtype=np.uint8)
    assert cover(frame, (64, 48)) is frame
    assert describe((64, 48), (64, 48), cropped=False, stretch=False) is None


def test_what_is_said() -> None:
    assert describe((1920, 1080), (160, 96), True, False) == (
        "scaled from 1920x1080 and cropped to 160x96"
    )
    assert describe((128, 96), (64, 48), False, False) == "scaled from 128x96 to 64x48"
    assert describe((128, 96), (128, 64), True, False) == "cropped from 128x96 to 128x64"
    assert describe((128, 96), (64, 64), True, True) == "stretched from 128x96 to 64x64"
