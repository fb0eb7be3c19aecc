"""The video compression network: pixels to latents and back, causal in time.

1 + n * time_stride frames become 1 + n latent frames. The first latent frame holds the first
frame alone: the network sees that frame repeated time_stride times, and gives back one of
them. An image is therefore a clip of one frame and needs no case of its own.
"""

import hashlib
from collections.abc import Iterable, Iterator
from functools import cached_property

import torch
from einops import rearrange, repeat
from jaxtyping import Float
from torch import Tensor, nn

from skyloom.autoencoder.config import AutoencoderConfig
from skyloom.autoencoder.layers import CausalConv3d, Down, ResidualBlock, Stream, Up
from skyloom.autoencoder.linear import LinearCodec


class Encoder(nn.Module):
    """Pixels, already unshuffled into patches, to what raw latents have beyond the linear ones."""

    def __init__(self, config: AutoencoderConfig) -> None:
        super().__init__()
        time, height, width = config.patch
        self.enter = CausalConv3d(3 * time * height * width, config.widths[0], (3, 3))
        self.levels = nn.ModuleList(
            nn.ModuleList(ResidualBlock(width) for _ in range(depth))
            for width, depth in zip(config.widths, config.encoder_depths, strict=True)
        )
        self.downs = nn.ModuleList(
            Down(fine, coarse, stride)
            for fine, coarse, stride in zip(
                config.widths, config.widths[1:], config.strides, strict=False
            )
        )
        self.leave = CausalConv3d(config.widths[-1], config.channels, (1, 1))
        _zero(self.leave)

    def forward(self, x: Tensor, stream: Stream | None = None) -> Tensor:
        x = self.enter(x, stream)
        for level, blocks in enumerate(self.levels):
            if level:
                x = self.downs[level - 1](x)
            for block in blocks:  # type: ignore[attr-defined]  # a ModuleList is iterable
                x = block(x, stream)
        return self.leave(x)


class Decoder(nn.Module):
    """Raw latents, and their linear reconstruction in patches, to a correction of its pixels."""

    def __init__(self, config: AutoencoderConfig) -> None:
        super().__init__()
        time, height, width = config.patch
        self.enter = CausalConv3d(config.channels, config.widths[-1], (3, 3))
        self.levels = nn.ModuleList(
            nn.ModuleList(ResidualBlock(width) for _ in range(depth))
            for width, depth in zip(config.widths, config.decoder_depths, strict=True)
        )
        self.ups = nn.ModuleList(
            Up(coarse, fine, stride)
            for fine, coarse, stride in zip(
                config.widths, config.widths[1:], config.strides, strict=False
            )
        )
        self.sketch = CausalConv3d(3 * time * height * width, config.widths[0], (1, 3))
        self.leave = CausalConv3d(config.widths[0], 3 * time * height * width, (1, 3))
        _zero(self.leave)

    def forward(self, x: Tensor, sketch: Tensor, stream: Stream | None = None) -> Tensor:
        x = self.enter(x, stream)
        for level in reversed(range(len(self.levels))):
            if level == 0:
                x = x + self.sketch(sketch)
            for block in self.levels[level]:  # type: ignore[attr-defined]
                x = block(x, stream)
            if level:
                x = self.ups[level - 1](x)
        return self.leave(x)


