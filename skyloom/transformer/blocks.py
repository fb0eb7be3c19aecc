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
from skyloom.transformer.context import Exchange
from skyloom.transformer.positions import rotate
from skyloom.transformer.segments import Segments


@dataclass(frozen=True)
class Layout:
    """What is the same in all blocks.

    Attributes:
        segments: which rows of the joint sequence, all text and then all video, make a clip.
        cos, sin: rotary factors of the video's tokens; text stands at the origin and does not turn.
        exchange: how attention gets the rows that other processes have; None where all are here.
    """

    segments: Segments
    cos: Float[Tensor, "N pairs"]
    sin: Float[Tensor, "N pairs"]
    exchange: Exchange | None = None


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
        self, x: Float[Tensor, "N D"], modulation: tuple[Tensor, ...], layout: Layout | None
    ) -> Float[Tensor, "N 3 heads head"]:
        """Modulated norm, projection, and norm of queries and keys (arXiv 2302.05442).

        Args:
            layout: by which queries and keys are turned; None leaves them.
        """
        h = _modulate(x, modulation[0], modulation[1])
        qkv = rearrange(self.qkv(h), "n (a h d) -> n a h d", a=3, h=self.heads)
        queries_keys, values = qkv.split([2, 1], dim=1)
        # Layer norm: with its mean, twice as fast as RMS norm on a CPU and as good a bound.
        scales = torch.stack([self.q_scale, self.k_scale])[:, None].expand(2, self.heads, -1)
        normed = F.layer_norm(queries_keys, queries_keys.shape[-1:]) * scales
        if layout is not None:
            normed = rotate(normed, layout.cos, layout.sin)
        return torch.cat([normed, values], dim=1)

    def finish(
        self,
        x: Float[Tensor, "N D"],
        attended: Float[Tensor, "N D"],
        modulation: tuple[Tensor, ...],
    ) -> Float[Tensor, "N D"]:
        """Gated attention output, then the gated MLP."""
        x = x + modulation[2] * self.out(attended)
        h = _modulate(x, modulation[3], modulation[4])
        return x + modulation[5] * self.fall(F.gelu(self.rise(h)))

    def modulation(
        self, shared: Float[Tensor, "rows 6 D"], rows: Int[Tensor, " N"]
    ) -> tuple[Tensor, ...]:
        """(scale, shift, gate) twice for each token: the shared values plus this block's table.

        Scales and gates lie about one. That one is added to the few rows and not to every token.
        """
        about = shared.new_tensor([1, 0, 1, 1, 0, 1])[:, None]
        return tuple((shared + self.table + about).index_select(0, rows).unbind(dim=1))


class Block(nn.Module):
    """One step of both streams.

    Attributes:
        attend: the door to attention; who compiles the block keeps it out, for its work depends on
            how long each clip is, and all else only on how many tokens there are.
    """

    def __init__(self, width: int, heads: int, mlp_ratio: int, text_mlp_ratio: int) -> None:
        super().__init__()
        self.video = Modulated(width, heads, mlp_ratio)
        self.text = Modulated(width, heads, text_mlp_ratio)
        self.attend = attention

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
                self.text.queries_keys_values(text, for_text, None),
                self.video.queries_keys_values(video, for_video, layout),
            ]
        )
        attended = self.attend(joint, layout.segments, layout.exchange)
        attended_text, attended_video = rearrange(attended, "n h d -> n (h d)").split(
            [len(text), len(video)]
        )
        text = self.text.finish(text, attended_text, for_text)
        video = self.video.finish(video, attended_video, for_video)
        return video, text


def _modulate(x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """Layer norm without affine weights, then scale and shift of the token's own.

    Products and sums of two tensors: `addcmul` is quicker forward, but its backward multiplies by
    a scalar tensor, once more over every token.
    """
    return F.layer_norm(x, x.shape[-1:], eps=1e-6) * scale + shift
