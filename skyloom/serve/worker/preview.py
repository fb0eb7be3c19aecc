"""What a job believes in while it is made, as a small picture now and then."""

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
    """

    def __init__(self, run: Run, skyloom: Skyloom, folder: Path) -> None:
        self._run, self._skyloom = run, skyloom
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
        video.write(Video(small(frames[-1:], PREVIEW_SIDE), 1.0), self._path)
        self._run.show(self._path)
        took = time.monotonic() - began
        self._next = began + max(PREVIEW_SECONDS, took / PREVIEW_SHARE)
