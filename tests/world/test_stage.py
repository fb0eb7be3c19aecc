"""What happens on the stage, against the simulated positions."""

import math
from itertools import product

import numpy as np
import pytest

from skyloom.world.sampling import DOERS, sample_scene
from skyloom.world.scene import Action, Camera, Relation, Scene, Subject, Word
from skyloom.world.stage import Stage, build_stage

PLACES = ("meadow", "moon")


def scene_of(
    name: str,
    kind: str,
    direction: str | None = None,
    other: str | None = None,
    place: str = "meadow",
    size: str = "medium",
    relation: str | None = None,
) -> Scene:
    """A plain scene of one action."""
    subjects = [Subject(kind, "red", "matte", size)]
    if other is not None:
        subjects.append(Subject(other, "blue", "matte", "small"))
    acts_on = 1 if other is not None and relation is None else None
    return Scene(
        seed=3, subjects=tuple(subjects), action=Action(name, 0, acts_on, direction), place=place,
        time="day", weather="clear", look="natural", cameras=(Camera("still"),),
        relation=None if relation is None else Relation(relation, 0, 1),
    )  # fmt: skip


def run(scene: Scene, seconds: float = 4.0) -> tuple[Stage, np.ndarray]:
    """The stage after a while, and the positions of all actors on the way: frames, actors, xyz."""
    stage = build_stage(scene)
    path = [[a.position.copy() for a in stage.actors]]
    for _ in range(int(seconds * 12)):
        stage.advance(1 / 12)
        path.append([a.position.copy() for a in stage.actors])
    return stage, np.array(path)


def spun(stage: Stage, seconds: float = 1.0) -> float:
    """Radians that the acting body turns in a while, summed up step by step."""
    total, data, body = 0.0, stage.data, stage.actor.body
    before = data.xmat[body].reshape(3, 3).copy()
    for _ in range(int(seconds * 60)):
        stage.advance(1 / 60)
        now = data.xmat[body].reshape(3, 3).copy()
        total += math.acos(np.clip((np.trace(before.T @ now) - 1) / 2, -1, 1))
        before = now
    return total


def test_every_geom_has_a_surface_and_the_ground_is_first() -> None:
    for seed in range(30):
        stage = build_stage(sample_scene(seed, tier="all"))
        assert len(stage.surfaces) == stage.model.ngeom
        assert stage.model.geom(0).name == "ground"
        assert stage.surfaces[0].subject == -2
        seen = {s.subject for s in stage.surfaces if s.subject >= 0}
        assert seen == set(range(len(stage.scene.subjects)))
        assert stage.model.ngeom <= 80


def test_the_same_scene_runs_the_same_bit_for_bit() -> None:
    for seed in (0, 5, 9):
        scene = sample_scene(seed, tier="two")
        first, again = (run(scene, 1.0) for _ in range(2))
        assert np.array_equal(first[1], again[1])
        assert first[0].events == again[0].events


@pytest.mark.parametrize(
    ("name", "kind"),
    [(n, k) for n in ("rolls", "slides", "walks", "hops", "drives") for k in DOERS[n]],
)
def test_ways_go_where_they_say(name: str, kind: str) -> None:
    axis = {"left": (0, -1), "right": (0, 1), "toward": (1, -1), "away": (1, 1)}
    for direction, (i, sign) in axis.items():
        _, path = run(scene_of(name, kind, direction))
        gone = path[-1, 0] - path[0, 0]
        assert sign * gone[i] > 1.5, direction
        assert abs(gone[1 - i]) < 0.3
        early = path[6, 0] - path[0, 0]  # within half a second it has begun
        assert sign * early[i] > 0.1


@pytest.mark.parametrize("kind", DOERS["rolls"])
def test_rolling_turns_as_a_wheel_does(kind: str) -> None:
    stage = build_stage(scene_of("rolls", kind, "left"))
    start = stage.actor.position[0]
    turned = spun(stage, 1.5)
    way = start - stage.actor.position[0]
    assert way > 0.5
    assert turned * stage.actor.size.length / 2 == pytest.approx(way, rel=0.1)


@pytest.mark.parametrize("kind", DOERS["slides"])
def test_sliding_does_not_turn(kind: str) -> None:
    assert spun(build_stage(scene_of("slides", kind, "left"))) < 0.1


def test_a_car_rolls_on_its_wheels() -> None:
    stage = build_stage(scene_of("drives", "car", "right"))
    stage.advance(1.0)
    wheel = stage.data.qvel[stage.model.joint("s0.wheel0").dofadr[0]]
    assert wheel * 0.17 * stage.actor.scale == pytest.approx(stage.actor.velocity[0], rel=0.15)


