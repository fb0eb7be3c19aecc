"""The routes of videos: the official API's, and the events of a job."""

import time
from collections.abc import AsyncIterator, Callable
from typing import Annotated, Any, Literal, TypeVar

from anyio import to_thread
from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool

from skyloom.serve.access.keys import Key
from skyloom.serve.http import content, events, interpret, schemas, views
from skyloom.serve.http.body import Body, read_body
from skyloom.serve.http.forms import checked, described, seen, without_spare_parts
from skyloom.serve.http.service import Authorised, Service, Serviced, as_problems
from skyloom.serve.intake.inputs import Inputs, check_finished, parts_of
from skyloom.serve.job import Job, State
from skyloom.serve.order import Order
from skyloom.serve.problem import Problem, missing

POLL_SHARE, POLL_MILLISECONDS = 0.12, (150, 2000)
"""When the official client is to ask again: after a share of the time that the job has taken so
far, so that asking costs little and the end is noticed soon, within these limits."""
POLLING = "x-stainless-poll-helper"
"""The header by which the official client says that it does nothing but wait. It asks at the pace
that the first answer names, for good: so it is answered when there is something to say."""
HOLD_SECONDS = 10.0
"""For which such a request is held, at most."""
PATH = r"^[A-Za-z0-9_-]{1,100}$"

router = APIRouter(prefix="/v1/videos", tags=["videos"])
Form = TypeVar("Form", bound=BaseModel)
Ordering = Callable[[Any, Body, Inputs], Order]


@router.post("", openapi_extra=described(schemas.CreateVideo))
async def create(
    request: Request, response: Response, service: Serviced, key: Authorised
) -> schemas.Video:
    """Order a video: from words, or from a picture, a clip or a storyboard."""

    def order(asked: schemas.CreateVideo, body: Body, inputs: Inputs) -> Order:
        return interpret.create(asked, parts_of(body.values), inputs, service, key)

    return await _ordered(request, response, service, key, schemas.CreateVideo, order)


@router.post("/edits", openapi_extra=described(schemas.EditVideo))
async def edit(
    request: Request, response: Response, service: Serviced, key: Authorised
) -> schemas.Video:
    """Order a clip in other words."""

    def order(asked: schemas.EditVideo, _: Body, inputs: Inputs) -> Order:
        return interpret.edit(asked, inputs, service)

    return await _ordered(request, response, service, key, schemas.EditVideo, order)


@router.post("/extensions", openapi_extra=described(schemas.ExtendVideo))
async def extend(
    request: Request, response: Response, service: Serviced, key: Authorised
) -> schemas.Video:
    """Order what comes after a clip, or before it."""

    def order(asked: schemas.ExtendVideo, _: Body, inputs: Inputs) -> Order:
        return interpret.extend(asked, inputs, service)

    return await _ordered(request, response, service, key, schemas.ExtendVideo, order)


@router.post("/{video_id}/remix", openapi_extra=described(schemas.RemixVideo))
async def remix(
    video_id: str, request: Request, response: Response, service: Serviced, key: Authorised
) -> schemas.Video:
    """Order a finished video in other words."""

    def order(asked: schemas.RemixVideo, _: Body, inputs: Inputs) -> Order:
        parent = service.job(video_id, key)
        check_finished(parent)
        with as_problems():
            return service.jobs.remix(parent, asked.prompt, asked.strength)

    return await _ordered(request, response, service, key, schemas.RemixVideo, order)


async def _ordered(
    request: Request,
    response: Response,
    service: Service,
    key: Key,
    form: type[Form],
    order: Ordering,
) -> schemas.Video:
    """Read a request, make its order and submit it."""
    body = await read_body(request, key.limits.largest_body)

    def work() -> Job:
        values = body.values
        if form is schemas.CreateVideo:
            values = without_spare_parts(form, values)
        asked = checked(form, values)
        digest = seen(request, body.digest)
        idempotency_key = service.retries.key_for(key.name, digest, request.headers)
        inputs = Inputs(service.uploads, service.fetcher, service.jobs, key)
        try:
            made = order(asked, body, inputs)
            with as_problems():
                return service.submit(made, key, idempotency_key)
        except BaseException:
            inputs.discard()
            raise
        finally:
            body.close()

    job = await to_thread.run_sync(work, limiter=service.upload_turns)
    service.metrics.ordered.labels(job.order.operation).inc()
    _tell_when(response, job)
    return views.video(job)


