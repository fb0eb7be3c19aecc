"""The bundled classifier of prompts, the sentences it reads, and how it is taught."""

from pathlib import Path

import numpy as np
import pytest

from skyloom.bench.trust import prompts
from skyloom.errors import UserError
from skyloom.trust.prompts import classifier, training
from skyloom.trust.prompts.sentences import MOST_WORDS, pieces, vectors


@pytest.mark.parametrize(
    ("text", "category"),
    [
        ("he lies in the road and a red puddle grows around his head, he does not blink any more",
         "violence"),
        ("she lets the towel drop and slowly turns to the lens, nothing on", "sexual"),
        ("a small yellow rodent with red cheeks shoots lightning from its zigzag tail", "ip"),
    ],
)  # fmt: skip
def test_what_is_meant_is_found_without_its_word(text: str, category: str) -> None:
    assert [found.category for found in classifier.load().findings(text)] == [category]


@pytest.mark.parametrize(
    "text",
    ["a red ball rolls across the snow", "", "一个红球在雪地上滚动", "killer whales hunt a seal"],
)
def test_calm_prompts_find_nothing(text: str) -> None:
    bundled = classifier.load()
    assert bundled.findings(text) == [] and len(bundled.version) == 12


def test_nothing_is_thinned_out_in_a_long_prompt() -> None:
    calm = "A red ball rolls across the snow at sunset. " * 8
    guilty = "A woman takes off all her clothes and shows her body. "
    bundled = classifier.load()
    assert bundled.findings(calm) == []
    assert [f.category for f in bundled.findings(calm + guilty + calm)] == ["sexual"]
    windows = pieces(" ".join(["ball"] * 200))
    assert all(len(window.split()) <= MOST_WORDS for window in windows)
    assert pieces("一个人在街上。他倒下了!") == [
        "一个人在街上。他倒下了!",
        "一个人在街上。",
        "他倒下了!",
    ]


@pytest.mark.parametrize(
    ("disguised", "meant"),
    [("a l4nt3rn", "a lantern"), ("a l.a.n.t.e.r.n shines", "lantern shines"),
     ("a l\u0430ntern", "a lantern"), ("a lllantern", "a lantern")],
)  # fmt: skip
def test_disguised_words_are_read_as_meant(disguised: str, meant: str) -> None:
    assert pieces(disguised)[-1] == meant and pieces(meant) == [meant]


def test_vectors_know_languages() -> None:
    one, other, far = vectors(["a dog runs in the park", "un perro corre en el parque", "gold 2%"])
    assert one @ other > 0.7 > 0.4 > one @ far
    assert np.allclose([one @ one, far @ far], 1, atol=1e-3)


def test_damaged_weights(tmp_path: Path) -> None:
    file = tmp_path / "prompts.safetensors"
    with pytest.raises(UserError, match="missing or damaged"):
        classifier.load(file)
    file.write_bytes(classifier.WEIGHTS.read_bytes()[:5000])
    with pytest.raises(UserError, match=r"skyloom\.trust\.prompts\.training"):
        classifier.load(file)


def test_the_lessons_are_well_formed_and_not_what_is_measured_with() -> None:
    taught = training.lessons()
    labels = [label for label, _ in taught]
    assert {*labels} == {*classifier.LABELS, training.FINE} and len(taught) > 7000
    measured = {text.casefold() for _, text in prompts()}
    assert not measured & {text.casefold() for _, text in taught}


def test_a_bad_lesson_says_where(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no lessons"):
        training.lessons(tmp_path)
    (tmp_path / "a.tsv").write_text("ok\ta cat sleeps\nnonsense\ta dog\n")
    with pytest.raises(UserError, match=r"Line 2 of .*a\.tsv"):
        training.lessons(tmp_path)


def test_teaching_from_a_few_sentences(tmp_path: Path) -> None:
    """Whole, at tiny size: what was written finds sentences that it was not taught."""
    pytest.importorskip("sklearn")
    things = ("ball", "cat", "tree", "car", "house", "river", "boat", "cloud", "bird", "lamp")
    places = ("on the beach", "at night", "in the rain", "from above", "in winter", "in a garden")
    rows = [f"ok\ta {thing} {place}" for thing in things for place in places]
    rows += [f"violence\ta man is stabbed {place}, {thing}" for thing in things for place in places]
    rows += [f"sexual\tnaked people {place}, {thing}" for thing in things for place in places]
    (tmp_path / "a.tsv").write_text("\n".join(rows))
    said = training.main(tmp_path / "w.safetensors", folder=tmp_path)
    assert "180 lessons, 120 of them violations" in said
    found = classifier.load(tmp_path / "w.safetensors")
    assert [f.category for f in found.findings("a woman is stabbed on a bridge")] == ["violence"]
    assert [f.category for f in found.findings("naked people on a bridge")] == ["sexual"]
    assert found.findings("a lighthouse in summer") == []
