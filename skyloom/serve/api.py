"""The app: every route, behind one layer of ids, logs and security headers.

uvicorn runs it (skyloom/serve/http/server.py); jobs are made by workers in processes of their own.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from skyloom import __version__
from skyloom.errors import UserError
from skyloom.serve.access.keys import Keys
from skyloom.serve.access.limits import Limits
from skyloom.serve.access.retries import Retries
from skyloom.serve.http import character_routes, system_routes, video_routes
from skyloom.serve.http.metrics import Metrics
from skyloom.serve.http.middleware import Middleware, answer
from skyloom.serve.http.schemas import ErrorBody
from skyloom.serve.http.service import Service, refused
from skyloom.serve.intake.fetching import Fetcher, Source
from skyloom.serve.intake.uploads import UploadLimits, Uploads
from skyloom.serve.jobs import Jobs
from skyloom.serve.problem import Problem, invalid
from skyloom.serve.store.api_tables import ApiTables
from skyloom.serve.store.characters import Characters

TIDY_SECONDS = 600.0
DESCRIPTION = """\
Makes videos from words, pictures, clips and storyboards. The calls of the official OpenAI client
(`client.videos`) work as they are; what they do not have is in further fields.
"""
ERRORS: dict[int | str, dict] = {
    status: {"model": ErrorBody, "description": told}
    for status, told in {
        400: "The request is wrong",
        401: "There is no such key",
        403: "Not from there",
        404: "There is no such thing",
        405: "Not that way",
        408: "Nothing came for too long",
        413: "Too large",
        415: "A body of an unknown kind",
        416: "No such range",
        422: "An Idempotency-Key that was used for something else",
        429: "Too much at once",
        500: "Something went wrong here",
        503: "A guard of prompts does not answer",
    }.items()
}


def create_service(
    jobs: Jobs,
    models: Mapping[str, Path | None],
    *,
    keyed: bool,
    limits: Limits,
    uploads: UploadLimits,
    sources: Sequence[Source] = (),
) -> Service:
    """What the routes need, over one database.

    Args:
        keyed: whether keys are asked for.
        limits: of who needs no key.
        sources: from where URLs of clients are fetched.
    """
    tables = ApiTables(jobs.tables)
    metrics = Metrics()
    metrics.watch(jobs.counts, jobs.workers)
    return Service(
        jobs=jobs,
        keys=Keys(tables) if keyed else None,
        limits=limits,
        models=models,
        uploads=Uploads(jobs.files, uploads),
        fetcher=Fetcher(sources),
        characters=Characters(tables, jobs.files),
        retries=Retries(tables),
        metrics=metrics,
    )


def create_app(service: Service) -> FastAPI:
    """The ASGI app."""
    app = FastAPI(
        title="skyloom",
        version=__version__,
        description=DESCRIPTION,
        docs_url=None,  # FastAPI's own pages load scripts from the network: see system_routes.docs
        redoc_url=None,
        responses=ERRORS,
        lifespan=_lifespan,
        redirect_slashes=False,
    )
    app.state.service = service
    app.include_router(character_routes.router)  # before /v1/videos/{video_id}
    app.include_router(video_routes.router)
    app.include_router(system_routes.router)
    system_routes.mount_pages(app)
    app.add_exception_handler(Problem, _problem)
    app.add_exception_handler(UserError, _refused)
    app.add_exception_handler(RequestValidationError, _not_valid)
    app.add_exception_handler(HTTPException, _http)
    app.add_middleware(Middleware, metrics=service.metrics, local_only=service.keys is None)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    service: Service = app.state.service
    tidying = asyncio.create_task(_tidy(service))
    try:
        yield
    finally:
        tidying.cancel()
        with suppress(asyncio.CancelledError):
            await tidying
        service.uploads.close()


async def _tidy(service: Service) -> None:
    while True:
        try:
            await run_in_threadpool(service.retries.forget_old)
        except Exception:  # a database that is away for a while
            logging.getLogger("skyloom.http").exception("could not tidy up")
        await asyncio.sleep(TIDY_SECONDS)


async def _problem(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, Problem)
    return answer(error)


async def _refused(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, UserError)
    return answer(refused(error))


async def _not_valid(_: Request, error: Exception) -> JSONResponse:
    """A parameter of the path or the query that cannot be."""
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    param = str(first["loc"][-1])
    said = str(first["msg"]).rstrip(".")
    return answer(invalid(f"'{param}' is not right: {said[:1].lower()}{said[1:]}.", param))


async def _http(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    words = {404: "There is nothing here: /docs says what there is.", 405: "Not with this method."}
    message = words.get(error.status_code, str(error.detail))
    return answer(Problem(error.status_code, message, headers=dict(error.headers or {})))
