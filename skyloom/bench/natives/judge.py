"""A judge of framing: does an edge of the picture cut the subject off?

A small network, taught on renders alone. It sees windows of large pictures whose subject it is
told: whole at any place, or cut by one edge or by two. A quarter of what it sees has gone through
the autoencoder with noise on its latents, so that it reads the soft pictures of a young model too.
It never sees what a model made, and so cannot favour either.
"""

import multiprocessing
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Bool, Float, UInt8
from safetensors.numpy import load_file, save_file
from torch import Tensor, nn

from skyloom.autoencoder.model import Autoencoder
from skyloom.bench.judges.network import Residual
from skyloom.bench.natives.data import (
    MARGIN,
    SIZES,
    Box,
    Window,
    cut_at,
    pixels_of,
    scene_of,
)
from skyloom.files import atomic_path
from skyloom.progress import track
from skyloom.world.camera import pose_at
from skyloom.world.clip import screen_boxes
from skyloom.world.dataset import one_thread_each
from skyloom.world.render import Renderer
from skyloom.world.stage import build_stage

VIEW = 320
"""Pixels of the sides of the large pictures."""
SHORTER = 160
"""Pixels of the shorter side of the renders that clips are cut from: subjects are as large here."""
LEAST_HIDDEN, MOST_HIDDEN = 0.15, 0.8
"""How much of the width or height of its box a cut takes from a subject."""
NOISY = 4
"""One window in so many goes through the autoencoder, which costs more than the judge itself."""


@dataclass(frozen=True)
class JudgeTraining:
    """How the judge is taught.

    Attributes:
        pictures: large renders to learn from; a fifth as many are kept to test it.
        steps, batch: windows of one size a batch.
        widths: channels at 1/4, 1/8 and 1/16 of the picture.
        noise: most deviation of the noise on latents; 0 leaves the autoencoder out.
        tested: windows that its own accuracy is measured on, plain and noisy.
    """

    pictures: int = 600
    steps: int = 500
    batch: int = 24
    widths: tuple[int, int, int] = (32, 64, 96)
    noise: float = 0.5
    tested: int = 480


class FramingJudge(nn.Module):
    """Pictures to logits: is there a subject, and does the left, top, right, bottom edge cut it?"""

    def __init__(self, widths: tuple[int, int, int]) -> None:
        super().__init__()
        self.enter = nn.Conv2d(48, widths[0], 3, padding=1)
        self.levels = nn.ModuleList(Residual(width) for width in widths)
        self.downs = nn.ModuleList(
            nn.Conv2d(4 * fine, coarse, 1) for fine, coarse in pairwise(widths)
        )
        self.up = nn.Conv2d(widths[2], widths[1], 1)
        self.last = Residual(widths[1])
        self.cells = nn.Conv2d(widths[1], 5, 1)

    def forward(
        self, pictures: Float[Tensor, "B 3 H W"]
    ) -> tuple[Float[Tensor, "B 5"], Float[Tensor, "B h w"]]:
        """Logits (seen, cut left, top, right, bottom), and of a subject in each cell of 1/8.

        Height and width are multiples of 16; pixels in [-1, 1].
        """
        x = self.enter(F.pixel_unshuffle(pictures, 4).contiguous(memory_format=torch.channels_last))
        x = self.levels[0](x)
        fine = self.levels[1](self.downs[0](F.pixel_unshuffle(x, 2)))
        coarse = self.levels[2](self.downs[1](F.pixel_unshuffle(fine, 2)))
        fine = self.last(fine + F.interpolate(self.up(coarse), scale_factor=2.0, mode="nearest"))
        cells = self.cells(fine).float()
        edges = (cells[:, 1, :, 0], cells[:, 2, 0, :], cells[:, 3, :, -1], cells[:, 4, -1, :])
        found = [cells[:, 0].flatten(1).amax(1), *(edge.amax(1) for edge in edges)]
        return torch.stack(found, dim=1), cells[:, 0]


@dataclass(frozen=True)
class Framing:
    """What the judge makes of pictures: whether a subject is seen, and whether it is cut off."""

    seen: Bool[np.ndarray, " N"]
    cut: Bool[np.ndarray, " N"]


@torch.inference_mode()
def judged(judge: FramingJudge, frames: UInt8[np.ndarray, "N H W 3"]) -> Framing:
    """Judge pictures of one size, each by itself."""
    logits = [judge(to_pixels(frames[at : at + 64]))[0] for at in range(0, len(frames), 64)]
    found = torch.cat(logits).numpy()
    seen = found[:, 0] > 0
    return Framing(seen, seen & (found[:, 1:].max(axis=1) > 0))


def to_pixels(frames: UInt8[np.ndarray, "N H W 3"]) -> Float[Tensor, "N 3 H W"]:
    """Bytes to what the judge takes."""
    return rearrange(torch.from_numpy(frames), "n h w c -> n c h w").float() / 127.5 - 1


