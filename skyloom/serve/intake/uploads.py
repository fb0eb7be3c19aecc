"""Files that clients send: typed by their content, decoded once in a child process, and kept under
names of our own."""

import queue
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

from skyloom.ingest.guard import Guard
from skyloom.ingest.recipe import Limits
from skyloom.ingest.stages import Rejected
from skyloom.serve.problem import Problem, invalid
from skyloom.serve.store.files import Files, Readable

_SUFFIXES = {
    b"RIFF": ".avi",
    b"GIF8": ".gif",
    b"\x1aE\xdf\xa3": ".webm",
}
_INTERNAL = re.compile(r"\w+ at \S+:\d+: ")  # a decoder's own error, of no use to a client


@runtime_checkable
class Spooled(Readable, Protocol):
    """A file that may be read again from its start: an upload, or bytes in memory."""

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Go to a place in it."""

    def close(self) -> None:
        """Let go of it."""


@dataclass(frozen=True)
class Part:
    """An uploaded file, spooled to the disk where it is large; its name is not even kept."""

    file: Spooled
    size: int
    sha256: str


@dataclass(frozen=True)
class UploadLimits:
    """What one upload may be, and what looking at it may cost.

    Attributes:
        pixels: of a frame.
        frames: of a clip.
        memory: GiB of address space of the process that decodes it.
        seconds: of wall time for all of it.
        stall: of wall time without one more frame.
        children: uploads that are looked at at the same time.
    """

    pixels: int = 4096 * 4096
    frames: int = 20_000
    memory: float = 3.0
    seconds: float = 120.0
    stall: float = 20.0
    children: int = 2


@dataclass(frozen=True)
class Stored:
    """A file that was taken.

    Attributes:
        key: in the store; "uploads/..." and a suffix by its content.
        kind: whether it moves.
        size: bytes that are kept.
    """

    key: str
    kind: Literal["picture", "clip"]
    size: int


class Uploads:
    """Takes files into the store; safe to use from many threads. Close it at the end."""

    def __init__(self, files: Files, limits: UploadLimits) -> None:
        self._files, self._limits = files, limits
        under = Limits(memory=limits.memory, seconds=limits.seconds, stall=limits.stall)
        module = "skyloom.serve.intake.inspection"
        self._guards = [Guard(under, module) for _ in range(limits.children)]
        self._idle: queue.SimpleQueue[Guard] = queue.SimpleQueue()
        for guard in self._guards:
            self._idle.put(guard)

    def take(self, file: Spooled, param: str, kind: str = "uploads") -> Stored:
        """Look at a file and keep it.

        Args:
            param: the field that it came in, for the error.
            kind: first part of the key, see `Files.put`.

        Raises:
            Problem: 400, it is nothing that can be used; the message says why.
        """
        file.seek(0)
        start = file.read(16)
        if not start:
            raise invalid(f"The file in '{param}' is empty.", param, "invalid_file")
        file.seek(0)
        suffix = next((s for begin, s in _SUFFIXES.items() if start.startswith(begin)), ".mp4")
        with self._files.temporary(suffix) as path:
            with path.open("wb") as copy:
                shutil.copyfileobj(file, copy, 2**20)
            picture = path.with_name("picture.png")
            found = self._inspected(path, picture, param)
            whole = picture if found["kind"] == "picture" else path
            size = whole.stat().st_size
            key = self._files.put(whole, kind, whole.suffix)
        return Stored(key, found["kind"], size)

    def _inspected(self, path: Path, picture: Path, param: str) -> dict[str, Any]:
        limits = self._limits
        job = {
            "path": str(path),
            "picture": str(picture),
            "pixels": limits.pixels,
            "frames": limits.frames,
        }
        with self._guard() as guard:
            try:
                return guard.call("inspect", job)
            except Rejected as error:
                why = "it cannot be read" if _INTERNAL.match(str(error)) else str(error)
                raise Problem(
                    400, f"The file in '{param}' cannot be used: {why}.", param, "invalid_file"
                ) from error

    @contextmanager
    def _guard(self) -> Iterator[Guard]:
        guard = self._idle.get()
        try:
            yield guard
        finally:
            self._idle.put(guard)

    def close(self) -> None:
        """Kill the children."""
        for guard in self._guards:
            guard.close()
