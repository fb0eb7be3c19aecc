"""Shadows: which points of the ground the light reaches, and how high what stands in its way is.

Rays go from the light to a grid of points on the ground. A point of the ground is in shadow where
its ray was stopped; a point above the ground is in shadow where the ray through it was stopped
higher up. The grid is blurred once and read bilinearly, so that the edges of shadows are smooth.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Float32, Int

from skyloom.world.raycast import Part, cast, groups_of, rays_within

if TYPE_CHECKING:
    import mujoco

_LIGHT_DISTANCE = 60.0
_REACH = 7.5
_FINEST = 0.03
_COARSEST = 0.075
_BIAS = 0.07


@dataclass(frozen=True)
class Lookup:
    """Where points lie in the grid of shadows: reusable while the points stay.

    Attributes:
        index: flat index of the grid's point before them.
        u, v: how far they are beyond it, 0..1, along and across the rows.
        height: of the points, in metres.
    """

    index: Int[np.ndarray, "..."]
    u: Float32[np.ndarray, "..."]
    v: Float32[np.ndarray, "..."]
    height: Float32[np.ndarray, "..."] | float


class ShadowMap:
    """The shadows that a light throws on the ground near the middle of the scene.

    The grid's rows lie across the light, its columns along it; where the light is low and shadows
    are long, the steps along it are longer.

    Args:
        toward_light: unit vector to the light.
        size: of the picture, which says how fine the grid needs to be.
    """

    def __init__(self, toward_light: Float32[np.ndarray, "3"], size: tuple[int, int]):
        toward = np.asarray(toward_light, float)
        self.light = toward * _LIGHT_DISTANCE
        along = -toward[:2] / np.hypot(toward[0], toward[1])
        self._axes = np.array([along, [-along[1], along[0]]])  # rows, columns
        steepness = float(toward[2] / np.hypot(toward[0], toward[1]))
        step = float(np.clip(7.0 / min(size), _FINEST, _COARSEST))
        self._steps = np.array([step * max(steepness**-0.5, 1.0), step])
        self._start = np.array([-_REACH + 0.8 / max(steepness, 0.3), -_REACH])
        self._shape = (int(2 * _REACH / self._steps[0]), int(2 * _REACH / self._steps[1]))
        rows, columns = (
            self._start[i] + (np.arange(self._shape[i]) + 0.5) * self._steps[i] for i in (0, 1)
        )
        ground = rows[:, None, None] * self._axes[0] + columns[:, None] * self._axes[1]
        rays = np.concatenate([ground, np.zeros((*self._shape, 1))], axis=-1) - self.light
        self._rays = (rays / np.linalg.norm(rays, axis=-1, keepdims=True)).reshape(-1, 3)
        self._lit = np.ones(self._shape, np.float32)
        self._height = np.zeros(self._shape, np.float32)
        self._still = self._lit.copy(), self._height.copy()

    def add_still(self, model: "mujoco.MjModel", data: "mujoco.MjData", part: Part) -> None:
        """Cast, once, the shadows of the geoms that never move."""
        self._cast(model, data, part)
        self._still = self._lit.copy(), self._height.copy()

    def update(self, model: "mujoco.MjModel", data: "mujoco.MjData", moving: Part) -> None:
        """Cast the shadows of the moving geoms as they stand now, besides the still ones."""
        still, height = self._still
        self._lit.fill(1)
        np.copyto(self._height, height)
        self._cast(model, data, moving)
        np.minimum(self._lit, still, out=self._lit)

    def _cast(self, model: "mujoco.MjModel", data: "mujoco.MjData", part: Part) -> None:
        corners = part.bounds.corners(data)
        if not len(corners):
            return
        boxes = self._on_grid(corners)
        low, high = boxes.min(axis=1), boxes.max(axis=1)
        where = rays_within(low, high, self._shape)
        rays = self._rays.take(where, axis=0)
        hits = cast(model, data, self.light, rays, groups_of(*part.groups))
        height = self.light[2] + hits.distance * rays[:, 2]
        stopped = np.flatnonzero((hits.geom >= 0) & (height > 0))
        if not len(stopped):
            return
        where = where[stopped]
        flat = self._height.reshape(-1)
        flat[where] = np.maximum(flat[where], height[stopped])
        self._lit.reshape(-1)[where] = 0
        for edge in (0, -1):  # points beyond the grid are lit
            self._lit[edge], self._lit[:, edge] = 1, 1
            self._height[edge], self._height[:, edge] = 0, 0
        self._soften(int(where[0]) // self._shape[1], int(where[-1]) // self._shape[1])

    def _on_grid(self, points: Float[np.ndarray, "*n 3"]) -> Float[np.ndarray, "*n 2"]:
        """Row and column that the light throws points on."""
        scale = self.light[2] / (self.light[2] - points[..., 2:])
        ground = self.light[:2] + (points[..., :2] - self.light[:2]) * scale
        return (ground @ self._axes.T - self._start) / self._steps - 0.5

    def _soften(self, first: int, last: int) -> None:
        """Blur the rows from the first to the last, and one more to either side."""
        low, high = max(first - 1, 2), min(last + 2, self._shape[0] - 2)
        if low >= high:
            return
        band = self._lit[low - 1 : high + 1]
        across = 0.5 * band
        across[:, 1:-1] += 0.25 * (band[:, :-2] + band[:, 2:])
        across[:, [0, -1]] = 1
        self._lit[low:high] = 0.5 * across[1:-1] + 0.25 * (across[:-2] + across[2:])

    def locate(
        self,
        x: Float32[np.ndarray, "..."],
        y: Float32[np.ndarray, "..."],
        z: Float32[np.ndarray, "..."] | None = None,
    ) -> Lookup:
        """Find points in the grid: of the ground, or above it."""
        if z is not None:
            light = self.light.astype(np.float32)
            scale = light[2] / (light[2] - z)
            x = light[0] + (x - light[0]) * scale
            y = light[1] + (y - light[1]) * scale
        scaled = (self._axes / self._steps[:, None]).astype(np.float32)
        start = (-self._start / self._steps - 0.5).astype(np.float32)
        v = scaled[0, 0] * x
        v += scaled[0, 1] * y
        v += start[0]
        u = scaled[1, 0] * x
        u += scaled[1, 1] * y
        u += start[1]
        np.clip(v, 0, self._shape[0] - 1.001, out=v)
        np.clip(u, 0, self._shape[1] - 1.001, out=u)
        index, column = v.astype(np.int32), u.astype(np.int32)
        v -= index
        u -= column
        index *= self._shape[1]
        index += column
        return Lookup(index, u, v, 0.0 if z is None else z)

    def on_ground(self, at: Lookup) -> Float32[np.ndarray, "..."]:
        """How much light reaches points of the ground: 0 in shadow, 1 lit."""
        lit, below = self._lit.reshape(-1), self._shape[1]
        return _between([lit[step:].take(at.index) for step in (0, 1, below, below + 1)], at)

    def above_ground(self, at: Lookup) -> Float32[np.ndarray, "n"]:
        """How much light reaches points in space: 0 in shadow, 1 lit."""
        height, below = self._height.reshape(-1), self._shape[1]
        limit = at.height + np.float32(_BIAS)
        corners = [
            (height[step:].take(at.index) < limit).astype(np.float32)
            for step in (0, 1, below, below + 1)
        ]
        return _between(corners, at)


def _between(corners: list[np.ndarray], at: Lookup) -> np.ndarray:
    """Bilinear interpolation between four neighbours; overwrites them."""
    a, b, c, d = corners
    b -= a
    b *= at.u
    a += b
    d -= c
    d *= at.u
    c += d
    c -= a
    c *= at.v
    a += c
    return a