# ── what it learns from ───────────────────────────────────────────────────────────────────────
@dataclass(frozen=True)
class LargePictures:
    """Large renders, and the box of the one subject of each in pixels."""

    frames: UInt8[np.ndarray, "N V V 3"]
    boxes: Float[np.ndarray, "N 4"]

    def part(self, rows: slice) -> "LargePictures":
        """Some of them."""
        return LargePictures(self.frames[rows], self.boxes[rows])


def large_pictures(path: Path, count: int, workers: int) -> LargePictures:
    """Render them, or read those that lie at `path`."""
    if path.is_file():
        stored = load_file(path)
        return LargePictures(stored["frames"], stored["boxes"])
    context = multiprocessing.get_context("spawn")
    frames, boxes = [], []
    with (
        one_thread_each(),
        ProcessPoolExecutor(workers, mp_context=context) as pool,
        track(count, "pictures for the judge", unit="pictures") as bar,
    ):
        for frame, box in pool.map(_large, range(count), chunksize=8):
            frames.append(frame)
            boxes.append(box)
            bar.advance()
    found = {"frames": np.stack(frames), "boxes": np.array(boxes, np.float32)}
    with atomic_path(path) as temporary:
        save_file(found, temporary)
    return LargePictures(found["frames"], found["boxes"])


def _large(seed: int) -> tuple[UInt8[np.ndarray, "V V 3"], Box]:
    """A picture in the midst of an action, its lens as wide as the view is."""
    size, attempt = (VIEW, VIEW), 0
    while True:
        scene = scene_of(seed, attempt, "judge")
        attempt += 1
        if scene is None:
            continue
        stage = build_stage(scene, duration=4.0)
        stage.advance(0.5 * (seed % 4))
        camera = scene.cameras[0]
        focus = stage.focus if camera.move == "follow" else stage.home
        pose = pose_at(camera, focus, (seed % 5) / 8)
        pose = replace(pose, tan_half=pose.tan_half * VIEW / SHORTER)
        shown = Renderer(stage, scene, size).frame(pose, 0.0)
        box = pixels_of(screen_boxes(shown.subject, 1)[0], size)
        if box is not None and not any(cut_at(box, (0, 0, *size)) or (True,)):
            return shown.rgb, box


def window_for(box: Sequence[float], size: tuple[int, int], rng: np.random.Generator) -> Window:
    """A window of a large picture that holds its subject whole (half of the time), or cuts it."""
    cutting = rng.random() < 0.5
    first = int(rng.integers(2)) if cutting else None  # the axis of the cut
    both = cutting and rng.random() < 0.2
    corner = []
    for axis in (0, 1):
        low, high, extent = box[axis], box[axis + 2], size[axis]
        if axis == first or both:
            hidden = rng.uniform(LEAST_HIDDEN, MOST_HIDDEN) * (high - low)
            place = low + hidden if rng.random() < 0.5 else high - hidden - extent
        else:
            margin = MARGIN
            lowest, highest = high + margin - extent, low - margin
            if lowest > highest:  # it does not fit: it is cut on both sides
                lowest = highest = (low + high - extent) / 2
            place = rng.uniform(lowest, highest)
        corner.append(int(np.clip(round(place), 0, VIEW - extent)))
    return corner[0], corner[1], *size


@dataclass(frozen=True)
class _Windows:
    """Windows of one size: pixels, labels (seen, cut at each edge), and cells of the subject."""

    pixels: Float[Tensor, "B 3 H W"]
    labels: Float[Tensor, "B 5"]
    cells: Float[Tensor, "B h w"]


def _windows(
    large: LargePictures, count: int, size: tuple[int, int], rng: np.random.Generator
) -> _Windows:
    frames, labels, cells = [], [], []
    for number in rng.integers(len(large.frames), size=count):
        box = tuple(float(value) for value in large.boxes[number])
        choose = _elsewhere if rng.random() < 0.1 else window_for
        window = choose(box, size, rng)
        left, top, width, height = window
        cut = cut_at((box[0], box[1], box[2], box[3]), window)
        frames.append(large.frames[number, top : top + height, left : left + width])
        labels.append((0.0,) * 5 if cut is None else (1.0, *map(float, cut)))
        cells.append(_covered(box, window))
    pixels = to_pixels(np.stack(frames))
    return _Windows(pixels, torch.tensor(labels), torch.from_numpy(np.stack(cells)))


def _elsewhere(box: Sequence[float], size: tuple[int, int], rng: np.random.Generator) -> Window:
    """A window beside the subject; any window where the view has no such place."""
    window = (0, 0, *size)
    for _ in range(20):
        corner = [int(rng.integers(VIEW - extent + 1)) for extent in size]
        window = (corner[0], corner[1], *size)
        if cut_at((box[0], box[1], box[2], box[3]), window) is None:
            break
    return window


