"""What is behind everything that stands: the endless ground, the sea, the hills and the sky.

The ground is a plane and the camera is upright, so that depth is one number a row of the picture
and no ray needs to be cast for it.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32

from skyloom.world.camera import Pose, pixel_pitch, pixel_rays, same_pose
from skyloom.world.scene import Scene
from skyloom.world.sky import RIDGE_STEPS, Air, sky_color
from skyloom.world.surface import TEXTURES, Surface
from skyloom.world.textures import TINTS, Atlas, mip_level, texels_per_metre

SHORE = 4.2
"""Metres away from the first camera's focus where the sea of a beach begins."""
_HILLS_AWAY = 70.0
_EARTH = np.array([-0.16, 1.0, 0.15]) / np.linalg.norm([-0.16, 1.0, 0.15])
_EARTH_RADIUS = 0.055


@dataclass
class Layer:
    """The background under one pose.

    Attributes:
        dark: colours where no direct light falls.
        gain: what direct light adds, for the rows from `first` down: those that show the ground.
        first: the first row that shows the ground.
        x, y: where on the ground the pixels of those rows lie.
        depth: distance to the ground, infinite in the sky.
        land: `dark` and `gain` before the sea came over them.
    """

    dark: Float32[np.ndarray, "3 H W"]
    gain: Float32[np.ndarray, "3 h W"]
    first: int
    x: Float32[np.ndarray, "h W"]
    y: Float32[np.ndarray, "h W"]
    depth: Float32[np.ndarray, "H W"]
    land: tuple[np.ndarray, np.ndarray]


