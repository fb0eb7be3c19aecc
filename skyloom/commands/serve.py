"""The verbs `serve` and `keys`: the server, and who may ask it."""

import argparse
import signal
import time
from typing import TYPE_CHECKING

from skyloom.commands.parsing import Parser, Verbs, add_verb, positive
from skyloom.commands.serving_flags import (
    add_database,
    add_flags,
    database_of,
    files_of,
    handed_on,
)
from skyloom.errors import UserError

if TYPE_CHECKING:
    from skyloom.serve.access.limits import Limits
    from skyloom.serve.store.api_tables import ApiTables

_WORKER_PATIENCE = 5.0  # seconds beyond --drain that a worker has to leave
_LIMITS = {
    "requests": "requests a minute (default: 600)",
    "jobs": "jobs that wait or run at once (default: 20)",
    "storage": "MiB of videos that are kept (default: 20480)",
    "upload": "MiB of one request (default: 256)",
}


def add_verbs(verbs: Verbs) -> None:
    """Declare the verbs and their flags."""
    _add_serve(verbs)
    keys = verbs.add_parser(
        "keys",
        help="who may ask a server, and how much",
        description="Who may ask a server, and how much.",
        epilog="example:\n  skyloom keys add anna --jobs 4",
    )
    below = keys.add_subparsers(dest="action", metavar="ACTION", required=True)
    examples = "skyloom keys add anna\nskyloom keys add ben --jobs 2 --storage 1024"
    add = add_verb(below, "add", "make a key and print it, once", examples, add_key)
    add.add_argument("name", metavar="NAME", help="whose key it is")
    _add_limits(add)
    every = add_verb(below, "list", "list the keys", "skyloom keys list", list_keys)
    remove = add_verb(below, "remove", "forget a key; its videos stay until they expire",
                      "skyloom keys remove anna", remove_key)  # fmt: skip
    remove.add_argument("name", metavar="NAME", help="whose key it is")
    for parser in (add, every, remove):
        add_database(parser)


def _add_serve(verbs: Verbs) -> None:
    parser = add_verb(
        verbs,
        "serve",
        "serve videos over HTTP: the Videos API under /v1, the studio at /, its reference at /docs",
        "skyloom serve\n"
        "skyloom serve --port 9000 --model mine/model --files results\n"
        "skyloom serve --allow-url media.example.org --allow-url https://cdn.example.org/pictures/\n"
        "skyloom serve --host 0.0.0.0 --database postgresql://host/skyloom --no-worker",
        run,
    )
    add = parser.add_argument
    add("--host", default="127.0.0.1", metavar="ADDRESS",
        help="where to listen; other machines need keys (default: 127.0.0.1)")  # fmt: skip
    add("--port", type=int, default=8000, help="0 is any that is free (default: 8000)")
    add(
        "--no-worker",
        action="store_true",
        help="make nothing here: 'skyloom worker' does elsewhere",
    )
    add_flags(parser)
    add("--allow-url", metavar="HOST|URL", action="append", default=[],
        help="fetch pictures and clips that clients name by URL from this host, or from below this "
             "URL; may be given several times (default: none is fetched)")  # fmt: skip
    _add_limits(parser)


def _add_limits(parser: Parser) -> None:
    """Limits of a key, or of this machine where no keys are asked for."""
    for name, told in _LIMITS.items():
        parser.add_argument(f"--{name}", type=positive, metavar="N", help=told)


def _limits(args: argparse.Namespace) -> "Limits":
    from skyloom.serve.access.limits import Limits

    said = {name: getattr(args, name) for name in _LIMITS}
    return Limits(**{name: value for name, value in said.items() if value is not None})


def _tables(args: argparse.Namespace) -> "ApiTables":
    from skyloom.serve.store.api_tables import ApiTables
    from skyloom.serve.store.tables import Tables

    return ApiTables(Tables(database_of(args)))


# ---------------------------------------------------------------------------------------- serving


