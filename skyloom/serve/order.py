"""What a client orders, in one frozen value that goes into the database as JSON and comes back.

It knows neither HTTP nor how anything is made: names are those of `Request`, files are keys of the
store (skyloom/serve/store/files.py). What it says is checked here as far as can be without a model.
"""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from skyloom.config import from_dict, to_dict
from skyloom.errors import UserError
from skyloom.fitting import SMALLEST_SIDE
from skyloom.limits import LARGEST_SIDE, LONGEST_SECONDS
from skyloom.motion import MotionPath
from skyloom.request import Request
from skyloom.storyboard import Story
from skyloom.trust.session import to_be_read, words_of

Operation = Literal[
    "generate",
    "image",
    "animate",
    "extend",
    "loop",
    "connect",
    "blend",
    "fill",
    "restyle",
    "storyboard",
]
OPERATIONS: tuple[str, ...] = get_args(Operation)

NEEDED: Mapping[str, tuple[str, ...]] = {
    "animate": ("picture",),
    "extend": ("video",),
    "connect": ("video", "second"),
    "blend": ("video", "second"),
    "fill": ("video",),
    "restyle": ("video",),
}
"""Roles of the inputs without which an operation cannot be."""
ROLE = re.compile(r"picture|video|second|mask|(?:character|story):[0-9]{1,3}")
"""`character:0` ... are reference shots, `story:0` ... the files that a storyboard names."""

LONGEST_PROMPT = 4000
"""Characters; the official API says 500, old scripts send more."""
MOST_SHOTS = 100
MOST_STEPS = 200


