"""The adherence bench, from the prompts through the users' pipeline to the table."""

import json

import pytest

from skyloom.bench.adherence import run, table
from skyloom.bench.judges.judge import ACCURACY, NAME, load_judge
from skyloom.bench.judges.training import test_judge as measure_judge
from skyloom.bench.table import write_json
from skyloom.errors import UserError
from skyloom.video import read


@pytest.fixture
def judge_folder(judge, tmp_path):
    write_json({"one": {"mean": 0.75, "attributes": {}}}, tmp_path / NAME / ACCURACY)
    return tmp_path


def test_the_same_call_gives_the_same_figures(tiny, judge_folder, tmp_path):
    def call(**more):
        return run(
            tiny.model, 1, tmp_path / "figures.json", seeds=2, size=(64, 64), seconds=0.7,
            steps=2, judge_folder=judge_folder, **more,
        )  # fmt: skip

    figures = call(sheet=tmp_path / "sheet.png")
    assert call() == figures
    assert json.loads((tmp_path / "figures.json").read_text())["clips"] == figures["clips"]
    assert [clip["seed"] for clip in figures["clips"]] == [0, 1] * 3
    for name, tier in figures["tiers"].items():
        own = [clip for clip in figures["clips"] if clip["tier"] == name]
        asked = sum(entry["asked"] for entry in tier["attributes"].values())
        assert tier["clips"] == 2 and 0 <= tier["mean"] <= 1
        wrong = sum(len(clip["wrong"]) for clip in own)
        right = sum(e["asked"] * e["accuracy"] for e in tier["attributes"].values())
        assert right == pytest.approx(asked - wrong)
    assert read(tmp_path / "sheet.png").size == (6 * 64, 3 * 64)
    text = table(figures)
    assert "75.0%" in text and "all at once" in text and "camera" in text


def test_a_sheet_that_cannot_be_written_is_found_out_first(tiny, judge_folder, tmp_path):
    with pytest.raises(UserError, match="picture"):
        run(tiny.model, 1, judge_folder=judge_folder, sheet=tmp_path / "sheet.mp4")
    with pytest.raises(UserError, match="does not exist"):
        run(tiny.model, 1, judge_folder=judge_folder, sheet=tmp_path / "no" / "sheet.png")


@pytest.mark.slow
def test_a_judge_is_tested_on_real_renders(judge_folder):
    figures = measure_judge(load_judge(judge_folder), clips=1, size=(64, 64))
    assert [figures[tier]["clips"] for tier in ("one", "two", "all")] == [1, 1, 1]