@pytest.mark.parametrize("place", PLACES)
def test_a_rabbit_is_in_the_air_and_on_the_ground(place: str) -> None:
    _, path = run(scene_of("hops", "rabbit", "left", place=place))
    height = path[:, 0, 2]
    assert height.max() > 0.2 and height.min() < 0.02
    assert np.sum((height[1:-1] > height[:-2]) & (height[1:-1] >= height[2:])) >= 2


@pytest.mark.parametrize(("kind", "place"), list(product(DOERS["falls"], PLACES)))
def test_falls_down_and_stays_down(kind: str, place: str) -> None:
    stage, path = run(scene_of("falls", kind, place=place))
    height = path[:, 0, 2]
    assert height[0] - height[-1] > 1.0
    pull = -stage.model.opt.gravity[2]
    assert height[0] - height[4] == pytest.approx(pull * (4 / 12) ** 2 / 2, rel=0.1)
    assert np.ptp(height[-6:]) < 0.1
    assert abs(path[-1, 0, 0]) < 2.0


@pytest.mark.parametrize("kind", DOERS["bounces"])
def test_bounces_up_again(kind: str) -> None:
    _, path = run(scene_of("bounces", kind))
    height = path[:, 0, 2]
    low = int(np.argmin(height[:15]))
    again = height[low:].max() - height[low]
    assert again > 0.45 * (height[0] - height[low])
    assert np.abs(path[:, 0, :2]).max() < 1.0


@pytest.mark.parametrize("kind", DOERS["spins"])
def test_spins_on_the_spot(kind: str) -> None:
    stage = build_stage(scene_of("spins", kind))
    start = stage.actor.position.copy()
    assert spun(stage, 2.0) > 5.0
    assert np.abs(stage.actor.position - start).max() < 0.1


@pytest.mark.parametrize("kind", DOERS["rests"])
def test_rests(kind: str) -> None:
    _, path = run(scene_of("rests", kind))
    assert np.abs(path - path[0]).max() < 0.02


@pytest.mark.parametrize(
    ("kind", "other", "place"),
    list(product(("ball", "cube", "car", "robot"), ("ball", "cylinder", "car"), PLACES)),
)
def test_colliding_bounces_off(kind: str, other: str, place: str) -> None:
    stage, path = run(scene_of("collides", kind, "right", other, place))
    contact = next(e for e in stage.events if e["name"] == "contact")
    assert 0.8 < contact["start"] < 2.0
    at = int(contact["start"] * 12)
    step = np.diff(path[:, :, 0], axis=0) * 12
    assert step[at - 2, 0] > 0.3 and step[at - 2, 1] < -0.3  # toward each other
    assert step[at + 3, 0] < -0.1 and step[at + 3, 1] > 0.1  # and apart
    assert np.abs(path[:, :, 0]).max() < 2.5


@pytest.mark.parametrize(
    ("kind", "other"), list(product(("robot", "car"), ("cube", "cone", "ball")))
)
def test_pushing_moves_the_other(kind: str, other: str) -> None:
    stage, path = run(scene_of("pushes", kind, "left", other))
    assert path[-1, 1, 0] < path[0, 1, 0] - 0.7
    contact = next(e for e in stage.events if e["name"] == "contact")
    before = int(contact["start"] * 12) - 1
    assert path[before, 1, 0] == pytest.approx(path[0, 1, 0], abs=0.03)


@pytest.mark.parametrize(("kind", "place"), list(product(DOERS["topples"], PLACES)))
def test_toppling_brings_the_stack_down(kind: str, place: str) -> None:
    stage = build_stage(scene_of("topples", kind, place=place))
    top = stage.model.body("block3").id
    height = stage.data.xpos[top, 2]
    stage.advance(0.3)
    assert stage.data.xpos[top, 2] == pytest.approx(height, abs=0.02)  # it stands by itself
    stage.advance(3.7)
    assert stage.data.xpos[top, 2] < 0.85 * height
    assert next(e for e in stage.events if e["name"] == "topples")["end"] is not None


@pytest.mark.parametrize("kind", DOERS["hides"])
def test_hiding_passes_behind_the_wall_and_comes_out(kind: str) -> None:
    stage, path = run(scene_of("hides", kind, "right"))
    assert path[0, 0, 0] < -1.0 and path[-1, 0, 0] > 1.0
    assert path[:, 0, 1].min() > 0.1  # the wall is at y = 0
    hidden = next(e for e in stage.events if e["name"] == "hidden")
    assert hidden["end"] - hidden["start"] > 0.15


