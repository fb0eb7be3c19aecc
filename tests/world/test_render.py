"""Pictures against what is known to stand in them."""

from dataclasses import dataclass

import mujoco
import numpy as np
import pytest

from skyloom.world.camera import Pose, base_pose, pose_at, project
from skyloom.world.props import GROUNDS
from skyloom.world.render import Rendered, Renderer
from skyloom.world.scene import (
    LOOKS,
    PLACES,
    TIMES,
    WEATHERS,
    Action,
    Camera,
    Scene,
    Subject,
)  # fmt: skip
from skyloom.world.surface import Surface

GROUND = Surface((0.13, 0.30, 0.06), texture="grass", subject=-2)


@dataclass(frozen=True)
class SimpleStage:
    model: mujoco.MjModel
    data: mujoco.MjData
    surfaces: tuple[Surface, ...]


def stage_of(*geoms: tuple[str, Surface], ground: Surface = GROUND) -> SimpleStage:
    """Geoms given as MJCF attributes, each on a free body of its own, above a ground plane."""
    bodies = "".join(f"<body><freejoint/><geom {geom} mass='1'/></body>" for geom, _ in geoms)
    text = f"<mujoco><worldbody><geom type='plane' size='9 9 1'/>{bodies}</worldbody></mujoco>"
    model = mujoco.MjModel.from_xml_string(text)
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    return SimpleStage(model, data, (ground, *(surface for _, surface in geoms)))


def scene_of(
    place: str = "meadow",
    time: str = "day",
    weather: str = "clear",
    look: str = "natural",
    camera: Camera | None = None,
    seed: int = 0,
) -> Scene:
    return Scene(
        seed,
        (Subject("ball", "red", "matte", "medium"),),
        Action("rests"),
        place,
        time,
        weather,
        look,
        (camera or Camera("still"),),
    )


FOCUS = np.array([0.0, 0.0, 0.55])
RED_BALL = ("type='sphere' size='.5' pos='0 0 .5'", Surface((0.72, 0.02, 0.02), subject=0))
SIZE = (96, 64)
POSE = base_pose(FOCUS)


def picture(scene: Scene, *geoms: tuple[str, Surface], pose: Pose = POSE, seconds: float = 0.5):
    return Renderer(stage_of(*geoms), scene, SIZE).frame(pose, seconds)


def mean_color(rendered: Rendered, subject: int) -> np.ndarray:
    return rendered.rgb[rendered.subject == subject].mean(axis=0)


def test_a_ball_is_where_projection_puts_it() -> None:
    for x, y in ((-1.2, 0.5), (1.3, -0.4)):
        ball = (f"type='sphere' size='.4' pos='{x} {y} .4'", RED_BALL[1])
        rows, columns = np.nonzero(picture(scene_of(), ball).subject == 0)
        column, row, _ = project(POSE, np.array([[x, y, 0.4]]), SIZE)[0]
        assert columns.mean() + 0.5 == pytest.approx(column, abs=0.8)
        assert rows.mean() + 0.5 == pytest.approx(row, abs=0.8)


def test_the_nearer_of_two_things_hides_the_other() -> None:
    near = ("type='box' size='.5 .1 .5' pos='0 -.8 .5'", Surface((0.1, 0.1, 0.8), subject=1))
    seen = picture(scene_of(), RED_BALL, near).subject
    alone = picture(scene_of(), RED_BALL).subject
    assert (seen == 1).sum() > 100
    assert (seen == 0).sum() < 0.6 * (alone == 0).sum()


def test_hidden_geoms_and_things_below_the_ground_are_not_seen() -> None:
    stage = stage_of(RED_BALL, ("type='sphere' size='.5' pos='1 0 -5'", RED_BALL[1]))
    stage.model.geom_group[1] = 3
    rendered = Renderer(stage, scene_of(), SIZE).frame(POSE, 0.0)
    assert (rendered.subject == -2).all()


@pytest.mark.parametrize("time", TIMES)
@pytest.mark.parametrize("weather", WEATHERS)
def test_colors_stay_themselves(time: str, weather: str) -> None:
    geoms = [
        ("type='sphere' size='.5' pos='-1.2 0 .5'", Surface((0.72, 0.02, 0.02), subject=0)),
        ("type='sphere' size='.5' pos='0 0 .5'", Surface((0.03, 0.40, 0.05), subject=1)),
        ("type='sphere' size='.5' pos='1.2 0 .5'", Surface((0.02, 0.07, 0.70), subject=2)),
    ]
    rendered = picture(scene_of("city square", time, weather), *geoms)
    for subject, channel in ((0, 0), (1, 1), (2, 2)):
        color = mean_color(rendered, subject)
        others = np.delete(color, channel)
        assert color[channel] > 60, "readable"
        assert color[channel] > others.max() + 12


def test_places_times_weathers_and_looks_differ() -> None:
    def small(scene: Scene, ground: Surface = GROUND) -> np.ndarray:
        stage = stage_of(RED_BALL, ground=ground)
        rgb = Renderer(stage, scene, (64, 64)).frame(POSE, 0.5).rgb.astype(float)
        return rgb.reshape(16, 4, 16, 4, 3).mean(axis=(1, 3))

    groups = [
        [small(scene_of(time=time)) for time in TIMES],
        [small(scene_of(weather=weather)) for weather in WEATHERS],
        [small(scene_of(look=look)) for look in LOOKS],
    ]
    groups.append([small(scene_of(place), GROUNDS[place]) for place in PLACES])
    for group in groups:
        for i, a in enumerate(group):
            for b in group[:i]:
                assert np.abs(a - b).mean() > 2.5


