"""Teaching the bundled classifier of prompts: a minute or two on one core.

python -m skyloom.trust.prompts.training [--out FILE] [--seed S]

The lessons are sentences by the thousand with their categories, innocent twins beside them, in
lessons/*.tsv. Each fifth of them is scored once by a machine that has not seen it: that says what a
score is worth, where the threshold has to be, and how much is found.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from skyloom.errors import UserError
from skyloom.extras import need
from skyloom.files import atomic_path
from skyloom.progress import track
from skyloom.trust.prompts.classifier import LABELS, STEPS, WEIGHTS, Classifier
from skyloom.trust.prompts.sentences import pieces, vectors

LESSONS = Path(__file__).parent / "lessons"
FINE = "ok"
FOLDS = 5
FALSE_ALARMS = 0.04
"""Share of the innocent lessons that may be flagged unseen. Most are twins of violations; of what
people ask for, and of look-alikes in other words, far fewer are."""
GAMMA, COST = 1.5, 2.0

Vectors = Float[np.ndarray, "N 512"]


def lessons(folder: Path = LESSONS) -> list[tuple[str, str]]:
    """(category or "ok", sentence) of all files of a folder, each sentence once.

    Raises:
        UserError: a line is no category, tab and sentence, or the category is unknown.
    """
    found: dict[str, str] = {}
    for path in sorted(folder.glob("*.tsv")):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            label, _, text = line.partition("\t")
            if label not in (*LABELS, FINE) or not text.strip():
                raise UserError(
                    f"Line {number} of '{path}' is no category, tab and sentence; categories are "
                    f"{', '.join((*LABELS, FINE))}."
                )
            found.setdefault(text.strip(), label)
    if not found:
        raise UserError(f"There are no lessons in '{folder}'.")
    return [(label, text) for text, label in found.items()]


def teach(seen: Vectors, labels: Int[np.ndarray, "N"]) -> Classifier:
    """A classifier that knows some sentences; its score is no probability yet.

    Args:
        labels: places in LABELS, -1 for innocent ones.
    """
    linear, svm = (
        need("sklearn.linear_model", "guard-training"),
        need("sklearn.svm", "guard-training"),
    )
    guilty = labels >= 0
    machine = svm.SVC(C=COST, gamma=GAMMA).fit(seen, guilty)
    which = linear.LogisticRegression(C=10.0, max_iter=500).fit(seen[guilty], labels[guilty])
    coef = np.zeros((seen.shape[1], len(LABELS)), dtype=np.float32)
    bias = np.full(len(LABELS), -1e4, dtype=np.float32)  # of a label that no lesson has
    coef[:, which.classes_], bias[which.classes_] = _rows(which)
    return Classifier(
        taught=np.round(machine.support_vectors_ * STEPS).astype(np.int8),
        weights=machine.dual_coef_[0].astype(np.float32),
        kernel=(GAMMA, float(machine.intercept_[0])),
        slope=(1.0, 0.0),
        which=coef,
        bias=bias,
        threshold=1.0,
        version="",
    )


def _rows(which: Any) -> tuple[np.ndarray, np.ndarray]:
    """Columns of weights and biases, one a class; of two classes scikit-learn keeps one."""
    if len(which.classes_) == 2:
        half = which.coef_[0] / 2
        return np.stack([-half, half], axis=1), np.array([-0.5, 0.5]) * which.intercept_[0]
    return which.coef_.T, which.intercept_


def calibrated(
    classifier: Classifier, scores: Float[np.ndarray, "N"], guilty: Bool[np.ndarray, "N"]
) -> Classifier:
    """With probabilities for scores (Platt, 1999), and the threshold that few innocents reach.

    Args:
        scores: of sentences by classifiers that had not seen them.
    """
    linear = need("sklearn.linear_model", "guard-training")
    platt = linear.LogisticRegression(C=1e6).fit(scores[:, None], guilty)
    a, b = float(platt.coef_[0, 0]), float(platt.intercept_[0])
    limit = a * float(np.quantile(scores[~guilty], 1 - FALSE_ALARMS)) + b
    limit = max(limit, 0.0)  # nothing is refused that is rather innocent
    return replace(classifier, slope=(a, b), threshold=float(1 / (1 + np.exp(-limit))))


def save(classifier: Classifier, path: Path) -> None:
    """Write a classifier."""
    from safetensors.numpy import save_file

    names = ("taught", "weights", "which", "bias")
    tensors = {name: np.ascontiguousarray(getattr(classifier, name)) for name in names}
    facts = {name: getattr(classifier, name) for name in ("kernel", "slope", "threshold")}
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as temporary:
        save_file(tensors, temporary, {"facts": json.dumps({**facts, "labels": LABELS})})
        temporary.chmod(0o644)


def main(out: Path = WEIGHTS, seed: int = 0, folder: Path = LESSONS) -> str:
    """Teach, calibrate, write; what was measured, in a sentence."""
    taught = _in_pieces(lessons(folder))
    seen = vectors([text for _, text in taught])
    labels = np.array([LABELS.index(label) if label != FINE else -1 for label, _ in taught])
    guilty, scores = labels >= 0, np.zeros(len(taught))
    fold = np.random.default_rng(seed).permutation(len(taught)) % FOLDS
    with track(FOLDS + 1, "teaching the classifier of prompts", unit="machines") as bar:
        for number in range(FOLDS):
            known = fold != number
            other = teach(seen[known], labels[known]).of_vectors(seen[~known])
            scores[~known] = np.log(other / (1 - other))
            bar.advance()
        found = calibrated(teach(seen, labels), scores, guilty)
        bar.advance()
    save(found, out)
    a, b = found.slope
    flagged = 1 / (1 + np.exp(-(a * scores + b))) >= found.threshold
    shares = ", ".join(
        f"{label} {100 * flagged[labels == place].mean():.0f}%"
        for place, label in enumerate(LABELS)
        if (labels == place).any()
    )
    return (
        f"{len(taught)} lessons, {guilty.sum()} of them violations; of those that were not taught "
        f"{100 * flagged[guilty].mean():.1f}% are found at {100 * FALSE_ALARMS:g}% of the innocent "
        f"ones ({shares}); threshold {found.threshold:.3f}, {len(found.weights)} sentences count."
    )


def _in_pieces(taught: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """What will be read: of an innocent prompt every sentence is innocent, of others who knows."""
    found: dict[str, str] = {}
    for label, text in taught:
        for piece in pieces(text) if label == FINE else [text]:
            found.setdefault(piece, label)
    return [(label, piece) for piece, label in found.items()]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    try:
        print(main(given.out, given.seed))
    except UserError as error:
        sys.exit(str(error))
