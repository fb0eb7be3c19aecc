"""What a camera sees of the geoms: a ray through each corner of the pixels, and more on edges.

A pixel is the mean of its four corners. Where they lie on different surfaces, two rays more go
through its inside, so that an edge is made of six samples at the cost of two.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool, Float32, Int

from skyloom.world.camera import Pose, pixel_pitch
from skyloom.world.planar import pick, place
from skyloom.world.raycast import BACKDROP, Bounds, Part, cast, groups_of, rays_within
from skyloom.world.shade import Samples

if TYPE_CHECKING:
    from skyloom.world.stage import Stage

_FINE = np.array([[0.24, 0.10], [-0.24, -0.10]])
"""Where in a pixel on an edge the two extra rays go, from its middle."""
_BEND = 0.75
"""Cosine of the angle between neighbouring normals that makes an edge."""
_STEP = 0.3
"""Metres between neighbouring depths that make an edge."""
_CELL = 4
"""Pixels between the rays that are cast at the backdrop first."""


@dataclass(frozen=True)
class Seen:
    """The geoms in a picture.

    Attributes:
        window: the rows and columns of pixels that show any.
        samples: what the rays met: first those through corners, then the extra ones.
        corner: flat indices of the corners that met something, in the window and one more each way.
        edges: flat indices of the pixels on edges, in the window.
        fine: which extra rays met something: number `i * len(edges) + e` is the i-th of edge e.
        geom: the geom at each pixel's upper left corner, or -1, in the window.
        distance: to it, infinite where there is none.
    """

    window: tuple[slice, slice]
    samples: Samples
    corner: Int[np.ndarray, "n"]
    edges: Int[np.ndarray, "e"]
    fine: Int[np.ndarray, "f"]
    geom: Int[np.ndarray, "h w"]
    distance: Float32[np.ndarray, "h w"]

    def blend(self, *values: Float32[np.ndarray, "_ n"]) -> Float32[np.ndarray, "c h w"]:
        """Values of the samples averaged over each pixel, and last the share that is covered.

        What shows no geom counts as zero.
        """
        count = len(self.corner)
        channels = 1 + sum(len(part) for part in values)
        height, width = self.geom.shape
        corners = np.zeros((channels, height + 1, width + 1), np.float32)
        fine = np.zeros((channels, len(_FINE) * len(self.edges)), np.float32)
        at = 0
        for part in values:
            place(corners.reshape(channels, -1)[at : at + len(part)], self.corner, part[:, :count])
            place(fine[at : at + len(part)], self.fine, part[:, count:])
            at += len(part)
        corners.reshape(channels, -1)[at, self.corner] = 1
        fine[at, self.fine] = 1
        pairs = corners[:, 1:] + corners[:, :-1]
        pixels = pairs[:, :, 1:] + pairs[:, :, :-1]
        pixels *= np.float32(0.25)
        mean = fine.reshape(channels, len(_FINE), -1).sum(axis=1)
        mean *= np.float32(1 / len(_FINE))
        flat = pixels.reshape(channels, -1)
        mean += pick(flat, self.edges)
        mean *= np.float32(0.5)
        place(flat, self.edges, mean)
        return pixels


@dataclass(frozen=True)
class _Map:
    """What the rays through all corners met; -1 is no geom."""

    geom: Int[np.ndarray, "n"]
    distance: Float32[np.ndarray, "n"]
    normal: Float32[np.ndarray, "3 n"]

    def enter(
        self, where: np.ndarray, geom: np.ndarray, far: np.ndarray, normal: np.ndarray
    ) -> None:
        """Enter hits where they are nearer than what the map has."""
        nearer = np.flatnonzero((geom >= 0) & (far < self.distance[where]))
        where = where[nearer]
        self.geom[where] = geom[nearer]
        self.distance[where] = far[nearer]
        place(self.normal, where, pick(normal, nearer))


class Sight:
    """Casts a camera's rays at a stage.

    Args:
        key: a number for each geom, the same for geoms between which no edge is seen; one more
            at the end for no geom.
    """

    def __init__(
        self,
        stage: "Stage",
        size: tuple[int, int],
        tan_half: float,
        key: Int[np.ndarray, "g"],
    ):
        self._model, self._data = stage.model, stage.data
        self._key, self._size, self.tan_half = key, size, tan_half
        self._pitch = pixel_pitch(tan_half, size)
        self._rays = _unit_rays(size, self._pitch, 1)
        self._rows = np.ascontiguousarray(self._rays.T.astype(float))
        self._middles = np.ascontiguousarray(_unit_rays(size, self._pitch, 0).T.astype(float))
        self._offsets = np.zeros((len(_FINE), 1, 3))
        self._offsets[:, 0, :2] = _FINE * self._pitch
        self._flat = _boxes(stage)
        self._grid, self._cell = _cells((size[0] + 1, size[1] + 1))

    def see(self, pose: Pose, part: Part, before: Float32[np.ndarray, "H W"] | None) -> Seen | None:
        """Look at a part of the geoms, as far as the depths `before`; None if none is in view."""
        width, height = self._size
        rays = pose.axes.T.astype(np.float32) @ self._rays
        limit = self._limits(pose, rays, before)
        map_ = _Map(np.full(limit.shape, -1, np.int32), limit, np.zeros_like(rays))
        if part.backdrop:
            self._look_at_backdrop(pose, rays, map_)
        chosen = self._candidates(pose, part.bounds)
        if len(chosen):
            near = groups_of(*(g for g in part.groups if g != BACKDROP))
            hits = cast(
                self._model,
                self._data,
                pose.position,
                self._rows.take(chosen, axis=0) @ pose.axes,
                near,
            )
            map_.enter(chosen, hits.geom, hits.distance, hits.normal)
        corner = np.flatnonzero(map_.geom >= 0)
        if not len(corner):
            return None
        at_corner = _samples(
            pose, map_.geom[corner], pick(rays, corner), map_.distance[corner],
            pick(map_.normal, corner),
        )  # fmt: skip
        row, column = np.divmod(corner, width + 1)
        top, left = max(int(row[0]) - 1, 0), max(int(column.min()) - 1, 0)
        rows = slice(top, min(int(row[-1]) + 1, height))
        columns = slice(left, min(int(column.max()) + 1, width))
        edges, geom, distance = self._edges(map_, rows, columns)
        inner = columns.stop - left
        pixels = (edges // inner + top) * width + edges % inner + left
        far = None if before is None else before.reshape(-1)[pixels]
        fine, at_fine = self._look_closer(pose, part, pixels, far)
        corner = (row - top) * (inner + 1) + (column - left)
        samples = _join(at_corner, at_fine)
        return Seen((rows, columns), samples, corner, edges, fine, geom, distance)

    def _limits(
        self,
        pose: Pose,
        rays: Float32[np.ndarray, "3 n"],
        before: Float32[np.ndarray, "H W"] | None,
    ) -> Float32[np.ndarray, "n"]:
        """How far each corner's ray goes: to the ground, or to the depth of what stands there."""
        sinking = np.minimum(rays[2], np.float32(-1e-6))
        limit = np.float32(-pose.position[2]) / sinking
        if before is not None:
            # A corner may show what lies flat on the ground of the farthest of its four pixels.
            padded = np.pad(before, 1, mode="edge")
            rows = np.maximum(padded[:-1], padded[1:])
            known = np.maximum(rows[:, :-1], rows[:, 1:]).reshape(-1)
            np.minimum(limit, known, out=limit)
        return limit

    def _look_closer(
        self,
        pose: Pose,
        part: Part,
        pixels: Int[np.ndarray, "e"],
        before: Float32[np.ndarray, "e"] | None,
    ) -> tuple[Int[np.ndarray, "f"], Samples]:
        """Cast the extra rays of pixels on edges; returns which met something, and what."""
        directions = (
            (self._middles.take(pixels, axis=0) + self._offsets).reshape(-1, 3)
        ) @ pose.axes
        hits = cast(self._model, self._data, pose.position, directions, groups_of(*part.groups))
        above = pose.position[2] + hits.distance * directions[:, 2] > -1e-4
        met = (hits.geom >= 0) & above
        if before is not None:
            met &= hits.distance < np.tile(before, len(_FINE))
        fine = np.flatnonzero(met)
        ray = np.ascontiguousarray(directions.take(fine, axis=0).T, np.float32)
        normal = pick(hits.normal, fine)
        return fine, _samples(pose, hits.geom[fine], ray, hits.distance[fine], normal)

    def _look_at_backdrop(self, pose: Pose, rays: Float32[np.ndarray, "3 n"], map_: _Map) -> None:
        """Enter the backdrop: where four rays around a cell met one flat face, it fills the cell.

        The distance to a plane needs no ray: it is (n . p) / (n . d), with p from a corner.
        """
        shape, corners = self._grid
        hits = cast(
            self._model, self._data, pose.position, self._rows.take(corners, axis=0) @ pose.axes,
            groups_of(BACKDROP),
        )  # fmt: skip
        normal = hits.normal
        slant = np.einsum("cn,cn->n", normal, pick(rays, corners))
        turned = ((np.round(normal * 4) + 4).T @ (1, 9, 81)).astype(np.int64)
        face = np.where(self._flat[hits.geom], hits.geom * 729 + turned, -2)
        face = np.where(hits.geom < 0, -1, face).reshape(shape)
        first = face[:-1, :-1]
        one = (first == face[1:, :-1]) & (first == face[:-1, 1:]) & (first == face[1:, 1:])
        kind = np.where(one, first, -2)  # -1: nothing there, -2: look closer
        padded = np.full(shape, -2)
        padded[:-1, :-1] = kind
        of_ray = padded.reshape(-1)[self._cell]
        filled = np.flatnonzero(of_ray >= 0)
        corner = self._cell[filled]
        toward = pick(normal, corner)
        far = (slant * hits.distance)[corner]
        far /= np.einsum("cn,cn->n", toward, pick(rays, filled))
        map_.enter(filled, hits.geom[corner], far, toward)
        closer = np.flatnonzero(of_ray == -2)
        hits = cast(
            self._model, self._data, pose.position, self._rows.take(closer, axis=0) @ pose.axes,
            groups_of(BACKDROP),
        )  # fmt: skip
        map_.enter(closer, hits.geom, hits.distance, hits.normal)

    def _candidates(self, pose: Pose, bounds: Bounds) -> Int[np.ndarray, "n"]:
        """Corners where anything within the bounds may be seen."""
        width, height = self._size
        corners = bounds.corners(self._data)
        if not len(corners):
            return np.zeros(0, np.int64)
        in_camera = (corners.reshape(-1, 3) - pose.position) @ pose.axes.T
        right, up, ahead = in_camera.T.reshape(3, -1, 8)
        scale = 1 / (np.maximum(ahead, 1e-3) * self._pitch)
        flat = np.stack([height / 2 - up * scale, width / 2 + right * scale])
        low, high = flat.min(axis=-1), flat.max(axis=-1)
        behind = ahead.min(axis=-1) < 0.05  # it reaches past the camera: anywhere, or nowhere
        if behind.any():
            low[:, behind], high[:, behind] = 0, max(self._size)
            high[:, ahead.max(axis=-1) < 0] = -9.0
        return rays_within(low.T, high.T, (height + 1, width + 1))

    def _edges(
        self, map_: _Map, rows: slice, columns: slice
    ) -> tuple[Int[np.ndarray, "e"], Int[np.ndarray, "h w"], Float32[np.ndarray, "h w"]]:
        """Pixels whose corners lie on different surfaces; also geoms and distances."""
        width, height = self._size
        band = slice(rows.start, rows.stop + 1), slice(columns.start, columns.stop + 1)
        geom = map_.geom.reshape(height + 1, width + 1)[band]
        key = self._key[geom]
        distance = map_.distance.reshape(height + 1, width + 1)[band]
        distance = np.where(key >= 0, distance, np.float32(np.inf))
        away = np.minimum(distance, np.float32(1e3))
        normal = map_.normal.reshape(3, height + 1, width + 1)[:, *band]
        down, across = (self._changes(key, away, normal, axis) for axis in (0, 1))
        edges = down[:, 1:] | down[:, :-1]
        edges |= across[1:]
        edges |= across[:-1]
        return np.flatnonzero(edges), geom[:-1, :-1], distance[:-1, :-1]

    def _changes(
        self, key: np.ndarray, away: np.ndarray, normal: np.ndarray, axis: int
    ) -> Bool[np.ndarray, "a b"]:
        """Where the surface changes from a corner to the next along an axis."""
        here, there = _shifted(key, axis)
        first, second = _shifted(normal, axis + 1)
        near, far = _shifted(away, axis)
        change = np.einsum("chw,chw->hw", first, second) < _BEND
        change &= here >= 0
        change |= here != there
        change |= np.abs(near - far) > _STEP + np.float32(0.03) * near
        return change


