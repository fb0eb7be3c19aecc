"""What requests and responses hold: one declaration for checking and for the OpenAPI reference.

The names are those of the official API; what it does not have is named as in `Request`.
"""

import json
import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from skyloom.serve.order import LONGEST_PROMPT, Operation

FILE_SCHEMA = {
    "description": "A file (a multipart part), a data: URL, {'id': a finished video of yours}, "
    "or a URL where the server's list allows it.",
    "anyOf": [
        {"type": "string", "format": "binary"},
        {"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"]},
        {"type": "object", "properties": {"image_url": {"type": "string"}},
         "required": ["image_url"]},
    ],
}  # fmt: skip
Input = Annotated[Any, WithJsonSchema(FILE_SCHEMA)]


def _size(value: Any) -> Any:
    """ "1280x720" as (1280, 720)."""
    match = re.fullmatch(r"\s*(\d{1,5})\s*[xX]\s*(\d{1,5})\s*", value) if _text(value) else None
    if match is None:
        raise ValueError("write WIDTHxHEIGHT, as in 1280x720")
    return int(match[1]), int(match[2])


def _seconds(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("write a number of seconds, as in 4")
    return value


def _object(value: Any) -> Any:
    """JSON in the text of a form as what it says."""
    if not _text(value):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError) as error:
        raise ValueError("this is no JSON") from error


def _stretches(value: Any) -> Any:
    """ "0-1,3-4" or JSON as pairs of seconds."""
    if not _text(value) or value.lstrip().startswith("["):
        return _object(value)
    return [part.split("-") for part in value.split(",")]


def _ids(value: Any) -> Any:
    """Ids as a list, however they were written: a list, one, JSON, or with commas between."""
    if _text(value):
        value = _object(value) if value.lstrip().startswith("[") else value.split(",")
    values = value if isinstance(value, list) else [value]
    return [each["id"] if isinstance(each, dict) and "id" in each else each for each in values]


def _text(value: Any) -> bool:
    return isinstance(value, str)


