"""Reading manifests: what a file says of itself, who says so, and whether that still holds.

Files are hostile until proven otherwise: nothing is fetched from where a manifest points to, its
words are only ever shown, and a manifest that cannot be read is said to be one.
"""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from skyloom.extras import need
from skyloom.trust.keys import Credentials
from skyloom.trust.signing.places import SIDECAR, kind_of, mime, sidecar
from skyloom.trust.signing.vocabulary import GENERATION, SOURCES

NONE, UNREADABLE = "none", "unreadable"
"""States besides those of C2PA itself: Trusted, Valid and Invalid."""

_NOT_BROKEN = ("signingCredential.untrusted", "signingCredential.ocsp.inaccessible")
"""Codes that only say that nobody here knows the signer."""

LARGEST_MANIFEST = 2**26
"""Bytes of a file beside another that are read: a manifest of many inputs, with their pictures, has
some millions."""

_ILLEGIBLE = ("assertion.cbor.invalid", "assertion.json.invalid")
"""Codes of a part that cannot be read, for which c2pa signs nothing that the manifest is in."""

_SEARCHED = 2**23  # bytes at each end of a file

_MOST_SHOWN = 500  # characters of any text of a manifest


@dataclass(frozen=True)
class Statement:
    """One manifest: what it says.

    Attributes:
        title: the file's name when it was signed.
        signer: whom the certificate names.
        generator: the program that wrote it, as it calls itself.
        made_by_model: it says that a trained model made the pictures, or parts of them.
        source: the last source of the pictures that it names, in IPTC's words: a model
            ("trainedAlgorithmicMedia"), a camera ("digitalCapture"), or "" for none.
        actions: what was done, in C2PA's words.
        generation: how skyloom made it, if it says so.
        inputs: files that it was made from, each with title, relationship, whether it had a
            manifest of its own, and whether that held when it was taken in: one that could not be
            read did not.
    """

    title: str
    signer: str
    generator: str
    made_by_model: bool
    source: str
    actions: tuple[str, ...]
    generation: dict[str, Any]
    inputs: tuple[dict[str, Any], ...]


@dataclass(frozen=True)
class Manifests:
    """What a file says of itself.

    Attributes:
        state: "Trusted" (signed with this computer's own key, and unchanged), "Valid" (unchanged,
            by a signer whom nobody here vouches for), "Invalid" (changed since, or never right),
            "unreadable" or "none".
        where: "inside", or the name of the file beside it.
        problems: what is wrong, in C2PA's codes.
        statements: the active manifest, then those of the files that it was made from.
    """

    state: str
    where: str | None = None
    problems: tuple[str, ...] = ()
    statements: tuple[Statement, ...] = field(default_factory=tuple)


def read_manifests(path: Path, own: Credentials | None = None) -> Manifests:
    """Read what a file says of itself, inside or in the file beside it.

    Args:
        own: the credentials of this computer, which are trusted.
    """
    found = find_manifest(path, own)
    return Manifests(NONE) if found is None else found.manifests


class Found(NamedTuple):
    """A manifest: what it says, and c2pa's report if it can be read; its bytes if it lies beside
    its file."""

    manifests: Manifests
    report: dict[str, Any] | None
    told: bytes | None

    @property
    def whole(self) -> bool:
        """Whether c2pa can take it into another: it and those inside of it can be read to their
        last part."""
        results = None if self.report is None else self.report.get("validation_results")
        return results is not None and not any(code in json.dumps(results) for code in _ILLEGIBLE)


def find_manifest(path: Path, own: Credentials | None = None) -> Found | None:
    """The manifest inside a file, or else the one beside it; None if there is none.

    Args:
        own: the credentials of this computer, which are trusted.
    """
    inside = _read(path, "inside", kind_of(path), None, own)
    return _beside(path, own) if inside is None else inside


def _beside(path: Path, own: Credentials | None) -> Found | None:
    for beside in (sidecar(path), path.with_suffix(SIDECAR)):
        if beside == path or not os.path.isfile(beside):  # False for a name that is too long
            continue
        with beside.open("rb") as file:
            told = file.read(LARGEST_MANIFEST + 1)
        if len(told) > LARGEST_MANIFEST:
            found: Found | None = _unreadable(beside.name, "larger than any manifest")
        else:
            found = _read(path, beside.name, mime(path), told, own)
        # clip.c2pa, as other tools call it, may be that of clip.mov
        if found is not None and (beside == sidecar(path) or _is_of(found.manifests, path)):
            return found
    return None


def _read(
    path: Path, where: str, kind: str, told: bytes | None, own: Credentials | None
) -> Found | None:
    """The manifest in a file, or the one that is told of it; None if there is none."""
    c2pa = need("c2pa", extra="trust")
    context = _context(c2pa, own)  # what it refuses is not the file's fault
    try:
        with path.open("rb") as file, c2pa.Reader(kind, file, told, context=context) as reader:
            report = json.loads(reader.json())
            return Found(_understood(report, reader.get_validation_state(), where), report, told)
    except c2pa.C2paError as error:
        said = str(error)
        if "ManifestNotFound" in said or (told is None and not _mentions(path)):
            return None
        return _unreadable(where, said)


