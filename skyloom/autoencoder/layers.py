"""Layers of the autoencoder: convolutions that never look ahead, and shuffles between levels.

Causality is what lets one network take an image, a clip of any length, or a stream. A
convolution over time sees the present and the past only; what the past was, a `Stream`
remembers between two chunks, so that a clip in pieces gives what it gives whole.
"""

import torch
import torch.nn.functional as F
from einops import rearrange, reduce, repeat
from jaxtyping import Float
from torch import Tensor, nn


class Stream:
    """The last frames that each causal convolution saw, carried from chunk to chunk."""

    def __init__(self) -> None:
        self._past: dict[nn.Module, Tensor] = {}

    def recall(self, layer: nn.Module) -> Tensor | None:
        """The frames that `layer` saw last, None before the first chunk."""
        return self._past.get(layer)

    def remember(self, layer: nn.Module, frames: Tensor) -> None:
        """Keep `frames` for the next chunk of `layer`; a copy, so that the chunk can be freed."""
        self._past[layer] = frames.clone()


class CausalConv3d(nn.Module):
    """A 3-D convolution whose kernel ends at the present frame.

    Before the first frame lies the first frame again, repeated: an image is then the same
    thing as the first frame of a clip.
    """

    def __init__(self, inputs: int, outputs: int, kernel: tuple[int, int]) -> None:
        super().__init__()
        time, space = kernel
        self.past = time - 1
        self.conv = nn.Conv3d(
            inputs, outputs, (time, space, space), padding=(0, space // 2, space // 2)
        )

    def forward(
        self, x: Float[Tensor, "B D T H W"], stream: Stream | None = None
    ) -> Float[Tensor, "B outputs T H W"]:
        if self.past:
            before = None if stream is None else stream.recall(self)
            if before is None:
                before = repeat(x[:, :, 0], "b c h w -> b c t h w", t=self.past)
            x = torch.cat([before, x], dim=2)
            if stream is not None:
                stream.remember(self, x[:, :, -self.past :])
        return self.conv(x)


class ResidualBlock(nn.Module):
    """x + conv(silu(conv(silu(x)))), the first over space and time, the second over space.

    There is no normalisation: the last convolution's weights start at zero, so that a stack of
    blocks starts as the identity up to a constant, and every position stays independent of the
    clip's length.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.enter = CausalConv3d(width, width, (3, 3))
        self.leave = CausalConv3d(width, width, (1, 3))
        nn.init.zeros_(self.leave.conv.weight)

    def forward(
        self, x: Float[Tensor, "B D T H W"], stream: Stream | None = None
    ) -> Float[Tensor, "B D T H W"]:
        return x + self.leave(F.silu(self.enter(F.silu(x), stream)))


class Down(nn.Module):
    """To the next coarser level: space to depth, mixed by a 1x1 convolution, plus a mean.

    The mean over groups of channels is the residual shortcut of the deep compression
    autoencoder (arXiv 2410.10733, section 3.2): the layer learns only what an average misses.
    """

    def __init__(self, inputs: int, outputs: int, stride: tuple[int, int]) -> None:
        super().__init__()
        self.time, self.space = stride
        unshuffled = inputs * self.time * self.space**2
        if unshuffled % outputs:
            raise ValueError(f"{unshuffled} unshuffled channels do not divide into {outputs}")
        self.groups = outputs
        self.mix = nn.Conv3d(unshuffled, outputs, 1)

    def forward(self, x: Float[Tensor, "B D T H W"]) -> Float[Tensor, "B outputs t h w"]:
        x = rearrange(
            x,
            "b c (t q) (h r) (w s) -> b (c q r s) t h w",
            q=self.time, r=self.space, s=self.space,
        )  # fmt: skip
        return self.mix(x) + reduce(x, "b (k g) t h w -> b k t h w", "mean", k=self.groups)


class Up(nn.Module):
    """To the next finer level: the mirror of `Down`, its shortcut repeats channels."""

    def __init__(self, inputs: int, outputs: int, stride: tuple[int, int]) -> None:
        super().__init__()
        self.time, self.space = stride
        shuffled = outputs * self.time * self.space**2
        if shuffled % inputs:
            raise ValueError(f"{shuffled} channels to shuffle are no multiple of {inputs}")
        self.copies = shuffled // inputs
        self.mix = nn.Conv3d(inputs, shuffled, 1)

    def forward(self, x: Float[Tensor, "B D t h w"]) -> Float[Tensor, "B outputs T H W"]:
        x = self.mix(x) + repeat(x, "b c t h w -> b (c n) t h w", n=self.copies)
        return rearrange(
            x,
            "b (c q r s) t h w -> b c (t q) (h r) (w s)",
            q=self.time, r=self.space, s=self.space,
        )  # fmt: skip
