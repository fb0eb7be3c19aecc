"""What a job believes in while it is made, as a small picture now and then.

It is marked like what is delivered, but not signed: a manifest is larger than the picture. Guards
of frames have not seen it; those of prompts have.
"""

import time
from pathlib import Path

import numpy as np
from jaxtyping import Float
from torch import Tensor

from skyloom import video
from skyloom.pipeline import Skyloom
from skyloom.sampler import Piece
from skyloom.serve.making.guarding import small
from skyloom.serve.worker.run import Run
from skyloom.trust.marking import Marking
from skyloom.video import Video

PREVIEW_SIDE = 256
"""Pixels of its longer side, at most."""
PREVIEW_SECONDS, PREVIEW_SHARE = 0.5, 0.1
"""Seconds between two previews, at least, and part of the time that they may take."""
PREVIEW_LATENTS = 2
"""Latent frames that are decoded for the preview of a window on a longer clip."""


class Preview:
    """Shows what a job believes in while it is made: a small picture now and then.

    Args:
        folder: for the picture in the making.
        marking: marks the pictures; None leaves them as they are.
    """

    def __init__(
        self, run: Run, skyloom: Skyloom, folder: Path, marking: Marking | None = None
    ) -> None:
        self._run, self._skyloom, self._marking = run, skyloom, marking
        order = run.job.order
        self._claim = (
            None if marking is None else marking.claim(order.operation, order, words=order.words)
        )
        self._path = folder / "preview.webp"
        self._next = 0.0

    def see(self, piece: Piece, estimate: Float[Tensor, "C T H W"]) -> None:
        """Look at a clean estimate; most are not shown."""
        began = time.monotonic()
        if began < self._next:
            return
        # A clip's first latent frame is a picture by itself; that of a window on it is not.
        first = piece.start == 0
        latents = estimate[:, :1] if first else estimate[:, -PREVIEW_LATENTS:]
        frames = np.concatenate(list(self._skyloom.decode_stream(iter([latents]), first=first)))
        picture = small(frames[-1:], PREVIEW_SIDE)
        if self._marking is not None and self._claim is not None:
            [picture] = self._marking.mark(iter([picture]), self._claim, 1.0, still=True)
        video.write(Video(picture, 1.0), self._path)
        self._run.show(self._path)
        took = time.monotonic() - began
        self._next = began + max(PREVIEW_SECONDS, took / PREVIEW_SHARE)
