"""The interface of text encoders: all that the rest of skyloom knows of them."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from skyloom.text.features import TextFeatures


@runtime_checkable
class TextEncoder(Protocol):
    """Prompts to features. The empty prompt is allowed: it stands for 'no text'."""

    @property
    def width(self) -> int:
        """E of the features."""
        ...

    @property
    def max_tokens(self) -> int:
        """The longest prompt in tokens; what is beyond is cut off."""
        ...

    def encode(self, prompts: Sequence[str]) -> TextFeatures:
        """Features of each prompt, in order."""
        ...

    def truncated(self, prompt: str) -> str | None:
        """The prompt up to where `encode` cuts it, None if all of it fits."""
        ...
