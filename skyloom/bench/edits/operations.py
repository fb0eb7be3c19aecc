"""What the bench of editing has done, and to what: moving held-out clips, and edits of them.

Every operation gets parts of a real clip and is to give back the whole of it: frame by frame, what
it shows stands beside the engine's own frames. Only what closes a loop has no truth.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from skyloom import edit
from skyloom.bench.edits.seams import differences
from skyloom.canvas import Canvas
from skyloom.condition import Condition
from skyloom.edit import Edit
from skyloom.pipeline import Skyloom
from skyloom.request import Request
from skyloom.video import Video
from skyloom.world import render_clip, sample_scene
from skyloom.world.captions import tell
from skyloom.world.scene import Scene

FIRST_SEED = 9_400_000
"""Of the scenes; the bench of reconstruction and the prompts have others."""
FPS = 12.0
MOVING = 0.4
"""Least mean difference of neighbouring frames, in levels, in each third of a clip."""

Frames = UInt8[np.ndarray, "F H W 3"]


@dataclass(frozen=True, eq=False)
class HeldOut:
    """A real clip that training never showed, and what is said of it."""

    scene: Scene
    prompt: str
    video: Video


@dataclass(frozen=True, eq=False)
class Task:
    """An operation on a real clip.

    Attributes:
        given: which of the frames that are shown were given.
        seams: frames after a seam; 0 where the end meets the start.
        truth: the real clip is what it should give.
    """

    name: str
    edit: Edit
    given: Bool[np.ndarray, " F"]
    seams: tuple[int, ...] = ()
    truth: bool = True

    @property
    def made(self) -> slice:
        """The frames that were made, of an operation that makes them in one stretch."""
        places = np.flatnonzero(~self.given)
        return slice(int(places[0]), int(places[-1]) + 1)


@dataclass(frozen=True, eq=False)
class Done:
    """What came of a task.

    Attributes:
        frames: all that is shown.
        sampled: the frames of the edit's request as they were decoded, before what was given was
            put back into them.
    """

    frames: UInt8[np.ndarray, "F H W 3"]
    sampled: UInt8[np.ndarray, "_s H W 3"]


class Watched(Skyloom):
    """The pipeline that users call; it keeps what it decodes, before given frames are put back."""

    decoded: tuple[Frames, ...] = ()

    def decode_stream(
        self, windows: Iterator[Float[Tensor, "C T H W"]], chunk: int = 2, first: bool = True
    ) -> Iterator[Frames]:
        """As `Skyloom.decode_stream`."""
        self.decoded = ()
        for frames in super().decode_stream(windows, chunk, first):
            self.decoded += (frames,)
            yield frames

    def carry_out(self, task: Task) -> Done:
        """Carry out a task."""
        frames = self.edit(task.edit).frames
        return Done(frames, np.concatenate(self.decoded)[: task.edit.request.frames])

    def reconstructed(self, video: Video) -> Frames:
        """A clip of 1 + n * stride frames as the autoencoder alone gives it back."""
        whole = slice(0, len(video.frames))
        canvas = Canvas.of((Condition(video),), whole.stop, video.size, whole)
        latents = canvas.given(self.autoencoder).latents
        return np.concatenate(list(self.decode_stream(iter([latents]))))


def held_out_clips(count: int, size: tuple[int, int], frames: int) -> Iterator[HeldOut]:
    """The first `count` held-out clips that move from start to end, always the same.

    Where nothing moves there is no seam to see, and a freeze is the truth.
    """
    found = number = 0
    while found < count:
        tier = ("one", "two")[number % 2]  # the third tier has cuts, which are seams of their own
        scene = sample_scene(FIRST_SEED + number, split="heldout", tier=tier)
        number += 1
        video = render_clip(scene, size, frames, FPS).video
        thirds = np.array_split(differences(video.frames)[1:], 3)
        if min(third.mean() for third in thirds) >= MOVING:
            found += 1
            yield HeldOut(scene, tell(scene, scene.seed, detailed=True).text, video)


def tasks(clip: HeldOut, stride: int, steps: int | None = None) -> Iterator[Task]:
    """Every operation that gives frames or closes a loop, on one clip of 1 + n * stride frames.

    Args:
        stride: frames that a latent frame stands for; n is 3 or more.
        steps: of the solver, the pipeline's own unless given.
    """
    video, total = clip.video, len(clip.video.frames)
    latent = (total - 1) // stride
    half, side = 1 + stride * (latent // 2), 1 + stride * (latent // 3)

    more: dict[str, Any] = {} if steps is None else {"steps": steps}

    def asked(frames: int) -> Request:
        return Request(clip.prompt, video.size, frames / FPS, FPS, **more)

    def given(*kept: tuple[int, int]) -> Bool[np.ndarray, " F"]:
        places = np.arange(total)
        return np.any([(first <= places) & (places <= last) for first, last in kept], axis=0)

    def part(start: int, stop: int) -> Video:
        return Video(video.frames[start:stop], FPS)

    last = total - 1
    yield Task("animate", edit.animate(part(0, 1), asked(total)), given((0, 0)))
    yield Task(
        "animate, at the end",
        edit.animate(part(last, total), asked(total), "end"), given((last, last)),
    )  # fmt: skip
    yield Task(
        "extend",
        edit.extend(part(0, half), asked(total - half), stride), given((0, half - 1)), (half,),
    )  # fmt: skip
    yield Task(
        "extend backward",
        edit.extend(part(total - half, total), asked(total - half), stride, backward=True),
        given((total - half, last)), (total - half,),
    )  # fmt: skip
    yield Task(
        "connect",
        edit.connect(part(0, side), part(total - side, total), asked(total - 2 * side), stride),
        given((0, side - 1), (total - side, last)), (side, total - side),
    )  # fmt: skip
    kept = ((0, 0), (last // 4, last // 4), (last // 2, 3 * last // 4))
    yield Task("fill", edit.fill(video, kept, asked(total)), given(*kept))
    yield Task(
        "loop of a clip",
        edit.loop(asked(total - half), stride, part(0, half)),
        given((0, half - 1)), (half, 0), truth=False,
    )  # fmt: skip
    words = edit.loop(asked(latent * stride), stride)
    nothing = np.zeros(words.request.frames, bool)
    yield Task("loop of words", words, nothing, (0,), truth=False)
