"""A request that comes twice makes one job.

A client that lost the answer sends the request again. Three cases:
- It says `Idempotency-Key`: the same key is the same job, for as long as the job is kept.
- It is the official client, which says no key and counts its tries in `x-stainless-retry-count`: a
  second try belongs to the latest request of the same owner that said the very same.
- It says neither: every request is a new job.

What is seen is written down before the job is made, so that this holds across a crash too.
"""

import re
import secrets
import time
from collections.abc import Mapping

from skyloom.serve.problem import Problem, invalid
from skyloom.serve.store.api_tables import ApiTables

KEPT_SECONDS = 24 * 3600
_KEY = re.compile(r"[\x20-\x7e]{1,255}")


class Retries:
    """The requests that were seen lately, in the database."""

    def __init__(self, tables: ApiTables) -> None:
        self._tables = tables

    def key_for(self, owner: str, digest: str, headers: Mapping[str, str]) -> str:
        """The key under which the job of a request is submitted: that of its first try.

        Args:
            digest: of all that the request says, and of what it asks for.

        Raises:
            Problem: the client's key was used for something else, or cannot be a key.
        """
        said = headers.get("idempotency-key")
        if said is not None:
            return self._named(owner, said, digest)
        count = headers.get("x-stainless-retry-count", "0")
        if count.isdecimal() and count.strip("0"):
            table = self._tables.requests
            query = self._tables.sa.select(table.c.key).where(
                table.c.owner == owner, table.c.digest == digest, table.c.key.startswith("auto:")
            )
            rows = self._tables.rows(query.order_by(table.c.seen_at.desc()).limit(1))
            if rows:
                return rows[0].key
        key = f"auto:{secrets.token_urlsafe(16)}"
        self._note(owner, key, digest)
        return key

    def _named(self, owner: str, said: str, digest: str) -> str:
        if not _KEY.fullmatch(said):
            raise invalid("An Idempotency-Key has 1 to 255 plain characters.", "Idempotency-Key")
        key = f"client:{said}"
        if self._note(owner, key, digest):
            return key
        table = self._tables.requests
        query = self._tables.sa.select(table.c.digest)
        rows = self._tables.rows(query.where(table.c.owner == owner, table.c.key == key))
        if rows and rows[0].digest != digest:
            raise Problem(
                422,
                "This Idempotency-Key came with another request before: use a new one.",
                "Idempotency-Key",
                "idempotency_key_reused",
            )
        return key

    def _note(self, owner: str, key: str, digest: str) -> bool:
        row = {"owner": owner, "key": key, "digest": digest, "seen_at": time.time()}
        return self._tables.insert(self._tables.requests, row)

    def forget_old(self) -> None:
        """Delete what nobody will ask for again."""
        table = self._tables.requests
        old = table.c.seen_at < time.time() - KEPT_SECONDS
        self._tables.write(self._tables.sa.delete(table).where(old))
