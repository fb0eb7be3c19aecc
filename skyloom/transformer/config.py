"""The shape of the diffusion transformer, in one frozen value."""

import math
from dataclasses import dataclass

from skyloom.ranges import check_ranges


@dataclass(frozen=True)
class TransformerConfig:
    """Sizes of the transformer.

    Attributes:
        channels: C of the latents.
        patch: (time, height, width) of latents that one token holds.
        width: D of the tokens inside.
        depth: number of blocks.
        heads: attention heads; width / heads is the head width, a multiple of 8.
        mlp_ratio, text_mlp_ratio: hidden widths of the MLPs of video and of text over D.
        text_width: E of the text features.
        prediction: what the output means, see flow/prediction.py.
    """

    channels: int = 32
    patch: tuple[int, int, int] = (1, 2, 2)
    width: int = 320
    depth: int = 6
    heads: int = 5
    mlp_ratio: int = 4
    text_mlp_ratio: int = 2
    text_width: int = 256
    prediction: str = "clean"

    def __post_init__(self) -> None:
        some = ("channels", "patch", "width", "depth", "heads", "mlp_ratio", "text_mlp_ratio",
                "text_width")  # fmt: skip
        check_ranges(self, {name: (1, math.inf) for name in some})
        if self.width % self.heads or (self.width // self.heads) % 8:
            raise ValueError(
                f"width {self.width} over {self.heads} heads must give a multiple of 8"
            )

    @property
    def token_width(self) -> int:
        """P, the elements of a token: the latents of a patch, flattened."""
        time, height, width = self.patch
        return self.channels * time * height * width
