"""The folder that ingest makes: a raw dataset, with all that is needed to go on with it.

    captions.jsonl   a line a clip, see `skyloom.data.raw`; captions that are there are kept
    clips/           the clips
    rejected.jsonl   a line for every film and shot that gave none, with its reason
    report.html      both, in one page with pictures; report/ holds these too
    ingest.json      the recipe
    surveys/         what was found in each film, so that it is not looked for again

Everything but surveys is a function of the films' bytes and paths and of the recipe alone.
"""

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from skyloom.config import to_dict
from skyloom.data.raw import CAPTIONS, RawDataset
from skyloom.errors import UserError
from skyloom.files import atomic_path
from skyloom.ingest.judge import Verdict
from skyloom.ingest.recipe import IngestRecipe

NOTE, CLIPS, STRIPS, SURVEYS = "ingest.json", "clips", "report", "surveys"
REJECTED, LOCK = "rejected.jsonl", ".lock"
PARTS = (CLIPS, STRIPS, SURVEYS)


class IngestFolder:
    """Reads and writes the parts of the folder; `opened` makes one."""

    def __init__(self, folder: Path, recipe: IngestRecipe) -> None:
        self.folder, self.recipe = folder, recipe
        self.clips, self.strips = folder / CLIPS, folder / STRIPS
        self._surveys = folder / SURVEYS

    def survey(self, films: Path, source: str) -> dict | None:
        """What an earlier run found in a film; None if the film or what is measured has changed."""
        try:
            known = json.loads(self._survey_file(source).read_text("utf-8"))
            same = known["state"] == self._state(films / source, "rejected" in known["survey"])
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return known["survey"] if same else None

    def keep_survey(self, films: Path, source: str, survey: dict) -> None:
        """Remember what was found in a film."""
        state = self._state(films / source, "rejected" in survey)
        write_json(self._survey_file(source), {"source": source, "state": state, "survey": survey})

    def strips_of(self, source: str) -> str:
        """Start of the paths of a film's strips."""
        return str(self.strips / _short(source))

    def write_rows(self, kept: list[Verdict], rejected: list[Verdict]) -> None:
        """captions.jsonl and rejected.jsonl, each whole; captions of clips that stay are kept."""
        known = self._captions()
        rows = []
        for verdict in kept:
            file = f"{CLIPS}/{verdict.clip}"
            row = {"file": file, "captions": [], "truth": None, **known.get(file, {})}
            seconds = [round(verdict.start, 3), round(verdict.stop, 3)]
            rows.append({**row, "source": readable(verdict.source), "seconds": seconds})
        if rows:
            _write_lines(self.folder / CAPTIONS, rows)
        else:
            (self.folder / CAPTIONS).unlink(missing_ok=True)
        lines = [
            {
                "source": readable(verdict.source),
                "seconds": [round(verdict.start, 3), round(verdict.stop, 3)],
                "reason": verdict.reason,
                "detail": verdict.detail,
            }
            for verdict in rejected
        ]
        _write_lines(self.folder / REJECTED, lines)

    def sweep(self, verdicts: list[Verdict], sources: list[str]) -> None:
        """Remove clips, strips and surveys that belong to no film or shot any more."""
        kept = {verdict.clip for verdict in verdicts if verdict.clip}
        strips = {verdict.strip for verdict in verdicts if verdict.strip}
        surveys = {self._survey_file(source).name for source in sources}
        for folder, names in ((self.clips, kept), (self.strips, strips), (self._surveys, surveys)):
            for path in folder.iterdir():
                if path.name not in names:
                    path.unlink()

    def _captions(self) -> dict[str, dict]:
        """Captions and truth by clip, as an earlier run and `skyloom caption` left them."""
        if not (self.folder / CAPTIONS).exists():
            return {}
        rows = RawDataset(self.folder).rows
        return {row.file: {"captions": list(row.captions), "truth": row.truth} for row in rows}

    def _survey_file(self, source: str) -> Path:
        return self._surveys / f"{_short(source)}.json"

    def _state(self, path: Path, rejected: bool) -> list:
        """A film and what is measured of it. A film that went beyond the limits gets another try
        with other limits."""
        stat = path.stat()
        limits = asdict(self.recipe.limits) if rejected else None
        return [stat.st_size, stat.st_mtime_ns, self.recipe.survey_key(), limits]


@contextmanager
def opened(folder: Path, recipe: IngestRecipe) -> Iterator[IngestFolder]:
    """The folder for one run, which no other may write meanwhile.

    Raises:
        UserError: it holds something else, another run has it, or it cannot be written.
    """
    try:
        if folder.exists() and not (folder / NOTE).is_file():
            strangers = sorted({path.name for path in folder.iterdir()} - {*PARTS, LOCK})
            if strangers:
                raise UserError(
                    f"'{folder}' holds '{strangers[0]}', which ingest has not made: name a new or "
                    "an empty folder."
                )
        for part in PARTS:
            (folder / part).mkdir(parents=True, exist_ok=True)
        # The lock goes with the process, however it ends; the file stays and means nothing.
        handle = os.open(folder / LOCK, os.O_CREAT | os.O_RDWR)
    except OSError as error:
        raise UserError(f"Cannot write to '{folder}': {error.strerror}.") from error
    try:
        try:
            fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise UserError(
                f"Another ingest writes to '{folder}': wait for it, or name another folder."
            ) from error
        _tidy(folder)
        write_json(folder / NOTE, {"format": 1, "recipe": to_dict(recipe)})
        try:
            yield IngestFolder(folder, recipe)
        finally:
            _tidy(folder)
    finally:
        os.close(handle)


def _tidy(folder: Path) -> None:
    """Remove what processes that were killed had begun to write; nobody else may write here."""
    for part in ("", *PARTS):
        for path in (folder / part).glob(".*.part*"):
            path.unlink(missing_ok=True)


def write_json(path: Path, values: object) -> None:
    """Values as a file of JSON, whole."""
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(values, indent=1) + "\n", "utf-8")


def _write_lines(path: Path, rows: list[dict]) -> None:
    with atomic_path(path) as temporary:
        lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        temporary.write_text("".join(lines), "utf-8")


def readable(source: str) -> str:
    """A path for people: bytes that are no UTF-8 become question marks."""
    return source.encode("utf-8", "replace").decode()


def _short(source: str) -> str:
    return hashlib.sha256(source.encode("utf-8", "surrogateescape")).hexdigest()[:20]
