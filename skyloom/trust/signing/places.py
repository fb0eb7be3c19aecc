"""Where the manifest of a file is: inside, where its format has a place, or in a file beside it."""

from pathlib import Path

SIDECAR = ".c2pa"
"""What the name of a manifest that lies beside its file ends with."""

EMBEDDED = {
    ".mp4": "video/mp4",
    ".m4v": "video/mp4",
    ".mov": "video/quicktime",
    ".avi": "video/avi",
    ".gif": "image/gif",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".webp": "image/webp",
}
"""Formats that have a place for a manifest."""

BESIDE = {".webm": "video/webm"}
"""Names of formats that have none."""

UNKNOWN = "application/octet-stream"
"""The kind of all other files."""

_MAGIC: tuple[tuple[int, bytes, str], ...] = (
    (4, b"ftyp", "video/mp4"),
    (0, b"\x89PNG\r\n\x1a\n", "image/png"),
    (0, b"\xff\xd8\xff", "image/jpeg"),
    (0, b"GIF8", "image/gif"),
    (8, b"WEBP", "image/webp"),
    (8, b"AVI ", "video/avi"),
)
"""(place, bytes there, kind of file); what a file is called does not count."""


def sidecar(path: Path) -> Path:
    """Where the manifest of a file goes that has no place for it; its whole name is in it, so that
    a clip in two formats has two."""
    return path.with_name(path.name + SIDECAR)


def needs_sidecar(path: Path) -> bool:
    """Whether files of this suffix have no place for a manifest."""
    return path.suffix.lower() not in EMBEDDED


def mime(path: Path) -> str:
    """What C2PA calls a file of this suffix."""
    suffix = path.suffix.lower()
    return EMBEDDED.get(suffix) or BESIDE.get(suffix, UNKNOWN)


def kind_of(path: Path) -> str:
    """What C2PA calls a file of this content, whatever its name is."""
    with path.open("rb") as file:
        start = file.read(16)
    for place, magic, kind in _MAGIC:
        if start[place : place + len(magic)] == magic:
            return kind
    return mime(path)
