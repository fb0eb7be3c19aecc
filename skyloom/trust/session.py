"""The guards of one piece of work: words and inputs before it, frames while they come.

with Session(load_policy("standard")) as session:
    session.allow_words([request.prompt])
    session.allow_input(clip, "photo.png")
    for piece in session.watched(frames, fps): ...
    session.record          # for the manifest: what ran, with versions, and what it said
"""

import hashlib
import json
import logging
from collections.abc import Iterable, Iterator, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import UInt8

from skyloom.errors import UserError
from skyloom.trust.guard import Guards
from skyloom.trust.policy import Policy
from skyloom.trust.verdict import Verdict

if TYPE_CHECKING:
    from skyloom.request import Request
    from skyloom.serve.order import Order
    from skyloom.video import Video

LOG = logging.getLogger("skyloom.trust")
"""What was refused and why, with a hash in place of the prompt."""

PIECE_SECONDS = 8.0
"""Seconds of frames that are looked at together; a second of the piece before goes with them."""

Frames = UInt8[np.ndarray, "_F H W 3"]


class Session:
    """Guards that refuse with a `UserError`, and remember what they said.

    They begin to load at once, beside what the caller does: open it before a model is loaded.

    Attributes:
        policy: what they go by.
        record: plain values that grow as guards run: the policy's name, and the verdicts on words,
            inputs and frames. What did not run is None.
    """

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self._guards = Guards(policy)
        self._guards.start()
        self._off = policy.off
        self.record: dict[str, Any] = {
            "policy": policy.name, "prompts": None, "inputs": None, "frames": None,
        }  # fmt: skip

    def ready(self) -> None:
        """Find out before the work that every guard can be had.

        Raises:
            UserError: which one cannot, and why.
        """
        need_guards(self._guards)

    def begin(self) -> dict[str, Any]:
        """A record for the next result, whose frames are still to come; it fills as they do."""
        self.record = {**self.record, "frames": None}
        return self.record

    def allow_words(self, texts: Sequence[str]) -> None:
        """Refuse prompts that are against policy.

        Raises:
            UserError: which category, and what would help; or which guard failed.
        """
        for text in dict.fromkeys(text for text in texts if text.strip()):
            if self._guards.policy.prompts:
                self._settle("prompts", self._guards.prompts.check(text), "The prompt", text)

    def allow_input(self, video: "Video", name: str) -> None:
        """Refuse a picture or clip that is against policy, as `allow_words` does."""
        for _ in self._pieces("inputs", [video.frames], video.fps, name):
            pass

    def watched(self, frames: Iterable[Frames], fps: float) -> Iterator[Frames]:
        """Frames as they come, each piece once it was looked at.

        Raises:
            UserError: they are against policy; the file they go to does not appear then.
        """
        return self._pieces("frames", frames, fps, "The result")

    def _pieces(
        self, part: str, frames: Iterable[Frames], fps: float, name: str
    ) -> Iterator[Frames]:
        if self._off or not self._guards.policy.frames:
            yield from frames
            return
        enough, overlap = max(round(PIECE_SECONDS * fps), 2), max(round(fps), 1)
        held: list[Frames] = []
        before = None
        for piece in frames:
            held.append(piece)
            if sum(map(len, held)) >= enough:
                before = self._look(part, held, before, fps, name)[-overlap:]
                yield from held
                held = []
        if held:
            self._look(part, held, before, fps, name)
            yield from held

    def _look(
        self, part: str, held: list[Frames], before: Frames | None, fps: float, name: str
    ) -> Frames:
        shown = np.concatenate([*([] if before is None else [before]), *held])
        self._settle(part, self._guards.frames.check(shown, fps), name, None)
        return shown

    def _settle(self, part: str, verdict: Verdict, name: str, text: str | None) -> None:
        """Remember a verdict; refuse if it says so."""
        earlier = self.record[part]
        if earlier is None or not verdict.allowed:
            self.record[part] = verdict.record()
        enforce(self._guards.policy, part, verdict, name, text)

    def __enter__(self) -> "Session":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._guards.close()


class Refused(UserError):
    """A prompt, input or result is against policy, or a guard could not say.

    Attributes:
        verdict: all that the guards said.
    """

    def __init__(self, sentence: str, verdict: Verdict) -> None:
        super().__init__(sentence)
        self.verdict = verdict


def enforce(
    policy: Policy, part: str, verdict: Verdict, name: str, text: str | None = None
) -> None:
    """Let pass what a verdict allows; log the rest and refuse it.

    Args:
        part: what was looked at, for the log.
        name: of what is refused, at the beginning of a sentence.
        text: the prompt, of which the log has the hash.

    Raises:
        Refused: the category and what would help, or which guard failed.
    """
    if verdict.allowed:
        return
    _log_refusal(policy, part, verdict, text)
    raise _refusal(policy, verdict, name)


def need_guards(guards: Guards, parts: Sequence[str] = ("prompts", "frames")) -> None:
    """Load guards.

    Raises:
        Refused: one of them cannot be had.
    """
    enforce(guards.policy, "guards", guards.load(parts), "")


def read(guards: Guards, texts: Iterable[str]) -> dict[str, Any] | None:
    """What guards say of texts, each by itself, as manifests tell it; None where none read.

    Raises:
        Refused: as `enforce` does.
    """
    record = None
    for text in texts if guards.policy.prompts else ():
        verdict = guards.prompts.check(text)
        enforce(guards.policy, "prompts", verdict, "The prompt", text)
        record = record or verdict.record()
    return record


def to_be_read(words: str, negative: str, guidance: float | None) -> list[str]:
    """The texts of a request that guards read: its words, and what to keep away from where
    guidance below 1 leads towards that instead."""
    texts = [words]
    if guidance is not None and guidance < 1:
        texts.append(negative)
    return [text for text in dict.fromkeys(texts) if text.strip()]


def words_of(asked: "Iterable[Request | Order]") -> list[str]:
    """All that guards read of what is asked for."""
    return [text for one in asked for text in to_be_read(one.words, one.negative, one.guidance)]


def _refusal(policy: Policy, verdict: Verdict, name: str) -> Refused:
    """The sentence for the person who asked."""
    if verdict.failed is not None:
        return Refused(f"{verdict.failed[0].upper()}{verdict.failed[1:]}.", verdict)
    reason = verdict.reason if name == "The prompt" else verdict.reason.replace("asks for", "shows")
    return Refused(f"{name} is refused by the policy '{policy.name}': {reason}.", verdict)


def _log_refusal(policy: Policy, part: str, verdict: Verdict, text: str | None) -> None:
    """Write what was refused, with the prompt's hash and never the prompt."""
    LOG.info(
        "refused %s",
        json.dumps(
            {
                "policy": policy.name,
                "part": part,
                "prompt_sha256": None if text is None else digest(text),
                "categories": sorted({finding.category for finding in verdict.findings}),
                "rules": sorted({finding.what for finding in verdict.findings}),
                "failed": verdict.failed,
            }
        ),
    )


def digest(text: str) -> str:
    """SHA-256 of a prompt, by which its refusals are found again."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
