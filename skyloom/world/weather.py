"""Rain and snowfall: particles that fall through the world, seen by a moving camera."""

import numpy as np
from jaxtyping import Float32

from skyloom.world.camera import Pose, pixel_pitch
from skyloom.world.planar import pick, place
from skyloom.world.scene import Scene
from skyloom.world.sky import Air

_BOX = np.array([9.0, 9.0, 6.0])
"""Metres; the particles repeat with this box, which is carried along with the camera."""
_NEAREST = 1.8
_DROPS = 320
_FLAKES = 620
_STREAK = 0.04  # seconds that a drop's streak is exposed for
_STREAK_POINTS = 20
_DROP_WIDTH = 0.018
_FLAKE_RADIUS = 0.026


class Precipitation:
    """Rain or snow over the pictures of one scene; nothing in clear weather and fog."""

    def __init__(self, scene: Scene, air: Air, size: tuple[int, int]):
        self._kind = scene.weather if scene.weather in ("rain", "snowfall") else None
        self._size = size
        rng = np.random.default_rng((scene.seed, 17))
        count = _DROPS if self._kind == "rain" else _FLAKES
        self._start = rng.random((count, 3)) * _BOX
        wind = rng.uniform(-0.6, 0.6)
        if self._kind == "rain":
            self._fall = np.array([1.4 * wind, 0.0, -8.0]) * rng.uniform(0.9, 1.1, (count, 1))
        else:
            self._fall = np.array([wind, 0.1, -0.95]) * rng.uniform(0.7, 1.3, (count, 1))
        self._phase = rng.uniform(0, 2 * np.pi, (count, 2))
        base = air.ambient + 0.25 * air.light
        glint = 0.85 if self._kind == "rain" else 1.9
        self._color = (glint * base + 0.06).astype(np.float32)[:, None]

    def veil(
        self, depth: Float32[np.ndarray, "H W"], pose: Pose, seconds: float
    ) -> Float32[np.ndarray, "H W"] | None:
        """The share of each pixel that is covered by what falls in front of the depths."""
        if self._kind is None:
            return None
        if self._kind == "rain":
            column, row, share, away = self._streaks(pose, seconds)
        else:
            column, row, share, away = self._flakes(pose, seconds)
        width, height = self._size
        inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
        index = (row * width + column)[inside]
        share = share[inside] * (away[inside] < depth.reshape(-1)[index])
        veil = np.bincount(index, share, minlength=width * height).astype(np.float32)
        return np.minimum(veil, np.float32(0.95)).reshape(height, width)

    def add(self, image: Float32[np.ndarray, "3 H W"], veil: Float32[np.ndarray, "H W"]) -> None:
        """Draw a veil into a linear image, in the colour of rain or snow."""
        hit = np.flatnonzero(veil)
        flat = image.reshape(3, -1)
        under = pick(flat, hit)
        under += veil.reshape(-1)[hit] * (self._color - under)
        place(flat, hit, under)

    def _seen(
        self, pose: Pose, seconds: float
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Column, row, depth, world position and number of the particles before the camera."""
        corner = pose.position + 4.2 * pose.forward - _BOX / 2
        place = self._start + self._fall * seconds
        if self._kind == "snowfall":
            place[:, :2] += 0.12 * np.sin(1.7 * seconds + self._phase)
        place = corner + (place - corner) % _BOX
        right, up, ahead = pose.axes @ (place - pose.position).T
        chosen = np.flatnonzero((ahead > _NEAREST) & (place[:, 2] > 0))
        scale = 1 / (ahead[chosen] * pixel_pitch(pose.tan_half, self._size))
        column = self._size[0] / 2 + right[chosen] * scale
        row = self._size[1] / 2 - up[chosen] * scale
        return column, row, ahead[chosen], chosen, scale

    def _flakes(
        self, pose: Pose, seconds: float
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        column, row, ahead, _, scale = self._seen(pose, seconds)
        radius = _FLAKE_RADIUS * scale
        spread = np.arange(-2, 3)
        left, top = np.floor(column), np.floor(row)
        x = left[:, None] + spread
        y = top[:, None] + spread
        width = np.maximum(radius, 0.45)[:, None]
        across = np.exp(-(((x + 0.5 - column[:, None]) / width) ** 2))
        down = np.exp(-(((y + 0.5 - row[:, None]) / width) ** 2))
        strength = np.minimum((radius / 0.45) ** 1.2, 1.0)[:, None, None]
        share = strength * down[:, :, None] * across[:, None, :]
        shape = share.shape
        columns = np.broadcast_to(x[:, None, :], shape).reshape(-1).astype(np.int64)
        rows = np.broadcast_to(y[:, :, None], shape).reshape(-1).astype(np.int64)
        away = np.broadcast_to(ahead[:, None, None], shape).reshape(-1)
        return columns, rows, share.reshape(-1), away

    def _streaks(
        self, pose: Pose, seconds: float
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        column, row, ahead, chosen, scale = self._seen(pose, seconds)
        trail = self._fall[chosen] * _STREAK
        back = pose.axes @ trail.T
        steps = np.linspace(0, 1, _STREAK_POINTS)[:, None]
        x = (column - steps * back[0] * scale).reshape(-1) - 0.5
        y = (row + steps * back[1] * scale).reshape(-1) - 0.5
        length = np.maximum(np.hypot(back[0], back[1]) * scale, 1.0)
        # A streak covers as much of a pixel as it is wide, however many points draw it.
        thick = np.minimum(_DROP_WIDTH * scale, 1.0)
        share = thick * np.minimum(length / _STREAK_POINTS, 1.0)
        share = np.broadcast_to(share, (_STREAK_POINTS, len(column))).reshape(-1)
        left, top = np.floor(x), np.floor(y)
        u, v = x - left, y - top
        away = np.broadcast_to(ahead, (_STREAK_POINTS, len(column))).reshape(-1)
        columns = np.concatenate([left, left + 1, left, left + 1]).astype(np.int64)
        rows = np.concatenate([top, top, top + 1, top + 1]).astype(np.int64)
        weights = [(1 - u) * (1 - v), u * (1 - v), (1 - u) * v, u * v]
        return columns, rows, np.concatenate(weights) * np.tile(share, 4), np.tile(away, 4)
