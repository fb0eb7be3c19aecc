"""The verb `runs`: what each run did."""

import argparse
import time
from pathlib import Path

from skyloom.commands.parsing import Verbs, add_verb
from skyloom.errors import UserError


def add_verbs(verbs: Verbs) -> None:
    """Declare the verb and its flags."""
    add = add_verb(
        verbs,
        "runs",
        "list training runs, or write one as an HTML page with curves and samples",
        "skyloom runs\nskyloom runs tiny_transformer -o tiny.html",
        run,
    ).add_argument
    add("name", nargs="?", metavar="NAME", help="of a run; without one, a table of all")
    add("--folder", type=Path, default=Path("out"), metavar="FOLDER",
        help="where the runs are (default: out)")  # fmt: skip
    add("-o", "--out", type=Path, metavar="FILE.html", help="(default: NAME.html)")


def run(args: argparse.Namespace) -> None:
    """Print the table, or write the page."""
    from skyloom.bench.table import Cell, format_table
    from skyloom.runlog.page import write_page
    from skyloom.runlog.read import find_runs

    found = find_runs(args.folder)
    if args.name is None:
        if args.out is not None:
            raise UserError("-o writes the page of a run: name one.")
        rows: list[list[Cell]] = []
        for each in found:
            last = each.metrics[-1] if each.metrics else {"step": 0}
            held = each.held_out
            rows.append([
                each.name, each.kind, f"{last['step']:,}", last.get("loss"),
                f"{held[1]:.3f} {held[0]}" if held else None, last.get("seconds", 0) / 3600,
                time.strftime("%m-%d %H:%M", time.localtime(each.seen)), each.state,
            ])  # fmt: skip
        columns = ["run", "kind", "step", "loss", "held out", "hours", "last seen", "health"]
        print(format_table(f"runs in {args.folder}", columns, rows))
        return
    named = [each for each in found if each.name == args.name]
    if not named:
        import difflib

        (nearest,) = difflib.get_close_matches(args.name, [r.name for r in found], 1, 0.0)
        raise UserError(
            f"There is no run '{args.name}' in '{args.folder}': the nearest is '{nearest}'."
        )
    out = args.out or Path(f"{args.name}.html")
    if out.suffix != ".html":
        raise UserError(f"'{out}' is to be a page: name a .html file.")
    write_page(named[0], out)
    print(f"{out}: {len(named[0].metrics)} lines of figures")
