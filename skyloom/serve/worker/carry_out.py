"""One run of one job, from its order to its published files."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from skyloom.errors import UserError
from skyloom.pipeline import Skyloom
from skyloom.serve.making.deliver import deliver
from skyloom.serve.making.frames import prepare
from skyloom.serve.worker.durable import DurableSampler, Step
from skyloom.serve.worker.preview import Preview
from skyloom.serve.worker.run import Run
from skyloom.trust.guard import Guards
from skyloom.trust.marking import Marking
from skyloom.trust.session import Refused

SAMPLING = 0.95
"""Part of the progress that sampling is; the rest is writing and publishing."""


def carry_out(
    run: Run,
    skyloom: Skyloom,
    model: str,
    inputs: Mapping[str, Path],
    folder: Path,
    step: Step,
    finished: Callable[[], None],
    check: Callable[[], None],
    marking: Marking | None,
    guards: Guards | None,
) -> None:
    """Make what a job orders and publish it.

    Args:
        model: what the model is, see `DurableSampler`.
        inputs: a local file for each role.
        folder: an empty one, for files in the making.
        step: remembers what is done, see `DurableSampler`.
        finished: is told when a window is.
        check: ends the run by raising, where it is to end.
        marking: marks and signs what is made.
        guards: say what may be made and shown.

    Raises:
        Stopped: the run is over.
        UserError: what is ordered cannot be made.
    """
    order = run.job.order
    watch = Preview(run, skyloom, folder, marking).see if order.preview else None
    sampler = DurableSampler(
        skyloom.sampler, run.jobs.files, run.work, model, step, finished, watch
    )
    mine = skyloom.sampled_by(sampler)

    def tell(done: int, total: int) -> None:
        check()
        run.tell(SAMPLING * done / max(1, total))

    try:
        plan = prepare(order, mine, inputs)
        results, delivered = deliver(plan, order, inputs, folder, tell, marking, guards)
    except Refused:
        raise
    except UserError as error:
        raise UserError(in_roles(str(error), inputs)) from error
    notes = tuple(in_roles(note, inputs) for note in delivered.notes)
    run.look()
    run.publish(results, replace(delivered, notes=notes))


def in_roles(text: str, inputs: Mapping[str, Path]) -> str:
    """A sentence in which an input's path, which is nobody's business, is the name of its role."""
    for role, path in inputs.items():
        text = text.replace(str(path), role)
    return text
