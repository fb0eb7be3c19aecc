"""Where a file comes from, as far as it can be told: its manifest, its watermark, its looks.

Each says its own part and no more. A manifest is what a signer says; a watermark is found with a
chance of error; a detector guesses. What none of them tells is not claimed.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any

from skyloom.errors import UserError, shown
from skyloom.trust import keys
from skyloom.trust.marks.finding import Found, find
from skyloom.trust.provenance import payload_text
from skyloom.trust.signing.places import SIDECAR, kind_of
from skyloom.trust.signing.reading import NONE, UNREADABLE, Manifests, Statement, read_manifests
from skyloom.video import Video, read_chunks

SURE = 1e-6
"""The p-value below which a mark counts as found."""

OWN_KEY = "this computer's key"
"""What the key of watermarks is called where no other is looked for."""

_SOURCES = {
    "trainedAlgorithmicMedia": "made by a trained model",
    "compositeWithTrainedAlgorithmicMedia": "edited or put together with a trained model",
    "algorithmicMedia": "made by a program without learning",
    "digitalCapture": "taken by a camera",
    "computationalCapture": "taken by a camera that puts several pictures together",
    "digitalCreation": "made by a person with a program",
    "humanEdits": "edited by a person",
    "screenCapture": "taken from a screen",
    "": "of no source that it tells",
}
"""Where pictures come from, by IPTC's words for it."""

_HELD = {
    True: "with its own manifest",
    False: "with its own manifest, which was broken already when it was taken in",
    None: "which has no manifest",
}
"""How it is told whether the manifest of an input held."""


@dataclass(frozen=True)
class Report:
    """What is known of a file.

    Attributes:
        file: its name.
        manifests: what it says of itself.
        found: the watermark; None where it was not looked for, for the reason in `unmarked`.
        unmarked: why no watermark was looked for.
        detector: what the detector says, by name; None where there is nothing to look at.
        key: what the key is called whose watermark was looked for.
    """

    file: str
    manifests: Manifests
    found: Found | None
    unmarked: str | None
    detector: dict[str, Any] | None
    key: str = OWN_KEY

    @property
    def marked(self) -> bool:
        """Whether the watermark of this key is there beyond doubt."""
        return self.found is not None and self.found.p_value < SURE

    @property
    def agrees(self) -> bool | None:
        """Whether the manifest names the number that is in the pixels; None if one is missing."""
        if not self.marked or self.found is None or self.found.payload is None:
            return None
        said = [s.generation.get("watermark") for s in self.manifests.statements]
        named = [number for number in said if number]
        return payload_text(self.found.payload) in named if named else None

    def as_json(self) -> dict[str, Any]:
        """The report as JSON has it."""
        found = self.found
        return {
            "file": self.file,
            "c2pa": asdict(self.manifests),
            "watermark": {
                "found": self.marked if found else None,
                "p_value": found.p_value if found else None,
                "score": round(found.score, 3) if found else None,
                "payload": None
                if found is None or found.payload is None
                else payload_text(found.payload),
                "agrees_with_manifest": self.agrees,
                "note": self.unmarked,
            },
            "detector": self.detector or {"score": None, "note": "it cannot be shown"},
            "summary": self.sentences(),
        }

    def sentences(self) -> list[str]:
        """The report in plain words."""
        lines = [*_of_manifests(self.manifests), *self._of_mark(), *self._of_detector()]
        return [shown(line) for line in lines]

    def _of_mark(self) -> list[str]:
        found = self.found
        if found is None:
            return [f"Watermark: not looked for: {self.unmarked}."]
        if not self.marked:
            return [f"Watermark: none of {self.key} (p = {found.p_value:.2g})."]
        said = f"Watermark: found, made with {self.key} (p = {found.p_value:.2g})"
        if found.payload is None:
            return [f"{said}; its number is not readable any more."]
        said += f", number {payload_text(found.payload)}"
        if self.agrees is None:
            return [f"{said}."]
        if not self.agrees:
            return [f"{said}, and the manifest names another."]
        own = self.manifests.statements[0].generation.get("watermark")
        whose = "the manifest" if own == payload_text(found.payload) else "the manifest of an input"
        return [f"{said}, as {whose} says."]

    def _of_detector(self) -> list[str]:
        if self.detector is None:
            return []
        score, verdict = self.detector["score"], self.detector["verdict"]
        if score is None:
            return [f"Detector: {verdict or self.detector['note']}".rstrip(".") + "."]
        return [f"Detector: {verdict} (score {score:.3f}); it guesses from looks alone."]


