"""The bundled classifier of prompts: what a sentence means, not which words are in it.

A support vector machine in numpy (Cortes and Vapnik, 1995) asks how near the vector of a sentence
(skyloom/trust/prompts/sentences.py) lies to those of sentences it was taught; a linear layer says
which category it is then. Taught by skyloom/trust/prompts/training.py.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int8

from skyloom.trust import bundled
from skyloom.trust.bundled import Stored, read_stored
from skyloom.trust.prompts.sentences import pieces, vectors
from skyloom.trust.verdict import Category, Finding

WEIGHTS = bundled.WEIGHTS / "prompts.safetensors"
LABELS: tuple[Category, ...] = ("sexual", "violence", "hate", "self_harm", "celebrity", "ip")
"""What is sexual about minors is for rules: a sentence's meaning does not tell how old somebody is.
People and works are known here by what is said of them, by their names in lists alone."""
STEPS = 127.0
"""Vectors of length 1 are kept in steps of one over this."""


@dataclass(frozen=True)
class Classifier:
    """Weights and threshold.

    Attributes:
        taught: vectors of the sentences that count, in whole `STEPS`.
        weights: of each, above 0 for violations.
        kernel: (gamma, offset): a sentence has sum w exp(-gamma |x - x_i|^2) + offset.
        slope: (a, b): its probability is the logistic function of a times that, plus b.
        which, bias: from a vector to the logit of each label, given that it is one of them.
        threshold: probability from which on it is a finding.
        version: the first letters of the file's hash.
    """

    taught: Int8[np.ndarray, "S 512"]
    weights: Float[np.ndarray, "S"]
    kernel: tuple[float, float]
    slope: tuple[float, float]
    which: Float[np.ndarray, "512 labels"]
    bias: Float[np.ndarray, "labels"]
    threshold: float
    version: str

    def of_vectors(self, seen: Float[np.ndarray, "N 512"]) -> Float[np.ndarray, "N"]:
        """How likely each of some sentences is a violation."""
        gamma, offset = self.kernel
        (a, b), near = self.slope, seen @ (self.taught.astype(np.float32).T / STEPS)
        scores = np.exp(2 * gamma * (near - 1)) @ self.weights + offset
        return 1 / (1 + np.exp(-(a * scores + b)))

    def findings(self, text: str) -> list[Finding]:
        """At most one: the category of the likeliest sentence, if it reaches the threshold."""
        sentences = pieces(text)
        if not sentences:
            return []
        seen = vectors(sentences)
        found = self.of_vectors(seen)
        worst = int(found.argmax())
        if found[worst] < self.threshold:
            return []
        label = LABELS[int((seen[worst] @ self.which + self.bias).argmax())]
        return [Finding(label, float(found[worst]), "classifier")]


@cache
def load(path: Path = WEIGHTS) -> Classifier:
    """Read the weights.

    Raises:
        UserError: the file is missing or damaged.
    """
    return read_stored(path, "The classifier of prompts", "skyloom.trust.prompts.training", _built)


def _built(stored: Stored) -> Classifier:
    facts, tensors = stored.facts, stored.tensors
    if tuple(facts["labels"]) != LABELS:
        raise ValueError(f"its labels are {facts['labels']}")
    return Classifier(
        tensors["taught"],
        tensors["weights"],
        tuple(facts["kernel"]),
        tuple(facts["slope"]),
        tensors["which"],
        tensors["bias"],
        float(facts["threshold"]),
        stored.version,
    )
