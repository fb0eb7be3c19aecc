"""The clips of the experiment of native sizes: whole subjects anywhere in a wide, tall or square
frame, and the centred squares of the same clips.

The world's own camera looks at its subject, so that a square from the middle holds it always. A
photographer puts it anywhere in the frame. The clips are therefore windows of larger renders,
placed at random where the subject stays whole from the first frame to the last, which is what a
lens does that is shifted.
"""

import hashlib
import json
import multiprocessing
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from skyloom import video
from skyloom.data.raw import CAPTIONS
from skyloom.files import whole_folder
from skyloom.progress import track
from skyloom.video import Video
from skyloom.world.clip import Clip, render_clip
from skyloom.world.dataset import one_thread_each
from skyloom.world.sampling import sample_scene
from skyloom.world.scene import Scene

SIZES = ((160, 96), (96, 160), (96, 96))
"""(width, height) of the clips, as often each."""
SIDE = 96
"""Pixels of the squares."""
AROUND = 64
"""Pixels that a render has more than the window, across and down."""
FPS = 12.0
MARGIN = 2
"""Pixels between a whole subject and the edge."""
ARMS = ("native", "square")

Window = tuple[int, int, int, int]
"""(left, top, width, height) in pixels."""
Box = tuple[float, float, float, float]
"""(left, top, right, bottom) in pixels."""


@dataclass(frozen=True)
class NativeData:
    """How much is rendered.

    Attributes:
        clips: of `frames` frames.
        stills: pictures besides, which teach where things are for less.
        frames: of a clip.
        seed: of everything.
    """

    clips: int = 1000
    stills: int = 4000
    frames: int = 9
    seed: int = 0


def scene_of(seed: int, attempt: int, part: str) -> Scene | None:
    """A scene of one subject by day under a clear sky; None if this draw is another.

    Args:
        part: "train", "test" or "judge": none shares a scene with another.
    """
    digest = hashlib.sha256(f"{part} {seed} {attempt}".encode()).digest()
    scene = sample_scene(int.from_bytes(digest[:6], "big"), split="train", tier="one")
    plain = scene.look == "natural" and scene.time == "day" and scene.weather == "clear"
    return scene if plain and scene.word is None and scene.action.name != "hides" else None


def composed(
    seed: int, size: tuple[int, int], frames: int, part: str = "train"
) -> tuple[Clip, Window]:
    """A larger render and the window of it that is the clip; the same for the same arguments.

    Scenes whose subject leaves the picture, or does not fit into the window, are passed over.
    """
    rng = np.random.default_rng((seed, ARMS.index("native"), *map(ord, part)))
    large = (size[0] + AROUND, size[1] + AROUND)
    attempt = 0
    while True:
        scene = scene_of(seed, attempt, part)
        attempt += 1
        if scene is None:
            continue
        clip = render_clip(scene, large, frames, FPS)
        window = _placed([pixels_of(found[0], large) for found in clip.truth["screen"]], size, rng)
        if window is not None:
            return clip, window


def pixels_of(box: Sequence[float] | None, size: tuple[int, int]) -> Box | None:
    """A box of the truth, see `world.clip.screen_boxes`, as its edges in pixels."""
    if box is None:
        return None
    x, y, width, height = (value * size[axis % 2] for axis, value in enumerate(box[:4]))
    return x - width / 2, y - height / 2, x + width / 2, y + height / 2


def _placed(
    boxes: Sequence[Box | None], size: tuple[int, int], rng: np.random.Generator
) -> Window | None:
    """A random window that holds every box with its margin; None where there is none."""
    found = [box for box in boxes if box is not None]
    if len(found) < len(boxes):
        return None
    corner = []
    for axis in (0, 1):
        first = min(box[axis] for box in found) - MARGIN
        last = max(box[axis + 2] for box in found) + MARGIN
        lowest = max(0, int(np.ceil(last)) - size[axis])
        highest = min(AROUND, int(np.floor(first)))
        if lowest > highest:
            return None
        corner.append(int(rng.integers(lowest, highest + 1)))
    return corner[0], corner[1], *size


def seen_through(clip: Clip, window: Window) -> tuple[Video, dict]:
    """A window of a clip: its frames, and the truth about them."""
    left, top, width, height = window
    frames = clip.video.frames[:, top : top + height, left : left + width]
    large = clip.video.size
    screen = [[_box_through(box, large, window) for box in found] for found in clip.truth["screen"]]
    truth = {**clip.truth, "size": [width, height], "screen": screen}
    return Video(np.ascontiguousarray(frames), clip.video.fps), truth


