"""Captions from tables and sidecars into the captions.jsonl of a dataset."""

import csv
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from skyloom.data.raw import CAPTIONS, RawDataset
from skyloom.errors import UserError
from skyloom.files import atomic_path
from skyloom.media import IMAGE_SUFFIXES, MOVIE_SUFFIXES, RAW_SUFFIX

FILM_SUFFIXES = (*MOVIE_SUFFIXES, ".mov", ".mkv", ".avi")
CLIP_SUFFIXES = (*FILM_SUFFIXES, *IMAGE_SUFFIXES, RAW_SUFFIX)
LONGEST = 10_000
"""Characters of a caption: more is another kind of file."""


@dataclass(frozen=True)
class Captioned:
    """What came of it: numbers of clips, and what did not fit together, by name.

    Attributes:
        given: clips that got captions now.
        unknown: names in the captions that are no clip of the dataset.
        without: clips that have no caption, from before or from now.
    """

    given: int
    unknown: tuple[str, ...]
    without: tuple[str, ...]


def caption(folder: Path, source: Path | None = None) -> Captioned:
    """Write captions into a dataset's captions.jsonl, which is made where there is none.

    A caption goes by the name of a clip, with or without its folder and suffix, or by that of the
    film that clips were cut from: then to all of them. What is named takes the place of captions
    from before; the rest stays as it is.

    Args:
        folder: a raw dataset, or a folder of clips that is to become one.
        source: a .csv with the columns "file" and "caption", a .jsonl with "file" and "caption" or
            "captions", or a folder with a .txt for each clip or film, under its name and a line a
            caption; None looks for these beside the clips.

    Raises:
        UserError: the dataset or the captions cannot be read, or none of them fits.
    """
    rows = _rows(folder)
    given = _given(source or folder)
    named = _names(rows)
    taken: dict[int, list[str]] = {}
    exact: set[int] = set()  # a clip's own name wins over its film's
    unknown = []
    for name, captions in given.items():
        found, own = _find(name, named)
        if not found:
            unknown.append(name)
        for index in found:
            if own or index not in exact:
                taken[index] = captions
        if own:
            exact.update(found)
    if not taken:
        told = f"none of its {len(given)} names is a clip of it" if given else "it holds none"
        raise UserError(
            f"'{source or folder}' has no caption for '{folder}': {told}. Name clips as in "
            f"'{rows[0]['file']}'."
        )
    for index, captions in taken.items():
        rows[index]["captions"] = captions
    with atomic_path(folder / CAPTIONS) as temporary:
        lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        temporary.write_text("".join(lines), "utf-8")
    without = tuple(row["file"] for row in rows if not row["captions"])
    return Captioned(len(taken), tuple(unknown), without)


def _rows(folder: Path) -> list[dict]:
    """The rows of captions.jsonl as they are, or new ones for the clips below the folder."""
    if not folder.is_dir():
        raise UserError(f"'{folder}' is no folder: name a dataset.")
    if (folder / CAPTIONS).exists():
        RawDataset(folder)  # which complains where a line is wrong
        lines = (folder / CAPTIONS).read_text("utf-8").splitlines()
        return [json.loads(line) for line in lines if line.strip()]
    clips = sorted(
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.suffix.lower() in CLIP_SUFFIXES and not path.name.startswith(".") and path.is_file()
    )
    if not clips:
        raise UserError(f"'{folder}' holds neither a {CAPTIONS} nor a clip: name a dataset.")
    return [{"file": clip, "captions": [], "truth": None} for clip in clips]


def _names(rows: list[dict]) -> list[dict[str, list[int]]]:
    """Ways to name clips, each from name to rows; the first that knows a name is taken.

    The first half are names of clips, the others of the films that they were cut from.
    """
    ways: list[dict[str, list[int]]] = []
    for key in ("file", "source"):
        for kind in (str, _stem, lambda name: PurePosixPath(name).name, _last_stem):
            way: dict[str, list[int]] = {}
            for index, row in enumerate(rows):
                if isinstance(row.get(key), str):
                    way.setdefault(kind(row[key]), []).append(index)
            ways.append(way)
    return ways


def _find(name: str, ways: list[dict[str, list[int]]]) -> tuple[list[int], bool]:
    """The rows that a caption's name stands for, and whether it names the clip itself."""
    plain = PurePosixPath(name.replace("\\", "/")).as_posix().removeprefix("./")
    half = len(ways) // 2
    for own, part in ((True, ways[:half]), (False, ways[half:])):
        for way in part:
            if plain in way and (not own or len(way[plain]) == 1):
                return way[plain], own
    return [], False


def _stem(name: str) -> str:
    return PurePosixPath(name).with_suffix("").as_posix()


def _last_stem(name: str) -> str:
    return PurePosixPath(name).stem


def _given(source: Path) -> dict[str, list[str]]:
    """Captions by name, in the order of the file."""
    if source.is_dir():
        pairs = _sidecars(source)
    elif source.suffix.lower() == ".csv":
        pairs = _table(source)
    elif source.suffix.lower() in (".jsonl", ".json"):
        pairs = _lines(source)
    else:
        raise UserError(
            f"'{source}' holds no captions: name a .csv, a .jsonl or a folder of .txt files."
        )
    found: dict[str, list[str]] = {}
    for name, captions in pairs:
        clean = [" ".join(text.split())[:LONGEST] for text in captions if text.strip()]
        if clean:
            found.setdefault(name, []).extend(clean)
    return found


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8-sig")  # spreadsheets put a mark before the first line
    except FileNotFoundError as error:
        raise UserError(f"'{path}' does not exist: name a file of captions.") from error
    except OSError as error:
        raise UserError(f"'{path}' cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise UserError(f"'{path}' is not UTF-8 text: save it as UTF-8.") from error


def _table(path: Path) -> Iterator[tuple[str, list[str]]]:
    reader = csv.DictReader(_text(path).splitlines(keepends=True))
    columns = {(name or "").strip().lower(): name for name in reader.fieldnames or ()}
    if not {"file", "caption"} <= set(columns):
        raise UserError(f"'{path}' needs the columns 'file' and 'caption' in its first line.")
    try:
        for row in reader:
            name, text = row[columns["file"]], row[columns["caption"]]
            if name and name.strip():
                yield name.strip(), [text or ""]
    except csv.Error as error:
        raise UserError(f"Line {reader.line_num} of '{path}' is no CSV: {error}.") from error


def _lines(path: Path) -> Iterator[tuple[str, list[str]]]:
    for number, line in enumerate(_text(path).splitlines(), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            name = row["file"]
            captions = row["captions"] if "captions" in row else [row["caption"]]
            right = isinstance(name, str) and isinstance(captions, list)
            right = right and all(isinstance(text, str) for text in captions)
        except (ValueError, KeyError, TypeError):
            right = False
        if not right:
            raise UserError(
                f'Line {number} of \'{path}\' must be like {{"file": "a.mp4", "caption": "..."}}.'
            )
        yield name, captions


def _sidecars(folder: Path) -> Iterator[tuple[str, list[str]]]:
    for place, folders, files in os.walk(folder):
        folders.sort()
        for file in sorted(files):
            path = Path(place) / file
            if path.suffix.lower() == ".txt" and not file.startswith("."):
                yield _stem(path.relative_to(folder).as_posix()), _text(path).splitlines()
