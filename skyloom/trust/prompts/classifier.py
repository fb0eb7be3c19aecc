"""The bundled classifier of prompts: small, in numpy, taught by skyloom/trust/prompts/training.py.

A word is the mean of its pieces' vectors; a layer reads three words in a row; the strongest answer
of each unit over the prompt, and the mean, give a score for each category.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from jaxtyping import Float

from skyloom.trust import bundled
from skyloom.trust.bundled import Stored, read_stored
from skyloom.trust.prompts.features import MOST_WORDS, Words, words_of
from skyloom.trust.verdict import Finding

WEIGHTS = bundled.WEIGHTS / "prompts.safetensors"
LABELS = ("minors", "sexual", "violence", "hate", "self_harm")
"""Names of people and works are for lists alone: of one name nothing follows for another."""
REACH = 3
"""Words in a row that a unit reads."""


@dataclass(frozen=True)
class Classifier:
    """Weights and thresholds.

    Attributes:
        table: vectors of the buckets.
        mix, shift: the layer over three words.
        out, bias: from strongest and mean answers to the logit of each label.
        thresholds: probability of each label from which on it is a finding.
        version: the first letters of the file's hash.
    """

    table: Float[np.ndarray, "buckets D"]
    mix: Float[np.ndarray, "threeD units"]
    shift: Float[np.ndarray, "units"]
    out: Float[np.ndarray, "both labels"]
    bias: Float[np.ndarray, "labels"]
    thresholds: Float[np.ndarray, "labels"]
    version: str

    def probabilities(self, text: str) -> Float[np.ndarray, "labels"]:
        """How likely a prompt is of each category; the likelier of its readings counts."""
        logits = [self._logits(piece) for words in words_of(text) for piece in in_pieces(words)]
        logits = logits or [np.full(len(LABELS), -20.0)]
        return 1 / (1 + np.exp(-np.clip(np.max(logits, axis=0), -30, 30)))

    def findings(self, text: str) -> list[Finding]:
        """The categories whose threshold a prompt reaches."""
        found = zip(LABELS, self.probabilities(text), self.thresholds, strict=True)
        return [
            Finding(label, float(p), "classifier")  # type: ignore[arg-type]
            for label, p, least in found
            if p >= least
        ]

    def _logits(self, words: Words) -> Float[np.ndarray, "labels"]:
        vectors = np.stack([self.table[word].mean(axis=0) for word in words])
        padded = np.pad(vectors, ((1, REACH - 2), (0, 0)))
        rows = np.concatenate([padded[at : at + len(words)] for at in range(REACH)], axis=1)
        units = np.maximum(rows @ self.mix + self.shift, 0)
        return np.concatenate([units.max(axis=0), units.mean(axis=0)]) @ self.out + self.bias


def in_pieces(words: Words) -> Sequence[Words]:
    """A long prompt in overlapping pieces, so that nothing in it is thinned out by the rest."""
    if not words:
        return []
    step = MOST_WORDS // 2
    last = max(len(words) - step, 1)
    return [words[at : at + MOST_WORDS] for at in range(0, last, step)]


@cache
def load(path: Path = WEIGHTS) -> Classifier:
    """Read the weights.

    Raises:
        UserError: the file is missing or damaged.
    """
    return read_stored(path, "The classifier of prompts", "skyloom.trust.prompts.training", _built)


def _built(stored: Stored) -> Classifier:
    parts = {name: stored.tensors[name].astype(np.float32) for name in
             ("table", "mix", "shift", "out", "bias")}  # fmt: skip
    limits = np.array([stored.facts[label] for label in LABELS], dtype=np.float32)
    return Classifier(**parts, thresholds=limits, version=stored.version)
