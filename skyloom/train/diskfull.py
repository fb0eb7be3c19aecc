"""Recognises a full disk, whoever says so."""

import errno
import os
import re

from safetensors import SafetensorError

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""What the system answers when nothing more fits: the disk, a quota, or a limit on files."""


def as_os_error(error: SafetensorError) -> Exception:
    """The error of the operating system in what safetensors says, else `error` itself.

    It says "code: 28", or "(os error 28)", by its version.
    """
    code = re.search(r"(?:code: |os error )(\d+)", str(error))
    return error if code is None else OSError(int(code[1]), os.strerror(int(code[1])))


def disk_is_full(error: BaseException | None) -> bool:
    """Whether an error, or what caused it, is that nothing more fits on the disk."""
    while error is not None:
        found = as_os_error(error) if isinstance(error, SafetensorError) else error
        if isinstance(found, OSError) and found.errno in FULL:
            return True
        error = error.__cause__
    return False
