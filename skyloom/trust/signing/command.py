"""A command that signs, for a key that does not leave its device."""

import shlex
import subprocess
from dataclasses import dataclass
from pathlib import Path

from skyloom.errors import UserError

SECONDS = 30
"""How long it may take."""

HALVES = {"es256": 32, "es384": 48, "es512": 66}
"""Bytes of r and of s in the signatures of ECDSA."""


@dataclass(frozen=True)
class Command:
    """Reads what is to be signed from stdin and writes the signature to stdout.

    Attributes:
        words: the program and what it is given.
        folder: where it runs, so that its paths mean the same from everywhere.
    """

    words: tuple[str, ...]
    folder: Path

    @classmethod
    def parse(cls, text: str, folder: Path) -> "Command":
        """A command as a shell would read its words; no shell runs it.

        Raises:
            UserError: there is no word in it, or a quote in it does not end.
        """
        try:
            words = tuple(shlex.split(text))
        except ValueError as error:
            raise UserError(
                f"The signing command {text!r} has a quote that does not end: close it, or write "
                "a backslash before it."
            ) from error
        if not words:
            raise UserError(
                "The signing command is empty: name the program that signs, as in "
                '--command "pkcs11-sign --slot 0".'
            )
        return cls(words, folder)

    def sign(self, data: bytes, algorithm: str) -> bytes:
        """The signature as C2PA wants it, which is r and s for ECDSA.

        Args:
            algorithm: as C2PA names it.

        Raises:
            UserError: it fails, hangs, or answers with what is no signature.
        """
        name = self.words[0]
        if not self.folder.is_dir():
            raise UserError(
                f"The signing command '{name}' was chosen in '{self.folder}', which is gone: "
                "choose it again with 'skyloom trust sign-with'."
            )
        try:
            done = subprocess.run(
                self.words,
                input=data,
                capture_output=True,
                timeout=SECONDS,
                check=False,
                cwd=self.folder,
            )
        except OSError as error:
            raise UserError(
                f"The signing command '{name}' does not run: {error.strerror}."
            ) from error
        except subprocess.TimeoutExpired as error:
            raise UserError(
                f"The signing command '{name}' did not answer in {SECONDS} seconds."
            ) from error
        if done.returncode or not done.stdout:
            said = done.stderr.decode(errors="replace").strip().splitlines()
            raise UserError(
                f"The signing command '{name}' failed with code {done.returncode}"
                f"{': ' + said[-1] if said else ''}."
            )
        return _raw(done.stdout, algorithm, name)


def _raw(signature: bytes, algorithm: str, name: str) -> bytes:
    """r and s of an ECDSA signature side by side, where it came as DER, as OpenSSL writes it."""
    from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

    half = HALVES.get(algorithm)
    if half is None or len(signature) == 2 * half:
        return signature
    try:
        r, s = decode_dss_signature(signature)
        return r.to_bytes(half, "big") + s.to_bytes(half, "big")
    except (ValueError, OverflowError) as error:
        raise UserError(
            f"The signing command '{name}' wrote {len(signature)} bytes that are no {algorithm} "
            "signature: it must write the signature alone, as DER or as its "
            f"{2 * half} bytes, and nothing else."
        ) from error
