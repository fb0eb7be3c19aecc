"""Continuous batching: whoever samples shares the passes of the network with all others.

Many threads call `Engine.sample`, one thread of the engine's own runs the network. At each step it
packs the trajectories that wait into one pass, whatever their prompts, sizes, steps, solvers and
guidance, within a budget of rows; a new one joins at the next step. It knows neither HTTP nor jobs.

    engine = Engine(skyloom.sampler)
    served = skyloom.sampled_by(engine)      # any thread: served.generate(...), served.edit(...)
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

ROWS = {"cpu": 2048, "cuda": 32768}
"""Rows of one pass by device: tokens and words, twice where guidance is on. On a CPU with matrix
units a row cost 234 us in passes of 105 rows, 106 in 839, 93 in 1,678 and 88 in 5,034: more only
make others wait. A GPU takes more to be full: its figure is not measured."""
PROMPTS = 256
"""Prompts whose features are kept."""


class Cancelled(Exception):
    """A call was given up: by who raises this in its `progress`, or because the engine closed."""


@dataclass(eq=False)
class _Call:
    """The trajectories of one call, and what the engine has to say to the thread that waits.

    Attributes:
        news: steps left and estimates; None for the end, or the exception that ended it.
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
        if self.over:
            return
        if news := self.teller.news():
            self.news.put(news)
        if all(each.done for each in self.trajectories):
            self.end(None)

    def end(self, error: BaseException | None) -> None:
        """Nothing more will come."""
        if not self.over:
            self.over = True
            self.news.put(error)


_Place = tuple[Trajectory, _Call]
"""A trajectory that waits, and for whom."""


class Engine(Sampler):
    """A `Sampler` for many threads, whose clips move in shared passes.

    The same seed gives the same latents, alone or in company. What goes wrong with one call is
    raised there and changes nothing for the others; who raises in `progress` or `watch` gives up.

    Args:
        rows: at most so many in a pass, by default what `ROWS` says of the device; a clip that has
            more goes alone.

    Attributes:
        passes, moves: passes that were made, and clips that each of them moved, in all.
    """

    def __init__(self, sampler: Sampler, rows: int | None = None) -> None:
        self.transformer, self.text, self.device = sampler.transformer, sampler.text, sampler.device
        self.network = sampler.network
        self._rows = rows or ROWS.get(sampler.device.type, ROWS["cpu"])
        self.passes = self.moves = 0
        self._prompts: dict[str, TextFeatures] = {}
        self._encoding = threading.Lock()
        self._waiting: list[_Place] = []  # who has waited longest comes first
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop: calls that are under way raise `Cancelled`, and the engine's thread ends."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    def __enter__(self) -> "Engine":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # ------------------------------------------------------------------------ the callers' threads

    def _features(self, prompt: str) -> TextFeatures:
        """One prompt at a time: not every tokenizer can be used by two threads."""
        with self._encoding:
            if prompt not in self._prompts:
                if len(self._prompts) >= PROMPTS:
                    del self._prompts[next(iter(self._prompts))]
                self._prompts[prompt] = self.text.encode([prompt])
            return self._prompts[prompt]

    def _finish(self, trajectories: Sequence[Trajectory], told: Told) -> None:
        """Hand the trajectories to the engine's thread and wait; `told` is called in this one."""
        call = _Call(trajectories, Teller(trajectories))
        moving = [(each, call) for each in trajectories if not each.done]
        with self._changed:
            if self._closed:
                raise Cancelled("the engine is closed")
            self._waiting += moving
            self._changed.notify()
        try:
            while moving and (news := call.news.get()) is not None:
                if isinstance(news, BaseException):
                    raise news
                told(*news)
        finally:
            call.over = True

    # ------------------------------------------------------------------------- the engine's thread

    def _run(self) -> None:
        """A pass after another, while anybody waits."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closed)
                if self._closed:
                    break
                turn = self._next()
            self._move(turn)
            for call in dict.fromkeys(call for _, call in turn):
                call.tell()
            with self._changed:
                self._waiting += [place for place in turn if not place[0].done]
        for _, call in self._waiting:
            call.end(Cancelled("the engine was closed"))

    def _next(self) -> list[_Place]:
        """Who moves: whoever has waited longest, and all that fit beside it, in that order."""
        turn: list[_Place] = []
        rest: list[_Place] = []
        left = self._rows
        for place in self._waiting:
            rows = place[0].clip.rows
            if place[1].over:
                continue
            if not turn or rows <= left:
                turn.append(place)
                left -= rows
            else:
                rest.append(place)
        self._waiting = rest
        return turn

    def _move(self, turn: Sequence[_Place]) -> None:
        """One pass. Where it fails its halves are tried, down to the clip that is at fault."""
        if not turn:
            return
        try:
            cleans = self.network.move([each for each, _ in turn])
        except Exception as error:
            if len(turn) == 1:
                turn[0][1].end(_explained(error))
                return
            if _out_of_memory(error):
                self._rows = max(1, sum(each.clip.rows for each, _ in turn) // 2)
            half = len(turn) // 2
            self._move(turn[:half])
            self._move(turn[half:])
            return
        self.passes, self.moves = self.passes + 1, self.moves + len(turn)
        for (each, call), clean in zip(turn, cleans, strict=True):
            try:
                each.take(clean)
            except Exception as error:
                call.end(error)


def _out_of_memory(error: Exception) -> bool:
    """Whether a device says that, or the CPU, whose error has no type of its own."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or "allocate memory" in str(
        error
    )


def _explained(error: Exception) -> Exception:
    """What to tell the one whose pass failed even alone."""
    if _out_of_memory(error):
        return UserError("There is not enough memory for this clip: make it smaller or shorter.")
    return error
