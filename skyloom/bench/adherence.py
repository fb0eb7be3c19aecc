"""The bench of prompt adherence: does the clip show what the held-out prompt asks for?

Clips come out of the same pipeline that users call; judges of known accuracy say what they show.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from skyloom.bench.judges.attributes import ATTRIBUTES
from skyloom.bench.judges.judge import FOLDER, load_judge
from skyloom.bench.prompts import Prompt, held_out_prompts
from skyloom.bench.table import format_table, percent, write_json
from skyloom.bench.tally import Tally
from skyloom.errors import UserError
from skyloom.files import check_writable
from skyloom.progress import track
from skyloom.video import Video
from skyloom.world.scene import TIERS

if TYPE_CHECKING:
    from skyloom.pipeline import Skyloom

PROMPTS = 20
"""Held-out prompts a tier unless told otherwise."""
QUICK = 4
"""The same when in a hurry, with one seed."""
SHEET_PROMPTS, SHEET_FRAMES = 24, 6


def run(
    model_folder: Path | None = None,
    prompts: int | None = None,
    json_path: Path | None = None,
    seeds: int = 3,
    quick: bool = False,
    sheet: Path | None = None,
    size: tuple[int, int] = (128, 128),
    seconds: float = 4.0,
    steps: int | None = None,
    guidance: float | None = None,
    judge_folder: Path = FOLDER,
) -> dict[str, Any]:
    """Generate clips of held-out prompts, judge them, and count; the same call, the same figures.

    Args:
        model_folder: the model; None is the bundled one.
        prompts: held-out prompts of each of the three tiers.
        seeds: clips of each prompt, with seeds 0, 1, ...
        quick: a few prompts and one seed, to see whether all is well.
        sheet: PNG file to draw frames of the first clip of the prompts into.
        steps, guidance: the pipeline's own unless given.
        judge_folder: where the judge lies; the bundled one unless told otherwise.

    Raises:
        UserError: the model or the judge cannot be read, or `sheet` cannot be written.
    """
    from skyloom.pipeline import Skyloom

    if sheet is not None:
        if sheet.suffix != ".png":
            raise UserError(f"The sheet '{sheet}' is a picture: name a .png file.")
        check_writable(sheet)
    count = prompts or (QUICK if quick else PROMPTS)
    seeds = 1 if quick else seeds
    model, judge = Skyloom.load(model_folder), load_judge(judge_folder)
    fixed: dict[str, Any] = {"size": size, "seconds": seconds, "steps": steps, "guidance": guidance}
    given = {name: value for name, value in fixed.items() if value is not None}
    tiers, clips, strips = {}, list[dict[str, Any]](), list[np.ndarray]()
    with track(len(TIERS) * count * seeds, "adherence", unit="clips") as bar:
        for tier in TIERS:
            tally = Tally()
            for prompt in held_out_prompts(tier, count):
                videos = _generate(model, prompt, seeds, given)
                strips.append(_strip(videos[0]))
                for seed, video in enumerate(videos):
                    seen = judge.words(video)
                    right = tally.add(prompt.asked, seen)
                    clips.append(_record(tier, prompt, seed, seen, right))
                    bar.advance()
            tiers[tier] = {**tally.figures(), "judge": dict(judge.accuracy.get(tier, {}))}
            bar.say(f"{tier}: {percent(tiers[tier]['mean'])}")
    if sheet is not None:
        _write_sheet(strips, sheet)
    figures = {"prompts": count, "seeds": seeds, **given, "tiers": tiers, "clips": clips}
    write_json(figures, json_path)
    return figures


def table(figures: Mapping[str, Any]) -> str:
    """Shares of right answers by attribute and tier, the judges' own accuracy beside each."""
    tiers = figures["tiers"]
    columns = ["right, in held-out prompts of"]
    for tier in tiers:
        columns += [_TIER_NAMES[tier], "judge"]
    rows = [
        [name, *_pairs(tiers, lambda tier, name=name: _of(tier, name))]
        for name in ATTRIBUTES
        if any(name in tier["attributes"] for tier in tiers.values())
    ]
    for name in ("mean", "all at once"):
        rows.append([name, *_pairs(tiers, lambda tier, name=name: tier.get(name))])
    notes = [
        f"{figures['prompts']} prompts a tier, {figures['seeds']} seeds each. 'judge' is how often "
        "the judge itself is right on real renders that it never saw."
    ]
    return format_table("adherence", columns, rows, notes)


_TIER_NAMES = {"one": "one subject", "two": "two subjects", "all": "everything"}


def _pairs(tiers: Mapping[str, Any], value: Any) -> list[str | None]:
    """For each tier the model's figure and the judge's own."""
    cells = []
    for tier in tiers.values():
        cells += [percent(value(tier)), percent(value(tier["judge"]))]
    return cells


def _of(tier: Mapping[str, Any], name: str) -> float | None:
    return tier.get("attributes", {}).get(name, {}).get("accuracy")


def _generate(
    model: "Skyloom", prompt: Prompt, seeds: int, given: Mapping[str, Any]
) -> list[Video]:
    from skyloom.request import Request

    return model.generate_many(
        [Request(prompt=prompt.text, seed=seed, **given) for seed in range(seeds)]
    )


def _record(
    tier: str, prompt: Prompt, seed: int, seen: Mapping[str, str], right: Mapping[str, bool]
) -> dict[str, Any]:
    """One clip, for the JSON."""
    wrong = {name: seen[name] for name, good in right.items() if not good}
    return {
        "tier": tier, "prompt": prompt.text, "seed": seed, "asked": prompt.asked, "wrong": wrong,
    }  # fmt: skip


def _strip(video: Video) -> np.ndarray:
    """Some frames of a clip side by side."""
    picks = np.linspace(0, len(video.frames) - 1, SHEET_FRAMES).round().astype(int)
    return np.concatenate(list(video.frames[picks]), axis=1)


def _write_sheet(strips: Sequence[np.ndarray], path: Path) -> None:
    """Every prompt's strip below the one before it, evenly chosen where there are many."""
    from skyloom.video import write

    shown = min(SHEET_PROMPTS, len(strips))
    picks = np.linspace(0, len(strips) - 1, shown).round().astype(int)
    picture = np.concatenate([strips[pick] for pick in picks], axis=0)
    write(Video(picture[None], 1.0), path)
