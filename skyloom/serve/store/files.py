"""Where results lie: a folder, or any other store that fsspec speaks to (s3://, gs://, sftp://).

Keys are made here and never by a client: "uploads/9f..c2.mp4", "jobs/video_.../3/video.mp4". What
has a key is whole: on a file system it is written beside its place and renamed, an object store
shows nothing before its end.
"""

import os
import re
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from skyloom.errors import UserError
from skyloom.extras import need

KEY = re.compile(r"[a-z]+(?:/[A-Za-z0-9_-][A-Za-z0-9_.-]*)+")
_RENAMING = ("file", "local", "sftp", "ssh", "smb")  # what has files that are seen half-written
_BLOCK = 1 << 20


@runtime_checkable
class Readable(Protocol):
    """Bytes from the outside: an upload, an open file."""

    def read(self, size: int = -1, /) -> bytes:
        """The next bytes, at most so many."""


@runtime_checkable
class Opened(Readable, Protocol):
    """A file of a store, open for reading; whatever class its driver has."""

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Go to a place in it."""

    def close(self) -> None:
        """Let go of it."""

    def __enter__(self) -> "Opened":
        """Itself."""

    def __exit__(self, *error: object) -> bool | None:
        """Close it."""


class Files:
    """A store of whole files under opaque keys; safe to use from many threads.

    Args:
        url: a folder, or the URL of one: "jobs", "file:///data", "s3://bucket/videos".

    Raises:
        UserError: there is no such kind of store, its package is missing, or the folder cannot be
            made.
    """

    def __init__(self, url: str | Path) -> None:
        fsspec = need("fsspec", extra="serve")
        text = str(url)
        self.url = text if "://" in text else Path(text).absolute().as_uri()
        try:
            self._fs, root = fsspec.core.url_to_fs(self.url)
            self._root = root.rstrip("/")
            protocol = self._fs.protocol
            self._kinds = (protocol,) if isinstance(protocol, str) else tuple(protocol)
            if self._renames:
                self._fs.makedirs(self._root, exist_ok=True)
        except (ImportError, ValueError, OSError) as error:
            raise UserError(f"Files cannot be kept at '{url}': {error}.") from error

    @property
    def _renames(self) -> bool:
        return any(kind in _RENAMING for kind in self._kinds)

    @property
    def _local(self) -> bool:
        return "file" in self._kinds

    def path(self, key: str) -> Path | None:
        """The file of a key where the store is a folder of this machine, else None."""
        return Path(self._place(key)) if self._local else None

    def put(self, source: bytes | Path | Readable, kind: str = "uploads", suffix: str = "") -> str:
        """Keep a file under a new key that nobody can guess.

        Args:
            kind: first part of the key. What lies in "uploads" and belongs to no job is deleted
                after a day; other kinds ("characters") belong to whoever put them.
            suffix: as in ".mp4".
        """
        key = f"{kind}/{secrets.token_urlsafe(24)}{suffix}"
        if isinstance(source, Path):
            self.publish(source, key)
            return key
        with self.temporary(suffix) as path:
            with open(path, "wb") as file:
                if isinstance(source, bytes):
                    file.write(source)
                else:
                    shutil.copyfileobj(source, file, _BLOCK)
            self.publish(path, key)
        return key

    def publish(self, local: Path, key: str) -> None:
        """Copy a local file to a key: all of it, or nothing is seen; what was there is replaced."""
        place = self._place(key)
        if not self._renames:
            self._fs.put_file(str(local), place)
            return
        beside = f"{place.rpartition('/')[0]}/.{secrets.token_hex(8)}.part"
        self._fs.makedirs(place.rpartition("/")[0], exist_ok=True)
        try:
            self._fs.put_file(str(local), beside)
            if self._local:
                _settle(beside)
                os.replace(beside, place)
            else:
                self._fs.mv(beside, place)
        except BaseException:
            self._delete_place(beside)
            raise

    def copy(self, key: str, kind: str = "uploads") -> str:
        """A second file with the same bytes under a new key, which lives on its own."""
        with self.local(key) as path:
            return self.put(path, kind, Path(key).suffix)

    def open(self, key: str) -> Opened:
        """The bytes of a key, to read from any place in them.

        Raises:
            FileNotFoundError: there is none.
        """
        opened: Opened = self._fs.open(self._place(key), "rb")
        return opened

    @contextmanager
    def local(self, key: str) -> Iterator[Path]:
        """A file of this machine with the bytes of a key, while the context lasts.

        Raises:
            FileNotFoundError: there is none.
        """
        there = self.path(key)
        if there is not None:
            if not there.is_file():
                raise FileNotFoundError(key)
            yield there
            return
        with self.temporary(Path(key).suffix) as path:
            self._fs.get_file(self._place(key), str(path))
            yield path

    @contextmanager
    def temporary(self, suffix: str = "") -> Iterator[Path]:
        """A path of this machine for a file in the making; it is deleted at the end."""
        with tempfile.TemporaryDirectory(prefix="skyloom-") as folder:
            yield Path(folder) / f"file{suffix}"

    def exists(self, key: str) -> bool:
        """Whether there is a file under the key."""
        return bool(self._fs.isfile(self._place(key)))

    def size(self, key: str) -> int:
        """Bytes of a key.

        Raises:
            FileNotFoundError: there is none.
        """
        return int(self._fs.size(self._place(key)))

    def delete(self, key: str) -> None:
        """Delete a file; it is no error if there is none."""
        self._delete_place(self._place(key))

    def keys(self, folder: str) -> list[str]:
        """All keys below a folder of them ("uploads", "jobs/video_..."), in order."""
        return sorted(key for key, _ in self.listed(folder))

    def listed(self, folder: str) -> Iterator[tuple[str, float]]:
        """All keys below a folder, with the Unix time at which each was written, 0 if unknown."""
        self._fs.invalidate_cache()
        try:
            found = self._fs.find(f"{self._root}/{folder}", detail=True)
        except FileNotFoundError:
            return
        for place, facts in found.items():
            key = place.removeprefix(f"{self._root}/")
            if KEY.fullmatch(key):
                yield key, _written(facts)

    def delete_all(self, folder: str) -> None:
        """Delete everything below a folder of keys, half-written files too."""
        place = self._place(f"{folder}/x").rpartition("/")[0]
        try:
            self._fs.rm(place, recursive=True)
        except FileNotFoundError:
            return

    def _place(self, key: str) -> str:
        if not KEY.fullmatch(key):
            raise ValueError(f"'{key}' is no key")
        return f"{self._root}/{key}"

    def _delete_place(self, place: str) -> None:
        try:
            self._fs.rm_file(place)
        except FileNotFoundError:
            return


def _settle(path: str) -> None:
    """See that a file is on the disk before its name says so: a power cut would leave it empty."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _written(facts: dict[str, Any]) -> float:
    """When a file was written, in whatever way its store says so."""
    for name in ("mtime", "LastModified", "last_modified", "updated", "created"):
        value = facts.get(name)
        if isinstance(value, int | float):
            return float(value)
        if isinstance(value, datetime):
            return value.timestamp()
    return 0.0
