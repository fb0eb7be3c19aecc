"""The folder of a run: one run at a time writes to it, and goes on only as it was begun."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from skyloom.errors import UserError

FREE = (
    "out",
    "device",
    "loop.save_minutes",
    "loop.save_every",
    "loop.unsaved_minutes",
    "loop.log_every",
    "loop.evaluate_minutes",
    "loop.evaluate_every",
    "loop.tensorboard",
    "parallel",
    "samples",
)
"""Settings that change nothing of what a run learns: they may differ when it goes on."""


@contextmanager
def only_run(folder: Path) -> Iterator[None]:
    """Hold the folder against a second run; the kernel lets go of it when the process dies.

    Raises:
        UserError: the folder cannot be made or written to, or another run is writing to it.
    """
    import fcntl

    try:
        folder.mkdir(parents=True, exist_ok=True)
        # Not truncated before it is ours: it says who has it.
        handle = open(folder / ".lock", "a+")  # noqa: SIM115 - it is held as long as it is open
    except OSError as error:
        raise UserError(f"Cannot make the folder '{folder}': {error.strerror}.") from error
    with handle:
        try:
            fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            handle.seek(0)
            raise UserError(
                f"Another run, process {handle.read().strip() or 'unknown'}, is writing to "
                f"'{folder}': wait for its end, or name another folder with out=FOLDER."
            ) from error
        try:
            handle.truncate(0)
            os.write(handle.fileno(), f"{os.getpid()}\n".encode())
        except OSError as error:
            raise UserError(f"Cannot write to the folder '{folder}': {error.strerror}.") from error
        yield


def changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What differs between two recipes, "key: old -> new" each.

    A key that only one of them has is of another version of skyloom and no change of the user's.
    """
    old, new = dict(_flat(before)), dict(_flat(now))
    return [
        f"{key}: {old[key]!r} -> {value!r}"
        for key, value in new.items()
        if key in old and old[key] != value and not _free(key)
    ]


def check_unchanged(before: Mapping[str, Any], now: Mapping[str, Any], folder: Path) -> None:
    """See that a run goes on by the recipe that it was begun with.

    Raises:
        UserError: it does not; the message shows the difference.
    """
    if found := changes(before, now):
        raise UserError(
            f"The recipe is not the one that the run in '{folder}' was begun with "
            f"({'; '.join(found)}): undo that, go on all the same with --allow-changes, or name "
            "another folder with out=FOLDER."
        )


def _free(key: str) -> bool:
    return any(key == free or key.startswith(f"{free}.") for free in FREE)


def _flat(values: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{path}{key}.")
        else:  # JSON has no tuples
            yield f"{path}{key}", _listed(value)


def _listed(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_listed(each) for each in value]
    if isinstance(value, Mapping):
        return {key: _listed(each) for key, each in value.items()}
    return value
