"""What marks live through, and what is found where there is none, clip by clip.

What was measured on a clip is a line of JSON in a file of its own, whose name has the clip and the
version of all that the figures rest on. What is there is not measured again: a run that was broken
off goes on where it was, and the figures of a part of the clips can be looked at in between.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from skyloom import trust
from skyloom.bench.marks import ways
from skyloom.bench.marks.clips import Source
from skyloom.bench.marks.ways import WAYS
from skyloom.errors import UserError
from skyloom.files import atomic_path
from skyloom.progress import track
from skyloom.trust.marks.coding import PAYLOAD_BITS
from skyloom.trust.marks.finding import find, search
from skyloom.trust.marks.observing import observe
from skyloom.trust.verify import SURE
from skyloom.trust.watermark import Mark, marked

PARTS = ("marks", "unmarked")

KEYS = 334
"""Keys that each clip without a mark is looked at with: 20,040 pairs for 60 clips."""

LEVELS = (0.1, 0.03, 0.01, 0.001)
"""p-values; of clips without a mark no more than such a share may be below each."""


@dataclass(frozen=True)
class Results:
    """Lines of JSON in a folder.

    Attributes:
        folder: made when the first is written.
        version: of what they rest on; those of another are not seen.
    """

    folder: Path
    version: str

    def read(self, part: str, source: Source) -> dict[str, Any] | None:
        """What was measured on a clip; None if nothing was, or the file is damaged."""
        try:
            said = json.loads(self._path(part, source).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return said if isinstance(said, dict) else None

    def write(self, part: str, source: Source, said: Mapping[str, Any]) -> None:
        """Keep what was measured on a clip.

        Raises:
            UserError: the folder cannot be written.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with atomic_path(self._path(part, source)) as temporary:
                temporary.write_text(json.dumps(said) + "\n", encoding="utf-8")
        except OSError as error:
            raise UserError(f"Cannot write to '{self.folder}': {error.strerror}.") from error

    def _path(self, part: str, source: Source) -> Path:
        return self.folder / f"{part}-{self.version}-{source.name}.json"


def version() -> str:
    """Eight letters that are others when the mark, its detector or the ways are."""
    room = Path(next(iter(trust.__path__)))
    code = [room / "watermark.py", *sorted((room / "marks").glob("*.py")), Path(ways.__file__)]
    return hashlib.sha256(b"".join(path.read_bytes() for path in code)).hexdigest()[:8]


def measure(results: Results, clips: Sequence[Source], parts: Sequence[str] = PARTS) -> None:
    """Measure what is not there yet."""
    missing = [
        (source, part) for source in clips for part in parts if results.read(part, source) is None
    ]
    how = {"marks": survival, "unmarked": false_alarms}
    with track(len(missing), "marks", unit="clips") as bar:
        for source, part in missing:
            results.write(part, source, how[part](source))
            bar.advance()


def survival(source: Source) -> dict[str, Any]:
    """What is seen of a clip's mark after each way; PSNR in dB, of the whole clip."""
    rng, clip = source.rng(0), source.video
    key, payload = rng.bytes(32), int(rng.integers(2**PAYLOAD_BITS))
    made = np.concatenate(list(marked([clip.frames], clip.fps, Mark(key, payload))))
    error = np.square(made.astype(np.float32) - clip.frames).mean()
    seen = {}
    for way in WAYS:
        found = find(*_sent(way, made, clip.fps, rng), key)
        seen[way.name] = {
            "p": found.p_value,
            "score": round(found.score, 2),
            "read": found.payload == payload,
        }
    return {"psnr": round(float(10 * np.log10(255**2 / error)), 3), "ways": seen}


def _sent(
    way: ways.Way, frames: ways.Frames, fps: float, rng: np.random.Generator
) -> tuple[list[ways.Frames], float]:
    arrived, rate = way.go(frames, fps, rng)
    return [arrived], rate


def false_alarms(source: Source, keys: int = KEYS) -> dict[str, Any]:
    """The p-values of a clip without a mark, looked at with many keys."""
    rng, clip = source.rng(1), source.video
    seen = observe([clip.frames], clip.fps)
    return {"p": [float(f"{search(seen, rng.bytes(32)).p_value:.4g}") for _ in range(keys)]}


def figures(results: Results, clips: Sequence[Source]) -> dict[str, Any]:
    """What the results that are there say, of each kind of clip and of all."""
    of = {part: {s: said for s in clips if (said := results.read(part, s))} for part in PARTS}
    kinds = list(dict.fromkeys(source.kind for source in clips))
    groups = {kind: [s for s in clips if s.kind == kind] for kind in kinds} | {"all": list(clips)}
    return {
        "version": results.version,
        "kinds": {
            name: _of_marks([of["marks"][s] for s in group if s in of["marks"]], len(group))
            for name, group in groups.items()
        },
        "unmarked": _of_unmarked(list(of["unmarked"].values()), len(clips)),
        "clips": {s.name: said for s, said in of["marks"].items()},
    }


def _of_marks(lines: Sequence[Mapping[str, Any]], wanted: int) -> dict[str, Any]:
    found: dict[str, Any] = {"clips": len(lines), "wanted": wanted}
    if not lines:
        return found
    levels = [line["psnr"] for line in lines]
    found |= {"psnr": float(np.mean(levels)), "lowest psnr": min(levels)}
    for name, told in (("found", lambda one: one["p"] < SURE), ("read", lambda one: one["read"])):
        found[name] = {
            way.name: float(np.mean([told(line["ways"][way.name]) for line in lines]))
            for way in WAYS
        }
    return found


def _of_unmarked(lines: Sequence[Mapping[str, Any]], wanted: int) -> dict[str, Any]:
    values = np.array([p for line in lines for p in line["p"]])
    found: dict[str, Any] = {"clips": len(lines), "wanted": wanted, "pairs": len(values)}
    if not len(values):
        return found
    return found | {
        "found": int((values < SURE).sum()),
        "smallest p": float(values.min()),
        "below": {f"{level:g}": float((values < level).mean()) for level in LEVELS},
    }
