"""Errors meant for a person: one sentence that says what is wrong and what would work."""

import re

_STEERING = re.compile(
    "[\x00-\x1f\x7f-\x9f"  # begin a new line, colour, erase
    "\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069"  # new lines, and turns of the direction
    "\ud800-\udfff]"  # bytes of a name that is not UTF-8
)


class UserError(Exception):
    """Something the user asked for cannot be done as asked.

    The message is one sentence that names the thing, its value and what would work.
    The command line prints it alone, without a traceback, and exits with code 2.
    """


def shown(text: str) -> str:
    """A line as a terminal may have it: what would steer the terminal, or forge another line, is
    written out, for a file may have any name."""
    return _STEERING.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)
