"""The blocks of the MMDiT: text and video each with weights of their own, one joint attention.

Stable Diffusion 3 report (arXiv 2403.03206), figure 2b, with the modulation shared by all blocks
plus a learned table per block (PixArt-alpha, arXiv 2310.00426, section 2.3), which saves a third
of the parameters.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float, Int
from torch import Tensor, nn

from skyloom.transformer.attention import attention
from skyloom.transformer.positions import rotate


@dataclass(frozen=True)
class Layout:
    """How the text and the video of each clip meet in the joint sequence; the same in all blocks.

    Attributes:
        text_lengths, video_lengths: tokens of each clip.
        cos, sin: rotary factors of the joint sequence, N its tokens; text stands at the origin.
    """

    text_lengths: tuple[int, ...]
    video_lengths: tuple[int, ...]
    cos: Float[Tensor, "N pairs"]
    sin: Float[Tensor, "N pairs"]

    @property
    def lengths(self) -> tuple[int, ...]:
        """Joint tokens of each clip."""
        return tuple(a + b for a, b in zip(self.text_lengths, self.video_lengths, strict=True))

    def joined(self, text: Tensor, video: Tensor) -> Tensor:
        """Each clip's text followed by its video, clip after clip, along the first axis."""
        pairs = zip(text.split(self.text_lengths), video.split(self.video_lengths), strict=True)
        return torch.cat([piece for pair in pairs for piece in pair])

    def parted(self, joint: Tensor) -> tuple[Tensor, Tensor]:
        """The inverse of `joined`: all text, all video."""
        lengths = [
            n for pair in zip(self.text_lengths, self.video_lengths, strict=True) for n in pair
        ]
        pieces = joint.split(lengths)
        return torch.cat(pieces[::2]), torch.cat(pieces[1::2])


class Modulated(nn.Module):
    """One modality's half of a block: what it does before and after the joint attention."""

    def __init__(self, width: int, heads: int, mlp_ratio: int) -> None:
        super().__init__()
        self.heads = heads
        self.table = nn.Parameter(torch.zeros(6, width))
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.q_scale = nn.Parameter(torch.ones(width // heads))
        self.k_scale = nn.Parameter(torch.ones(width // heads))
        self.out = nn.Linear(width, width, bias=False)
        self.rise = nn.Linear(width, mlp_ratio * width)
        self.fall = nn.Linear(mlp_ratio * width, width)

    def queries_keys_values(
        self, x: Float[Tensor, "N D"], modulation: tuple[Tensor, ...]
    ) -> Float[Tensor, "N 3 heads head"]:
        """Modulated norm, projection, and RMS norm of queries and keys (arXiv 2302.05442)."""
        h = _modulate(x, modulation[0], modulation[1])
        q, k, v = rearrange(self.qkv(h), "n (a h d) -> a n h d", a=3, h=self.heads)
        return torch.stack([rms_norm(q) * self.q_scale, rms_norm(k) * self.k_scale, v], dim=1)

    def finish(
        self,
        x: Float[Tensor, "N D"],
        attended: Float[Tensor, "N D"],
        modulation: tuple[Tensor, ...],
    ) -> Float[Tensor, "N D"]:
        """Gated attention output, then the gated MLP."""
        x = torch.addcmul(x, 1 + modulation[2], self.out(attended))
        h = _modulate(x, modulation[3], modulation[4])
        return torch.addcmul(
            x, 1 + modulation[5], self.fall(F.gelu(self.rise(h), approximate="tanh"))
        )

    def modulation(
        self, shared: Float[Tensor, "rows 6 D"], rows: Int[Tensor, " N"]
    ) -> tuple[Tensor, ...]:
        """(scale, shift, gate) twice for each token: the shared values plus this block's table."""
        return tuple((shared + self.table).index_select(0, rows).unbind(dim=1))


class Block(nn.Module):
    """One step of both streams."""

    def __init__(self, width: int, heads: int, mlp_ratio: int, text_mlp_ratio: int) -> None:
        super().__init__()
        self.video = Modulated(width, heads, mlp_ratio)
        self.text = Modulated(width, heads, text_mlp_ratio)

    def forward(
        self,
        video: Float[Tensor, "N D"],
        text: Float[Tensor, "L D"],
        video_shared: Float[Tensor, "rows 6 D"],
        video_rows: Int[Tensor, " N"],
        text_shared: Float[Tensor, "B 6 D"],
        text_rows: Int[Tensor, " L"],
        layout: Layout,
    ) -> tuple[Float[Tensor, "N D"], Float[Tensor, "L D"]]:
        """Both streams after joint attention and their MLPs.

        `shared` has a row of modulation for each noise level that occurs, `rows` says which row a
        token takes.
        """
        for_video = self.video.modulation(video_shared, video_rows)
        for_text = self.text.modulation(text_shared, text_rows)
        q, k, v = layout.joined(
            self.text.queries_keys_values(text, for_text),
            self.video.queries_keys_values(video, for_video),
        ).unbind(dim=1)
        q, k = rotate(q, layout.cos, layout.sin), rotate(k, layout.cos, layout.sin)
        attended = rearrange(attention(q, k, v, layout.lengths), "n h d -> n (h d)")
        attended_text, attended_video = layout.parted(attended)
        text = self.text.finish(text, attended_text, for_text)
        video = self.video.finish(video, attended_video, for_video)
        return video, text


def rms_norm(x: Float[Tensor, "N heads head"]) -> Float[Tensor, "N heads head"]:
    """x over its root mean square along the last axis, in x's precision."""
    return x * torch.rsqrt(x.float().square().mean(dim=-1, keepdim=True) + 1e-6).to(x.dtype)


def _modulate(x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """Layer norm without affine weights, then scale and shift of the token's own."""
    return torch.addcmul(shift, F.layer_norm(x, x.shape[-1:], eps=1e-6), 1 + scale)
