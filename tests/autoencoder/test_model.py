"""The mathematics of the autoencoder: causal in time, streams equal one piece, exact inverses."""

from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import shaken
from torch.testing import assert_close as torch_assert_close

from skyloom.autoencoder.config import AutoencoderConfig
from skyloom.autoencoder.layers import CausalConv3d, Down, ResidualBlock, Stream, Up
from skyloom.autoencoder.linear import LinearCodec
from skyloom.autoencoder.model import Autoencoder, patchify, unpatchify

TINY = AutoencoderConfig(
    channels=6, widths=(8, 16, 16), encoder_depths=(1, 1, 1), decoder_depths=(1, 1, 1)
)  # stride (4, 16, 16)


def assert_close(actual: torch.Tensor, expected: torch.Tensor, tolerance: float = 1e-4) -> None:
    """Equal but for the order of sums, which convolutions choose by the length of the clip."""
    torch_assert_close(actual, expected, atol=tolerance, rtol=tolerance)


@pytest.fixture(scope="module")
def model() -> Autoencoder:
    torch.manual_seed(0)
    model = shaken(Autoencoder(TINY))
    model.latent_mean.copy_(torch.linspace(-1, 1, 6))
    model.latent_std.copy_(torch.linspace(0.5, 2, 6))
    return model


def clip(frames: int, height: int = 32, width: int = 48) -> torch.Tensor:
    generator = torch.Generator().manual_seed(frames)
    return torch.rand(2, 3, frames, height, width, generator=generator) * 2 - 1


def test_strides_follow_from_the_layers() -> None:
    assert (TINY.time_stride, TINY.space_stride) == (4, 16)
    other = AutoencoderConfig(
        patch=(1, 2, 2),
        widths=(8, 8),
        strides=((4, 2),),
        encoder_depths=(0, 1),
        decoder_depths=(1, 0),
    )
    assert Autoencoder(other).stride == (4, 4, 4)


@pytest.mark.parametrize(
    "lists",
    [
        {"widths": (8, 8)},
        {"strides": ((2, 2),)},
        {"encoder_depths": (1,)},
        {"decoder_depths": (1, 1)},
    ],
)
def test_levels_that_do_not_match(lists: dict) -> None:
    with pytest.raises(ValueError, match="must have equal length"):
        AutoencoderConfig(**lists)


def test_widths_that_do_not_divide() -> None:
    with pytest.raises(ValueError, match="a level of 8 channels does not divide into one of 12"):
        AutoencoderConfig(widths=(8, 12, 12))
    with pytest.raises(ValueError, match="48 unshuffled channels do not divide into 7"):
        Down(12, 7, (1, 2))
    with pytest.raises(ValueError, match="28 channels to shuffle are no multiple of 12"):
        Up(12, 7, (1, 2))


