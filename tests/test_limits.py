"""What can be made, found out before any work."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skyloom.errors import UserError
from skyloom.limits import LARGEST_SIDE, LONGEST_SECONDS, check_memory, check_seconds, check_size


@pytest.mark.parametrize(
    ("size", "nearest"),
    [
        ((100, 128), "96x128"),
        ((128, 130), "128x128"),
        ((4000, 70), "2048x64"),
        ((1, 1), "32x32"),
        ((0, -5), "32x32"),
    ],
)
def test_a_size_off_the_grid_names_the_nearest_on_it(size: tuple[int, int], nearest: str) -> None:
    with pytest.raises(UserError, match=f"make {size[0]}x{size[1]}: .* is {nearest} .multiples"):
        check_size(size, 32, 32)


@given(st.integers(-10, 3000), st.integers(-10, 3000))
def test_the_nearest_size_works(width: int, height: int) -> None:
    try:
        check_size((width, height), 32, 32)
    except UserError as error:
        nearest = str(error).split("size it can is ")[1].split()[0]
        across, down = (int(side) for side in nearest.split("x"))
        check_size((across, down), 32, 32)
        if 16 <= width <= LARGEST_SIDE:
            assert abs(across - width) <= 16


@pytest.mark.parametrize("seconds", [601.0, 5000.0, float("inf")])
def test_a_clip_that_is_too_long_names_the_longest(seconds: float) -> None:
    check_seconds(LONGEST_SECONDS)
    with pytest.raises(UserError, match=f"cannot make {seconds:g} seconds: .* can is 600 seconds"):
        check_seconds(seconds)


def test_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    check_memory(49, (128, 128), 96)
    with pytest.raises(UserError, match=r"100000001 frames of 512x512 need about \d+\.\d GiB of"):
        check_memory(100_000_001, (512, 512), 96)
    pages = {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": 2**18}  # a machine of 1 GiB
    monkeypatch.setattr(os, "sysconf", pages.__getitem__)
    check_memory(49, (128, 128), 96)
    with pytest.raises(UserError, match=r"this machine has 1.0: make it smaller or shorter"):
        check_memory(481, (512, 512), 96)
