"""Notices when jobs change: one question to the database now and then, for all who wait."""

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping

from starlette.concurrency import run_in_threadpool

from skyloom.serve.job import State

LOOK_SECONDS = 0.1
"""Between two looks, while anybody waits."""

log = logging.getLogger("skyloom.http")


class Watch:
    """Lets requests wait for what becomes of jobs; for one event loop.

    Args:
        look: the states of some jobs, of those that there are.
        leaving: whether the server shuts down: nobody waits then.
    """

    def __init__(
        self,
        look: Callable[[Collection[str]], Mapping[str, State]],
        leaving: Callable[[], bool],
    ) -> None:
        self._look, self._leaving = look, leaving
        self._waiting: dict[asyncio.Future[None], tuple[str, Callable[[State | None], bool]]] = {}
        self._looking: asyncio.Task[None] | None = None

    async def until(self, id: str, enough: Callable[[State | None], bool], seconds: float) -> None:
        """Wait until a job's state is `enough` (None: it is gone), or so many seconds, or the
        server leaves, or the database does not answer."""
        there = asyncio.get_running_loop().create_future()
        self._waiting[there] = (id, enough)
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look_on())
        try:
            await asyncio.wait([there], timeout=seconds)
        finally:
            del self._waiting[there]

    async def _look_on(self) -> None:
        while self._waiting:
            found: Mapping[str, State] | None = None
            try:
                if not self._leaving():
                    found = await run_in_threadpool(
                        self._look, {id for id, _ in self._waiting.values()}
                    )
            except Exception:  # who waits asks by itself, and says what is wrong
                log.exception("could not look after jobs")
            for there, (id, enough) in list(self._waiting.items()):
                if not there.done() and (found is None or enough(found.get(id))):
                    there.set_result(None)
            await asyncio.sleep(LOOK_SECONDS)
