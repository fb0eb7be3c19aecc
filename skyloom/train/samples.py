"""Clips that a model makes while it learns: the same prompts and seeds, through the same pipeline
that users call, so that one sheet can be laid beside the next."""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from skyloom import video
from skyloom.autoencoder.model import Autoencoder
from skyloom.modelfolder import Model
from skyloom.pipeline import Skyloom
from skyloom.request import Request
from skyloom.text.bundled import BundledTextEncoder
from skyloom.transformer.model import Transformer

SHOWN = 6
"""Frames of a clip on a sheet."""
FOLDER = "samples"
"""Where the sheets of a run lie, below its folder."""


@dataclass(frozen=True)
class SamplesConfig:
    """What is made at evaluations, and how often.

    Attributes:
        minutes: between two sheets, at least; 0 makes none.
        prompts: one clip each; none stands for the captions of the first held-out clips.
        size: (width, height).
        seconds, fps, steps, guidance, seed: as in a `Request`.
        adherence: held-out prompts of the world whose clips the judge sees, besides; 0 is none.
    """

    minutes: float = 0.0
    prompts: tuple[str, ...] = ()
    size: tuple[int, int] = (128, 128)
    seconds: float = 2.0
    fps: float = 12.0
    steps: int = 8
    guidance: float = 4.0
    seed: int = 0
    adherence: int = 0

    def request(self, prompt: str) -> Request:
        """What is asked of the pipeline."""
        return Request(
            prompt,
            size=self.size,
            seconds=self.seconds,
            fps=self.fps,
            steps=self.steps,
            guidance=self.guidance,
            seed=self.seed,
        )


class Samples:
    """Makes the sheets of a run.

    Args:
        config: what is made.
        folder: of the run; sheets go to samples/ below it.
        prompts: where the configuration names none.

    Raises:
        UserError: the model cannot make clips of this size and length.
    """

    def __init__(
        self,
        config: SamplesConfig,
        folder: Path,
        autoencoder: Autoencoder,
        transformer: Transformer,
        text: BundledTextEncoder,
        prompts: Sequence[str],
    ) -> None:
        self.config, self.folder = config, folder / FOLDER
        self.requests = [config.request(prompt) for prompt in config.prompts or prompts]
        where = transformer.enter.weight
        # The very networks that are trained: it makes clips with the weights of the moment.
        model = Model(autoencoder.eval().requires_grad_(False), transformer, text, {})
        self.pipeline = Skyloom(model, str(where.device), where.dtype)
        for request in self.requests:
            self.pipeline.latent_shape(request)
        self._made = -math.inf

    def due(self) -> bool:
        """Whether it is time for the next sheet."""
        return time.monotonic() - self._made >= 60 * self.config.minutes

    @torch.no_grad()
    def make(self, step: int) -> dict[str, float]:
        """Write samples/step_00001000.png, a row for each prompt; return the judge's figures."""
        self._made = time.monotonic()
        clips = self.pipeline.generate_many(self.requests)
        sheets = [video.contact_sheet(clip, columns=SHOWN, pictures=SHOWN) for clip in clips]
        sheet = np.concatenate([sheet.frames for sheet in sheets], axis=1)
        self.folder.mkdir(parents=True, exist_ok=True)
        video.write(video.Video(sheet, 1.0), self.folder / f"step_{step:08d}.png")
        return self._judged() if self.config.adherence else {}

    def _judged(self) -> dict[str, float]:
        """The share of attributes of held-out prompts that the judge sees in their clips."""
        from skyloom.bench.judges.judge import load_judge
        from skyloom.bench.prompts import held_out_prompts
        from skyloom.bench.tally import Tally

        judge, tally = load_judge(), Tally()
        prompts = held_out_prompts("one", self.config.adherence)
        clips = self.pipeline.generate_many([self.config.request(p.text) for p in prompts])
        for prompt, clip in zip(prompts, clips, strict=True):
            tally.add(prompt.asked, judge.words(clip))
        return {"adherence": tally.figures()["mean"]}
