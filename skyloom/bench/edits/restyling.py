"""Restyling in the bench of editing: a clip in other words, judged where its layout still stands.

How far the subjects move grows with the strength, and so does what the new words change. The
strength is chosen by the layout alone, and adherence is told at that strength.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from skyloom import edit
from skyloom.bench.edits.operations import FPS, HeldOut
from skyloom.bench.judges.attributes import asked_of, words_of
from skyloom.bench.judges.judge import Judge, looked_at
from skyloom.bench.judges.moments import chosen, to_scale
from skyloom.bench.judges.network import boxes_of
from skyloom.bench.tally import Tally
from skyloom.pipeline import Skyloom
from skyloom.progress import track
from skyloom.request import Request
from skyloom.video import Video
from skyloom.world.captions import tell
from skyloom.world.scene import Scene

STRENGTHS = (0.55, 0.7, 0.8, 0.9)
SHIFT = 0.1
"""Widths of the picture that subjects may move on average."""
SEEN = 0.5
"""Probability from which on a subject counts as visible."""
TELLINGS = 100
"""Captions that are tried for one that states what changed."""


@dataclass(frozen=True)
class NewWords:
    """A prompt that changes one thing about a scene.

    Attributes:
        changed: the attribute that is another one.
        asked: the word of each attribute that the prompt states.
    """

    text: str
    changed: str
    asked: dict[str, str]


def new_words(scene: Scene, number: int) -> NewWords:
    """Another look, time or weather for a scene, in turn, as far as the place knows them."""
    other = {
        "look": "neon" if scene.look == "natural" else "natural",
        "time": "day" if scene.time == "sunset" else "sunset",
        "weather": "rain" if scene.weather == "fog" else "fog",
    }
    possible = {"moon": ("look",), "room": ("look", "time")}.get(scene.place, tuple(other))
    changed = possible[number % len(possible)]
    change: dict[str, Any] = {changed: other[changed]}
    scene = replace(scene, **change)
    for seed in range(TELLINGS):
        caption = tell(scene, seed, detailed=True)
        asked = asked_of(scene, caption.facts)
        if changed in asked:
            return NewWords(caption.text, changed, asked)
    # A natural look is rarely said, for it is what nobody mentions: its absence says it.
    return NewWords(caption.text, changed, {**asked, changed: words_of(scene)[changed] or ""})


@torch.inference_mode()
def shift(judge: Judge, before: Video, after: Video, subjects: int) -> float | None:
    """How far the judge sees the subjects of a clip from where they were; see `displacement`."""
    clips = [to_scale(chosen(video, judge.network.config.moments)) for video in (before, after)]
    clip = torch.stack(clips).to(next(judge.network.parameters()).dtype)
    found = judge.network(clip, looked_at(2, clip.shape[1]))
    there = (found.visible.sigmoid() > SEEN)[..., :subjects]
    width, height = before.size
    return displacement(
        boxes_of(found.places, found.extents)[:, :, :subjects, :2], there, height / width
    )


def displacement(
    centres: Float[Tensor, "2 F R 2"], there: Bool[Tensor, "2 F R"], aspect: float
) -> float | None:
    """Mean distance of subjects, before and after, in widths; None where none was seen before.

    One that is not to be seen any more has moved a whole width.

    Args:
        centres: in fractions of width and height.
        there: whether it can be seen.
        aspect: height over width.
    """
    away = (centres[1] - centres[0]) * torch.tensor([1.0, aspect])
    moved = torch.where(there[1], away.norm(dim=-1), 1.0)[there[0]]
    return float(moved.mean()) if len(moved) else None


def measure(
    model: Skyloom,
    judge: Judge,
    clips: Sequence[HeldOut],
    strengths: Sequence[float] = STRENGTHS,
    steps: int | None = None,
) -> dict[str, Any]:
    """Adherence to new words, and how far subjects move, by strength.

    Returns:
        "strengths": for each, and for 0, the clip as it was, "adherence" (the mean over all
        attributes that are asked for), "changed" (the one that is new) and "shift" in widths.
        "strength": the highest at which the layout stands, None if there is none.
    """
    more: dict[str, Any] = {} if steps is None else {"steps": steps}
    found = {}
    with track((len(strengths) + 1) * len(clips), "restyle", unit="clips") as bar:
        for strength in (0.0, *strengths):
            tally, changed = Tally(), Tally()
            shifts = list[float | None]()
            for number, clip in enumerate(clips):
                words = new_words(clip.scene, number)
                request = Request(words.text, clip.video.size, fps=FPS, **more)
                made = model.edit(edit.restyle(clip.video, request, strength))
                seen = judge.words(made)
                tally.add(words.asked, seen)
                changed.add({words.changed: words.asked[words.changed]}, seen)
                shifts.append(shift(judge, clip.video, made, len(clip.scene.subjects)))
                bar.advance()
            known = [value for value in shifts if value is not None]
            found[f"{strength:g}"] = {
                "adherence": tally.figures()["mean"],
                "changed": changed.figures()["all at once"],
                "shift": float(np.mean(known)) if known else None,
            }
    shift_of = {strength: found[f"{strength:g}"]["shift"] for strength in strengths}
    standing = [one for one, moved in shift_of.items() if moved is not None and moved < SHIFT]
    return {"strengths": found, "strength": max(standing, default=None)}
