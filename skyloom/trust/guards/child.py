"""The other end of the process in which guards run: it asks, waits, and ends what hangs."""

import json
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from skyloom.answering import Answers
from skyloom.children import python_command
from skyloom.config import to_dict
from skyloom.trust.policy import Policy

PROCESS = "skyloom.trust.guards.process"
"""The module that runs at the other end."""


class Failed(Exception):
    """A guard did not do its work.

    Attributes:
        kind: "missing", "failed", "died" or "timed out".
    """

    def __init__(self, kind: str, sentence: str) -> None:
        super().__init__(sentence)
        self.kind = kind


class _Refused(Failed):
    """A guard itself says that it cannot do its work."""


class Child:
    """A process with the guards of a policy; started when needed, and again after it died."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._process: subprocess.Popen | None = None
        self._ready = False
        self._loaded: set[tuple[str, int]] = set()
        self._answers: Answers | None = None

    @property
    def pid(self) -> int | None:
        """The process that runs now."""
        return None if self._process is None else self._process.pid

    def start(self) -> None:
        """Start the process if none runs."""
        if self._process is not None and self._process.poll() is None:
            return
        self.close()
        environment = {**os.environ, "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1")}
        self._process = subprocess.Popen(
            python_command(PROCESS, [json.dumps(to_dict(self._policy))]),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
        )
        assert self._process.stdout is not None
        self._answers = Answers(self._process.stdout)
        self._ready, self._loaded = False, set()

    def ask(self, job: dict, data: bytes = b"") -> dict:
        """Run one guard, loaded before if it is not; loading has a time of its own.

        Raises:
            Failed: it is missing, broken, took too long, or its process ended.
        """
        with self._talking():
            self._load(job["of"], job["number"])
            self._send(job, data)
            return _done(self._line(self._policy.timeout, "does not answer"))

    def load(self, of: str, number: int) -> None:
        """Load one guard if it is not loaded.

        Raises:
            Failed: as `ask` does.
        """
        with self._talking():
            self._load(of, number)

    def _load(self, of: str, number: int) -> None:
        if not self._ready:
            self._line(self._policy.start_timeout, "does not start")
            self._ready = True
        if (of, number) not in self._loaded:
            self._send({"of": of, "number": number, "load": True}, b"")
            _done(self._line(self._policy.start_timeout, "does not load"))
            self._loaded.add((of, number))

    @contextmanager
    def _talking(self) -> Iterator[None]:
        """A process to talk to; it is ended if the talk breaks off in the middle."""
        self.start()
        try:
            yield
        except (BrokenPipeError, EOFError) as error:
            raise Failed("died", self._death()) from error
        except _Refused as error:  # a whole answer: the talk may go on
            raise Failed(error.kind, str(error)) from None
        except BaseException:  # what it would still say would be taken for the next answer
            self.close()
            raise

    def close(self) -> None:
        """End the process."""
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()

    def _send(self, job: dict, data: bytes) -> None:
        """Write without waiting for ever on a process that reads no more."""
        assert self._process is not None and self._process.stdin is not None
        seconds = self._policy.timeout
        pipe, deadline = self._process.stdin.fileno(), time.monotonic() + seconds
        os.set_blocking(pipe, False)
        left = memoryview(json.dumps({**job, "bytes": len(data)}).encode() + b"\n" + data)
        with selectors.DefaultSelector() as selector:
            selector.register(pipe, selectors.EVENT_WRITE)
            while left:
                wait = deadline - time.monotonic()
                if wait <= 0 or not selector.select(wait):
                    raise Failed("timed out", f"does not answer within {seconds:g} s")
                with suppress(BlockingIOError):
                    left = left[os.write(pipe, left[: 2**16]) :]

    def _line(self, seconds: float, what: str) -> dict:
        assert self._answers is not None
        try:
            return self._answers.next(time.monotonic() + seconds)
        except TimeoutError:
            raise Failed("timed out", f"{what} within {seconds:g} s") from None

    def _death(self) -> str:
        process = self._process
        assert process is not None
        with suppress(subprocess.TimeoutExpired):
            process.wait(5)
        code = process.poll()
        self.close()
        if code is not None and code < 0:
            return f"was killed by {signal.Signals(-code).name}"
        return "ended in the middle of its work"


def _done(answer: dict) -> dict:
    """An answer that is no refusal."""
    if "failed" in answer:
        raise _Refused(str(answer["kind"]), str(answer["failed"]))
    return answer
