"""The verb `runs`: what each run did."""

import argparse
import datetime
from pathlib import Path

from skyloom.commands.parsing import Verbs, add_verb
from skyloom.errors import UserError
from skyloom.files import atomic_path, check_writable

PAGE = "run.html"
"""The page's name in the folder of its run, unless told otherwise."""


def add_verbs(verbs: Verbs) -> None:
    """Declare the verb and its flags."""
    add = add_verb(
        verbs,
        "runs",
        "a table of all runs, or one run's curves and samples as a page",
        "skyloom runs\nskyloom runs first --folder out -o first.html",
        run,
    ).add_argument
    add("name", nargs="?", metavar="NAME", help="of a run: writes its page instead of the table")
    add("--folder", type=Path, default=Path("out"), metavar="FOLDER",
        help="where the runs are (default: out)")  # fmt: skip
    add("-o", "--out", type=Path, metavar="FILE.html",
        help=f"the page (default: {PAGE} in the run's folder)")  # fmt: skip


def run(args: argparse.Namespace) -> None:
    """Print the table, or write the page."""
    if args.name is None:
        if args.out is not None:
            raise UserError(f"'{args.out}' would be the page of one run: name the run as well.")
        print(table(args.folder))
        return
    from skyloom.runlog.page import page
    from skyloom.runlog.reading import named_run

    found = named_run(args.folder, args.name)
    target = args.out or found.folder / PAGE
    check_writable(target)
    text = page(found)
    with atomic_path(target) as temporary:
        temporary.write_text(text, encoding="utf-8")
    print(target)


def table(folder: Path) -> str:
    """All runs below a folder, the one that changed last first."""
    from skyloom.bench.table import Cell, format_table
    from skyloom.runlog.curves import short
    from skyloom.runlog.reading import find_runs

    rows: list[list[Cell]] = []
    for each in find_runs(folder):
        seen = datetime.datetime.fromtimestamp(each.seen).astimezone()
        loss, held_out = (
            None if value is None else short(value) for value in (each.loss, each.held_out_loss)
        )
        rows.append(
            [each.name, each.kind, f"{each.step:,}", loss, held_out, each.hours,
             f"{seen:%Y-%m-%d %H:%M}"]
        )  # fmt: skip
    if not rows:
        raise UserError(f"There are no runs in '{folder}': --folder FOLDER names another one.")
    columns = ["run", "trains", "step", "loss", "held-out loss", "hours", "last seen"]
    return format_table("runs", columns, rows)
