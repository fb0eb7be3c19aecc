"""Checkpoints written while training goes on, and what happens when the disk is full.

The weights are copied between two steps; a thread writes the copy. One checkpoint is under way
at a time: the next one waits for it. All processes write their files into one folder, and the
first one makes a checkpoint of it when the last is done.
"""

import math
import shutil
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from skyloom.errors import UserError
from skyloom.train import checkpoint
from skyloom.train.diskfull import disk_is_full
from skyloom.train.ranks import Ranks


class Saver:
    """Writes the checkpoints of a run.

    Args:
        folder: where they lie.
        patience: seconds that a run may go on while the disk is full.

    Every method is called by all processes together, except `written`.
    """

    def __init__(self, folder: Path, ranks: Ranks, patience: float) -> None:
        self.folder, self.ranks, self.patience = folder, ranks, patience
        self.full_since = math.inf
        self._copies: dict[str, Tensor] = {}
        self._thread: threading.Thread | None = None
        self._error: BaseException | None = None
        self._meta: dict = {}

    def start(self, tensors: Mapping[str, Tensor], meta: dict) -> None:
        """Begin to save; what is in `tensors` may change as soon as this returns.

        Raises:
            UserError: the disk has been full for longer than the patience allows.
        """
        self.finish()
        self._meta, self._error = meta, None
        part = checkpoint.part_folder(self.folder, meta["step"])
        if self.ranks.first:
            try:
                checkpoint.begin(self.folder, meta["step"])
            except OSError as error:
                self._error = error
        if self.ranks.any(self._error is not None):
            self._settle()
            return
        copies = self._copied(tensors)
        self._thread = threading.Thread(
            target=self._write, args=(part, copies), name="saving", daemon=True
        )
        self._thread.start()

    def written(self) -> bool:
        """Whether what is being saved waits for nothing more but `finish`."""
        return self._thread is not None and not self._thread.is_alive()

    def finish(self, last: bool = False) -> None:
        """See that what is being saved becomes a checkpoint.

        Args:
            last: whether training is over: there is no patience any more.

        Raises:
            UserError: the disk has been full for longer than the patience allows.
        """
        if last:
            self.patience = 0.0
        if self._thread is None:
            return
        self._thread.join()
        self._thread = None
        self._settle()

    def abandon(self) -> None:
        """Let go without the others, which may be gone."""
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        if self.ranks.ranks == 1 and self._meta and self._error is None:
            part = checkpoint.part_folder(self.folder, self._meta["step"])
            if part.exists():
                checkpoint.finish(part, self._meta)

    def _write(self, part: Path, tensors: Mapping[str, Tensor]) -> None:
        try:
            checkpoint.write_tensors(part, tensors, self.ranks)
        except BaseException as error:
            self._error = error

    def _settle(self) -> None:
        """Make a checkpoint of what all have written, or say why there is none."""
        part = checkpoint.part_folder(self.folder, self._meta["step"])
        if not self.ranks.any(self._error is not None):
            if self.ranks.first:
                try:
                    checkpoint.finish(part, self._meta)
                except OSError as error:
                    self._error = error
            if not self.ranks.any(self._error is not None):
                self._saved()
                return
        self._not_saved(part)

    def _saved(self) -> None:
        if self.full_since < math.inf:
            self._tell("there is room again, and the run is saved")
        self.full_since = math.inf

    def _not_saved(self, part: Path) -> None:
        error = self._error
        if self.ranks.first:
            shutil.rmtree(part, ignore_errors=True)
        if error is not None and not disk_is_full(error):
            raise error
        now = time.monotonic()
        self.full_since = min(self.full_since, now)
        left = self.ranks.as_first(self.full_since + self.patience - now)
        if left <= 0:
            raise UserError(
                f"Training stopped after step {self._meta['step']}: the disk of '{self.folder}' "
                "is full, and loop.unsaved_minutes has passed or nothing is left to do; free some "
                "space, and the same command goes on from the last checkpoint."
            )
        self._tell(
            f"the disk of '{self.folder}' is full: step {self._meta['step']} is not saved; "
            f"training goes on without, for {left / 60:.1f} minutes more"
        )

    def _tell(self, what: str) -> None:
        if self.ranks.first:
            print(f"skyloom: {what}.", file=sys.stderr)

    def _copied(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Copies in memory of the host, the same memory every time."""
        for name, tensor in tensors.items():
            kept = self._copies.get(name)
            if kept is None or kept.shape != tensor.shape or kept.dtype != tensor.dtype:
                kept = self._copies[name] = torch.empty_like(
                    tensor, device="cpu", memory_format=torch.contiguous_format
                )
            kept.copy_(tensor.detach())
        return {name: self._copies[name] for name in tensors}
