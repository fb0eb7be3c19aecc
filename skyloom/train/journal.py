"""A file of JSON lines that grows with a run and ends where its checkpoint does."""

import errno
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from skyloom.files import atomic_path
from skyloom.train.diskfull import disk_is_full

WALL_CLOCK = ("seconds", "steps_per_second", "waiting")
"""Keys of a row that tell of the machine: two runs that are alike differ in nothing else."""


class Journal:
    """Rows of figures, each with its `step`.

    A row that does not fit on the disk waits in memory, and goes in front of the next one.

    Args:
        file: where the rows go; None, in all processes but the first, keeps none.
    """

    def __init__(self, file: Path | None) -> None:
        self._file, self._waiting = file, b""

    def cut(self, step: int) -> None:
        """Drop the rows after `step`, and what a killed run wrote of its last one."""
        if self._file is None or not self._file.exists():
            return
        kept = []
        for line in self._file.read_bytes().splitlines(keepends=True):
            try:
                whole = line.endswith(b"\n") and json.loads(line)["step"] <= step
            except (ValueError, KeyError, TypeError):
                whole = False
            if not whole:
                break
            kept.append(line)
        if sum(map(len, kept)) < self._file.stat().st_size:
            with atomic_path(self._file) as temporary:
                temporary.write_bytes(b"".join(kept))

    def add(self, row: Mapping[str, Any]) -> None:
        """Append a row."""
        if self._file is None:
            return
        self._waiting += json.dumps(row).encode() + b"\n"
        with open(self._file, "ab", buffering=0) as handle:
            before = os.fstat(handle.fileno()).st_size
            try:
                written = handle.write(self._waiting)
                if written < len(self._waiting):  # the rest did not fit
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                self._waiting = b""
            except OSError as error:
                if not disk_is_full(error):
                    raise
                os.ftruncate(handle.fileno(), before)
