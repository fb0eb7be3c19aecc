"""Files appear whole or not at all: written under a temporary name, then renamed."""

import os
import shutil
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from skyloom.errors import UserError

MOST = 120
"""Bytes of a temporary name: far from the 255 that most file systems take, and the 143 of some, for
what is written under one may get another in turn, or a manifest beside it."""


@contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary sibling of `path` to write to; rename it to `path` on success.

    On any failure, Ctrl-C among them, the temporary file is removed and `path` stays as it was.
    The sibling keeps the suffix, because encoders choose their container by it.
    """
    target = Path(path)
    suffix = target.suffix[:20]  # no encoder has one as long
    temporary = _hidden(target, "part", suffix)
    try:
        yield temporary
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def whole_folder(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary sibling folder to write into; it takes the place of `path` on success.

    On any failure, Ctrl-C among them, it is removed and `path` stays as it was.

    Raises:
        UserError: the folder cannot be made.
    """
    target = Path(path)
    temporary, replaced = _hidden(target, "part"), _hidden(target, "old")
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        temporary.mkdir(parents=True)
    except OSError as error:
        raise UserError(f"Cannot write '{target}': {error.strerror}.") from error
    try:
        yield temporary
        if target.exists():
            os.replace(target, replaced)  # a folder that is not empty is not replaced in one step
        os.replace(temporary, target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        shutil.rmtree(replaced, ignore_errors=True)


def check_writable(path: str | os.PathLike[str]) -> None:
    """Find out before hours of work whether `path` can be written at the end of them.

    Raises:
        UserError: the folder does not exist, is not a folder, or refuses new files, or the name is
            too long.
    """
    target = Path(path)
    try:
        _check_place(target)
        probe = _hidden(target, "probe")
        try:
            probe.touch()
        finally:
            probe.unlink(missing_ok=True)
    except OSError as error:
        raise UserError(f"Cannot write '{target}': {error.strerror}.") from error


def _check_place(target: Path) -> None:
    folder = target.parent
    if target.is_dir():  # OSError for a name that is too long, which the probe's is not
        raise UserError(f"Cannot write '{target}': it is a folder, name a file in it.")
    if not folder.is_dir():
        raise UserError(f"Cannot write '{target}': the folder '{folder}' does not exist.")


def _hidden(target: Path, mark: str, suffix: str = "") -> Path:
    """A sibling of `target` for this process alone; of a name that would be too long, the start
    and a checksum are kept."""
    stem, end = target.name.removesuffix(suffix), f".{os.getpid()}.{mark}{suffix}"
    name = f".{stem}{end}"
    if len(os.fsencode(name)) > MOST:
        end = f".{zlib.crc32(os.fsencode(target.name)):08x}{end}"
        start = os.fsencode(stem)[: MOST - 1 - len(os.fsencode(end))]
        name = f".{start.decode(errors='ignore')}{end}"
    return target.with_name(name)
