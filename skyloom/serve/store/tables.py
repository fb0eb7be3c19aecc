"""The tables of jobs and workers, and one way to reach them on SQLite and on PostgreSQL.

They lie in the same database as the queue's own (DBOS), so that a job and its place in the queue
are written in one transaction.
"""

import time
from collections.abc import Callable
from typing import Any, TypeVar

from skyloom.errors import UserError
from skyloom.extras import need

T = TypeVar("T")

QUEUE_POLL = 0.2
"""Seconds between two looks of a worker into its queue: DBOS has no other way to hear of a job.
Each look costs some 2 ms of processor time, in a worker that has nothing to do too."""
APPLICATION = "skyloom"
VERSION = "1"
"""Of what a workflow's steps mean; workers of one version go on with each other's jobs."""

PATIENCE = 30.0
"""Seconds for which a writer waits for another, and everybody for a database that is away."""
_POOL = 20


class Tables:
    """The database's engine, and the tables of it as SQLAlchemy sees them.

    Args:
        database: an SQLAlchemy URL of SQLite or PostgreSQL.

    Raises:
        UserError: it is no such URL, or the database cannot be reached.
    """

    def __init__(self, database: str) -> None:
        self.sa = sa = need("sqlalchemy", extra="serve")
        dbos = need("dbos", extra="serve")
        _quieten()
        try:
            url = sa.make_url(database)
        except sa.exc.ArgumentError as error:
            raise UserError(
                f"'{database}' is no database: use sqlite:///FILE or postgresql://HOST/NAME."
            ) from error
        backend = url.get_backend_name()
        if backend not in ("sqlite", "postgresql"):
            raise UserError(
                f"Jobs cannot be kept in '{backend}': use sqlite:///FILE or postgresql://HOST/NAME."
            )
        if backend == "postgresql":
            url = url.set(drivername="postgresql+psycopg")
        self.url = url.render_as_string(hide_password=False)
        self.engine = self._engine(url, backend == "sqlite")
        self.jobs, self.workers, metadata = _tables(sa)
        try:
            _patiently(sa, lambda: dbos.DBOS.migrate(self.url))
            _patiently(sa, lambda: metadata.create_all(self.engine))
        except (sa.exc.SQLAlchemyError, OSError) as error:
            shown = url.render_as_string(hide_password=True)
            reason = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
            raise UserError(f"The database '{shown}' cannot be used: {reason}.") from error

    def _engine(self, url: Any, sqlite: bool) -> Any:
        sa = self.sa
        if not sqlite:
            return sa.create_engine(url, pool_size=_POOL, max_overflow=_POOL, pool_pre_ping=True)
        engine = sa.create_engine(
            url, poolclass=sa.pool.QueuePool, pool_size=_POOL, max_overflow=_POOL
        )

        def prepare(connection: Any, _: Any) -> None:
            connection.isolation_level = "IMMEDIATE"  # who will write waits before it reads
            connection.execute(f"PRAGMA busy_timeout={int(PATIENCE * 1000)}")
            connection.execute("PRAGMA journal_mode=WAL")  # readers and a writer at once
            connection.execute("PRAGMA synchronous=FULL")  # committed is on the disk
            connection.execute("PRAGMA foreign_keys=ON")

        sa.event.listen(engine, "connect", prepare)
        return engine

    def written(self, statement: Any) -> int:
        """Carry out one writing statement; the rows that it changed.

        A database that is away is waited for: half a minute, then its error is raised.
        """

        def write() -> int:
            with self.engine.begin() as connection:
                return connection.execute(statement).rowcount

        return _patiently(self.sa, write)

    def rows(self, statement: Any) -> list[Any]:
        """What a query finds."""

        def read() -> list[Any]:
            with self.engine.connect() as connection:
                return list(connection.execute(statement))

        return _patiently(self.sa, read)


def _tables(sa: Any) -> tuple[Any, Any, Any]:
    metadata = sa.MetaData()
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    column, text = sa.Column, sa.Text
    jobs = sa.Table(
        "skyloom_jobs",
        metadata,
        column("number", number, primary_key=True, autoincrement=True),
        column("id", text, nullable=False, unique=True),
        column("owner", text, nullable=False, index=True),
        column("idempotency_key", text),
        column("model", text, nullable=False),
        column("order", text, nullable=False),
        column("status", text, nullable=False, index=True),
        column("progress", sa.Integer, nullable=False, default=0),
        column("created_at", number, nullable=False),
        column("completed_at", number),
        column("expires_at", number, index=True),
        column("error", text),
        column("outputs", text, nullable=False, default="{}"),
        column("previews", sa.Integer, nullable=False, default=0),
        column("delivered", text),
        column("stored", number, nullable=False, default=0),
        column("worker", text, index=True),
        column("runner", text),  # token of the one run that may write
        column("attempts", sa.Integer, nullable=False, default=0),
        column("barren", sa.Integer, nullable=False, default=0),  # since something was finished
        sa.UniqueConstraint("owner", "idempotency_key"),
    )
    workers = sa.Table(
        "skyloom_workers",
        metadata,
        column("id", text, primary_key=True),
        column("machine", text, nullable=False),
        column("process", text, nullable=False),
        column("beats", number, nullable=False, default=0),
    )
    return jobs, workers, metadata


def _patiently(sa: Any, act: Callable[[], T]) -> T:
    """Try again for a while where the database is away, locked, or its tables are being made."""
    end, pause = time.monotonic() + PATIENCE, 0.05
    while True:
        try:
            return act()
        except (sa.exc.OperationalError, sa.exc.ProgrammingError, sa.exc.InterfaceError) as error:
            refused = isinstance(error, sa.exc.OperationalError) and _hopeless(error)
            if refused or time.monotonic() > end:
                raise
        time.sleep(pause)
        pause = min(2 * pause, 1.0)


def _hopeless(error: Exception) -> bool:
    """Whether waiting will not help: a wrong address, name or password, a folder that is not."""
    said = str(error).lower()
    words = ("unable to open", "password", "does not exist", "could not translate", "resolve")
    return any(word in said for word in words)


def _quieten() -> None:
    """DBOS tells of its doings at length; what matters here is said in our own words."""
    import logging

    logging.getLogger("dbos").setLevel(logging.CRITICAL)
