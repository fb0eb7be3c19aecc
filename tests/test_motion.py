"""The motion brush: the sketch that it draws, what is held of it, and paths that are none."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skyloom import edit, motion
from skyloom.errors import UserError
from skyloom.motion import MotionPath
from skyloom.request import Request
from skyloom.video import Video

RIGHT = MotionPath(((0.0, 0.25, 0.5), (1.0, 0.75, 0.5)), 0.2)
ASKED = Request("it moves", size=(64, 32), seconds=1.0)


def ball() -> np.ndarray:
    """A red disc on level stripes: sky above, sand below."""
    picture = np.zeros((32, 64, 3), np.uint8)
    picture[:14], picture[14:] = (90, 150, 220), (200, 180, 120)
    rows, columns = np.ogrid[:32, :64]
    picture[np.hypot(rows - 15.5, columns - 15.75) < 5] = (220, 20, 20)
    return picture


def redness(frame: np.ndarray) -> np.ndarray:
    return (frame[..., 0].astype(int) - frame[..., 2] > 120) & (frame[..., 1] < 100)


def test_the_disc_moves_and_leaves_no_hole() -> None:
    frames, inside = motion.drawn(ball(), RIGHT, 13, 12.0)
    assert np.array_equal(frames[0], ball())
    for frame, there in zip(frames, inside, strict=True):
        assert redness(frame).sum() > 0.8 * redness(ball()).sum()
        assert there[redness(frame)].all()
    places = [np.argwhere(redness(frame)).mean(axis=0) for frame in frames]
    assert places[12][1] - places[0][1] == pytest.approx(0.5 * 63, abs=1.0)
    assert places[12][0] == pytest.approx(places[0][0], abs=0.5)
    middle = places[6][1] - places[0][1]
    assert middle == pytest.approx(0.25 * 63, abs=1.0)  # straight, at an even speed
    behind = frames[12][:, 5:26]
    assert np.abs(behind[:14].astype(int) - (90, 150, 220)).max() <= 2
    assert np.abs(behind[14:].astype(int) - (200, 180, 120)).max() <= 2


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1), st.floats(0.01, 0.5))
def test_any_place_can_be_drawn(x: float, y: float, to: float, radius: float) -> None:
    path = MotionPath(((0.0, x, y), (0.5, to, 1 - y)), radius)
    frames, inside = motion.drawn(ball(), path, 4, 12.0)
    assert frames.shape == (4, 32, 64, 3) and inside.shape == (4, 32, 64)


def test_a_path_stays_at_its_ends() -> None:
    path = MotionPath(((0.5, 0.2, 0.3), (1.0, 0.6, 0.7)), 0.1)
    assert path.at(0.0) == path.at(0.5) == (0.2, 0.3)
    assert path.at(0.75) == pytest.approx((0.4, 0.5))
    assert path.at(9.0) == (0.6, 0.7)


def test_the_first_frame_is_kept_and_the_disc_is_held_more_firmly() -> None:
    made = edit.move(Video(ball()[None], 12.0), RIGHT, ASKED)
    around, disc = made.request.given
    assert around.strengths == (1.0, *[motion.BACKGROUND_STRENGTH] * 11)
    assert disc.strengths == (1.0, *[motion.DISC_STRENGTH] * 11)
    assert disc.mask is not None and 0 < disc.mask.mean() < 0.3
    assert np.array_equal(around.video.frames[0], ball())
    assert motion.BACKGROUND_STRENGTH < motion.DISC_STRENGTH < 1


def test_a_path_is_read(tmp_path: Path) -> None:
    file = tmp_path / "path.json"
    file.write_text('{"points": [[0, 0.25, 0.5], [1, 0.75, 0.5]], "radius": 0.2}')
    assert motion.read_path(file) == RIGHT


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"radios": 0.2}, "no setting 'radios', found in '.*path.json': .* 'radius'"),
        ({"radius": 0}, "path.json' does not work: A radius of 0 cannot be"),
        ({"radius": 0.7}, "A radius of 0.7 cannot be: use a fraction of the picture"),
        ({"radius": "big"}, "'radius' in '.*path.json' is \"big\": a number is expected"),
        ({"points": [[0, 0.5, 0.5]]}, "A path of 1 points goes nowhere"),
        ({"points": []}, "A path of 0 points"),
        ({"points": [[0, 0.5], [1, 0.5]]}, r"'points\[0\]' in .*a list of 3"),
        ({"points": [[0, 0.5, 0.5], [1, 1.5, 0.5]]}, "Point 2 is at x 1.5, y 0.5: use fractions"),
        ({"points": [[0, 0.5, 0.5], [1, 0.5, float("nan")]]}, "Point 2 is at x 0.5, y nan"),
        ({"points": [[-1, 0.5, 0.5], [1, 0.5, 0.5]]}, "Point 1 is at -1 seconds: use 0 or more"),
        ({"points": [[1, 0.5, 0.5], [1, 0.6, 0.5]]}, "Point 2 is at 1 seconds and the one before"),
    ],
)
def test_paths_that_cannot_be(tmp_path: Path, change: dict, sentence: str) -> None:
    file = tmp_path / "path.json"
    good = {"points": [[0, 0.25, 0.5], [1, 0.75, 0.5]], "radius": 0.2}
    file.write_text(json.dumps(good | change))
    with pytest.raises(UserError, match=sentence):
        motion.read_path(file)


def test_files_that_hold_no_path(tmp_path: Path) -> None:
    file = tmp_path / "path.json"
    with pytest.raises(UserError, match="path.json' does not exist: name a JSON file"):
        motion.read_path(file)
    file.write_text('{"points": [')
    with pytest.raises(UserError, match="not valid JSON: .*line 1"):
        motion.read_path(file)
    file.write_text('{"radius": 0.1}')
    with pytest.raises(UserError, match="'points' is missing in '.*path.json'"):
        motion.read_path(file)


def test_a_path_longer_than_the_clip() -> None:
    with pytest.raises(UserError, match=r"path ends at 1 seconds and the clip at 0.5"):
        edit.move(Video(ball()[None], 12.0), RIGHT, replace(ASKED, seconds=0.5))
    with pytest.raises(UserError, match="leave no time to move"):
        edit.move(Video(ball()[None], 12.0), RIGHT, replace(ASKED, seconds=0))
