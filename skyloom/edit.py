"""Editing: what is given, where, and how firmly. Each operation is a few lines and no pipeline.

All clips have the size of the request, and its frame rate; `fitting.fit` makes them so. An
operation returns an `Edit`: the request that the pipeline runs, and what stands around its result.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, UInt8

from skyloom.condition import Condition
from skyloom.errors import UserError
from skyloom.motion import BACKGROUND_STRENGTH, DISC_STRENGTH, MotionPath, drawn
from skyloom.request import Request
from skyloom.video import Video
from skyloom.windows import at_once

CONTEXT = 3
"""Latent frames of a clip that are shown to the model where it goes on."""
CONNECT_STRENGTH = 0.25
"""How firmly a cross-fade is held between two clips that are connected: without it this model goes
on from the first and does not arrive at the second (docs/log.md)."""
BLEND_FREEDOM = 0.75
"""Sigma from which the middle of a blend is made anew."""

Frames = UInt8[np.ndarray, "F H W 3"]


@dataclass(frozen=True, eq=False)
class Edit:
    """A request, and how its frames join those that there are already.

    Attributes:
        before, after: frames that are shown before and after what is made.
        skip, drop: frames at the start and at the end of what is made that are not shown.
    """

    request: Request
    before: UInt8[np.ndarray, "_b H W 3"] | None = None
    after: UInt8[np.ndarray, "_a H W 3"] | None = None
    skip: int = 0
    drop: int = 0


def animate(picture: Video, request: Request, at: str = "start") -> Edit:
    """The picture is the first frame, or the last.

    Raises:
        UserError: `at` is neither "start" nor "end".
    """
    if at not in ("start", "end"):
        raise UserError(f"A picture cannot be at '{at}': use start or end.")
    if request.frames < 2:
        raise UserError(f"{request.seconds:g} seconds leave no time to move: ask for more.")
    frame = Video(picture.frames[:1], request.fps)
    return Edit(replace(request, given=(Condition(frame, 0 if at == "start" else -1),)))


def move(picture: Video, path: MotionPath, request: Request) -> Edit:
    """The picture comes to life, and a part of it goes along a path.

    Raises:
        UserError: no time is asked for, or the path is longer than it.
    """
    edit = animate(picture, request)
    last = path.points[-1][0]
    if last > request.seconds:
        raise UserError(
            f"The path ends at {last:g} seconds and the clip at {request.seconds:g}: make the "
            "clip longer or the path shorter."
        )
    frames, inside = drawn(picture.frames[0], path, request.frames, request.fps)
    sketch, later = Video(frames, request.fps), request.frames - 1
    around = Condition(sketch, strength=(1.0, *[BACKGROUND_STRENGTH] * later))
    disc = Condition(sketch, strength=(1.0, *[DISC_STRENGTH] * later), mask=inside)
    return replace(edit, request=replace(request, given=(around, disc)))


def extend(clip: Video, request: Request, stride: int, backward: bool = False) -> Edit:
    """So many seconds more after the clip, or before it.

    Args:
        stride: frames that a latent frame stands for.

    Raises:
        UserError: the clip is shorter than one latent frame, or no time is asked for.
    """
    new = _time_left(request)
    if backward:
        head = _head(clip, stride)
        # Latent frames begin where the clip begins: none of them is given by half.
        spare = (1 - new) % stride
        given = Condition(Video(head, clip.fps), -len(head))
        made = _lasting(request, spare + new + len(head), given)
        return Edit(made, after=clip.frames, skip=spare, drop=len(head))
    tail = _tail(clip, stride)
    made = _lasting(request, len(tail) + new, Condition(Video(tail, clip.fps)))
    return Edit(made, before=clip.frames, skip=len(tail))


def connect(first: Video, second: Video, request: Request, stride: int) -> Edit:
    """From the end of one clip to the start of another, in so many seconds.

    Raises:
        UserError: a clip is shorter than one latent frame, or no time is asked for.
    """
    new = _time_left(request)
    before, after = _contexts(new, request, stride)
    tail, head = _tail(first, stride, before), _head(second, stride, after)
    made = _lasting(
        request,
        len(tail) + new + len(head),
        Condition(Video(tail, first.fps)),
        Condition(Video(_faded(tail[-1], head[0], new), first.fps), len(tail), CONNECT_STRENGTH),
        Condition(Video(head, second.fps), -len(head)),
    )
    return Edit(made, first.frames, second.frames, skip=len(tail), drop=len(head))


def loop(request: Request, stride: int, clip: Video | None = None) -> Edit:
    """A clip that plays for ever: of the prompt alone, or of a clip and the way back to its start.

    Args:
        stride: frames that a latent frame stands for; a loop of the prompt has a multiple of it.

    Raises:
        UserError: the clip is shorter than one latent frame, or no time is asked for.
    """
    if clip is None:
        frames = -(-request.frames // stride) * stride  # a loop has no first frame that is alone
        return Edit(replace(_lasting(request, frames), loop=True))
    return replace(connect(clip, clip, request, stride), after=None)


def blend(first: Video, second: Video, request: Request) -> Edit:
    """One scene turns gradually into the other, over the length of the shorter clip.

    The ends are kept; between them a cross-fade is made anew, most freely in its middle.

    Raises:
        UserError: a clip is too short for that.
    """
    count = min(len(first.frames), len(second.frames))
    if count < 3:
        raise UserError(f"A clip of {count} frames cannot be blended: 3 or more work.")
    share = np.linspace(0, 1, count, dtype=np.float32)
    share = share * share * (3 - 2 * share)
    mixed = first.frames[:count] + share[:, None, None, None] * (
        second.frames[:count].astype(np.float32) - first.frames[:count]
    )
    freedom = BLEND_FREEDOM * np.sin(np.pi * np.linspace(0, 1, count)) ** 0.5
    freedom[[0, -1]] = 0
    given = Condition(
        Video(np.rint(mixed).astype(np.uint8), request.fps),
        strength=tuple(float(1 - free) for free in freedom),
    )
    return Edit(_lasting(request, count, given))


def fill(clip: Video, keep: Sequence[tuple[int, int]], request: Request) -> Edit:
    """The frames to keep stay where they are; the rest is made.

    Args:
        keep: (first, last) frames of each stretch that stays, both included.

    Raises:
        UserError: a stretch is out of range, or all frames or none are kept.
    """
    count = len(clip.frames)
    kept = np.zeros(count, bool)
    for first, last in keep:
        if not 0 <= first <= last < count:
            raise UserError(f"Frames {first} to {last} are not in the clip: use 0 to {count - 1}.")
        kept[first : last + 1] = True
    if kept.all():
        raise UserError("There is nothing to fill where all frames are kept: keep fewer.")
    if not kept.any():
        raise UserError("There is nothing to fill from where no frames are kept: keep some.")
    given = Condition(clip, strength=tuple(kept.astype(float).tolist()))
    return Edit(_lasting(request, count, given))


def restyle(
    clip: Video,
    request: Request,
    strength: float,
    mask: Bool[np.ndarray, "H W"] | Bool[np.ndarray, "F H W"] | None = None,
) -> Edit:
    """The same clip in other words (SDEdit, arXiv 2108.01073), where the mask holds or everywhere.

    Args:
        strength: 0 returns the clip, 1 forgets it.

    Raises:
        UserError: the strength is not between 0 and 1, or the mask is of another size.
    """
    if not 0 <= strength <= 1:
        raise UserError(f"Strength {strength:g} is not between 0 (nothing) and 1 (everything).")
    changed = Condition(clip, strength=1 - strength, mask=mask)
    given = (changed,) if mask is None else (Condition(clip), changed)
    return Edit(_lasting(request, len(clip.frames), *given))


def refine(draft: Video, request: Request, strength: float = 0.55) -> Edit:
    """A draft, already scaled to the size wanted, with the detail that this size has room for."""
    return restyle(draft, request, strength)


def shown(edit: Edit, made: Iterable[Frames]) -> Iterator[Frames]:
    """All that is shown, piece by piece: the frames around what is made, and of that what counts.

    Args:
        made: the frames of the edit's request as they come.
    """
    if edit.before is not None:
        yield edit.before
    at, stop = 0, edit.request.frames - edit.drop
    for piece in made:
        kept = piece[max(0, edit.skip - at) : max(0, stop - at)]
        at += len(piece)
        if len(kept):
            yield kept
    if edit.after is not None:
        yield edit.after


def length(edit: Edit) -> int:
    """Frames that are shown in all."""
    around = sum(len(frames) for frames in (edit.before, edit.after) if frames is not None)
    return around + edit.request.frames - edit.skip - edit.drop


def _time_left(request: Request) -> int:
    """Frames that are to be made.

    Raises:
        UserError: there are none.
    """
    new = round(request.seconds * request.fps)
    if new < 1:
        raise UserError(
            f"{request.seconds:g} seconds leave no time for what is to be made: ask for more."
        )
    return new


def _faded(
    one: UInt8[np.ndarray, "H W 3"], other: UInt8[np.ndarray, "H W 3"], count: int
) -> UInt8[np.ndarray, "{count} H W 3"]:
    """Frames between two others, of which the first turns evenly into the second."""
    share = np.linspace(0, 1, count + 2)[1:-1, None, None, None]
    return np.rint((1 - share) * one + share * other).astype(np.uint8)


def _contexts(new: int, request: Request, stride: int) -> tuple[int, int]:
    """Latent frames of two clips that are shown before and after `new` frames.

    All of it fits in one window where that is possible: what is made sees where it comes from and
    where it is to arrive. Of a longer way the last window sees the start of the second clip.
    """
    room = at_once(request.window, request.fps, stride) - 1 - -(-new // stride)
    if room < 2:
        return CONTEXT, 1
    after = min(CONTEXT, room // 2)
    return min(CONTEXT, room - after), after


def _head(clip: Video, stride: int, most: int = CONTEXT) -> Frames:
    """The start of a clip: as many whole latent frames as the model is shown, `most` at most."""
    return clip.frames[: _context(clip, stride, most) * stride]


def _tail(clip: Video, stride: int, most: int = CONTEXT) -> Frames:
    """The end of a clip: the same, and before them the one that holds a single frame."""
    return clip.frames[-(1 + _context(clip, stride, most) * stride) :]


def _context(clip: Video, stride: int, most: int) -> int:
    """Latent frames of a clip that the model is shown.

    Raises:
        UserError: it has none.
    """
    count = min(most, (len(clip.frames) - 1) // stride)
    if count < 1:
        raise UserError(
            f"The clip has {len(clip.frames)} frames and {stride + 1} or more are needed to see "
            "how it moves: animate goes on from a single one."
        )
    return count


def _lasting(request: Request, frames: int, *given: Condition) -> Request:
    """The request, for so many frames and with what is given."""
    return replace(request, seconds=frames / request.fps, given=given)
