"""The two stages of ingest, each on one film: survey it, and cut its clips. They run in a child
process (`skyloom.ingest.child`), on this machine or on another, and speak JSON."""

import hashlib
import io
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

from skyloom import video
from skyloom.config import from_dict
from skyloom.decoding import open_source
from skyloom.errors import UserError
from skyloom.files import atomic_path
from skyloom.ingest import lettering, measures
from skyloom.ingest.recipe import IngestRecipe
from skyloom.ingest.shots import (
    ANALYSED,
    LOOK_SECONDS,
    LOOKED,
    Look,
    Shot,
    ShotFinder,
    beyond,
    within,
)
from skyloom.source import Damaged, Shown, Source, upright

Alive = Callable[[], None]
"""Called for each frame: the film is still being decoded."""

Stage = Callable[[dict, Alive], dict]
"""A stage: a job in plain values, and the sign of life, to its result in plain values."""


class Rejected(Exception):
    """The film cannot be used; the message says why, in a few words."""


def survey(job: dict, alive: Alive) -> dict:
    """Find the shots of a film and measure each; write a strip of pictures for each.

    Args:
        job: "path" of the film, "recipe", and "strips", the start of the strips' paths.

    Returns:
        "sha256", "size" [width, height] upright, "fps", "frames", "damage" (None, or how the film
        broke off), and "shots", a dict each: see `Shot`, whose "strip" is a file's name here.

    Raises:
        Rejected: it is no film, or has no frame that can be decoded.
    """
    path, recipe = Path(job["path"]), from_dict(IngestRecipe, job["recipe"])
    source = _opened(path, recipe.largest)
    if source.still:
        source.pictures.close()
        raise Rejected("a picture, not a film")
    finder = ShotFinder(recipe, source.fps)
    shots, size, count, damage = [], (0, 0), 0, None
    pace = max(1, round(source.fps * LOOK_SECONDS))
    with closing(source.pictures):
        try:
            for picture in source.pictures:
                if not count:
                    size = source.size[::-1] if picture.turns % 2 else source.size
                small = upright(picture, within(size, ANALYSED))
                look = None
                if count % pace == 0:
                    large = upright(picture, within(size, LOOKED))
                    look = Look(measures.blur(large), lettering.share(large))
                shots += [_told(shot, job["strips"]) for shot in finder.push(
                    small, look, picture.broken)]  # fmt: skip
                count += 1
                alive()
        except Damaged:
            damage = f"the film breaks off after {count} frames"
        except UserError as error:
            raise Rejected(_reason(error, path)) from error
    shots += [_told(shot, job["strips"]) for shot in finder.finish(damage is not None)]
    return {
        "sha256": _digest(path, alive),
        "size": list(size),
        "fps": source.fps,
        "frames": count,
        "damage": damage,
        "shots": shots,
    }


def cut(job: dict, alive: Alive) -> dict:
    """Write clips of a film; those that are there are left alone.

    Args:
        job: "path" of the film, "recipe", "folder" of the clips, and "clips", each with "start"
            and "stop" in frames and "name"; they do not overlap and are in order.

    Raises:
        Rejected: the film cannot be read as it was surveyed.
        UserError: the disk refuses.
    """
    path, folder = Path(job["path"]), Path(job["folder"])
    recipe = from_dict(IngestRecipe, job["recipe"])
    wanted = [clip for clip in job["clips"] if not (folder / clip["name"]).exists()]
    if not wanted:
        return {}
    source = _opened(path, recipe.largest)
    with closing(source.pictures):
        frames = _numbered(source, path)
        for clip in wanted:
            _write(clip, frames, source, folder, recipe, alive)
    return {}


STAGES: dict[str, Stage] = {"survey": survey, "cut": cut}


def _write(
    clip: dict,
    frames: Iterator[tuple[int, Shown]],
    source: Source,
    folder: Path,
    recipe: IngestRecipe,
    alive: Alive,
) -> None:
    count = 0
    with ExitStack() as stack:
        writer = None
        for index, picture in frames:
            alive()
            if index < clip["start"]:
                continue
            turned = source.size[::-1] if picture.turns % 2 else source.size
            size = beyond(turned, recipe.side)
            if writer is None:
                opened = video.VideoWriter(
                    folder / clip["name"], size, source.fps, recipe.crf, keyframes=1.0
                )
                writer = stack.enter_context(opened)
            writer.append(upright(picture, None if size == turned else size)[None])
            count += 1
            if index == clip["stop"] - 1:
                break
        if count < clip["stop"] - clip["start"]:
            raise Rejected("the film has fewer frames than when it was surveyed")


def _numbered(source: Source, path: Path) -> Iterator[tuple[int, Shown]]:
    try:
        yield from enumerate(source.pictures)
    except UserError as error:
        raise Rejected(_reason(error, path)) from error


def _opened(path: Path, largest: int) -> Source:
    try:
        return open_source(path, largest)
    except UserError as error:
        raise Rejected(_reason(error, path)) from error


def _reason(error: UserError, path: Path) -> str:
    """An error about a file as a few words that follow the file's name."""
    return str(error).removeprefix(f"'{path}' ").rstrip(".")


def _told(shot: Shot, strips: str) -> dict:
    """A shot in plain values, and its strip as a file."""
    import numpy as np
    from PIL import Image

    name = f"{strips}-{shot.start:06d}.jpg"
    picture = io.BytesIO()
    Image.fromarray(np.concatenate(list(shot.strip), axis=1)).save(picture, "JPEG", quality=80)
    try:
        with atomic_path(name) as temporary:
            temporary.write_bytes(picture.getvalue())
    except OSError as error:
        raise UserError(f"Cannot write '{name}': {error.strerror}.") from error
    return {
        "start": shot.start,
        "stop": shot.stop,
        "blur": round(shot.blur, 4),
        "motion": round(shot.motion, 6),
        "spread": round(shot.spread, 3),
        "text": round(shot.text, 5),
        "signature": shot.signature,
        "broken": shot.broken,
        "strip": Path(name).name,
    }


def _digest(path: Path, alive: Alive) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(2**22):
            digest.update(piece)
            alive()
    return digest.hexdigest()


def digest_of(*parts: object) -> str:
    """Eight letters that stand for plain values."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:8]
