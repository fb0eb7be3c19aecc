"""What the routes share: one value with everything that the API needs, made in `api.create_app`."""

import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Annotated

from anyio import CapacityLimiter
from fastapi import Depends, Request

from skyloom.errors import UserError
from skyloom.serve.access.keys import LOCAL, Key, Keys
from skyloom.serve.access.limits import Limits, Rates, Streams
from skyloom.serve.access.retries import Retries
from skyloom.serve.http.metrics import Metrics
from skyloom.serve.http.watch import Watch
from skyloom.serve.intake.fetching import Fetcher
from skyloom.serve.intake.uploads import Uploads
from skyloom.serve.job import Job
from skyloom.serve.jobs import Jobs
from skyloom.serve.order import Order
from skyloom.serve.problem import Problem, invalid, missing, shown
from skyloom.serve.store.characters import Characters
from skyloom.trust.session import Refused

UPLOADS_AT_ONCE = 8
"""Requests with files that are worked on at the same time; others wait their turn."""


@dataclass(frozen=True)
class Service:
    """Everything that the routes need.

    Attributes:
        keys: None where none are asked for, on this machine alone.
        limits: of who needs no key.
        models: folders by name, the default first; see skyloom/serve/models.py.
        streams, polls: requests that stay open, of events and of clients that wait for the end.
        leaving: is set when the server shuts down: streams end.
    """

    jobs: Jobs
    keys: Keys | None
    limits: Limits
    models: Mapping[str, Path | None]
    uploads: Uploads
    fetcher: Fetcher
    characters: Characters
    retries: Retries
    metrics: Metrics
    rates: Rates = field(default_factory=Rates)
    streams: Streams = field(default_factory=Streams)
    polls: Streams = field(default_factory=Streams)
    leaving: threading.Event = field(default_factory=threading.Event)
    upload_turns: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(UPLOADS_AT_ONCE))
    _locks: "defaultdict[str, threading.Lock]" = field(
        default_factory=lambda: defaultdict(threading.Lock)
    )

    def model(self, asked: str | None) -> str:
        """The served model for a name; those of the official API are the default.

        Raises:
            Problem: 404, none of that name is served.
        """
        default = next(iter(self.models))
        if asked is None or asked == "sora" or asked.startswith("sora-"):
            return default
        if asked in self.models:
            return asked
        names = ", ".join(self.models)
        raise Problem(
            404,
            f"There is no model '{shown(asked)}': the served models are {names}.",
            "model",
            "model_not_found",
        )

    @cached_property
    def watch(self) -> Watch:
        """Who waits for what becomes of jobs."""
        return Watch(self.jobs.states, self.leaving.is_set)

    def job(self, id: str, key: Key) -> Job:
        """A job of this key's.

        Raises:
            Problem: 404, there is none.
        """
        job = self.jobs.get(id, key.name)
        if job is None:
            raise missing("video", id)
        return job

    def submit(self, order: Order, key: Key, idempotency_key: str) -> Job:
        """Take an order within the limits of its key, once.

        Raises:
            Problem: there is no room, or the order is refused.
        """
        try:
            with self._locks[key.name]:
                if not self._known(key.name, idempotency_key):
                    besides = self.characters.stored(key.name)
                    key.limits.check_room(self.jobs.usage(key.name), besides)
                return self.jobs.submit(order, key.name, idempotency_key)
        except BaseException:
            for file in order.inputs.values():
                with suppress(Exception):
                    self.jobs.files.delete(file)
            raise

    def _known(self, owner: str, idempotency_key: str) -> bool:
        sa, table = self.jobs.tables.sa, self.jobs.tables.jobs
        query = sa.select(table.c.id).where(
            table.c.owner == owner, table.c.idempotency_key == idempotency_key
        )
        return bool(self.jobs.tables.rows(query))


async def service_of(request: Request) -> Service:
    """The service of the app that a request came to."""
    return request.app.state.service


Serviced = Annotated[Service, Depends(service_of)]


def authorised(request: Request, service: Serviced) -> Key:
    """Whose request this is, counted against its limit.

    Raises:
        Problem: 401, there is no such key; 429, it asks too often.
    """
    key = _key(request, service)
    request.state.owner = key.name
    service.rates.take(key.name, key.limits.requests)
    return key


def _key(request: Request, service: Service) -> Key:
    if service.keys is None:
        return Key(LOCAL, "", service.limits, 0)
    kind, _, token = request.headers.get("authorization", "").partition(" ")
    key = service.keys.check(token.strip()) if kind.lower() == "bearer" and token else None
    if key is None:
        raise Problem(
            401,
            "This server asks for a key, as in 'Authorization: Bearer sk-skyloom-...'; whoever "
            "runs it makes one with 'skyloom keys add NAME'.",
            code="invalid_api_key",
            headers={"www-authenticate": "Bearer"},
        )
    return key


Authorised = Annotated[Key, Depends(authorised)]


@contextmanager
def as_problems() -> Iterator[None]:
    """What a room refuses in a sentence is a bad request."""
    try:
        yield
    except UserError as error:
        raise refused(error) from error


_NAMED = {
    "prompt": "prompt",
    "solver": "solver",
    "guidance": "guidance_scale",
    "rescale": "rescale",
    "size": "size",
    "seconds": "seconds",
    "seed": "seed",
    "steps": "steps",
    "strength": "strength",
    "keep": "keep",
    "trim": "trim",
    "shot": "storyboard",
    "story": "storyboard",
}


def refused(error: UserError) -> Problem:
    """A sentence for people as a bad request, with the field that it is about."""
    if isinstance(error, Refused):
        if error.verdict.failed is not None:
            return Problem(503, str(error), code="guard_unavailable")
        return invalid(str(error), "prompt", "unsafe_prompt")
    words = str(error).lower().replace("'", " ").split()
    param = next((_NAMED[word] for word in words[:5] if word in _NAMED), None)
    return invalid(str(error), param)
