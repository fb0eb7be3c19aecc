"""What a camera sees of the geoms: a ray a pixel, and four more where the surface changes."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool, Float32, Int

from skyloom.world.camera import Pose, pixel_pitch, pixel_rays
from skyloom.world.raycast import Bounds, cast, groups_of, rays_within
from skyloom.world.shade import Samples

if TYPE_CHECKING:
    from skyloom.world.stage import Stage

_FINE = np.array([[-0.125, -0.375], [0.375, -0.125], [0.125, 0.375], [-0.375, 0.125]])
"""Where in a pixel on an edge the four extra rays go: a rotated grid."""
_BEND = 0.75
"""Cosine of the angle between neighbouring normals that makes an edge."""
_STEP = 0.3
"""Metres between neighbouring depths that make an edge."""


@dataclass(frozen=True)
class Seen:
    """The geoms in a picture.

    Attributes:
        pixels: flat indices of the pixels that show any: first the `inner` ones, then the edges.
        inner: how many pixels have one sample, which covers them.
        cover: share of each pixel that is covered.
        samples: one for each inner pixel, then those of the extra rays that met something.
        fine: which extra rays these are, of 4 per edge pixel: ray `i * edges + e` for pixel e.
        middle: flat indices of the pixels whose middle ray met something, and in `at` what.
    """

    pixels: Int[np.ndarray, "p"]
    inner: int
    cover: Float32[np.ndarray, "p"]
    samples: Samples
    fine: Int[np.ndarray, "f"]
    middle: Int[np.ndarray, "m"]
    at: Samples

    def per_pixel(self, values: Float32[np.ndarray, "c n"]) -> Float32[np.ndarray, "c p"]:
        """Values of the samples, averaged over pixels; what is not covered counts as zero."""
        edges = len(self.pixels) - self.inner
        fine = np.zeros((len(values), 4 * edges), np.float32)
        fine[:, self.fine] = values[:, self.inner :]
        mean = fine.reshape(-1, 4, edges).sum(axis=1)
        mean *= 0.25
        return np.concatenate([values[:, : self.inner], mean], axis=1)


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
        self._key, self._size = key, size
        self.tan_half = tan_half
        self._pitch = pixel_pitch(tan_half, size)
        rays = pixel_rays(tan_half, size).reshape(3, -1).T.astype(float)
        self._rays = rays / np.linalg.norm(rays, axis=1, keepdims=True)
        self._offsets = np.zeros((4, 1, 3))
        self._offsets[:, 0, :2] = _FINE * self._pitch

    def see(
        self,
        pose: Pose,
        bounds: Bounds,
        groups: tuple[int, ...],
        before: Float32[np.ndarray, "H W"],
    ) -> Seen | None:
        """Look at the geoms of these groups, within these bounds, as far as the depths `before`."""
        chosen = self._candidates(pose, bounds)
        limit = before.reshape(-1)
        met, at = self._cast(pose, self._rays[chosen], groups, limit[chosen])
        if not len(met):
            return None
        middle = chosen[met]
        edges = self._edges(middle, at)
        edge_pixels = np.flatnonzero(edges)
        inner = np.flatnonzero(~edges.reshape(-1)[middle])
        fine_rays = (self._rays[edge_pixels] + self._offsets).reshape(-1, 3)
        fine, fine_samples = self._cast(pose, fine_rays, groups, np.tile(limit[edge_pixels], 4))
        pixels = np.concatenate([middle[inner], edge_pixels])
        cover = np.ones(len(pixels), np.float32)
        count = max(len(edge_pixels), 1)
        cover[len(inner) :] = 0.25 * np.bincount(fine % count, minlength=len(edge_pixels))
        samples = _join(_select(at, inner), fine_samples)
        return Seen(pixels, len(inner), cover, samples, fine, middle, at)

    def _candidates(self, pose: Pose, bounds: Bounds) -> Int[np.ndarray, "n"]:
        """Pixels where anything within the bounds may be seen."""
        width, height = self._size
        if bounds.endless:
            return np.arange(width * height)
        corners, middles, radii = bounds.of(self._data)
        if not len(radii):
            return np.zeros(0, np.int64)
        right, up, ahead = np.moveaxis((corners - pose.position) @ pose.axes.T, -1, 0)
        deep = np.maximum(ahead, 1e-3)
        flat = np.stack([-up / deep, right / deep])
        low, high = flat.min(axis=-1), flat.max(axis=-1)
        middle = (middles - pose.position) @ pose.axes.T
        near = np.maximum(middle[:, 2] - radii, 1e-3)
        far = middle[:, 2] + radii
        ball = np.stack([-middle[:, 1], middle[:, 0]])
        most, least = ball + radii, ball - radii
        high = np.minimum(high, np.where(most > 0, most / near, most / far))
        low = np.maximum(low, np.where(least < 0, least / near, least / far))
        behind = ahead.min(axis=-1) < 0.05  # it reaches past the camera: anywhere, or nowhere
        low[:, behind], high[:, behind] = -9.0, 9.0
        high[:, far < 0] = -9.0
        half = np.array([[height / 2 - 0.5], [width / 2 - 0.5]])
        # Half a pixel more, for what the extra rays of an edge may meet.
        low, high = low / self._pitch + half - 0.5, high / self._pitch + half + 0.5
        return rays_within(low.T, high.T, (height, width))

    def _cast(
        self,
        pose: Pose,
        rays: np.ndarray,
        groups: tuple[int, ...],
        limit: Float32[np.ndarray, "n"],
    ) -> tuple[Int[np.ndarray, "m"], Samples]:
        """Cast rays (of unit length) given in camera axes; returns which of them met something, and what."""
        directions = rays @ pose.axes
        hits = cast(self._model, self._data, pose.position, directions, groups_of(*groups))
        met = np.flatnonzero((hits.geom >= 0) & (hits.distance < limit))
        ray = np.ascontiguousarray(directions[met].T, np.float32)
        distance = hits.distance[met]
        point = distance * ray
        point += pose.position.astype(np.float32)[:, None]
        return met, Samples(hits.geom[met], point, hits.normal[:, met], ray, distance)

    def _edges(self, pixels: Int[np.ndarray, "m"], at: Samples) -> Bool[np.ndarray, "H W"]:
        """Pixels where the surface changes toward a neighbour."""
        width, height = self._size
        edges = np.zeros((height, width), bool)
        top, bottom = max(int(pixels[0]) // width - 1, 0), int(pixels[-1]) // width + 2
        band = edges[top:bottom]
        where = pixels - top * width
        key = np.full(band.shape, -1, np.int32)
        key.reshape(-1)[where] = self._key[at.geom]
        map_ = np.zeros((4, *band.shape), np.float32)  # normal and distance
        map_.reshape(4, -1)[:3, where] = at.normal
        map_.reshape(4, -1)[3, where] = at.distance
        for axis in (1, 2):
            flat = axis - 1
            here, there = _shifted(key, flat)
            change = here != there
            first, second = _shifted(map_, axis)
            bend = np.einsum("chw,chw->hw", first[:3], second[:3])
            change |= (bend < _BEND) & (here >= 0)
            change |= np.abs(first[3] - second[3]) > _STEP
            for side in _shifted(band, flat):
                side |= change
        return edges


def _shifted(array: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """Views of the array without its last, and without its first, entry along an axis."""
    lead = (slice(None),) * axis
    return array[(*lead, slice(None, -1))], array[(*lead, slice(1, None))]


def _select(samples: Samples, chosen: Int[np.ndarray, "m"]) -> Samples:
    return Samples(
        samples.geom[chosen],
        samples.point[:, chosen],
        samples.normal[:, chosen],
        samples.ray[:, chosen],
        samples.distance[chosen],
    )


def _join(a: Samples, b: Samples) -> Samples:
    return Samples(
        np.concatenate([a.geom, b.geom]),
        np.concatenate([a.point, b.point], axis=1),
        np.concatenate([a.normal, b.normal], axis=1),
        np.concatenate([a.ray, b.ray], axis=1),
        np.concatenate([a.distance, b.distance]),
    )
