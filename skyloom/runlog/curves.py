"""Curves as inline SVG: no script, no network, colours from the page's style sheet."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 520, 210
LEFT, RIGHT, TOP, BOTTOM = 56, 62, 12, 24
MOST_POINTS = 300
"""Points of a curve: more are averaged, with a band from the least to the greatest of each few."""
LOGARITHMIC = 20
"""Greatest over least value from which a logarithmic axis shows more."""

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Line:
    """One curve.

    Attributes:
        name: for the legend.
        points: (step, value), in order.
        colour: class of the page's style sheet, "c1" to "c4" or "s1" to "s4".
        dots: whether each point is marked, for the few of evaluations.
    """

    name: str
    points: Points
    colour: str = "c1"
    dots: bool = False


@dataclass(frozen=True)
class _Axis:
    low: float
    high: float
    start: float
    end: float
    logarithmic: bool = False

    def __call__(self, value: float) -> float:
        low, high = self.low, self.high
        if self.logarithmic:
            low, high, value = math.log(low), math.log(high), math.log(value)
        return self.start + (value - low) / (high - low) * (self.end - self.start)


def chart(title: str, lines: Sequence[Line]) -> str:
    """A figure with its title, its legend where there is more than one curve, and the curves."""
    lines = [line for line in lines if line.points]
    if not lines:
        return ""
    x, y = _axes(lines)
    parts = [_grid(x, y)]
    for line in lines:
        parts += _curve(line, x, y)
    parts += _ends(lines, y)
    legend = "".join(f'<span class="{line.colour}">{escape(line.name)}</span>' for line in lines)
    said = f'<div class="legend">{legend}</div>' if len(lines) > 1 else ""
    return (
        f"<figure><figcaption>{escape(title)}</figcaption>{said}"
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">'
        f"{''.join(parts)}</svg></figure>"
    )


def short(value: float) -> str:
    """A number in few characters: 1.2k, 0.0312, 3e-05."""
    if value and not 1e-3 <= abs(value) < 1e6:
        return f"{value:.3g}"
    if abs(value) >= 1e4:
        return f"{value / 1000:.4g}k"
    return f"{value:.4g}"


def thinned(points: Points) -> list[tuple[float, float, float, float]]:
    """(step, mean, least, greatest) of every few points, at most `MOST_POINTS`."""
    size = math.ceil(len(points) / MOST_POINTS)
    found = []
    for start in range(0, len(points), size):
        steps, values = zip(*points[start : start + size], strict=True)
        found.append((steps[-1], sum(values) / len(values), min(values), max(values)))
    return found


def ticks(low: float, high: float, logarithmic: bool = False) -> list[float]:
    """Round values from `low` to `high`: 1, 2 or 5 times a power of ten."""
    if logarithmic:
        powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        steps = (1, 2, 5) if high / low < 1e3 else (1,)
        return [k * 10.0**p for p in powers for k in steps if low <= k * 10.0**p <= high]
    rough = (high - low) / 4
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(k * power for k in (1, 2, 5, 10) if k * power >= rough)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [index * step for index in range(first, last + 1)]


def _axes(lines: Sequence[Line]) -> tuple[_Axis, _Axis]:
    steps = [step for line in lines for step, _ in line.points]
    values = [value for line in lines for _, value in line.points]
    low, high = min(values), max(values)
    logarithmic = low > 0 and high / low > LOGARITHMIC
    if not logarithmic:
        margin = 0.05 * (high - low) or 0.1 * abs(high) or 1.0
        low = low if low == 0 else low - margin
        high += margin
    first, end = min(steps), max(steps)
    x = _Axis(first, end if end > first else first + 1, LEFT, WIDTH - RIGHT)
    return x, _Axis(low, high, HEIGHT - BOTTOM, TOP, logarithmic)


def _grid(x: _Axis, y: _Axis) -> str:
    parts = []
    for value in ticks(y.low, y.high, y.logarithmic):
        at = y(value)
        parts.append(f'<path class="grid" d="M{LEFT} {at:.1f}H{WIDTH - RIGHT}"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{at + 4:.1f}" class="end">{short(value)}</text>')
    for value in ticks(x.low, x.high):
        parts.append(f'<text x="{x(value):.1f}" y="{HEIGHT - 6}" class="mid">{short(value)}</text>')
    return "".join(parts)


def _curve(line: Line, x: _Axis, y: _Axis) -> list[str]:
    found = thinned(line.points)
    parts = []
    if len(found) < len(line.points):
        upper = [f"{x(step):.1f} {y(most):.1f}" for step, _, _, most in found]
        lower = [f"{x(step):.1f} {y(least):.1f}" for step, _, least, _ in reversed(found)]
        parts.append(f'<path class="band {line.colour}" d="M{"L".join(upper + lower)}Z"/>')
    path = "L".join(f"{x(step):.1f} {y(mean):.1f}" for step, mean, _, _ in found)
    parts.append(f'<path class="line {line.colour}" d="M{path}"/>')
    if line.dots or len(found) == 1:
        parts += [
            f'<circle class="{line.colour}" cx="{x(step):.1f}" cy="{y(mean):.1f}" r="3">'
            f"<title>{escape(line.name)}, step {step:.0f}: {mean:.6g}</title></circle>"
            for step, mean, _, _ in found
        ]
    return parts


def _ends(lines: Sequence[Line], y: _Axis) -> list[str]:
    """The last value of each curve, to its right, none over another."""
    parts, taken = [], -math.inf
    last = sorted(lines, key=lambda line: y(thinned(line.points)[-1][1]))
    for line in last:
        value = thinned(line.points)[-1][1]
        taken = max(y(value) + 4, taken + 12)
        parts.append(
            f'<text x="{WIDTH - RIGHT + 6}" y="{taken:.1f}" class="value">{short(value)}</text>'
        )
    return parts
