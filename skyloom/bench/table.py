"""What every bench does with its figures: a table for the screen, all of them to JSON."""

import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from skyloom.files import atomic_path

WIDTH = 110
"""Columns of the widest table."""

Cell = str | int | float | None


def format_table(
    title: str, columns: Sequence[str], rows: Sequence[Sequence[Cell]], notes: Sequence[str] = ()
) -> str:
    """A table as text, its first column to the left and the others to the right.

    Args:
        rows: floats are shown with two decimals, None as a dash.
        notes: sentences below the table.
    """
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left", title_style="bold")
    for index, column in enumerate(columns):
        table.add_column(column, justify="right" if index else "left", overflow="fold")
    for row in rows:
        table.add_row(*map(_shown, row))
    text = io.StringIO()
    Console(file=text, width=WIDTH, markup=False, highlight=False, emoji=False).print(table)
    return "\n".join([text.getvalue().rstrip(), *notes])


def write_json(figures: Mapping[str, Any], path: Path | None) -> None:
    """Write every figure to `path`, whole or not at all; None writes nothing."""
    if path is None:
        return
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


def percent(share: float | None) -> str | None:
    """A share of 0 to 1 as "97.5%"."""
    return None if share is None else f"{100 * share:.1f}%"


def _shown(cell: Cell) -> str:
    if cell is None:
        return "-"
    return f"{cell:,.2f}" if isinstance(cell, float) else str(cell)
