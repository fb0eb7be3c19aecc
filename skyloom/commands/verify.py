"""The verb `verify`: where a file comes from, as far as it can be told."""

import argparse
import json
from pathlib import Path

from skyloom.commands.parsing import Verbs, add_verb
from skyloom.errors import shown


def add_verbs(verbs: Verbs) -> None:
    """Declare the verb and its flags."""
    add = add_verb(
        verbs,
        "verify",
        "say where a video or picture comes from",
        "skyloom verify clip.mp4\nskyloom verify clip.mp4 --json",
        run,
    ).add_argument
    add("file", type=Path, metavar="FILE", help="a video or a picture, made by whomever")
    add("--json", action="store_true", help="all that is known, for programs")
    add("--key", type=Path, metavar="FILE", help="look for the watermark of this key instead of "
        "one's own: a file of 64 hexadecimal digits")  # fmt: skip


def run(args: argparse.Namespace) -> None:
    """Look at the file and say what was found."""
    from skyloom.trust.verify import read_key, verify

    if args.key is None:
        report = verify(args.file)
    else:
        report = verify(args.file, read_key(args.key), f"the key in '{args.key}'")
    if args.json:
        print(json.dumps(report.as_json(), indent=2))
    else:
        print("\n".join([shown(f"{args.file}:"), *report.sentences()]))
