"""The command line: flags in, verbs called, and one sentence when something cannot be done."""

import argparse
import errno
import io
import os
import sys
from collections.abc import Sequence

from skyloom import __version__
from skyloom.commands import (
    bench,
    edit,
    generate,
    ingest,
    plan,
    runs,
    serve,
    storyboard,
    train,
    trust,
    verify,
    worker,
    world,
)
from skyloom.commands.parsing import Parser
from skyloom.errors import UserError, shown

EXIT_USER_ERROR = 2
EXIT_INTERRUPTED = 130  # 128 + SIGINT, as shells count
EXIT_BROKEN_PIPE = 141  # 128 + SIGPIPE

# What a disk may answer in the middle of the work: it is full, or has become read-only.
UNWRITABLE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
# What it may answer to reading as well.
REFUSED = (errno.EACCES, errno.ENAMETOOLONG)


def parser() -> argparse.ArgumentParser:
    """Every verb with its flags. Nothing heavy is imported before a verb runs."""
    top = Parser(
        prog="skyloom",
        description="An open Sora: makes videos from words, and learns how from videos.",
        epilog='example:\n  skyloom generate "a red ball rolls across the snow" -o ball.mp4',
    )
    top.add_argument("--version", action="version", version=f"skyloom {__version__}")
    verbs = top.add_subparsers(dest="verb", metavar="VERB", required=True)
    making, serving = (generate, edit, storyboard), (serve, worker)
    for room in (*making, verify, trust, world, ingest, plan, train, runs, bench, *serving):
        room.add_verbs(verbs)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code: 0, or 2 for what cannot be done as asked."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a notebook's is none
            stream.reconfigure(errors="backslashreplace")  # a name may have any letters
    try:
        args = parser().parse_args(argv)
        args.run(args)
        sys.stdout.flush()
    except UserError as error:
        return _refused(str(error))
    except KeyboardInterrupt:
        print("skyloom: interrupted.", file=sys.stderr)
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has left. Python would complain once more at its exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_BROKEN_PIPE
    except OSError as error:
        if error.errno not in UNWRITABLE + REFUSED:
            raise
        what = "write" if error.errno in UNWRITABLE else "read or write"
        named = f" '{error.filename}'" if error.filename else ""
        return _refused(f"Cannot {what}{named}: {error.strerror}.")
    return 0


def _refused(sentence: str) -> int:
    print(f"skyloom: {shown(sentence)}", file=sys.stderr)
    return EXIT_USER_ERROR


if __name__ == "__main__":
    sys.exit(main())
