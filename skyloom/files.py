"""Files appear whole or not at all: written under a temporary name, then renamed."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from skyloom.errors import UserError


@contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary sibling of `path` to write to; rename it to `path` on success.

    On any failure, Ctrl-C among them, the temporary file is removed and `path` stays as it was.
    The sibling keeps the suffix, because encoders choose their container by it.
    """
    target = Path(path)
    temporary = target.with_name(f".{target.stem}.{os.getpid()}.part{target.suffix}")
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
    temporary = target.with_name(f".{target.name}.{os.getpid()}.part")
    replaced = target.with_name(f".{target.name}.{os.getpid()}.old")
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
        UserError: the folder does not exist, is not a folder, or refuses new files.
    """
    target = Path(path)
    folder = target.parent
    if target.is_dir():
        raise UserError(f"Cannot write '{target}': it is a folder, name a file in it.")
    if not folder.is_dir():
        raise UserError(f"Cannot write '{target}': the folder '{folder}' does not exist.")
    probe = folder / f".{target.stem}.{os.getpid()}.probe"
    try:
        probe.touch()
    except OSError as error:
        raise UserError(f"Cannot write '{target}': {error.strerror}.") from error
    finally:
        probe.unlink(missing_ok=True)
