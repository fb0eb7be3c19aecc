"""What `skyloom runs` says of a real run, and of folders that are none."""

from html.parser import HTMLParser
from pathlib import Path

import pytest
from tiny import Tiny

from skyloom import cli
from skyloom.runlog.page import chart, thinned
from skyloom.runlog.read import find_runs


def test_a_real_run_as_a_page(tiny: Tiny, tmp_path: Path, capsys) -> None:
    assert cli.main(["runs", "--folder", str(tiny.root)]) == 0
    said = capsys.readouterr().out
    assert "transformer" in said and "autoencoder" in said and "done" in said
    page = tmp_path / "page.html"
    assert cli.main(["runs", "transformer", "--folder", str(tiny.root), "-o", str(page)]) == 0
    text = page.read_text()
    HTMLParser().feed(text)
    assert text.count("<svg") >= 4 and "Loss by noise level" in text and "held_out_loss" in text
    assert "http" not in text and "<script" not in text


def test_loss_by_sigma_adds_up(tiny: Tiny) -> None:
    (run,) = [r for r in find_runs(tiny.root) if r.name == "transformer"]
    for row in run.metrics:
        shares = [row[key] for key in row if key.endswith("_share")]
        assert len(shares) == 4 and sum(shares) == pytest.approx(1.0)
        parts = [row[key.removesuffix("_share")] for key in row if key.endswith("_share")]
        assert sum(parts) == pytest.approx(row["flow"], rel=0.2)
    assert run.by_sigma()


def test_torn_and_empty_files(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "metrics.jsonl").write_text('{"step": 1, "loss": 2.0}\n{"step": 2, "lo')
    (run,) = find_runs(tmp_path)
    assert run.series("loss") == [(1, 2.0)] and run.recipe == {} and run.kind == "unknown"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--folder", "nowhere"], "'nowhere' does not exist"),
        (["--folder", "EMPTY"], "There is no run in"),
        (["transfomer", "--folder", "RUNS"], "the nearest is 'transformer'"),
        (["transformer", "--folder", "RUNS", "-o", "x.txt"], "name a .html file"),
    ],
)
def test_what_cannot_be(
    tiny: Tiny, tmp_path: Path, capsys, words: list[str], sentence: str
) -> None:
    places = {"EMPTY": str(tmp_path), "RUNS": str(tiny.root)}
    assert cli.main(["runs", *(places.get(word, word) for word in words)]) == 2
    assert sentence in capsys.readouterr().err


def test_curves() -> None:
    assert chart("x", {"a": []}) == ""
    assert "<polyline" in chart("x", {"a": [(0, 1.0)]})
    many = thinned([(step, 1.0) for step in range(5000)])
    assert len(many) <= 600 and many[-1][0] == 4999
