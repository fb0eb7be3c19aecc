"""A worker: takes jobs from the queue, makes them in threads of its own, and may die at any moment.

The queue is DBOS's. A job is a workflow whose steps are its calls of the sampler; what they make
lies in the store of files, so that another worker goes on from the last one. DBOS by itself gives a
dead process's workflows back to that process alone, when it starts again; here the living see to
the jobs of the dead (skyloom/serve/worker/heartbeats.py), on one machine or on many.
"""

import hashlib
import logging
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from skyloom.errors import UserError
from skyloom.extras import need
from skyloom.serve.job import Failure
from skyloom.serve.jobs import WORKFLOW, Jobs, queue_of
from skyloom.serve.logs import FIELDS
from skyloom.serve.store.tables import APPLICATION, QUEUE_POLL, VERSION
from skyloom.serve.worker.gate import Gate, Pass
from skyloom.serve.worker.heartbeats import BEAT_SECONDS, LEASE_SECONDS, Heartbeats
from skyloom.serve.worker.run import Run, Stopped

if TYPE_CHECKING:
    from skyloom.pipeline import Skyloom
    from skyloom.trust.guard import Guards
    from skyloom.trust.marking import Marking

TAKE_OVER_SECONDS = 2.0
EXPIRE_SECONDS = 60.0
MOST_TRIES = 3
"""Runs after which a store or a database that fails makes the job fail."""

log = logging.getLogger("skyloom.worker")


class Worker:
    """Makes the jobs of some models. One a process: the queue is a single one there.

    Args:
        jobs: where they come from.
        models: the folder of each served model by its name; None is the bundled one.
        load: makes a model of its folder, once for each.
        concurrency: jobs that are made at the same time.
        marking: makes what marks and signs the files of a model, once for each; None leaves them
            as they are.
        guards: say what may be made and shown; None asks nobody.
        lease: seconds of silence after which another worker is taken for dead.
        drain: seconds that running jobs have to end when the worker is told to leave; then they
            are given back, and others go on with them.
    """

    def __init__(
        self,
        jobs: Jobs,
        models: Mapping[str, Path | None],
        load: "Callable[[Path | None], Skyloom]",
        *,
        concurrency: int = 4,
        marking: "Callable[[Path | None], Marking] | None" = None,
        guards: "Guards | None" = None,
        lease: float = LEASE_SECONDS,
        drain: float = 10.0,
    ) -> None:
        self.jobs, self.concurrency = jobs, concurrency
        self._id = f"worker_{secrets.token_hex(8)}"
        self._models = {name: _Loaded(folder, load, marking) for name, folder in models.items()}
        self._guards, self._drain = guards, drain
        self._beats = Heartbeats(jobs, self._id, lease)
        self._gate = Gate()
        self._running: dict[object, str] = {}
        self._leaving, self._parking = threading.Event(), threading.Event()

    def run(self, stop: threading.Event, ready: Callable[[], None] | None = None) -> None:
        """Work until `stop` is set; then let the running jobs end or give them back.

        Args:
            ready: is called when jobs are taken.
        """
        self._beats.beat()
        beating = threading.Thread(target=self._beat, name="beat", daemon=True)
        beating.start()
        dbos = self._launch()
        if ready is not None:
            ready()
        try:
            self._look_after(stop)
        finally:
            self._leave(dbos)

    # ------------------------------------------------------------------------------- being a worker

    def _launch(self) -> Any:
        dbos_module = need("dbos", extra="serve")
        dbos = dbos_module.DBOS
        dbos(
            config={
                "name": APPLICATION,
                "system_database_url": self.jobs.tables.url,
                "system_database_engine": self.jobs.tables.engine,
                "application_version": VERSION,
                "executor_id": self._id,
                "serializer": dbos_module.DBOSPortableJSONSerializer(),
                "console_log_level": "CRITICAL",
                "log_level": "CRITICAL",
            }
        )

        def make(id: str) -> None:  # a bound method cannot be a workflow
            self._make(id)

        dbos.workflow(name=WORKFLOW, max_recovery_attempts=None)(make)
        names = [queue_of(name) for name in self._models]
        dbos.listen_queues(names)
        dbos.launch()
        for name in names:
            dbos.register_queue(
                name,
                worker_concurrency=self.concurrency,
                polling_interval_sec=QUEUE_POLL,
                on_conflict="always_update",
            )
        return dbos

    def _beat(self) -> None:
        """Say that this process lives, in a thread that does nothing else."""
        while not self._parking.is_set() or self._running:
            try:
                self._beats.beat()
            except Exception:
                log.exception("the database cannot be reached")
            time.sleep(BEAT_SECONDS)

    def _look_after(self, stop: threading.Event) -> None:
        """See to dead workers, lost jobs and what has expired, until it is time to leave."""
        expired = 0.0
        while not stop.wait(TAKE_OVER_SECONDS):
            try:
                count = self._beats.take_over(self._here)
                if count:
                    log.warning("jobs taken over", extra={FIELDS: {"jobs": count}})
                if time.monotonic() - expired > EXPIRE_SECONDS:
                    expired = time.monotonic()
                    self.jobs.expire()
            except Exception:
                log.exception("looking after the queue failed, and is tried again")

    def _here(self) -> set[str]:
        """The jobs that threads of this worker run."""
        return set(self._running.values())

    def _leave(self, dbos: Any) -> None:
        self._leaving.set()
        end = time.monotonic() + self._drain
        while self._running and time.monotonic() < end:
            time.sleep(0.05)
        self._parking.set()
        while self._running:
            time.sleep(0.05)
        dbos.destroy(workflow_completion_timeout_sec=0)
        self._beats.leave()

    # -------------------------------------------------------------------------------- making a job

    def _make(self, id: str) -> None:
        """The workflow. Whatever happens, the queue is told only that a job has ended."""
        if self._leaving.is_set():
            raise Stopped
        mine = object()  # a job may be here twice: begun again while an old run has not noticed
        self._running[mine] = id
        try:
            self._attempt(id)
        except Stopped:
            raise
        except BaseException as error:
            log.exception("job could not be written down", extra={FIELDS: {"job": id}})
            raise Stopped from error  # it is a stray now, and will be begun again
        finally:
            del self._running[mine]

    def _attempt(self, id: str) -> None:
        with self._gate.passing(alone=Run.suspected(self.jobs, id)) as gate:
            run = Run.begin(self.jobs, id, self._id)
            if run is None:
                return
            if run.hopeless:
                _fail(run, "worker_lost", _LOST)
                return
            began = time.monotonic()
            _tell("job begun", run, operation=run.job.order.operation)
            try:
                self._carry_out(run, gate)
                _tell("job completed", run, seconds=round(time.monotonic() - began, 3))
            except Stopped:
                if self._parking.is_set():
                    run.park()
                raise
            except UserError as error:
                _fail(run, _code(error), str(error))
            except (OSError, MemoryError, self.jobs.tables.sa.exc.SQLAlchemyError) as error:
                self._again_or_fail(run, error)
            except Exception:
                run.look()  # what goes wrong because the job was deleted is no failure
                log.exception("job failed", extra={FIELDS: {"job": id}})
                _fail(run, "server_error", _FAILED)

    def _again_or_fail(self, run: Run, error: Exception) -> None:
        """A disk, a store or memory that is full now may not be later."""
        _tell("job hindered", run, error=repr(error))
        if run.tries >= MOST_TRIES:
            _fail(run, "server_error", _FAILED)
            return
        time.sleep(1.0)
        run.park(counted=True)
        raise Stopped

    def _carry_out(self, run: Run, gate: Pass) -> None:
        from skyloom.serve.worker.carry_out import carry_out

        model = self._models[run.job.order.model]

        def finished() -> None:
            run.something_done()
            gate.share()
            self._check()

        with ExitStack() as stack:
            folder = Path(stack.enter_context(TemporaryDirectory(prefix="skyloom-")))
            inputs = {
                role: stack.enter_context(self.jobs.files.local(key))
                for role, key in run.job.order.inputs.items()
            }
            carry_out(
                run, model.skyloom, model.identity, inputs, folder, _step, finished, self._check,
                model.marking, self._guards,
            )  # fmt: skip

    def _check(self) -> None:
        if self._parking.is_set():
            raise Stopped


