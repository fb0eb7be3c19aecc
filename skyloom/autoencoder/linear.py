"""The best linear codec, from which the network starts.

Principal components of blocks of pixels are what any autoencoder would learn first, and they cost
one decomposition instead of an hour of gradients. The convolutions begin as zero on top of them
and learn what is not linear.
"""

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn


class LinearCodec(nn.Module):
    """Each block of (time, space, space) pixels to `channels` numbers and back, block by block."""

    def __init__(self, channels: int, time: int, space: int) -> None:
        super().__init__()
        self.time, self.space = time, space
        self.analysis = nn.Linear(3 * time * space**2, channels)
        self.synthesis = nn.Linear(channels, 3 * time * space**2)

    def blocks(self, pixels: Float[Tensor, "B 3 F H W"]) -> Float[Tensor, "B T h w P"]:
        """Pixels cut into flat blocks; F, H and W are multiples of the block."""
        return rearrange(
            pixels,
            "b c (t q) (h r) (w s) -> b t h w (c q r s)",
            q=self.time, r=self.space, s=self.space,
        )  # fmt: skip

    def encode(self, pixels: Float[Tensor, "B 3 F H W"]) -> Float[Tensor, "B C T h w"]:
        """Pixels to the coordinates of their blocks along the components."""
        return rearrange(self.analysis(self.blocks(pixels)), "b t h w c -> b c t h w")

    def decode(self, raw: Float[Tensor, "B C T h w"]) -> Float[Tensor, "B 3 F H W"]:
        """The mirror of `encode`."""
        return rearrange(
            self.synthesis(rearrange(raw, "b c t h w -> b t h w c")),
            "b t h w (c q r s) -> b c (t q) (h r) (w s)",
            c=3, q=self.time, r=self.space, s=self.space,
        )  # fmt: skip

    @torch.no_grad()
    def fit(self, blocks: Float[Tensor, "N P"]) -> None:
        """Set both matrices from the principal components of `blocks`.

        Component i has the deviation d_i. It is divided by the root of d_i and not by d_i itself:
        between pixels (where brightness drowns all else) and whitened ones (where the finest
        texture counts as much as brightness) this leaves the coarse ones large, so that noise
        hides fine detail first, as it does in an image. The mean variance of a channel is 1.
        """
        channels = self.analysis.out_features
        mean = blocks.mean(dim=0)
        rank = min(channels + 16, *blocks.shape)
        _, values, basis = torch.svd_lowrank(blocks - mean, q=rank, niter=3)
        basis, deviation = basis[:, :channels], values[:channels] / len(blocks) ** 0.5
        scale = (deviation * deviation.mean()).sqrt()
        self.analysis.weight.copy_((basis / scale).T)
        self.analysis.bias.copy_(-(mean @ basis) / scale)
        self.synthesis.weight.copy_(basis * scale)
        self.synthesis.bias.copy_(mean)
