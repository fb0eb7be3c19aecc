"""A job's progress as server-sent events, until it has ended or is gone."""

import json
import operator
from collections.abc import AsyncIterator, Callable
from functools import partial

from starlette.concurrency import run_in_threadpool

from skyloom.serve.http.watch import Watch
from skyloom.serve.job import PREVIEW, Job

ALIVE_SECONDS = 10.0
"""Between two signs of life on a connection that has nothing to tell."""


async def stream(
    id: str,
    look: Callable[[], Job | None],
    watch: Watch,
    leaving: Callable[[], bool],
    url: str,
) -> AsyncIterator[str]:
    """The events `progress` {status, progress}, `preview` {url} and `done` {status}.

    Args:
        look: the job as it stands, None where it was deleted.
        watch: says when to look again.
        leaving: whether the server shuts down: the stream ends, and the client comes back.
        url: of the job.
    """
    told: tuple[str, int] | None = None
    previews = 0
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
        if not news:
            yield ": still here\n\n"
        await watch.until(id, partial(operator.ne, job.state), ALIVE_SECONDS)


def _event(name: str, data: dict) -> str:
    return f"event: {name}\ndata: {json.dumps(data)}\n\n"
