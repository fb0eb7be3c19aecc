"""The network of the judges: what a clip shows, attribute by attribute.

Two paths look at the same clip. *Motion* sees every frame at half resolution, its neighbours and
their differences, and finds out where in each frame the first, second and third subject are (who
is who shows in what they do). *Detail* sees a few frames in full; kind, colour and material are
read off there, at the places that motion found. A small transformer over the frames tells
what happens.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float, Int
from torch import Tensor, nn

from skyloom.bench.attributes import CLIP_WORDS, ROLES, SUBJECT_WORDS

STILL_WORDS = ("place", "time", "weather", "look", "surface")
"""Words of the clip that a single frame shows: read off the details too."""


@dataclass(frozen=True)
class JudgeConfig:
    """Sizes of the judge.

    Attributes:
        detail: channels of the detail path at 1/4, 1/8 and 1/16 of the picture.
        motion: channels of the motion path at 1/8 and 1/16 of the picture.
        width: of the tokens of frames, one a frame.
        layers: transformer blocks over these tokens.
        heads: of their attention.
        moments: most frames of a clip.
    """

    detail: tuple[int, int, int] = (32, 80, 112)
    motion: tuple[int, int] = (48, 80)
    width: int = 112
    layers: int = 2
    heads: int = 4
    moments: int = 12


@dataclass(frozen=True)
class Findings:
    """What the network makes of clips, R roles in canonical order.

    Attributes:
        words: logits by attribute, (B, number of words).
        places: where each role is, log-probabilities over the cells of 1/8 of the picture.
        visible: logit of whether it can be seen at all in a frame.
    """

    words: dict[str, Float[Tensor, "B K"]]
    places: Float[Tensor, "B F R h w"]
    visible: Float[Tensor, "B F R"]


@dataclass(frozen=True)
class Told:
    """Where the roles truly are, told in place of the network's own finding while it learns.

    Attributes:
        places: shares over the cells, as `Findings.places`.
        visible: 1 where a role can be seen, 0 elsewhere.
        told: which clips are told.
    """

    places: Float[Tensor, "B F R h w"]
    visible: Float[Tensor, "B F R"]
    told: Float[Tensor, " B"]


class Residual(nn.Module):
    """x + conv(relu(norm(conv(relu(norm(x)))))); starts as the identity."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.GroupNorm(8, width) for _ in range(2))
        self.convs = nn.ModuleList(nn.Conv2d(width, width, 3, padding=1) for _ in range(2))
        nn.init.zeros_(self.convs[1].weight)  # type: ignore[arg-type]

    def forward(self, x: Float[Tensor, "N C H W"]) -> Float[Tensor, "N C H W"]:
        h = x
        for norm, conv in zip(self.norms, self.convs, strict=True):
            h = conv(F.relu(norm(h)))
        return x + h


