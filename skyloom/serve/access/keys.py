"""Keys: who may ask, and how much. The database holds their hashes, never the keys.

A key is 32 random bytes, so that one round of SHA-256 is enough to hide it: there is nothing to
guess. Its name is the owner of all that is made with it.
"""

import hashlib
import hmac
import json
import re
import secrets
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from skyloom.config import from_dict
from skyloom.errors import UserError
from skyloom.serve.access.limits import Limits
from skyloom.serve.store.api_tables import ApiTables

PREFIX = "sk-skyloom-"
LOCAL = "local"
"""Owner of everything where no keys are asked for."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@-]{0,63}")
_FRESH = 2.0  # seconds until the database is asked again which keys there are


@dataclass(frozen=True)
class Key:
    """A key as the server knows it.

    Attributes:
        name: whose it is; owner of jobs and characters.
        hash: SHA-256 of the key, in hexadecimal digits.
        limits: how much it may do.
        created_at: whole seconds of the Unix clock.
    """

    name: str
    hash: str
    limits: Limits
    created_at: int


class Keys:
    """The keys in a database; safe to use from many threads."""

    def __init__(self, tables: ApiTables) -> None:
        self._tables = tables
        self._lock = threading.Lock()
        self._known: Sequence[Key] = ()
        self._read_at = float("-inf")

    def add(self, name: str, limits: Limits) -> str:
        """Make a key and return it: nobody will see it again.

        Raises:
            UserError: the name cannot be, or is taken.
        """
        if not _NAME.fullmatch(name) or name == LOCAL:
            raise UserError(
                f"'{name}' cannot be the name of a key: use letters, digits, '.', '-', '_' and '@'."
            )
        token = PREFIX + secrets.token_urlsafe(32)
        row = {
            "name": name,
            "hash": _hash(token),
            "limits": json.dumps(asdict(limits)),
            "created_at": int(time.time()),
        }
        if not self._tables.insert(self._tables.keys, row):
            raise UserError(f"There is a key '{name}' already: remove it first, or take another.")
        return token

    def remove(self, name: str) -> None:
        """Forget a key; what was made with it stays and belongs to the next key of that name.

        Raises:
            UserError: there is no such key.
        """
        table = self._tables.keys
        if not self._tables.write(self._tables.sa.delete(table).where(table.c.name == name)):
            names = ", ".join(key.name for key in self.all()) or "none"
            raise UserError(f"There is no key '{name}': the keys are {names}.")

    def all(self) -> Sequence[Key]:
        """All keys, by name."""
        table = self._tables.keys
        rows = self._tables.rows(self._tables.sa.select(table).order_by(table.c.name))
        return [
            Key(
                row.name,
                row.hash,
                from_dict(Limits, json.loads(row.limits), f"the key '{row.name}'"),
                int(row.created_at),
            )
            for row in rows
        ]

    def check(self, token: str) -> Key | None:
        """The key that this is, found in a time that does not tell how near a guess came."""
        hashed, found = _hash(token), None
        for key in self._recent():
            if hmac.compare_digest(key.hash, hashed):
                found = key
        return found

    def _recent(self) -> Sequence[Key]:
        with self._lock:
            if time.monotonic() - self._read_at > _FRESH:
                self._known = self.all()
                self._read_at = time.monotonic()
            return self._known


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()