def verify(path: Path, key: bytes | None = None, called: str = "the given key") -> Report:
    """Look at a file in every way there is.

    Args:
        key: of the watermark; this computer's own unless told.
        called: what the report calls that key.

    Raises:
        UserError: there is no such file, it or what it takes cannot be read, or it is neither a
            video nor a picture and has no manifest either.
    """
    with _reading(path):
        _check_file(path)
        own = _own()
        manifests = read_manifests(path, own)
        try:
            head, rest = _opened(path)
        except UserError as error:
            if manifests.state == NONE:
                raise
            why = f"it cannot be shown: {error}".rstrip(".")
            return Report(str(path), manifests, None, why, None)
        detected = _detected(path, head)
        without = None
        if key is None:
            called, (key, without) = OWN_KEY, _own_key()
        if key is None:
            return Report(str(path), manifests, None, without, detected)
        found = find((piece.frames for piece in chain(head, rest)), head[0].fps, key)
        return Report(str(path), manifests, found, None, detected, called)


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Say of what the system refuses that it cannot be read: nothing is written here."""
    try:
        yield
    except OSError as error:
        name, why = error.filename or path, error.strerror or error
        raise UserError(f"'{name}' cannot be read: {why}.") from error


def _check_file(path: Path) -> None:
    """Refuse what is no file that could be looked at."""
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "is no file"
        what = what if path.exists() else "does not exist"
        raise UserError(f"'{path}' {what}: name a video or a picture.")
    if path.suffix == SIDECAR:
        raise UserError(f"'{path}' is a manifest: name the file beside it that it belongs to.")


def read_key(path: Path) -> bytes:
    """A watermark's key from a file, as 64 hexadecimal digits.

    Raises:
        UserError: it is none.
    """
    try:
        key = bytes.fromhex(path.read_text(encoding="ascii").strip())
    except OSError as error:
        raise UserError(f"The key '{path}' cannot be read: {error.strerror}.") from error
    except ValueError:
        key = b""
    if len(key) != keys.KEY_BYTES:
        raise UserError(f"'{path}' holds no watermark's key, which is 64 hexadecimal digits.")
    return key


def _own() -> keys.Credentials | None:
    """This computer's credentials if they can be read; what is damaged vouches for nothing."""
    try:
        return keys.known_credentials()
    except UserError:
        return None


def _own_key() -> tuple[bytes | None, str | None]:
    """This computer's watermark key, or why there is none."""
    try:
        key = keys.known_watermark_key()
    except UserError as error:
        return None, f"{error}".rstrip(".")
    return key, None if key else "there is no key here"


def _opened(path: Path) -> tuple[list[Video], Iterator[Video]]:
    """The frames that the detector looks at, decoded, and the rest as they come: what follows is
    held by nobody, and a film that breaks off is looked at as far as it goes."""
    from skyloom.trust.detector import wanted

    pieces = read_chunks(path, 1)
    first = next(pieces, None)
    if first is None:
        raise UserError(f"'{path}' has no frames in it.")
    rest = _until_damaged(pieces)
    return [first, *islice(rest, wanted(first.size) - 1)], rest


def _until_damaged(pieces: Iterator[Video]) -> Iterator[Video]:
    try:
        yield from pieces
    except UserError:
        return


def _detected(path: Path, head: list[Video]) -> dict[str, Any]:
    """What the detector says, or why it says nothing."""
    from skyloom.trust.detector import detect

    try:
        return detect(head, kind_of(path)).record()
    except UserError as error:
        return {"score": None, "verdict": "", "sure": False, "note": str(error)}


def _of_manifests(manifests: Manifests) -> list[str]:
    if manifests.state == NONE:
        return ["Manifest: none. The file does not say where it comes from."]
    if manifests.state == UNREADABLE:
        return ["Manifest: there is one and it cannot be read, so it says nothing."]
    first, *others = manifests.statements or (Statement("", "", "", False, "", (), {}, ()),)
    who = f"'{first.signer or 'nobody'}'"
    if manifests.state == "Invalid":
        why = f" ({', '.join(manifests.problems)})" if manifests.problems else ""
        heads = [f"Manifest: broken{why}: the file is not what {who} signed. It had said:"]
    elif manifests.state == "Trusted":
        heads = [f"Manifest: signed with this computer's own key, {who}, and unchanged since."]
    else:
        heads = [f"Manifest: unchanged since {who} signed it, a name that nobody here vouches for."]
    lines = [*heads, *_of_statement(first)]
    for other in others:
        lines.append(f"  Inside is the manifest of an input, signed by '{other.signer}':")
        lines += [f"  {line}" for line in _of_statement(other)]
    return lines


def _of_statement(said: Statement) -> list[str]:
    """What one manifest says, each line as what it says and not as what is so."""
    source = _SOURCES.get(said.source) or f"of the source {_plain(said.source)}"
    lines = [f"  It says: written by {said.generator or 'an unnamed program'}, {source}."]
    made = said.generation
    if made:
        shown = [
            f"{name.replace('_', ' ')} {_plain(made[name])}"
            for name in ("operation", "model", "seed", "prompt")
            if made.get(name) not in (None, "")
        ]
        lines.append(f"  It says: {', '.join(shown)}.")
        lines += [f"  It says: {line}." for line in _of_guards(made.get("guards"))]
    for given in said.inputs:
        held = _HELD[given["intact"]]
        relation = "an edit of" if given["relationship"] == "parentOf" else "holds"
        lines.append(f"  It says: {relation} '{given['title']}', {held}.")
    return lines


def _of_guards(told: Any) -> list[str]:
    """Which guards looked at what; nothing of what is no record as we write them."""
    lines = []
    for record in told if isinstance(told, list) else []:
        try:
            looked = [
                f"{part} by {', '.join(str(guard['name']) for guard in record[part]['guards'])}"
                for part in ("prompts", "inputs", "frames")
                if record[part] and record[part]["guards"]
            ]
            lines.append(
                f"policy {_plain(record['policy'])}, {'; '.join(looked) or 'no guard ran'}"
            )
        except (KeyError, TypeError):
            continue
    return lines


def _plain(value: Any) -> str:
    return f"'{value}'" if isinstance(value, str) else json.dumps(value)
