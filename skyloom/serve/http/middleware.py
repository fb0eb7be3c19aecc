"""Around every request: its id, its line in the log, its figures, security headers, and errors that
tell a client nothing of the machine."""

import logging
import re
import secrets
import time
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from skyloom.serve.http.metrics import Metrics
from skyloom.serve.logs import FIELDS
from skyloom.serve.problem import Problem

STUDIO_POLICY = (
    "default-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; object-src 'none'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
API_POLICY = "default-src 'none'; frame-ancestors 'none'; sandbox"
LOCAL_NAMES = ("localhost", "127.0.0.1", "::1", "[::1]")

log = logging.getLogger("skyloom.http")


class Middleware:
    """The outermost layer of the app.

    Args:
        local_only: no keys are asked for, so that only this machine may call, and no page of
            another site may do so through a browser.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics, local_only: bool) -> None:
        self._app, self._metrics, self._local_only = app, metrics, local_only

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        id, began = f"req_{secrets.token_hex(12)}", time.perf_counter()
        scope.setdefault("state", {})["request_id"] = id
        status = 0

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                self._metrics.seconds.labels(route_of(scope)).observe(time.perf_counter() - began)
                _add_headers(MutableHeaders(scope=message), scope["path"], id)
            await send(message)

        self._metrics.open.inc()
        try:
            refusal = self._refusal(scope)
            if refusal is not None:
                await answer(refusal)(scope, receive, sending)
            else:
                await self._app(scope, receive, sending)
        except Exception:
            log.exception("failed", extra={FIELDS: {"request_id": id, "path": scope["path"][:200]}})
            if status == 0:
                problem = Problem(500, f"Something went wrong here; the log has it under {id}.")
                await answer(problem)(scope, receive, sending)
        finally:
            self._metrics.open.dec()
            self._told(scope, id, status, time.perf_counter() - began)

    def _refusal(self, scope: Scope) -> Problem | None:
        """Why the request may not be made from where it comes."""
        if not self._local_only:
            return None
        headers = Headers(scope=scope)
        if not _is_local(headers.get("host", "")):
            return Problem(
                403,
                "Without keys this server answers to localhost alone: call it by that name, or "
                "make keys with 'skyloom keys add NAME'.",
                code="host_not_allowed",
            )
        origin = headers.get("origin")
        foreign = headers.get("sec-fetch-site") == "cross-site" and scope["method"] != "GET"
        if foreign or (origin is not None and not _is_local(urlsplit(origin).netloc)):
            return Problem(
                403, "Pages of other sites may not call this server.", code="origin_not_allowed"
            )
        return None

    def _told(self, scope: Scope, id: str, status: int, seconds: float) -> None:
        route = route_of(scope)
        self._metrics.requests.labels(scope["method"][:10], route, str(status)).inc()
        fields = {
            "request_id": id,
            "method": scope["method"][:10],
            "route": route,
            "status": status,
            "ms": round(1000 * seconds, 1),
            "owner": scope["state"].get("owner"),
        }
        quiet = route in ("/health", "/metrics") and status == 200
        log.log(logging.DEBUG if quiet else logging.INFO, "request", extra={FIELDS: fields})


def answer(problem: Problem) -> JSONResponse:
    """The response that tells a problem."""
    return JSONResponse(problem.body(), problem.status, dict(problem.headers))


def route_of(scope: Scope) -> str:
    """The pattern of a route, "/v1/videos/{video_id}": paths themselves have no end of kinds."""
    route: Any = scope.get("route")
    path = getattr(route, "path", None)
    return path if isinstance(path, str) and path else "other"


def _is_local(netloc: str) -> bool:
    match = re.fullmatch(r"(\[[0-9a-fA-F:]+\]|[A-Za-z0-9.-]+)(?::\d{1,5})?", netloc)
    return match is not None and match[1].lower() in LOCAL_NAMES


def _add_headers(headers: MutableHeaders, path: str, id: str) -> None:
    policy = API_POLICY if _begins(path, ("/v1/", "/metrics", "/health")) else STUDIO_POLICY
    headers["x-request-id"] = id
    headers.setdefault("content-security-policy", policy)
    if policy is STUDIO_POLICY:
        headers.setdefault("cache-control", "no-cache")  # an upgrade's files count at once
    headers["x-content-type-options"] = "nosniff"
    headers["referrer-policy"] = "no-referrer"
    headers["x-frame-options"] = "DENY"
    headers["cross-origin-resource-policy"] = "same-origin"
    headers["cross-origin-opener-policy"] = "same-origin"
    headers["permissions-policy"] = "camera=(), microphone=(), geolocation=()"


def _begins(path: str, starts: Iterable[str]) -> bool:
    return any(path.startswith(start) for start in starts)
