"""The bodies of requests, in every form that clients send: multipart with bracket names, JSON, or a
plain form, read while they stream in and never beyond a limit.

A `Body` is nested plain values whose leaves are text or a `Part`, an uploaded file. The official
client sends multipart always; what it calls {"video": {"id": "v"}} arrives as a field `video[id]`.
"""

import asyncio
import hashlib
import json
import re
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qsl

from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request

from skyloom.serve.intake.uploads import Part
from skyloom.serve.problem import Problem, invalid, shown

LARGEST_TEXT = 2**20
"""Bytes of one field that is no file, and of a plain form."""
MOST_FIELDS, MOST_FILES = 200, 40
DEEPEST = 12
"""Levels of a nested value."""
IDLE_SECONDS = 60.0
"""A client that sends nothing for so long has gone."""

_NAME = re.compile(r"([^\[\]]{1,100})((?:\[[^\[\]]{0,100}\]){0,6})")
_FORBIDDEN = re.compile("[\x00\ud800-\udfff]")  # databases and encoders refuse them


@dataclass(frozen=True)
class Body:
    """What a request says.

    Attributes:
        values: by field; leaves are text, `Part`, and in JSON numbers, booleans and None.
        digest: the same for requests that say the same, however they are encoded.
    """

    values: dict[str, Any]
    digest: str

    def close(self) -> None:
        """Let go of the uploaded files."""
        for leaf in leaves(self.values):
            if isinstance(leaf, Part):
                leaf.file.close()


