"""The bundled classifier of prompts, and the sentences that it is taught with."""

from pathlib import Path
from random import Random

import numpy as np
import pytest

from skyloom.errors import UserError
from skyloom.trust.prompts import classifier
from skyloom.trust.prompts.features import MOST_WORDS, words_of
from skyloom.trust.prompts.grammar import VIOLATIONS, Grammar, held_out


def test_probabilities_are_of_its_labels_and_calm_prompts_find_nothing() -> None:
    bundled = classifier.load()
    found = bundled.probabilities("a red ball rolls across the snow")
    assert found.shape == (len(classifier.LABELS),) and (found < bundled.thresholds).all()
    assert bundled.findings("a red ball rolls across the snow") == []
    assert bundled.findings("") == []
    assert len(bundled.version) == 12


def test_nothing_is_thinned_out_in_a_long_prompt() -> None:
    bundled = classifier.load()
    short = "a nude woman undresses"
    long = " ".join(["a red ball rolls"] * 40) + " " + short
    label = classifier.LABELS.index("sexual")
    calm = bundled.probabilities(" ".join(["a red ball rolls"] * 40))[label]
    assert bundled.probabilities(long)[label] > calm
    (words,) = words_of(" ".join(["ball"] * 200))
    assert all(len(piece) <= MOST_WORDS for piece in classifier.in_pieces(words))
    assert sum(map(len, classifier.in_pieces(words))) >= len(words)


def test_disguised_words_are_read_twice() -> None:
    plain, bare = words_of("a l4nt3rn")
    (straight,) = words_of("a lantern")
    assert np.array_equal(bare[1], straight[1]) and not np.array_equal(plain[1], straight[1])


def test_damaged_weights(tmp_path: Path) -> None:
    file = tmp_path / "prompts.safetensors"
    with pytest.raises(UserError, match="missing or damaged"):
        classifier.load(file)
    file.write_bytes(classifier.WEIGHTS.read_bytes()[:5000])
    with pytest.raises(UserError, match=r"skyloom\.trust\.prompts\.training"):
        classifier.load(file)


def test_the_grammar_keeps_held_out_terms_apart() -> None:
    taught, held = Grammar(held=False, common={}), Grammar(held=True, common={})
    for name in ("porn", "gore", "symbol"):
        assert not any(map(held_out, taught._terms[name, "en"]))
        assert all(map(held_out, held._terms[name, "en"]))
    drawn = [taught.draw(Random(seed)) for seed in range(300)]
    labels = {label for _, label in drawn}
    assert labels == {*VIOLATIONS, None} and set(VIOLATIONS) == set(classifier.LABELS)
    assert 0.3 < sum(label is None for _, label in drawn) / len(drawn) < 0.8
    assert drawn == [taught.draw(Random(seed)) for seed in range(300)]