def _tell(event: str, run: Run, **fields: Any) -> None:
    told = {"job": run.job.id, "attempt": run.job.attempts, **fields}
    log.info(event, extra={FIELDS: told})


def _fail(run: Run, code: str, sentence: str) -> None:
    run.fail(Failure(code, sentence))
    _tell("job failed", run, code=code)


class _Raised(BaseException):
    """What went wrong within a step. The queue would put an `Exception` down as the step's result,
    and every later run would get it again instead of trying."""

    def __init__(self, error: Exception) -> None:
        super().__init__(error)
        self.error = error


def _step(name: str, make: Callable[[], str]) -> str:
    """A step of the workflow that this thread runs, see `durable.Step`."""
    dbos = need("dbos", extra="serve")

    def attempt() -> str:
        try:
            return make()
        except Exception as error:
            raise _Raised(error) from error

    try:
        done: str = dbos.DBOS.run_step({"name": name}, attempt)
    except _Raised as raised:
        raise raised.error from None
    except (dbos.error.DBOSWorkflowConflictIDError, dbos.error.DBOSWorkflowCancelledError):
        raise Stopped from None  # the queue has given the job to another, or it is deleted
    return done


def _code(error: UserError) -> str:
    from skyloom.trust.session import Refused

    if not isinstance(error, Refused):
        return "invalid_request"
    return "guard_unavailable" if error.verdict.failed is not None else "unsafe_content"


class _Loaded:
    """A model, what it is, and what marks its files."""

    def __init__(
        self,
        folder: Path | None,
        load: "Callable[[Path | None], Skyloom]",
        marking: "Callable[[Path | None], Marking] | None",
    ) -> None:
        self.marking = None if marking is None else marking(folder)  # a missing key is found first
        self.skyloom = load(folder)
        self.identity = identity(folder)


_LOST = (
    "The worker died each time it made this: ask for a smaller size, fewer seconds, or another "
    "file to start from."
)
_FAILED = "The server could not make this, for a reason that is in its log: try again later."


def identity(folder: Path | None) -> str:
    """What a model is, in a string that changes with its weights."""
    from skyloom.modelfolder import BUNDLED

    index = (BUNDLED if folder is None else Path(folder)) / "model_index.json"
    return hashlib.sha256(index.read_bytes()).hexdigest()
