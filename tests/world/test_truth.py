"""The truth of rendered clips against their pixels and against what the stage did."""

import json
from dataclasses import replace

import numpy as np
import pytest

from skyloom.world import render_clip, sample_scene
from skyloom.world.clip import Clip, screen_boxes
from skyloom.world.scene import Action, Camera, Relation, Scene, Subject

SIZE = (64, 64)
KEYS = {
    "engine", "seed", "size", "fps", "frames", "tier", "subjects", "action", "events", "relation",
    "place", "time", "weather", "look", "camera", "word", "shots", "screen",
}  # fmt: skip


def scene_of(name: str, kind: str, direction: str | None = None, *others: Subject) -> Scene:
    """A red subject in action on a meadow by day."""
    return Scene(
        seed=2, subjects=(Subject(kind, "red", "matte", "medium"), *others),
        action=Action(name, 0, 1 if others else None, direction), place="meadow", time="day",
        weather="clear", look="natural", cameras=(Camera("still"),),
    )  # fmt: skip


def film(scene: Scene, frames: int = 25, size: tuple[int, int] = SIZE) -> Clip:
    return render_clip(scene, size=size, frames=frames, fps=6.0)


def track(clip: Clip, column: int, subject: int = 0) -> np.ndarray:
    """One number of the subject's box over the frames, nan where it cannot be seen."""
    rows = [frame[subject] for frame in clip.truth["screen"]]
    return np.array([np.nan if row is None else row[column] for row in rows])


def redness(frame: np.ndarray) -> np.ndarray:
    """Pixels that are clearly red."""
    red, green, blue = (frame[..., i].astype(int) for i in range(3))
    return (red > 90) & (red > 2 * green) & (red > 2 * blue)


def test_truth_has_its_keys_and_is_json() -> None:
    clip = render_clip(sample_scene(4, tier="all"), size=SIZE, frames=5)
    assert set(clip.truth) == KEYS
    assert json.loads(json.dumps(clip.truth)) == clip.truth
    assert len(clip.truth["screen"]) == 5
    assert clip.truth["shots"][0]["start"] == 0 and clip.truth["shots"][-1]["end"] == 5
    assert clip.short and clip.detailed


def test_the_same_arguments_give_the_same_bytes() -> None:
    for seed in (1, 2):
        scene = sample_scene(seed, tier="all")
        first, again = (render_clip(scene, size=SIZE, frames=6) for _ in range(2))
        assert np.array_equal(first.video.frames, again.video.frames)
        assert (first.short, first.detailed, first.truth) == (
            again.short, again.detailed, again.truth,
        )  # fmt: skip


@pytest.mark.parametrize(
    ("name", "kind"), [("rolls", "ball"), ("walks", "robot"), ("drives", "car"), ("hops", "rabbit")]
)
def test_left_and_right_are_left_and_right_in_the_picture(name: str, kind: str) -> None:
    for direction, sign in (("left", -1), ("right", 1)):
        clip = film(scene_of(name, kind, direction))
        x = track(clip, 0)
        assert sign * (x[-1] - x[0]) > 0.3
        middles = [np.flatnonzero(redness(f).any(axis=0)).mean() for f in clip.video.frames]
        assert sign * (middles[-1] - middles[0]) > 0.3 * SIZE[0]


def test_what_comes_toward_the_camera_grows() -> None:
    near, far = (film(scene_of("slides", "cube", way)) for way in ("toward", "away"))
    assert track(near, 4)[-1] > 1.5 * track(near, 4)[0]
    assert track(far, 4)[-1] < track(far, 4)[0] / 1.5


def test_what_falls_sinks_in_the_picture() -> None:
    y = track(film(scene_of("falls", "ball")), 1)
    assert y[-1] - y[0] > 0.2


@pytest.mark.parametrize(
    ("kind", "size"), [("car", "large"), ("ball", "small"), ("rabbit", "medium")]
)
def test_what_hides_is_seen_then_not_then_again(kind: str, size: str) -> None:
    scene = scene_of("hides", kind, "right")
    scene = replace(scene, subjects=(replace(scene.subjects[0], size=size),))
    clip = film(scene, 33)
    seen = track(clip, 4)
    hidden = np.isnan(seen) | (seen < 0.0005)
    assert hidden.any() and not hidden[0] and not hidden[-1]
    event = next(e for e in clip.truth["events"] if e["name"] == "hidden")
    middle = (event["start"] + event["end"]) / 2
    assert hidden[round(middle * 6.0)]
    assert abs(np.flatnonzero(hidden).mean() / 6.0 - middle) < 0.4


