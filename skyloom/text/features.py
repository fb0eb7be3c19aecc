"""What prompts become: features of their tokens, prompts packed end to end and never padded."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True, eq=False)
class TextFeatures:
    """The features of some prompts, laid end to end.

    Attributes:
        features: one row a token.
        lengths: tokens of each prompt; they add up to L.
    """

    features: Float[Tensor, "L E"]
    lengths: tuple[int, ...]

    def __post_init__(self) -> None:
        if sum(self.lengths) != len(self.features):
            raise ValueError(f"{len(self.features)} rows are not prompts of {self.lengths} tokens")

    def __len__(self) -> int:
        """How many prompts there are."""
        return len(self.lengths)

    @property
    def width(self) -> int:
        """E."""
        return self.features.shape[1]

    def split(self) -> list["TextFeatures"]:
        """Each prompt alone: the inverse of `concatenate`."""
        pieces = self.features.split(self.lengths)
        return [TextFeatures(piece, (len(piece),)) for piece in pieces]

    def select(self, indices: Sequence[int]) -> "TextFeatures":
        """The prompts at `indices`, in that order; one may come several times."""
        prompts = self.split()
        return concatenate([prompts[index] for index in indices])

    def to(
        self, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> "TextFeatures":
        """The same on another device or in another precision."""
        return TextFeatures(self.features.to(device=device, dtype=dtype), self.lengths)


def concatenate(parts: Iterable[TextFeatures]) -> TextFeatures:
    """Prompts after prompts. All parts have one width, precision and device."""
    parts = list(parts)
    return TextFeatures(
        torch.cat([part.features for part in parts]),
        tuple(length for part in parts for length in part.lengths),
    )
