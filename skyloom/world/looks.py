"""Looks: what is done to a finished picture so that it reads as a drawing, a game, neon or film."""

from dataclasses import dataclass

import numpy as np
from einops import rearrange, repeat
from jaxtyping import Float32, Int, UInt8

from skyloom.world.scene import Scene
from skyloom.world.textures import smooth_noise

_BLOCKS = 40
"""Blocks along the shorter side of a picture in pixel art."""
_TONES = 6
"""Steps of each channel from dark to bright in pixel art."""
_COARSE = 4
_WEIGHTS = np.array([0.30, 0.59, 0.11], np.float32)


@dataclass(frozen=True)
class _Glow:
    """A wide blur, made on a picture of every fourth row and column.

    Attributes:
        rows, columns: what takes the small picture back to full size, blurring it.
    """

    rows: Float32[np.ndarray, "H h"]
    columns: Float32[np.ndarray, "W w"]

    @classmethod
    def of(cls, size: tuple[int, int]) -> "_Glow":
        """A glow as wide as suits a picture of this size."""
        radius = max(min(size) / 42, _COARSE / 2)
        return cls(_spread(size[1], radius), _spread(size[0], radius))

    def apply(self, lines: Float32[np.ndarray, "3 H W"]) -> Float32[np.ndarray, "3 H W"]:
        """The blurred picture."""
        _, height, width = lines.shape
        small = np.add.reduceat(lines, np.arange(0, height, _COARSE), axis=1)
        small = np.add.reduceat(small, np.arange(0, width, _COARSE), axis=2)
        return np.matmul(np.matmul(self.rows, small), self.columns.T)


def _spread(length: int, radius: float) -> Float32[np.ndarray, "n m"]:
    """Gaussian weights of groups of pixels for each pixel; the sums of all pixels are 1."""
    middles = np.arange(0, length, _COARSE) + _COARSE / 2 - 0.5
    weights = np.exp(-0.5 * ((np.arange(length)[:, None] - middles) / radius) ** 2)
    weights[weights < 1e-6] = 0  # else they become denormal numbers, which are slow
    return (weights / (_COARSE * weights.sum(axis=1, keepdims=True))).astype(np.float32)