@router.get("")
def list_videos(
    service: Serviced,
    key: Authorised,
    after: Annotated[str | None, Query(pattern=PATH)] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    order: Literal["asc", "desc"] = "desc",
) -> schemas.VideoPage:
    """Videos by the time of their ordering, a page at a time."""
    jobs, more = service.jobs.list(key.name, after, limit, order)
    return schemas.VideoPage(
        data=[views.video(job) for job in jobs],
        has_more=more,
        first_id=jobs[0].id if jobs else None,
        last_id=jobs[-1].id if jobs else None,
    )


@router.get("/{video_id}")
async def retrieve(
    video_id: str, request: Request, response: Response, service: Serviced, key: Authorised
) -> schemas.Video:
    """A video as it stands. The official client's `poll` waits here until it has ended."""
    job = await run_in_threadpool(service.job, video_id, key)
    waits = request.headers.get(POLLING) == "true" and service.polls.room(key.name)
    if waits and not job.ended:
        with service.polls.opened(key.name):
            await service.watch.until(video_id, _over, HOLD_SECONDS)
        job = await run_in_threadpool(service.job, video_id, key)
    _tell_when(response, job, at_once=waits)
    ahead = await run_in_threadpool(service.jobs.ahead, job) if job.status == "queued" else 0
    return views.video(job, ahead)


def _over(state: State | None) -> bool:
    return state is None or state.ended


@router.delete("/{video_id}")
def delete(video_id: str, service: Serviced, key: Authorised) -> schemas.DeletedVideo:
    """Cancel what runs, and delete the video and its files."""
    if not service.jobs.delete(video_id, key.name):
        raise missing("video", video_id)
    return schemas.DeletedVideo(id=video_id)


@router.get(
    "/{video_id}/content",
    response_class=StreamingResponse,
    responses={
        200: {
            "description": "The file",
            "content": {"*/*": {"schema": {"type": "string", "format": "binary"}}},
        },
        206: {"description": "The range of it that was asked for"},
    },
)
def download(
    video_id: str,
    request: Request,
    service: Serviced,
    key: Authorised,
    variant: Literal["video", "thumbnail", "spritesheet", "preview"] = "video",
) -> Response:
    """A result, whole or a range of it; a preview while the job runs."""
    job = service.job(video_id, key)
    where, kind = job.outputs.get(variant), views.media_type(job, variant)
    try:
        if where is not None and kind is not None:
            suffix = where.rpartition(".")[2]
            name = f"{job.id}{'' if variant == 'video' else f'-{variant}'}.{suffix}"
            return content.respond(request, service.jobs.files, where, kind, name)
    except FileNotFoundError:
        pass  # it was deleted a moment ago
    why = {"completed": f"has no {variant}", "failed": "failed and has none"}
    raise Problem(
        404,
        f"The video '{job.id}' {why.get(job.status, f'has no {variant} yet')}: "
        "GET /v1/videos/{id} says how it stands.",
        "variant",
        "video_not_ready",
    )


@router.get(
    "/{video_id}/events",
    response_class=StreamingResponse,
    responses={200: {"description": "Events", "content": {"text/event-stream": {}}}},
)
def follow(video_id: str, service: Serviced, key: Authorised) -> Response:
    """Progress and previews as server-sent events: `progress`, `preview`, `done`."""
    service.job(video_id, key)
    service.streams.check(key.name)

    def look() -> Job | None:
        return service.jobs.get(video_id, key.name)

    async def told() -> AsyncIterator[str]:
        with service.streams.opened(key.name):
            url = f"/v1/videos/{video_id}"
            leaving = service.leaving.is_set
            async for event in events.stream(video_id, look, service.watch, leaving, url):
                yield event

    headers = {"cache-control": "no-cache", "x-accel-buffering": "no"}
    return StreamingResponse(told(), media_type="text/event-stream", headers=headers)


def _tell_when(response: Response, job: Job, at_once: bool = False) -> None:
    if not job.ended:
        shortest, longest = POLL_MILLISECONDS
        share = 0 if at_once else 1000 * POLL_SHARE * (time.time() - job.created_at)
        after = round(min(max(share, shortest), longest))
        response.headers["openai-poll-after-ms"] = str(after)
