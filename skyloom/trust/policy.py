"""Policies: which guards run, how long they may take, and what they are asked.

`standard` is on unless another is named; `strict` also refuses what is suggestive; `off` is for
research, its clips are marked all the same. A file of one's own (TOML) names its guards:

    name = "house"
    strict = false
    timeout = 30.0

    [[prompts]]
    kind = "rules"

    [[prompts]]
    kind = "classifier"

    [[prompts]]
    kind = "llama-guard"
    folder = "models/llama-guard"

    [[frames]]
    kind = "flashing"
"""

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from skyloom.config import load_toml
from skyloom.errors import UserError

PromptKind = Literal["rules", "classifier", "llama-guard", "shieldgemma", "text-classifier"]
FrameKind = Literal["flashing", "image-classifier", "stable-diffusion", "nudenet"]
HOSTED = ("llama-guard", "shieldgemma", "text-classifier", "image-classifier", "stable-diffusion")
"""Kinds that need a folder."""

NAMES = ("strict", "standard", "off")

LONGEST = 3600.0
"""Seconds that a timeout may be: who waits for longer waits for a guard that hangs."""


def _check(kind: str, folder: Path | None, threshold: float) -> None:
    if kind in HOSTED and folder is None:
        raise ValueError(f"the guard '{kind}' needs a folder: folder = \"models/{kind}\"")
    if kind not in HOSTED and folder is not None:
        raise ValueError(f"the guard '{kind}' has no folder")
    if not 0 < threshold <= 1:
        raise ValueError(f"threshold = {threshold:g} is not between 0 and 1")


@dataclass(frozen=True)
class PromptSettings:
    """One guard of prompts.

    Attributes:
        folder: the model's, for the kinds that have one.
        threshold: probability from which on a model's label blocks.
        blocked: labels of a text classifier that block; empty is every label but those that say
            all is well.
    """

    kind: PromptKind
    folder: Path | None = None
    threshold: float = 0.5
    blocked: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _check(self.kind, self.folder, self.threshold)


@dataclass(frozen=True)
class FrameSettings:
    """One guard of frames; fields as of `PromptSettings`.

    Attributes:
        rate: frames a second that a model looks at; the flashing guard sees every frame.
    """

    kind: FrameKind
    folder: Path | None = None
    threshold: float = 0.5
    blocked: tuple[str, ...] = ()
    rate: float = 2.0

    def __post_init__(self) -> None:
        _check(self.kind, self.folder, self.threshold)
        if not 0 < self.rate < math.inf:
            raise ValueError(f"rate = {self.rate:g} is no number of frames a second: use 1 or 2")


@dataclass(frozen=True)
class Policy:
    """What is asked of prompts and frames.

    Attributes:
        name: goes into results and manifests.
        strict: rules refuse what is suggestive too.
        timeout: seconds that a guard may take, `LONGEST` at most; one that takes longer is ended,
            and blocks.
        start_timeout: seconds for the guards to load, `LONGEST` at most.
        tell_prompt: the manifest has the prompt, or else its hash alone.
        prompts, frames: the guards in order; all run, each may refuse.
    """

    name: str = "standard"
    strict: bool = False
    timeout: float = 60.0
    start_timeout: float = 300.0
    tell_prompt: bool = True
    prompts: tuple[PromptSettings, ...] = field(
        default_factory=lambda: (PromptSettings("rules"), PromptSettings("classifier"))
    )
    frames: tuple[FrameSettings, ...] = field(default_factory=lambda: (FrameSettings("flashing"),))

    def __post_init__(self) -> None:
        for name, seconds in (("timeout", self.timeout), ("start_timeout", self.start_timeout)):
            if not 0 < seconds <= LONGEST:
                raise ValueError(
                    f"{name} = {seconds:g} is not a time in seconds above 0 and at most {LONGEST:g}"
                )

    @property
    def off(self) -> bool:
        """Whether nothing is guarded."""
        return not self.prompts and not self.frames


BUNDLED = {
    "standard": Policy(),
    "strict": Policy(name="strict", strict=True),
    "off": Policy(name="off", prompts=(), frames=()),
}


def load_policy(name: str | Path = "standard") -> Policy:
    """A bundled policy by its name, or the one in a TOML file.

    Raises:
        UserError: there is none of that name, or the file is missing, broken, or says what no
            policy has.
    """
    if str(name) in BUNDLED:
        return BUNDLED[str(name)]
    path = Path(name)
    if path.suffix.lower() not in (".toml", ".json"):
        raise UserError(f"There is no policy '{name}': use {', '.join(NAMES)}, or a TOML file.")
    policy = load_toml(Policy, path)
    if policy.name in BUNDLED and policy != BUNDLED[policy.name]:
        raise UserError(
            f"The policy in '{path}' is called '{policy.name}', as a bundled one is: give it a "
            'name of its own, as in name = "house".'
        )
    return policy
