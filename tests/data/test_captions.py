import json
from pathlib import Path

import pytest

from skyloom import cli
from skyloom.data.captions import caption
from skyloom.data.raw import RawDataset
from skyloom.errors import UserError


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    folder = tmp_path / "dataset"
    (folder / "clips").mkdir(parents=True)
    rows = [
        {"file": f"clips/{film}-{n}.mp4", "captions": [], "truth": None, "source": f"{film}.mov"}
        for film, n in (("beach", 0), ("beach", 1), ("city", 0))
    ]
    (folder / "captions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def captions(folder: Path) -> list[list[str]]:
    return [list(row.captions) for row in RawDataset(folder).rows]


def test_a_table_names_clips_and_films(dataset: Path, tmp_path: Path) -> None:
    table = tmp_path / "captions.csv"
    table.write_text(
        '\ufeffFile,Caption,Who\nbeach.mov,waves,me\nbeach-1.mp4,"a  gull,\ncalling",me\n'
        "gone.mp4,nothing,me\n",
        encoding="utf-8",
    )
    made = caption(dataset, table)
    assert captions(dataset) == [["waves"], ["a gull, calling"], []]
    assert (made.given, made.unknown, made.without) == (2, ("gone.mp4",), ("clips/city-0.mp4",))


def test_lines_and_sidecars(dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    lines = tmp_path / "captions.jsonl"
    lines.write_text('{"file": "clips/city-0", "captions": ["a street", "a long street"]}\n')
    assert cli.main(["caption", str(dataset), "--from", str(lines)]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"{dataset}: captions for 1 clips",
        "  no caption: clips/beach-0.mp4",
        "  no caption: clips/beach-1.mp4",
    ]
    (dataset / "clips" / "beach-0.txt").write_text("sand\n\nyellow sand\n")
    assert caption(dataset).given == 1
    assert captions(dataset) == [["sand", "yellow sand"], [], ["a street", "a long street"]]
    films = tmp_path / "films"
    films.mkdir()
    (films / "beach.txt").write_text("the sea")
    caption(dataset, films)
    assert captions(dataset)[:2] == [["the sea"], ["the sea"]]


def test_a_folder_of_clips_becomes_a_dataset(tmp_path: Path) -> None:
    folder = tmp_path / "clips"
    folder.mkdir()
    for name in ("a.mp4", "b.mp4"):
        (folder / name).write_bytes(b"x")
    (folder / "b.txt").write_text("a ball")
    assert caption(folder).without == ("a.mp4",)
    assert captions(folder) == [[], ["a ball"]]


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("a.csv", "name,text\nx,y\n", "columns 'file' and 'caption'"),
        ("a.csv", "file,caption\ngone.mp4,x\n", "none of its 1 names is a clip"),
        ("a.csv", "file,caption\nbeach.mov,  \n", "it holds none"),
        ("a.jsonl", '{"file": "x"}\n', "Line 1"),
        ("a.jsonl", '{"file": "x", "captions": "y"}\n', "Line 1"),
        ("a.doc", "x", r"a \.csv, a \.jsonl"),
        ("missing.csv", None, "does not exist"),
    ],
)
def test_nothing_is_written_where_it_does_not_work(
    dataset: Path, tmp_path: Path, name: str, text: str | None, says: str
) -> None:
    before = (dataset / "captions.jsonl").read_bytes()
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(UserError, match=says):
        caption(dataset, tmp_path / name)
    assert (dataset / "captions.jsonl").read_bytes() == before
    assert [path.name for path in dataset.iterdir() if path.is_file()] == ["captions.jsonl"]
