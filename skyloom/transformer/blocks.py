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
from skyloom.transformer.segments import Segments


@dataclass(frozen=True)
class Layout:
    """What is the same in all blocks.

    Attributes:
        segments: which rows of the joint sequence, all text and then all video, make a clip.
        cos, sin: rotary factors of the joint sequence; text stands at the origin.
    """

    segments: Segments
    cos: Float[Tensor, "N pairs"]
    sin: Float[Tensor, "N pairs"]


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
        """Modulated norm, projection, and norm of queries and keys (arXiv 2302.05442)."""
        h = _modulate(x, modulation[0], modulation[1])
        q, k, v = rearrange(self.qkv(h), "n (a h d) -> a n h d", a=3, h=self.heads)
        size = q.shape[-1:]
        # Layer norm: with its mean, twice as fast as RMS norm on a CPU and as good a bound.
        q, k = F.layer_norm(q, size, self.q_scale), F.layer_norm(k, size, self.k_scale)
        return torch.stack([q, k, v], dim=1)

    def finish(
        self,
        x: Float[Tensor, "N D"],
        attended: Float[Tensor, "N D"],
        modulation: tuple[Tensor, ...],
    ) -> Float[Tensor, "N D"]:
        """Gated attention output, then the gated MLP."""
        x = torch.addcmul(x, 1 + modulation[2], self.out(attended))
        h = _modulate(x, modulation[3], modulation[4])
        return torch.addcmul(x, 1 + modulation[5], self.fall(F.gelu(self.rise(h))))

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
        joint = torch.cat(
            [
                self.text.queries_keys_values(text, for_text),
                self.video.queries_keys_values(video, for_video),
            ]
        )
        turned = rotate(joint[:, :2], layout.cos, layout.sin)
        attended = attention(torch.cat([turned, joint[:, 2:]], dim=1), layout.segments)
        attended_text, attended_video = rearrange(attended, "n h d -> n (h d)").split(
            [len(text), len(video)]
        )
        text = self.text.finish(text, attended_text, for_text)
        video = self.video.finish(video, attended_video, for_video)
        return video, text


def _modulate(x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """Layer norm without affine weights, then scale and shift of the token's own."""
    return torch.addcmul(shift, F.layer_norm(x, x.shape[-1:], eps=1e-6), 1 + scale)
