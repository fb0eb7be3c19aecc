"""One run as one HTML page that needs nothing beside itself: no server, no script, no network."""

import base64
import datetime
from collections.abc import Mapping, Sequence
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Any

from skyloom.runlog.curves import Line, chart, short
from skyloom.runlog.reading import Row, Run, by_sigma, figures, number, points

SHEETS = 12
"""Pictures of samples on a page: the first, the last, and some between."""
LARGEST_PICTURE = 8 * 2**20
PNG = b"\x89PNG\r\n\x1a\n"
ROWS = 40
"""Rows of a table, the newest."""
OWN_CHART = ("loss", "norm", "lr", "steps_per_second", "waiting")
"""Figures of the log that have a chart of their own with a title in words."""
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def page(run: Run) -> str:
    """The whole page."""
    style = files("skyloom.runlog").joinpath("page.css").read_text(encoding="utf-8")
    parts = [
        _head(run),
        _section("Warnings", _warnings(run)),
        _section("Curves", _curves(run)),
        _section("Loss by noise level", _sigma(run)),
        _section("Samples", _samples(run.sheets)),
        _section("Evaluations", _evaluations(run.evaluations)),
        _section("Recipe", _recipe(run.recipe)),
    ]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(run.name)}</title><style>{style}</style></head>"
        f"<body>{''.join(parts)}</body></html>\n"
    )


def _head(run: Run) -> str:
    seen = datetime.datetime.fromtimestamp(run.seen, datetime.UTC)
    steps = run.recipe.get("optim", {}).get("steps")
    shown = [
        ("trains", run.kind),
        ("step", f"{run.step:,}" + (f" of {steps:,}" if isinstance(steps, int) else "")),
        ("loss", None if run.loss is None else short(run.loss)),
        ("held-out loss", None if run.held_out_loss is None else short(run.held_out_loss)),
        ("hours", f"{run.hours:.2f}"),
        ("last seen", f"{seen:%Y-%m-%d %H:%M} UTC"),
    ]
    tiles = "".join(
        f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>"
        for name, value in shown
        if value is not None
    )
    return f"<header><h1>{escape(run.name)}</h1><dl>{tiles}</dl></header>"


def _section(title: str, content: str) -> str:
    return f"<section><h2>{escape(title)}</h2>{content}</section>" if content else ""


def _warnings(run: Run) -> str:
    """What looked wrong, and the batches that were skipped."""
    said = [(row, str(row.get("says", ""))) for row in run.rows("health.jsonl")]
    for row in run.rows("skipped.jsonl"):
        names = row.get("samples")
        named = ", ".join(map(str, names)) if isinstance(names, list) else ""
        said.append((row, f"skipped, because {row.get('why')}{': ' if named else ''}{named}"))
    said.sort(key=lambda pair: number(pair[0], "step") or 0)
    lines = [f"<li>step {row['step']:,}: {escape(text)}</li>" for row, text in said[-ROWS:]]
    return f"<ul>{''.join(lines)}</ul>" if lines else ""


def _curves(run: Run) -> str:
    logged, judged = run.metrics, run.evaluations
    held_out = Line("held out", points(judged, "held_out_loss"), "c2", dots=True)
    charts = [
        chart("Loss", [Line("training", points(logged, "loss")), held_out]),
        chart("Norm of the gradient", [Line("norm", points(logged, "norm"))]),
        chart("Learning rate", [Line("lr", points(logged, "lr"))]),
        chart("Steps a second", [Line("speed", points(logged, "steps_per_second"))]),
        chart("Share of time waiting for data", [Line("waiting", points(logged, "waiting"))]),
    ]
    for name in figures(logged):
        if name not in OWN_CHART and not name.startswith(("sigma_", "loss_sigma_")):
            charts.append(chart(f"{name}, training", [Line(name, points(logged, name))]))
    for name in figures(judged):
        if name != "held_out_loss":
            found = points(judged, name)
            charts.append(chart(f"{name}, evaluated", [Line(name, found, "c2", dots=True)]))
    shown = "".join(charts)
    return f'<div class="charts">{shown}</div>' if shown else ""


def _sigma(run: Run) -> str:
    bins = by_sigma(run.metrics)
    lines = [
        Line(f"sigma {name}", found, f"s{index}")
        for index, (name, found) in enumerate(bins.items(), 1)
    ]
    drawn = chart("Mean loss of the tokens in each part of sigma (0 clean, 1 noise)", lines)
    return f'<div class="charts wide">{drawn}</div>' if drawn else ""


def _samples(sheets: Sequence[Path]) -> str:
    """Sheets as data URLs, the newest first."""
    if len(sheets) > SHEETS:
        last = len(sheets) - 1
        sheets = [sheets[round(index * last / (SHEETS - 1))] for index in range(SHEETS)]
    parts = []
    for sheet in reversed(sheets):
        data = _picture(sheet)
        step = sheet.stem.removeprefix("step_").lstrip("0") or "0"
        if data:
            parts.append(
                f'<figure><figcaption>step {escape(step)}</figcaption><img alt="samples" '
                f'src="data:image/png;base64,{base64.b64encode(data).decode()}"></figure>'
            )
    return "".join(parts)


def _picture(sheet: Path) -> bytes | None:
    """A picture's bytes; None if it is none, too large, or has just gone."""
    try:
        if sheet.stat().st_size > LARGEST_PICTURE:
            return None
        data = sheet.read_bytes()
    except OSError:
        return None
    return data if data.startswith(PNG) else None


def _evaluations(rows: Sequence[Row]) -> str:
    names = figures(rows)
    if not names:
        return ""
    head = "".join(f"<th>{escape(name)}</th>" for name in ("step", "hours", *names))
    body = []
    for row in reversed(rows[-ROWS:]):
        hours = (number(row, "seconds") or 0.0) / 3600
        cells = [f"{number(row, 'step'):,.0f}", f"{hours:.2f}"]
        found = (number(row, name) for name in names)
        cells += ["-" if value is None else short(value) for value in found]
        body.append("".join(f"<td>{escape(cell)}</td>" for cell in cells))
    lines = "".join(f"<tr>{line}</tr>" for line in body)
    return f'<div class="scroll"><table><tr>{head}</tr>{lines}</table></div>'


def _recipe(recipe: Mapping[str, Any]) -> str:
    return f"<pre>{escape(chr(10).join(_toml(recipe)))}</pre>" if recipe else ""


def _toml(values: Mapping[str, Any], path: str = "") -> list[str]:
    """The recipe as people write it: plain values first, then its tables."""
    plain = {key: value for key, value in values.items() if not isinstance(value, Mapping)}
    lines = [f"[{path}]"] if path and plain else []
    lines += [f"{key} = {_value(value)}" for key, value in plain.items()]
    for key, value in values.items():
        if isinstance(value, Mapping):
            lines += ["", *_toml(value, f"{path}.{key}" if path else key)]
    return lines


def _value(value: Any) -> str:
    import json

    return json.dumps(value, ensure_ascii=False)
