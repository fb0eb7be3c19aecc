"""The pictures and clips of one request: a part of the form, a data: URL, a finished video of the
same owner, or a URL of the operator's list (skyloom/serve/intake/fetching.py)."""

import base64
import binascii
import io
import re
from collections.abc import Mapping
from typing import Any, Literal
from urllib.parse import unquote_to_bytes

from skyloom.serve.access.keys import Key
from skyloom.serve.intake.fetching import Fetcher
from skyloom.serve.intake.uploads import Part, Stored, Uploads
from skyloom.serve.job import VIDEO, Job
from skyloom.serve.jobs import Jobs, suffix_of
from skyloom.serve.problem import invalid, missing

_DATA = re.compile(r"data:[^,;]{0,100}(?:;[^,;]{0,100}){0,5}?(;base64)?,", re.IGNORECASE)


class Inputs:
    """Takes the files of a request into the store; `discard` deletes them all again."""

    def __init__(self, uploads: Uploads, fetcher: Fetcher, jobs: Jobs, key: Key) -> None:
        self._uploads, self._fetcher, self._jobs, self._key = uploads, fetcher, jobs, key
        self._taken: list[Stored] = []

    def take(self, value: Any, param: str, kind: str = "uploads") -> Stored:
        """Keep one input.

        Args:
            value: what the request says of it.
            param: the field, for errors.

        Raises:
            Problem: it is nothing that can be used; 404 where it names a video that is not there.
        """
        stored = self._take(value, param, kind)
        self._taken.append(stored)
        return stored

    def _take(self, value: Any, param: str, kind: str) -> Stored:
        match value:
            case Part(file=file):
                return self._uploads.take(file, param, kind)
            case {"id": str(id), **rest} if not rest:
                return self._borrowed(id, param, kind)
            case {"image_url": {"url": str(url)}} | {"image_url": str(url)} | {"url": str(url)}:
                return self._behind(url, param, kind)
            case {"file_id": _}:
                raise invalid(
                    f"'{param}' names a file of an API that is not here: send the file itself.",
                    param,
                )
            case str() if value[:5].lower() == "data:" or "://" in value[:20]:
                return self._behind(value, param, kind)
        raise invalid(
            f"'{param}' is no input: send a file, a data: URL or "
            '{"id": "..."} of a finished video.',
            param,
        )

    def _behind(self, url: str, param: str, kind: str) -> Stored:
        if url[:5].lower() == "data:":
            return self._uploads.take(io.BytesIO(data_of(url, param)), param, kind)
        with self._fetcher.fetched(url, param, self._key.limits.largest_body) as file:
            return self._uploads.take(file, param, kind)

    def _borrowed(self, id: str, param: str, kind: str) -> Stored:
        job = self._jobs.get(id, self._key.name)
        if job is None:
            raise missing("video", id)
        check_finished(job, param)
        key = self._jobs.files.copy(job.outputs[VIDEO], kind)
        picture = suffix_of(job) in (".png", ".jpg", ".webp")
        return Stored(key, "picture" if picture else "clip", self._jobs.files.size(key))

    def copy(self, key: str, kind: Literal["picture", "clip"] = "clip") -> Stored:
        """Keep a file of the store once more, for the job that will own it."""
        copied = self._jobs.files.copy(key)
        stored = Stored(copied, kind, self._jobs.files.size(copied))
        self._taken.append(stored)
        return stored

    def discard(self) -> None:
        """Delete what was taken: nothing will come of the request."""
        for stored in self._taken:
            self._jobs.files.delete(stored.key)


def check_finished(job: Job, param: str | None = None) -> None:
    """See that there is a result to start from.

    Raises:
        Problem: 400, there is none, or not yet.
    """
    if job.status == "completed" and VIDEO in job.outputs:
        return
    why = "failed" if job.status == "failed" else "is not finished: wait until it is"
    raise invalid(f"The video '{job.id}' {why}.", param, "video_not_ready")


def data_of(url: str, param: str) -> bytes:
    """The bytes in a data: URL.

    Raises:
        Problem: it is broken, or holds no proper base64.
    """
    start = _DATA.match(url)
    if start is None:
        raise invalid(f"The data: URL of '{param}' is broken.", param, "invalid_file")
    rest = url[start.end() :]
    if not start[1]:
        return unquote_to_bytes(rest)
    try:
        return base64.b64decode(rest.encode("ascii"), validate=True)
    except (binascii.Error, ValueError) as error:
        raise invalid(f"The data: URL of '{param}' is no base64.", param, "invalid_file") from error


def parts_of(values: Mapping[str, Any]) -> dict[str, Part]:
    """The fields that are files."""
    return {name: value for name, value in values.items() if isinstance(value, Part)}
