"""The process that opens what clients upload: decodes all of it once, within limits.

Run by `skyloom.ingest.guard.Guard` as a child that may use so much memory and time and no more. A
picture comes out as a new PNG, with nothing of the old file but its pixels; a clip stays the file
that it was, every frame and sample of it decoded.
"""

from contextlib import closing
from pathlib import Path

from skyloom.decoding import open_container, open_source
from skyloom.errors import UserError
from skyloom.extras import need
from skyloom.files import atomic_path
from skyloom.ingest.child import main
from skyloom.ingest.stages import Alive, Rejected
from skyloom.source import READABLE, Damaged, Source

_GLANCE = (64, 64)


def inspect(job: dict, alive: Alive) -> dict:
    """See what a file is, and decode it.

    Args:
        job: "path" of the file; "picture", where a picture's new file goes; "pixels" of the
            largest frame and "frames" of the longest clip that are taken.

    Returns:
        "kind" ("picture" or "clip"), "size" [width, height], "frames", "seconds".

    Raises:
        Rejected: it is neither, is damaged from its start, or is beyond the limits.
    """
    path = Path(job["path"])
    try:
        source = open_source(path, job["pixels"])
        with closing(source.pictures):
            if source.still:
                return _picture(source, Path(job["picture"]))
            frames, seconds = _frames(source, job["frames"], alive)
    except UserError as error:
        raise Rejected(_reason(error, path)) from error
    _listen(path, alive)
    return {"kind": "clip", "size": list(source.size), "frames": frames, "seconds": seconds}


def _picture(source: Source, target: Path) -> dict:
    pixels = next(source.pictures).pixels()
    height, width, _ = pixels.shape
    image = need("PIL.Image", extra="video").fromarray(pixels)
    with atomic_path(target) as temporary:
        image.save(temporary, "PNG", compress_level=1)
    return {"kind": "picture", "size": [width, height], "frames": 1, "seconds": 0.0}


def _frames(source: Source, most: int, alive: Alive) -> tuple[int, float]:
    count, end = 0, 0.0
    try:
        for picture in source.pictures:
            count += 1
            if count > most:
                raise Rejected(f"it has more than the {most:,} frames that are taken")
            picture.pixels(_GLANCE)
            end = picture.time + (picture.seconds or 1 / source.fps)
            alive()
    except Damaged:
        if not count:
            raise
    return count, round(end, 3)


def _listen(path: Path, alive: Alive) -> None:
    """Decode its sound: a worker will, and must not be the first to try."""
    error = need("av", extra="video").error.FFmpegError
    with open_container(path) as container:
        if not container.streams.audio:
            return
        try:
            for _ in container.decode(container.streams.audio[0]):
                alive()
        except error:  # broken sound is left out; that it breaks nothing else is what counts
            return


def _reason(error: UserError, path: Path) -> str:
    """An error about a file as a few words about it."""
    said = str(error).removeprefix(f"'{path}' ").rstrip(".")
    if str(path) in said or READABLE in said:
        return "it is no picture or video that can be read"
    return f"it {said}"


if __name__ == "__main__":
    main({"inspect": inspect})