class Neighbours(nn.Module):
    """Mixes each frame's features with those of the frame before and the frame after."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.mix = nn.Conv2d(3 * width, width, 1)
        nn.init.zeros_(self.mix.weight)

    def forward(self, x: Float[Tensor, "N C H W"], frames: int) -> Float[Tensor, "N C H W"]:
        """Frames of one clip follow each other along N."""
        clips = rearrange(x, "(b f) c h w -> b f c h w", f=frames)
        before = torch.cat([clips[:, :1], clips[:, :-1]], dim=1)
        after = torch.cat([clips[:, 1:], clips[:, -1:]], dim=1)
        three = torch.cat([before, clips, after], dim=2).flatten(0, 1)
        return x + self.mix(F.relu(three))


class Across(nn.Module):
    """Layers in space and in time: for each True a `Neighbours`, for each False a `Residual`."""

    def __init__(self, width: int, in_time: tuple[bool, ...]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            Neighbours(width) if time else Residual(width) for time in in_time
        )

    def forward(self, x: Float[Tensor, "N C H W"], frames: int) -> Float[Tensor, "N C H W"]:
        for layer in self.layers:
            x = layer(x, frames) if isinstance(layer, Neighbours) else layer(x)
        return x


class Motion(nn.Module):
    """All frames at half resolution: features at 1/8 and 1/16 of the full picture."""

    def __init__(self, config: JudgeConfig) -> None:
        super().__init__()
        fine, coarse = config.motion
        self.enter = nn.Conv2d(48 + 64, fine, 1)
        self.levels = nn.ModuleList(
            [Across(fine, (True, False)), Across(coarse, (False, True) * 2)]
        )
        self.downs = nn.ModuleList([nn.Conv2d(4 * fine, coarse, 1)])
        self.ups = nn.ModuleList([nn.Conv2d(coarse, fine, 1)])

    def forward(
        self, clip: Float[Tensor, "B F 3 H W"]
    ) -> tuple[Float[Tensor, "N C h w"], Float[Tensor, "N K g v"]]:
        """Features of frames, clip after clip along N: fine ones that know the coarse, coarse."""
        frames = clip.shape[1]
        gray = clip.mean(dim=2)
        change = torch.diff(gray, dim=1, prepend=gray[:, :1]).flatten(0, 1)[:, None]
        rows = clip[..., ::2, :] + clip[..., 1::2, :]
        small = ((rows[..., ::2] + rows[..., 1::2]) / 4).flatten(0, 1)
        x = torch.cat([F.pixel_unshuffle(small, 4), 4 * F.pixel_unshuffle(change, 8)], dim=1)
        x = self.enter(x.contiguous(memory_format=torch.channels_last))
        x = self.levels[0](x, frames)
        y = self.levels[1](self.downs[0](F.pixel_unshuffle(x, 2)), frames)
        return x + F.interpolate(self.ups[0](y), scale_factor=2.0, mode="nearest"), y


class Detail(nn.Module):
    """Some frames in full: features at 1/8 of the picture, and a vector for the whole of it."""

    def __init__(self, config: JudgeConfig) -> None:
        super().__init__()
        finest, fine, coarse = config.detail
        self.enter = nn.Conv2d(48, finest, 3, padding=1)
        self.levels = nn.ModuleList(
            [Residual(finest), nn.Sequential(Residual(fine), Residual(fine)), Residual(coarse)]
        )
        self.downs = nn.ModuleList([nn.Conv2d(4 * finest, fine, 1), nn.Conv2d(4 * fine, coarse, 1)])
        self.aside = nn.Conv2d(4 * finest, finest, 1)

    def forward(
        self, pictures: Float[Tensor, "N 3 H W"]
    ) -> tuple[Float[Tensor, "N C h w"], Float[Tensor, "N K"]]:
        """Features for the places of roles, and mean and deviation over the whole picture."""
        x = self.enter(F.pixel_unshuffle(pictures, 4).contiguous(memory_format=torch.channels_last))
        x = F.pixel_unshuffle(self.levels[0](x), 2)
        y = self.levels[1](self.downs[0](x))
        z = self.levels[2](self.downs[1](F.pixel_unshuffle(y, 2))).flatten(2)
        whole = torch.cat([z.mean(dim=2), z.float().std(dim=2).to(z.dtype)], dim=1)
        return torch.cat([y, F.relu(self.aside(x))], dim=1), whole


class FrameBlock(nn.Module):
    """A transformer block over the tokens of a clip."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2))
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.mlp = nn.Sequential(
            nn.Linear(width, 2 * width), nn.ReLU(), nn.Linear(2 * width, width)
        )

    def forward(self, x: Float[Tensor, "B N D"]) -> Float[Tensor, "B N D"]:
        q, k, v = rearrange(
            self.qkv(self.norms[0](x)), "b n (a k w) -> a b k n w", a=3, k=self.heads
        )
        h = F.scaled_dot_product_attention(q, k, v)
        x = x + self.out(rearrange(h, "b k n w -> b n (k w)"))
        return x + self.mlp(self.norms[1](x))


