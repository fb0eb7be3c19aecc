"""Provenance: a signed statement in each file of what made it, from what (C2PA, c2pa.org).

A manifest is bound to the bytes of its file, so it is put in last, after the index was moved to
the front and sound was added, and any change of the file shows. It says that a trained model made
the pictures, which one, with what request; of an edit, which file it began with, whose own
manifest is kept inside. A copy by a tool that knows nothing of C2PA loses it; what remains is the
watermark, whose number the manifest names (its soft binding).

Formats that have no place for a manifest get a file beside them: clip.webm, clip.webm.c2pa.
"""

import hashlib
import io
import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from skyloom import __version__
from skyloom.errors import UserError
from skyloom.extras import need
from skyloom.files import atomic_path
from skyloom.trust.keys import Credentials
from skyloom.trust.marks.coding import PAYLOAD_BITS
from skyloom.trust.signing.certificates import lacking, read_certificate, verifies
from skyloom.trust.signing.places import SIDECAR, UNKNOWN, kind_of, mime, needs_sidecar, sidecar
from skyloom.trust.signing.reading import Found, find_manifest
from skyloom.trust.signing.vocabulary import GENERATION, SOURCES

SOFT_BINDING = "org.skyloom.watermark.1"
"""The name of the watermark, where C2PA asks for an algorithm: a private one, not registered."""

MADE, EDITED = "trainedAlgorithmicMedia", "compositeWithTrainedAlgorithmicMedia"

_UNREAD = {
    "activeManifest": {
        "success": [],
        "informational": [],
        "failure": [
            {"code": "general.error", "explanation": "there is a manifest and it cannot be read"}
        ],
    }
}
"""What C2PA is told of the manifest of an input that it cannot take in."""


@dataclass(frozen=True)
class Input:
    """A file that something was made from.

    Attributes:
        path: where it is while the result is signed.
        parent: the result is this file, edited; otherwise it is a part of the result.
    """

    path: Path
    parent: bool


@dataclass(frozen=True)
class Claim:
    """What a manifest says of how a file was made.

    Attributes:
        operation: the verb, "generate".
        model: name of the model.
        model_sha256: of its list of files, which has the sha256 of each.
        seed: of the noise.
        prompt: the words, or None where only their hash is to be told.
        prompt_sha256: of the words in UTF-8.
        settings: what else was asked for, by name.
        inputs: files that it was made from.
        guards: verdicts of the guards that ran, as they say them.
        watermark: the number in the pixels; None where there is none.
    """

    operation: str
    model: str
    model_sha256: str
    seed: int
    prompt: str | None
    prompt_sha256: str
    settings: dict[str, Any] = field(default_factory=dict)
    inputs: tuple[Input, ...] = ()
    guards: tuple[dict[str, Any], ...] = ()
    watermark: int | None = None

    def told(self) -> dict[str, Any]:
        """The assertion, with a hash of each input, so that also those are named that C2PA cannot
        take in."""
        said = asdict(self)
        said["inputs"] = [{"name": i.path.name, "sha256": sha256(i.path)} for i in self.inputs]
        if self.watermark is not None:
            said["watermark"] = payload_text(self.watermark)
        return {name: value for name, value in said.items() if value not in (None, [], {}, ())}


