"""Characters: reference shots that later videos start from."""

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass

from skyloom.serve.store.api_tables import ApiTables
from skyloom.serve.store.files import Files

MOST = 200
"""Characters of one owner."""


@dataclass(frozen=True)
class Character:
    """Somebody or something that videos are to show.

    Attributes:
        id: "char_" and a token that tells nothing.
        file: key of the picture or clip.
        created_at: whole seconds of the Unix clock.
    """

    id: str
    name: str
    file: str
    created_at: int


class Characters:
    """The characters of a database; safe to use from many threads."""

    def __init__(self, tables: ApiTables, files: Files) -> None:
        self._tables, self._files = tables, files

    def add(self, owner: str, name: str, file: str, size: int, idempotency_key: str) -> Character:
        """Keep a character; the one that is there for a request that comes again.

        Args:
            file, size: key of the picture or clip, and its bytes.
        """
        id = _id(owner, idempotency_key)
        row = {
            "id": id,
            "owner": owner,
            "name": name,
            "file": file,
            "stored": size,
            "created_at": int(time.time()),
        }
        if not self._tables.insert(self._tables.characters, row):
            self._files.delete(file)
        there = self.get(id, owner)
        assert there is not None, "it was deleted at the same moment"
        return there

    def get(self, id: str, owner: str) -> Character | None:
        """The character, if there is one and it is this owner's."""
        table = self._tables.characters
        found = self._found(table.c.id == id, table.c.owner == owner)
        return found[0] if found else None

    def all(self, owner: str) -> Sequence[Character]:
        """Those of an owner, the newest first."""
        return self._found(self._tables.characters.c.owner == owner)

    def delete(self, id: str, owner: str) -> bool:
        """Forget a character; videos that were made with it stay. False where there is none."""
        there = self.get(id, owner)
        if there is None:
            return False
        table = self._tables.characters
        gone = self._tables.write(self._tables.sa.delete(table).where(table.c.id == id))
        self._files.delete(there.file)
        return gone == 1

    def stored(self, owner: str) -> int:
        """Bytes that an owner's characters take."""
        sa, table = self._tables.sa, self._tables.characters
        query = sa.select(sa.func.coalesce(sa.func.sum(table.c.stored), 0))
        return int(self._tables.rows(query.where(table.c.owner == owner))[0][0])

    def _found(self, *where: object) -> Sequence[Character]:
        table = self._tables.characters
        query = self._tables.sa.select(table).where(*where)
        rows = self._tables.rows(query.order_by(table.c.created_at.desc(), table.c.id).limit(MOST))
        return [Character(row.id, row.name, row.file, int(row.created_at)) for row in rows]


def _id(owner: str, key: str) -> str:
    """The same for a request that comes again; the owner is checked wherever an id comes in."""
    return f"char_{hashlib.sha256(f'{owner}:{key}'.encode()).hexdigest()[:32]}"
