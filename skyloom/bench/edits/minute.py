"""A minute in the bench of editing: its memory beside that of four seconds, and its drift.

Clips are made by the command line in fresh processes, as users make them, and written as they come.
"""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from skyloom.bench.child import run_verb
from skyloom.bench.edits.seams import motion, over
from skyloom.bench.judges.judge import Judge
from skyloom.bench.prompts import Prompt, held_out_prompts
from skyloom.bench.tally import Tally
from skyloom.progress import track
from skyloom.video import Video, read_chunks

SHORT, LONG = 4.0, 60.0
"""Seconds that are compared."""
END = 10.0
"""Seconds at each end of the long clip."""
PROMPTS = 6
"""Of two minutes, or of six films, a tenth is chance."""
STEP = 3.0
"""Seconds from one look of the judges to the next; each lasts as long as the short clip."""
LASTING = ("kind", "color", "material", "place", "time", "weather", "look")
"""Attributes that a minute does not end: what falls has fallen, and what rolls is gone."""


def measure(
    model_folder: Path | None,
    judge: Judge | None,
    prompts: int = PROMPTS,
    seconds: tuple[float, float] = (SHORT, LONG),
    options: tuple[str, ...] = (),
) -> dict[str, Any]:
    """Memory, motion and adherence of long clips of held-out prompts.

    Args:
        judge: without one, adherence is None.
        seconds: of the short clip, which is made of the first prompt alone, and of the long ones.
        options: more words for the command line.

    Returns:
        "memory" (the peaks in bytes, and their ratio), "motion" and "adherence" (of the last
        seconds over the first) and, for each prompt, "clips".

    Raises:
        UserError: the command line fails.
    """
    if model_folder is not None:
        options = (*options, "--model", str(model_folder))
    asked = held_out_prompts("one", prompts)
    clips = []
    with (
        tempfile.TemporaryDirectory() as folder,
        track(1 + prompts, "a minute", unit="clips") as bar,
    ):
        file = Path(folder) / "clip.mp4"
        short = _generate(asked[0], file, seconds[0], options)
        bar.advance()
        for prompt in asked:
            child = _generate(prompt, file, seconds[1], options)
            clips.append({"prompt": prompt.text, **child, **_ends(file, prompt, judge, seconds)})
            bar.advance()
    peaks = {"short": short["peak"], "long": max(clip["peak"] for clip in clips)}
    figures = {
        "memory": {**peaks, "ratio": over(peaks["long"], peaks["short"])},
        "motion": _ratio(clips, "motion"),
        "adherence": None,
        "clips": clips,
    }
    if judge is not None:
        figures["adherence"] = {
            name: _ratio(clips, name) for name in ("everything", "what lasts")
        }  # fmt: skip
    return figures


def _generate(prompt: Prompt, file: Path, seconds: float, options: tuple[str, ...]) -> dict:
    """Make a file in a fresh process: its time and its peak memory."""
    words = ("generate", prompt.text, "-o", str(file), "--seconds", f"{seconds:g}", *options)
    return run_verb(words)


def _ends(
    file: Path, prompt: Prompt, judge: Judge | None, seconds: tuple[float, float]
) -> dict[str, Any]:
    """What the first and the last seconds of a long clip show."""
    chunks = list(read_chunks(file, 64))
    whole = Video(np.concatenate([chunk.frames for chunk in chunks]), chunks[0].fps)
    end = round(min(END, seconds[1] / 2) * whole.fps)
    figures: dict[str, Any] = {}
    for name, part in (("first", slice(0, end)), ("last", slice(-end, None))):
        frames = whole.frames[part]
        figures[name] = {"motion": motion(frames, np.ones(len(frames), bool))}
        if judge is not None:
            figures[name] |= _adherence(Video(frames, whole.fps), prompt, judge, seconds[0])
    return figures


def _adherence(video: Video, prompt: Prompt, judge: Judge, seconds: float) -> dict[str, Any]:
    """Shares of what the prompt asks for that are seen, over several looks at the clip."""
    everything, lasting = Tally(), Tally()
    asked = {name: word for name, word in prompt.asked.items() if name.split()[-1] in LASTING}
    look = round(seconds * video.fps)
    for start in range(0, max(len(video.frames) - look, 0) + 1, round(STEP * video.fps)):
        seen = judge.words(Video(video.frames[start : start + look], video.fps))
        everything.add(prompt.asked, seen)
        lasting.add(asked, seen)
    return {"everything": everything.figures()["mean"], "what lasts": lasting.figures()["mean"]}


def _ratio(clips: list[dict[str, Any]], name: str) -> Mapping[str, float | None]:
    """A figure of the last seconds, of the first, and the first over the second."""
    last, first = (float(np.mean([clip[end][name] for clip in clips])) for end in ("last", "first"))
    return {"first": first, "last": last, "ratio": over(last, first)}