class Autoencoder(nn.Module):
    """Encoder, decoder, and the statistics that make latents about zero mean, unit variance."""

    def __init__(self, config: AutoencoderConfig) -> None:
        super().__init__()
        self.config = config
        self.linear = LinearCodec(config.channels, config.time_stride, config.space_stride)
        self.encoder = Encoder(config) if config.encoder_depths else None
        self.decoder = Decoder(config)
        self.register_buffer("latent_mean", torch.zeros(config.channels))
        self.register_buffer("latent_std", torch.ones(config.channels))
        self.latent_mean: Tensor
        self.latent_std: Tensor

    @property
    def stride(self) -> tuple[int, int, int]:
        """(time, height, width): pixels that one latent stands for."""
        return self.config.time_stride, self.config.space_stride, self.config.space_stride

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the encoder's weights and the statistics: what latents on disk depend on.

        Of their values in bf16, so that the precision in which they are loaded changes nothing.
        """
        digest = hashlib.sha256()
        for name, tensor in sorted(self.state_dict().items()):
            if not name.startswith(("decoder.", "linear.synthesis.")):
                values = tensor.detach().to("cpu", torch.bfloat16).contiguous()
                digest.update(name.encode())
                digest.update(values.view(torch.uint8).numpy().tobytes())
        return digest.hexdigest()

    def normalise(self, raw: Float[Tensor, "B C T h w"]) -> Float[Tensor, "B C T h w"]:
        """Raw latents of the encoder to the latents that everything else sees."""
        mean, std = (_per_channel(x, raw) for x in (self.latent_mean, self.latent_std))
        return (raw - mean) / std

    def denormalise(self, latents: Float[Tensor, "B C T h w"]) -> Float[Tensor, "B C T h w"]:
        """The inverse of `normalise`."""
        mean, std = (_per_channel(x, latents) for x in (self.latent_mean, self.latent_std))
        return latents * std + mean

    def encode_raw(
        self, pixels: Float[Tensor, "B 3 F H W"], stream: Stream | None = None, first: bool = True
    ) -> Float[Tensor, "B C T h w"]:
        """Pixels in [-1, 1] to raw latents; `first` says that the clip begins here.

        Raises:
            ValueError: F is not 1 + n * time stride (n * time stride when not `first`), or the
                height or width is no multiple of the space stride.
        """
        time, space = self.config.time_stride, self.config.space_stride
        frames, height, width = pixels.shape[2:]
        if (frames - first) % time or height % space or width % space:
            raise ValueError(
                f"cannot encode {frames} frames of {width}x{height}: frames must be "
                f"{int(first)} + n * {time}, width and height multiples of {space}"
            )
        if first:
            pixels = self.led_in(pixels)
        raw = self.linear.encode(pixels)
        if self.encoder is None:
            return raw
        return raw + self.encoder(patchify(pixels, self.config.patch), stream)

    def led_in(self, pixels: Float[Tensor, "B 3 F H W"]) -> Float[Tensor, "B 3 _ H W"]:
        """The clip after its first frame repeated, so that it divides into latent frames."""
        before = repeat(pixels[:, :, 0], "b c h w -> b c f h w", f=self.config.time_stride - 1)
        return torch.cat([before, pixels], dim=2)

    def decode_raw(
        self, raw: Float[Tensor, "B C T h w"], stream: Stream | None = None, first: bool = True
    ) -> Float[Tensor, "B 3 F H W"]:
        """Raw latents to pixels, about [-1, 1], not clamped."""
        sketch = self.linear.decode(raw)
        correction = self.decoder(raw, patchify(sketch, self.config.patch), stream)
        pixels = sketch + unpatchify(correction, self.config.patch)
        return pixels[:, :, self.config.time_stride - 1 :] if first else pixels

    def encode(self, pixels: Float[Tensor, "B 3 F H W"]) -> Float[Tensor, "B C T h w"]:
        """Pixels in [-1, 1] to normalised latents, in one piece."""
        return self.normalise(self.encode_raw(pixels.to(self.latent_mean.dtype)))

    def decode(self, latents: Float[Tensor, "B C T h w"]) -> Float[Tensor, "B 3 F H W"]:
        """Normalised latents to pixels in [-1, 1], in one piece."""
        return self.decode_raw(self.denormalise(latents.to(self.latent_mean.dtype))).clamp(-1, 1)

    def encode_stream(self, chunks: Iterable[Tensor]) -> Iterator[Float[Tensor, "B C T h w"]]:
        """Like `encode` for a clip that arrives in pieces, in memory that does not grow.

        The first piece has 1 + n * time stride frames, the others n * time stride.
        """
        stream = Stream()
        for index, pixels in enumerate(chunks):
            raw = self.encode_raw(pixels.to(self.latent_mean.dtype), stream, first=index == 0)
            yield self.normalise(raw)

    def decode_stream(
        self, chunks: Iterable[Tensor], first: bool = True
    ) -> Iterator[Float[Tensor, "B 3 F H W"]]:
        """Like `decode` for latents that arrive in pieces of any number of latent frames.

        Args:
            first: the first latent frame of all begins a clip and stands for a single frame.
        """
        stream = Stream()
        for index, latents in enumerate(chunks):
            raw = self.denormalise(latents.to(self.latent_mean.dtype))
            yield self.decode_raw(raw, stream, first=first and index == 0).clamp(-1, 1)


def _zero(layer: CausalConv3d) -> None:
    nn.init.zeros_(layer.conv.weight)
    if layer.conv.bias is not None:
        nn.init.zeros_(layer.conv.bias)


def patchify(
    pixels: Float[Tensor, "B 3 F H W"], patch: tuple[int, int, int]
) -> Float[Tensor, "B P T h w"]:
    """Pixel-unshuffle over space and time."""
    q, r, s = patch
    return rearrange(pixels, "b c (t q) (h r) (w s) -> b (c q r s) t h w", q=q, r=r, s=s)


def unpatchify(
    patches: Float[Tensor, "B P T h w"], patch: tuple[int, int, int]
) -> Float[Tensor, "B 3 F H W"]:
    """The inverse of `patchify`."""
    q, r, s = patch
    return rearrange(patches, "b (c q r s) t h w -> b c (t q) (h r) (w s)", q=q, r=r, s=s)


def _per_channel(statistic: Tensor, like: Tensor) -> Tensor:
    return rearrange(statistic.to(like.dtype), "c -> c 1 1 1")
