"""Large images: tiles that are one picture, memory of a tile alone, progress that is right."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from jaxtyping import Float
from tiny import Tiny, shaken
from torch.testing import assert_close

from skyloom import tiles
from skyloom.autoencoder import tiling as pieces
from skyloom.deblocking import level
from skyloom.flow import path
from skyloom.flow.noise import latent_noise
from skyloom.flow.schedule import refining, shift_of
from skyloom.flow.solver import euler
from skyloom.modelfolder import load_model
from skyloom.pipeline import Skyloom
from skyloom.request import Request
from skyloom.sampler import Piece, Settings
from skyloom.tiles import Growth, Tiling
from skyloom.transformer.patches import pack, unpack

ASKED = Request("a red ball", size=(384, 256), seconds=0, steps=4, seed=1)
SMALL = Tiling(side=4, overlap=2, batch=3)


@pytest.fixture(scope="module")
def skyloom(tiny: Tiny) -> Skyloom:
    model = load_model(tiny.model)
    for network in (model.transformer, model.text, model.autoencoder):
        shaken(network, 0.05)
    return Skyloom(model, "cpu", torch.float32)


def smooth_latents(grid: tuple[int, int]) -> Float[torch.Tensor, "C 1 H W"]:
    """Latents without an edge anywhere."""
    down, across = (torch.linspace(-1, 1, side) for side in grid)
    slope = down[:, None] + across
    return torch.stack([slope * weight for weight in torch.linspace(-1, 1, 8)])[:, None]


@given(st.integers(1, 200), st.integers(2, 20), st.data())
def test_tiles_cover_all_and_overlap(length: int, side: int, data: st.DataObject) -> None:
    overlap = data.draw(st.integers(0, side // 2))
    starts = Tiling(side, overlap).starts(length)
    assert starts[0] == 0 and starts[-1] == max(0, length - side)
    assert all(b - a <= side - overlap for a, b in pairwise(starts))
    assert starts == sorted(set(starts))


def test_the_way_to_a_large_image() -> None:
    growth = Growth.of(replace(ASKED, size=(2048, 1024)), 16)
    assert growth is not None
    assert growth.sizes == ((256, 128), (512, 256), (1024, 512), (2048, 1024))
    assert growth.calls[0] == ASKED.steps and growth.calls[-1] > 3 * growth.calls[-2]
    odd = Growth.of(replace(ASKED, size=(2048, 32)), 16)
    assert odd is not None and all(w % 16 == h % 16 == 0 and h >= 16 for w, h in odd.sizes)
    for change in ({"size": (128, 128)}, {"seconds": 1.0}, {"loop": True}):
        assert Growth.of(replace(ASKED, **change), 16) is None


def test_one_tile_is_the_whole(skyloom: Skyloom) -> None:
    """Where all of it fits into one tile, tiles are what the sampler makes of it."""
    latents = smooth_latents((6, 8))
    request = replace(ASKED, solver="euler")
    made = tiles.refined(latents, request, skyloom.sampler)
    noise = latent_noise(request.seed, tuple(latents.shape))
    patch = skyloom.transformer.config.patch
    packed, clean = (pack([value], [12.0], patch) for value in (noise, latents))
    schedule = refining(tiles.REFINED_FROM, 2, shift_of(len(clean.tokens)))
    sigmas = schedule[:, None].expand(-1, len(clean.tokens))
    nothing = tiles.Given.nothing(tuple(latents.shape))
    piece = Piece(request.words, "", 12.0, noise, nothing)
    settings = Settings(4, "euler", tiles.REFINED_GUIDANCE, request.rescale)
    denoise = skyloom.sampler.denoiser([piece], settings)
    x = euler(denoise, path.mix(clean.tokens, packed.tokens, sigmas[0]), sigmas)
    (whole,) = unpack(packed.with_tokens(x), 8, patch)
    assert_close(made, whole, atol=1e-5, rtol=1e-4)


def test_no_seam_is_left_between_tiles(skyloom: Skyloom) -> None:
    """Neighbouring tokens differ across the edge of a tile no more than inside of one."""
    latents = smooth_latents((28, 28))
    made = tiles.refined(latents, ASKED, skyloom.sampler, tiling=SMALL)
    starts = SMALL.starts(14)
    edges = sorted({2 * s for s in starts[1:]} | {2 * (s + SMALL.side) for s in starts[:-1]})
    step = (made[..., 1:] - made[..., :-1]).abs().mean(dim=(0, 1, 2))
    # Only borders of tokens are compared: within a token of 2x2 latents the network is its own.
    across = [step[edge - 1].item() for edge in edges]
    inside = [step[edge - 1].item() for edge in range(2, 28, 2) if edge not in edges]
    assert len(across) > 3 and len(inside) > 1
    assert np.mean(across) < 1.25 * np.mean(inside)
    alone = tiles.refined(latents, ASKED, skyloom.sampler, tiling=Tiling(side=4, overlap=0))
    assert not torch.equal(alone, made)


@pytest.mark.parametrize("side", [1, 3, 8])
def test_the_autoencoder_in_pieces_is_the_autoencoder(skyloom: Skyloom, side: int) -> None:
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 256, (1, 160, 224, 3), dtype=np.uint8)
    network = skyloom.autoencoder
    assert pieces.decoder_reach(network.config) < 10
    latents = pieces.encoded(network, picture, side)
    assert_close(latents, pieces.encoded(network, picture, 99), atol=1e-4, rtol=1e-4)
    parts = level(pieces.decoded(network, latents, side), network.stride[1]).astype(int)
    whole = next(skyloom.decode_stream(iter([latents])))
    assert np.abs(parts - whole).max() <= 1
    assert pieces.piece_size(network.config, (64, 99999))[0] == 64


@pytest.mark.parametrize("solver", ["multistep", "heun"])
def test_a_large_image(skyloom: Skyloom, solver: str) -> None:
    request = replace(ASKED, solver=solver)
    seen: list[tuple[int, int]] = []
    image = skyloom.generate(request, lambda step, count: seen.append((step, count)))
    assert (image.size, len(image.frames)) == ((384, 256), 1)
    total = skyloom.steps(request)
    assert seen == [(step, total) for step in range(1, total + 1)]
    assert np.array_equal(skyloom.generate(request).frames, image.frames)
    assert not np.array_equal(skyloom.generate(replace(request, seed=2)).frames, image.frames)
    several = skyloom.generate_many([request, replace(request, size=(64, 64))])
    assert np.array_equal(several[0].frames, image.frames)


def test_memory_is_that_of_a_piece(skyloom: Skyloom, monkeypatch: pytest.MonkeyPatch) -> None:
    pages = {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": 2**18}  # 1 GiB
    monkeypatch.setattr("os.sysconf", pages.__getitem__)
    assert skyloom.latent_shape(replace(ASKED, size=(2048, 2048))) == (8, 1, 128, 128)