class Background:
    """Draws the ground and the sky; what does not change while the camera stands still is kept."""

    def __init__(
        self, scene: Scene, air: Air, atlas: Atlas, ground: Surface, size: tuple[int, int]
    ):
        self._scene, self._air, self._atlas, self._size = scene, air, atlas, size
        self._texture = TEXTURES.index(ground.texture)
        self._detail = texels_per_metre(ground.texture)
        wet = 0.72 if scene.weather == "rain" else 1.0
        self._albedo = np.array(ground.color, np.float32)[:, None, None] * np.float32(wet)
        self._tint = np.array(TINTS[ground.texture], np.float32)[:, None, None]
        facing = max(float(air.toward_light[2]), 0.0)
        self._lit = (air.light * facing).astype(np.float32)[:, None, None]
        self._ambient = air.ambient[:, None, None]
        rng = np.random.default_rng((scene.seed, 13))
        self._offset = rng.random(2).astype(np.float32)  # every scene stands on another spot
        self._stars = rng.normal(size=(900, 3))
        self._stars /= np.linalg.norm(self._stars, axis=1, keepdims=True)
        self._pose: Pose | None = None
        self._layer: Layer | None = None

    def draw(self, pose: Pose, seconds: float) -> Layer:
        """The background under a pose; the sea moves with the seconds."""
        if self._layer is not None and self._pose is not None and same_pose(self._pose, pose):
            layer = self._layer
        else:
            layer = self._draw(pose)
            self._pose, self._layer = pose, layer
        if self._scene.place == "beach":
            self._sea(layer, pose, seconds)
        return layer

    def _draw(self, pose: Pose) -> Layer:
        width, height = self._size
        rays = pixel_rays(pose.tan_half, self._size)
        across, up = rays[0, 0], rays[1, :, 0]
        pitch = pixel_pitch(pose.tan_half, self._size)
        rise = (pose.forward[2] + pose.up[2] * up).astype(np.float32)  # z of the rays, by row
        first = int(np.searchsorted(-rise, -0.5 * pitch))
        length = np.sqrt(1 + across[None] ** 2 + up[:, None] ** 2)
        dark = np.empty((3, height, width), np.float32)
        depth = np.full((height, width), np.inf, np.float32)
        t = -pose.position[2] / np.minimum(rise[first:], -0.25 * pitch)
        t = t.astype(np.float32)[:, None]
        forward = (pose.forward[:2, None] + pose.up[:2, None] * up[first:]).astype(np.float32)
        right = pose.right.astype(np.float32)
        x = np.float32(pose.position[0]) + t * (forward[0][:, None] + right[0] * across)
        y = np.float32(pose.position[1]) + t * (forward[1][:, None] + right[1] * across)
        distance = t * length[first:]
        footprint = t[:, 0] * pitch * np.maximum(-rise[first:], 0.02) ** -0.65
        level = mip_level(footprint * self._detail)[:, None]
        shade, gain = self._ground(x, y, distance, level)
        dark[:, first:] = shade
        depth[first:] = distance
        sky_rows = min(int(np.searchsorted(-rise, 0.5 * pitch)), height)
        if sky_rows:
            sky = self._sky(pose, rise[:sky_rows], across, up[:sky_rows], length[:sky_rows], pitch)
            both = slice(first, sky_rows)
            cover = np.clip(0.5 - rise[both] / pitch, 0, 1)[None, :, None]
            dark[:, both] += (1 - cover) * (sky[:, both] - dark[:, both])
            gain[:, : sky_rows - first] *= cover
            dark[:, :first] = sky[:, :first]
        sea = self._scene.place == "beach"
        land = (dark.copy(), gain.copy()) if sea else (dark, gain)
        return Layer(dark, gain, first, x, y, depth, land)

    def _ground(
        self, x: np.ndarray, y: np.ndarray, distance: np.ndarray, level: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Ground colour without direct light, and what direct light adds; both behind the fog."""
        scale = np.float32(self._detail / 256)
        u, v = x * scale + self._offset[0], y * scale + self._offset[1]
        pattern = self._atlas.sample(self._texture, u, v, level)
        albedo = self._tint * pattern
        albedo += 1
        albedo *= self._albedo
        clear = self._air.clearness(distance)
        albedo *= clear
        dark = albedo * self._ambient
        dark += self._air.fog[:, None, None] * (1 - clear)
        albedo *= self._lit
        return dark, albedo

    def _sky(
        self,
        pose: Pose,
        rise: np.ndarray,
        across: np.ndarray,
        up: np.ndarray,
        length: np.ndarray,
        pitch: float,
    ) -> Float32[np.ndarray, "3 h W"]:
        """The sky above the horizon: gradient, stars, the Earth, and far hills."""
        air = self._air
        sky = sky_color(air, rise[:, None] / length)
        if air.stars:
            self._add_stars(sky, pose)
        if air.earth:
            axes = pose.axes.astype(np.float32)
            rays = axes[2][:, None, None] + axes[1][:, None, None] * up[:, None]
            _add_earth(sky, rays + axes[0][:, None, None] * across)
        # Where the hills are as the horizon has them: the same azimuth all the way up.
        level = pose.forward[:2] - pose.up[:2] * (pose.forward[2] / pose.up[2])
        east, north = (level[:, None] + pose.right[:2, None] * across).astype(np.float32)
        turn = np.arctan2(east, north) * np.float32(RIDGE_STEPS / (2 * np.pi)) + RIDGE_STEPS
        step = turn.astype(np.int32)
        heights = np.take(air.ridge, step % RIDGE_STEPS)
        heights += (turn - step) * (np.take(air.ridge, (step + 1) % RIDGE_STEPS) - heights)
        heights *= np.hypot(east, north)
        cover = np.clip((heights - rise[:, None]) / np.float32(pitch) + np.float32(0.5), 0, 1)
        clear = np.exp(-air.density * _HILLS_AWAY)
        hills = air.fog + clear * (air.ridge_color - air.fog)
        sky += cover * (hills[:, None, None] - sky)
        return sky

    def _add_stars(self, sky: Float32[np.ndarray, "3 h W"], pose: Pose) -> None:
        right, up, ahead = pose.axes @ self._stars.T
        pitch = pixel_pitch(pose.tan_half, self._size)
        seen = ahead > 0.2
        column = (self._size[0] / 2 + right[seen] / ahead[seen] / pitch).astype(int)
        row = (self._size[1] / 2 - up[seen] / ahead[seen] / pitch).astype(int)
        bright = (0.15 + 0.85 * (np.arange(len(self._stars)) % 7 / 6) ** 2)[seen]
        inside = (column >= 0) & (column < sky.shape[2]) & (row >= 0) & (row < sky.shape[1])
        sky[:, row[inside], column[inside]] += bright[inside]

    def _sea(self, layer: Layer, pose: Pose, seconds: float) -> None:
        """Paint the sea over the rows that show it: it mirrors the sky; its edge comes and goes."""
        rows = np.flatnonzero((layer.y > SHORE - 1.0).any(axis=1))
        if not len(rows):
            return
        band = slice(int(rows[0]), int(rows[-1]) + 1)
        whole = slice(layer.first + band.start, layer.first + band.stop)
        x, y, distance = layer.x[band], layer.y[band], layer.depth[whole]
        level = mip_level(distance[:, self._size[0] // 2] ** 1.6 * 0.2)[:, None]
        now = np.float32(seconds)
        swell = self._atlas.sample(
            TEXTURES.index("snow"), x * 0.10 + 0.02 * now, y * 0.25 + 0.08 * now, level
        )
        sand, sunlit = layer.land[0][:, whole], layer.land[1][:, band]
        edge = y - (SHORE + 0.25 * np.sin(0.9 * x + 0.5) + 0.22 * np.sin(np.float32(1.3) * now))
        air = self._air
        deep = np.array([0.015, 0.16, 0.24], np.float32) * (air.ambient + 0.5 * self._lit[:, 0, 0])
        slant = np.clip(pose.position[2] / distance, 0, 1)
        mirror = 0.25 + 0.5 * (1 - slant) ** 4
        sea = deep[:, None, None] * (1.35 + 0.7 * swell)
        sea += mirror * (air.sky[60][:, None, None] - sea) * 0.55
        foam = np.clip(1 - np.abs(edge - 0.28) / 0.28, 0, 1) * (0.75 + 0.4 * swell)
        white = 0.85 * (self._ambient + self._lit)
        sea += np.clip(foam, 0, 1) * (white - sea)
        sea += (1 - air.clearness(distance)) * (air.fog[:, None, None] - sea)
        cover = np.clip(edge / 0.15, 0, 1)
        layer.dark[:, whole] = sand + cover * (sea - sand)
        layer.gain[:, band] = sunlit * (1 - cover)


def _add_earth(sky: Float32[np.ndarray, "3 h W"], rays: Float32[np.ndarray, "3 h W"]) -> None:
    """A blue and white disc, lit from one side."""
    unit = rays / np.linalg.norm(rays, axis=0)
    east = np.array([_EARTH[1], -_EARTH[0], 0.0]) / np.hypot(_EARTH[0], _EARTH[1])
    north = np.cross(east, _EARTH)
    ahead = np.tensordot(_EARTH, unit, 1)
    a, b = (np.tensordot(axis, unit, 1) / _EARTH_RADIUS for axis in (east, north))
    cover = np.clip((1 - np.hypot(a, b)) * 8, 0, 1) * (ahead > 0)
    light = np.clip(0.75 - 0.6 * a + 0.3 * b, 0.03, 1)
    cloud = np.clip(np.sin(5 * b + 2 * np.sin(3 * a)) * 0.9 - 0.2, 0, 1)
    blue = np.array([0.06, 0.22, 0.75])[:, None, None]
    sky += (cover * (light * (blue + cloud * (0.9 - blue)) - sky)).astype(np.float32)