@pytest.mark.parametrize(("frames", "latents"), [(1, 1), (5, 2), (17, 5)])
@pytest.mark.parametrize("size", [(32, 48), (48, 16)])
def test_any_length_and_size(
    model: Autoencoder, frames: int, latents: int, size: tuple[int, int]
) -> None:
    encoded = model.encode(clip(frames, *size))
    assert encoded.shape == (2, 6, latents, size[0] // 16, size[1] // 16)
    decoded = model.decode(encoded)
    assert decoded.shape == (2, 3, frames, *size)
    assert decoded.abs().max() <= 1


def test_the_start_of_a_clip_encodes_to_the_start_of_its_encoding(model: Autoencoder) -> None:
    pixels = clip(17)
    whole = model.encode(pixels)
    for latents in range(1, 6):
        start = model.encode(pixels[:, :, : 1 + 4 * (latents - 1)])
        assert_close(start, whole[:, :, :latents])
        assert_close(
            model.decode(whole[:, :, :latents]),
            model.decode(whole)[:, :, : 1 + 4 * (latents - 1)],
        )


def test_what_comes_later_changes_nothing_before(model: Autoencoder) -> None:
    pixels = clip(9)
    changed = pixels.clone()
    changed[:, :, 5:] = -changed[:, :, 5:]
    before, after = model.encode(pixels), model.encode(changed)
    assert_close(before[:, :, :2], after[:, :, :2])
    assert (before[:, :, 2] - after[:, :, 2]).abs().max() > 0.01


def test_an_image_is_the_first_frame_of_a_clip(model: Autoencoder) -> None:
    pixels = clip(9)
    image = model.encode(pixels[:, :, :1])
    assert_close(image, model.encode(pixels)[:, :, :1])
    whole = model.decode(model.encode(pixels))
    assert_close(model.decode(image), whole[:, :, :1])


def pieces(total: int, cuts: set[int]) -> list[int]:
    """Lengths of the pieces when `total` things are cut at `cuts`."""
    edges = [0, *sorted(cuts), total]
    return [b - a for a, b in pairwise(edges)]


@given(st.sets(st.integers(1, 5)))
@settings(max_examples=12)
def test_streams_equal_one_piece(model: Autoencoder, cuts: set[int]) -> None:
    pixels, lengths = clip(21), pieces(6, cuts)
    chunks = pixels.split([4 * length - 3 * (i == 0) for i, length in enumerate(lengths)], dim=2)
    latents = model.encode(pixels)
    assert_close(torch.cat(list(model.encode_stream(chunks)), dim=2), latents)
    decoded = list(model.decode_stream(latents.split(lengths, dim=2)))
    assert [piece.shape[2] for piece in decoded] == [chunk.shape[2] for chunk in chunks]
    assert_close(torch.cat(decoded, dim=2), model.decode(latents))


def test_a_stream_remembers_no_more_as_it_goes_on() -> None:
    layer, stream = CausalConv3d(2, 2, (3, 1)), Stream()
    for _ in range(3):
        layer(torch.randn(1, 2, 4, 2, 2), stream)
        kept = stream.recall(layer)
        assert kept is not None and kept.shape[2] == 2
        # A copy: a view would keep the whole chunk in memory.
        assert kept.untyped_storage().nbytes() == kept.nbytes


@pytest.mark.parametrize(
    ("shape", "sentence"),
    [
        ((1, 3, 4, 32, 32), "4 frames of 32x32: frames must be 1 . n . 4"),
        ((1, 3, 5, 32, 40), "5 frames of 40x32: .* multiples of 16"),
    ],
)
def test_what_cannot_be_encoded(model: Autoencoder, shape: tuple, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        model.encode(torch.zeros(shape))


def test_exact_inverses(model: Autoencoder) -> None:
    pixels = clip(4)
    assert torch.equal(unpatchify(patchify(pixels, (2, 4, 4)), (2, 4, 4)), pixels)
    raw = torch.randn(2, 6, 3, 2, 2)
    assert_close(model.denormalise(model.normalise(raw)), raw)
    constant = model.latent_mean.reshape(1, 6, 1, 1, 1).expand(1, 6, 1, 2, 2)
    assert_close(model.normalise(constant), torch.zeros(1, 6, 1, 2, 2))


def test_blocks_start_as_the_identity_and_levels_as_shuffles() -> None:
    x = torch.randn(1, 8, 2, 4, 4)
    constant = (ResidualBlock(8)(x) - x).flatten(2)
    assert_close(constant, constant[:, :, :1].expand_as(constant))
    down, up = Down(8, 8 * 8, (2, 2)), Up(8 * 8, 8, (2, 2))
    for layer in (down, up):
        torch.nn.init.zeros_(layer.mix.weight)
        torch.nn.init.zeros_(layer.mix.bias)
    assert_close(up(down(x)), x)  # nothing to average: the shortcuts lose nothing


def test_a_fresh_network_is_the_linear_codec() -> None:
    model = Autoencoder(TINY).eval()
    pixels = clip(8)
    raw = model.encode_raw(pixels, first=False)
    assert_close(raw, model.linear.encode(pixels))
    assert_close(model.decode_raw(raw, first=False), model.linear.decode(raw))


def test_the_linear_codec_keeps_what_varies_most() -> None:
    codec = LinearCodec(3, 1, 2)  # blocks of 12 numbers
    basis, _ = torch.linalg.qr(torch.randn(12, 12))
    deviations = torch.tensor([5.0, 3.0, 2.0] + [0.1] * 9)
    blocks = torch.randn(4000, 12) * deviations @ basis.T + 0.7
    codec.fit(blocks)
    pixels = codec.decode(blocks[:, :3].reshape(4000, 3, 1, 1, 1))  # (blocks as 2x2 pixels)
    cut = codec.blocks(pixels)
    assert_close(codec.decode(codec.encode(pixels)), pixels)
    assert cut.shape == (4000, 1, 1, 1, 12)
    raw = codec.analysis(blocks)
    left = codec.synthesis(raw) - blocks
    assert left.square().sum(1).mean().item() == pytest.approx(9 * 0.1**2, rel=0.05)
    # The mean variance is 1 and the deviations keep the roots of their proportions.
    assert raw.var(dim=0).mean().item() == pytest.approx(1.0, rel=0.01)
    assert (raw.std(dim=0) / raw[:, 2].std()).tolist() == pytest.approx(
        [(5 / 2) ** 0.5, (3 / 2) ** 0.5, 1.0], rel=0.03
    )


def test_the_fingerprint_is_of_what_latents_depend_on() -> None:
    def fingerprint(change: str = "", dtype: torch.dtype = torch.float32) -> str:
        torch.manual_seed(0)
        model = Autoencoder(TINY).requires_grad_(False)
        if change:
            model.state_dict()[change].view(-1)[0] += 1.0
        return model.to(torch.bfloat16).to(dtype).fingerprint

    plain = fingerprint()
    assert plain == fingerprint() == fingerprint(dtype=torch.bfloat16)
    for same in ("decoder.leave.conv.weight", "linear.synthesis.weight"):
        assert fingerprint(same) == plain
    for other in ("encoder.enter.conv.weight", "linear.analysis.weight", "latent_mean"):
        assert fingerprint(other) != plain