def _unreadable(where: str, why: str) -> Found:
    return Found(Manifests(UNREADABLE, where, (why[:_MOST_SHOWN],)), None, None)


def _is_of(said: Manifests, path: Path) -> bool:
    """Whether a manifest is this file's: its bytes are those that were signed, or it had this name
    then."""
    intact = said.state in ("Trusted", "Valid")
    return intact or any(one.title == path.name for one in said.statements[:1])


def _context(c2pa: Any, own: Credentials | None) -> Any:
    """What c2pa reads with: it trusts this computer's credentials, as far as it can take them."""
    settings: dict[str, Any] = {
        "verify": {"verify_trust": True, "remote_manifest_fetch": False, "ocsp_fetch": False}
    }
    if own is not None:
        trust = {"allowed_list": own.chain}
        if own.authority:
            trust["user_anchors"] = own.authority
        try:
            return c2pa.Context(c2pa.Settings.from_dict(settings | {"trust": trust}))
        except c2pa.C2paError:  # they are damaged, and vouch for nothing
            pass
    return c2pa.Context(c2pa.Settings.from_dict(settings))


def _mentions(path: Path) -> bool:
    """Whether a file that c2pa cannot read has a manifest in it at all, at one of its ends."""
    with path.open("rb") as file:
        ends = file.read(_SEARCHED)
        file.seek(max(0, file.seek(0, 2) - _SEARCHED))
        ends += file.read()
    return b"jumb" in ends and b"c2pa" in ends


def _understood(store: dict[str, Any], state: str | None, where: str) -> Manifests:
    """The parts of c2pa's report that are shown; whatever is missing in it is left out."""
    manifests = store.get("manifests", {})
    active = store.get("active_manifest")
    order = [active, *(label for label in manifests if label != active)]
    said = [_statement(manifests[label]) for label in order if label in manifests]
    problems = _problems(store)
    return Manifests(state or UNREADABLE, where, problems, tuple(said))


def _problems(holder: dict[str, Any]) -> tuple[str, ...]:
    """What does not hold of a file or of an input, or of what is inside, in C2PA's codes."""
    results = holder.get("validation_results")
    active = results.get("activeManifest") if isinstance(results, dict) else None
    failures = _list(active, "failure") or _list(holder, "validation_status")
    for inside in _list(results, "ingredientDeltas"):  # since it was taken in
        failures = [*failures, *_list(inside.get("validationDeltas"), "failure")]
    codes = [_short(str(failure.get("code", ""))) for failure in failures]
    return tuple(dict.fromkeys(code for code in codes if code not in _NOT_BROKEN))


def _statement(manifest: dict[str, Any]) -> Statement:
    assertions = manifest.get("assertions", [])
    actions = [
        action
        for assertion in assertions
        if str(assertion.get("label", "")).startswith("c2pa.actions")
        for action in _list(assertion.get("data", {}), "actions")
    ]
    sources = [str(a["digitalSourceType"]) for a in actions if a.get("digitalSourceType")]
    signer = manifest.get("signature_info", {})
    names = (signer.get("common_name"), signer.get("issuer"))
    generators = manifest.get("claim_generator_info") or [{}]
    generator = " ".join(str(generators[0].get(part, "")) for part in ("name", "version")).strip()
    generation: Any = next((a.get("data") for a in assertions if a.get("label") == GENERATION), {})
    return Statement(
        _short(str(manifest.get("title", ""))),
        _short(", ".join(str(name) for name in names if name)),
        _short(generator or str(manifest.get("claim_generator", ""))),
        any(s.startswith(SOURCES) and "trainedalgorithmicmedia" in s.lower() for s in sources),
        _short(sources[-1].removeprefix(SOURCES)) if sources else "",
        tuple(_short(str(action.get("action", ""))) for action in actions),
        _walk(generation, _short) if isinstance(generation, dict) else {},
        tuple(_input(given) for given in _list(manifest, "ingredients")),
    )


def _input(given: dict[str, Any]) -> dict[str, Any]:
    """What is shown of an input; one whose manifest is not inside and yet failed had one that could
    not be read."""
    problems = _problems(given)
    had = "active_manifest" in given or bool(problems)
    return {
        "title": _short(str(given.get("title", ""))),
        "relationship": _short(str(given.get("relationship", ""))),
        "has_manifest": had,
        "intact": not problems if had else None,
    }


def _list(holder: Any, name: str) -> list[dict[str, Any]]:
    found = holder.get(name, []) if isinstance(holder, dict) else []
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _walk(value: Any, change: Callable[[str], str]) -> Any:
    """A value of JSON with every text in it changed."""
    if isinstance(value, dict):
        return {change(str(key)): _walk(one, change) for key, one in value.items()}
    if isinstance(value, list):
        return [_walk(one, change) for one in value]
    return change(value) if isinstance(value, str) else value


def _short(text: str) -> str:
    """A text that may go to a terminal: no control characters, no end of it far away."""
    shown = "".join(char if char.isprintable() else " " for char in text)
    return shown if len(shown) <= _MOST_SHOWN else shown[:_MOST_SHOWN] + " ..."
