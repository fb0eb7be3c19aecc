"""Storyboards: several shots, one film, the same subjects throughout.

story.toml -> Story -> shot by shot an `Edit`, which is told of the film's first frame after a cut
and of the frames before it without one -> frames as they come.
"""

import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from skyloom import edit as edits
from skyloom.condition import Condition
from skyloom.config import from_dict
from skyloom.edit import CONTEXT, Edit, shown
from skyloom.errors import UserError
from skyloom.fitting import SMALLEST_SIDE, Fitted, fit
from skyloom.limits import LONGEST_SECONDS
from skyloom.request import Request
from skyloom.sound import Part
from skyloom.video import Video

REFERENCE_STRENGTH = 0.6
"""How firmly the first frame of a shot after a cut is held to the first frame of the film. Without
it place, light and subjects come back as others; the firmer, the nearer to the palette of the truth
and the less room for another view. Words as in "cut to a second camera" are not added: the model
takes them for a cut within the shot (docs/log.md)."""
PRETENDED = 48
"""Frames that a plan holds at once in place of those that will be made."""

Frames = UInt8[np.ndarray, "F H W 3"]


@dataclass(frozen=True)
class Shot:
    """One shot of a story.

    Attributes:
        seconds: how long it is; what a clip adds is not counted.
        prompt: what it shows, said with the story's subjects and style.
        picture: a file; the shot starts from it.
        clip: a file, which is shown whole; the shot goes on from it.
        camera: what the camera does, as in "orbit left".
        cut: false goes on from the shot before without a cut.
    """

    seconds: float = 4.0
    prompt: str = ""
    picture: Path | None = None
    clip: Path | None = None
    camera: str = ""
    cut: bool = True

    def __post_init__(self) -> None:
        if not 0 < self.seconds <= LONGEST_SECONDS:
            raise UserError(
                f"seconds = {self.seconds:g} cannot be: use more than 0 and at most "
                f"{LONGEST_SECONDS:g}."
            )
        if self.picture is not None and self.clip is not None:
            raise UserError("picture and clip are both given: a shot starts from one of them.")
        if not self.cut and self.given is not None:
            raise UserError(
                "cut = false goes on from the shot before, and a picture or clip begins anew: "
                "leave one of them out."
            )
        if not (self.prompt.strip() or self.camera.strip() or self.given):
            raise UserError("it has no prompt, picture or clip: say in words what it shows.")

    @property
    def given(self) -> Path | None:
        """The file that it starts or goes on from."""
        return self.clip or self.picture


@dataclass(frozen=True)
class Story:
    """A film in shots; what is not told here has the same name and meaning as in `Request`.

    Attributes:
        subjects, style: said with every shot, before and after its prompt.
    """

    shots: tuple[Shot, ...]
    subjects: str = ""
    style: str = ""
    size: tuple[int, int] = Request.size
    fps: float = Request.fps
    seed: int = Request.seed
    steps: int = Request.steps
    guidance: float | None = Request.guidance
    rescale: float = Request.rescale
    negative: str = Request.negative
    solver: str = Request.solver

    def __post_init__(self) -> None:
        if not self.shots:
            raise UserError("The story has no shots: begin each with a line [[shots]].")
        if not self.shots[0].cut:
            raise UserError(
                "Shot 1 has nothing to go on from: leave out its cut = false, or name a clip."
            )
        if min(self.size) < SMALLEST_SIDE:
            raise UserError(
                f"size = [{self.size[0]}, {self.size[1]}] is too small: use [128, 128]."
            )
        _request(self, self.shots[0])  # refuses what no shot could have

    @property
    def pace(self) -> list[dict[str, Any]]:
        """Length, camera and cut of every shot: what a manifest tells besides its words."""
        return [{"seconds": shot.seconds, "camera": shot.camera, "cut": shot.cut}
                for shot in self.shots]  # fmt: skip

    @property
    def requests(self) -> list[Request]:
        """What is asked for in each shot, without what is given."""
        return [_request(self, shot) for shot in self.shots]

    def words(self, shot: Shot) -> str:
        """What is said of a shot, its camera apart."""
        parts = (part.strip().rstrip(".,;") for part in (self.subjects, shot.prompt, self.style))
        return ", ".join(part for part in parts if part)


