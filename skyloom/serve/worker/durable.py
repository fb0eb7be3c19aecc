"""A sampler that remembers: what each call makes is kept, and the next run of the job gets it.

The pipeline makes every clip, edit, storyboard and image by a row of calls whose order follows from
the request alone: `sample` for a window, `remembered` for a step of a picture in tiles. So the
number of a call says what it makes, in every run; all that lies between is cheap and done again. A
solver's step depends on nothing but what it was told before, so that one that is told the same goes
the same way up to where it was.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import astuple
from pathlib import Path
from typing import TypeVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from skyloom.flow.solver import Denoise
from skyloom.sampler import Piece, Progress, Sampler, Settings, Watch
from skyloom.serve.store.files import Files

T = TypeVar("T")

Step = Callable[[str, Callable[[], str]], str]
"""Does a named piece of work once: what it returned is returned again in every later run."""


class DurableSampler(Sampler):
    """A `Sampler` for one run of one job.

    Args:
        sampler: what makes latents; many of these share it.
        files: where they are kept, below the folder `work`.
        model: what the model is, in a string that changes with its weights: latents of another
            model are not gone on from.
        step: see `Step`.
        done: is told after each call that is newly made.
        watch: sees the clean estimates of each call, and its first piece.
    """

    def __init__(
        self,
        sampler: Sampler,
        files: Files,
        work: str,
        model: str,
        step: Step,
        done: Callable[[], None],
        watch: Callable[[Piece, Tensor], None] | None = None,
    ) -> None:
        # What `Sampler` would make of the transformer is there, and costs as much as a clip's
        # decoding: every job has one of these.
        self.transformer, self.text, self.device = sampler.transformer, sampler.text, sampler.device
        self.network = sampler.network
        self._sampler, self._files, self._work = sampler, files, work
        self._model, self._step, self._done, self._watch = model, step, done, watch
        self._calls = 0

    def sample(
        self,
        pieces: Sequence[Piece],
        settings: Settings,
        progress: Progress | None = None,
        watch: Watch | None = None,
    ) -> list[Tensor]:
        """The clean latents of each piece: made, or those that an earlier run has made."""

        def seen(step: int, count: int, estimates: list[Tensor]) -> None:
            if self._watch is not None:
                self._watch(pieces[0], estimates[0])
            if watch is not None:
                watch(step, count, estimates)

        def make() -> list[Tensor]:
            looking = seen if watch is not None or self._watch is not None else None
            return self._sampler.sample(pieces, settings, progress, looking)

        latents, fresh = self._once(fingerprint(self._model, pieces, settings), make)
        if progress is not None and not fresh:
            progress(settings.steps, settings.steps)
        return latents

    def remembered(self, about: tuple[object, ...], make: Callable[[], Tensor]) -> Tensor:
        """See `Sampler.remembered`."""
        mark = hashlib.sha256(repr((self._model, about)).encode()).hexdigest()
        (tensor,), _ = self._once(mark, lambda: [make()])
        return tensor.to(self.device)

    def _once(self, mark: str, make: Callable[[], list[Tensor]]) -> tuple[list[Tensor], bool]:
        """What the next call of this job comes to, and whether it was made now.

        Args:
            mark: changes with whatever it depends on: what has another is made anew.
        """
        number, self._calls = self._calls, self._calls + 1
        key = f"{self._work}/{number:04d}.safetensors"
        tensors: list[Tensor] = []
        fresh = False

        def work() -> str:
            nonlocal fresh
            kept = self._kept(key, mark)
            if kept is None:
                fresh, kept = True, list(map(_as_kept, make()))
                self._keep(key, mark, kept)
                self._done()
            tensors.extend(kept)
            return key

        self._step(f"window {number}", work)
        if not tensors:  # the queue knew that it was done
            work()
        return tensors, fresh

    def denoiser(self, pieces: Sequence[Piece], settings: Settings) -> Denoise:
        """As that of the sampler which many share."""
        return self._sampler.denoiser(pieces, settings)

    def _keep(self, key: str, mark: str, latents: list[Tensor]) -> None:
        tensors = {str(n): clip for n, clip in enumerate(latents)}
        with self._files.temporary(".safetensors") as path:
            save_file(tensors, path, {"mark": mark})
            self._files.publish(path, key)

    def _kept(self, key: str, mark: str) -> list[Tensor] | None:
        try:
            with self._files.local(key) as path:
                if _mark_of(path) != mark:
                    return None
                tensors = load_file(path)
        except (FileNotFoundError, SafetensorError):
            return None
        return [tensors[str(n)] for n in range(len(tensors))]


def _as_kept(latents: Tensor) -> Tensor:
    """Latents as they come back from a file, laid out in memory like that too: the decoder rounds
    otherwise where they are not, and a clip that was gone on with would differ in its last bits."""
    return latents.cpu().clone(memory_format=torch.contiguous_format)


def fingerprint(model: str, pieces: Sequence[Piece], settings: Settings) -> str:
    """What latents depend on, but for the given ones: those follow from the job's own files, and
    another machine's last digit of them is no reason to begin anew."""
    hashed = hashlib.sha256(repr((model, astuple(settings))).encode())
    for piece in pieces:
        said = (piece.words, piece.negative, piece.fps, piece.start, piece.loop)
        hashed.update(repr((said, tuple(piece.noise.shape))).encode())
        for tensor in (piece.noise, piece.given.ceiling):
            hashed.update(tensor.detach().cpu().to(torch.float32).numpy().tobytes())
    return hashed.hexdigest()


def _mark_of(path: Path) -> str | None:
    from safetensors import safe_open

    with safe_open(path, "pt") as file:
        metadata = file.metadata() or {}
    return metadata.get("mark")
