"""The process in which guards run, one question after the other.

Questions come as lines of JSON on stdin, frames as bytes after their line; answers go as lines of
JSON to stdout. See `child.Child`, the other end. The bundled guards of prompts are loaded at once,
so that they are there when the parent has loaded its model; others when they are first asked. The
prompt is never written anywhere.
"""

import json
import sys
import time
from contextlib import suppress
from typing import Any, BinaryIO

import numpy as np

from skyloom.answering import tell, wire_to_parent
from skyloom.config import from_dict
from skyloom.errors import UserError
from skyloom.trust.policy import FrameSettings, Policy, PromptSettings
from skyloom.trust.verdict import Finding


def main() -> None:
    """Answer until stdin ends or the parent is gone."""
    wire = wire_to_parent()
    policy = from_dict(Policy, json.loads(sys.argv[1]))
    guards: dict[tuple[str, int], Any] = {}
    tell(wire, {"ready": True})
    for number, settings in enumerate(policy.prompts):
        if settings.kind in ("rules", "classifier"):
            with suppress(Exception):  # what is missing is told when the guard is asked
                guards["prompts", number] = build(settings, policy)
    while line := sys.stdin.buffer.readline():
        job = json.loads(line)
        data = _read(sys.stdin.buffer, job["bytes"])
        tell(wire, _answer(policy, guards, job, data))


def _answer(policy: Policy, guards: dict, job: dict, data: bytes) -> dict:
    begun = time.monotonic()
    key = job["of"], job["number"]
    try:
        if key not in guards:
            guards[key] = build(getattr(policy, job["of"])[job["number"]], policy)
    except UserError as error:
        return {"failed": f"cannot be had ({str(error).rstrip('.')})", "kind": "missing"}
    except Exception as error:
        return {"failed": f"cannot be had ({type(error).__name__})", "kind": "missing"}
    guard = guards[key]
    if job.get("load"):
        return {"loaded": True}
    try:
        if job["of"] == "prompts":
            findings = guard.check(job["text"])
        else:
            frames = np.frombuffer(data, np.uint8).reshape(job["shape"])
            findings = guard.check(frames, job["fps"])
    except Exception as error:  # its text may hold the prompt: only its kind is told
        return {"failed": f"failed with {type(error).__name__}", "kind": "failed"}
    return {
        "version": guard.version,
        "seconds": round(time.monotonic() - begun, 4),
        "findings": [vars(finding) for finding in findings],
    }


def build(settings: PromptSettings | FrameSettings, policy: Policy) -> Any:
    """A guard by its settings: has `version` and `check`.

    Raises:
        UserError: it is not installed, or its folder is not what it needs.
    """
    if settings.kind == "rules":
        return Rules(policy.strict)
    if settings.kind == "classifier":
        return Bundled()
    if settings.kind == "flashing":
        return Flashing()
    from skyloom.trust.guards import hosted

    kinds = {
        "llama-guard": hosted.LlamaGuard,
        "shieldgemma": hosted.ShieldGemma,
        "text-classifier": hosted.TextClassifier,
        "image-classifier": hosted.ImageClassifier,
        "stable-diffusion": hosted.StableDiffusionChecker,
        "nudenet": hosted.NudeNet,
    }
    return kinds[settings.kind](settings)


class Rules:
    """The bundled lists and rules."""

    def __init__(self, strict: bool) -> None:
        self._strict, self.version = strict, _lists()

    def check(self, text: str) -> list[Finding]:
        """What the rules find."""
        from skyloom.trust.prompts.rules import findings

        return findings(text, self._strict)


class Bundled:
    """The bundled classifier of prompts."""

    def __init__(self) -> None:
        from skyloom.trust.prompts.classifier import load

        self._classifier = load()
        self._classifier.findings("the first sentence loads what vectors need")
        self.version = self._classifier.version

    def check(self, text: str) -> list[Finding]:
        """The categories that it is sure of."""
        return self._classifier.findings(text)


class Flashing:
    """Flashes that can cause seizures."""

    version = "WCAG 2.2"

    def check(self, frames: np.ndarray, fps: float) -> list[Finding]:
        """Flashes over the thresholds."""
        from skyloom.trust.guards.flashing import flashes

        found = flashes(frames, fps)
        if found.safe:
            return []
        return [Finding("flashing", 1.0, f"{max(found.general, found.red)} flashes a second")]


def _lists() -> str:
    """Read the lists of words and names, which takes a while once; their version."""
    from skyloom.trust.prompts import rules
    from skyloom.trust.prompts.lexicon import lexicon
    from skyloom.trust.prompts.names import names

    lexicon()
    names()
    return rules.version()


def _read(stream: BinaryIO, count: int) -> bytes:
    data = stream.read(count) if count else b""
    if len(data) != count:
        raise SystemExit(1)
    return data


if __name__ == "__main__":
    main()
