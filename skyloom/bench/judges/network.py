"""The network of the judges: what a clip shows, attribute by attribute.

Three paths look at the same clip. *Motion* sees every frame at half resolution, its neighbours and
their differences: a small transformer over the frames tells what happens, and where in each frame
the first, second and third subject are (who is who shows in what they do). *Portraits* are cut out
of a few frames there, brought to one scale, and tell kind, colour and material: a judge that took
a hopping thing for a rabbit would be blind to a hopping cube. *Scenery* sees a few whole
frames in full, for what is told of the clip at large.
"""

from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from einops import rearrange, repeat
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from skyloom.bench.judges.attributes import CLIP_WORDS, ROLES, SUBJECT_WORDS

STILL_WORDS = ("place", "time", "weather", "look", "surface")
"""Words of the clip that a single frame shows."""
PORTRAIT = 32
"""Pixels of the sides of a portrait."""
MARGIN = 1.3
"""Sides of a portrait over the longer side of the box of what it shows."""
LEAST_SIDE = 12.0
"""Pixels of the picture that the side of a portrait covers at least."""


@dataclass(frozen=True)
class JudgeConfig:
    """Sizes of the judge.

    Attributes:
        motion: channels of the motion path at 1/8 and 1/16 of the picture.
        portrait: channels of the portraits' path at 1/2, 1/4 and 1/8 of a portrait.
        scenery: channels of the scenery path at 1/4, 1/8 and 1/16 of the picture.
        width: of the tokens of frames, one a frame.
        layers: transformer blocks over these tokens.
        heads: of their attention.
        moments: most frames of a clip.
    """

    motion: tuple[int, int] = (48, 80)
    portrait: tuple[int, int, int] = (48, 96, 96)
    scenery: tuple[int, int, int] = (24, 48, 80)
    width: int = 112
    layers: int = 2
    heads: int = 4
    moments: int = 12


@dataclass(frozen=True)
class Findings:
    """What the network makes of clips, R roles in canonical order.

    Attributes:
        words: logits by attribute, (B, number of words).
        things: logit of a subject, any of them, in each cell of 1/8 of the picture.
        places: where each role is, log-probabilities over these cells.
        extents: logarithm of (width, height) of each role's box in fractions of the picture's.
        visible: logit of whether it can be seen at all in a frame.
    """

    words: dict[str, Float[Tensor, "B K"]]
    things: Float[Tensor, "B F h w"]
    places: Float[Tensor, "B F R h w"]
    extents: Float[Tensor, "B F R 2"]
    visible: Float[Tensor, "B F R"]


@dataclass(frozen=True)
class Boxes:
    """Where the roles are in the frames that are looked at.

    Attributes:
        boxes: centre x, y, width and height in fractions of the picture's.
        visible: whether, or how surely, the role can be seen; 0 where it cannot.
    """

    boxes: Float[Tensor, "B K R 4"]
    visible: Float[Tensor, "B K R"]


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