SIZE = {"type": "string", "examples": ["1280x720"], "description": "WIDTHxHEIGHT that is delivered"}
Size = Annotated[tuple[int, int], BeforeValidator(_size), WithJsonSchema(SIZE)]
SECONDS = {
    "anyOf": [{"type": "string", "examples": ["4"]}, {"type": "number", "minimum": 0}],
    "description": "Length that is delivered; an extension's new part; 0 is an image",
}
Seconds = Annotated[
    float, BeforeValidator(_seconds), Field(ge=0, allow_inf_nan=False), WithJsonSchema(SECONDS)
]
Number = Annotated[float, Field(allow_inf_nan=False)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Settings(_Strict):
    """How something is made; each may be left to the model."""

    seed: int = 0
    steps: int | None = None
    guidance_scale: Number | None = None
    negative_prompt: str = Field("", max_length=LONGEST_PROMPT)
    solver: Literal["euler", "heun", "multistep"] | None = None
    fps: Number | None = None
    preview: bool = True


class CreateVideo(Settings):
    """What is to be made."""

    prompt: str = Field("", max_length=LONGEST_PROMPT)
    model: str | None = Field(None, max_length=100)
    seconds: Seconds | None = None
    size: Size | None = None
    input_reference: Input = None
    operation: Operation | None = Field(
        None, description="Told by what is given where it is left out."
    )
    video: Input = None
    second: Input = None
    mask: Input = None
    strength: Number | None = Field(None, description="Of a restyling: 0 keeps, 1 forgets.")
    camera: str = Field("", max_length=1000)
    loop: bool = False
    backward: bool = False
    at: Literal["start", "end"] = "start"
    keep: Annotated[
        tuple[tuple[Number, Number], ...],
        BeforeValidator(_stretches),
        Field(max_length=100),
        WithJsonSchema({
            "type": "array",
            "items": {"type": "array", "items": {"type": "number"}},
            "description": "Seconds that a fill keeps, as in [[0, 1]]; in a form also 0-1,3-4",
        }),
    ] = ()  # fmt: skip
    trim: Annotated[
        tuple[Number, Number] | None,
        BeforeValidator(_object),
        WithJsonSchema({
            "type": "array",
            "items": {"type": "number"},
            "description": "First and last second of `video` that are used; JSON in a form",
        }),
    ] = None  # fmt: skip
    path: Annotated[dict[str, Any] | None, BeforeValidator(_object)] = Field(
        None, description="Where a part of an animated picture goes; JSON in a form."
    )
    storyboard: Annotated[dict[str, Any] | None, BeforeValidator(_object)] = Field(
        None,
        description="A story with its shots; JSON in a form. Its pictures and clips name parts of "
        "the form, or are inputs themselves.",
    )
    characters: Annotated[
        list[str],
        BeforeValidator(_ids),
        Field(max_length=8),
        WithJsonSchema({"type": "array", "items": {"type": "string"}}),
    ] = Field(default_factory=list, description="Ids of characters that appear.")


class RemixVideo(_Strict):
    """A finished video in other words."""

    prompt: str = Field(min_length=1, max_length=LONGEST_PROMPT)
    strength: Number | None = None


class EditVideo(Settings):
    """A clip in other words."""

    prompt: str = Field(min_length=1, max_length=LONGEST_PROMPT)
    video: Input
    mask: Input = None
    strength: Number | None = None
    model: str | None = Field(None, max_length=100)


class ExtendVideo(Settings):
    """A clip that goes on."""

    prompt: str = Field(min_length=1, max_length=LONGEST_PROMPT)
    video: Input
    seconds: Seconds | None = None
    backward: bool = False
    model: str | None = Field(None, max_length=100)


class CreateCharacter(_Strict):
    """Somebody or something that later videos show."""

    name: str = Field(min_length=1, max_length=100)
    video: Input


# ------------------------------------------------------------------------------------ responses


class VideoError(BaseModel):
    code: str
    message: str


class Delivered(BaseModel):
    """What a finished video came to."""

    size: str
    seconds: float
    fps: float
    frames: int
    made: str = Field(description="The size at which the model made it.")


class Extras(BaseModel):
    """What the official API does not have."""

    operation: Operation
    seed: int
    steps: int | None
    guidance_scale: float | None
    negative_prompt: str
    solver: str | None
    fps: float | None
    strength: float
    camera: str
    loop: bool
    backward: bool
    at: Literal["start", "end"]
    keep: list[list[float]]
    trim: list[float] | None
    storyboard: dict[str, Any] | None
    characters: int = Field(description="How many were ordered; notes say how they were shown.")
    notes: list[str] = Field(description="What was done to give what was asked for.")
    delivered: Delivered | None
    has_preview: bool
    previews: int = Field(description="Previews so far.")
    ahead: int | None = Field(None, description="Jobs that wait before this one.")
    media_type: str | None


class Video(BaseModel):
    """A job and its result."""

    id: str
    object: Literal["video"] = "video"
    status: Literal["queued", "in_progress", "completed", "failed"]
    progress: int
    created_at: int
    completed_at: int | None
    expires_at: int | None
    model: str
    prompt: str
    seconds: str
    size: str
    remixed_from_video_id: str | None
    error: VideoError | None
    skyloom: Extras


class VideoPage(BaseModel):
    object: Literal["list"] = "list"
    data: list[Video]
    has_more: bool
    first_id: str | None
    last_id: str | None


class DeletedVideo(BaseModel):
    id: str
    object: Literal["video.deleted"] = "video.deleted"
    deleted: Literal[True] = True


class Character(BaseModel):
    id: str
    object: Literal["character"] = "character"
    name: str
    created_at: int


class CharacterPage(BaseModel):
    object: Literal["list"] = "list"
    data: list[Character]


class DeletedCharacter(BaseModel):
    id: str
    object: Literal["character.deleted"] = "character.deleted"
    deleted: Literal[True] = True


class Model(BaseModel):
    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: str
    skyloom: dict[str, Any]


class ModelList(BaseModel):
    object: Literal["list"] = "list"
    data: list[Model]


class Queue(BaseModel):
    queued: int
    in_progress: int
    completed: int
    failed: int
    workers: int


class ErrorDetail(BaseModel):
    message: str
    type: str
    param: str | None
    code: str | None


class ErrorBody(BaseModel):
    error: ErrorDetail