class JudgeNetwork(nn.Module):
    """Clips to logits of words."""

    def __init__(self, config: JudgeConfig) -> None:
        super().__init__()
        self.config = config
        fine, coarse = config.motion
        finest, middle, last = config.detail
        width, roles = config.width, len(ROLES)
        self.motion, self.detail = Motion(config), Detail(config)
        self.places = nn.Conv2d(fine, roles, 1)
        self.token = nn.Linear(2 * coarse + roles * (fine + 4), width)
        self.when = nn.Parameter(0.02 * torch.randn(config.moments, width))
        self.whole = nn.Parameter(0.02 * torch.randn(width))
        self.blocks = nn.ModuleList(FrameBlock(width, config.heads) for _ in range(config.layers))
        self.visible = nn.Linear(width, roles)
        self.subject = nn.Sequential(
            nn.LayerNorm(middle + finest + 2 * last + width),
            nn.Linear(middle + finest + 2 * last + width, 128),
            nn.ReLU(),
        )
        self.still = nn.Sequential(
            nn.LayerNorm(2 * last + width), nn.Linear(2 * last + width, 96), nn.ReLU()
        )
        self.of_subject = nn.ModuleDict(
            {name: nn.Linear(128, len(words)) for name, words in SUBJECT_WORDS.items()}
        )
        self.of_clip = nn.ModuleDict(
            {
                name: nn.Linear(96 if name in STILL_WORDS else width, len(words))
                for name, words in CLIP_WORDS.items()
            }
        )

    def forward(
        self,
        clip: Float[Tensor, "B F 3 H W"],
        looked: Int[Tensor, "B K"],
        told: Told | None = None,
    ) -> Findings:
        """Judge clips of one size.

        Args:
            clip: pixels in [-1, 1], 3 frames a second; height and width multiples of 16.
            looked: which frames the detail path sees, of each clip.
            told: the truth about places, for some clips, in training.
        """
        batch, frames = clip.shape[:2]
        fine, coarse = self.motion(clip)
        places = rearrange(self.places(fine), "(b f) r h w -> b f r (h w)", f=frames)
        places = places.float().log_softmax(dim=-1)
        shape = (-1, fine.shape[2])
        where = places.exp()
        if told is not None:
            seen = told.told[:, None, None] * told.visible
            where = torch.lerp(where, told.places.flatten(3), seen[..., None])
        tokens = self._tokens(where, fine, coarse, frames)
        visible = self.visible(tokens[:, 1:]).float()

        rows = torch.arange(batch, device=clip.device)[:, None]
        features, pictures = self.detail(clip[rows, looked].flatten(0, 1))
        features = rearrange(features, "(b k) c h w -> b k (h w) c", b=batch)
        whole = rearrange(pictures, "(b k) c -> b k c", b=batch).mean(dim=1)
        of_role = torch.einsum("bkrn,bknc->bkrc", where[rows, looked].to(features.dtype), features)
        shares = torch.sigmoid(visible[rows, looked]) + 1e-3
        if told is not None:
            shares = torch.lerp(shares, told.visible[rows, looked] + 1e-3, told.told[:, None, None])
        shares = (shares / shares.sum(dim=1, keepdim=True)).to(features.dtype)
        of_role = (of_role * shares[..., None]).sum(dim=1)
        story = tokens[:, 0]
        around = torch.cat([whole, story], dim=1)
        about = torch.cat([of_role, around[:, None].expand(-1, len(ROLES), -1)], dim=2)
        words = self._words(self.subject(about), self.still(around), story)
        places = rearrange(places, "b f r (h w) -> b f r h w", h=shape[1])
        return Findings(words, places, visible)

    def _tokens(
        self, where: Tensor, fine: Tensor, coarse: Tensor, frames: int
    ) -> Float[Tensor, "B N D"]:
        """One token for the whole clip, then one a frame: what is there and where the roles are."""
        height, width = fine.shape[2:]
        y = torch.linspace(-1, 1, height, device=fine.device).repeat_interleave(width)
        x = torch.linspace(-1, 1, width, device=fine.device).repeat(height)
        grid = torch.stack([x, y, x * x, y * y], dim=1)
        spots = (where @ grid).to(fine.dtype)
        cells = rearrange(fine, "(b f) c h w -> b f (h w) c", f=frames)
        seen = torch.einsum("bfrn,bfnc->bfrc", where.to(fine.dtype), cells)
        frame = rearrange(coarse, "(b f) c h w -> b f c (h w)", f=frames)
        parts = (frame.mean(dim=-1), frame.amax(dim=-1), seen.flatten(2), spots.flatten(2))
        tokens = self.token(torch.cat(parts, dim=2)) + self.when[:frames]
        tokens = torch.cat([self.whole.expand(len(tokens), 1, -1), tokens], dim=1)
        for block in self.blocks:
            tokens = block(tokens)
        return tokens

    def _words(self, subjects: Tensor, still: Tensor, story: Tensor) -> dict[str, Tensor]:
        words = {
            f"{role} {name}": head(subjects[:, index]).float()
            for name, head in self.of_subject.items()
            for index, role in enumerate(ROLES)
        }
        for name, head in self.of_clip.items():
            words[name] = head(still if name in STILL_WORDS else story).float()
        return words
