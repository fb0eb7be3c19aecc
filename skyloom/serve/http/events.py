"""A job's progress as server-sent events, until it has ended or is gone."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable

from starlette.concurrency import run_in_threadpool

from skyloom.serve.job import PREVIEW, Job

LOOK_SECONDS = 0.15
"""Between two looks at the job."""
ALIVE_SECONDS = 10.0
"""Between two signs of life on a connection that has nothing to tell."""


async def stream(
    look: Callable[[], Job | None], leaving: Callable[[], bool], url: str
) -> AsyncIterator[str]:
    """The events `progress` {status, progress}, `preview` {url} and `done` {status}.

    Args:
        look: the job as it stands, None where it was deleted.
        leaving: whether the server shuts down: the stream ends, and the client comes back.
        url: of the job.
    """
    told: tuple[str, int] | None = None
    previews, spoke = 0, time.monotonic()
    yield "retry: 1000\n\n"
    while not leaving():
        job = await run_in_threadpool(look)
        if job is None:
            yield _event("done", {"status": "deleted"})
            return
        news = []
        if (job.status, job.progress) != told:
            told = (job.status, job.progress)
            news.append(_event("progress", {"status": job.status, "progress": job.progress}))
        if job.previews > previews and PREVIEW in job.outputs:
            previews = job.previews
            where = f"{url}/content?variant={PREVIEW}&n={previews}"
            news.append(_event("preview", {"url": where, "n": previews}))
        if job.ended:
            news.append(_event("done", {"status": job.status}))
        for event in news:
            yield event
        if job.ended:
            return
        if news:
            spoke = time.monotonic()
        elif time.monotonic() - spoke > ALIVE_SECONDS:
            spoke = time.monotonic()
            yield ": still here\n\n"
        await asyncio.sleep(LOOK_SECONDS)


def _event(name: str, data: dict) -> str:
    return f"event: {name}\ndata: {json.dumps(data)}\n\n"
