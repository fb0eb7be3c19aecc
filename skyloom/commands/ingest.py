"""The verbs `ingest` and `caption`: films to clips, and what they show."""

import argparse
from pathlib import Path

from skyloom.commands.parsing import Verbs, add_verb, positive


def add_verbs(verbs: Verbs) -> None:
    """Declare the verbs and their flags."""
    add = add_verb(
        verbs,
        "ingest",
        "cut a folder of films into clips to learn from, and drop what is no use",
        "skyloom ingest films/ -o dataset/\n"
        "skyloom ingest films/ -o dataset/ --recipe mine.toml shortest=2 side=256 --workers 8",
        run_ingest,
    ).add_argument
    add("films", type=Path, metavar="FILMS", help="a folder, and all that is below it")
    add("settings", nargs="*", metavar="KEY=VALUE",
        help="set over the recipe, as in still=0.01 or limits.memory=8")  # fmt: skip
    add("-o", "--out", type=Path, required=True, metavar="OUT",
        help="where the dataset goes; an interrupted run goes on")  # fmt: skip
    add("--recipe", type=Path, metavar="FILE", help="a TOML file of thresholds and limits")
    add("--workers", type=positive, metavar="N", help="processes (default: one for every core)")
    add("--ray", metavar="ADDRESS",
        help="a Ray cluster that sees the same folders, such as auto")  # fmt: skip

    add = add_verb(
        verbs,
        "caption",
        "write captions into a dataset",
        "skyloom caption dataset/ --from captions.csv\nskyloom caption dataset/",
        run_caption,
    ).add_argument
    add("dataset", type=Path, metavar="DATASET", help="a folder of clips")
    add("--from", type=Path, dest="source", metavar="FILE",
        help="a .csv with file and caption, a .jsonl, or a folder of .txt files "
        "(default: a .txt beside each clip)")  # fmt: skip


def run_ingest(args: argparse.Namespace) -> None:
    """Make the dataset and say what is in it."""
    from skyloom.config import load_toml
    from skyloom.ingest.recipe import IngestRecipe
    from skyloom.ingest.run import REPORT, ingest

    recipe = load_toml(IngestRecipe, args.recipe, args.settings)
    made = ingest(args.films, args.out, recipe, args.workers, args.ray)
    print(f"{args.out}: {made.clips} clips of {made.films} files")
    for reason, count in made.rejected.items():
        print(f"  not kept, {reason}: {count}")
    print(f"{args.out / REPORT} shows all of them, with reasons")


def run_caption(args: argparse.Namespace) -> None:
    """Write the captions and list what does not fit."""
    from skyloom.data.captions import caption

    made = caption(args.dataset, args.source)
    print(f"{args.dataset}: captions for {made.given} clips")
    for name in made.unknown:
        print(f"  no such clip: {name}")
    for name in made.without:
        print(f"  no caption: {name}")
