"""The keys of whoever makes clips here: one that signs files, and one that hides the watermark.

They live in the user's configuration folder, `$XDG_CONFIG_HOME/skyloom/trust`, readable by the
user alone, and are made on first use: a certificate of one's own, issued by an authority that
exists only for it. Nobody else trusts that authority; whoever needs more signs with a bought one,
`skyloom trust sign-with`. Certificates must be of the kind that C2PA asks for: with a key usage,
an extended key usage and the identifier of their authority.
"""

import fcntl
import json
import os
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from skyloom.config import load_toml, to_dict
from skyloom.errors import UserError
from skyloom.files import atomic_path, check_writable
from skyloom.trust.marks.carriers import KEY_BYTES
from skyloom.trust.signing.certificates import (
    algorithm,
    authorities,
    check_key,
    issue,
    read_certificate,
)
from skyloom.trust.signing.command import Command

CHAIN, PRIVATE, AUTHORITY = "certificate.pem", "private.pem", "authority.pem"
WATERMARK = "watermark.key"
CHOSEN = "sign-with.json"

YEARS = 5
"""How long a certificate of one's own is good."""

ANEW = "'skyloom trust init --renew' makes a new one"


@dataclass(frozen=True)
class Credentials:
    """What signs: a chain of certificates, and a key in a file or behind a command.

    Attributes:
        chain: PEM of the certificate and of those above it.
        private: PEM of the key; None where a command signs.
        command: signs what it is given; None where a key does.
        authority: PEM of the authorities of certificates of one's own, old ones too.
        algorithm: as C2PA names it: es256, es384, es512, ps256 or ed25519.
    """

    chain: str
    private: str | None
    command: Command | None
    authority: str | None
    algorithm: str

    @property
    def name(self) -> str:
        """Whom the certificate names, as `skyloom verify` shows it."""
        from cryptography.x509.oid import NameOID

        subject = read_certificate(self.chain, "certificate").subject
        kinds = (NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME)
        parts = [str(part.value) for kind in kinds for part in subject.get_attributes_for_oid(kind)]
        return ", ".join(parts) or subject.rfc4514_string()


@dataclass(frozen=True)
class Choice:
    """What `sign-with` chose, as its file has it.

    Attributes:
        chain, private, command: as of `read_credentials`; one of the last two is None.
        folder: where the command runs.
    """

    chain: Path
    private: Path | None
    command: str | None
    folder: Path

    def __post_init__(self) -> None:
        if (self.private is None) == (self.command is None):
            raise ValueError("one of a key and a command signs")
        for word in (self.chain, self.private, self.command, self.folder):
            if word is not None and b"\0" in os.fsencode(word):
                raise ValueError("no file has a null in its name")


def folder() -> Path:
    """Where the keys are."""
    base = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return Path(base) / "skyloom" / "trust"


def watermark_key() -> bytes:
    """The watermark's key, made on first use.

    Raises:
        UserError: it cannot be kept, or what is there is none.
    """
    path = folder() / WATERMARK
    if not path.exists():
        _make_folder()
        _keep_first(path, secrets.token_bytes(KEY_BYTES).hex() + "\n")
    try:
        key = bytes.fromhex(path.read_text(encoding="ascii").strip())
    except (OSError, ValueError) as error:
        raise UserError(
            f"The watermark's key '{path}' cannot be read: put it back or delete it for a new one, "
            "which finds no mark of the old."
        ) from error
    if len(key) != KEY_BYTES:
        raise UserError(
            f"'{path}' holds {len(key)} bytes and a watermark's key has {KEY_BYTES}: put the right "
            "one back or delete it for a new one, which finds no mark of the old."
        )
    return key


def known_watermark_key() -> bytes | None:
    """The watermark's key if there is one: looking makes none."""
    return watermark_key() if (folder() / WATERMARK).exists() else None


def credentials() -> Credentials:
    """What signs here: what was chosen, or one's own, made on first use.

    Raises:
        UserError: it is missing, expired, does not belong together, or cannot be made.
    """
    if not (folder() / CHOSEN).exists() and not (folder() / CHAIN).exists():
        with _alone():  # of several processes that come here at once, one makes them
            if not (folder() / CHAIN).exists():
                _make_pair()
    found = known_credentials()
    assert found is not None
    check(found)
    return found


def known_credentials() -> Credentials | None:
    """What signs here as it is, expired or not; None before anything was made or chosen."""
    said = chosen()
    if said is not None:
        own = folder() / AUTHORITY
        authority = own if own.exists() else None
        return read_credentials(said.chain, said.private, said.command, authority, said.folder)
    return _own() if (folder() / CHAIN).exists() else None


def chosen() -> Choice | None:
    """What was chosen to sign in the place of one's own; None if nothing was.

    Raises:
        UserError: the file that says so is damaged.
    """
    path = folder() / CHOSEN
    if not path.exists():
        return None
    try:
        return load_toml(Choice, path)
    except UserError as error:
        raise UserError(
            f"'{path}' is damaged: choose again with 'skyloom trust sign-with'."
        ) from error


def _own() -> Credentials:
    own = folder()
    return read_credentials(own / CHAIN, own / PRIVATE, None, own / AUTHORITY)


