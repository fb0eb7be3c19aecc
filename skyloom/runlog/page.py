"""A run as one HTML page that needs nothing beside it: no server, no network, no script."""

import base64
import json
import math
import time
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

from skyloom.files import atomic_path, check_writable
from skyloom.runlog.read import Run

WIDTH, HEIGHT, LEFT, BELOW = 640, 240, 64, 28
POINTS = 600
"""Points of a curve at most; longer ones are thinned."""
SHEETS = 8
"""Sheets of samples that are shown, the latest."""
COLORS = ("#3b76d8", "#d9822b", "#2f9e63", "#b2488f")

Points = Sequence[tuple[float, float]]

STYLE = """
:root { color-scheme: light dark; --ink: #1d2430; --soft: #68717f; --line: #dfe3e8; --ground: #fff }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e9ee; --soft: #9aa4b2; --line: #333b47; --ground: #14181f } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--ground);
  max-width: 1360px; margin: 2rem auto; padding: 0 1.5rem }
h1 { font-size: 1.6rem; margin: 0 } h2 { font-size: 1.05rem; margin: 2rem 0 .6rem }
.soft, text { color: var(--soft); fill: var(--soft); font-size: 12px }
.curves { display: grid; grid-template-columns: repeat(auto-fit, minmax(420px, 1fr)); gap: 1.5rem }
figure { margin: 0 } figcaption { font-weight: 600 } svg { width: 100%; height: auto }
.grid { stroke: var(--line) } table { border-collapse: collapse; font-size: 13px }
td, th { padding: .25rem .8rem; text-align: right; border-bottom: 1px solid var(--line) }
img { max-width: 100%; border-radius: 4px } pre { overflow: auto; font-size: 12px }
.scroll { overflow-x: auto }
"""


def write_page(run: Run, path: Path) -> None:
    """Write the page, whole or not at all.

    Raises:
        UserError: it cannot be written there.
    """
    check_writable(path)
    with atomic_path(path) as temporary:
        temporary.write_text(page(run), encoding="utf-8")


def page(run: Run) -> str:
    """The page's HTML."""
    seen = time.strftime("%Y-%m-%d %H:%M", time.localtime(run.seen))
    last = run.metrics[-1] if run.metrics else {"step": 0}
    hours = last.get("seconds", 0) / 3600
    curves = [
        chart(name, {label: run.series(key) for label, key in lines.items()})
        for name, lines in (
            ("Loss", {"training": "loss", "held out": "held_out_loss"}),
            ("Held-out loss of subjects", {"subjects": "held_out_subject_loss"}),
            ("PSNR, dB", {"training": "psnr", "world": "psnr_world", "real": "psnr_real"}),
            ("Adherence", {"held-out prompts": "adherence"}),
            ("Gradient norm", {"norm": "norm"}),
            ("Learning rate", {"rate": "lr"}),
            ("Steps a second", {"speed": "steps_per_second"}),
            ("Share of time waiting for data", {"waiting": "waiting"}),
        )
    ]
    curves.insert(1, chart("Loss by noise level", run.by_sigma()))
    health = [f"step {row['step']}: {row.get('says', '')}" for row in run.health]
    parts = [
        f"<h1>{escape(run.name)}</h1>",
        f'<p class="soft">{run.kind}, step {last["step"]:,}, {hours:.1f} hours, last seen {seen}: '
        f"{escape(run.state)}</p>",
        f'<div class="curves">{"".join(curves)}</div>',
        _section("Health", "".join(f"<p>{escape(line)}</p>" for line in health)),
        _section("Samples", _sheets(run.folder / "samples")),
        _section("Evaluations", _table(run.evaluations)),
        _section("Recipe", _recipe(run.recipe)),
    ]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>{escape(run.name)}</title><style>{STYLE}</style></head>"
        f"<body>{''.join(parts)}</body></html>\n"
    )


def chart(title: str, lines: Mapping[str, Points]) -> str:
    """Curves over the steps as inline SVG; nothing where there is nothing to draw."""
    lines = {name: thinned(points) for name, points in lines.items() if points}
    if not lines:
        return ""
    every = [point for points in lines.values() for point in points]
    low, high = min(y for _, y in every), max(y for _, y in every)
    pad = 0.05 * (high - low) or abs(high) * 0.05 or 1.0
    low, high = low - pad, high + pad
    first, last = min(x for x, _ in every), max(x for x, _ in every)
    span = max(last - first, 1)

    def place(x: float, y: float) -> str:
        across = LEFT + (WIDTH - LEFT - 8) * (x - first) / span
        return f"{across:.1f},{(HEIGHT - BELOW) * (high - y) / (high - low):.1f}"

    drawn = []
    for value in (low + (high - low) * part / 4 for part in range(1, 4)):
        y = place(first, value).split(",")[1]
        drawn.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - 8}" y1="{y}" y2="{y}"/>')
        drawn.append(f'<text x="{LEFT - 8}" y="{y}" dy="4" text-anchor="end">{value:.4g}</text>')
    for step, anchor, x in ((first, "start", LEFT), (last, "end", WIDTH - 8)):
        drawn.append(f'<text x="{x}" y="{HEIGHT - 8}" text-anchor="{anchor}">{step:,.0f}</text>')
    legend = []
    for (name, points), color in zip(lines.items(), COLORS, strict=False):
        path = " ".join(place(x, y) for x, y in points)
        drawn.append(
            f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="1.8"/>'
            f'<circle cx="{place(*points[-1]).replace(",", chr(34) + " cy=" + chr(34))}" r="3" '
            f'fill="{color}"><title>{escape(name)}: {points[-1][1]:.5g}</title></circle>'
        )
        legend.append(f'<span style="color:{color}">{escape(name)} {points[-1][1]:.4g}</span>')
    return (
        f"<figure><figcaption>{escape(title)}</figcaption>"
        f'<div class="soft">{" &nbsp; ".join(legend)}</div>'
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">'
        f"{''.join(drawn)}</svg></figure>"
    )


def thinned(points: Points) -> Points:
    """At most POINTS of them: means of neighbours."""
    size = math.ceil(len(points) / POINTS)
    groups = [points[start : start + size] for start in range(0, len(points), size)]
    return [(group[-1][0], sum(y for _, y in group) / len(group)) for group in groups]


def _section(title: str, inside: str) -> str:
    return f"<h2>{title}</h2>{inside}" if inside else ""


def _sheets(folder: Path) -> str:
    files = sorted(folder.glob("step_*.png"))[-SHEETS:]
    return "".join(
        f"<figure><figcaption>step {int(file.stem[5:]):,}</figcaption>"
        f'<img alt="{file.stem}" src="data:image/png;base64,'
        f'{base64.b64encode(file.read_bytes()).decode()}"></figure>'
        for file in reversed(files)
        if file.stem[5:].isdigit()
    )


def _table(rows: Sequence[Mapping[str, object]]) -> str:
    if not rows:
        return ""
    keys = list(dict.fromkeys(key for row in rows for key in row))
    head = "".join(f"<th>{escape(key)}</th>" for key in keys)
    body = "".join(
        f"<tr>{''.join(f'<td>{_cell(row.get(key))}</td>' for key in keys)}</tr>" for row in rows
    )
    return f'<div class="scroll"><table><tr>{head}</tr>{body}</table></div>'


def _cell(value: object) -> str:
    return (
        f"{value:.5g}" if isinstance(value, float) else escape(str("" if value is None else value))
    )


def _recipe(recipe: Mapping[str, object]) -> str:
    return f"<pre>{escape(json.dumps(recipe, indent=2))}</pre>" if recipe else ""
