"""The air of a scene: where its light comes from, the colours of its sky, its fog."""

from dataclasses import dataclass
from math import cos, radians, sin

import numpy as np
from jaxtyping import Float32

from skyloom.world.scene import Scene
from skyloom.world.textures import smooth_noise

SKY_STEPS = 256
RIDGE_STEPS = 2048


@dataclass(frozen=True)
class Air:
    """Light, sky and fog; colours are linear red, green, blue.

    Attributes:
        toward_light: unit vector to the sun or moon.
        light: its radiance on a surface that faces it.
        ambient: what falls from the sky on a surface that looks up.
        bounce: what falls from the ground on a surface that looks down.
        sky: colours from the horizon (0) to the zenith; the root of the sine of elevation.
        fog: the colour that distance fades to.
        density: fog per metre.
        ridge: tangent of the elevation of the far hills by azimuth (a full turn).
        ridge_color: their colour.
        stars: whether stars are seen.
        earth: whether the Earth stands in the sky.
    """

    toward_light: Float32[np.ndarray, "3"]
    light: Float32[np.ndarray, "3"]
    ambient: Float32[np.ndarray, "3"]
    bounce: Float32[np.ndarray, "3"]
    sky: Float32[np.ndarray, "s 3"]
    fog: Float32[np.ndarray, "3"]
    density: float
    ridge: Float32[np.ndarray, "a"]
    ridge_color: Float32[np.ndarray, "3"]
    stars: bool
    earth: bool

    def clearness(self, distance: Float32[np.ndarray, "..."]) -> Float32[np.ndarray, "..."]:
        """How much of a colour comes through the fog from this far away: 1 is all of it."""
        thick = np.maximum(distance - np.float32(_FREE), 0)
        thick *= np.float32(-self.density)
        return np.exp(thick, out=thick)


@dataclass(frozen=True)
class _Hour:
    """Light and sky of one time of the day, under a clear sky."""

    elevation: float
    light: tuple[float, float, float]
    ambient: tuple[float, float, float]
    zenith: tuple[float, float, float]
    middle: tuple[float, float, float]
    horizon: tuple[float, float, float]
    overcast: tuple[float, float, float]


_HOURS = {
    "day": _Hour(
        48, (1.30, 1.24, 1.12), (0.33, 0.38, 0.46),
        (0.05, 0.18, 0.62), (0.16, 0.38, 0.82), (0.55, 0.74, 0.95), (0.60, 0.64, 0.68),
    ),
    "sunset": _Hour(
        18, (1.55, 0.92, 0.46), (0.30, 0.27, 0.36),
        (0.10, 0.07, 0.26), (0.60, 0.20, 0.24), (1.20, 0.46, 0.10), (0.48, 0.33, 0.27),
    ),
    "night": _Hour(
        42, (0.30, 0.36, 0.54), (0.10, 0.125, 0.21),
        (0.002, 0.004, 0.018), (0.006, 0.011, 0.042), (0.018, 0.030, 0.085), (0.030, 0.040, 0.075),
    ),
}  # fmt: skip
_DENSITIES = {"clear": 0.0018, "fog": 0.105, "rain": 0.022, "snowfall": 0.03}
_FREE = 3.0
"""Metres before the camera that are free of fog, so that what acts stays readable."""
_COVER = {"clear": 0.0, "fog": 0.9, "rain": 0.85, "snowfall": 0.8}
_RIDGES: dict[str, tuple[float, float, float, tuple[float, float, float]]] = {
    # place: lowest, swing (tangents of elevation), roughness, colour of the hills by daylight
    "snowfield": (0.03, 0.14, 0.55, (0.62, 0.72, 0.88)),
    "desert": (0.00, 0.05, 0.30, (0.70, 0.42, 0.20)),
    "meadow": (0.02, 0.08, 0.30, (0.13, 0.30, 0.14)),
    "beach": (-1.0, 0.0, 0.0, (0.0, 0.0, 0.0)),
    "city square": (0.03, 0.12, -1.0, (0.36, 0.38, 0.44)),
    "room": (-1.0, 0.0, 0.0, (0.0, 0.0, 0.0)),
    "moon": (0.00, 0.06, 0.55, (0.22, 0.22, 0.22)),
}


