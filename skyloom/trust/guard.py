"""Guards, alone and in chains: what may be asked, and what may be shown.

    with Guards(load_policy()) as guards:
        verdict = guards.prompts.check("a red ball rolls across the snow")
        verdict = guards.frames.check(frames, fps)

The guards of a policy run in a process of their own, which is ended where one takes too long. What
fails, is missing or does not answer in time blocks, and the verdict names it; only guards that ran
to their end stand in `Verdict.ran`.
"""

import threading
from collections.abc import Sequence
from types import TracebackType
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import UInt8

from skyloom.trust.guards.child import Child, Failed
from skyloom.trust.policy import Policy, load_policy
from skyloom.trust.prompts.normalise import MOST_CHARACTERS
from skyloom.trust.verdict import Finding, Ran, Verdict


@runtime_checkable
class PromptGuard(Protocol):
    """Says whether a prompt may be made."""

    def check(self, text: str) -> Verdict:
        """What is found in a prompt."""


@runtime_checkable
class FrameGuard(Protocol):
    """Says whether frames may be shown, or taken as an input."""

    def check(self, frames: UInt8[np.ndarray, "F H W 3"], fps: float) -> Verdict:
        """What is found in frames."""


class Guards:
    """The guards of a policy. Safe to use from many threads, one check at a time.

    Attributes:
        prompts: a `PromptGuard` that asks every guard of prompts.
        frames: a `FrameGuard` that asks every guard of frames.
    """

    def __init__(self, policy: Policy | None = None) -> None:
        self.policy = policy or load_policy()
        self._child = Child(self.policy)
        self._lock = threading.Lock()
        self.prompts: PromptGuard = _Prompts(self)
        self.frames: FrameGuard = _Frames(self)

    def start(self) -> None:
        """Begin to load the guards, without waiting for them."""
        if not self.policy.off:
            with self._lock:
                self._child.start()

    def load(self, parts: Sequence[str] = ("prompts", "frames")) -> Verdict:
        """Find out whether every guard can be had, before the work in which they are asked.

        Returns:
            a verdict that allows, or one that says which guard cannot be had, and why.
        """
        with self._lock:
            for of in parts:
                for number, settings in enumerate(getattr(self.policy, of)):
                    try:
                        self._child.load(of, number)
                    except Failed as error:
                        return _failed(settings.kind, error)
        return Verdict(True)

    def close(self) -> None:
        """End the process of the guards."""
        self._child.close()

    def __enter__(self) -> "Guards":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _ask(self, of: str, names: list[str], job: dict, data: bytes = b"") -> Verdict:
        """Put one question to the guards in the child, in order."""
        ran: list[Ran] = []
        findings: list[Finding] = []
        with self._lock:
            for number, name in enumerate(names):
                try:
                    answer = self._child.ask({"of": of, "number": number, **job}, data)
                except Failed as error:
                    return _failed(name, error, findings, ran)
                ran.append(Ran(name, answer["version"], answer["seconds"]))
                findings += [Finding(**found) for found in answer["findings"]]
        return Verdict(not findings, tuple(findings), tuple(ran))


HELP = "see that it can run, or name another policy with --policy"


def _failed(
    name: str, error: Failed, findings: Sequence[Finding] = (), ran: Sequence[Ran] = ()
) -> Verdict:
    """What is said where a guard did not do its work."""
    finding = Finding("guard", 1.0, f"{name} {error.kind}")
    told = f"the guard '{name}' {error}, so nothing is made: {HELP}"
    return Verdict(False, (*findings, finding), tuple(ran), told)


class _Prompts:
    def __init__(self, guards: Guards) -> None:
        self._guards = guards

    def check(self, text: str) -> Verdict:
        names = [settings.kind for settings in self._guards.policy.prompts]
        if names and len(text) > MOST_CHARACTERS:
            told = (
                f"the prompt has {len(text):,} characters and guards read {MOST_CHARACTERS:,} at "
                "the most: shorten it"
            )
            return Verdict(False, (Finding("guard", 1.0, "too long"),), (), told)
        return self._guards._ask("prompts", list(names), {"text": text})


class _Frames:
    def __init__(self, guards: Guards) -> None:
        self._guards = guards

    def check(self, frames: UInt8[np.ndarray, "F H W 3"], fps: float) -> Verdict:
        names = [settings.kind for settings in self._guards.policy.frames]
        if not names:
            return Verdict(True)
        data = np.ascontiguousarray(frames).tobytes()
        job = {"shape": list(frames.shape), "fps": fps}
        return self._guards._ask("frames", list(names), job, data)
