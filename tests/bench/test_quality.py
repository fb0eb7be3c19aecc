"""PSNR and SSIM against scikit-image, which follows the same paper."""

import numpy as np
import pytest

from skyloom.bench.quality import Likeness, psnr, ssim


@pytest.fixture
def pair():
    rng = np.random.default_rng(0)
    y, x = np.mgrid[0:40, 0:56]
    a = np.stack([x * 4, y * 5, 128 + 90 * np.sin(x / 5) * np.cos(y / 7)], axis=-1)
    a = np.stack([a, a[::-1]])
    b = a + rng.normal(0, 12, a.shape)
    return a.clip(0, 255).astype(np.uint8), b.clip(0, 255).astype(np.uint8)


def test_ssim_is_that_of_scikit_image(pair):
    metrics = pytest.importorskip("skimage.metrics")
    expected = [
        metrics.structural_similarity(
            a, b, channel_axis=-1, data_range=255, gaussian_weights=True, sigma=1.5,
            use_sample_covariance=False,
        )
        for a, b in zip(*pair, strict=True)
    ]  # fmt: skip
    np.testing.assert_allclose(ssim(*pair), expected, atol=1e-6)


def test_psnr_is_that_of_scikit_image(pair):
    metrics = pytest.importorskip("skimage.metrics")
    likeness = Likeness()
    likeness.add(*pair)
    expected = metrics.peak_signal_noise_ratio(*pair, data_range=255)
    assert likeness.psnr == pytest.approx(expected, abs=1e-4)


def test_pieces_give_what_the_whole_gives(pair):
    whole, parts = Likeness(), Likeness()
    whole.add(*pair)
    for frame in range(2):
        parts.add(pair[0][frame : frame + 1], pair[1][frame : frame + 1])
    assert parts.psnr == pytest.approx(whole.psnr) and parts.ssim == pytest.approx(whole.ssim)


def test_equal_clips(pair):
    likeness = Likeness()
    likeness.add(pair[0], pair[0])
    assert likeness.psnr == 100.0 and likeness.ssim == pytest.approx(1.0)
    assert psnr(255.0**2) == 0.0


def test_a_picture_smaller_than_the_window_is_refused():
    with pytest.raises(ValueError, match="8x8"):
        ssim(np.zeros((1, 8, 8, 3), np.uint8), np.zeros((1, 8, 8, 3), np.uint8))
