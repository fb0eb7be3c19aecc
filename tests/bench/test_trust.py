"""The bench of trust: its prompts, its clips that flash, its table."""

from pathlib import Path

import pytest

from skyloom.bench import trust
from skyloom.commands.bench import TRUST_PARTS
from skyloom.errors import UserError
from skyloom.trust.prompts.classifier import load
from skyloom.trust.prompts.rules import findings
from skyloom.trust.verdict import CATEGORIES


def test_the_prompts_are_of_known_kinds_and_the_guard_tells_them_apart() -> None:
    asked = trust.prompts()
    assert {label for label, _ in asked} <= {*CATEGORIES, trust.FINE}
    some = asked[::12]
    classifier = load()
    refused = [bool(findings(text) or classifier.findings(text)) for _, text in some]
    wrong = [
        text
        for (label, text), told in zip(some, refused, strict=True)
        if told != (label != trust.FINE)
    ]
    assert len(wrong) <= 0.02 * len(some), wrong


def test_a_file_that_is_none(tmp_path: Path) -> None:
    file = tmp_path / "prompts.tsv"
    file.write_text("ok\ta red ball\nno tab here\n")
    with pytest.raises(UserError, match="Line 2"):
        trust.prompts(file)


def test_its_figures_and_table(tmp_path: Path) -> None:
    file = tmp_path / "prompts.tsv"
    file.write_text("# two\nok\ta red ball\nip\tMickey Mouse skates\n", encoding="utf-8")
    parts = ["prompts", "flashes"]
    figures = trust.run(tmp_path / "x.json", file, parts, tmp_path / "marks")
    assert figures["prompts"]["recall"] == 1.0 and figures["prompts"]["false alarms"] == 0.0
    assert figures["flashes"]["right"] == 1.0
    text = trust.table(figures)
    assert "95%" in text and "100.0%" in text
    assert "Not measured: detector, marks, unmarked, cost, see --part." in text
    assert (tmp_path / "x.json").is_file()
    assert not (tmp_path / "marks").exists()  # nothing was measured there


def test_a_detector_without_clips_is_said_so(tmp_path: Path) -> None:
    figures = trust.run(None, None, ["detector"], tmp_path / "marks", tmp_path / "clips")
    assert "The detector's held-out clips are not in" in trust.table(figures)


def test_the_command_line_knows_the_parts() -> None:
    assert TRUST_PARTS == trust.PARTS
