"""The bench of editing: what was given stays, seams cannot be seen, and what is made is likely.

Each figure stands beside its natural yardstick: the autoencoder alone, real clips cut at the same
place, and the lazy ways out, a freeze and a cross-fade.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from skyloom.bench.edits import minute, restyling, stories
from skyloom.bench.edits.figures import measure, summary
from skyloom.bench.edits.operations import FPS, HeldOut, Watched, held_out_clips
from skyloom.bench.judges.judge import FOLDER, NAME, Judge, load_judge
from skyloom.bench.quality import psnr
from skyloom.bench.table import Cell, format_table, percent, write_json
from skyloom.modelfolder import load_model
from skyloom.progress import track

CLIPS, QUICK = 24, 2
RESTYLED = 12
"""Clips that are restyled at each strength."""
NO_JUDGE = "not measured: no judge is bundled"
IN_A_HURRY = "not measured with --quick"


def run(
    model_folder: Path | None = None,
    json_path: Path | None = None,
    quick: bool = False,
    clips: int | None = None,
    size: tuple[int, int] = (128, 128),
    seconds: float = 4.0,
    steps: int | None = None,
    judge_folder: Path = FOLDER,
) -> dict[str, Any]:
    """Edit held-out clips and measure; the same call, the same figures, but for memory.

    Args:
        model_folder: the model; None is the bundled one.
        quick: few clips, no restyling, no storyboards and no minute.
        clips: held-out clips, each of which goes through every operation.
        seconds: about the length of a clip.
        steps: of the solver, the pipeline's own unless given.
        judge_folder: where the judge lies; without one, what needs it is not measured.

    Raises:
        UserError: the model or the judge cannot be read.
    """
    model = Watched(load_model(model_folder))
    judge = load_judge(judge_folder) if (judge_folder / NAME).is_dir() else None
    stride = model.autoencoder.stride[0]
    frames = 1 + stride * max(3, round(seconds * FPS / stride))
    records: list[dict[str, Any]] = []
    chosen: list[HeldOut] = []
    count = clips or (QUICK if quick else CLIPS)
    with track(count, "editing", unit="clips") as bar:
        for clip in held_out_clips(count, size, frames):
            records += measure(model, clip, steps)
            chosen.append(clip)
            bar.advance()
    figures: dict[str, Any] = {
        "clips": count,
        "frames": frames,
        "size": list(size),
        "operations": summary(records),
        "restyle": IN_A_HURRY if quick else _restyle(model, judge, chosen, steps),
        "storyboard": IN_A_HURRY if quick else _tell(model, judge, size, steps),
        "minute": IN_A_HURRY,
        "records": records,
    }
    if not quick:
        figures["minute"] = minute.measure(model_folder, judge)
    write_json(figures, json_path)
    return figures


def _restyle(
    model: Watched, judge: Judge | None, clips: Sequence[HeldOut], steps: int | None
) -> dict[str, Any] | str:
    if judge is None:
        return NO_JUDGE
    figures = restyling.measure(model, judge, clips[:RESTYLED], steps=steps)
    return {**figures, "judge": judge.accuracy.get("one", {}).get("mean")}


def _tell(
    model: Watched, judge: Judge | None, size: tuple[int, int], steps: int | None
) -> dict[str, Any] | str:
    return NO_JUDGE if judge is None else stories.measure(model, judge, size=size, steps=steps)


def table(figures: Mapping[str, Any]) -> str:
    """A table for each question, the yardstick beside each figure."""
    operations = figures["operations"]
    texts = [_given(operations), _seams(operations), _loops(operations), _continued(operations)]
    return "\n\n".join([*texts, _judged(figures)])


def _given(operations: Mapping[str, Any]) -> str:
    columns = ["given frames, PSNR dB", "as shown", "as sampled", "autoencoder alone"]
    rows: list[list[Cell]] = [
        [name, *(own["given"][key] for key in ("shown", "sampled", "autoencoder"))]
        for name, own in operations.items()
        if "given" in own
    ]
    notes = [
        "As sampled: before given frames are put back. 100 dB are equal frames. The autoencoder "
        "sees the whole clip."
    ]
    return format_table("editing", columns, rows, notes)


def _seams(operations: Mapping[str, Any]) -> str:
    columns = [
        "seam",
        "jump / median",
        "worst",
        "motion / real",
        "holds",
        "real jump",
        "real holds",
    ]
    rows = [_jump_row(name, own["seams"]) for name, own in operations.items() if "seams" in own]
    notes = [
        "Real: the same place in real clips. A seam holds where the jump is at most 1.5, no frame "
        "comes twice, and what was made moves a third to three times as much as the real frames; "
        "jumps are means over seams with such motion. Autoencoder: jumps from one latent frame to "
        "the next in real clips after the autoencoder."
    ]
    return format_table("seams", columns, rows, notes)


def _loops(operations: Mapping[str, Any]) -> str:
    columns = [
        "last to first frame", "over neighbours", "worst", "motion / real", "holds", "real clip",
        "real holds", "no loop",
    ]  # fmt: skip
    rows = [
        [*_jump_row(name, own["loop"]), own["loop"]["no loop"]["jump"]]
        for name, own in operations.items()
        if "loop" in own
    ]
    notes = ["Real clip: in its middle. No loop: where a real clip is played again. Limit 1.3."]
    return format_table("loops", columns, rows, notes)


def _jump_row(name: str, own: Mapping[str, Any]) -> list[Cell]:
    real = own["real"]
    return [
        name, own["jump"], own["worst"], own["motion"], percent(own["holds"]), real["jump"],
        percent(real["holds"]),
    ]  # fmt: skip


def _continued(operations: Mapping[str, Any]) -> str:
    columns = ["closer to the engine's frames than freeze and cross-fade", "PSNR", "coarse"]
    columns += ["best possible", "coarse", "dB", "freeze dB", "fade dB"]
    rows: list[list[Cell]] = []
    for name, own in operations.items():
        if "continuation" not in own:
            continue
        two = [own["continuation"][key] for key in ("PSNR", "coarse")]
        errors = two[0]["error"]
        decibels = [
            psnr(errors[who]) if who in errors else None for who in ("edit", "freeze", "cross-fade")
        ]
        shares = [percent(one[key]) for key in ("share", "autoencoder") for one in two]
        rows.append([name, *shares, *decibels])
    notes = [
        "Coarse: mean absolute difference of cells of 1/32 of the width. Best possible: the truth "
        "itself after the autoencoder. dB: PSNR of the mean squared error over all clips."
    ]
    return format_table("continuation", columns, rows, notes)


def _judged(figures: Mapping[str, Any]) -> str:
    """What needs judges or a minute; a sentence where it was not measured."""
    restyle, minute = figures["restyle"], figures["minute"]
    rows: list[list[Cell]] = []
    if isinstance(restyle, str):
        rows.append(["restyle", restyle, None, None])
    else:
        rows += _restyle_rows(restyle)
    storyboard = figures["storyboard"]
    if isinstance(storyboard, str):
        rows.append(["storyboard", storyboard, None, None])
    else:
        rows += _story_rows(storyboard)
    if isinstance(minute, str):
        rows.append(["a minute", minute, None, None])
    else:
        rows += _minute_rows(minute)
    return format_table("judged, and minutes", ["what", "figure", "beside it", "which is"], rows)


def _restyle_rows(restyle: Mapping[str, Any]) -> list[list[Cell]]:
    strength, by_strength = restyle["strength"], restyle["strengths"]
    if strength is None:
        return [["restyle", "no strength leaves the layout in place", None, None]]
    own, none = by_strength[f"{strength:g}"], by_strength["0"]
    return [
        [f"restyle at {strength:g}: adherence", percent(own["adherence"]),
         percent(none["adherence"]), "the clip as it was"],
        ["", "", percent(restyle["judge"]), "the judge's own accuracy"],
        ["  what changed", percent(own["changed"]), percent(none["changed"]), "the clip as it was"],
        ["  subjects moved, of the width", percent(own["shift"]), "10.0%", "the limit"],
    ]  # fmt: skip


def _story_rows(storyboard: Mapping[str, Any]) -> list[list[Cell]]:
    made, real = storyboard["made"], storyboard["real"]
    return [
        [
            f"storyboard: {said}",
            percent(made[key]["mean"]),
            percent(real[key]["mean"]),
            "real shots",
        ]
        for key, said in (("same", "subject as in the first shot"), ("asked", "subject as asked"))
    ]


def _minute_rows(figures: Mapping[str, Any]) -> list[list[Cell]]:
    memory, moved, adherence = figures["memory"], figures["motion"], figures["adherence"]
    rows: list[list[Cell]] = [
        ["peak memory of 60 s over 4 s", memory["ratio"], memory["short"] / 2**30, "GiB of 4 s"],
        ["last 10 s over first 10 s: motion", moved["ratio"], moved["first"], "levels at first"],
    ]
    if adherence is None:
        return [*rows, ["  adherence", NO_JUDGE, None, None]]
    for name, own in adherence.items():
        first = percent(own["first"])
        rows.append([f"  adherence, {name}", own["ratio"], first, "adherence at first"])
    return rows
