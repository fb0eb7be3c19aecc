"""Tables and JSON of the benches."""

import json

from skyloom.bench.table import format_table, percent, write_json


def test_a_table_shows_every_cell_and_note():
    text = format_table("speed", ["what", "figure"], [["cold", 3.14159], ["none", None]], ["Note."])
    assert "speed" in text and "3.14" in text and "3.142" not in text
    assert any(line.split() == ["none", "-"] for line in text.splitlines())
    assert text.endswith("Note.")


def test_brackets_are_no_markup():
    assert "[bold]" in format_table("t", ["a"], [["[bold]"]])


def test_json_appears_whole_and_none_writes_nothing(tmp_path):
    write_json({"a": 1.5}, tmp_path / "figures.json")
    assert json.loads((tmp_path / "figures.json").read_text()) == {"a": 1.5}
    write_json({"a": 1.5}, None)
    assert [path.name for path in tmp_path.iterdir()] == ["figures.json"]


def test_percent():
    assert percent(0.975) == "97.5%" and percent(None) is None
