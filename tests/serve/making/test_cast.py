"""Characters: each of them is in the frame that the model is shown, and it is said who was."""

from pathlib import Path

import numpy as np
import pytest

from skyloom import video
from skyloom.pipeline import Skyloom
from skyloom.serve.making.cast import parts, reference
from skyloom.serve.making.frames import prepare
from skyloom.serve.order import Order
from skyloom.video import Video

COLOURS = [(200, 0, 0), (0, 200, 0), (0, 0, 200), (200, 200, 0),
           (0, 200, 200), (200, 0, 200), (90, 90, 90), (240, 240, 240)]  # fmt: skip
SAID = {"prompt": "they meet", "steps": 1, "size": (64, 32), "seconds": 0.75}


@pytest.fixture(scope="module")
def shots(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Eight pictures, each of one colour."""
    folder = tmp_path_factory.mktemp("shots")
    for n, colour in enumerate(COLOURS):
        frame = np.full((1, 20, 40, 3), colour, np.uint8)
        video.write(Video(frame, 1.0), folder / f"{n}.png")
    return {f"character:{n}": folder / f"{n}.png" for n in range(len(COLOURS))}


def cast(count: int) -> dict[str, str]:
    return {f"character:{n}": f"k/{n}" for n in range(count)}


@pytest.mark.parametrize("size", [(128, 128), (160, 96), (96, 160), (17, 16), (512, 16)])
@pytest.mark.parametrize("count", range(1, 9))
def test_the_parts_are_the_frame(count: int, size: tuple[int, int]) -> None:
    covered = np.zeros(size[::-1], int)
    boxes = parts(count, size)
    areas = [(right - left) * (bottom - top) for left, top, right, bottom in boxes]
    for left, top, right, bottom in boxes:
        covered[top:bottom, left:right] += 1
    assert len(boxes) == count and (covered == 1).all()
    assert max(areas) <= 2.5 * min(areas)


def test_two_stand_side_by_side() -> None:
    assert parts(2, (160, 96)) == [(0, 0, 80, 96), (80, 0, 160, 96)]
    assert parts(4, (128, 128))[3] == (64, 64, 128, 128)


@pytest.mark.parametrize("count", [1, 2, 3, 8])
def test_each_is_seen_once(shots: dict[str, Path], count: int) -> None:
    frame = reference(Order(inputs=cast(count), **SAID), shots, (96, 64))
    assert frame is not None and frame.shape == (1, 64, 96, 3)
    seen = {
        tuple(int(value) for value in pixel) for pixel in np.unique(frame.reshape(-1, 3), axis=0)
    }
    assert seen == set(COLOURS[:count])
    assert reference(Order(**SAID), shots, (96, 64)) is None


def test_the_second_character_changes_the_clip(skyloom: Skyloom, shots: dict[str, Path]) -> None:
    made = {}
    for count in (0, 1, 2):
        plan = prepare(Order(inputs=cast(count), **SAID), skyloom, shots)
        made[count] = np.concatenate(list(plan.frames(lambda step, total: None))).tobytes()
        said = [note for note in plan.notes if "character" in note]
        assert (
            said
            == {
                0: [],
                1: ["the model was shown 1 character"],
                2: ["the model was shown 2 characters, side by side in one reference frame"],
            }[count]
        )
    assert len(set(made.values())) == 3


def test_a_storyboard_is_shown_them_in_each_shot_without_a_beginning(
    skyloom: Skyloom, shots: dict[str, Path]
) -> None:
    def film(*each: dict, count: int) -> tuple[bytes, list[str]]:
        inputs = {**cast(count), "story:0": "k/s"}
        order = Order(operation="storyboard", story={"shots": each}, inputs=inputs, **{
            **SAID, "prompt": "", "seconds": None})  # fmt: skip
        plan = prepare(order, skyloom, {**shots, "story:0": shots["character:0"]})
        frames = np.concatenate(list(plan.frames(lambda step, total: None)))
        return frames.tobytes(), [note for note in plan.notes if "character" in note]

    words = [{"prompt": "they meet", "seconds": 0.5}, {"prompt": "they part", "seconds": 0.5}]
    (one, _), (three, said) = film(*words, count=1), film(*words, count=3)
    assert one != three
    assert said == ["the model was shown 3 characters, side by side in one reference frame"]
    pictured = {"picture": "story:0", "prompt": "it moves", "seconds": 0.5}
    (alone, _), (with_two, said) = film(pictured, count=0), film(pictured, count=2)
    assert alone == with_two
    assert said == ["the model was shown no characters: each shot has its own beginning"]


@pytest.mark.parametrize("said", [{"operation": "image"}, {"loop": True}])
def test_where_there_are_none_it_is_said(
    skyloom: Skyloom, shots: dict[str, Path], said: dict
) -> None:
    plan = prepare(Order(inputs=cast(2), **{**SAID, **said}), skyloom, shots)
    assert (
        "the model was shown no characters: only clips of words and storyboards can have them"
        in (plan.notes)
    )