def _box_through(
    box: Sequence[float] | None, size: tuple[int, int], window: Window
) -> list[float] | None:
    """A box of the truth as the window shows it; None where it does not."""
    edges = pixels_of(box, size)
    if box is None or edges is None:
        return None
    left, top, width, height = window
    low = max(edges[0] - left, 0.0), max(edges[1] - top, 0.0)
    high = min(edges[2] - left, float(width)), min(edges[3] - top, float(height))
    if high[0] <= low[0] or high[1] <= low[1]:
        return None
    kept = (high[0] - low[0]) * (high[1] - low[1])
    kept /= (edges[2] - edges[0]) * (edges[3] - edges[1])
    share = box[4] * kept * size[0] * size[1] / (width * height)
    middle = (low[0] + high[0]) / 2 / width, (low[1] + high[1]) / 2 / height
    extent = (high[0] - low[0]) / width, (high[1] - low[1]) / height
    return [round(value, 4) for value in (*middle, *extent, share)]


def cut_at(box: Box | None, window: Window) -> tuple[bool, bool, bool, bool] | None:
    """Whether each edge of a window (left, top, right, bottom) cuts what is in the box.

    None: the window does not show it.
    """
    if box is None:
        return None
    left, top = window[:2]
    right, bottom = left + window[2], top + window[3]
    if box[2] <= left or box[0] >= right or box[3] <= top or box[1] >= bottom:
        return None
    return box[0] < left, box[1] < top, box[2] > right, box[3] > bottom


def centred(window: Window) -> Window:
    """The square in the middle of a window."""
    left, top, width, height = window
    return left + (width - SIDE) // 2, top + (height - SIDE) // 2, SIDE, SIDE


def write_data(folder: Path, data: NativeData, workers: int) -> dict[str, dict[str, float]]:
    """Render the two raw datasets, folder/native and folder/square, whole or not at all.

    Returns:
        for each of them the share of its frames in which the subject is "cut" by the frame, and in
        which it is "out" of it, of those of the clips that are not square to begin with.
    """
    note = folder / "framing.json"
    if note.is_file():
        return json.loads(note.read_text())
    total = data.clips + data.stills
    rows: dict[str, list[str]] = {arm: [] for arm in ARMS}
    seen: dict[str, list[str]] = {arm: [] for arm in ARMS}
    context = multiprocessing.get_context("spawn")
    with whole_folder(folder) as target, one_thread_each():
        for arm in ARMS:
            (target / arm).mkdir()
        work = partial(_render, target, data)
        with (
            ProcessPoolExecutor(workers, mp_context=context) as pool,
            track(total, "rendering", unit="clips") as bar,
        ):
            for made in pool.map(work, range(total), chunksize=8):
                for arm, (row, found) in made.items():
                    rows[arm].append(row)
                    seen[arm] += found
                bar.advance()
        for arm in ARMS:
            (target / arm / CAPTIONS).write_text("\n".join(rows[arm]) + "\n", "utf-8")
        framing = {
            arm: {word: seen[arm].count(word) / len(seen[arm]) for word in ("cut", "out")}
            for arm in ARMS
        }
        (target / note.name).write_text(json.dumps(framing) + "\n", "utf-8")
    return framing


def _render(folder: Path, data: NativeData, number: int) -> dict[str, tuple[str, list[str]]]:
    """Write clip `number` of both datasets; by dataset its line of captions, and how each frame
    of a clip that was not square shows the subject: "whole", "cut" or "out"."""
    size = SIZES[number % len(SIZES)]
    frames = data.frames if number < data.clips else 1
    clip, window = composed(data.seed * 10_000_000 + number, size, frames)
    boxes = [pixels_of(found[0], clip.video.size) for found in clip.truth["screen"]]
    made = {}
    for arm, view in zip(ARMS, (window, centred(window)), strict=True):
        shown, truth = seen_through(clip, view)
        name = f"{number:06d}.{'safetensors' if frames > 1 else 'png'}"
        video.write(shown, folder / arm / name)
        row = {"file": name, "captions": [clip.short, clip.detailed], "truth": truth}
        edges = [cut_at(box, view) for box in boxes] if size[0] != size[1] else []
        words = ["out" if cut is None else "cut" if any(cut) else "whole" for cut in edges]
        made[arm] = (json.dumps(row), words)
    return made