class Look:
    """The look of one scene, applied to its frames; grain and strokes come from the seed."""

    def __init__(self, scene: Scene, size: tuple[int, int]):
        self._name, self._size, self._seed = scene.look, size, scene.seed
        width, height = size
        rng = np.random.default_rng((scene.seed, 19))
        self.draws_veil = self._name == "charcoal drawing"
        if self._name == "charcoal drawing":
            self._veil_tone = np.float32(0.3 if scene.weather == "rain" else 1.0)
            self._paper, self._strokes = _paper_and_strokes(rng, size)
        if self._name == "neon":
            self._glow = _Glow.of(size)
        if self._name == "1920s film":
            x = np.linspace(-1, 1, width)[None]
            y = np.linspace(-1, 1, height)[:, None]
            self._vignette = (1 - 0.62 * np.clip(np.hypot(x, y) - 0.45, 0, 1) ** 1.3).astype(
                np.float32
            )
            self._grain = rng.normal(0, 0.022, (height + 64, width + 64)).astype(np.float32)

    def apply(
        self,
        rgb: UInt8[np.ndarray, "H W 3"],
        geom: Int[np.ndarray, "H W"],
        veil: Float32[np.ndarray, "H W"] | None,
        seconds: float,
    ) -> UInt8[np.ndarray, "H W 3"]:
        """The picture in this look.

        Args:
            geom: which geom a pixel shows: outlines run where it changes.
            veil: how much of a pixel rain or snow covers, for looks that draw it themselves.
        """
        if self._name == "natural":
            return rgb
        if self._name == "pixel art":
            return _pixel_art(rgb, max(min(self._size) // _BLOCKS, 2))
        image = rearrange(rgb, "h w c -> c h w").astype(np.float32, order="C")
        image *= 1 / 255
        if self._name == "charcoal drawing":
            image = self._charcoal(np.tensordot(_WEIGHTS, image, 1), geom)[None]
            if veil is not None:  # rubbed out for snow, drawn in for rain
                image += veil * (self._veil_tone - image)
        elif self._name == "neon":
            image = _neon(image, geom, self._glow)
        else:
            image = self._film(np.tensordot(_WEIGHTS, image, 1), seconds)
        image = np.clip(image, 0, 1) * 255
        image = np.broadcast_to(image, (3, *image.shape[1:]))
        return np.ascontiguousarray(rearrange(image, "c h w -> h w c").astype(np.uint8))

    def _charcoal(
        self, gray: Float32[np.ndarray, "H W"], geom: Int[np.ndarray, "H W"]
    ) -> Float32[np.ndarray, "H W"]:
        """Strokes where it is dark, lines where surfaces end, on paper."""
        soft = _soften(gray)
        low, high = _range(soft)
        contrast = 1 / max(high - low, 0.1)
        ink = np.clip((high - soft) * contrast, 0, 1) ** 1.4 * 0.78 * self._strokes
        line = np.clip(3 * _slope(soft) * contrast - 0.35, 0, 1) + 0.9 * _outline(geom)
        line *= 0.45 + 0.55 * self._strokes
        return self._paper * (1 - np.clip(ink + line, 0, 0.93))

    def _film(
        self, gray: Float32[np.ndarray, "H W"], seconds: float
    ) -> Float32[np.ndarray, "3 H W"]:
        """Sepia, soft, vignetted; grain, flicker, scratches and dust that change by frame."""
        frame = round(seconds * 24)
        rng = np.random.default_rng((self._seed, 23, frame))
        height, width = gray.shape
        gray = _soften(gray)
        low, high = _range(gray)  # hard, as old film stock is
        gray = np.clip((gray - low) / max(high - low, 0.15), 0, 1)
        gray = 0.07 + 0.83 * (gray * (0.55 + gray * (1.35 - 0.9 * gray)))
        gray *= self._vignette * np.float32(1 + 0.05 * rng.normal())
        y, x = rng.integers(0, 64, 2)
        gray += self._grain[y : y + height, x : x + width]
        slow = np.random.default_rng((self._seed, 29, frame // 8))
        for _ in range(2):
            column = int(slow.integers(width))
            gray[:, column] += 0.16 * (1 if slow.random() < 0.6 else -1) * rng.random()
        for _ in range(int(rng.integers(0, 4))):
            row, column = int(rng.integers(height)), int(rng.integers(width))
            spot = max(min(height, width) // 64, 1)
            gray[row : row + spot, column : column + spot] *= 0.35
        return np.array([1.04, 0.86, 0.62], np.float32)[:, None, None] * gray


def _paper_and_strokes(
    rng: np.random.Generator, size: tuple[int, int]
) -> tuple[Float32[np.ndarray, "H W"], Float32[np.ndarray, "H W"]]:
    width, height = size
    side = 2 * max(size)
    grain = smooth_noise(rng, side // 3 + 2, side // 3 + 2, side)
    y, x = np.mgrid[0:height, 0:width]
    along, across = (x + y) // 2 % side, (x - y) % side
    streaks = smooth_noise(rng, side // 14 + 2, side // 2, side)[along, across]
    paper = 0.93 + 0.035 * grain[:height, :width]
    strokes = np.clip(0.82 + 0.38 * streaks + 0.22 * grain[-height:, -width:], 0, 1.2)
    return paper.astype(np.float32), strokes.astype(np.float32)


def _pixel_art(rgb: UInt8[np.ndarray, "H W 3"], block: int) -> UInt8[np.ndarray, "H W 3"]:
    """Square blocks, each of one of the few colours of an old game console."""
    height, width = rgb.shape[:2]
    padded = np.pad(rgb, ((0, -height % block), (0, -width % block), (0, 0)), mode="edge")
    rows = np.add.reduceat(padded, np.arange(0, len(padded), block), axis=0, dtype=np.float32)
    small = np.add.reduceat(rows, np.arange(0, rows.shape[1], block), axis=1)
    small *= np.float32(1 / block**2)
    gray = small.mean(axis=2, keepdims=True)
    small = np.clip(gray + 1.3 * (small - gray), 0, 255)
    small = (np.round(small * (_TONES / 255)) * (255 / _TONES)).astype(np.uint8)
    large = repeat(small, "h w c -> (h a) (w b) c", a=block, b=block)
    return np.ascontiguousarray(large[:height, :width])


def _neon(
    image: Float32[np.ndarray, "3 H W"],
    geom: Int[np.ndarray, "H W"],
    glow: _Glow,
) -> Float32[np.ndarray, "3 H W"]:
    """A dark picture whose edges glow in the colours of what they bound."""
    gray = image.mean(axis=0)
    edge = np.clip(3 * _slope(_soften(gray)) - 0.12, 0, 0.8) + 0.95 * _outline(geom)
    edge = np.minimum(edge, 1)
    vivid = np.clip(gray + 2.2 * (image - gray), 0, None)
    vivid /= np.maximum(vivid.max(axis=0), 0.15)
    lines = vivid * edge
    dark = image * image * 0.30 * np.array([0.75, 0.7, 1.25], np.float32)[:, None, None]
    return dark + 1.0 * lines + 1.1 * glow.apply(lines)


def _slope(gray: Float32[np.ndarray, "H W"]) -> Float32[np.ndarray, "H W"]:
    """How steeply the brightness changes, by Roberts' cross."""
    slope = np.zeros_like(gray)
    slope[:-1, :-1] = np.abs(gray[:-1, :-1] - gray[1:, 1:]) + np.abs(gray[1:, :-1] - gray[:-1, 1:])
    return slope


def _outline(geom: Int[np.ndarray, "H W"]) -> Float32[np.ndarray, "H W"]:
    """1 where a pixel and its right or lower neighbour lie on different geoms."""
    change = np.zeros(geom.shape, bool)
    change[:, :-1] |= geom[:, :-1] != geom[:, 1:]
    change[:-1] |= geom[:-1] != geom[1:]
    return change.astype(np.float32)


def _range(gray: Float32[np.ndarray, "H W"]) -> tuple[float, float]:
    """Almost the darkest and almost the brightest value."""
    low, high = np.percentile(gray[::4, ::4], (2, 98))
    return float(low), float(high)


def _soften(gray: Float32[np.ndarray, "H W"]) -> Float32[np.ndarray, "H W"]:
    """A blur of about one pixel; the outermost pixels stay as they are."""
    rows = gray.copy()
    rows[1:-1] = 0.5 * gray[1:-1] + 0.25 * (gray[:-2] + gray[2:])
    soft = rows.copy()
    soft[:, 1:-1] = 0.5 * rows[:, 1:-1] + 0.25 * (rows[:, :-2] + rows[:, 2:])
    return soft