def run(args: argparse.Namespace) -> None:
    """Serve until a signal comes; the worker ends or gives back its jobs."""
    from skyloom.extras import need

    for package in ("fastapi", "uvicorn", "python_multipart", "prometheus_client"):
        need(package, extra="serve")
    from skyloom.serve.api import create_app, create_service
    from skyloom.serve.http import server
    from skyloom.serve.intake.fetching import Source
    from skyloom.serve.intake.uploads import UploadLimits
    from skyloom.serve.jobs import Jobs
    from skyloom.serve.logs import log_to
    from skyloom.serve.models import multiple_of, served_models
    from skyloom.serve.store.files import Files
    from skyloom.serve.worker.supervisor import Supervisor
    from skyloom.trust.guard import Guards
    from skyloom.trust.orders import check_order
    from skyloom.trust.policy import load_policy
    from skyloom.trust.session import need_guards

    sources = [Source.parse(text) for text in args.allow_url]
    models = served_models(args.model)
    for folder in models.values():
        multiple_of(folder)  # what is no model is found before anything is served
    guards = Guards(load_policy(args.policy))
    jobs = Jobs(
        database_of(args),
        Files(files_of(args)),
        keep_seconds=round(args.keep_hours * 3600),
        allow=check_order(guards),
    )
    keyed = _keyed(args)
    listening = server.bind(args.host, args.port)
    service = create_service(
        jobs, models, keyed=keyed, limits=_limits(args), uploads=UploadLimits(), sources=sources
    )
    log_to()
    guards.start()  # they load beside what follows
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)  # uvicorn's own while it runs; then we tidy up
    supervisor = None
    try:
        need_guards(guards, ["prompts"] if args.no_worker else ["prompts", "frames"])
        if not args.no_worker:
            supervisor = Supervisor(handed_on(args), service.metrics.restarts.inc)
            supervisor.start()
        asked = "with keys" if keyed else "no keys asked for"
        print(f"skyloom serve: {_url(args.host, listening.getsockname()[1])} ({asked})", flush=True)
        server.run(create_app(service), listening)
    finally:
        if supervisor is not None:
            supervisor.stop(args.drain + _WORKER_PATIENCE)
        guards.close()
        jobs.close()


def _keyed(args: argparse.Namespace) -> bool:
    """Whether keys are asked for: where there are any, and beyond this machine always."""
    from skyloom.serve.access.keys import Keys
    from skyloom.serve.http.server import is_loopback

    there = bool(Keys(_tables(args)).all())
    if not there and not is_loopback(args.host):
        raise UserError(
            f"Without keys nothing is served at {args.host}, where others can reach it: make one "
            "with 'skyloom keys add NAME', or listen at 127.0.0.1."
        )
    return there


def _url(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


# ------------------------------------------------------------------------------------------- keys


def add_key(args: argparse.Namespace) -> None:
    """Make a key, and print it."""
    from skyloom.serve.access.keys import Keys

    print(Keys(_tables(args)).add(args.name, _limits(args)))


def list_keys(args: argparse.Namespace) -> None:
    """Print the names and limits of the keys."""
    from skyloom.bench.table import format_table
    from skyloom.serve.access.keys import Keys

    found = Keys(_tables(args)).all()
    if not found:
        print("There are no keys: 'skyloom keys add NAME' makes one.")
        return
    rows: list = []
    for key in found:
        limits, made = key.limits, time.strftime("%Y-%m-%d", time.localtime(key.created_at))
        rows.append([
            key.name, made, str(limits.requests), str(limits.jobs), str(limits.storage),
            str(limits.upload),
        ])  # fmt: skip
    columns = ["name", "made", "requests a minute", "jobs", "MiB kept", "MiB a request"]
    print(format_table("keys", columns, rows))


def remove_key(args: argparse.Namespace) -> None:
    """Forget a key."""
    from skyloom.serve.access.keys import Keys

    Keys(_tables(args)).remove(args.name)
    print(f"The key of {args.name} is gone.")
