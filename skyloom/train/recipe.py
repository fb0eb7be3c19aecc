"""The recipe of a transformer's training: everything that decides a run, in one frozen value."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from skyloom.condition import PatternConfig
from skyloom.config import load_toml
from skyloom.presets import expanded
from skyloom.ranges import check_ranges
from skyloom.text.bundled import BundledTextConfig
from skyloom.train.loop import LoopConfig
from skyloom.train.lora import LoraConfig
from skyloom.train.optim import OptimConfig
from skyloom.train.parallel import ParallelConfig
from skyloom.train.samples import SamplesConfig
from skyloom.transformer.config import TransformerConfig

LEAST_VOCABULARY = 257
"""Every byte, and the end of a prompt."""


@dataclass(frozen=True)
class TransformerRecipe:
    """Everything that decides a run.

    Attributes:
        out: folder of the run; its model appears in out/model.
        data: folder of a prepared dataset.
        autoencoder: model folder whose autoencoder made the latents; copied into the model.
        start: model folder to start from, which decides `model` and `text`; "" for scratch.
        preset: name in skyloom/presets.py of the sizes that `model` and `text` go over, unless it
            is set on the command line: then it stands for both. "" for the defaults of their
            classes.
        views: what each clip is shown as, one entry a showing an epoch: so many latent frames of
            its start (1 is its first frame as an image), 0 for all of it, -n for all but the first
            n, as a window on a longer clip. Stills have one.
        tokens: most tokens of a batch.
        drop_prompt: share of clips whose prompt is left out, for guidance.
        routed: share of the tokens of each clip that skip the middle blocks in training.
        truth_weight: weight of the head that reads the world's truth from a middle block; 0 is off.
        subject_weight: how much more a token counts that shows a subject, by the world's truth;
            0 is as much as any other.
        held_out: clips, spread over the dataset, that are kept for evaluation.
    """

    out: str
    data: str
    autoencoder: str
    start: str = ""
    preset: str = ""
    views: tuple[int, ...] = (0, 5, 1, 1)
    tokens: int = 3328
    drop_prompt: float = 0.1
    routed: float = 0.0
    truth_weight: float = 0.0
    subject_weight: float = 0.0
    held_out: int = 32
    seed: int = 0
    device: str = "auto"
    model: TransformerConfig = field(default_factory=TransformerConfig)
    text: BundledTextConfig = field(default_factory=BundledTextConfig)
    pattern: PatternConfig = field(default_factory=PatternConfig)
    lora: LoraConfig = field(default_factory=LoraConfig)
    samples: SamplesConfig = field(default_factory=SamplesConfig)
    optim: OptimConfig = field(default_factory=lambda: OptimConfig(muon=True))
    loop: LoopConfig = field(default_factory=LoopConfig)
    parallel: ParallelConfig = field(default_factory=ParallelConfig)

    def __post_init__(self) -> None:
        if not self.views:
            raise ValueError("views is empty: views=[0] shows every clip as it is")
        check_ranges(self, {"drop_prompt": (0, 1), "routed": (0, 0.95), "seed": (0, 2**31)})
        check_ranges(self, {name: (0, math.inf) for name in ("truth_weight", "subject_weight")})
        if self.text.vocabulary < LEAST_VOCABULARY or self.text.max_tokens < 1:
            raise ValueError(
                f"text.vocabulary is {self.text.vocabulary} and text.max_tokens "
                f"{self.text.max_tokens}: {LEAST_VOCABULARY} and 1 are the least"
            )


def load_recipe(path: Path, overrides: Sequence[str] = ()) -> TransformerRecipe:
    """Read a recipe file; see `config.load_toml`.

    Raises:
        UserError: the file, a setting or the preset cannot be.
    """
    return load_toml(TransformerRecipe, path, overrides, expanded)
