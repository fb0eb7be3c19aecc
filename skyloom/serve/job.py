"""A job: an order, whose it is, and how far it has come: what workers write and the API shows."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from skyloom.serve.order import Order

Status = Literal["queued", "in_progress", "completed", "failed"]

VIDEO, THUMBNAIL, SPRITESHEET, PREVIEW = "video", "thumbnail", "spritesheet", "preview"
TYPES: Mapping[str, str] = {
    ".mp4": "video/mp4",
    ".webm": "video/webm",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".webp": "image/webp",
}
"""What an output is, by the suffix of its key."""


@dataclass(frozen=True)
class State:
    """What changes of a job while it runs, see `Job`."""

    status: Status
    progress: int
    previews: int

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.status in ("completed", "failed")


@dataclass(frozen=True)
class Failure:
    """Why a job failed.

    Attributes:
        code: "invalid_request" | "unsafe_content" | "guard_unavailable" | "worker_lost" |
            "server_error".
        message: one sentence for people.
    """

    code: str
    message: str


@dataclass(frozen=True)
class Delivered:
    """What a finished job came to.

    Attributes:
        size: (width, height) of the file.
        seconds: its length, all of it.
        fps: its frame rate.
        frames: their number; 1 is an image.
        made: (width, height) at which the model made it.
        notes: what was done to give what was asked for, a short sentence each.
    """

    size: tuple[int, int]
    seconds: float
    fps: float
    frames: int
    made: tuple[int, int]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Job:
    """One job as it stands.

    Attributes:
        id: "video_" and a random token that tells nothing.
        owner: who ordered it; nobody else sees it.
        progress: 0..100; 100 only when it is completed.
        created_at, completed_at, expires_at: whole seconds of the Unix clock; None is not yet.
        error: why it failed.
        outputs: key of a stored file for each variant: "video" (a .png for an image), "thumbnail",
            "spritesheet", and "preview" while it runs.
        previews: how many previews there have been: the one that is shown changes with it.
        delivered: what it came to, once completed.
        attempts: how often a worker has begun it.
    """

    id: str
    owner: str
    order: Order
    status: Status
    progress: int
    created_at: int
    completed_at: int | None = None
    expires_at: int | None = None
    error: Failure | None = None
    outputs: Mapping[str, str] = field(default_factory=dict)
    previews: int = 0
    delivered: Delivered | None = None
    attempts: int = 0

    @property
    def state(self) -> State:
        """How far it is."""
        return State(self.status, self.progress, self.previews)

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.state.ended


@dataclass(frozen=True)
class Usage:
    """What an owner holds.

    Attributes:
        stored: bytes of the results that are kept.
        active: jobs that wait or run.
        jobs: all of them.
    """

    stored: int
    active: int
    jobs: int
