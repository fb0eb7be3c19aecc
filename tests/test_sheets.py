"""Contact sheets of clips that come in pieces."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from skyloom.sheets import PICTURES, Picked, side_by_side
from skyloom.video import SHEET_GREY, Video


@given(st.integers(1, 60), st.integers(1, 13))
def test_the_frames_of_a_sheet_are_spread_over_the_clip(total: int, piece: int) -> None:
    frames = np.arange(total, dtype=np.uint8)[:, None, None, None].repeat(3, axis=3)
    picked = Picked(total, 12.0)
    for start in range(0, total, piece):
        picked.append(frames[start : start + piece])
    kept = picked.video.frames[:, 0, 0, 0].tolist()
    assert picked.seen == total and len(kept) == min(PICTURES, total)
    assert kept[0] == 0 and kept[-1] == total - 1 and kept == sorted(set(kept))


def test_sheets_of_different_heights_stand_side_by_side() -> None:
    tall = Video(np.full((1, 6, 4, 3), 9, np.uint8), 1.0)
    low = Video(np.full((1, 2, 5, 3), 7, np.uint8), 1.0)
    both = side_by_side([tall, low], gap=3).frames[0]
    assert both.shape == (6, 4 + 3 + 5, 3)
    assert (both[:, :4] == 9).all() and (both[:2, 7:] == 7).all()
    assert (both[:, 4:7] == SHEET_GREY).all() and (both[2:, 7:] == SHEET_GREY).all()
