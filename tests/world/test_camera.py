"""Left and right, in and out: where the camera goes and where that puts things on the picture."""

import numpy as np
import pytest

from skyloom.world.camera import base_pose, pose_at, project
from skyloom.world.scene import CAMERA_DIRECTIONS, Camera

FOCUS = np.array([0.0, 0.0, 0.55])
SIZE = (128, 96)


def columns(camera: Camera, point: list[float]) -> np.ndarray:
    poses = [pose_at(camera, FOCUS, f) for f in (0.0, 0.5, 1.0)]
    return np.array([project(pose, np.array([point]), SIZE)[0, 0] for pose in poses])


def test_the_focus_is_in_the_middle_column_and_right_is_right() -> None:
    pose = base_pose(FOCUS)
    assert project(pose, FOCUS[None], SIZE)[0, 0] == pytest.approx(64)
    assert project(pose, np.array([[1.0, 0, 0.5]]), SIZE)[0, 0] > 64
    high, low = project(pose, np.array([[0, 0, 1.0], [0, 0, 0.1]]), SIZE)[:, 1]
    assert high < low


def test_every_move_has_an_orthonormal_upright_pose() -> None:
    for move, directions in CAMERA_DIRECTIONS.items():
        for direction in directions:
            for fraction in (0.0, 0.3, 1.0, 1.2):
                for shot in (0, 1):
                    pose = pose_at(Camera(move, direction), FOCUS, fraction, shot)
                    np.testing.assert_allclose(pose.axes @ pose.axes.T, np.eye(3), atol=1e-9)
                    assert np.linalg.det(pose.axes) == pytest.approx(-1)  # right, up, forward
                    assert abs(pose.right[2]) < 1e-9 and pose.up[2] > 0
                    assert pose.position[2] > 0.1


def test_pan_left_moves_still_things_to_the_right() -> None:
    left = columns(Camera("pan", "left"), [0, 0, 0.5])
    assert left[0] < left[1] < left[2] and left[1] == pytest.approx(64)
    right = columns(Camera("pan", "right"), [0, 0, 0.5])
    assert right[0] > right[1] > right[2]
    assert left[0] > 0 and left[2] < 128


def test_orbit_left_carries_the_camera_to_its_own_left() -> None:
    for direction, sign in (("left", -1), ("right", 1)):
        start = pose_at(Camera("orbit", direction), FOCUS, 0.0)
        soon = pose_at(Camera("orbit", direction), FOCUS, 0.05)
        assert sign * float((soon.position - start.position) @ start.right) > 0
        end = pose_at(Camera("orbit", direction), FOCUS, 1.0)
        a, b = start.position[:2], end.position[:2]
        angle = np.degrees(np.arccos(a @ b / np.linalg.norm(a) / np.linalg.norm(b)))
        assert angle == pytest.approx(60, abs=0.1)
        # What is behind the focus moves the way the camera does, what is before it the other way.
        behind = columns(Camera("orbit", direction), [0, 2, 0.5])
        before = columns(Camera("orbit", direction), [0, -2, 0.5])
        assert sign * (behind[2] - behind[0]) > 0 > sign * (before[2] - before[0])


def test_dolly_and_crane_change_distance_and_height() -> None:
    def at(camera: Camera, fraction: float) -> np.ndarray:
        return pose_at(camera, FOCUS, fraction).position

    assert at(Camera("dolly", "in"), 1)[1] > at(Camera("dolly", "in"), 0)[1] + 2
    assert at(Camera("dolly", "out"), 1)[1] < at(Camera("dolly", "out"), 0)[1] - 2
    assert at(Camera("crane", "up"), 1)[2] > at(Camera("crane", "up"), 0)[2] + 1
    assert at(Camera("crane", "down"), 1)[2] < at(Camera("crane", "down"), 0)[2] - 1


def test_follow_keeps_what_it_follows_in_the_middle() -> None:
    for x in (-2.0, 0.0, 2.0):
        pose = pose_at(Camera("follow"), np.array([x, 0.3, 0.55]), 0.7)
        assert project(pose, np.array([[x, 0.3, 0.55]]), SIZE)[0, 0] == pytest.approx(64)


def test_the_second_shot_looks_from_another_side() -> None:
    first, second = base_pose(FOCUS), base_pose(FOCUS, shot=1)
    cosine = float(first.forward[:2] @ second.forward[:2]) / float(
        np.linalg.norm(first.forward[:2]) * np.linalg.norm(second.forward[:2])
    )
    assert 70 < np.degrees(np.arccos(cosine)) < 110
    assert project(second, FOCUS[None], SIZE)[0, 0] == pytest.approx(64)


def test_points_behind_the_camera_have_no_positive_depth() -> None:
    pose = base_pose(FOCUS)
    behind = project(pose, pose.position[None] - 2 * pose.forward, SIZE)
    assert behind[0, 2] < 0 and np.isfinite(behind).all()
