"""Light on things: materials, textures, words and highlights, for hits in one flat list."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32, Int

from skyloom.world.lettering import word_bitmap
from skyloom.world.planar import pick, place
from skyloom.world.sky import Air, sky_color
from skyloom.world.surface import TEXTURES, Surface
from skyloom.world.textures import TINTS, Atlas, mip_level, texels_per_metre

_GLOSS = {"matte": 1.0, "shiny": 90.0, "metal": 34.0, "glow": 1.0}


@dataclass(frozen=True)
class Samples:
    """Points that are seen: planar arrays, one column a point.

    Attributes:
        geom: which geom was met.
        point: where, in world metres.
        normal: of unit length, toward the outside.
        ray: unit vector from the camera to the point.
        distance: metres from the camera.
    """

    geom: Int[np.ndarray, "n"]
    point: Float32[np.ndarray, "3 n"]
    normal: Float32[np.ndarray, "3 n"]
    ray: Float32[np.ndarray, "3 n"]
    distance: Float32[np.ndarray, "n"]


class Shader:
    """Colours of samples under a scene's light; tables by geom, no loop over geoms.

    Args:
        half_sizes: of each geom's bounding box about its middle, as `mjModel.geom_aabb` has them.
        pitch: side of a pixel at distance 1, for the level of detail.
    """

    def __init__(
        self,
        surfaces: tuple[Surface, ...],
        half_sizes: Float[np.ndarray, "g 3"],
        air: Air,
        atlas: Atlas,
        pitch: float,
    ):
        self._air, self._atlas, self._pitch = air, atlas, pitch
        colors = np.array([s.color for s in surfaces], np.float32)
        self._albedo = np.ascontiguousarray(colors.T)
        self._gloss = np.array([_GLOSS[s.material] for s in surfaces], np.float32)
        self._polished = np.array([s.material in ("shiny", "metal") for s in surfaces])
        self._metal = np.array([s.material == "metal" for s in surfaces])
        self._glow = np.array([s.material == "glow" for s in surfaces])
        self._texture = np.array([TEXTURES.index(s.texture) for s in surfaces], np.int32)
        self._textured = self._texture > 0
        self._tints = np.array([TINTS[name] for name in TEXTURES], np.float32).T.copy()
        self._detail = np.array([texels_per_metre(name) for name in TEXTURES], np.float32)
        self._half = half_sizes
        self._words = {
            number: _halved(
                word_bitmap(s.text, float(half_sizes[number, 0] / half_sizes[number, 2]))
            )
            for number, s in enumerate(surfaces)
            if s.text
        }
        self._paint = {
            number: np.float32(0.9) if colors[number].mean() < 0.35 else np.float32(0.015)
            for number in self._words
        }
        ground = np.array(surfaces[0].color, np.float32)
        self._floor = (ground * (air.ambient + 0.6 * air.light * air.toward_light[2]))[:, None]

    def color(
        self,
        samples: Samples,
        positions: Float[np.ndarray, "g 3"],
        rotations: Float[np.ndarray, "g 9"],
    ) -> tuple[Float32[np.ndarray, "3 n"], Float32[np.ndarray, "3 n"]]:
        """Linear colours through the fog: where no direct light falls, and what such light adds."""
        air, geom, normal = self._air, samples.geom, samples.normal
        albedo = np.take(self._albedo, geom, axis=1)
        self._pattern(albedo, samples, positions, rotations)
        self._letters(albedo, samples, positions, rotations)
        near_ground = np.minimum(samples.point[2] * np.float32(1.2) + np.float32(0.55), 1)
        upward = (np.float32(0.5) + np.float32(0.5) * normal[2]) * near_ground
        dark = air.bounce[:, None] * near_ground
        dark += (air.ambient - air.bounce)[:, None] * upward
        dark *= albedo
        gain = air.light[:, None] * np.maximum(air.toward_light @ normal, 0)
        gain *= albedo
        polished = np.flatnonzero(self._polished[geom])
        if len(polished):
            self._polish(polished, samples, albedo, dark, gain)
        glowing = np.flatnonzero(self._glow[geom])
        if len(glowing):
            place(dark, glowing, np.float32(1.25) * pick(albedo, glowing))
            place(gain, glowing, np.zeros((3, len(glowing)), np.float32))
        clear = air.clearness(samples.distance)
        dark *= clear
        gain *= clear
        dark += air.fog[:, None] * (1 - clear)
        return dark, gain

    def _polish(
        self,
        chosen: Int[np.ndarray, "m"],
        samples: Samples,
        albedo: Float32[np.ndarray, "3 n"],
        dark: Float32[np.ndarray, "3 n"],
        gain: Float32[np.ndarray, "3 n"],
    ) -> None:
        """Add highlights (Blinn-Phong) and mirrored sky; on metal both have the metal's colour."""
        air, geom = self._air, samples.geom[chosen]
        normal, ray = pick(samples.normal, chosen), pick(samples.ray, chosen)
        metal = self._metal[geom]
        tint = np.where(metal, pick(albedo, chosen), np.float32(1))
        halfway = air.toward_light[:, None] - ray
        length = np.sqrt(np.einsum("cn,cn->n", halfway, halfway))
        across = np.maximum(np.einsum("cn,cn->n", halfway, normal) / length, np.float32(1e-4))
        highlight = across ** self._gloss[geom]
        highlight *= np.where(metal, np.float32(1.5), np.float32(0.8))
        cosine = -np.einsum("cn,cn->n", ray, normal)
        mirrored = ray[2] + 2 * cosine * normal[2]
        sky = sky_color(air, mirrored)
        above = np.clip(mirrored * 8 + np.float32(0.5), 0, 1)
        mirror = self._floor + above * (sky * np.float32(1.15) - self._floor)
        fresnel = (1 - np.clip(cosine, 0, 1)) ** 4
        share = np.where(metal, np.float32(0.8), np.float32(0.05) + np.float32(0.3) * fresnel)
        keep = np.where(metal, np.float32(0.42), 1 - share)
        mirror *= share
        highlights = highlight * air.light[:, None]
        place(dark, chosen, pick(dark, chosen) * keep + tint * mirror)
        place(gain, chosen, pick(gain, chosen) * keep + tint * highlights)

    def _pattern(
        self,
        albedo: Float32[np.ndarray, "3 n"],
        samples: Samples,
        positions: Float[np.ndarray, "g 3"],
        rotations: Float[np.ndarray, "g 9"],
    ) -> None:
        """Lighten and darken by the textures, which stick to the geoms' own axes."""
        where = np.flatnonzero(self._textured[samples.geom])
        if not len(where):
            return
        geom = samples.geom[where]
        u, v = _on_faces(samples, where, geom, positions, rotations)
        texture = self._texture[geom]
        detail = self._detail[texture]
        scale = detail * np.float32(1 / 256)
        level = mip_level(samples.distance[where] * np.float32(self._pitch) * detail)
        pattern = self._atlas.sample(texture, u * scale, v * scale, level)
        tint = self._tints.take(texture, axis=1)
        tint *= pattern
        tint += 1
        place(albedo, where, pick(albedo, where) * tint)

    def _letters(
        self,
        albedo: Float32[np.ndarray, "3 n"],
        samples: Samples,
        positions: Float[np.ndarray, "g 3"],
        rotations: Float[np.ndarray, "g 9"],
    ) -> None:
        """Paint words on the -y faces of the geoms that carry one."""
        for number, bitmaps in self._words.items():
            where = np.flatnonzero(samples.geom == number)
            if not len(where):
                continue
            turn = rotations[number].reshape(3, 3).astype(np.float32)
            where = where[turn[:, 1] @ pick(samples.normal, where) < -0.7]
            if not len(where):
                continue
            local = turn.T @ pick(samples.point, where)
            local -= (turn.T @ positions[number].astype(np.float32))[:, None]
            width, height = (np.float32(2 * self._half[number, axis]) for axis in (0, 2))
            dots = bitmaps[0].shape[1] / width * self._pitch * float(samples.distance[where].mean())
            dots *= 0.7  # rather crisp than smooth: pixels blend their corners anyway
            level = int(np.clip(np.log2(max(dots, 1.0)), 0, len(bitmaps) - 1))
            cover = _bilinear(bitmaps[level], local[0] / width + 0.5, 0.5 - local[2] / height)
            face = pick(albedo, where)
            place(albedo, where, face + cover * (self._paint[number] - face))