def test_paint_can_be_seen_after_the_subject_has_gone_on() -> None:
    clip = film(scene_of("paints", "car", "right"))
    last = redness(clip.video.frames[-1])
    subject = clip.truth["screen"][-1][0]
    assert subject is not None
    left_of_it = last[:, : int((subject[0] - subject[2] / 2) * SIZE[0])]
    assert left_of_it.any(axis=0).sum() > 0.2 * SIZE[0]
    first = redness(clip.video.frames[0])
    assert first.sum() < last.sum()


def test_what_is_picked_up_rises_in_the_picture() -> None:
    clip = film(scene_of("picks", "robot", "right", Subject("ball", "blue", "matte", "small")))
    y = track(clip, 1, subject=1)
    assert y[0] - y[-1] > 0.08
    assert abs(y[-1] - y[-3]) < 0.03


@pytest.mark.parametrize(
    ("name", "axis", "sign"),
    [("left of", 0, -1), ("right of", 0, 1), ("in front of", 1, 1), ("behind", 1, -1)],
)
def test_relations_hold_in_the_first_picture(name: str, axis: int, sign: int) -> None:
    scene = replace(
        scene_of("rests", "cube", None, Subject("ball", "blue", "matte", "medium")),
        action=Action("rests"),
        relation=Relation(name, 0, 1),
    )
    a, b = film(scene, 1).truth["screen"][0]
    assert a is not None and b is not None
    bottom = (a[1] + a[3] / 2, b[1] + b[3] / 2)
    apart = a[0] - b[0] if axis == 0 else bottom[0] - bottom[1]
    assert sign * apart > 0.03


def test_a_medium_subject_is_large_enough_and_on_the_picture() -> None:
    for size in ((64, 64), (80, 48), (48, 80)):
        for kind in ("ball", "cube", "cone", "ring", "robot", "rabbit"):
            box = film(scene_of("rests", kind), 1, size).truth["screen"][0][0]
            assert box is not None
            assert 0.15 < box[3] * size[1] / min(size) < 0.45
            assert 0.2 < box[0] < 0.8 and 0.2 < box[1] < 0.8


def test_a_single_picture_shows_the_midst_of_the_action() -> None:
    clip = film(scene_of("rolls", "ball", "left"), 1)
    assert clip.video.frames.shape == (1, 64, 64, 3)
    assert abs(track(clip, 0)[0] - 0.5) < 0.25
    assert len(clip.truth["shots"]) == 1


def test_following_keeps_the_subject_in_the_middle() -> None:
    scene = replace(scene_of("drives", "car", "left"), cameras=(Camera("follow"),))
    assert np.abs(track(film(scene), 0) - 0.5).max() < 0.12


def test_a_cut_changes_the_view() -> None:
    scene = replace(scene_of("rests", "robot"), cameras=(Camera("still"), Camera("still")))
    clip = film(scene, 6)
    frames = clip.video.frames.astype(float)
    steps = np.abs(np.diff(frames, axis=0)).mean(axis=(1, 2, 3))
    assert steps.argmax() == 2 and steps[2] > 3 * np.delete(steps, 2).max()
    assert [s["start"] for s in clip.truth["shots"]] == [0, 3]


def test_boxes_are_fractions_of_the_picture() -> None:
    subject = np.full((10, 20), -2, np.int8)
    subject[2:6, 5:15] = 0
    assert screen_boxes(subject, 2) == [[0.5, 0.4, 0.5, 0.4, 0.2], None]


def test_events_lie_within_the_clip() -> None:
    for seed in range(6):
        clip = render_clip(sample_scene(seed, tier="two"), size=(32, 32), frames=9, fps=6.0)
        for event in clip.truth["events"]:
            assert 0 <= event["start"] <= event["end"] <= 1.5