@dataclass(frozen=True)
class Order:
    """What is to be made, as a client says it; `None` leaves a choice to the model.

    Attributes:
        operation: one of `OPERATIONS`.
        model: name of a served model, see skyloom/serve/models.py.
        prompt, fps, seed, steps, guidance, negative, solver, camera: as in `Request`.
        size: (width, height) that is delivered; None is the input's, else the model's own.
        seconds: length that is delivered of what is made; 0 is a single image. An extension counts
            what is new, as on the command line.
        strength: of a restyling, 0 keeps the clip, 1 forgets it.
        backward: an extension comes before the clip.
        at: an animated picture is the "start" or the "end".
        keep: (first, last) seconds of the stretches of a clip that a fill keeps.
        trim: (first, last) seconds of the video that are used, as if it were no longer.
        path: where a part of an animated picture goes, as skyloom/motion.py reads it.
        loop: a generated clip plays for ever.
        story: a storyboard as skyloom/storyboard.py reads it, in plain values. Its shots' `picture`
            and `clip` are roles in `inputs`: "story:0", "story:1", ...
        inputs: key of a stored file for each role, see `ROLE`. The job owns these files: they go
            when it goes.
        remixed_from: id of the job whose order this one repeats in other words.
        preview: whether small pictures of the current estimate are made while it runs.
    """

    operation: Operation = "generate"
    model: str = "skyloom"
    prompt: str = ""
    size: tuple[int, int] | None = None
    seconds: float | None = None
    fps: float | None = None
    seed: int = 0
    steps: int | None = None
    guidance: float | None = None
    negative: str = ""
    solver: str | None = None
    strength: float = 0.7
    camera: str = ""
    backward: bool = False
    at: Literal["start", "end"] = "start"
    keep: tuple[tuple[float, float], ...] = ()
    trim: tuple[float, float] | None = None
    path: dict[str, Any] | None = None
    loop: bool = False
    story: dict[str, Any] | None = None
    inputs: dict[str, str] = field(default_factory=dict)
    remixed_from: str | None = None
    preview: bool = True

    def __post_init__(self) -> None:
        if max(len(self.prompt), len(self.negative)) > LONGEST_PROMPT:
            raise UserError(f"The prompt is too long: {LONGEST_PROMPT} characters are the most.")
        if self.size is not None and not all(
            SMALLEST_SIDE <= side <= LARGEST_SIDE for side in self.size
        ):
            raise UserError(
                f"size {self.size[0]}x{self.size[1]} cannot be delivered: use {SMALLEST_SIDE} to "
                f"{LARGEST_SIDE} pixels on each side."
            )
        if self.seconds is not None and not 0 <= self.seconds <= LONGEST_SECONDS:
            raise UserError(
                f"seconds = {self.seconds:g} cannot be: use 0 (an image) to {LONGEST_SECONDS:g}."
            )
        if self.steps is not None and not 1 <= self.steps <= MOST_STEPS:
            raise UserError(f"steps = {self.steps} cannot be: use 1 to {MOST_STEPS}.")
        if not 0 <= self.strength <= 1:
            raise UserError(f"strength = {self.strength:g} is not between 0 and 1.")
        for first, last in self.keep:
            if not (math.isfinite(last) and 0 <= first <= last):
                raise UserError(f"keep = {first:g}-{last:g} is no stretch of seconds.")
        if self.trim is not None and not 0 <= self.trim[0] < self.trim[1] < math.inf:
            raise UserError(
                f"trim = {self.trim[0]:g}-{self.trim[1]:g} is no stretch of seconds: say where the "
                "clip is to begin and to end, as in [1, 3]."
            )
        self._check_parts()
        Request(prompt=self.prompt or "-", **self.request_fields())  # refuses the rest
        if self.story is not None:
            for number, shot in enumerate(self._shots(), 1):
                if max(len(shot.words), len(shot.negative)) > LONGEST_PROMPT:
                    raise UserError(
                        f"Shot {number} is too long: {LONGEST_PROMPT} characters are the most."
                    )
        if self.path is not None:
            from_dict(MotionPath, self.path, "path")

    def _check_parts(self) -> None:
        """See that there is what the operation starts from."""
        for role in self.inputs:
            if not ROLE.fullmatch(role):
                raise UserError(f"There is no input '{role}': use picture, video, second or mask.")
        for role in NEEDED.get(self.operation, ()):
            if role not in self.inputs:
                raise UserError(f"The operation '{self.operation}' needs an input '{role}'.")
        if (self.operation == "storyboard") != (self.story is not None):
            raise UserError("A storyboard, and nothing else, has a story: say its shots.")
        shots = () if self.story is None else self.story.get("shots", ())
        if not isinstance(shots, list | tuple) or len(shots) > MOST_SHOTS:
            raise UserError(f"A story has 1 to {MOST_SHOTS} shots.")
        if self.operation == "fill" and not self.keep:
            raise UserError("There is nothing to keep: say which seconds, as in keep = [[0, 1]].")
        if self.operation in ("generate", "image") and not self.words:
            raise UserError("The prompt is empty: say in words what to show.")

    @property
    def words(self) -> str:
        """Everything that is asked for in words, for guards and for search."""
        said = [self.prompt, self.camera]
        if self.story is not None:
            said += [str(self.story.get(key, "")) for key in ("subjects", "style")]
            for shot in self.story.get("shots", ()):
                if isinstance(shot, Mapping):
                    said += [str(shot.get(key, "")) for key in ("prompt", "camera")]
        return "\n".join(part.strip() for part in said if part.strip())

    @property
    def guarded(self) -> list[str]:
        """All that guards read of it, a story shot by shot, as each will be asked for."""
        if self.story is None:
            return words_of([self])
        return list(dict.fromkeys([*to_be_read(self.prompt, "", None), *words_of(self._shots())]))

    def _shots(self) -> list[Request]:
        return as_story(self, {role: Path(role) for role in self.inputs}).requests

    @property
    def characters(self) -> tuple[str, ...]:
        """Keys of the reference shots, in order."""
        roles = [role for role in self.inputs if role.startswith("character:")]
        return tuple(self.inputs[role] for role in sorted(roles, key=lambda r: int(r[10:])))

    def request_fields(self) -> dict[str, Any]:
        """What was said of a `Request`, size and length apart; the rest is the model's choice."""
        names = ("fps", "seed", "steps", "guidance", "negative", "solver", "camera")
        return {name: getattr(self, name) for name in names if getattr(self, name) is not None}

    def to_json(self) -> str:
        """The order as one line, keys in order."""
        return json.dumps(to_dict(self), sort_keys=True, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> "Order":
        """The order that `to_json` wrote.

        Raises:
            UserError: it is none, or asks for what cannot be.
        """
        return from_dict(cls, json.loads(text), "the order")


def as_story(order: Order, inputs: Mapping[str, Path]) -> Story:
    """The storyboard of an order, whose files are its inputs.

    Args:
        inputs: a local file for each role.

    Raises:
        UserError: a shot names what is no input, or as `Shot` and `Story` say.
    """
    values = dict(order.story or {})
    shots = []
    for number, shot in enumerate(values.get("shots", ()), 1):
        if not isinstance(shot, Mapping):
            raise UserError(f"Shot {number} is no table of its settings.")
        named = {name: shot[name] for name in ("picture", "clip") if shot.get(name) is not None}
        for name, role in named.items():
            if role not in inputs:
                raise UserError(f"Shot {number}: there is no file '{role}' for its {name}.")
        shots.append({**shot, **{name: inputs[role] for name, role in named.items()}})
    said = order.request_fields()
    said.pop("camera", None)  # each shot has its own
    kept = {name: value for name, value in said.items() if value or name not in values}
    if order.size is not None:
        kept["size"] = order.size
    return from_dict(Story, {**values, "shots": shots, **kept}, "the story")