def test_shadows_fall_on_the_ground_and_follow_what_throws_them() -> None:
    stage = stage_of(RED_BALL)
    renderer = Renderer(stage, scene_of("snowfield"), SIZE)
    lit = renderer.frame(POSE, 0.0).rgb.astype(int)
    stage.data.qpos[0] += 1.5
    mujoco.mj_forward(stage.model, stage.data)
    moved = renderer.frame(POSE, 0.0)
    ground = moved.subject == -2
    before = Renderer(stage_of(RED_BALL), scene_of("snowfield"), SIZE).frame(POSE, 0.0).subject
    ground &= before == -2
    change = (moved.rgb.astype(int) - lit).sum(axis=2)[ground]
    assert (change > 40).sum() > 20 and (change < -40).sum() > 20


def test_edges_are_smooth_and_keep_the_area() -> None:
    def linear(*geoms: tuple[str, Surface]) -> np.ndarray:
        dark = Surface((0.0, 0.0, 0.0), subject=-2)
        renderer = Renderer(stage_of(*geoms, ground=dark), scene_of("moon", "night"), (64, 64))
        return ((renderer.frame(POSE, 0.0).rgb[..., 0] / 255 + 0.055) / 1.055) ** 2.4

    glow = Surface((0.4, 0.4, 0.4), material="glow", subject=0)
    without = linear()
    share = (linear(("type='sphere' size='.7' pos='0 0 1'", glow)) - without) / (0.5 - without)
    distance = np.linalg.norm(POSE.position - [0, 0, 1])
    radius = 0.7 / np.sqrt(distance**2 - 0.49) / (2 * POSE.tan_half / 64)
    assert share.sum() == pytest.approx(np.pi * radius**2, rel=0.04)
    assert len(np.unique(np.round(share[(share > 0.05) & (share < 0.95)], 1))) >= 5


def test_the_same_frame_twice_is_the_same_and_poses_leave_no_trace() -> None:
    for camera in (Camera("still"), Camera("orbit", "left")):
        for weather in ("rain", "snowfall"):
            scene = scene_of("beach", weather=weather, look="1920s film", camera=camera)
            stage = stage_of(RED_BALL)
            one = Renderer(stage, scene, SIZE)
            a = one.frame(pose_at(camera, FOCUS, 0.2), 1.0)
            one.frame(pose_at(Camera("crane", "up"), FOCUS, 0.9), 2.0)
            again = one.frame(pose_at(camera, FOCUS, 0.2), 1.0)
            fresh = Renderer(stage, scene, SIZE).frame(pose_at(camera, FOCUS, 0.2), 1.0)
            np.testing.assert_array_equal(a.rgb, again.rgb)
            np.testing.assert_array_equal(a.rgb, fresh.rgb)


def test_snow_falls_down_and_coherently() -> None:
    scene = scene_of("moon", "night", "snowfall")
    renderer = Renderer(stage_of(), scene, (64, 64))
    frames = [renderer.frame(POSE, t).rgb.astype(float).mean(axis=2) for t in (0.0, 0.02, 3.0)]
    frames = [f - np.median(f, axis=1, keepdims=True) for f in frames]
    near = np.corrcoef(frames[0].ravel(), frames[1].ravel())[0, 1]
    far = np.corrcoef(frames[0].ravel(), frames[2].ravel())[0, 1]
    assert near > far + 0.3


def test_a_word_changes_the_board_and_only_its_front() -> None:
    def board(text: str | None, turn: int) -> np.ndarray:
        surface = Surface((0.85, 0.82, 0.72), subject=0, text=text)
        geom = (f"type='box' size='.9 .05 .4' pos='0 0 1' euler='0 0 {turn}'", surface)
        rendered = picture(scene_of(), geom)
        return rendered.rgb[..., 0][rendered.subject == 0].astype(float)

    assert board("SORA", 0).mean() < board(None, 0).mean() - 8
    np.testing.assert_array_equal(board("SORA", 180), board(None, 180))


@pytest.mark.parametrize("size", [(64, 64), (160, 96), (96, 160), (33, 50), (5, 3)])
def test_any_size(size: tuple[int, int]) -> None:
    for look in LOOKS:
        rendered = Renderer(stage_of(RED_BALL), scene_of(look=look), size).frame(POSE, 0.1)
        assert rendered.rgb.shape == (size[1], size[0], 3)
        assert rendered.subject.shape == (size[1], size[0])


def test_the_backdrop_is_the_same_with_and_without_its_shortcut() -> None:
    """A wall is filled in from few rays; the same wall as a mesh is cast ray by ray."""

    def wall(kind: str) -> np.ndarray:
        corners = " ".join(
            f"{x} {y} {z}" for x in (-3, 3) for y in (-0.1, 0.1) for z in (-1.5, 1.5)
        )
        geom = "type='box' size='3 .1 1.5'" if kind == "box" else "type='mesh' mesh='wall'"
        text = f"""<mujoco><asset><mesh name='wall' vertex='{corners}'/></asset><worldbody>
            <geom type='plane' size='9 9 1'/><geom {geom} pos='0 5 1.5'/>
            <body pos='0 0 .5'><freejoint/><geom type='sphere' size='.5'/></body>
            </worldbody></mujoco>"""
        stage = stage_of()
        model = mujoco.MjModel.from_xml_string(text)
        data = mujoco.MjData(model)
        mujoco.mj_forward(model, data)
        plain = Surface((0.5, 0.4, 0.3))
        stage = type(stage)(model, data, (GROUND, plain, RED_BALL[1]))
        camera = Camera("orbit", "left")
        pose = pose_at(camera, FOCUS, 0.1)
        return Renderer(stage, scene_of(camera=camera), SIZE).frame(pose, 0.0).rgb.astype(int)

    assert np.abs(wall("box") - wall("mesh")).mean() < 0.1
