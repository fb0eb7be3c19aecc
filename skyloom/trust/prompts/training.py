"""Teaching the bundled classifier of prompts: minutes on one core.

python -m skyloom.trust.prompts.training [--steps N] [--out FILE] [--seed S]

Sentences come from skyloom/trust/prompts/grammar.py, ordinary words from the package `wordfreq`.
One in eight terms of the lists is kept from training; thresholds are set on innocent sentences with
such terms. What it prints is measured on sentences of held-out terms alone, without the rules.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from skyloom.errors import UserError
from skyloom.extras import need
from skyloom.files import atomic_path
from skyloom.progress import track
from skyloom.trust.prompts.classifier import LABELS, REACH, WEIGHTS, Classifier, in_pieces, load
from skyloom.trust.prompts.features import BUCKETS, Words, words_of
from skyloom.trust.prompts.grammar import GRAVE, LANGUAGES, Grammar
from skyloom.trust.prompts.lexicon import lexicon
from skyloom.trust.prompts.normalise import read
from skyloom.trust.prompts.rules import Found

WIDTH, UNITS = 14, 48
BATCH, STEPS = 96, 1600
COMMON_WORDS = 6000
"""Ordinary words of each language."""
THRESHOLD_SENTENCES = 6000
FALSE_ALARMS = 0.0005
"""Share of innocent sentences with held-out terms that each label may flag."""
LEAST_THRESHOLD = 0.997


class Network(nn.Module):
    """The network of skyloom/trust/prompts/classifier.py, to be trained."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.EmbeddingBag(BUCKETS, WIDTH, mode="mean")
        nn.init.normal_(self.table.weight, std=0.05)
        self.mix = nn.Linear(REACH * WIDTH, UNITS)
        self.out = nn.Linear(2 * UNITS, len(LABELS))
        nn.init.constant_(self.out.bias, -3.0)

    def forward(self, prompts: Sequence[Words]) -> Tensor:
        """Logits, one row a prompt."""
        lengths = [len(words) for words in prompts]
        flat = [word for words in prompts for word in words]
        starts = np.cumsum([0] + [len(word) for word in flat[:-1]])
        vectors = self.table(torch.from_numpy(np.concatenate(flat)), torch.from_numpy(starts))
        padded = torch.zeros(len(prompts), max(lengths) + REACH - 1, WIDTH)
        there = torch.zeros(len(prompts), max(lengths), dtype=torch.bool)
        rows = []
        for row, piece in enumerate(vectors.split(lengths)):
            rows.append(F.pad(piece, (0, 0, 1, padded.shape[1] - 1 - len(piece))))
            there[row, : len(piece)] = True
        stacked = torch.stack(rows)
        near = torch.cat([stacked[:, at : at + max(lengths)] for at in range(REACH)], dim=2)
        units = self.mix(near).relu() * there[..., None]
        mean = units.sum(dim=1) / there.sum(dim=1, keepdim=True)
        return self.out(torch.cat([units.amax(dim=1), mean], dim=1))


def common_words() -> Mapping[str, list[str]]:
    """Ordinary words by language, without those of the grave lists.

    Raises:
        UserError: the package `wordfreq` is not installed.
    """
    frequencies = need("wordfreq", extra="guard-training")
    lists, found = lexicon(), {}
    for language in LANGUAGES:
        words = frequencies.top_n_list(language, COMMON_WORDS)
        found[language] = [
            word for word in words if not Found(lists.hits(read(word))).has(*GRAVE)
        ]  # fmt: skip
    return found


def train(network: Network, grammar: Grammar, steps: int, rng: Random) -> None:
    """Teach the network on sentences drawn as it goes."""
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    with track(steps, "teaching the classifier of prompts", unit="steps") as bar:
        for _ in range(steps):
            prompts, labels = batch(grammar, rng, BATCH)
            target = torch.zeros(len(prompts), len(LABELS))
            for row, label in enumerate(labels):
                if label is not None:
                    target[row, LABELS.index(label)] = 1
            loss = F.binary_cross_entropy_with_logits(network(prompts), target)
            # Words of no list stay near nothing: what was never seen should say nothing.
            loss = loss + 1e-5 * network.table.weight.square().sum() / BATCH
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            bar.advance()


def batch(grammar: Grammar, rng: Random, count: int) -> tuple[list[Words], list[str | None]]:
    """`count` sentences as the network reads them, and their categories."""
    prompts: list[Words] = []
    labels: list[str | None] = []
    while len(prompts) < count:
        text, label = grammar.draw(rng)
        words = in_pieces(words_of(text)[-1])
        if words and words[0]:
            prompts.append(words[0])
            labels.append(label)
    return prompts, labels


def save(network: Network, thresholds: Mapping[str, float], path: Path) -> None:
    """Write weights and thresholds."""
    from safetensors.torch import save_file

    state = {
        "table": network.table.weight,
        "mix": network.mix.weight.T,
        "shift": network.mix.bias,
        "out": network.out.weight.T,
        "bias": network.out.bias,
    }
    half = {name: value.detach().to(torch.float16).contiguous() for name, value in state.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as temporary:
        save_file(half, temporary, {"facts": json.dumps(dict(thresholds))})
        temporary.chmod(0o644)


def thresholds_of(classifier: Classifier, grammar: Grammar, rng: Random) -> dict[str, float]:
    """The thresholds at which so few innocent sentences are flagged."""
    innocent: list[np.ndarray] = []
    while len(innocent) < THRESHOLD_SENTENCES:
        text, label = grammar.draw(rng)
        if label is None:
            innocent.append(classifier.probabilities(text))
    limits = np.quantile(np.stack(innocent), 1 - FALSE_ALARMS, axis=0)
    return {
        label: float(min(max(limit + 1e-4, LEAST_THRESHOLD), 0.9999))
        for label, limit in zip(LABELS, limits, strict=True)
    }


def measure(classifier: Classifier, grammar: Grammar, rng: Random, count: int = 4000) -> str:
    """Recall and false alarms of the classifier alone, in a sentence."""
    flagged: dict[bool, list[bool]] = {True: [], False: []}
    for _ in range(count):
        text, label = grammar.draw(rng)
        flagged[label is not None].append(bool(classifier.findings(text)))
    recall, alarms = (100 * float(np.mean(flagged[kind])) for kind in (True, False))
    return f"held-out terms, without the rules: recall {recall:.1f}%, false alarms {alarms:.2f}%"


def main(out: Path = WEIGHTS, steps: int = STEPS, seed: int = 0) -> None:
    """Train, set the thresholds, write, measure."""
    torch.manual_seed(seed)
    common = common_words()
    network = Network()
    train(network, Grammar(held=False, common=common), steps, Random(seed))
    held = Grammar(held=True, common=common)
    save(network, dict.fromkeys(LABELS, LEAST_THRESHOLD), out)
    load.cache_clear()
    save(network, thresholds_of(load(out), held, Random(seed + 1)), out)
    load.cache_clear()
    print(measure(load(out), held, Random(seed + 2)))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    try:
        main(given.out, given.steps, given.seed)
    except UserError as error:
        sys.exit(str(error))