def sha256(path: Path) -> str:
    """The sha256 of a file, in hexadecimal.

    Raises:
        UserError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise UserError(f"'{path}' cannot be read: {error.strerror}.") from error


def payload_text(payload: int) -> str:
    """A payload as twelve hexadecimal digits."""
    return f"{payload:0{PAYLOAD_BITS // 4}x}"


def sign(path: Path, claim: Claim, credentials: Credentials, title: str | None = None) -> None:
    """Put a signed manifest into a finished file, or beside it; whole or not at all.

    Args:
        title: the name of the file in the manifest; its own unless told.

    Raises:
        UserError: an input is not there any more, the signing command fails, the disk is full, or
            C2PA does not take what is to be told.
    """
    manifest = _manifest(claim, title or path.name)
    kind = mime(path)
    with _Signing(manifest, credentials) as signing:
        for number, given in enumerate(claim.inputs):
            signing.add_input(given, number)
        if needs_sidecar(path):
            signing.builder.set_no_embed()
            with path.open("rb") as source:
                said = signing.sign(kind, source, io.BytesIO(), path)
            with atomic_path(sidecar(path)) as temporary:
                temporary.write_bytes(said)
            return
        with (
            atomic_path(path) as temporary,
            path.open("rb") as source,
            temporary.open("w+b") as target,
        ):
            signing.sign(kind, source, target, path)


def try_out(credentials: Credentials) -> None:
    """Find out before the work whether these credentials sign, on one black pixel.

    Raises:
        UserError: they do not, and why.
    """
    from PIL import Image

    made = io.BytesIO()
    Image.new("RGB", (1, 1)).save(made, "PNG")
    claim = Claim("generate", "", "", 0, None, "")
    with _Signing(_manifest(claim, "probe"), credentials) as signing:
        signing.sign("image/png", io.BytesIO(made.getvalue()), io.BytesIO(), Path("probe.png"))


def _manifest(claim: Claim, title: str) -> dict[str, Any]:
    """The manifest as c2pa takes it."""
    agent = {"name": "skyloom", "version": __version__}
    actions = _actions(claim, agent)
    assertions: list[dict[str, Any]] = [
        {"label": "c2pa.actions.v2", "data": {"actions": actions}},
        {"label": GENERATION, "data": claim.told()},
    ]
    if claim.watermark is not None:
        actions.append({"action": "c2pa.watermarked", "softwareAgent": agent})
        block = {"scope": {}, "value": payload_text(claim.watermark)}
        binding = {"alg": SOFT_BINDING, "blocks": [block]}
        assertions.append({"label": "c2pa.soft-binding", "data": binding})
    return {"claim_generator_info": [agent], "title": title, "assertions": assertions}


def _actions(claim: Claim, agent: dict[str, str]) -> list[dict[str, Any]]:
    """What was done: created from nothing, or opened and edited; and what was put in."""
    actions: list[dict[str, Any]] = []
    parents = [number for number, given in enumerate(claim.inputs) if given.parent]
    if not parents:
        made = {"action": "c2pa.created", "digitalSourceType": SOURCES + MADE}
        actions.append(made | {"softwareAgent": agent})
    for number, given in enumerate(claim.inputs):
        action = "c2pa.opened" if given.parent else "c2pa.placed"
        actions.append({"action": action, "parameters": {"ingredientIds": [_label(number)]}})
    if parents:
        edited = {"action": "c2pa.edited", "digitalSourceType": SOURCES + EDITED}
        actions.append(edited | {"softwareAgent": agent})
    return actions


def _label(number: int) -> str:
    return f"input-{number}"


def _as_json(said: dict[str, Any]) -> str:
    """JSON as c2pa takes it; what is no text in the name of a file becomes question marks."""
    return json.dumps(said, ensure_ascii=False).encode("utf-8", "replace").decode()


class _Signing:
    """One builder and one signer of c2pa, which hold memory outside of Python."""

    def __init__(self, manifest: dict[str, Any], credentials: Credentials) -> None:
        c2pa = self._c2pa = need("c2pa", extra="trust")
        self._certificate = read_certificate(credentials.chain, "the certificate")
        self._name = credentials.name
        self._title = manifest["title"]
        self._failed: list[UserError] = []
        self._refused = c2pa.C2paError
        # thumbnails are larger than a small clip, and of clips there are none
        settings = {"builder": {"thumbnail": {"enabled": False}}}
        with ExitStack() as held, self._telling():
            context = held.enter_context(c2pa.Context(c2pa.Settings.from_dict(settings)))
            self._signer = held.enter_context(self._opened_signer(credentials))
            self.builder = held.enter_context(c2pa.Builder(_as_json(manifest), context=context))
            self._held = held.pop_all()

    @contextmanager
    def _telling(self) -> Iterator[None]:
        """Say which manifest it is where c2pa does not take what it is to tell."""
        try:
            yield
        except self._refused as error:
            raise UserError(
                f"The manifest of '{self._title}' cannot say what it is to say ({error}): ask for "
                "the same in plain words and numbers."
            ) from error

    def _opened_signer(self, credentials: Credentials) -> Any:
        c2pa, command = self._c2pa, credentials.command
        try:
            if command is None:
                assert credentials.private is not None
                return c2pa.Signer.from_info(
                    c2pa.C2paSignerInfo(
                        alg=credentials.algorithm.encode(),
                        sign_cert=credentials.chain.encode(),
                        private_key=credentials.private.encode(),
                        ta_url=None,  # a clock server that does not answer would end the work
                    )
                )

            def signed(data: bytes) -> bytes:
                try:
                    signature = command.sign(data, credentials.algorithm)
                    if not verifies(self._certificate, signature, data):
                        raise UserError(
                            f"The signing command '{command.words[0]}' does not sign with the key "
                            f"of the certificate '{self._name}': choose the pair that belongs "
                            "together with 'skyloom trust sign-with'."
                        )
                    return signature
                except UserError as error:  # c2pa would swallow it
                    self._failed.append(error)
                    raise

            algorithm = c2pa.C2paSigningAlg[credentials.algorithm.upper()]
            return c2pa.Signer.from_callback(signed, algorithm, credentials.chain)
        except self._refused as error:
            raise self._refusal(error) from error

    def add_input(self, given: Input, number: int) -> None:
        """Take in a file with its own manifest, if it has one inside or beside it; broken ones are
        noted as such.

        Raises:
            UserError: C2PA does not take what is to be told of it.
        """
        relation = "parentOf" if given.parent else "componentOf"
        label = _label(number)
        named = {"title": given.path.name, "relationship": relation, "label": label}
        found = find_manifest(given.path)
        with given.path.open("rb") as file, self._telling():
            if found is None or found.whole:
                try:
                    self._add_whole(given.path, named, found, file)
                    return
                except self._refused:  # c2pa knows neither its kind nor its manifest: bytes, then
                    file.seek(0)
            unread = {} if found is None else {"validation_results": _UNREAD}
            self.builder.add_ingredient(_as_json(named | unread), UNKNOWN, file)

    def _add_whole(
        self, path: Path, named: dict[str, str], found: Found | None, file: BinaryIO
    ) -> None:
        """Take in an input with the manifest that was found."""
        said: dict[str, Any] = dict(named)
        kind = kind_of(path)
        if found is not None and found.told is not None:
            assert found.report is not None
            place = f"{named['label']}{SIDECAR}"
            self.builder.add_resource(place, io.BytesIO(found.told))
            said["manifest_data"] = {"format": "application/c2pa", "identifier": place}
            for key in ("active_manifest", "validation_results"):
                said[key] = found.report[key]
            kind = UNKNOWN  # c2pa would look into the file
        self.builder.add_ingredient(_as_json(said), kind, file)

    def sign(self, kind: str, source: Any, target: Any, path: Path) -> bytes:
        """Write what is signed to `target`; returns the manifest."""
        try:
            return self.builder.sign(self._signer, kind, source, target)
        except self._refused as error:
            if self._failed:
                raise self._failed[0] from error
            raise self._refusal(error, path) from error

    def _refusal(self, error: Exception, path: Path | None = None) -> UserError:
        if lacks := lacking(self._certificate):
            return UserError(
                f"C2PA does not take the certificate '{self._name}', which lacks "
                f"{' and '.join(lacks)}: choose another with 'skyloom trust sign-with', or "
                "'skyloom trust init --renew' makes one."
            )
        where = "Signing" if path is None or path.name == "probe.png" else f"Signing '{path}'"
        return UserError(
            f"{where} was refused ({error}): the certificate must be one for C2PA, see "
            "docs/trust.md, or 'skyloom trust init --renew' makes one."
        )

    def __enter__(self) -> "_Signing":
        return self

    def __exit__(self, *_: object) -> None:
        self._held.close()


def inputs_of(paths: Sequence[Path], parents: int = 1) -> tuple[Input, ...]:
    """Files as inputs: the first ones are what was edited, C2PA knows one such; the rest parts."""
    return tuple(Input(path, number < parents) for number, path in enumerate(paths))
