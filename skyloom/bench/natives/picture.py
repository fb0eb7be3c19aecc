"""The picture of the experiment of native sizes: what both learnt from, and what both made.

The clips and prompts are the first ones; none is picked by its result.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from skyloom import video
from skyloom.bench.natives.data import ARMS, SIZES
from skyloom.bench.natives.judge import FramingJudge, judged
from skyloom.bench.pictures import Strip, titled
from skyloom.data.raw import RawDataset
from skyloom.files import atomic_path
from skyloom.video import Video

SHOWN = 10
"""Clips in a row of squares; wide and tall ones are fewer."""
GAP = 4
RIM = 3
"""Pixels of the mark around a picture whose subject is cut off."""
GREY, RED = (40, 40, 40), (230, 40, 40)


def draw(
    path: Path,
    data: Path,
    made: dict[tuple[str, tuple[int, int]], list[Video]],
    judge: FramingJudge,
) -> None:
    """Write the picture, in true colours. Red rims are the judge's."""
    rows = []
    learnt = [_first(data / arm) for arm in ARMS]
    rows.append(titled(_row(learnt[0]), "learnt from: native sizes"))
    rows.append(titled(_row(learnt[1]), "learnt from: square crops of the same clips"))
    for size in sorted(SIZES, key=lambda size: size[0] != size[1]):
        for arm, name in zip(ARMS, ("native sizes", "square crops"), strict=True):
            frames = np.stack([clip.frames[len(clip.frames) // 2] for clip in made[arm, size]])
            cut = judged(judge, frames).cut
            count = max(1, SHOWN * (96 + GAP) // (size[0] + GAP))
            pictures = [_rimmed(f) if c else f for f, c in zip(frames, cut, strict=True)][:count]
            title = f"made at {size[0]}x{size[1]} by the model of {name}; red: the judge: cut off"
            rows.append(titled(_row(pictures), title))
    width = max(row.shape[1] for row in rows)
    whole = np.concatenate([_widened(row, width) for row in rows])
    with atomic_path(path) as temporary:
        Image.fromarray(whole).save(temporary, optimize=True)


def _first(folder: Path, count: int = 8) -> list[UInt8[np.ndarray, "_h _w 3"]]:
    """The middle frames of the first clips of a dataset."""
    raw = RawDataset(folder)
    found = []
    for number in range(min(count, len(raw))):
        frames = video.read(raw.folder / raw.rows[number].file).frames
        found.append(frames[len(frames) // 2])
    return found


def _row(pictures: Sequence[UInt8[np.ndarray, "_h _w 3"]]) -> Strip:
    """Pictures of any size side by side."""
    height = max(picture.shape[0] for picture in pictures) + 2 * GAP
    parts = []
    for picture in pictures:
        cell = np.full((height, picture.shape[1] + GAP, 3), GREY, np.uint8)
        top = (height - picture.shape[0]) // 2
        cell[top : top + picture.shape[0], : picture.shape[1]] = picture
        parts.append(cell)
    return np.concatenate(parts, axis=1)


def _rimmed(picture: UInt8[np.ndarray, "_h _w 3"]) -> UInt8[np.ndarray, "_h _w 3"]:
    marked = np.full_like(picture, RED)
    marked[RIM:-RIM, RIM:-RIM] = picture[RIM:-RIM, RIM:-RIM]
    return marked


def _widened(row: Strip, width: int) -> Strip:
    cell = np.full((row.shape[0], width, 3), GREY, np.uint8)
    cell[:, : row.shape[1]] = row
    return cell