@dataclass(frozen=True)
class Plan:
    """What a story comes to, before anything is made.

    Attributes:
        requests: that of each shot; what is made before it is black in them.
        frames: of the whole film.
        sounds: where the sound of given clips goes.
        notes: how pictures and clips were fitted.
        given: (first, stop) of frames that are pictures and clips as they were.
        inputs: those pictures and clips, as they were fitted, and their files.
    """

    requests: tuple[Request, ...]
    frames: int
    sounds: tuple[Part, ...]
    notes: tuple[str, ...]
    given: tuple[tuple[int, int], ...] = ()
    inputs: tuple[tuple[Path, Video], ...] = ()


# ---------------------------------------------------------------------------------------- reading


def read_story(file: str | PathLike[str]) -> Story:
    """Read a story from a TOML file; paths in it are relative to its folder.

    Raises:
        UserError: the file or a file that it names is missing, it is no TOML (with the line), a
            key is unknown (with the nearest known one), or as `Shot` and `Story` say.
    """
    file = Path(file)
    text, values = _parsed(file)
    tables = values.get("shots", [])
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise UserError(f"'shots' in '{file}' are no tables: begin each with a line [[shots]].")
    lines = text.splitlines()
    headers = [n for n, line in enumerate(lines, 1) if re.match(r"\s*\[\[\s*shots\s*\]\]", line)]
    if len(headers) != len(tables):
        headers = [0] * len(tables)  # written as one list: no shot has a line of its own
    shots = []
    for number, (table, line) in enumerate(zip(tables, headers, strict=True), 1):
        where = f"shot {number} of '{file}'"
        shot = _built(Shot, table, where, lines, line)
        shots.append(_placed(shot, file.parent, where, lines, line))
    return _built(Story, {**values, "shots": shots}, f"'{file}'", lines, 0)


def _placed(shot: Shot, folder: Path, where: str, lines: list[str], first: int) -> Shot:
    """A shot whose file is found from everywhere, as it is there."""
    if shot.given is None:
        return shot
    key, path = "picture" if shot.clip is None else "clip", folder / shot.given
    if not path.is_file():
        line = _line_of(lines, first, key)
        raise UserError(f"The {key} '{path}' of {where}, line {line}, does not exist.")
    return replace(shot, picture=path) if shot.clip is None else replace(shot, clip=path)


def _parsed(file: Path) -> tuple[str, dict[str, Any]]:
    try:
        text = file.read_bytes().decode("utf-8")
        return text, tomllib.loads(text)
    except OSError as error:
        reason = "does not exist" if isinstance(error, FileNotFoundError) else "cannot be read"
        raise UserError(f"The story '{file}' {reason}: name a TOML file.") from error
    except ValueError as error:  # broken UTF-8 or TOML, which says where
        last = text.rstrip().count("\n") + 1 if isinstance(error, tomllib.TOMLDecodeError) else 1
        where = str(error).replace("at end of document", f"at line {last}, the last one")
        raise UserError(f"'{file}' is not valid TOML: {where}.") from error


def _built(
    cls: type, table: Mapping[str, Any], where: str, lines: list[str], first: int
) -> Any:  # a Shot or a Story
    """The dataclass of a table, or a sentence that names its place, its line and the key.

    Args:
        first: number of the line at which the table begins, 0 where that is the file.
    """
    known = {field.name for field in fields(cls)}
    unknown = [key for key in table if key not in known]
    try:
        return from_dict(cls, table, where)
    except UserError as error:
        said = str(error)
        named = unknown or [key for key in table if re.search(rf"\b{re.escape(key)}\b", said, re.I)]
        line = _line_of(lines, first, named[0]) if named else first
        place = f"{where}, line {line}" if line else where
        if where in said:
            raise UserError(said.replace(where, place, 1)) from None
        raise UserError(f"{place[0].upper()}{place[1:]}: {said}") from None


def _line_of(lines: list[str], first: int, key: str) -> int:
    """The line at which a table that begins at line `first` sets a key; else where it begins."""
    for number, line in enumerate(lines[first:], first + 1):
        if re.match(r"\s*\[\[?\s*\w", line):
            break
        if re.match(rf"""\s*["']?{re.escape(key)}["']?\s*[=.]""", line):
            return number
    return first


# ----------------------------------------------------------------------------------------- making


