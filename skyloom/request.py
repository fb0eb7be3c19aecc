"""What is to be made, in one frozen value: one set of names for the command line and Python."""

import math
from dataclasses import dataclass

from skyloom.condition import Condition
from skyloom.errors import UserError, shown
from skyloom.flow.solver import SOLVERS

WORDS_GUIDANCE, ROLLING_GUIDANCE, HELD_GUIDANCE = 4.0, 2.5, 1.5
"""Guidance where words alone say what is made, in the windows after the first, and where frames are
held. What words say of held frames exaggerated, the clip leaves them: a red cube goes on as a
redder block; and with too little a long clip forgets what it was to show (docs/log.md)."""

LARGEST_SEED = 2**63 - 1
"""The largest that databases and manifests keep as a whole number."""


@dataclass(frozen=True)
class Request:
    """What is to be made.

    Attributes:
        prompt: what the clip shows; may be empty where something is given, which the pipeline sees
            to: operations add what is given later.
        size: (width, height) in pixels, multiples of what a token of the model holds.
        seconds: length; 0 is a single image.
        fps: frames a second.
        seed: the same seed and request give the same frames, alone or in company; 0 to
            `LARGEST_SEED`.
        steps: steps of the solver.
        guidance: how far beyond the prompt's own difference to go; 1 is off, None is
            `WORDS_GUIDANCE` in the first window, `ROLLING_GUIDANCE` in those that go on from it,
            or `HELD_GUIDANCE` where frames are held.
        rescale: how much guidance may not change the contrast, 0..1.
        negative: what the clip should not be like; takes the place of the empty prompt.
        solver: one of `flow.solver.SOLVERS`.
        camera: what the camera does, as in "orbit left"; said to the model with the prompt.
        given: pictures and clips that it starts from, ends with, or goes through.
        loop: whether it plays for ever: its end meets its start.
        window: seconds that are made at once; what is longer is made window by window.
    """

    prompt: str
    size: tuple[int, int] = (128, 128)
    seconds: float = 4.0
    fps: float = 12.0
    seed: int = 0
    steps: int = 20
    guidance: float | None = None
    rescale: float = 0.5
    negative: str = ""
    solver: str = "multistep"
    camera: str = ""
    given: tuple[Condition, ...] = ()
    loop: bool = False
    window: float = 4.0

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise UserError(f"{self.steps} steps cannot make a clip: use 1 or more, 20 is usual.")
        if self.guidance is not None and not 0 <= self.guidance < math.inf:
            raise UserError(f"Guidance {self.guidance} cannot be: use 1 (off) to about 8.")
        if not 0 <= self.rescale <= 1:
            raise UserError(f"Rescale {self.rescale} is not between 0 (off) and 1.")
        if not 0 < self.fps <= 60:
            raise UserError(f"{self.fps:g} frames a second cannot be made: use 1 to 60.")
        if not self.seconds >= 0:
            raise UserError(f"{self.seconds:g} seconds cannot be made: use 0 (an image) or more.")
        if self.solver not in SOLVERS:
            raise UserError(f"There is no solver '{self.solver}': use {', '.join(SOLVERS)}.")
        if not 0 <= self.seed <= LARGEST_SEED:
            raise UserError(f"seed = {self.seed} cannot be: use 0 to {LARGEST_SEED}.")
        _check_text(self.prompt, "prompt")
        _check_text(self.negative, "negative prompt")
        _check_text(self.camera, "camera's move")

    @property
    def words(self) -> str:
        """What the text encoder reads: the prompt, and the camera's move."""
        if not self.camera.strip():
            return self.prompt
        said = f"camera: {self.camera.strip()}"
        return f"{self.prompt.rstrip('. ')}, {said}" if self.prompt.strip() else said

    @property
    def frames(self) -> int:
        """Frames that are asked for."""
        return max(1, round(self.seconds * self.fps))

    def scale(self, rolling: bool = False) -> float:
        """Guidance; off where there is nothing to tell prompt and negative prompt apart.

        Args:
            rolling: of a window that goes on from another.
        """
        if self.words.strip() == self.negative.strip():
            return 1.0
        if self.guidance is not None:
            return self.guidance
        if self.held:
            return HELD_GUIDANCE
        return ROLLING_GUIDANCE if rolling else WORDS_GUIDANCE

    @property
    def held(self) -> bool:
        """Whether frames are given that stay as they are."""
        return any(1 in given.strengths for given in self.given)

    def keeps(self, frame: int) -> bool:
        """Whether a frame is given whole and stays as it is."""
        return any(given.keeps(frame, self.frames) for given in self.given)


def _check_text(words: str, what: str) -> None:
    """Refuse words that came from bytes that are no text: no encoder and no manifest takes them."""
    try:
        words.encode()
    except UnicodeEncodeError as error:
        bad = shown(words[error.start])
        raise UserError(f"The {what} has '{bad}' in it, which is no text: write UTF-8.") from None
