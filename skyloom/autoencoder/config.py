"""The shape of the video compression network, in one frozen value."""

from dataclasses import dataclass
from math import prod


@dataclass(frozen=True)
class AutoencoderConfig:
    """Sizes of the autoencoder; the strides follow from them and stand nowhere else.

    Attributes:
        channels: C of the latents.
        patch: (time, height, width) of the pixel-unshuffle at the entrance, so that no
            convolution ever runs at full resolution.
        widths: channels of the convolutions, one entry a level, from fine to coarse.
        strides: (time, space) of each step between two levels.
        encoder_depths: residual blocks of each level of the encoder, from fine to coarse; empty
            where the linear codec alone encodes and only the decoder has convolutions.
        decoder_depths: residual blocks of each level of the decoder, in the same order.
    """

    channels: int = 64
    patch: tuple[int, int, int] = (2, 4, 4)
    widths: tuple[int, ...] = (96, 128, 128)
    strides: tuple[tuple[int, int], ...] = ((2, 2), (1, 2))
    encoder_depths: tuple[int, ...] = (1, 1, 1)
    decoder_depths: tuple[int, ...] = (2, 2, 1)

    def __post_init__(self) -> None:
        levels = len(self.widths)
        if levels != len(self.strides) + 1:
            raise ValueError("widths and strides + 1 must have equal length")
        if self.encoder_depths and levels != len(self.encoder_depths):
            raise ValueError("widths and encoder_depths must have equal length")
        if levels != len(self.decoder_depths):
            raise ValueError("widths and decoder_depths must have equal length")
        coarser = zip(self.widths, self.widths[1:], self.strides, strict=False)
        for fine, coarse, (time, space) in coarser:
            if fine * time * space**2 % coarse:
                raise ValueError(f"a level of {fine} channels does not divide into one of {coarse}")

    @property
    def time_stride(self) -> int:
        """Frames a latent frame stands for (the first stands for one alone)."""
        return self.patch[0] * prod(time for time, _ in self.strides)

    @property
    def space_stride(self) -> int:
        """Pixels a latent stands for, in height and in width."""
        return self.patch[1] * prod(space for _, space in self.strides)
