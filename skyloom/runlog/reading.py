"""The runs below a folder, read from the files that training leaves there.

A run may be under way while it is read, and a line half written: what is no whole row is left out.
"""

import difflib
import json
import math
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from skyloom.errors import UserError

METRICS = "metrics.jsonl"
DEPTH = 4
"""Folders below the first that are looked into."""
LARGEST = 256 * 2**20
"""Bytes of a file of rows; of a larger one the end is read."""
KINDS = {"transformer": "autoencoder", "autoencoder": "world"}
"""What trains, and the key that only its recipe has."""

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Run:
    """A folder that a run has written to.

    Attributes:
        name: its path below the folder that was searched.
    """

    folder: Path
    name: str

    def rows(self, file: str) -> list[Row]:
        """The whole rows of one of its .jsonl files; none where there is no such file."""
        return read_rows(self.folder / file)

    @cached_property
    def metrics(self) -> list[Row]:
        """Means between two lines of the log."""
        return self.rows(METRICS)

    @cached_property
    def evaluations(self) -> list[Row]:
        """Figures on held-out data."""
        return self.rows("evaluations.jsonl")

    @cached_property
    def meta(self) -> Row:
        """What the newest checkpoint that can be read says of itself; empty without one."""
        for file in sorted(self.folder.glob("checkpoints/step_*/meta.json"), reverse=True):
            try:
                found = json.loads(file.read_text(encoding="utf-8"))
            except (OSError, ValueError):
                continue
            if isinstance(found, dict):
                return found
        return {}

    @property
    def recipe(self) -> Row:
        """What decided the run; empty before its first checkpoint."""
        found = self.meta.get("recipe")
        return found if isinstance(found, dict) else {}

    @property
    def kind(self) -> str | None:
        """What it trains; None if its recipe does not tell."""
        return next((kind for kind, key in KINDS.items() if key in self.recipe), None)

    @property
    def step(self) -> int:
        """The last one that is known of."""
        rows = (*self.metrics[-1:], *self.evaluations[-1:], self.meta)
        return max((int(number(row, "step") or 0) for row in rows), default=0)

    @property
    def hours(self) -> float:
        """Of training."""
        rows = (*self.metrics[-1:], *self.evaluations[-1:], self.meta)
        return max((number(row, "seconds") or 0.0 for row in rows), default=0.0) / 3600

    @property
    def loss(self) -> float | None:
        """The last that was logged."""
        return last(self.metrics, "loss")

    @property
    def held_out_loss(self) -> float | None:
        """The last that was measured."""
        return last(self.evaluations, "held_out_loss")

    @property
    def seen(self) -> float:
        """When a file of it last changed, in seconds since 1970."""
        files = (*self.folder.glob("*.jsonl"), *self.folder.glob("checkpoints/step_*/meta.json"))
        return max((file.stat().st_mtime for file in files), default=0.0)

    @property
    def sheets(self) -> list[Path]:
        """Pictures of its samples, the first ones first."""
        return sorted(self.folder.glob("samples/step_*.png"))


def find_runs(folder: Path) -> list[Run]:
    """Every run below `folder`, or `folder` itself, the one that changed last first.

    Raises:
        UserError: there is no such folder.
    """
    if not folder.is_dir():
        raise UserError(f"'{folder}' is no folder: name the one with the runs, --folder FOLDER.")
    runs = []
    for path, below, files in os.walk(folder):
        here = Path(path)
        if METRICS in files or any(here.glob("checkpoints/step_*/meta.json")):
            name = here.relative_to(folder).as_posix()
            runs.append(Run(here, folder.resolve().name if name == "." else name))
            below.clear()
        deep = len(here.relative_to(folder).parts) >= DEPTH
        below[:] = [] if deep else sorted(name for name in below if not name.startswith("."))
    return sorted(runs, key=lambda run: run.seen, reverse=True)


def named_run(folder: Path, name: str) -> Run:
    """The run called `name`, by its path below `folder` or by the end of that.

    Raises:
        UserError: there is none, or there are several; the message names what there is.
    """
    runs = find_runs(folder)
    if not runs:
        raise UserError(f"There are no runs in '{folder}': --folder FOLDER names another one.")
    name = name.rstrip("/")
    found = [run for run in runs if run.name == name]
    found = found or [run for run in runs if run.name.endswith(f"/{name}")]
    found = found or [run for run in runs if run.folder.resolve() == Path(name).resolve()]
    if len(found) == 1:
        return found[0]
    if found:
        raise UserError(f"'{name}' may be {' or '.join(run.name for run in found)}: write one out.")
    (nearest,) = difflib.get_close_matches(name, [run.name for run in runs], n=1, cutoff=0.0)
    raise UserError(f"There is no run '{name}' in '{folder}': the nearest is '{nearest}'.")


def read_rows(file: Path) -> list[Row]:
    """The lines of a .jsonl file that are whole rows with a step."""
    try:
        with open(file, "rb") as handle:
            handle.seek(max(0, handle.seek(0, os.SEEK_END) - LARGEST))
            lines = handle.read().splitlines()
    except OSError:
        return []
    rows = []
    for line in lines:
        try:
            row = json.loads(line)
        except ValueError:
            continue
        if isinstance(row, dict) and number(row, "step") is not None:
            rows.append(row)
    return rows


def number(row: Row, key: str) -> float | None:
    """A finite number of a row; None where it is missing, or something else."""
    value = row.get(key)
    fine = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if fine else None  # type: ignore[arg-type]


def last(rows: Sequence[Row], key: str) -> float | None:
    """The last finite number that is called `key`."""
    return next((value for row in reversed(rows) if (value := number(row, key)) is not None), None)


def points(rows: Sequence[Row], key: str) -> list[tuple[float, float]]:
    """(step, value) of every row that has a finite number called `key`."""
    found = ((number(row, "step"), number(row, key)) for row in rows)
    return [(step, value) for step, value in found if step is not None and value is not None]


def figures(rows: Sequence[Row]) -> list[str]:
    """The names of all figures in the rows, in the order in which they come up."""
    names = {key for row in rows for key in row if number(row, key) is not None}
    seen = dict.fromkeys(key for row in rows for key in row)
    return [key for key in seen if key in names and key not in ("step", "seconds")]


def by_sigma(rows: Sequence[Row]) -> dict[str, list[tuple[float, float]]]:
    """For every bin of sigma such as "0.25-0.50", (step, mean loss of the tokens in it).

    A row has each bin's part of the mean loss and its share of the tokens.
    """
    bins: dict[str, list[tuple[float, float]]] = {}
    for key in figures(rows):
        if not (match := re.fullmatch(r"sigma_(\d+)_(\d+)", key)):
            continue
        low, high = (int(edge) / 100 for edge in match.groups())
        found = bins.setdefault(f"{low:.2f}-{high:.2f}", [])
        for row in rows:
            step, part = number(row, "step"), number(row, key)
            share = number(row, f"{key}_share")
            if step is not None and part is not None and share:
                found.append((step, part / share))
    return {name: found for name, found in bins.items() if found}
