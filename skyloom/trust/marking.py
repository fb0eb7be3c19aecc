"""Marking what is made: the watermark while its frames stream, the signature when the file is done.

One `Marking` is made before the work, where a missing or expired key is found out, and serves any
number of files:

    marking = Marking.ready(model_folder)
    claim = marking.claim("generate", request)
    with marking.signed(path, claim) as unfinished:
        ... write marking.mark(frames, claim, request.fps) to it, and its sound ...
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Bool, UInt8

from skyloom.errors import UserError
from skyloom.files import atomic_path
from skyloom.trust import keys
from skyloom.trust.keys import Credentials
from skyloom.trust.marks.coding import PAYLOAD_BITS
from skyloom.trust.provenance import (
    Claim,
    Input,
    inputs_of,
    sha256,
    sign,
    try_out,
)
from skyloom.trust.signing.places import needs_sidecar, sidecar
from skyloom.trust.watermark import Mark, marked

if TYPE_CHECKING:
    from skyloom.edit import Edit

Frames = UInt8[np.ndarray, "_F H W 3"]
Kept = Callable[[int, int], Bool[np.ndarray, "F H W"] | None]
"""Which pixels of the frames from one number to before another stay as they are; None: none."""

TOLD = ("size", "seconds", "fps", "steps", "guidance", "rescale", "negative", "solver", "camera",
        "loop")  # fmt: skip
"""Fields of a request that its manifest tells, besides prompt and seed."""

OWN = {"animate": ("at", "move"), "extend": ("backward",), "fill": ("keep",),
       "restyle": ("strength",), "generate": ("strength",), "storyboard": ("shots",)}  # fmt: skip
"""What an operation that begins with something is told besides, and its manifest tells."""

FITTED = ("stretch", "trim")
"""The same of every operation."""

EDITS = ("animate", "extend", "loop", "connect", "blend", "fill", "restyle", "generate")
"""What edits its first input, where it has one; a storyboard is made of its inputs."""


@dataclass(frozen=True)
class Marking:
    """What marks and signs.

    Attributes:
        key: of the watermark.
        credentials: of the signature.
        model, model_sha256: what the manifest says made it.
        hide_prompt: tell the prompt's hash alone.
    """

    key: bytes
    credentials: Credentials
    model: str
    model_sha256: str
    hide_prompt: bool = False

    @classmethod
    def ready(cls, model_folder: Path | None = None, hide_prompt: bool = False) -> "Marking":
        """Find out before the work whether its result can be marked and signed, by doing so once.

        Args:
            model_folder: what makes it; the bundled model unless told.

        Raises:
            UserError: a key is missing or expired, or cannot be made, or does not sign.
        """
        found = keys.credentials()
        try_out(found)
        name, digest = identity(model_folder)
        return cls(keys.watermark_key(), found, name, digest, hide_prompt)

    def claim(
        self,
        operation: str,
        asked: Any,
        inputs: Sequence[Path] = (),
        guards: Sequence[dict[str, Any]] = (),
        words: str | None = None,
        said: Mapping[str, Any] | None = None,
    ) -> Claim:
        """What the manifest will say of one file, and with it the number in its pixels.

        The number is a hash of all of that, so that the same request gives the same pixels.

        Args:
            operation: the verb.
            asked: a `Request`, a `Story`, or what else has fields of these names.
            inputs: files that it is made from; the first one is what is edited.
            guards: verdicts of the guards that ran.
            words: the prompt, where it is not one field of what was asked.
            said: of the operation besides; what is neither in OWN nor in FITTED does not count.
        """
        prompt = asked.prompt if words is None else words
        settings = {name: getattr(asked, name, None) for name in TOLD}
        if settings["size"]:
            settings["size"] = "{}x{}".format(*settings["size"])
        own = OWN.get(operation, ()) if inputs or operation == "storyboard" else ()
        settings |= {name: (said or {}).get(name) for name in (*own, *FITTED)}
        claim = Claim(
            operation,
            self.model,
            self.model_sha256,
            asked.seed,
            prompt,
            hashlib.sha256(prompt.encode()).hexdigest(),
            {name: _plain(value) for name, value in settings.items() if _is_said(value)},
            inputs_of(inputs, 1 if operation in EDITS else 0),
            tuple(guards),
        )
        payload = _number(claim)
        return replace(claim, watermark=payload, prompt=None if self.hide_prompt else prompt)

    def mark(
        self,
        pieces: Iterable[Frames],
        claim: Claim,
        fps: float,
        still: bool = False,
        kept: Kept | None = None,
    ) -> Iterator[Frames]:
        """Frames with their mark as they come, from the first one of the clip.

        Args:
            still: it is one picture.
            kept: what was given and stays as it is.
        """
        assert claim.watermark is not None
        mark = Mark(self.key, claim.watermark)
        if kept is None:
            return marked(pieces, fps, mark, still)
        return _marked_beside(pieces, fps, mark, still, kept)

    def sign(self, path: Path, claim: Claim, title: str | None = None) -> None:
        """Put the manifest into a finished file, or beside it.

        Raises:
            UserError: see `provenance.sign`.
        """
        sign(path, claim, self.credentials, title)

    @contextmanager
    def signed(self, path: Path, claim: Claim) -> Iterator[Path]:
        """Yield a name to write to; the file is signed and gets its own when the block ends well.

        No file appears that is not signed: until then there is nothing at `path`.
        """
        with atomic_path(path) as unfinished:
            try:
                yield unfinished
                self.sign(unfinished, claim, path.name)
                if needs_sidecar(path):
                    os.replace(sidecar(unfinished), sidecar(path))
            except UserError as error:
                said = str(error).replace(str(unfinished), str(path))
                raise UserError(said) from error
            finally:
                if needs_sidecar(path):
                    sidecar(unfinished).unlink(missing_ok=True)

    def sheet_claim(self, of: Path) -> Claim:
        """What is said of the contact sheet of a file that was made here."""
        return Claim("contact sheet", self.model, self.model_sha256, 0, None, "",
                     inputs=(Input(of, True),))  # fmt: skip


def identity(model_folder: Path | None) -> tuple[str, str]:
    """The name of a model folder, and the sha256 of its list of files, which has theirs.

    Raises:
        UserError: there is no such list.
    """
    from skyloom.modelfolder import BUNDLED
    from skyloom.storage import INDEX

    root = BUNDLED if model_folder is None else Path(model_folder)
    name = "skyloom, bundled" if model_folder is None else root.resolve().name
    if not (root / INDEX).is_file():
        raise UserError(f"There is no model in '{root}': it has no {INDEX}.")
    return name, sha256(root / INDEX)


def kept_of(edit: "Edit") -> Kept | None:
    """What an edit promises to leave as it was given: frames around what is made, and pixels that
    were given firmly. None where nothing was."""
    from skyloom.canvas import Canvas

    request = edit.request
    before = 0 if edit.before is None else len(edit.before)
    made = request.frames - edit.skip - edit.drop
    if not request.given and edit.before is None and edit.after is None:
        return None
    width, height = request.size

    def kept(first: int, stop: int) -> Bool[np.ndarray, "F H W"]:
        held = np.ones((stop - first, height, width), dtype=bool)  # before and after: all of it
        low, high = max(first, before), min(stop, before + made)
        if low < high:
            inside = slice(low - before + edit.skip, high - before + edit.skip)
            canvas = Canvas.of(request.given, request.frames, request.size, inside, request.frames)
            held[low - first : high - first] = canvas.strength == 1
        return held

    return kept


def kept_stretches(stretches: Sequence[tuple[int, int]], size: tuple[int, int]) -> Kept | None:
    """The same of whole frames, from (first, stop) of each stretch; `size` is (width, height)."""
    if not stretches:
        return None

    def kept(first: int, stop: int) -> Bool[np.ndarray, "F H W"]:
        held = [any(low <= n < high for low, high in stretches) for n in range(first, stop)]
        return np.broadcast_to(np.array(held)[:, None, None], (stop - first, *size[::-1]))

    return kept


def _marked_beside(
    pieces: Iterable[Frames], fps: float, mark: Mark, still: bool, kept: Kept
) -> Iterator[Frames]:
    """Marked frames in which what is kept is put back."""
    given: list[Frames] = []

    def remembered() -> Iterator[Frames]:
        for piece in pieces:
            given[:] = [piece]
            yield piece

    count = 0
    for piece in marked(remembered(), fps, mark, still):
        held = kept(count, count + len(piece))
        count += len(piece)
        yield piece if held is None else np.where(held[..., None], given[0], piece)


def _is_said(value: Any) -> bool:
    return value not in (None, "", ()) and value is not False


def _plain(value: Any) -> str | int | float:
    """A setting as a manifest can tell it: c2pa takes a list of small numbers for bytes."""
    return value if isinstance(value, str | int | float) else json.dumps(value)


def _number(claim: Claim) -> int:
    """A payload that is the same for the same claim, and by its inputs' bytes, not their names."""
    said = asdict(claim) | {"inputs": [sha256(given.path) for given in claim.inputs]}
    said.pop("guards")
    text = json.dumps(said, sort_keys=True, default=str)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[: PAYLOAD_BITS // 8], "big")