def air_of(scene: Scene) -> Air:
    """The light, sky and fog of a scene: a function of place, time, weather and seed."""
    hour = _HOURS[scene.time]
    rng = np.random.default_rng((scene.seed, 11))
    cover = _COVER[scene.weather]
    light = np.array(hour.light) * (1 - 0.55 * cover)
    ambient = np.array(hour.ambient) * (1 + 0.35 * cover)
    overcast = np.array(hour.overcast)
    overcast = overcast * {"rain": 0.62, "snowfall": 1.15}.get(scene.weather, 1.0)
    stops = np.array([hour.horizon, hour.middle, hour.zenith])
    stops = stops + cover * (overcast - stops)
    if scene.place == "room":
        stops[:] = 0.5 * (light + ambient)  # a ceiling
    if scene.place == "moon":
        stops *= np.array([[0.05], [0.0], [0.0]]) + 0.9 * cover
        ambient = ambient * 0.45
        light = light * 1.25
    sky = _gradient(stops)
    low, swing, roughness, color = _RIDGES[scene.place]
    shine = light * 0.35 + ambient * 0.8
    return Air(
        toward_light=_toward_light(hour.elevation, rng),
        light=light.astype(np.float32),
        ambient=ambient.astype(np.float32),
        bounce=(0.45 * ambient + 0.10 * light).astype(np.float32),
        sky=sky,
        fog=sky[0].copy(),
        density=_DENSITIES[scene.weather],
        ridge=_ridge(rng, low, swing, roughness),
        ridge_color=(np.array(color) * shine).astype(np.float32),
        stars=scene.weather == "clear"
        and (scene.place == "moon" or (scene.time == "night" and scene.place != "room")),
        earth=scene.place == "moon" and scene.weather == "clear",
    )


def _toward_light(elevation: float, rng: np.random.Generator) -> Float32[np.ndarray, "3"]:
    """From the left or the right and a little from the front, so that what is seen is lit."""
    side = -1.0 if rng.random() < 0.5 else 1.0
    azimuth = radians(35 + 20 * rng.random())  # from straight behind the first camera
    height = radians(elevation + 6 * (rng.random() - 0.5))
    return np.array(
        [side * sin(azimuth) * cos(height), -cos(azimuth) * cos(height), sin(height)], np.float32
    )


def _gradient(stops: np.ndarray) -> Float32[np.ndarray, "s 3"]:
    at = np.linspace(0, 1, SKY_STEPS)
    channels = [np.interp(at, (0.0, 0.42, 1.0), stops[:, c]) for c in range(3)]
    return np.stack(channels, axis=1).astype(np.float32)


def _ridge(
    rng: np.random.Generator, low: float, swing: float, roughness: float
) -> Float32[np.ndarray, "a"]:
    """Heights of the far hills all around; a negative roughness means blocks, as of a town."""
    if roughness < 0:
        widths = rng.integers(18, 52, size=RIDGE_STEPS // 18)
        heights = low + swing * rng.random(len(widths)) ** 1.5
        return np.repeat(heights, widths)[:RIDGE_STEPS].astype(np.float32)
    heights = np.zeros(RIDGE_STEPS)
    strength = 1.0
    for octave in (12, 24, 48, 96, 192):
        heights += strength * smooth_noise(rng, 1, octave, RIDGE_STEPS)[0]
        strength *= roughness
    heights = (heights - heights.min()) / max(float(np.ptp(heights)), 1e-6)
    return (low + swing * heights).astype(np.float32)


def sky_color(air: Air, sine: Float32[np.ndarray, "..."]) -> Float32[np.ndarray, "3 ..."]:
    """The colour of the clear sky at a sine of elevation; below the horizon it is the fog."""
    step = np.sqrt(np.clip(sine, 0, 1)) * (SKY_STEPS - 1)
    return np.take(air.sky.T, step.astype(np.int32), axis=1)
