"""A film as it is decoded, one small frame after the other, to shots and their measures."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import UInt8

from skyloom.extras import need
from skyloom.ingest import lettering, measures
from skyloom.ingest.recipe import IngestRecipe

ANALYSED = 160
"""Pixels of the longer side of the frames that are analysed."""

LOOKED = 1920
"""Pixels of the longer side at which blur and text are looked for, at most."""

LOOK_SECONDS = 0.5
"""Between two frames that are looked at so closely."""


@dataclass(frozen=True)
class Look:
    """What is seen in a frame that is looked at closely: see `measures.blur`, `lettering.share`."""

    blur: float
    text: float


@dataclass(frozen=True)
class Shot:
    """A run of frames between two cuts, and what is known of it.

    Attributes:
        start: its first frame, counted in the film.
        stop: the frame after its last one.
        blur, motion, spread: see `measures`.
        text: share of the picture under laid-over text, see `lettering.held`.
        signature: see `measures.signature`, in hexadecimal.
        broken: some of its frames came out of the decoder damaged.
        strip: a few of its frames, small, for the report.
    """

    start: int
    stop: int
    blur: float
    motion: float
    spread: float
    text: float
    signature: str
    broken: bool
    strip: UInt8[np.ndarray, "4 H W 3"]


class ShotFinder:
    """Finds shots in frames that come one by one; holds no more than the shot that is open.

    Fades and dissolves are no cuts to PySceneDetect's adaptive detector: they stay in one shot.

    Args:
        fps: frames a second of the film.
    """

    def __init__(self, recipe: IngestRecipe, fps: float) -> None:
        detectors = need("scenedetect.detectors", extra="ingest")
        self._timecode = need("scenedetect", extra="ingest").FrameTimecode
        self._detector: Any = detectors.AdaptiveDetector(
            adaptive_threshold=recipe.cut, min_scene_len=0, min_content_val=recipe.cut_least
        )
        self._fps, self._most = fps, max(1, round(recipe.longest * fps))
        self._first = 0  # of the open shot
        self._frames: list[UInt8[np.ndarray, "H W 3"]] = []
        self._looks: dict[int, Look] = {}
        self._damaged: list[int] = []

    def push(
        self, frame: UInt8[np.ndarray, "H W 3"], look: Look | None, broken: bool
    ) -> Iterator[Shot]:
        """Take the next frame; give the shots that it shows to be over."""
        index = self._first + len(self._frames)
        self._frames.append(frame)
        if look is not None:
            self._looks[index] = look
        if broken:
            self._damaged.append(index)
        when = self._timecode(index, self._fps)
        for cut in self._detector.process_frame(when, np.ascontiguousarray(frame[..., ::-1])):
            if self._first < cut.frame_num:
                yield self._close(cut.frame_num)
        # a cut is found a few frames late: one that is still to come must find its shot open
        if len(self._frames) >= self._most + 2 * self._detector.event_buffer_length:
            yield self._close(self._first + self._most)

    def finish(self, broken: bool = False) -> Iterator[Shot]:
        """The film is over; `broken` says that it broke off rather than ended."""
        if broken and self._frames:
            self._damaged.append(self._first + len(self._frames) - 1)
        while len(self._frames) > self._most:
            yield self._close(self._first + self._most)
        if self._frames:
            yield self._close(self._first + len(self._frames))

    def _close(self, stop: int) -> Shot:
        count = stop - self._first
        frames = np.stack(self._frames[:count])
        looks = [look for index, look in self._looks.items() if index < stop]
        shot = Shot(
            start=self._first,
            stop=stop,
            blur=float(np.median([look.blur for look in looks])) if looks else 0.0,
            motion=measures.motion(frames, self._fps),
            spread=measures.spread(frames),
            text=lettering.held([look.text for look in looks]),
            signature=measures.signature(frames).tobytes().hex(),
            broken=any(index < stop for index in self._damaged),
            strip=measures.moments(frames),
        )
        self._first, self._frames = stop, self._frames[count:]
        self._looks = {index: look for index, look in self._looks.items() if index >= stop}
        self._damaged = [index for index in self._damaged if index >= stop]
        return shot


def within(size: tuple[int, int], longest: int) -> tuple[int, int]:
    """The (width, height) nearest to a size's own aspect whose longer side is `longest` at most."""
    scale = min(1.0, longest / max(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def beyond(size: tuple[int, int], side: int | None) -> tuple[int, int]:
    """The size with its shorter side shrunk to `side`, both even; native where it is less."""
    if side is None or min(size) <= side:
        return size
    scale = side / min(size)
    width, height = (max(2, 2 * round(length * scale / 2)) for length in size)
    return width, height
