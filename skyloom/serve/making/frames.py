"""From an order to frames: what each operation gives to the model, and what is delivered of it.

The model makes at a size that it knows; the frames are scaled and cut to the size that was asked
for. What was done is said in notes. Knows nothing of databases and stores: inputs are local files.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, UInt8

from skyloom import edit as edits
from skyloom.condition import Condition
from skyloom.config import from_dict
from skyloom.edit import Edit, length, shown
from skyloom.errors import UserError
from skyloom.fitting import Fitted, fit
from skyloom.motion import MotionPath
from skyloom.pipeline import Skyloom
from skyloom.request import Request
from skyloom.sampler import Progress
from skyloom.serve.making.cast import reference, shown_note, unseen_note
from skyloom.serve.making.sizes import Size, delivered_size, made_size, scaled_to, scaling
from skyloom.serve.order import Order, as_story
from skyloom.sound import Part
from skyloom.storyboard import REFERENCE_STRENGTH, Story
from skyloom.trust.marking import Kept, kept_of
from skyloom.video import Video

Frames = UInt8[np.ndarray, "F H W 3"]
CHUNK = 16
"""Frames of a given clip that are handed on at once."""


@dataclass
class Making:
    """How an order is carried out.

    Attributes:
        size: (width, height) that is delivered.
        made: (width, height) at which the model works.
        frames: makes them, at the size that is delivered; called once.
        count: frames in all.
        steps: what progress counts up to.
        asked: what a manifest tells of: a request or a story, at the size that is delivered.
        kept: which pixels are given and stay as they are, see `Marking.mark`.
        sounds: where the sound of given clips goes.
        notes: what was done to give what was asked for, a short sentence each.
    """

    size: Size
    made: Size
    fps: float
    count: int
    steps: int
    frames: Callable[[Progress], Iterator[Frames]]
    asked: Request | Story
    kept: Kept | None = None
    sounds: list[Part] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def prepare(order: Order, skyloom: Skyloom, inputs: Mapping[str, Path]) -> Making:
    """How an order is carried out by a model.

    Args:
        inputs: a local file for each role.

    Raises:
        UserError: an input cannot be used, or the model cannot make this.
    """
    if order.operation == "storyboard":
        return _film(order, skyloom, inputs)
    return _Edited(order, skyloom, inputs).making()


# ------------------------------------------------------------------------------------ single clips


class _Edited:
    """An order that is one `Edit`."""

    def __init__(self, order: Order, skyloom: Skyloom, inputs: Mapping[str, Path]) -> None:
        self.order, self.skyloom, self.inputs = order, skyloom, inputs
        self.stride = skyloom.autoencoder.stride[0]
        self.size = delivered_size(order, skyloom, inputs)
        still = order.operation == "image" or order.seconds == 0
        self.made = made_size(self.size, skyloom, still and not inputs)
        fields = order.request_fields()
        if order.operation == "image":
            fields["seconds"] = 0.0
        elif order.seconds is not None:
            fields["seconds"] = order.seconds
        self.request = Request(prompt=order.prompt, size=self.made, **fields)
        self.notes: list[str] = []
        self.sounds: list[Part] = []
        self.given: dict[str, Fitted] = {}

    def making(self) -> Making:
        """The edit, and its frames at the size that is delivered."""
        edit = self._edit()
        self.skyloom.latent_shape(edit.request)
        count = length(edit)
        self._place_sounds(edit, count)
        notes = [*self.notes, *self._cast_note(), *scaling(self.made, self.size)]
        notes += _notes(self.skyloom, edit.request)
        kept = self._kept(edit, count)

        def frames(tell: Progress) -> Iterator[Frames]:
            made = self.skyloom.stream(edit.request, tell)
            at = 0
            for piece in self._around(edit, made):
                scaled = scaled_to(piece, self.size)
                for number in range(len(scaled)):
                    if at + number in kept:
                        scaled[number] = kept[at + number]
                at += len(scaled)
                yield scaled

        steps = self.skyloom.steps(edit.request)
        fps = edit.request.fps
        asked = replace(edit.request, size=self.size, seconds=count / fps)
        return Making(
            self.size, self.made, fps, count, steps, frames, asked, self._untouched(edit, kept),
            self.sounds, notes,
        )  # fmt: skip

    def _around(self, edit: Edit, made: Iterator[Frames]) -> Iterator[Frames]:
        """What is shown, given clips as sharp as they are and not as the model sees them."""
        yield from self._whole("video", edit.before)
        yield from shown(replace(edit, before=None, after=None), made)
        yield from self._whole(self._last, edit.after)

    def _whole(self, role: str, small: Frames | None) -> Iterator[Frames]:
        if small is None:
            return
        frames = small if self.size == self.made else self._sharp(role).frames
        for start in range(0, len(small), CHUNK):
            yield frames[start : start + CHUNK]

    @property
    def _last(self) -> str:
        return "second" if "second" in self.inputs else "video"

    def _sharp(self, role: str) -> Video:
        """A given clip at the size that is delivered, frame by frame as the model sees it."""
        return self._read(role, self.size).video

    def _read(self, role: str, size: Size) -> Fitted:
        """An input at a size and the rate of the request, cut to what is used of it."""
        fps = self.request.fps
        fitted = fit(self.inputs[role], size=size, fps=fps, what=role)
        if role != "video" or self.order.trim is None:
            return fitted
        first, last = (round(seconds * fps) for seconds in self.order.trim)
        frames = fitted.video.frames[first:last]
        if not len(frames):
            raise UserError(
                f"trim leaves nothing of a video of {fitted.video.duration:g} seconds: use a "
                "stretch that lies in it."
            )
        return replace(fitted, video=Video(frames, fps))

    def _kept(self, edit: Edit, count: int) -> dict[int, Any]:
        """Frames that a fill leaves as they are, at the size that is delivered."""
        if self.order.operation != "fill" or self.size == self.made:
            return {}
        sharp = self._sharp("video").frames
        strengths = edit.request.given[0].strengths
        return {n: sharp[n] for n in range(count) if strengths[n] == 1}

    def _untouched(self, edit: Edit, kept: Mapping[int, Any]) -> Kept | None:
        """Which pixels are given and stay as they are.

        What the model works on is not kept where it is scaled afterwards: then only whole frames
        are, those that come from the given clips themselves.
        """
        if self.size == self.made:
            return kept_of(edit)
        before = 0 if edit.before is None else len(edit.before)
        after = length(edit) - (0 if edit.after is None else len(edit.after))
        if not (kept or before or edit.after is not None):
            return None
        width, height = self.size

        def untouched(first: int, stop: int) -> Bool[np.ndarray, "F H W"]:
            whole = [n < before or n >= after or n in kept for n in range(first, stop)]
            return np.broadcast_to(np.array(whole)[:, None, None], (stop - first, height, width))

        return untouched

    def _fit(self, role: str) -> Video:
        """An input at the size and rate at which the model works; what was done is noted."""
        fitted = self._read(role, self.made)
        self.given[role] = fitted
        aside = ("scaled from", "cropped from")  # only the way to the model, not what is delivered
        said = [note for note in fitted.notes if not note.startswith(aside)]
        self.notes += [f"{role}: {note}" for note in said]
        return fitted.video

    def _edit(self) -> Edit:
        build = getattr(self, f"_{self.order.operation}")
        edit: Edit = build()
        return edit

    def _generate(self) -> Edit:
        if self.order.loop:
            return edits.loop(self.request, self.stride)
        frame = reference(self.order, self.inputs, self.made)
        if frame is None:
            return Edit(self.request)
        seen = Condition(Video(frame, self.request.fps), strength=REFERENCE_STRENGTH)
        return Edit(replace(self.request, given=(seen,)))

    def _cast_note(self) -> list[str]:
        if self.order.operation == "generate" and not self.order.loop:
            return shown_note(self.order)
        return unseen_note(self.order, "only clips of words and storyboards can have them")

    def _image(self) -> Edit:
        return Edit(self.request)

    def _animate(self) -> Edit:
        picture = self._fit("picture")
        if self.order.path is None:
            return edits.animate(picture, self.request, self.order.at)
        return edits.move(picture, from_dict(MotionPath, self.order.path, "path"), self.request)

    def _extend(self) -> Edit:
        return edits.extend(self._fit("video"), self.request, self.stride, self.order.backward)

    def _loop(self) -> Edit:
        clip = self._fit("video") if "video" in self.inputs else None
        return edits.loop(self.request, self.stride, clip)

    def _connect(self) -> Edit:
        return edits.connect(self._fit("video"), self._fit("second"), self.request, self.stride)

    def _blend(self) -> Edit:
        return edits.blend(self._fit("video"), self._fit("second"), self.request)

    def _fill(self) -> Edit:
        clip, fps = self._fit("video"), self.request.fps
        last = len(clip.frames) - 1
        keep = [(round(a * fps), min(last, round(b * fps))) for a, b in self.order.keep]
        return edits.fill(clip, keep, self.request)

    def _restyle(self) -> Edit:
        clip, mask = self._fit("video"), None
        if "mask" in self.inputs:
            fitted = fit(self.inputs["mask"], size=clip.size, fps=clip.fps, what="mask").video
            white = fitted.frames.mean(axis=-1) > 127
            mask = white[0] if len(white) == 1 else white[: len(clip.frames)]
        return edits.restyle(clip, self.request, self.order.strength, mask)

    def _place_sounds(self, edit: Edit, count: int) -> None:
        """Where the sound of the inputs goes, where their time line still fits."""
        if self.order.operation not in ("extend", "connect", "loop", "fill", "restyle"):
            return
        for role, fitted in self.given.items():
            late = edit.after is not None and role == self._last
            at = (count - len(edit.after)) / edit.request.fps if late else 0.0  # type: ignore[arg-type]
            if fitted.source is not None and role in ("video", "second"):
                start = self.order.trim[0] if self.order.trim and role == "video" else 0.0
                self.sounds.append(Part(fitted.source, start, fitted.video.duration, at))


# ------------------------------------------------------------------------------------- storyboards


def _film(order: Order, skyloom: Skyloom, inputs: Mapping[str, Path]) -> Making:
    story = as_story(order, inputs)
    size = story.size
    made = made_size(size, skyloom, False)
    story = replace(story, size=made)
    plan = skyloom.plan(story)
    cast = reference(order, inputs, made)
    anew = any(shot.cut and shot.given is None for shot in story.shots)
    seen = shown_note(order) if anew else unseen_note(order, "each shot has its own beginning")
    notes = [*plan.notes, *seen, *scaling(made, size)]

    def frames(tell: Progress) -> Iterator[Frames]:
        for piece in skyloom.film(story, plan, tell, cast):
            yield scaled_to(piece, size)

    steps = sum(map(skyloom.steps, plan.requests))
    return Making(
        size,
        made,
        story.fps,
        plan.frames,
        steps,
        frames,
        replace(story, size=size),
        sounds=list(plan.sounds),
        notes=list(dict.fromkeys(notes)),
    )


def _notes(skyloom: Skyloom, request: Request) -> list[str]:
    notes = []
    windows = len(skyloom.spans(request))
    if windows > 1:
        notes.append(f"made in {windows} windows, each beside what is made already")
    for words in (request.words, request.negative):
        kept = skyloom.text.truncated(words)
        if kept is not None:
            notes.append(f"the prompt is longer than the model reads: cut after '{kept[-40:]}'")
    return notes
