"""What verbs share: a parser that complains in one sentence, and the types of its values."""

import argparse
from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

from skyloom.errors import UserError

T = TypeVar("T")


class Parser(argparse.ArgumentParser):
    """argparse with examples as they were written, and a `UserError` for every complaint.

    A verb takes its words and its flags in any order, which argparse keeps behind a door of its
    own: without it, `train transformer RECIPE --minutes 30 out=first` would not be understood.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # argparse's own signature
        ours: dict[str, Any] = {
            "formatter_class": argparse.RawDescriptionHelpFormatter,
            "allow_abbrev": False,
        }
        super().__init__(*args, **(ours | kwargs))
        self._any_order = True

    def add_subparsers(self, **kwargs: Any) -> Any:
        """A parser that has verbs below it reads in order, and they do not."""
        self._any_order = False
        return super().add_subparsers(**kwargs)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Read words and flags in any order."""
        if not self._any_order:
            return super().parse_known_args(args, namespace)
        self._any_order = False  # the call below comes back to this one
        try:
            namespace, unknown = self.parse_known_intermixed_args(args, namespace)
        finally:
            self._any_order = True
        if unknown:
            self.error(f"there is nothing called '{unknown[0]}' here")
        return namespace, unknown

    def error(self, message: str) -> NoReturn:
        """Raise instead of printing the usage and leaving."""
        raise UserError(f"{message.rstrip('.')}; '{self.prog} --help' shows what works.")


Verbs = Any
"""What `add_subparsers` returns; argparse keeps its type private."""


def add_verb(
    verbs: Verbs, name: str, summary: str, examples: str, run: Callable[[argparse.Namespace], None]
) -> Parser:
    """A verb's parser; `examples` are whole command lines, one a line."""
    lines = "\n".join(f"  {line}" for line in examples.strip().splitlines())
    title = "examples" if "\n" in lines else "example"
    parser = verbs.add_parser(
        name,
        help=summary,
        description=f"{summary[0].upper()}{summary[1:]}.",
        epilog=f"{title}:\n{lines}",
    )
    parser.set_defaults(run=run)
    return parser


def size(text: str) -> tuple[int, int]:
    """ "128x96" as (width, height)."""
    width, separator, height = text.lower().partition("x")
    if not (separator and width.isdecimal() and height.isdecimal() and int(width) * int(height)):
        raise argparse.ArgumentTypeError(f"'{text}' is no size: write WIDTHxHEIGHT, as in 128x96")
    return int(width), int(height)


def several(kind: Callable[[str], T]) -> Callable[[str], tuple[T, ...]]:
    """Values of `kind` with commas between them."""

    def parse(text: str) -> tuple[T, ...]:
        return tuple(kind(part.strip()) for part in text.split(","))

    parse.__name__ = f"list of {kind.__name__}"  # argparse names the type in its complaint
    return parse


def positive(text: str) -> int:
    """A whole number above 0."""
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"'{text}' is no count: write 1 or more")
    return int(text)


def positive_number(text: str) -> float:
    """A number above 0."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"'{text}' is no number above 0")
    return value
