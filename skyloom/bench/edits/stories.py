"""Storyboards in the bench of editing: are the subjects of the first shot those of the others?

A story is a held-out scene told in three shots: what it does, then spinning, then lying still under
a camera that turns. The judges name the subject of each shot, apart from the others. Beside each
figure stands the same of three real renders, which no model can be asked to surpass.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from skyloom.bench.edits.operations import FPS
from skyloom.bench.judges.attributes import SUBJECT_WORDS, words_of
from skyloom.bench.judges.judge import Judge
from skyloom.bench.prompts import held_out_prompts
from skyloom.bench.tally import Tally
from skyloom.pipeline import Skyloom
from skyloom.progress import track
from skyloom.storyboard import Shot, Story
from skyloom.video import Video
from skyloom.world import render_clip
from skyloom.world.captions import tell
from skyloom.world.scene import Action, Camera, Scene

FIRST_PROMPT = 900
"""Of the held-out prompts; the benches of adherence and the judges' test have those before it."""
SECONDS = 3.0
"""Of each shot."""
STORIES = 18


@dataclass(frozen=True)
class Told:
    """A story and the scene of each of its shots."""

    story: Story
    scenes: tuple[Scene, ...]


def stories(count: int, size: tuple[int, int], steps: int | None = None) -> Iterator[Told]:
    """The first `count` stories of held-out scenes with one subject, always the same."""
    for number, prompt in enumerate(held_out_prompts("one", count, FIRST_PROMPT)):
        scene = prompt.scene
        scenes = (
            replace(scene, word=None),
            replace(scene, word=None, action=Action("spins"), cameras=(Camera("still"),)),
            replace(scene, word=None, action=Action("rests"), cameras=(Camera("orbit", "left"),)),
        )
        shots = tuple(
            Shot(SECONDS, tell(one, scene.seed + place, detailed=True).text)
            for place, one in enumerate(scenes)
        )
        story = Story(shots, size=size, fps=FPS, seed=number)
        yield Told(story if steps is None else replace(story, steps=steps), scenes)


def measure(
    model: Skyloom,
    judge: Judge,
    count: int = STORIES,
    size: tuple[int, int] = (128, 128),
    steps: int | None = None,
) -> dict[str, Any]:
    """How often the later shots show the subject of the first one, and the subject asked for.

    Returns:
        For "made" and "real" films: "same" (the judge's words for a later shot are its words for
        the first one, by attribute and in the mean) and "asked" (they are those of the scene).
    """
    tallies = {film: {"same": Tally(), "asked": Tally()} for film in ("made", "real")}
    with track(count, "storyboards", unit="films") as bar:
        for told in stories(count, size, steps):
            films = {
                "made": _shots(model.storyboard(told.story), len(told.scenes)),
                "real": [_rendered(scene, size) for scene in told.scenes],
            }
            wanted = [_subject(words_of(scene)) for scene in told.scenes]
            for film, shots in films.items():
                seen = [_subject(judge.words(shot)) for shot in shots]
                score(tallies[film], seen, wanted)
            bar.advance()
    return {
        film: {name: tally.figures() for name, tally in own.items()}
        for film, own in tallies.items()
    }


def score(
    tallies: dict[str, Tally], seen: Sequence[dict[str, str]], wanted: Sequence[dict[str, str]]
) -> None:
    """Count one film: later shots against the first one, and every shot against its scene.

    Attributes that the look of the scene hides are not counted.
    """
    for words, asked in zip(seen, wanted, strict=True):
        tallies["asked"].add(asked, words)
    first = {name: word for name, word in seen[0].items() if name in wanted[0]}
    for words in seen[1:]:
        tallies["same"].add(first, words)


def _subject(words: dict[str, str] | dict[str, str | None]) -> dict[str, str]:
    """What is said of the first subject."""
    names = [f"first {name}" for name in SUBJECT_WORDS]
    return {name: word for name in names if (word := words.get(name)) is not None}


def _shots(film: Video, count: int) -> list[Video]:
    """The shots of a film whose shots are equally long."""
    return [Video(frames, film.fps) for frames in np.split(film.frames, count)]


def _rendered(scene: Scene, size: tuple[int, int]) -> Video:
    return render_clip(scene, size, round(SECONDS * FPS), FPS).video