def _halved(bitmap: Float32[np.ndarray, "h w"]) -> list[np.ndarray]:
    """The bitmap and ever smaller ones, each half as wide and high."""
    bitmaps = [bitmap]
    while min(bitmap.shape) > 8:
        bitmap = np.pad(bitmap, ((0, bitmap.shape[0] % 2), (0, bitmap.shape[1] % 2)))
        rows = 0.5 * (bitmap[::2] + bitmap[1::2])
        bitmap = 0.5 * (rows[:, ::2] + rows[:, 1::2])
        bitmaps.append(bitmap)
    return bitmaps


def _bilinear(
    bitmap: Float32[np.ndarray, "h w"], u: Float32[np.ndarray, "n"], v: Float32[np.ndarray, "n"]
) -> Float32[np.ndarray, "n"]:
    """The bitmap at (u, v), each 0..1 from its left and top edges."""
    height, width = bitmap.shape
    u = np.clip(u * width - np.float32(0.5), 0, width - 1.001)
    v = np.clip(v * height - np.float32(0.5), 0, height - 1.001)
    column, row = u.astype(np.int32), v.astype(np.int32)
    u -= column
    v -= row
    flat, index = bitmap.reshape(-1), row * np.int32(width) + column
    a, b, c, d = (flat[step:].take(index) for step in (0, 1, width, width + 1))
    top = a + u * (b - a)
    return top + v * (c + u * (d - c) - top)


def _on_faces(
    samples: Samples,
    where: Int[np.ndarray, "m"],
    geom: Int[np.ndarray, "m"],
    positions: Float[np.ndarray, "g 3"],
    rotations: Float[np.ndarray, "g 9"],
) -> tuple[Float32[np.ndarray, "m"], Float32[np.ndarray, "m"]]:
    """Where points lie on their geoms: along the two axes that the face does not look along."""
    local = pick(samples.point, where)
    local -= positions.T.astype(np.float32).take(geom, axis=1)
    normal = pick(samples.normal, where)
    upright = (rotations == np.eye(3).reshape(-1)).all(axis=1)
    if not upright.take(geom).all():
        turn = rotations.T.astype(np.float32).take(geom, axis=1).reshape(3, 3, -1)
        local = np.einsum("ijn,in->jn", turn, local)
        normal = np.einsum("ijn,in->jn", turn, normal)
    x, y, z = np.abs(normal, out=normal)
    u = np.where(x > np.maximum(y, z), local[1], local[0])
    v = np.where(z > np.maximum(x, y), local[1], local[2])
    return u, v
