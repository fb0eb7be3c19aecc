"""The runs in a folder, read from the files that training writes; nothing in them is changed."""

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from skyloom.errors import UserError

METRICS = "metrics.jsonl"
AFTER = 900.0
"""Seconds after its last line that a run counts as stopped."""

Row = dict[str, Any]


@dataclass(frozen=True)
class Run:
    """What a run wrote about itself.

    Attributes:
        folder: of the run.
        metrics, evaluations, health: its lines, in order.
        recipe: that it was begun with; empty before its first checkpoint.
        seen: seconds since the epoch of its last line.
    """

    folder: Path
    metrics: list[Row]
    evaluations: list[Row]
    health: list[Row]
    recipe: dict[str, Any]
    seen: float

    @property
    def name(self) -> str:
        """Of its folder."""
        return self.folder.name

    @property
    def kind(self) -> str:
        """Which network it trains."""
        if not self.recipe:
            return "unknown"
        return "transformer" if "data" in self.recipe else "autoencoder"

    @property
    def held_out(self) -> tuple[str, float] | None:
        """Name and last value of what it is judged by on held-out data."""
        last = self.evaluations[-1] if self.evaluations else {}
        for key in ("held_out_loss", "psnr_world", "psnr_real"):
            if key in last:
                return key, last[key]
        return None

    @property
    def state(self) -> str:
        """What its last health line says, or how it stands."""
        steps = self.recipe.get("optim", {}).get("steps")
        if self.metrics and steps and self.metrics[-1]["step"] >= steps:
            return "done"
        if self.health:
            return str(self.health[-1].get("says", "looks wrong"))
        return "running" if time.time() - self.seen < AFTER else "stopped"

    def series(self, key: str) -> list[tuple[float, float]]:
        """(step, value) of a figure, from the metrics or the evaluations."""
        rows = [*self.metrics, *self.evaluations]
        return sorted((row["step"], row[key]) for row in rows if _number(row.get(key)))

    def by_sigma(self) -> dict[str, list[tuple[float, float]]]:
        """The mean loss in each part of sigma: what it adds to the loss over its share of it."""
        parts = [key for key in (self.metrics[0] if self.metrics else {}) if f"{key}_share" in
                 self.metrics[0]]  # fmt: skip
        return {
            part.replace("sigma_", "sigma ").replace("_", "-") + "%": [
                (row["step"], row[part] / row[f"{part}_share"])
                for row in self.metrics
                if row.get(f"{part}_share") and _number(row.get(part))
            ]
            for part in parts
        }


def find_runs(folder: Path) -> list[Run]:
    """Every run below `folder`, the one seen last in front.

    Raises:
        UserError: there is no such folder, or no run in it.
    """
    if not folder.is_dir():
        raise UserError(f"The folder '{folder}' does not exist: name that of your runs, --folder.")
    found = [read_run(path.parent) for path in sorted(folder.rglob(METRICS))]
    if not found:
        raise UserError(f"There is no run in '{folder}': --folder names where your runs are.")
    return sorted(found, key=lambda run: -run.seen)


def read_run(folder: Path) -> Run:
    """One run; lines that are torn are passed over."""
    recipe: dict[str, Any] = {}
    for meta in sorted(folder.glob("checkpoints/step_*/meta.json"), reverse=True):
        try:
            recipe = dict(json.loads(meta.read_text(encoding="utf-8"))["recipe"])
            break
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return Run(
        folder,
        _rows(folder / METRICS),
        _rows(folder / "evaluations.jsonl"),
        _rows(folder / "health.jsonl"),
        recipe,
        (folder / METRICS).stat().st_mtime,
    )


def _rows(path: Path) -> list[Row]:
    rows = []
    if path.is_file():
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                row = json.loads(line)
            except ValueError:
                continue
            if isinstance(row, dict) and _number(row.get("step")):
                rows.append(row)
    return rows


def _number(value: Any) -> bool:
    """Whether it is a finite number."""
    return isinstance(value, int | float) and abs(value) < float("inf")