def _boxes(stage: "Stage") -> Bool[np.ndarray, "g"]:
    """Which geoms are boxes, and so have flat faces; one more at the end for no geom."""
    import mujoco

    return np.append(stage.model.geom_type == mujoco.mjtGeom.mjGEOM_BOX, False)


def _unit_rays(size: tuple[int, int], pitch: float, more: int) -> Float32[np.ndarray, "3 n"]:
    """Rays through the pixels' middles (more = 0) or corners (1), in the camera's axes."""
    width, height = size
    start = 0.5 * (1 - more)
    rays = np.ones((3, height + more, width + more), np.float32)
    rays[0] = (np.arange(width + more) + start - width / 2) * pitch
    rays[1] = -((np.arange(height + more) + start - height / 2) * pitch)[:, None]
    return (rays / np.linalg.norm(rays, axis=0)).reshape(3, -1)


def _cells(size: tuple[int, int]) -> tuple[tuple[tuple[int, int], np.ndarray], np.ndarray]:
    """A coarse grid over a grid of rays: its shape, which rays it takes, and each ray's cell."""
    width, height = size
    rows = np.append(np.arange(0, height - 1, _CELL), height - 1)
    columns = np.append(np.arange(0, width - 1, _CELL), width - 1)
    corners = (rows[:, None] * width + columns).reshape(-1)
    row = np.minimum(np.arange(height) // _CELL, max(len(rows) - 2, 0))
    column = np.minimum(np.arange(width) // _CELL, max(len(columns) - 2, 0))
    cell = (row[:, None] * len(columns) + column).reshape(-1)
    return ((len(rows), len(columns)), corners), cell


def _samples(
    pose: Pose,
    geom: Int[np.ndarray, "n"],
    ray: Float32[np.ndarray, "3 n"],
    distance: Float32[np.ndarray, "n"],
    normal: Float32[np.ndarray, "3 n"],
) -> Samples:
    point = ray * distance
    point += pose.position.astype(np.float32)[:, None]
    return Samples(geom, point, normal, ray, distance)


def _shifted(array: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """Views of the array without its last, and without its first, entry along an axis."""
    lead = (slice(None),) * axis
    return array[(*lead, slice(None, -1))], array[(*lead, slice(1, None))]


def _join(a: Samples, b: Samples) -> Samples:
    return Samples(
        np.concatenate([a.geom, b.geom]),
        np.concatenate([a.point, b.point], axis=1),
        np.concatenate([a.normal, b.normal], axis=1),
        np.concatenate([a.ray, b.ray], axis=1),
        np.concatenate([a.distance, b.distance]),
    )
