"""The raw dataset: a folder of videos and a captions.jsonl that says what they show."""

import json
from dataclasses import dataclass
from pathlib import Path

from skyloom.errors import UserError
from skyloom.video import Video

CAPTIONS = "captions.jsonl"


@dataclass(frozen=True)
class RawRow:
    """One line of captions.jsonl.

    Attributes:
        file: name of the video, beside captions.jsonl or below it.
        captions: captions of the same clip, the shortest first by convention; none where nobody
            has said yet what it shows, and the clip is then learnt from without words.
        truth: what is known exactly about the clip, None for footage that nobody measured.
    """

    file: str
    captions: tuple[str, ...]
    truth: dict | None


class RawDataset:
    """Videos with captions, in the order of captions.jsonl. Videos are read when asked for.

    Raises:
        UserError: captions.jsonl is missing, empty, or has a bad line (named by its number).
    """

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder)
        path = self.folder / CAPTIONS
        if not path.is_file():
            raise UserError(
                f"'{self.folder}' is no dataset: it has no {CAPTIONS} with a line "
                '{"file": ..., "captions": [...], "truth": null} for each video.'
            )
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"'{path}' cannot be read as UTF-8 text: {error}.") from error
        self.rows = [_parse(line, path, n) for n, line in enumerate(lines, 1) if line.strip()]
        if not self.rows:
            raise UserError(f"'{path}' is empty: it needs one line for each video.")

    def __len__(self) -> int:
        return len(self.rows)

    def read(self, index: int) -> tuple[Video, tuple[str, ...], dict | None]:
        """The video of row `index`, its captions, and its truth.

        Raises:
            UserError: the video is missing or is no video.
        """
        from skyloom import video

        row = self.rows[index]
        path = self.folder / row.file
        if not path.is_file():
            raise UserError(
                f"The video '{path}' is missing, but '{self.folder / CAPTIONS}' lists it: "
                "put it back or remove its line."
            )
        return video.read(path), row.captions, row.truth


def _parse(line: str, path: Path, number: int) -> RawRow:
    """One line to a row; every complaint names the file and the line's number."""
    where = f"Line {number} of '{path}'"
    try:
        row = json.loads(line)
    except ValueError as error:
        raise UserError(f"{where} is no JSON: {error}.") from error
    if not isinstance(row, dict):
        raise UserError(f'{where} must be an object like {{"file": ..., "captions": [...]}}.')
    file, captions, truth = row.get("file"), row.get("captions"), row.get("truth")
    if not isinstance(file, str) or not file:
        raise UserError(f'{where} lacks "file", the video\'s name.')
    if Path(file).is_absolute() or ".." in Path(file).parts:
        raise UserError(f"{where} names '{file}', but videos must lie inside the folder.")
    if not isinstance(captions, list) or not all(
        isinstance(caption, str) and caption.strip() for caption in captions
    ):
        raise UserError(f'{where} lacks "captions", a list of sentences.')
    if truth is not None and not isinstance(truth, dict):
        raise UserError(f'{where} has a "truth" that is neither an object nor null.')
    return RawRow(file, tuple(captions), truth)
