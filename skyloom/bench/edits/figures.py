"""The figures of edits: one record for each operation on each clip, and their means.

Each figure stands beside its natural yardstick: the autoencoder alone, real clips cut at the same
place, and the lazy ways out, a freeze and a cross-fade.
"""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from jaxtyping import UInt8

from skyloom.bench.edits.operations import Done, HeldOut, Task, Watched, tasks
from skyloom.bench.edits.seams import (
    LOOP_LIMIT,
    SEAM_LIMIT,
    Frames,
    Seam,
    coarse_error,
    crossfade,
    frozen,
    jump,
    motion,
    over,
    squared_error,
    turn,
)
from skyloom.bench.quality import psnr
from skyloom.canvas import Canvas

EXACT = 100.0
"""PSNR in dB of equal frames."""
ERRORS = {"PSNR": squared_error, "coarse": coarse_error}
"""How far a continuation is from the engine's frames."""


def measure(model: Watched, clip: HeldOut, steps: int | None = None) -> list[dict[str, Any]]:
    """Every operation on one clip, a record of figures for each."""
    stride = model.autoencoder.stride[0]
    restored = model.reconstructed(clip.video)
    alone = boundary_jump(restored, stride)
    records = []
    for task in tasks(clip, stride, steps):
        done = model.carry_out(task)
        record: dict[str, Any] = {"seed": clip.scene.seed, "operation": task.name}
        if task.truth:
            record["given"] = given_figures(task, done, clip.video.frames, restored)
        seams = seam_figures(task, done.frames, clip.video.frames)
        record["seams"] = [{**seam, "autoencoder": alone} for seam in seams]
        if 0 in task.seams:
            record["loop"] = loop_figures(task, done.frames, clip.video.frames)
        if task.truth and task.seams:
            record["continuation"] = continuation_figures(
                task, done.frames, clip.video.frames, restored
            )
        records.append(record)
    return records


def given_figures(task: Task, done: Done, real: Frames, restored: Frames) -> dict[str, float]:
    """PSNR in dB of given frames: as shown, as sampled, and by the autoencoder alone.

    Args:
        restored: the real frames as the autoencoder gives them back.
    """
    request = task.edit.request
    canvas = Canvas.of(request.given, request.frames, request.size, slice(0, request.frames))
    places = np.flatnonzero((canvas.strength == 1).all(axis=(1, 2)))
    before = task.edit.before
    there = places - task.edit.skip + (0 if before is None else len(before))
    return {
        "shown": likeness(done.frames[task.given], real[task.given]),
        "sampled": likeness(done.sampled[places], real[there]),
        "autoencoder": likeness(restored[there], real[there]),
    }


def boundary_jump(restored: Frames, stride: int) -> float | None:
    """The mean jump where a latent frame of a whole clip ends and the next one starts.

    Seams mostly lie there, and what the autoencoder alone does to a real clip no edit undoes.

    Args:
        stride: frames that a latent frame stands for, all but the first.
    """
    places = tuple(range(1 + stride, len(restored), stride))
    found = [jump(restored, place, places) for place in places]
    return _mean([value for value in found if value is not None])


def likeness(a: Frames, b: Frames) -> float:
    """PSNR in dB, 100 for equal frames."""
    return min(psnr(squared_error(a, b)), EXACT)


def seam_figures(
    task: Task, frames: Frames, real: UInt8[np.ndarray, "_real H W 3"]
) -> list[dict[str, Any]]:
    """Every seam of an edit, each beside the same place in the real clip.

    A real clip has no seam where a loop comes round: there its middle is looked at.
    """
    lively = _motion(task, frames, real)
    figures = []
    for place in task.seams:
        same = place if place and task.truth else len(real) // 2
        made = Seam(jump(frames, place, task.seams), lively)
        true = Seam(jump(real, same), 1.0)
        figures.append({"at": place, **_told(made, SEAM_LIMIT), "real": _told(true, SEAM_LIMIT)})
    return figures


