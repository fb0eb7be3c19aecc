"""From orders to frames: what is asked is delivered, at any size, and what is given stays sharp."""

from pathlib import Path

import numpy as np
import pytest

from skyloom import video
from skyloom.edit import extend
from skyloom.errors import UserError
from skyloom.fitting import fit
from skyloom.pipeline import Skyloom
from skyloom.request import Request
from skyloom.serve.making.deliver import deliver
from skyloom.serve.making.frames import Making, prepare
from skyloom.serve.order import Order
from skyloom.video import Video

SAID = {"prompt": "a ball", "steps": 1}


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One second of 60x34 at 12 frames a second, a ball that moves."""
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    rows, columns = np.ogrid[:34, :60]
    balls = [np.hypot(rows - 17, columns - 10 - 3 * n) < 8 for n in range(12)]
    red = np.stack([np.where(ball[..., None], [200, 30, 20], [90, 120, 160]) for ball in balls])
    video.write(Video(red.astype(np.uint8), 12.0), path)
    return path


@pytest.fixture(scope="module")
def picture(clip: Path) -> Path:
    path = clip.with_suffix(".png")
    video.write(Video(video.read(clip).frames[:1], 1.0), path)
    return path


def frames(made: Making) -> np.ndarray:
    pieces = list(made.frames(lambda step, count: None))
    return np.concatenate(pieces)


def test_any_size_and_length_is_delivered(skyloom: Skyloom) -> None:
    made = prepare(Order(size=(100, 57), seconds=0.75, **SAID), skyloom, {})
    assert frames(made).shape == (9, 57, 100, 3) and made.count == 9
    assert made.made == (160, 96) and made.notes == ["made at 160x96 and scaled to 100x57"]
    assert made.asked.size == (100, 57)


def test_what_the_model_can_make_is_made_as_it_is(skyloom: Skyloom) -> None:
    made = prepare(Order(size=(64, 32), seconds=1.0, **SAID), skyloom, {})
    request = Request("a ball", size=(64, 32), seconds=1.0, steps=1)
    assert made.notes == [] and (frames(made) == skyloom.generate(request).frames).all()


def test_a_long_clip_rolls_on_and_says_so(skyloom: Skyloom) -> None:
    made = prepare(Order(size=(32, 32), seconds=9.0, **SAID), skyloom, {})
    assert made.count == 108
    assert made.notes == ["made in 3 windows, each beside what is made already"]


def test_an_extension_is_that_of_the_pipeline(skyloom: Skyloom, clip: Path) -> None:
    order = Order(operation="extend", size=(64, 32), seconds=0.5, inputs={"video": "k/x"}, **SAID)
    made = frames(prepare(order, skyloom, {"video": clip}))
    given = fit(clip, size=(64, 32), fps=12.0).video
    request = Request("a ball", size=(64, 32), seconds=0.5, steps=1)
    stride = skyloom.autoencoder.stride[0]
    assert (made == skyloom.edit(extend(given, request, stride)).frames).all()


@pytest.mark.parametrize("backward", [False, True])
def test_a_given_clip_stays_as_sharp_as_it_is(skyloom: Skyloom, clip: Path, backward: bool) -> None:
    """It is delivered at its own size and not as the model sees it."""
    order = Order(
        operation="extend", seconds=0.5, inputs={"video": "k/x"}, backward=backward, **SAID
    )
    plan = prepare(order, skyloom, {"video": clip})
    made, given = frames(plan), video.read(clip).frames
    assert plan.size == (60, 34) and len(made) == 18 and plan.count == 18
    kept = made[-12:] if backward else made[:12]
    assert (kept == given).all()
    assert plan.kept is not None
    untouched = plan.kept(0, 18).all(axis=(1, 2))
    assert untouched.sum() == 12 and untouched[-12 if backward else 0]


def test_a_trimmed_clip_is_as_if_it_were_no_longer(skyloom: Skyloom, clip: Path) -> None:
    order = Order(
        operation="extend", seconds=0.5, inputs={"video": "k/x"}, trim=(0.0, 0.75), **SAID
    )
    made = frames(prepare(order, skyloom, {"video": clip}))
    assert len(made) == 9 + 6 and (made[:9] == video.read(clip).frames[:9]).all()
    late = Order(operation="extend", inputs={"video": "k/x"}, trim=(5.0, 6.0), **SAID)
    with pytest.raises(UserError, match="trim leaves nothing"):
        prepare(late, skyloom, {"video": clip})


def test_what_a_fill_keeps_stays(skyloom: Skyloom, clip: Path) -> None:
    order = Order(operation="fill", inputs={"video": "k/x"}, keep=((0.0, 0.2), (0.9, 9.0)), **SAID)
    made, given = frames(prepare(order, skyloom, {"video": clip})), video.read(clip).frames
    kept = [0, 1, 2, 11]
    assert (made[kept] == given[kept]).all() and (made[5] != given[5]).any()


def test_every_operation_delivers_what_it_plans(
    skyloom: Skyloom, clip: Path, picture: Path
) -> None:
    inputs = {"video": clip, "second": clip, "picture": picture, "mask": picture}
    story = {"shots": [{"prompt": "a", "seconds": 0.5}, {"picture": "story:0", "seconds": 0.5}]}
    orders = [
        Order(operation="image", size=(70, 40), **SAID),
        Order(operation="image", size=(200, 190), **SAID),
        Order(loop=True, size=(32, 32), seconds=0.7, **SAID),
        Order(size=(32, 32), seconds=0.5, inputs={"character:0": "k/x"}, **SAID),
        Order(operation="animate", at="end", seconds=0.5, inputs={"picture": "k/x"}, **SAID),
        Order(operation="animate", seconds=0.5, inputs={"picture": "k/x"},
              path={"points": [[0, 0.2, 0.5], [0.4, 0.6, 0.5]], "radius": 0.1}, **SAID),
        Order(operation="loop", seconds=0.5, inputs={"video": "k/x"}, **SAID),
        Order(operation="connect", seconds=0.5, inputs={"video": "k/x", "second": "k/y"}, **SAID),
        Order(operation="blend", inputs={"video": "k/x", "second": "k/y"}, **SAID),
        Order(operation="restyle", inputs={"video": "k/x", "mask": "k/y"}, **SAID),
        Order(operation="storyboard", size=(50, 30), story=story, steps=1,
              inputs={"story:0": "k/x", "character:0": "k/y"}),
    ]  # fmt: skip
    files = {**inputs, "character:0": picture, "story:0": picture}
    for order in orders:
        plan = prepare(order, skyloom, {role: files[role] for role in order.inputs})
        made = frames(plan)
        assert made.shape == (plan.count, *plan.size[::-1], 3), order.operation
        assert order.size in (None, plan.size)


def test_the_files_are_the_clip_a_thumbnail_and_a_sheet(
    skyloom: Skyloom, tmp_path: Path, clip: Path
) -> None:
    order = Order(operation="extend", seconds=0.5, inputs={"video": "k/x"}, **SAID)
    told: list[int] = []
    results, delivered = deliver(
        prepare(order, skyloom, {"video": clip}), order, {"video": clip}, tmp_path,
        lambda step, count: told.append(step),
    )  # fmt: skip
    assert told[-1] == 1 and (delivered.size, delivered.frames) == ((60, 34), 18)
    shown = {name: video.read(path) for name, path in results.items()}
    assert shown["video"].size == (60, 34) and shown["video"].duration == delivered.seconds == 1.5
    assert shown["thumbnail"].size == (60, 34) and len(shown["spritesheet"].frames) == 1
    image = Order(operation="image", size=(40, 30), **SAID)
    results, delivered = deliver(
        prepare(image, skyloom, {}), image, {}, tmp_path, lambda step, count: None
    )
    assert results["video"].suffix == ".png" and delivered.seconds == 0.0
