"""The tables that the API alone writes: keys, characters, and the requests it has seen.

They lie beside the jobs in one database, so that several API servers know the same.
"""

from typing import Any

from skyloom.serve.store.tables import Tables


class ApiTables:
    """The tables `keys`, `characters` and `requests`; made where there are none."""

    def __init__(self, tables: Tables) -> None:
        self.tables, self.sa = tables, tables.sa
        sa, metadata = tables.sa, tables.sa.MetaData()
        column, text = sa.Column, sa.Text
        self.keys = sa.Table(
            "skyloom_keys",
            metadata,
            column("name", text, primary_key=True),
            column("hash", text, nullable=False, unique=True),
            column("limits", text, nullable=False, default="{}"),
            column("created_at", sa.BigInteger, nullable=False),
        )
        self.characters = sa.Table(
            "skyloom_characters",
            metadata,
            column("id", text, primary_key=True),
            column("owner", text, nullable=False, index=True),
            column("name", text, nullable=False),
            column("file", text, nullable=False),
            column("stored", sa.BigInteger, nullable=False),
            column("created_at", sa.BigInteger, nullable=False),
        )
        self.requests = sa.Table(
            "skyloom_requests",
            metadata,
            column("owner", text, primary_key=True),
            column("key", text, primary_key=True),
            column("digest", text, nullable=False, index=True),
            column("seen_at", sa.Float, nullable=False, index=True),
        )
        self._make(metadata)

    def _make(self, metadata: Any) -> None:
        try:
            metadata.create_all(self.tables.engine)
        except self.sa.exc.SQLAlchemyError:  # another process made them just now
            metadata.create_all(self.tables.engine)

    def rows(self, statement: Any) -> list[Any]:
        """What a query finds."""
        return self.tables.rows(statement)

    def write(self, statement: Any) -> int:
        """Carry out one writing statement; the rows that it changed."""
        return self.tables.written(statement)

    def insert(self, table: Any, row: dict[str, Any]) -> bool:
        """Add a row; False where one with its key is there already."""
        try:
            self.tables.written(self.sa.insert(table).values(row))
        except self.sa.exc.IntegrityError:
            return False
        return True
