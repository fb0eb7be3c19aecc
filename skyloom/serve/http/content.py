"""A stored file over HTTP, whole or a range of it, from a folder or any other store alike."""

import re
from collections.abc import Iterator

from fastapi import Request, Response
from fastapi.responses import StreamingResponse

from skyloom.serve.problem import Problem
from skyloom.serve.store.files import Files, Opened

_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")
_BLOCK = 2**18


def respond(request: Request, files: Files, key: str, media_type: str, name: str) -> Response:
    """The file of a key, or the one range of it that is asked for.

    Args:
        name: that a browser gives to it when it is saved.

    Raises:
        FileNotFoundError: there is none; it was deleted a moment ago.
        Problem: 416, the range lies beyond its end.
    """
    size = files.size(key)
    tag = f'"{name}"' if "preview" not in name else f'"{name}-{size}"'
    headers = {
        "accept-ranges": "bytes",
        "content-disposition": f'inline; filename="{name}"',
        "cache-control": "private, no-cache",
        "etag": tag,
    }
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    span = _span(request.headers.get("range"), size)
    start, stop = span or (0, size)
    headers["content-length"] = str(stop - start)
    if span is not None:
        headers["content-range"] = f"bytes {start}-{stop - 1}/{size}"
    file = files.open(key)
    return StreamingResponse(
        _blocks(file, start, stop),
        status_code=206 if span is not None else 200,
        headers=headers,
        media_type=media_type,
    )


def _span(said: str | None, size: int) -> tuple[int, int] | None:
    """First byte and the one after the last; None is all of it, as for what is not understood."""
    match = _RANGE.fullmatch(said.strip()) if said else None
    if match is None or match[1] == match[2] == "":
        return None
    if match[1] == "":
        start, stop = max(0, size - int(match[2])), size
    else:
        start = int(match[1])
        stop = min(size, int(match[2]) + 1) if match[2] else size
        if match[2] and int(match[2]) < start:
            return None
    if start >= stop:
        raise Problem(
            416,
            f"The file has {size} bytes: there are none from {start} on.",
            code="range_not_satisfiable",
            headers={"content-range": f"bytes */{size}"},
        )
    return start, stop


def _blocks(file: Opened, start: int, stop: int) -> Iterator[bytes]:
    with file:
        file.seek(start)
        left = stop - start
        while left > 0 and (piece := file.read(min(_BLOCK, left))):
            left -= len(piece)
            yield piece
