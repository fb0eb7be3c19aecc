"""A child process that runs one job at a time, and is killed where it goes beyond its limits."""

import json
import os
import signal
import subprocess
import threading
import time

from skyloom.answering import Answers
from skyloom.children import python_command
from skyloom.errors import UserError
from skyloom.ingest.recipe import Limits
from skyloom.ingest.stages import Rejected

STARTUP_SECONDS = 300.0
"""For a process to import what it needs, on a machine that is busy."""

ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "OPENCV_FOR_THREADS_NUM": "1",
    "MALLOC_ARENA_MAX": "2",  # arenas are address space, which is what is limited
}


class Guard:
    """Runs stages in a child under limits; a child that dies is replaced for the next job.

    One call at a time; `close` may come from another thread and ends a call that is under way.

    Args:
        module: what the child runs: `skyloom.ingest.child.main` with its own stages.
    """

    def __init__(self, limits: Limits, module: str = "skyloom.ingest.child") -> None:
        self._limits, self._module = limits, module
        self._child: subprocess.Popen | None = None
        self._closed = False
        self._calling = threading.Lock()

    def call(self, stage: str, job: dict) -> dict:
        """Run a stage of the child's on a job; its result.

        Raises:
            Rejected: the film is at fault, or went beyond the limits, or broke the decoder.
            UserError: the machine is at fault, such as a full disk.
        """
        with self._calling:
            return self._call(stage, job)

    def _call(self, stage: str, job: dict) -> dict:
        child = self._child
        if child is None or child.poll() is not None:
            child = self._start()
        line = json.dumps({"stage": stage, "job": job}) + "\n"
        assert child.stdin is not None
        try:
            child.stdin.write(line.encode())
            child.stdin.flush()
            answer = self._answer()
        except (BrokenPipeError, EOFError) as error:
            raise Rejected(self._death(child)) from error
        except BaseException:
            self._kill()
            raise
        if "fatal" in answer:
            raise UserError(str(answer["fatal"]))
        if "rejected" in answer:
            raise Rejected(str(answer["rejected"]))
        return answer["done"]

    def close(self) -> None:
        """Kill the child; it holds nothing that is not written under a temporary name."""
        self._closed = True
        child = self._child
        if child is not None:
            child.kill()
        # Its pipes are closed by who reads them: closed under a thread that waits for them to
        # speak, they would never tell it that the child has ended.
        with self._calling:
            self._kill()

    def _start(self) -> subprocess.Popen:
        if self._closed:
            raise Rejected("interrupted")
        self._child = child = subprocess.Popen(
            python_command(self._module, [repr(self._limits.memory)]),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **ONE_THREAD},
        )
        assert child.stdout is not None
        self._answers = Answers(child.stdout)
        if self._closed:  # while it started
            self._kill()
            raise Rejected("interrupted")
        try:
            answer = self._answers.next(time.monotonic() + STARTUP_SECONDS)
        except (EOFError, TimeoutError):
            answer = {}
        except BaseException:
            self._kill()
            raise
        if "ready" not in answer:
            self._kill()
            raise UserError(
                f"The process that decodes does not start within {self._limits.memory:g} GiB of "
                "memory: give it more, as in limits.memory=4."
            )
        return child

    def _answer(self) -> dict:
        last = time.monotonic() + self._limits.seconds
        while True:
            stall = time.monotonic() + self._limits.stall
            try:
                answer = self._answers.next(min(last, stall))
            except TimeoutError:
                raise Rejected(self._overrun()) from None
            if "alive" not in answer:
                return answer

    def _overrun(self) -> str:
        limits = self._limits
        return (
            f"decoding was ended: no frame in {limits.stall:g} s (limits.stall), "
            f"or more than {limits.seconds:g} s in all (limits.seconds)"
        )

    def _death(self, child: subprocess.Popen) -> str:
        try:
            code = child.wait(5)
        except subprocess.TimeoutExpired:
            code = None
        self._kill()
        if code is None or code >= 0:
            return "the process that decoded it ended"
        return f"the process that decoded it was killed by {signal.Signals(-code).name}"

    def _kill(self) -> None:
        child, self._child = self._child, None
        if child is None:
            return
        child.kill()
        child.wait()
        for pipe in (child.stdin, child.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except OSError:  # what was still to be written to it has nowhere to go
                    continue