async def read_body(request: Request, largest: int) -> Body:
    """The body of a request.

    Args:
        largest: bytes that are read of it.

    Raises:
        Problem: it is too large, of an unknown kind, broken, or says what no text may hold.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    stream = _limited(request, largest)
    try:
        if kind == "multipart/form-data":
            values = await _multipart(request, stream)
        elif kind == "application/x-www-form-urlencoded":
            values = _form(await _joined(stream, LARGEST_TEXT))
        elif kind in ("application/json", ""):
            values = _json(await _joined(stream, largest))
        else:
            raise Problem(
                415,
                f"A body of type '{shown(kind)}' is not understood: send multipart/form-data or "
                "application/json.",
                code="unsupported_media_type",
            )
    except ClientDisconnect as error:
        raise Problem(400, "The connection ended before the request did.") from error
    body = Body(values, "")
    try:
        _check(values, 0)
        return replace(body, digest=digest_of(values))
    except BaseException:
        body.close()
        raise


def digest_of(value: Any) -> str:
    """sha256 of nested plain values and parts, in hexadecimal digits."""

    def plain(leaf: Any) -> Any:
        if isinstance(leaf, Part):
            return {"sha256": leaf.sha256}
        raise TypeError(type(leaf).__name__)

    said = json.dumps(value, sort_keys=True, default=plain)
    return hashlib.sha256(said.encode()).hexdigest()


# ------------------------------------------------------------------------------------ the encodings


async def _limited(request: Request, largest: int) -> AsyncIterator[bytes]:
    said = request.headers.get("content-length", "")
    if said.isdecimal() and len(said) < 19 and int(said) > largest:
        raise _too_large(largest)
    count, pieces = 0, aiter(request.stream())
    while True:
        try:
            piece = await asyncio.wait_for(anext(pieces), IDLE_SECONDS)
        except StopAsyncIteration:
            return
        except TimeoutError as error:
            raise Problem(
                408, f"Nothing came for {IDLE_SECONDS:g} s: send the request again."
            ) from error
        count += len(piece)
        if count > largest:
            raise _too_large(largest)
        yield piece


def _too_large(largest: int) -> Problem:
    return Problem(
        413,
        f"The request is larger than the {largest / 2**20:g} MiB that are taken at once.",
        code="request_too_large",
        headers={"connection": "close"},
    )


async def _joined(stream: AsyncIterator[bytes], largest: int) -> bytes:
    pieces, count = [], 0
    async for piece in stream:
        count += len(piece)
        if count > largest:
            raise _too_large(largest)
        pieces.append(piece)
    return b"".join(pieces)


def _json(text: bytes) -> dict[str, Any]:
    def refuse(word: str) -> None:
        raise ValueError(f"{word} is no JSON")

    if not text.strip():
        return {}
    try:
        values = json.loads(text, parse_constant=refuse)
    except (ValueError, RecursionError) as error:  # bad UTF-8 and numbers without end among them
        raise invalid("The body is not valid JSON.", code="invalid_json") from error
    if not isinstance(values, dict):
        raise invalid("The body is no JSON object: send {...}.", code="invalid_json")
    return values


def _form(text: bytes) -> dict[str, Any]:
    try:
        pairs = parse_qsl(
            text.decode(), keep_blank_values=True, errors="strict", max_num_fields=MOST_FIELDS
        )
    except ValueError as error:
        raise invalid("The form is not valid.", code="invalid_form") from error
    return nested(pairs)


async def _multipart(request: Request, stream: AsyncIterator[bytes]) -> dict[str, Any]:
    async def generator() -> AsyncGenerator[bytes, None]:
        async for piece in stream:
            yield piece

    parser = MultiPartParser(
        request.headers,
        generator(),
        max_files=MOST_FILES,
        max_fields=MOST_FIELDS,
        max_part_size=LARGEST_TEXT,
    )
    try:
        form = await parser.parse()
    except (MultiPartException, KeyError, ValueError) as error:
        raise invalid("The multipart form is not valid.", code="invalid_form") from error
    try:
        return nested([
            (name, _part(value) if isinstance(value, UploadFile) else value)
            for name, value in form.multi_items()
        ])  # fmt: skip
    except BaseException:
        await form.close()
        raise


def _part(upload: UploadFile) -> Part:
    digest, size = hashlib.sha256(), 0
    file: Any = upload.file
    assert not isinstance(file, tempfile.SpooledTemporaryFile) or not file.closed
    file.seek(0)
    while piece := file.read(2**20):
        digest.update(piece)
        size += len(piece)
    file.seek(0)
    return Part(file, size, digest.hexdigest())


# ------------------------------------------------------------------------------------ bracket names


def nested(pairs: "list[tuple[str, Any]]") -> dict[str, Any]:
    """Fields with names such as `a`, `a[b]`, `a[b][]` as nested mappings and lists.

    A name that comes twice is a list.

    Raises:
        Problem: a name cannot be read, or two of them contradict each other.
    """
    values: dict[str, Any] = {}
    for name, value in pairs:
        match = _NAME.fullmatch(name)
        if match is None:
            raise invalid(f"There cannot be a field '{shown(name)}'.", shown(name))
        path = [match[1], *re.findall(r"\[([^\[\]]*)\]", match[2])]
        try:
            _place(values, path, value)
        except TypeError as error:
            raise invalid(f"The field '{shown(name)}' contradicts another.", shown(name)) from error
    return values


def _place(values: dict[str, Any], path: list[str], value: Any) -> None:
    """Put a value where its path says; TypeError where something else is there."""
    place: Any = values
    for key, after in zip(path, [*path[1:], None], strict=True):
        if after is None:
            _put(place, key, value)
            return
        empty: Any = [] if after == "" else {}
        if isinstance(place, list):
            place.append(empty)
            place = place[-1]
            continue
        place = place.setdefault(key, empty)
        if type(place) is not type(empty):
            raise TypeError(key)


def _put(place: Any, key: str, value: Any) -> None:
    if isinstance(place, list):
        place.append(value)
    elif key not in place:
        place[key] = value
    elif isinstance(place[key], dict):
        raise TypeError(key)
    elif isinstance(place[key], list):
        place[key].append(value)
    else:
        place[key] = [place[key], value]


def leaves(value: Any) -> Iterator[Any]:
    """Everything in nested values that is neither a mapping nor a list."""
    if isinstance(value, Mapping):
        for item in value.values():
            yield from leaves(item)
    elif isinstance(value, list):
        for item in value:
            yield from leaves(item)
    else:
        yield value


def _check(value: Any, depth: int) -> None:
    if depth > DEEPEST:
        raise invalid("The body is nested too deeply.")
    if isinstance(value, str) and _FORBIDDEN.search(value):
        raise invalid("The body has characters that are no text.", code="invalid_text")
    if isinstance(value, dict):
        for key, item in value.items():
            _check(key, depth + 1)
            _check(item, depth + 1)
    elif isinstance(value, list):
        for item in value:
            _check(item, depth + 1)
