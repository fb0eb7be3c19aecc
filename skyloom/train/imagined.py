"""Latents of real clips as a transformer would give them, for a decoder to learn from.

A decoder that only ever saw latents of an encoder draws a transformer's mistakes as sharp as it
draws what is right: every token by itself, and squares show. Here a real clip is put under noise,
and the transformer makes it anew from there, as `edit.restyle` does. What it could not know it has
made up, in its own hand; what the clip really shows is known.
"""

from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from skyloom.condition import Given
from skyloom.flow.prediction import named_prediction
from skyloom.modelfolder import load_transformer
from skyloom.ranges import check_ranges
from skyloom.sampler import Piece, Sampler, Settings
from skyloom.transformer.patches import REFERENCE_FPS


@dataclass(frozen=True)
class ImaginedConfig:
    """How much of what a decoder learns from is imagined.

    Attributes:
        model: model folder whose transformer imagines; "" for none.
        share: share of the clips that it makes anew.
        lowest, highest: sigma from which it does, drawn evenly for each clip.
        steps: steps of the solver from there.
    """

    model: str = ""
    share: float = 0.5
    lowest: float = 0.2
    highest: float = 0.8
    steps: int = 3

    def __post_init__(self) -> None:
        check_ranges(self, {"share": (0, 1), "lowest": (0.02, 1), "highest": (0.02, 1)})
        check_ranges(self, {"steps": (1, 1000)})
        if self.lowest > self.highest:
            raise ValueError(f"lowest = {self.lowest} lies above highest = {self.highest}")


class Imagination:
    """A transformer, without words and without guidance, from the middle of its schedule.

    Attributes:
        channels: C of the latents that it knows.

    Raises:
        UserError: the folder holds no model.
    """

    def __init__(self, config: ImaginedConfig, device: torch.device, dtype: torch.dtype) -> None:
        self.config = config
        transformer, text = load_transformer(Path(config.model))
        prediction = named_prediction(transformer.config.prediction)
        # As in training: rows that come out alike in any company are what serving needs.
        transformer = transformer.to(device, dtype).requires_grad_(False).train()
        self.channels = transformer.config.channels
        self._sampler = Sampler(transformer, text.to(device, dtype), prediction, device)

    def __call__(
        self, latents: Float[Tensor, "B C T h w"], generator: torch.Generator
    ) -> Float[Tensor, "B C T h w"]:
        """`share` of the clips made anew, the others as they are; on the latents' own device.

        Args:
            latents: normalised, about unit variance.
            generator: on the CPU; decides which clips, from where, and under what noise.
        """
        drawn = torch.rand(2, len(latents), generator=generator)
        noise = torch.randn(latents.shape, generator=generator)
        chosen = (drawn[0] < self.config.share).nonzero().flatten().tolist()
        if not chosen:
            return latents
        low, high = self.config.lowest, self.config.highest
        pieces = []
        for clip in chosen:
            own = latents[clip].detach().float().cpu()
            ceiling = torch.full(own.shape[1:], low + (high - low) * float(drawn[1, clip]))
            given = Given(own, ceiling)
            pieces.append(Piece("", "", REFERENCE_FPS, noise[clip], given))
        made = self._sampler.sample(pieces, Settings(self.config.steps, "euler", 1.0, 0.0))
        result = latents.clone()
        for clip, anew in zip(chosen, made, strict=True):
            result[clip] = anew.to(result)
        return result