class Pyramid(nn.Module):
    """Pictures to a vector each, over three ever coarser levels.

    Args:
        patch: pixels of the sides of the patches that the picture is cut into at first.
        widths: channels of the levels.
    """

    def __init__(self, patch: int, widths: tuple[int, int, int]) -> None:
        super().__init__()
        self.patch = patch
        self.enter = nn.Conv2d(3 * patch**2, widths[0], 3, padding=1)
        self.levels = nn.ModuleList(Residual(width) for width in widths)
        self.downs = nn.ModuleList(
            nn.Conv2d(4 * fine, coarse, 1) for fine, coarse in pairwise(widths)
        )

    def forward(self, pictures: Float[Tensor, "N 3 H W"]) -> Float[Tensor, "N K"]:
        """Mean and maximum of the coarsest features, K twice as many."""
        x = F.pixel_unshuffle(pictures, self.patch)
        x = self.levels[0](self.enter(x.contiguous(memory_format=torch.channels_last)))
        for down, level in zip(self.downs, list(self.levels)[1:], strict=True):
            x = level(down(F.pixel_unshuffle(x, 2)))
        return torch.cat([x.mean(dim=(2, 3)), x.amax(dim=(2, 3))], dim=1)


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
        width, roles = config.width, len(ROLES)
        whole, face = 2 * config.scenery[-1], 2 * config.portrait[-1]
        self.motion = Motion(config)
        self.portrait = Pyramid(2, config.portrait)
        self.scenery = Pyramid(4, config.scenery)
        self.places = nn.Conv2d(fine, 1 + roles, 1)
        self.token = nn.Linear(2 * coarse + roles * (fine + 4), width)
        self.when = nn.Parameter(0.02 * torch.randn(config.moments, width))
        self.whole = nn.Parameter(0.02 * torch.randn(width))
        self.blocks = nn.ModuleList(FrameBlock(width, config.heads) for _ in range(config.layers))
        self.visible = nn.Linear(width, roles)
        self.extents = nn.Linear(fine, 2)
        self.subject = nn.Sequential(
            nn.LayerNorm(face + whole), nn.Linear(face + whole, 128), nn.ReLU()
        )
        self.still = nn.Sequential(
            nn.LayerNorm(whole + width), nn.Linear(whole + width, 96), nn.ReLU()
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
        told: Boxes | None = None,
    ) -> Findings:
        """Judge clips of one size.

        Args:
            clip: pixels in [-1, 1], 3 frames a second; height and width multiples of 16.
            looked: the frames of each clip that portraits and scenery are taken from.
            told: the truth about boxes in these frames, in training; the network's own findings
                where there is none.
        """
        batch, frames = clip.shape[:2]
        fine, coarse = self.motion(clip)
        height = fine.shape[2]
        scores = rearrange(self.places(fine).float(), "(b f) r h w -> b f r (h w)", f=frames)
        things, roles = scores[:, :, :1], scores[:, :, 1:]
        places = (roles + things).log_softmax(dim=-1)
        cells = rearrange(fine, "(b f) c h w -> b f (h w) c", f=frames)
        seen = torch.einsum("bfrn,bfnc->bfrc", places.exp().to(fine.dtype), cells)
        tokens = self._tokens(places.exp(), seen, coarse, fine.shape[2:])
        visible = self.visible(tokens[:, 1:]).float()
        extents = self.extents(seen).float()
        places = rearrange(places, "b f r (h w) -> b f r h w", h=height)
        things = rearrange(things, "b f 1 (h w) -> b f h w", h=height)

        rows = torch.arange(batch, device=clip.device)[:, None]
        if told is None:
            boxes = boxes_of(places[rows, looked], extents[rows, looked])
            told = Boxes(boxes, torch.sigmoid(visible[rows, looked]))
        pictures = clip[rows, looked]
        whole = rearrange(self.scenery(pictures.flatten(0, 1)), "(b k) c -> b k c", b=batch)
        whole = whole.mean(dim=1)
        about = torch.cat(
            [self._faces(pictures, told), repeat(whole, "b c -> b r c", r=len(ROLES))], 2
        )
        words = self._words(
            self.subject(about), self.still(torch.cat([whole, tokens[:, 0]], 1)), tokens[:, 0]
        )
        return Findings(words, things, places, extents, visible)

    def _faces(self, pictures: Float[Tensor, "B K 3 H W"], told: Boxes) -> Float[Tensor, "B R C"]:
        """What portraits of each role tell: the mean over the frames in which it can be seen."""
        shares = told.visible / told.visible.sum(dim=1, keepdim=True).clamp(min=1e-3)
        taken = told.visible > 1e-3
        width = 2 * self.config.portrait[-1]
        faces = pictures.new_zeros(*taken.shape, width)
        if taken.any():
            faces[taken] = self.portrait(portraits(pictures, told.boxes, taken))
        return (faces * shares[..., None].to(faces.dtype)).sum(dim=1)

    def _tokens(
        self, where: Tensor, seen: Tensor, coarse: Tensor, grid: tuple[int, int]
    ) -> Float[Tensor, "B N D"]:
        """One token for the whole clip, then one a frame: what is there and where the roles are."""
        frames = where.shape[1]
        y = torch.linspace(-1, 1, grid[0], device=seen.device).repeat_interleave(grid[1])
        x = torch.linspace(-1, 1, grid[1], device=seen.device).repeat(grid[0])
        spots = (where @ torch.stack([x, y, x * x, y * y], dim=1)).to(seen.dtype)
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


def boxes_of(
    places: Float[Tensor, "B K R h w"], extents: Float[Tensor, "B K R 2"]
) -> Float[Tensor, "B K R 4"]:
    """Boxes about the likeliest cell: the mean place within two cells of it, and the extents."""
    height, width = places.shape[3:]
    shares = places.exp().flatten(3)
    top = shares.argmax(dim=-1, keepdim=True)
    y = torch.arange(height, device=places.device).repeat_interleave(width)
    x = torch.arange(width, device=places.device).repeat(height)
    near = ((x - top % width).abs() <= 2) & ((y - top // width).abs() <= 2)
    shares = shares * near
    shares = shares / shares.sum(dim=-1, keepdim=True)
    centre = torch.stack(
        [(shares * (x + 0.5)).sum(-1) / width, (shares * (y + 0.5)).sum(-1) / height], -1
    )
    return torch.cat([centre, extents.clamp(-4, 0).exp()], dim=-1)


def portraits(
    pictures: Float[Tensor, "B K 3 H W"],
    boxes: Float[Tensor, "B K R 4"],
    taken: Bool[Tensor, "B K R"],
) -> Float[Tensor, "N 3 P P"]:
    """Square cuts around those boxes that are `taken`, all at one scale."""
    height, width = pictures.shape[3:]
    chosen, (batch, frame, _) = boxes[taken], taken.nonzero(as_tuple=True)
    longer = torch.maximum(chosen[:, 2] * width, chosen[:, 3] * height)
    side = (MARGIN * longer).clamp(min=LEAST_SIDE)
    steps = (torch.arange(PORTRAIT, device=boxes.device) + 0.5) * 2 / PORTRAIT - 1
    x = (2 * chosen[:, :1] - 1) + steps * (side / width)[:, None]
    y = (2 * chosen[:, 1:2] - 1) + steps * (side / height)[:, None]
    grid = torch.stack(
        [repeat(x, "n x -> n y x", y=PORTRAIT), repeat(y, "n y -> n y x", x=PORTRAIT)], dim=-1
    )
    cut = F.grid_sample(
        pictures[batch, frame].float(), grid.float(), padding_mode="border", align_corners=False
    )
    return cut.to(pictures.dtype)