def read_credentials(
    chain: Path,
    private: Path | None,
    command: str | None,
    authority: Path | None = None,
    where: Path | None = None,
) -> Credentials:
    """Credentials from files.

    Args:
        where: the folder in which the command runs; the present one unless told.

    Raises:
        UserError: a file is missing, or holds no certificate or no kind of key that C2PA knows;
            neither or both of a key and a command are named; the command cannot be understood.
    """
    if (private is None) == (command is None):
        raise UserError("Name the key's file or, with --command, what signs with it: one of them.")
    signs = None if command is None else Command.parse(command, where or Path.cwd())
    told = _read(chain, "certificate")
    return Credentials(
        told,
        None if private is None else _read(private, "signing key"),
        signs,
        None if authority is None else _read(authority, "authority's certificate"),
        algorithm(read_certificate(told, f"'{chain}'"), chain),
    )


def check(found: Credentials) -> None:
    """Find out before the work whether signing will do.

    Raises:
        UserError: the certificate has expired or is not valid yet, or the key cannot be read, is of
            no kind that C2PA knows, or is not its own.
    """
    certificate = read_certificate(found.chain, "the certificate")
    now = datetime.now(UTC)
    if now > certificate.not_valid_after_utc:
        raise UserError(
            f"The signing certificate '{found.name}' expired on "
            f"{certificate.not_valid_after_utc:%Y-%m-%d}: {ANEW}, or choose another with "
            "'skyloom trust sign-with'."
        )
    if now < certificate.not_valid_before_utc:
        raise UserError(
            f"The signing certificate '{found.name}' begins on "
            f"{certificate.not_valid_before_utc:%Y-%m-%d}: look at the clock, or choose another "
            "with 'skyloom trust sign-with'."
        )
    if found.private is not None:
        check_key(found.private, certificate, found.name)


def init(renew: bool = False) -> Credentials:
    """Make a signing key and a certificate of one's own, and a watermark's key if there is none.

    Args:
        renew: put new ones in the place of those that are there, and sign with them; the
            watermark's key stays, or marks that are out there would be lost.

    Returns:
        What was made, which does not sign as long as another certificate is chosen.

    Raises:
        UserError: there are some already, the folder cannot be written, or what stays in it is
            damaged; then nothing was changed.
    """
    place = folder()
    with _alone():
        if renew:
            check_writable(place / CHOSEN)
        elif (place / CHAIN).exists():
            raise UserError(f"There is a signing key in '{place}' already: {ANEW}.")
        else:
            chosen()  # tells of damage
        _make_pair(renew)
        if renew:
            (place / CHOSEN).unlink(missing_ok=True)
        return _own()


def _make_pair(renew: bool = False) -> None:
    """Write a new key with its certificate and authority, and a watermark's key if there is none.

    Raises:
        UserError: a key is there whose certificate is not, and it is not to be replaced; or the
            watermark's key is damaged.
    """
    place = folder()
    if (place / PRIVATE).exists() and not renew:
        raise UserError(
            f"The certificate '{place / CHAIN}' of the key beside it is missing: put it back; "
            f"{ANEW}."
        )
    earlier = authorities(place / AUTHORITY)
    watermark_key()  # refuses a damaged one before anything is replaced
    since = datetime.now(UTC) - timedelta(hours=1)  # clocks differ
    chain, private, authority = issue(since, since + timedelta(days=365 * YEARS))
    _keep(
        {
            place / CHAIN: chain,  # appears last: where it is, the others are
            place / AUTHORITY: authority + earlier,  # what was signed before stays one's own
            place / PRIVATE: private,
        }
    )


@contextmanager
def _alone() -> Iterator[None]:
    """While this lasts, no other process makes keys in the folder."""
    _make_folder()
    try:
        handle = os.open(folder(), os.O_RDONLY)
    except OSError as error:
        raise UserError(f"The keys in '{folder()}' cannot be read: {error.strerror}.") from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def sign_with(chain: Path, private: Path | None, command: str | None) -> None:
    """Sign with this certificate from now on; the files stay where they are, and the command runs
    in the folder that is the present one now."""
    _make_folder()
    key = None if private is None else private.resolve()
    said = to_dict(Choice(chain.resolve(), key, command, Path.cwd()))
    _keep({folder() / CHOSEN: json.dumps(said, indent=2) + "\n"})


def _make_folder() -> None:
    try:
        folder().mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise UserError(
            f"The keys cannot be kept in '{folder()}': {error.strerror}; set XDG_CONFIG_HOME to a "
            "folder that can be written."
        ) from error


def _keep(texts: dict[Path, str]) -> None:
    """Write files that the user alone can read, all of them or none; the first appears last."""
    with ExitStack() as held:
        for path, text in texts.items():
            held.enter_context(_writing(path))
            temporary = held.enter_context(atomic_path(path))
            handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)


def _keep_first(path: Path, text: str) -> None:
    """Of several processes that do this at once, the first one's text stays."""
    with _writing(path):
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # 0600
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
            with suppress(FileExistsError):
                os.link(name, path)
        finally:
            os.unlink(name)


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    """What refuses a file while this lasts is one sentence about it."""
    try:
        check_writable(path)
        yield
    except OSError as error:
        raise UserError(f"Cannot write '{path}': {error.strerror}.") from error


def _read(path: Path, what: str) -> str:
    own = path.parent == folder()
    try:
        return path.read_text(encoding="ascii")
    except FileNotFoundError:
        remedy = f"put it back; {ANEW}" if own else "name one that is there"
        raise UserError(f"The {what} '{path}' does not exist: {remedy}.") from None
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not PEM"
        remedy = f"put it back; {ANEW}" if own else "name one that can"
        raise UserError(f"The {what} '{path}' cannot be read ({reason}): {remedy}.") from error
