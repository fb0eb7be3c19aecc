"""The routes about the server itself: models, queue, health, figures, the reference, the studio."""

from importlib import resources
from pathlib import Path
from typing import Any

from fastapi import APIRouter, FastAPI, Response
from fastapi.responses import FileResponse, JSONResponse
from fastapi.staticfiles import StaticFiles

from skyloom import __version__
from skyloom.flow.solver import SOLVERS
from skyloom.framing import NATIVE_AREA, native_size
from skyloom.limits import LARGEST_SIDE, LONGEST_SECONDS
from skyloom.request import Request
from skyloom.serve.http import schemas
from skyloom.serve.http.metrics import CONTENT_TYPE
from skyloom.serve.http.service import Authorised, Service, Serviced
from skyloom.serve.models import multiple_of
from skyloom.serve.order import MOST_STEPS, OPERATIONS
from skyloom.serve.problem import Problem

router = APIRouter(tags=["server"])
ASPECTS = ((1, 1), (16, 10), (10, 16), (16, 9), (9, 16))


@router.get("/v1/models")
def models(service: Serviced, key: Authorised) -> schemas.ModelList:
    """The served models with the sizes that they know and their limits; the default first."""
    return schemas.ModelList(data=[_model(service, name) for name in service.models])


@router.get("/v1/models/{model}")
def model(model: str, service: Serviced, key: Authorised) -> schemas.Model:
    """A served model; the names of the official API are the default."""
    return _model(service, service.model(model))


def _model(service: Service, name: str) -> schemas.Model:
    multiple = multiple_of(service.models[name])
    sizes = dict.fromkeys(native_size(*aspect, multiple) for aspect in ASPECTS)
    told: dict[str, Any] = {
        "default": name == next(iter(service.models)),
        "size": f"{Request.size[0]}x{Request.size[1]}",
        "native_sizes": [f"{width}x{height}" for width, height in sizes],
        "native_area": NATIVE_AREA,
        "multiple": multiple,
        "largest_side": LARGEST_SIDE,
        "seconds": Request.seconds,
        "window_seconds": Request.window,
        "longest_seconds": LONGEST_SECONDS,
        "fps": Request.fps,
        "steps": Request.steps,
        "most_steps": MOST_STEPS,
        "solvers": sorted(SOLVERS),
        "operations": list(OPERATIONS),
    }
    return schemas.Model(id=name, created=0, owned_by="skyloom", skyloom=told)


@router.get("/v1/queue")
def queue(service: Serviced, key: Authorised) -> schemas.Queue:
    """Jobs by status, and workers at work."""
    return schemas.Queue(**service.jobs.counts(), workers=service.jobs.workers())


@router.get("/health", responses={503: {"description": "The database does not answer"}})
def health(service: Serviced) -> JSONResponse:
    """Whether the server answers: "ok", "no workers" (jobs wait), or 503."""
    try:
        workers = service.jobs.workers()
    except Exception:  # whatever it is, it is not well
        return JSONResponse({"status": "no database", "version": __version__}, 503)
    status = "leaving" if service.leaving.is_set() else "ok" if workers else "no workers"
    return JSONResponse({"status": status, "workers": workers, "version": __version__})


@router.get(
    "/metrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
def metrics(service: Serviced, key: Authorised) -> Response:
    """Figures for Prometheus; with a key where keys are asked for."""
    return Response(service.metrics.text(), media_type=CONTENT_TYPE)


@router.get("/docs", include_in_schema=False)
def docs() -> FileResponse:
    """The reference of the API, which needs no network."""
    return FileResponse(_folder("reference") / "index.html")


def mount_pages(app: FastAPI) -> None:
    """Serve the files of the reference and of the studio; nothing else is below their folders."""
    app.mount("/reference", StaticFiles(directory=_folder("reference")), name="reference")
    studio = _folder("studio")
    if (studio / "index.html").is_file():
        app.mount("/", StaticFiles(directory=studio, html=True), name="studio")
        return

    @app.get("/", include_in_schema=False)
    def nothing() -> None:
        raise Problem(404, "The studio is not installed; /docs has the reference of the API.")


def _folder(name: str) -> Path:
    return Path(str(resources.files("skyloom.serve"))) / name
