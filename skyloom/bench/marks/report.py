"""The figures of marks as a table: each kind of clip in a column, beside what it must reach."""

from collections.abc import Iterator, Mapping
from typing import Any

from skyloom.bench.marks.ways import WAYS
from skyloom.bench.table import format_table, percent
from skyloom.trust.verify import SURE

READ = {"H.264 crf 23": "95%", "H.264 crf 30": ""}
"""Ways after which the payload is told, and the share that must be right."""


def table(measured: Mapping[str, Any]) -> str:
    """For the screen; what is missing is said below it."""
    groups = measured["kinds"]
    heads = [f"{name}, {group['clips']}" for name, group in groups.items()]

    def row(name: str, told: Any, needed: str) -> tuple[str | None, ...]:
        return (name, *(told(g) if g["clips"] else None for g in groups.values()), needed)

    rows = [
        row("PSNR against unmarked, dB", lambda group: f"{group['psnr']:.2f}", ""),
        row("  the lowest of a clip", lambda group: f"{group['lowest psnr']:.2f}", "40"),
        *(
            row(f"found, {way.name}", lambda g, n=way.name: percent(g["found"][n]),
                percent(way.needs) or "")
            for way in WAYS
        ),
        *(
            row(f"payload right, {name}", lambda g, n=name: percent(g["read"][n]), needed)
            for name, needed in READ.items()
        ),
    ]  # fmt: skip
    return format_table("marks", ("figure", *heads, "must reach"), rows, list(_notes(measured)))


def _notes(measured: Mapping[str, Any]) -> Iterator[str]:
    for name, said in measured["clips"].items():
        for way, seen in said["ways"].items():
            if seen["p"] >= SURE:
                yield f"Not found in {name} after '{way}': p = {seen['p']:.1e}."
    unmarked = measured["unmarked"]
    if unmarked["pairs"]:
        below = ", ".join(f"{percent(share)} p < {level}" for level, share in
                          unmarked["below"].items())  # fmt: skip
        yield (
            f"Found in {unmarked['found']} of {unmarked['pairs']:,} pairs of a clip without a mark "
            f"and a key, must be 0; smallest p {unmarked['smallest p']:.1e}; {below}."
        )
    for part, told in (("marks", measured["kinds"]["all"]), ("unmarked", unmarked)):
        if told["clips"] < told["wanted"]:
            yield (
                f"Missing: {told['wanted'] - told['clips']} of {told['wanted']} clips of "
                f"'{part}', which --part {part} measures."
            )
    yield from measured["missing"]