def plan(story: Story, stride: int, check: Callable[[Request], object]) -> Plan:
    """What making a story will come to; every picture and clip is read once for it.

    Args:
        stride: frames that a latent frame stands for.
        check: refuses a request that the model cannot make, as `Skyloom.latent_shape` does.

    Raises:
        UserError: a picture or clip cannot be used, or a shot has no time; it names the shot.
    """
    requests: list[Request] = []
    sounds: list[Part] = []
    notes: list[str] = []
    given: list[tuple[int, int]] = []
    inputs: list[tuple[Path, Video]] = []
    frames = 0
    width, height = story.size

    def pretend(request: Request) -> Iterator[Frames]:
        check(request)
        requests.append(request)
        for start in range(0, request.frames, PRETENDED):
            count = min(PRETENDED, request.frames - start)
            yield np.zeros((count, height, width, 3), np.uint8)

    def note(number: int, fitted: Fitted) -> None:
        file = story.shots[number - 1].given
        assert file is not None
        notes.extend(f"shot {number}, '{file}': {n}" for n in fitted.notes)
        inputs.append((file, fitted.video))
        given.append((frames, frames + len(fitted.video.frames)))
        if fitted.source is not None and story.shots[number - 1].clip is not None:
            place, seconds = frames / story.fps, fitted.video.duration
            sounds.append(Part(fitted.source, at=place, seconds=seconds))

    check(_request(story, story.shots[0]))
    for piece in film(story, stride, pretend, note):
        frames += len(piece)
    return Plan(tuple(requests), frames, tuple(sounds), tuple(notes), tuple(given), tuple(inputs))


def film(
    story: Story,
    stride: int,
    make: Callable[[Request], Iterator[Frames]],
    note: Callable[[int, Fitted], None] | None = None,
    character: UInt8[np.ndarray, "1 H W 3"] | None = None,
) -> Iterator[Frames]:
    """The frames of a story as they are made, in memory that does not grow with its length.

    Args:
        stride: frames that a latent frame stands for.
        make: the frames of a request as they come, as `Skyloom.stream` does.
        note: is told of each picture and clip that was read, and of the shot's number.
        character: is referred to from the first shot on, in place of the film's first frame.
    """
    width, height = story.size
    nothing = np.zeros((0, height, width, 3), np.uint8)
    reference, past = nothing if character is None else character, nothing
    for number, shot in enumerate(story.shots, 1):
        past = nothing if shot.cut else past
        try:
            video = None
            if shot.given is not None:
                fitted = fit(shot.given, size=story.size, fps=story.fps)
                video = fitted.video
                if note is not None:
                    note(number, fitted)
            edit = _shot_edit(story, shot, video, reference, past, stride)
        except UserError as error:
            raise UserError(f"Shot {number}: {error}") from error
        for frames in shown(edit, make(edit.request)):
            reference = frames[:1].copy() if not len(reference) else reference
            most = 1 + CONTEXT * stride
            past = np.concatenate([past, frames[-most:]])[-most:]
            yield frames


def _shot_edit(
    story: Story,
    shot: Shot,
    video: Video | None,
    reference: UInt8[np.ndarray, "_r H W 3"],
    past: Frames,
    stride: int,
) -> Edit:
    """The operation that makes a shot.

    Args:
        video: the shot's picture or clip, fitted.
        reference: the first frame of the film, none in its first shot.
        past: the frames before the shot, as many as the model is shown; none after a cut.
    """
    request = _request(story, shot)
    if request.seconds * request.fps < 0.5:
        raise UserError(f"{request.seconds:g} seconds are less than a frame: ask for more.")
    if video is not None and shot.clip is not None:
        return edits.extend(video, request, stride)
    if video is not None:
        return edits.animate(video, request)
    if len(past) > stride:
        return replace(edits.extend(Video(past, story.fps), request, stride), before=None)
    if len(past):  # too few to see how they move: it goes on from the last one
        seconds = request.seconds + 1 / story.fps
        last = Video(past[-1:], story.fps)
        return replace(edits.animate(last, replace(request, seconds=seconds)), skip=1)
    if len(reference):
        seen = Condition(Video(reference, story.fps), strength=REFERENCE_STRENGTH)
        return Edit(replace(request, given=(seen,)))
    return Edit(request)


def _request(story: Story, shot: Shot) -> Request:
    """The request of a shot, without what is given."""
    return Request(
        prompt=story.words(shot),
        seconds=shot.seconds,
        camera=shot.camera,
        size=story.size,
        fps=story.fps,
        seed=story.seed,
        steps=story.steps,
        guidance=story.guidance,
        rescale=story.rescale,
        negative=story.negative,
        solver=story.solver,
    )
