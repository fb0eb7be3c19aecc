"""A folder of films to a raw dataset: survey every film, judge every shot, cut what is kept."""

import os
import stat
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from skyloom.config import to_dict
from skyloom.errors import UserError
from skyloom.extras import need
from skyloom.ingest.folder import IngestFolder, opened
from skyloom.ingest.judge import BROKEN, Verdict, judge
from skyloom.ingest.pools import Pool, pool_of
from skyloom.ingest.recipe import IngestRecipe
from skyloom.ingest.report import write_report
from skyloom.progress import track

REPORT = "report.html"


@dataclass(frozen=True)
class Summary:
    """What ingest made: numbers of films looked at and clips kept, and of rejections by reason."""

    films: int
    clips: int
    rejected: dict[str, int]


def ingest(
    films: Path,
    out: Path,
    recipe: IngestRecipe,
    workers: int | None = None,
    address: str | None = None,
) -> Summary:
    """Make a raw dataset of the films below a folder, or go on with one.

    What was done before is not done again, whatever the recipe now says that asks for the same
    work. The same films and the same recipe give the same bytes, however often it was stopped and
    on however many workers it ran.

    Args:
        workers: processes that decode; None is one for every core, of this machine or the cluster.
        address: of a Ray cluster whose machines see both folders under these paths; None is this
            machine.

    Raises:
        UserError: there are no files, none of them gives a clip, the output folder holds something
            else, or it cannot be written.
    """
    need("scenedetect", extra="ingest")  # before any work rather than in each child
    sources = listed(films, out)
    if not sources:
        raise UserError(f"'{films}' holds no files: name a folder of films.")
    with opened(out.resolve(), recipe) as folder, pool_of(workers, address, recipe.limits) as pool:
        verdicts = judge(_surveys(films.resolve(), sources, folder, pool), recipe)
        verdicts = _cut(films.resolve(), verdicts, folder, pool)
        kept = [verdict for verdict in verdicts if verdict.clip]
        rejected = [verdict for verdict in verdicts if not verdict.clip]
        folder.write_rows(kept, rejected)
        write_report(folder.folder / REPORT, kept, rejected)
        folder.sweep(verdicts, sources)
    reasons = Counter(verdict.reason for verdict in rejected)
    if not kept:
        most = ", ".join(f"{reason} {count}" for reason, count in reasons.most_common())
        raise UserError(
            f"None of the {len(sources)} files of '{films}' gives a clip ({most}): "
            f"'{out / REPORT}' has the reasons."
        )
    return Summary(len(sources), len(kept), dict(reasons.most_common()))


def listed(films: Path, out: Path) -> list[str]:
    """Paths of all below a folder that is no folder, relative to it, sorted.

    Hidden ones and `out` are left out. What cannot be opened is among them, so that it is listed
    with the rest: pipes, links to nothing, and folders that cannot be read, ending in a slash.

    Raises:
        UserError: the folder is missing, is a file, or cannot be read.
    """
    if not films.is_dir():
        what = "is a file" if films.exists() else "does not exist"
        raise UserError(f"'{films}' {what}: name a folder of films.")
    if films.resolve() == out.resolve():
        raise UserError(f"'{out}' is the folder of the films itself: name another one.")

    def refuse(error: OSError) -> None:
        if Path(error.filename) == films:
            raise UserError(f"'{films}' cannot be read: {error.strerror}.") from error
        found.append(f"{Path(error.filename).relative_to(films).as_posix()}/")

    found: list[str] = []
    for place, folders, files in os.walk(films, onerror=refuse):
        here = Path(place)
        folders[:] = [
            name
            for name in folders
            if not name.startswith(".") and (here / name).resolve() != out.resolve()
        ]
        found += [
            (here / name).relative_to(films).as_posix()
            for name in files
            if not name.startswith(".")
        ]
    return sorted(found)


def _no_file(path: Path) -> str | None:
    """Why it is no file of bytes, None where it is one: a pipe would be waited on for ever."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return "is a link to nothing"
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    if stat.S_ISDIR(mode):
        return "is a folder that cannot be read"
    return None if stat.S_ISREG(mode) else "is not a regular file"


def _surveys(
    films: Path, sources: Sequence[str], folder: IngestFolder, pool: Pool
) -> dict[str, dict]:
    """What is in each film, from earlier runs or from this one, which remembers it at once."""
    surveys: dict[str, dict] = {}
    for source in sources:
        why = _no_file(films / source)
        known = {"rejected": why} if why else folder.survey(films, source)
        if known is not None:
            surveys[source] = known
    todo = [source for source in sources if source not in surveys]
    recipe = to_dict(folder.recipe)
    jobs = [
        {"path": str(films / source), "recipe": recipe, "strips": folder.strips_of(source)}
        for source in todo
    ]
    with track(len(sources), "survey", unit="films", start=len(surveys)) as bar:
        for number, answer in pool.run("survey", jobs):
            source = todo[number]
            survey = answer.get("done") or {"rejected": answer["rejected"]}
            folder.keep_survey(films, source, survey)
            surveys[source] = survey
            bar.advance()
    return surveys


def _cut(films: Path, verdicts: list[Verdict], folder: IngestFolder, pool: Pool) -> list[Verdict]:
    """Write the clips that are not there; shots of a film that fails now become rejections."""
    wanted: dict[str, list[dict]] = {}
    for verdict in verdicts:
        if verdict.clip:
            start, stop = verdict.frames
            clip = {"name": verdict.clip, "start": start, "stop": stop}
            wanted.setdefault(verdict.source, []).append(clip)
    todo = {
        source: clips
        for source, clips in wanted.items()
        if not all((folder.clips / clip["name"]).exists() for clip in clips)
    }
    recipe = to_dict(folder.recipe)
    jobs = [
        {"path": str(films / source), "recipe": recipe, "folder": str(folder.clips), "clips": clips}
        for source, clips in todo.items()
    ]
    failed: dict[str, str] = {}
    total = sum(map(len, wanted.values()))
    done = total - sum(map(len, todo.values()))
    with track(total, "cut", unit="clips", start=done) as bar:
        for number, answer in pool.run("cut", jobs):
            source = list(todo)[number]
            if "rejected" in answer:
                failed[source] = answer["rejected"]
            bar.advance(len(todo[source]))
    return [
        replace(verdict, clip=None, reason=BROKEN, detail=failed[verdict.source])
        if verdict.clip and verdict.source in failed and not (folder.clips / verdict.clip).exists()
        else verdict
        for verdict in verdicts
    ]
