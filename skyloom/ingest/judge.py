"""Which shots are kept, and why each of the others is not: pure functions of surveys and recipe."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

import numpy as np
from jaxtyping import Float32

from skyloom.ingest.recipe import IngestRecipe
from skyloom.ingest.shots import beyond
from skyloom.ingest.stages import digest_of

BLOCK = 256
"""Shots that are compared with all kept ones in one product of matrices."""


@dataclass(frozen=True)
class Verdict:
    """What became of a shot, or of a whole film that gave none.

    Attributes:
        source: the film, relative to the folder that was given, with forward slashes.
        start, stop: seconds in the film; both 0 for a whole film.
        frames: (first, one after the last); (0, 0) for a whole film.
        size: (width, height) of the film, upright.
        strip: file of its pictures for the report, None without any.
        clip: name of the clip that is made of it, None where it is rejected.
        reason: why it is rejected, one of `REASONS`; empty where it is kept.
        detail: what was measured and what would have been kept.
    """

    source: str
    start: float = 0.0
    stop: float = 0.0
    frames: tuple[int, int] = (0, 0)
    size: tuple[int, int] = (0, 0)
    strip: str | None = None
    clip: str | None = None
    reason: str = ""
    detail: str = ""


UNREADABLE, BROKEN, SHORT, SMALL = "unreadable", "broken", "too short", "too small"
BLANK, STILL, BLURRED, TEXT = "blank", "still", "blurred", "text on it"
DUPLICATE = "near-duplicate"
REASONS = (UNREADABLE, BROKEN, SHORT, SMALL, BLANK, STILL, BLURRED, TEXT, DUPLICATE)


def judge(surveys: Mapping[str, dict], recipe: IngestRecipe) -> list[Verdict]:
    """A verdict for every shot, film by film in the order of their names.

    Of near-duplicates the one with more pixels and frames is kept, of equals the first.

    Args:
        surveys: what `stages.survey` says of each film; or {"rejected": why}.
    """
    verdicts: list[Verdict] = []
    signatures: dict[int, bytes] = {}
    for source in sorted(surveys):
        survey = surveys[source]
        if "rejected" in survey:
            verdicts.append(Verdict(source, reason=UNREADABLE, detail=survey["rejected"]))
            continue
        for shot in survey["shots"]:
            reason, detail = _fault(shot, survey, recipe)
            if not reason:
                signatures[len(verdicts)] = bytes.fromhex(shot["signature"])
            verdicts.append(_verdict(source, survey, shot, recipe, reason, detail))
    twins = near_duplicates(
        [np.frombuffer(value, np.uint8) for value in signatures.values()],
        [_worth(verdicts[index]) for index in signatures],
        recipe.duplicate,
    )
    numbers = list(signatures)
    for twin, (original, distance) in twins.items():
        number, kept = numbers[twin], verdicts[numbers[original]]
        detail = (
            f"as {kept.source} at {kept.start:.2f} s to {distance:.1f} of 255 grey levels, "
            f"{recipe.duplicate:g} is the least"
        )
        verdicts[number] = replace(verdicts[number], clip=None, reason=DUPLICATE, detail=detail)
    return verdicts


def near_duplicates(
    signatures: Sequence[np.ndarray], worth: Sequence[int], least: float
) -> dict[int, tuple[int, float]]:
    """For each near-duplicate, the one that is kept of it, and their distance.

    Args:
        signatures: 768 bytes each.
        worth: the worthier of two is kept; of equals the first.
        least: root mean square between two that are both kept, 0 to keep all.
    """
    found: dict[int, tuple[int, float]] = {}
    if not signatures or least <= 0:
        return found
    order = sorted(range(len(signatures)), key=lambda index: (-worth[index], index))
    # Whole numbers from -128 to 127: their products stay below 2^24, so that float32 is exact and
    # no order of summation can change a verdict.
    rows = np.stack([signatures[index] for index in order]).astype(np.float32) - 128
    kept: list[int] = []  # positions in `order`
    for first in range(0, len(order), BLOCK):
        block = np.arange(first, min(first + BLOCK, len(order)))
        before = _distances(rows[kept], rows[block]) if kept else None
        inside = _distances(rows[block], rows[block])
        fresh: list[int] = []
        for column, position in enumerate(block):
            near, where = least, -1
            if before is not None and before[:, column].min() < near:
                nearest = int(before[:, column].argmin())
                near, where = float(before[nearest, column]), kept[nearest]
            for other in fresh:
                if inside[other - first, column] < near:
                    near, where = float(inside[other - first, column]), other
            if where < 0:
                fresh.append(int(position))
            else:
                found[order[position]] = (order[where], near)
        kept += fresh
    return found


def _distances(one: Float32[np.ndarray, "n k"], other: Float32[np.ndarray, "m k"]) -> np.ndarray:
    """Root mean squares between all rows of one and all of the other."""
    squares = (one**2).sum(1)[:, None] + (other**2).sum(1)[None] - 2 * (one @ other.T)
    return np.sqrt(np.maximum(squares, 0) / one.shape[1])


def _fault(shot: dict, survey: dict, recipe: IngestRecipe) -> tuple[str, str]:
    """The first thing that is wrong with a shot; two empty strings where nothing is."""
    seconds, side = (shot["stop"] - shot["start"]) / survey["fps"], min(survey["size"])
    if shot["broken"]:
        return BROKEN, survey["damage"] or "its frames are damaged"
    if seconds < recipe.shortest:
        return SHORT, f"{seconds:.2f} s, {recipe.shortest:g} is the least"
    if side < recipe.smallest:
        return SMALL, f"a side of {side} pixels, {recipe.smallest} is the least"
    if shot["spread"] < recipe.blank:
        return BLANK, f"luma spreads {shot['spread']:.1f}, {recipe.blank:g} is the least"
    if shot["motion"] < recipe.still:
        share = f"{shot['motion']:.2%} of the picture changes in a quarter of a second"
        return STILL, f"{share}, {recipe.still:.2%} is the least"
    if shot["blur"] > recipe.blurred:
        return BLURRED, f"a blur of {shot['blur']:.2f}, {recipe.blurred:g} is the most"
    if shot["text"] > recipe.text:
        return TEXT, f"{shot['text']:.2%} of the picture is text, {recipe.text:.2%} is the most"
    return "", ""


def _verdict(
    source: str, survey: dict, shot: dict, recipe: IngestRecipe, reason: str, detail: str
) -> Verdict:
    start, stop = shot["start"], shot["stop"]
    return Verdict(
        source=source,
        start=start / survey["fps"],
        stop=stop / survey["fps"],
        frames=(start, stop),
        size=(survey["size"][0], survey["size"][1]),
        strip=shot["strip"],
        clip=None if reason else clip_name(source, survey, start, stop, recipe),
        reason=reason,
        detail=detail,
    )


def clip_name(source: str, survey: dict, start: int, stop: int, recipe: IngestRecipe) -> str:
    """A name that says where the clip is from, and differs where its bytes would."""
    size = beyond((survey["size"][0], survey["size"][1]), recipe.side)
    digest = digest_of(source, survey["sha256"], size, recipe.format, recipe.crf)
    return f"{slug(source)}-{digest}-{start:06d}-{stop:06d}.{recipe.format}"


def slug(source: str) -> str:
    """A film's path without its suffix, in letters that every file system takes."""
    plain = re.sub(r"[^A-Za-z0-9]+", "-", str(PurePosixPath(source).with_suffix(""))).strip("-")
    return plain[-60:] or "film"


def _worth(verdict: Verdict) -> int:
    return verdict.size[0] * verdict.size[1] * (verdict.frames[1] - verdict.frames[0])