@pytest.mark.parametrize("kind", DOERS["paints"])
def test_paint_stays_where_the_subject_has_been(kind: str) -> None:
    stage = build_stage(scene_of("paints", kind, "left"))
    stroke = stage.model.geom("paint.stroke").id
    assert stage.data.geom_xpos[stroke, 2] < -10
    lengths = []
    for _ in range(4):
        stage.advance(1.0)
        lengths.append(float(stage.model.geom_size[stroke, 0]))
        assert abs(stage.data.geom_xpos[stroke, 2]) < 0.1
    assert lengths == sorted(lengths) and 2 * lengths[-1] > 1.5
    right_end = stage.data.geom_xpos[stroke, 0] + lengths[-1]
    assert right_end == pytest.approx(-build_stage(stage.scene).actor.position[0] * -1, abs=0.05)


@pytest.mark.parametrize("other", [None, "ball", "cube", "cone"])
def test_a_robot_picks_up_and_keeps_it_up(other: str | None) -> None:
    stage = build_stage(scene_of("picks", "robot", "right", other))
    thing = stage.model.body("crate" if other is None else "s1").id
    before = stage.data.xpos[thing, 2]
    stage.advance(1.0)
    assert stage.data.xpos[thing, 2] == pytest.approx(before, abs=0.02)
    stage.advance(2.5)
    lifted = float(stage.data.xpos[thing, 2])
    assert lifted > before + 0.4
    stage.advance(2.0)
    assert stage.data.xpos[thing, 2] == pytest.approx(lifted, abs=0.1)
    assert [e["name"] for e in stage.events] == ["picks", "lifted"]


@pytest.mark.parametrize("kind", DOERS["eats"])
def test_eaten_food_is_gone_for_good(kind: str) -> None:
    stage = build_stage(scene_of("eats", kind, "left"))
    food = stage.model.body("food").id
    assert stage.data.xpos[food, 2] > 0
    stage.advance(3.8)
    gone = next(e for e in stage.events if e["name"] == "gone")
    assert gone["start"] > 1.0
    assert stage.data.xpos[food, 2] < -10
    assert abs(stage.actor.position[0] + 0.85) < 1.2  # it was reached


@pytest.mark.parametrize("relation", ["left of", "right of", "in front of", "behind", "on top of"])
def test_relations_hold_when_the_clip_begins(relation: str) -> None:
    _, path = run(scene_of("rests", "cube", None, "cylinder", relation=relation), 1.0)
    for at in (0, -1):
        a, b = path[at]
        held = {
            "left of": a[0] < b[0] - 0.5, "right of": a[0] > b[0] + 0.5,
            "in front of": a[1] < b[1] - 0.5, "behind": a[1] > b[1] + 0.5,
            "on top of": a[2] > b[2] + 0.5 and abs(a[0] - b[0]) < 0.05,
        }  # fmt: skip
        assert held[relation]


def test_short_clips_hurry() -> None:
    far = []
    for duration in (4.0, 2.0):
        stage = build_stage(scene_of("walks", "robot", "right"), duration)
        stage.advance(duration)
        far.append(float(stage.actor.position[0]))
    assert far[0] == pytest.approx(far[1], abs=0.1)


def test_a_word_stands_on_what_carries_it() -> None:
    for surface in ("sign", "blackboard", "car"):
        scene = scene_of("rests", "car", place="room")
        scene = Scene(**{**vars(scene), "word": Word("SKY", surface)})
        texts = [s for s in build_stage(scene).surfaces if s.text == "SKY"]
        assert texts and all((t.subject == 0) == (surface == "car") for t in texts)


@pytest.mark.parametrize("name", sorted(DOERS))
def test_actions_stay_in_reach_of_the_camera(name: str) -> None:
    direction = None if name in ("rests", "spins", "falls", "bounces", "topples") else "left"
    other = {"collides": "ball", "pushes": "cube"}.get(name)
    for kind, size in product(DOERS[name], ("small", "large")):
        if name == "collides" and kind == "car" and size == "large":
            continue
        _, path = run(scene_of(name, kind, direction, other, size=size))
        assert np.isfinite(path).all()
        assert np.abs(path[..., 0]).max() < 2.4, (kind, size)
        assert path[..., 2].max() < 3.0
