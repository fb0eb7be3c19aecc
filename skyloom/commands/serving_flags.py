"""The flags that `serve` and `worker` share, declared once; a server hands them on to the worker
that it starts beside itself."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from skyloom.commands.parsing import positive, positive_number

DATA = Path("skyloom-data")
"""Where jobs and results lie when nobody says: in one folder that is plainly seen."""


def add_database(parser: argparse.ArgumentParser) -> argparse.Action:
    """Declare --database alone, for verbs that need nothing else."""
    return parser.add_argument("--database", metavar="URL",
        help="where jobs and keys are: sqlite:///FILE or postgresql://HOST/NAME "
             "(default: skyloom-data/jobs.sqlite)")  # fmt: skip


def add_flags(parser: argparse.ArgumentParser) -> Sequence[argparse.Action]:
    """Declare all of them."""
    add = parser.add_argument
    return [
        add_database(parser),
        add("--files", metavar="URL",
            help="where inputs and results are: a folder, or s3://BUCKET/... and what else fsspec "
                 "knows (default: skyloom-data/files)"),
        add("--model", type=Path, metavar="FOLDER", action="append", default=[],
            help="a model folder instead of the bundled model; may be given several times"),
        add("--concurrency", type=positive, default=4, metavar="N",
            help="jobs that a worker makes at once, the same on all workers of a database "
                 "(default: 4)"),
        add("--device", default="auto", help="of the worker: auto, cpu, cuda, cuda:1, ..."),
        add("--keep-hours", type=positive_number, default=168.0, metavar="H",
            help="how long finished jobs are kept (default: 168, a week)"),
        add("--policy", default="standard", metavar="NAME|FILE",
            help="what may be made and shown: strict, standard (default), off or a TOML file"),
        add("--drain", type=positive_number, default=10.0, metavar="S",
            help="seconds that running jobs have to end at SIGTERM; then others go on with them "
                 "(default: 10)"),
    ]  # fmt: skip


def handed_on(args: argparse.Namespace) -> list[str]:
    """What `args` say of these flags, as the words of a command line."""
    words = []
    for action in add_flags(argparse.ArgumentParser(add_help=False)):
        said = getattr(args, action.dest)
        for value in said if isinstance(said, list) else [said]:
            if value is not None:
                words.append(f"{action.option_strings[0]}={value}")
    return words


def database_of(args: argparse.Namespace) -> str:
    """The URL that was said, or that of a SQLite file, whose folder is made."""
    if args.database:
        return str(args.database)
    DATA.mkdir(parents=True, exist_ok=True)
    return f"sqlite:///{DATA / 'jobs.sqlite'}"


def files_of(args: argparse.Namespace) -> str:
    """The folder or store that was said, or the default one."""
    return args.files or str(DATA / "files")