def _covered(box: Sequence[float], window: Window) -> Float[np.ndarray, "h w"]:
    """1 in the cells of 8 pixels of which the box covers a quarter or more."""
    left, top, width, height = window
    parts = []
    for low, high, extent in (
        (box[1] - top, box[3] - top, height),
        (box[0] - left, box[2] - left, width),
    ):
        start = np.arange(0, extent, 8)
        parts.append(np.clip(np.minimum(start + 8, high) - np.maximum(start, low), 0, 8) / 8)
    return (parts[0][:, None] * parts[1][None] >= 0.25).astype(np.float32)


@torch.inference_mode()
def through(
    autoencoder: Autoencoder, pixels: Float[Tensor, "B 3 H W"], noise: float, seed: int
) -> Float[Tensor, "B 3 H W"]:
    """What the autoencoder gives back of latents with noise of up to this deviation on them."""
    weight = next(autoencoder.parameters())
    generator = torch.Generator().manual_seed(seed)
    latents = autoencoder.encode(pixels[:, :, None].to(weight))
    deviation = noise * torch.rand(len(pixels), 1, 1, 1, 1, generator=generator)
    latents = latents + (deviation * torch.randn(latents.shape, generator=generator)).to(latents)
    return autoencoder.decode(latents)[:, :, 0].float().clamp(-1, 1)


# ── teaching and testing ──────────────────────────────────────────────────────────────────────
def teach(
    large: LargePictures, autoencoder: Autoencoder, how: JudgeTraining, seed: int = 0
) -> FramingJudge:
    """Train a judge; the same arguments give the same one on the same machine."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    judge = FramingJudge(how.widths).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = torch.optim.AdamW(judge.parameters(), lr=2e-3, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, how.steps, pct_start=0.1)
    with track(how.steps, "judge", unit="steps") as bar:
        for step in range(how.steps):
            size = SIZES[step % len(SIZES)]
            windows = _windows(large, how.batch, size, rng)
            pixels = windows.pixels.clone()
            some = how.batch // NOISY if how.noise else 0
            if some:
                pixels[:some] = through(autoencoder, pixels[:some], how.noise, step)
            gain = torch.from_numpy(rng.uniform(0.85, 1.15, (how.batch, 1, 1, 1))).float()
            with torch.autocast("cpu", torch.bfloat16):
                logits, cells = judge((gain * pixels).clamp(-1, 1))
            loss = F.binary_cross_entropy_with_logits(logits, windows.labels)
            loss = loss + F.binary_cross_entropy_with_logits(cells, windows.cells)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(judge.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            bar.advance()
            if step % 50 == 49:
                bar.say(f"judge: loss {loss.item():.3f}")
    return judge.requires_grad_(False).eval()


def accuracy(
    judge: FramingJudge, large: LargePictures, autoencoder: Autoencoder, how: JudgeTraining
) -> Mapping[str, float]:
    """How right a judge is on windows of pictures that it never saw.

    Returns:
        "plain", the share of right verdicts (cut off or not) where a subject is seen; "noisy", the
        same of what the autoencoder gives back of them with noise on its latents; "false alarms"
        and "missed", the shares of whole and of cut ones that are wrong among the noisy; "seen",
        the share of right answers to whether there is a subject at all.
    """
    rng = np.random.default_rng(1)
    right: dict[str, list[np.ndarray]] = {"plain": [], "noisy": [], "seen": []}
    wrong: dict[str, list[np.ndarray]] = {"false alarms": [], "missed": []}
    for number, size in enumerate(SIZES):
        windows = _windows(large, max(1, how.tested // len(SIZES)), size, rng)
        noisy = through(autoencoder, windows.pixels, how.noise, number)
        there = windows.labels[:, 0].numpy() > 0
        cut = windows.labels[:, 1:].amax(1).numpy() > 0
        for kind, pixels in (("plain", windows.pixels), ("noisy", noisy)):
            bytes_ = ((pixels + 1) * 127.5).round().to(torch.uint8)
            found = judged(judge, rearrange(bytes_, "n c h w -> n h w c").numpy())
            right[kind].append((found.cut == cut)[there])
        right["seen"].append(found.seen == there)
        wrong["false alarms"].append(found.cut[there & ~cut])
        wrong["missed"].append(~found.cut[there & cut])
    return {name: float(np.concatenate(rows).mean()) for name, rows in (right | wrong).items()}


def judge_for(
    folder: Path, autoencoder: Autoencoder, how: JudgeTraining, workers: int
) -> tuple[FramingJudge, Mapping[str, float]]:
    """A judge and its own accuracy; its pictures are kept in `folder`."""
    test = max(1, how.pictures // 5)
    large = large_pictures(folder / "judge.safetensors", how.pictures + test, workers)
    judge = teach(large.part(slice(test, None)), autoencoder, how)
    return judge, accuracy(judge, large.part(slice(0, test)), autoencoder, how)
