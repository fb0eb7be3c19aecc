"""Errors meant for a person: one sentence that says what is wrong and what would work."""


class UserError(Exception):
    """Something the user asked for cannot be done as asked.

    The message is one sentence that names the thing, its value and what would work.
    The command line prints it alone, without a traceback, and exits with code 2.
    """
