"""Several text encoders at once, as in Stable Diffusion 3 (arXiv 2403.03206, section 4)."""

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F

from skyloom.errors import UserError
from skyloom.text.encoder import TextEncoder
from skyloom.text.features import TextFeatures


class JoinedTextEncoder:
    """The tokens of each encoder one after the other, narrower features zero-padded to the widest.

    A model trained with some of them left out at random runs without a large one at inference:
    `without("t5")` gives an encoder of the same width that lacks those tokens.
    """

    def __init__(self, encoders: Mapping[str, TextEncoder], width: int | None = None) -> None:
        """Join `encoders`, in their order.

        Args:
            width: E of the features, at least that of the widest encoder, which is the default.
        """
        widest = max((encoder.width for encoder in encoders.values()), default=0)
        self._width = widest if width is None else width
        if not encoders or self._width < widest:
            raise ValueError(f"{len(encoders)} encoders up to {widest} wide cannot give {width}")
        self.encoders = dict(encoders)

    @property
    def width(self) -> int:
        """E of the features."""
        return self._width

    @property
    def max_tokens(self) -> int:
        """The longest prompt in tokens, those of all encoders together."""
        return sum(encoder.max_tokens for encoder in self.encoders.values())

    def without(self, *names: str) -> "JoinedTextEncoder":
        """The same, with some encoders left out.

        Raises:
            UserError: there is no encoder of that name, or none would be left.
        """
        for name in names:
            if name not in self.encoders:
                raise UserError(
                    f"There is no text encoder '{name}': the model has "
                    f"{' and '.join(self.encoders)}."
                )
        left = {name: one for name, one in self.encoders.items() if name not in names}
        if not left:
            raise UserError(f"Without {' and '.join(names)} no text encoder is left: keep one.")
        return JoinedTextEncoder(left, self._width)

    def encode(self, prompts: Sequence[str]) -> TextFeatures:
        """Features of each prompt, in order, in the precision of the first encoder."""
        parts = [encoder.encode(prompts) for encoder in self.encoders.values()]
        like = parts[0].features
        padded = [
            F.pad(part.features.to(like), (0, self._width - part.width)).split(part.lengths)
            for part in parts
        ]
        joint = [torch.cat(pieces) for pieces in zip(*padded, strict=True)]
        return TextFeatures(torch.cat(joint), tuple(len(piece) for piece in joint))

    def truncated(self, prompt: str) -> str | None:
        """What the encoder that reads furthest takes of the prompt, None if one reads all of it."""
        cuts = [encoder.truncated(prompt) for encoder in self.encoders.values()]
        known = [cut for cut in cuts if cut is not None]
        return max(known, key=len) if len(known) == len(cuts) else None
