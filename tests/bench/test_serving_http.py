"""The bench of serving over HTTP: a real server, the tiny model, few clips."""

import json
from pathlib import Path

import pytest
from tiny import Tiny

from skyloom.bench import serving_http


@pytest.mark.slow
def test_both_sides_make_the_clips(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving_http, "CLIENTS", 2)
    monkeypatch.setattr(serving_http, "CLIPS", 1)
    figures = serving_http.run(tiny.model, tmp_path / "figures.json", rounds=1)
    assert figures["ratio"] > 0 and figures["processor ratio"] > 0
    assert all(rate > 0 for rate in figures["clips/s"].values())
    assert json.loads((tmp_path / "figures.json").read_text())["clips"] == 2
    assert "over HTTP beside in process" in serving_http.table(figures)
