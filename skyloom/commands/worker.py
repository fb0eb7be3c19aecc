"""The verb `worker`: makes the jobs that a server takes, beside it or on another machine."""

import argparse
import os
import signal
import sys
import threading
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from skyloom.commands.parsing import Verbs, add_verb
from skyloom.commands.serving_flags import add_flags, database_of, files_of

if TYPE_CHECKING:
    from skyloom.pipeline import Skyloom


def add_verbs(verbs: Verbs) -> None:
    """Declare the verb and its flags."""
    parser = add_verb(
        verbs,
        "worker",
        "make the jobs of a server, on this machine or on many",
        "skyloom worker --database sqlite:///jobs.sqlite --files results\n"
        "skyloom worker --database postgresql://host/skyloom --files s3://bucket/videos",
        run,
    )
    add_flags(parser)
    parser.add_argument("--attached", action="store_true",
        help="leave when standard input is closed: for the process that started it")  # fmt: skip


def run(args: argparse.Namespace) -> None:
    """Work until told to stop."""
    from skyloom.serve.jobs import Jobs
    from skyloom.serve.logs import log_to
    from skyloom.serve.models import served_models
    from skyloom.serve.store.files import Files
    from skyloom.serve.worker.worker import Worker
    from skyloom.trust.guard import Guards
    from skyloom.trust.marking import Marking
    from skyloom.trust.policy import load_policy
    from skyloom.trust.session import need_guards

    log_to()
    stop = threading.Event()

    def leave(number: int, _: FrameType | None) -> None:
        if stop.is_set():  # asked a second time: a job goes on elsewhere, as after a crash
            os._exit(128 + number)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, leave)
    if args.attached:
        threading.Thread(target=_until_closed, args=(stop,), daemon=True).start()
    jobs = Jobs(
        database_of(args),
        Files(files_of(args)),
        keep_seconds=round(args.keep_hours * 3600),
    )
    with Guards(load_policy(args.policy)) as guards:
        need_guards(guards)  # one that cannot be had is told now, not by each job
        worker = Worker(
            jobs,
            served_models(args.model),
            lambda folder: _loaded(folder, args.device),
            concurrency=args.concurrency,
            marking=Marking.ready,
            guards=guards,
            drain=args.drain,
        )
        worker.run(stop, lambda: print("skyloom worker: ready", flush=True))
    jobs.close()


def _loaded(folder: Path | None, device: str) -> "Skyloom":
    """A model whose passes are shared by all jobs."""
    from skyloom.pipeline import Skyloom
    from skyloom.serve.engine import Engine

    skyloom = Skyloom.load(folder, device)
    return skyloom.sampled_by(Engine(skyloom.sampler))


def _until_closed(stop: threading.Event) -> None:
    while sys.stdin.buffer.read(4096):
        pass
    stop.set()
