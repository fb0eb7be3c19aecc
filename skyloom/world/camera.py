"""Where the camera is: poses, moves and the projection that the picture and the truth share."""

from dataclasses import dataclass
from math import cos, radians, sin, tan

import numpy as np
from jaxtyping import Float, Float32

from skyloom.world.scene import Camera

CLIP_SECONDS = 4.0
"""A move's `fraction` is seconds / CLIP_SECONDS: moves have a speed, whatever the clip's length."""

_DISTANCE = 6.0
_HEIGHT = 1.8
_AIM_ABOVE_FOCUS = 0.3
_FIELD_OF_VIEW = radians(45)
_PAN = radians(25)
_ORBIT = radians(60)
_SECOND_SHOT = radians(75)
_UP = np.array([0.0, 0.0, 1.0])


@dataclass(frozen=True)
class Pose:
    """A pinhole camera in world axes.

    Attributes:
        position: metres, (3,).
        right, up, forward: orthonormal axes of the camera, (3,) each.
        tan_half: tangent of half the field of view of the picture's shorter side.
    """

    position: np.ndarray
    right: np.ndarray
    up: np.ndarray
    forward: np.ndarray
    tan_half: float = tan(_FIELD_OF_VIEW / 2)

    @property
    def axes(self) -> Float[np.ndarray, "3 3"]:
        """Rows right, up, forward: `point_in_camera = axes @ (point - position)`."""
        return np.stack([self.right, self.up, self.forward])


def same_pose(a: Pose, b: Pose) -> bool:
    """Whether two poses show the same picture of a world that stands still."""
    return (
        a.tan_half == b.tan_half
        and np.array_equal(a.position, b.position)
        and np.array_equal(a.axes, b.axes)
    )


def look_at(position: Float[np.ndarray, "3"], target: Float[np.ndarray, "3"]) -> Pose:
    """The upright pose at `position` whose centre of the picture is `target`."""
    forward = np.asarray(target, float) - position
    forward = forward / np.linalg.norm(forward)
    right = np.cross(forward, _UP)
    right = right / np.linalg.norm(right)
    return Pose(np.asarray(position, float), right, np.cross(right, forward), forward)


def base_pose(focus: Float[np.ndarray, "3"], shot: int = 0) -> Pose:
    """Where a move of this shot is centred: 6 m from the focus, a little above a child's eyes.

    Shot 1 looks at the same focus from 75 degrees further around, to the right.
    """
    return _around(np.asarray(focus, float), shot * _SECOND_SHOT, _HEIGHT, 1.0)


def pose_at(camera: Camera, focus: Float[np.ndarray, "3"], fraction: float, shot: int = 0) -> Pose:
    """The pose of a moving camera.

    Args:
        camera: the move; left and right are the camera's own.
        focus: the point looked at when the shot begins; for "follow", the point to follow now.
        fraction: seconds since the shot began / `CLIP_SECONDS`; it may exceed 1.
        shot: 0 for the first camera, 1 for the second.
    """
    focus = np.asarray(focus, float)
    start = shot * _SECOND_SHOT
    sign = -1.0 if camera.direction in ("left", "out", "down") else 1.0
    centred = fraction - 0.5
    if camera.move == "pan":
        return _turned(_around(focus, start, _HEIGHT, 1.0), sign * _PAN * centred)
    if camera.move == "orbit":
        return _around(focus, start + sign * _ORBIT * centred, _HEIGHT, 1.0)
    if camera.move == "dolly":
        return _around(focus, start, _HEIGHT, float(np.exp(-sign * 0.62 * centred)))
    if camera.move == "crane":
        height = max(_HEIGHT + 0.45 + sign * 2.6 * centred, 0.3)
        return _around(focus, start, height, 1.0)
    return _around(focus, start, _HEIGHT, 1.0)


def _around(focus: np.ndarray, angle: float, height: float, scale: float) -> Pose:
    """Looking at the focus from `angle` radians to the right of the first camera's place."""
    target = focus + _AIM_ABOVE_FOCUS * _UP
    away = np.array([sin(angle) * _DISTANCE, -cos(angle) * _DISTANCE, height - target[2]])
    return look_at(target + scale * away, target)


def _turned(pose: Pose, angle: float) -> Pose:
    """The pose turned to its right by `angle` radians about the vertical."""
    c, s = cos(angle), sin(angle)
    about_up = np.array([[c, s, 0.0], [-s, c, 0.0], [0.0, 0.0, 1.0]])
    right, up, forward = pose.axes @ about_up.T
    return Pose(pose.position, right, up, forward, pose.tan_half)


def pixel_pitch(tan_half: float, size: tuple[int, int]) -> float:
    """Side of one pixel on the picture plane at distance 1."""
    return 2 * tan_half / min(size)


def project(
    pose: Pose, points: Float[np.ndarray, "n 3"], size: tuple[int, int]
) -> Float[np.ndarray, "n 3"]:
    """Points of the world as (column, row, depth): pixels from the top left corner, and metres.

    Points with a depth of zero or less are behind the camera; their pixels mean nothing.
    """
    right, up, depth = pose.axes @ (np.asarray(points, float) - pose.position).T
    scale = 1 / (np.where(depth > 1e-6, depth, np.inf) * pixel_pitch(pose.tan_half, size))
    return np.stack([size[0] / 2 + right * scale, size[1] / 2 - up * scale, depth], axis=1)


def pixel_rays(tan_half: float, size: tuple[int, int]) -> Float32[np.ndarray, "3 H W"]:
    """Directions through the centres of the pixels in camera axes, not normalised: forward is 1."""
    width, height = size
    pitch = pixel_pitch(tan_half, size)
    rays = np.ones((3, height, width), np.float32)
    rays[0] = (np.arange(width) + 0.5 - width / 2) * pitch
    rays[1] = -((np.arange(height) + 0.5 - height / 2) * pitch)[:, None]
    return rays
