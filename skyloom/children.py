"""How a process of ours starts another one."""

import sys
from collections.abc import Sequence


def python_command(module: str, words: Sequence[str] = ()) -> list[str]:
    """The command that runs a module as a program of its own, which finds modules where we do.

    `python -m` would look in the current folder first, where anybody's file may have the name of a
    module of ours, or of Python's own.
    """
    code = (
        f"import runpy, sys; sys.path[:] = {sys.path!r}; "
        f"runpy.run_module({module!r}, run_name='__main__', alter_sys=True)"
    )
    return [sys.executable, "-P", "-c", code, *words]
