"""Continuous batching: whoever samples shares the passes of the network with all others.

Many threads call `Engine.sample`, one thread of the engine's own runs the network. At each step it
packs the trajectories that wait into one pass, whatever their prompts, sizes, steps, solvers and
guidance, within a budget of rows; a new one joins at the next step. It knows neither HTTP nor jobs.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from queue import SimpleQueue

import torch
from torch import Tensor

from skyloom.errors import UserError
from skyloom.sampler import Sampler, Teller, Told
from skyloom.text.features import TextFeatures
from skyloom.trajectory import Trajectory

ROWS = 4096
"""Rows of one pass: tokens and words, twice where guidance is on. More are not faster."""
PROMPTS = 256
"""Prompts whose features are kept."""


class Cancelled(Exception):
    """A job was given up. Raised by who wants that, in its `progress`; or the engine was closed."""


@dataclass(eq=False)
class _Call:
    """The trajectories of one call, and what the engine has to say to the thread that waits.

    Attributes:
        news: steps done, then None for the end or the exception that ended it.
        over: whether nobody waits for it any more.
    """

    trajectories: Sequence[Trajectory]
    teller: Teller
    news: "SimpleQueue[tuple[int, list[Tensor]] | BaseException | None]" = field(
        default_factory=SimpleQueue
    )
    over: bool = False

    def tell(self) -> None:
        """Say what is new."""
        if news := self.teller.news():
            self.news.put(news)
        if all(each.done for each in self.trajectories):
            self.end(None)

    def end(self, error: BaseException | None) -> None:
        """Nothing more will come."""
        self.over = True
        self.news.put(error)


_Place = tuple[Trajectory, _Call]


class Engine(Sampler):
    """A `Sampler` for many threads, whose clips move in shared passes.

    The same seed gives the same latents, alone or in company. What goes wrong with one call is
    raised there and changes nothing for the others.

    Args:
        rows: at most so many rows in a pass; a clip that is larger goes alone.
    """

    def __init__(self, sampler: Sampler, rows: int = ROWS) -> None:
        network = sampler.network
        super().__init__(sampler.transformer, sampler.text, network.prediction, sampler.device)
        self._rows = rows
        self._prompts: dict[str, TextFeatures] = {}
        self._encoding = threading.Lock()
        self._waiting: list[_Place] = []  # who has waited longest comes first
        self._joined = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop: calls that are under way raise `Cancelled`. The engine's thread has ended then."""
        with self._joined:
            self._closed = True
            self._joined.notify()
        self._thread.join()

    def __enter__(self) -> "Engine":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _features(self, prompt: str) -> TextFeatures:
        with self._encoding:
            if prompt not in self._prompts:
                if len(self._prompts) >= PROMPTS:
                    self._prompts.pop(next(iter(self._prompts)))
                self._prompts[prompt] = self.text.encode([prompt])
            return self._prompts[prompt]

    def _finish(self, trajectories: Sequence[Trajectory], told: Told) -> None:
        """Hand the trajectories to the engine's thread and wait; `told` is called in this one."""
        call = _Call(trajectories, Teller(trajectories))
        with self._joined:
            if self._closed:
                raise Cancelled("the engine is closed")
            self._waiting += [(each, call) for each in trajectories if not each.done]
            self._joined.notify()
        if all(each.done for each in trajectories):
            return
        try:
            while (news := call.news.get()) is not None:
                if isinstance(news, BaseException):
                    raise news
                told(*news)
        finally:
            call.over = True

    def _run(self) -> None:
        """The engine's thread: a pass after another, while anybody waits."""
        while True:
            with self._joined:
                self._joined.wait_for(lambda: self._waiting or self._closed)
                if self._closed:
                    for _, call in self._waiting:
                        call.end(Cancelled("the engine was closed"))
                    return
                turn = self._next()
            self._move(turn)
            for call in dict.fromkeys(call for _, call in turn):
                if not call.over:
                    call.tell()
            with self._joined:
                self._waiting += [(each, call) for each, call in turn if not each.done]

    def _next(self) -> list[_Place]:
        """Who moves next: whoever has waited longest, and all that fit beside it, in that order."""
        turn: list[_Place] = []
        rest: list[_Place] = []
        left = self._rows
        for each, call in self._waiting:
            if call.over:
                continue
            if not turn or each.clip.rows <= left:
                turn.append((each, call))
                left -= each.clip.rows
            else:
                rest.append((each, call))
        self._waiting = rest
        return turn

    def _move(self, turn: Sequence[_Place]) -> None:
        """One pass. Where it fails, its halves are tried, down to the call that is at fault."""
        if not turn:
            return
        try:
            cleans = self.network.move([each for each, _ in turn])
        except Exception as error:
            if len(turn) == 1:
                turn[0][1].end(_explained(error))
                return
            half = len(turn) // 2
            self._move(turn[:half])
            self._move(turn[half:])
            return
        for (each, call), clean in zip(turn, cleans, strict=True):
            if call.over:
                continue
            try:
                each.take(clean)
            except Exception as error:
                call.end(error)


def _explained(error: Exception) -> Exception:
    """What to tell the one whose pass failed even alone."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError) or "memory" in str(error):
        return UserError("There is not enough memory for this clip: make it smaller or shorter.")
    return error
