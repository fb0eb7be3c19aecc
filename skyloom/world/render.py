"""From a stage to pictures: rays, light and looks, on the CPU, without a display."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float32, Int, Int8, UInt8

from skyloom.world.background import Background, Layer
from skyloom.world.camera import Pose, pixel_pitch, same_pose
from skyloom.world.looks import Look
from skyloom.world.planar import pick, place
from skyloom.world.raycast import sort_geoms
from skyloom.world.scene import Scene
from skyloom.world.shade import Shader
from skyloom.world.shadow import Lookup, ShadowMap
from skyloom.world.sight import Seen, Sight
from skyloom.world.sky import air_of
from skyloom.world.textures import build_atlas
from skyloom.world.weather import Precipitation

if TYPE_CHECKING:
    from skyloom.world.stage import Stage


@dataclass(frozen=True)
class Rendered:
    """A picture and what is seen where.

    Attributes:
        rgb: sRGB bytes.
        subject: number of the subject in each pixel; -1 for other things, -2 for ground and sky.
    """

    rgb: UInt8[np.ndarray, "H W 3"]
    subject: Int8[np.ndarray, "H W"]


@dataclass(frozen=True)
class _Scenery:
    """What never moves and stands far back, as one pose sees it.

    Attributes:
        pixels: flat indices of the pixels that show it.
        clear: share of each that it does not cover.
        dark: its colour where no direct light falls, times what it covers.
        gain: what direct light adds.
        shadow: where to look up how much light that is.
        depth: distance to the scenery or the ground.
        geom: the geom in the middle of each pixel, or -1.
    """

    pixels: Int[np.ndarray, "p"]
    clear: Float32[np.ndarray, "p"]
    dark: Float32[np.ndarray, "3 p"]
    gain: Float32[np.ndarray, "3 p"]
    shadow: Lookup
    depth: Float32[np.ndarray, "H W"]
    geom: Int[np.ndarray, "H W"]


class Renderer:
    """Renders the frames of one stage. The stage moves between frames; the renderer follows it.

    The renderer sorts the model's geoms into groups (which MuJoCo's physics does not look at):
    what moves, what stands near, scenery; so that rays are cast only at what may have changed.
    Geoms of group 3 and above are never seen.

    Args:
        stage: gives `.model`, `.data` and `.surfaces`; geom 0 is the ground plane z = 0.
        scene: says place, time, weather, look and seed.
        size: (width, height).
    """

    def __init__(self, stage: "Stage", scene: Scene, size: tuple[int, int] = (128, 128)):
        self._stage, self._size = stage, size
        self._air = air_of(scene)
        self._atlas = build_atlas()
        self._parts = sort_geoms(stage.model)
        # A camera that stands still sees the same scenery again and again.
        self._keeps_scenery = any(camera.move == "still" for camera in scene.cameras)
        self._subject = np.array([s.subject for s in stage.surfaces] + [-2], np.int8)
        kinds = {surface: number for number, surface in enumerate(dict.fromkeys(stage.surfaces))}
        self._key = np.array([kinds[s] for s in stage.surfaces] + [-1], np.int32)
        self._background = Background(scene, self._air, self._atlas, stage.surfaces[0], size)
        self._shadows = ShadowMap(self._air.toward_light, size)
        self._shadows.add_still(stage.model, stage.data, self._parts["still"])
        self._precipitation = Precipitation(scene, self._air, size)
        self._look = Look(scene, size)
        self._tone = _tone_table()
        self._sight: Sight | None = None
        self._pose: Pose | None = None

    def frame(self, pose: Pose, seconds: float) -> Rendered:
        """The stage as it stands, from an upright pose; `seconds` moves rain, sea and grain."""
        model, data = self._stage.model, self._stage.data
        self._aim(pose.tan_half)
        layer = self._background.draw(pose, seconds)
        if self._pose is None or not same_pose(self._pose, pose):
            self._pose = pose
            self._on_ground = self._shadows.locate(layer.x, layer.y)
            self._scenery = self._draw_scenery(pose, layer) if self._keeps_scenery else None
        self._shadows.update(model, data, self._parts["moving"])
        image = layer.dark.copy()
        image[:, layer.first :] += layer.gain * self._shadows.on_ground(self._on_ground)
        if self._scenery is None:
            depth, geom = layer.depth.copy(), np.full(layer.depth.shape, -1, np.int32)
        else:
            self._add_scenery(image, self._scenery)
            depth, geom = self._scenery.depth.copy(), self._scenery.geom.copy()
        self._add_things(image, depth, geom, pose, "things" if self._scenery else "all")
        veil = self._precipitation.veil(depth, pose, seconds)
        if veil is not None and not self._look.draws_veil:
            self._precipitation.add(image, veil)
        rgb = self._look.apply(_to_bytes(self._tone, image), geom, veil, seconds)
        return Rendered(rgb, self._subject[geom])

    def _aim(self, tan_half: float) -> None:
        """Prepare what depends on the field of view alone."""
        if self._sight is not None and self._sight.tan_half == tan_half:
            return
        stage = self._stage
        self._sight = Sight(stage, self._size, tan_half, self._key)
        half = stage.model.geom_aabb.reshape(-1, 6)[:, 3:]
        pitch = pixel_pitch(tan_half, self._size)
        self._shader = Shader(stage.surfaces, half, self._air, self._atlas, pitch)
        self._pose = None

    def _draw_scenery(self, pose: Pose, layer: Layer) -> _Scenery:
        assert self._sight is not None
        geom, depth = np.full(layer.depth.shape, -1, np.int32), layer.depth.copy()
        seen = self._sight.see(pose, self._parts["scenery"], None)
        if seen is None:
            none = np.zeros((3, 0), np.float32)
            nowhere = self._shadows.locate(*none)
            return _Scenery(np.zeros(0, np.int64), none[0], none, none, nowhere, depth, geom)
        _enter(seen, depth, geom)
        data = self._stage.data
        dark, gain = self._shader.color(seen.samples, data.geom_xpos, data.geom_xmat)
        parts = seen.blend(dark, gain, seen.samples.point)
        row, column = np.nonzero(parts[9])
        parts = pick(parts.reshape(10, -1), row * parts.shape[2] + column)
        cover = parts[9]
        shadow = self._shadows.locate(*(parts[6:9] / cover))
        rows, columns = seen.window
        pixels = (row + rows.start) * self._size[0] + column + columns.start
        return _Scenery(pixels, 1 - cover, parts[:3], parts[3:6], shadow, depth, geom)

    def _add_scenery(self, image: Float32[np.ndarray, "3 H W"], scenery: _Scenery) -> None:
        if not len(scenery.pixels):
            return
        flat = image.reshape(3, -1)
        color = pick(flat, scenery.pixels)
        color *= scenery.clear
        color += scenery.dark
        color += scenery.gain * self._shadows.above_ground(scenery.shadow)
        place(flat, scenery.pixels, color)

    def _add_things(
        self,
        image: Float32[np.ndarray, "3 H W"],
        depth: Float32[np.ndarray, "H W"],
        geom: Int[np.ndarray, "H W"],
        pose: Pose,
        part: str,
    ) -> None:
        """Draw a part of the geoms as it stands now; enter it into the depths and geoms."""
        assert self._sight is not None
        # The ground limits every ray by itself; here, what stands in front of things.
        before = np.where(geom >= 0, depth, np.float32(np.inf)) if part == "things" else None
        seen = self._sight.see(pose, self._parts[part], before)
        if seen is None:
            return
        _enter(seen, depth, geom)
        data = self._stage.data
        dark, gain = self._shader.color(seen.samples, data.geom_xpos, data.geom_xmat)
        gain *= self._shadows.above_ground(self._shadows.locate(*seen.samples.point))
        dark += gain
        blended = seen.blend(dark)
        window = image[:, *seen.window]
        window *= 1 - blended[3]
        window += blended[:3]


def _enter(seen: Seen, depth: Float32[np.ndarray, "H W"], geom: Int[np.ndarray, "H W"]) -> None:
    """Enter what is seen into a picture's depths and geoms."""
    shown = seen.geom >= 0
    np.copyto(depth[seen.window], seen.distance, where=shown)
    np.copyto(geom[seen.window], seen.geom, where=shown)


def _tone_table() -> UInt8[np.ndarray, "n"]:
    """Linear light 0..2 to sRGB bytes: straight up to 0.6, then a shoulder that never clips."""
    linear = np.linspace(0, 2, 8192)
    over = np.maximum(linear - 0.6, 0)
    toned = np.minimum(linear, 0.6) + 0.4 * (1 - np.exp(-over / 0.4))
    srgb = np.where(toned < 0.0031308, 12.92 * toned, 1.055 * toned ** (1 / 2.4) - 0.055)
    return np.round(255 * np.clip(srgb, 0, 1)).astype(np.uint8)


def _to_bytes(
    table: UInt8[np.ndarray, "n"], image: Float32[np.ndarray, "3 H W"]
) -> UInt8[np.ndarray, "H W 3"]:
    index = (image * np.float32((len(table) - 1) / 2)).astype(np.int32)
    return np.ascontiguousarray(np.moveaxis(table.take(index, mode="clip"), 0, -1))