def loop_figures(
    task: Task, frames: Frames, real: UInt8[np.ndarray, "_real H W 3"]
) -> dict[str, Any]:
    """Where a loop comes round; beside it the middle of the real clip, and its ends, no loop."""
    made = Seam(turn(frames), _motion(task, frames, real))
    true, ends = Seam(turn(real, len(real) // 2), 1.0), Seam(turn(real), 1.0)
    return {
        **_told(made, LOOP_LIMIT),
        "real": _told(true, LOOP_LIMIT),
        "no loop": _told(ends, LOOP_LIMIT),
    }


def _told(seam: Seam, limit: float) -> dict[str, Any]:
    return {**asdict(seam), "lively": seam.lively, "holds": seam.holds(limit)}


def _motion(task: Task, frames: Frames, real: UInt8[np.ndarray, "_real H W 3"]) -> float | None:
    """How much the frames that were made move over the real ones in their place."""
    where = ~task.given if task.truth else np.ones(len(real), bool)
    return over(motion(frames, ~task.given), motion(real, where))


def continuation_figures(
    task: Task, frames: Frames, real: Frames, restored: Frames
) -> dict[str, Any]:
    """Errors against the engine's frames, by measure: of the edit, of lazy baselines, and of the
    truth itself after the autoencoder, which is the best that an edit can do."""
    made = task.made
    rivals = {"freeze": frozen(real, made)}
    if made.start and made.stop < len(real):
        rivals["cross-fade"] = crossfade(real, made)
    shown = {"edit": frames[made], "autoencoder": restored[made], **rivals}
    figures: dict[str, Any] = {}
    for name, error in ERRORS.items():
        errors = {who: error(clip, real[made]) for who, clip in shown.items()}
        best = min(errors[who] for who in rivals)
        figures[name] = {
            "error": errors,
            "closer": errors["edit"] < best,
            "autoencoder closer": errors["autoencoder"] < best,
        }
    return figures


def summary(records: Sequence[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Means and shares by operation. Jumps are means over the seams that could be judged."""
    found: dict[str, dict[str, Any]] = {}
    for name in dict.fromkeys(record["operation"] for record in records):
        own = [record for record in records if record["operation"] == name]
        figures: dict[str, Any] = {}
        given = [record["given"] for record in own if "given" in record]
        if given:
            figures["given"] = {key: _mean([row[key] for row in given]) for key in given[0]}
        seams = [seam for record in own for seam in record["seams"]]
        if seams:
            alone = [seam.get("autoencoder") for seam in seams]
            known = [value for value in alone if value is not None]
            figures["seams"] = {**_seams(seams), "autoencoder": _mean(known)}
        loops = [record["loop"] for record in own if "loop" in record]
        if loops:
            figures["loop"] = {
                **_seams(loops), "no loop": _jumps([loop["no loop"] for loop in loops])
            }  # fmt: skip
        continued = [record["continuation"] for record in own if "continuation" in record]
        if continued:
            figures["continuation"] = {key: _closer(continued, key) for key in ERRORS}
        found[name] = figures
    return found


def _seams(seams: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return {**_jumps(seams), "real": _jumps([seam["real"] for seam in seams])}


def _jumps(seams: Sequence[dict[str, Any]]) -> dict[str, Any]:
    judged = [seam["jump"] for seam in seams if seam["lively"] and seam["jump"] is not None]
    return {
        "seams": len(seams),
        "judged": len(judged),
        "jump": _mean(judged),
        "worst": max(judged, default=None),
        "motion": _mean([seam["motion"] for seam in seams if seam["motion"] is not None]),
        "holds": _mean([seam["holds"] for seam in seams]),
    }


def _closer(continued: Sequence[dict[str, Any]], name: str) -> dict[str, Any]:
    rows = [record[name] for record in continued]
    errors = {who: _mean([row["error"][who] for row in rows]) for who in rows[0]["error"]}
    return {
        "share": _mean([row["closer"] for row in rows]),
        "autoencoder": _mean([row["autoencoder closer"] for row in rows]),
        "error": errors,
    }


def _mean(values: Sequence[float]) -> float | None:
    return round(float(np.mean(values)), 4) if len(values) else None
