"""What a decoder leaves in its pixels, as numbers: what the detector is taught on.

Of crops of pairs of frames: how steep the steps between neighbours are, how power falls off with
frequency, whether steps repeat on a grid, and what changes from a frame to the next. In the manner
of steganalysis, where such statistics of residuals tell how a picture was processed (Fridrich and
Kodovsky, "Rich Models for Steganalysis of Digital Images", 2012), and of the spectra by which
generated pictures are told (Durall et al., arXiv 2003.01826).
"""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from jaxtyping import Float32, UInt8

STEPS = (0.25, 0.75, 1.5, 3.0, 6.0, 12.0, 25.0)
"""Sizes of steps, in levels of 0..255 over the channel's quantum, whose shares are counted."""
CHANGES = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
PERIODS = (32.0, 16.0, 8.0, 4.0, 12.0, 10.7)
"""Pixels after which a grid may repeat: latents and patches, at whole and at reduced size."""
LUMA = np.array([0.299, 0.587, 0.114], np.float32)

Plane = Float32[np.ndarray, "N h w"]


def traces(crops: UInt8[np.ndarray, "N two h w 3"]) -> Float32[np.ndarray, "E"]:
    """The statistics of some crops, averaged over them."""
    pixels = crops.astype(np.float32)
    luma = pixels @ LUMA
    blue, red = pixels[:, 0, ..., 2] - luma[:, 0], pixels[:, 0, ..., 0] - luma[:, 0]
    found = [*_of_plane(luma[:, 0], 2.0), *_of_plane(blue, 1.0), *_of_plane(red, 1.0)]
    found += _of_changes(luma[:, 1] - luma[:, 0])
    found += [
        np.log1p(luma[:, 0].std(axis=(1, 2)).mean()),
        np.log1p(np.abs(blue).mean()),
        np.log1p(np.abs(red).mean()),
        luma[:, 0].mean() / 128,
    ]
    return np.array(found, np.float32)


def _of_plane(plane: Plane, quantum: float) -> Iterator[float]:
    """Steps, spectrum and grid of one channel."""
    across, down = np.diff(plane, axis=2), np.diff(plane, axis=1)
    for steps in (across, down, np.diff(across, axis=2), np.diff(down, axis=1)):
        size = np.abs(steps) / quantum
        yield from ((size <= edge).mean() for edge in STEPS)
        yield np.log1p(size.mean())
        yield np.log1p(size.std())
    yield from _spectrum(plane)
    for steps, axis in ((across, 1), (down, 2)):
        yield from _grid(np.abs(steps).mean(axis=axis))


def _spectrum(plane: Plane) -> Iterator[float]:
    """Share of power in eight rings of frequency; the axes against the diagonals in high ones."""
    side = plane.shape[1]
    window = np.hanning(side).astype(np.float32)
    centred = plane - plane.mean(axis=(1, 2), keepdims=True)
    power = np.abs(np.fft.rfft2(centred * window[:, None] * window)) ** 2
    vertical, horizontal = np.abs(np.fft.fftfreq(side))[:, None], np.fft.rfftfreq(side)[None]
    radius = np.hypot(vertical, horizontal)
    total = power.sum(axis=(1, 2)) + 1e-3
    edges = np.linspace(0, 0.5, 9)
    for low, high in pairwise(edges):
        ring = (radius >= low) & (radius < high)
        yield np.log(power[:, ring].sum(axis=1) / total + 1e-7).mean()
    fine = radius > 0.25
    axes = fine & ((horizontal < 0.08) | (vertical < 0.08))
    on, off = power[:, axes].mean(axis=1), power[:, fine & ~axes].mean(axis=1)
    yield np.log((on + 1e-3) / (off + 1e-3)).mean()


def _grid(profile: Float32[np.ndarray, "N L"]) -> Iterator[float]:
    """How much of the steps along an axis repeats after each period, wherever the grid begins."""
    profile = profile - profile.mean(axis=1, keepdims=True)
    total = (profile**2).sum(axis=1).mean() + 1e-3
    for period in PERIODS:
        wave = np.exp(-2j * np.pi * np.arange(profile.shape[1]) / period)
        yield np.log((np.abs(profile @ wave) ** 2).mean() / total + 1e-4)


def _of_changes(change: Plane) -> Iterator[float]:
    """Sizes and spectrum of what changes to the next frame."""
    size = np.abs(change)
    yield from ((size <= edge).mean() for edge in CHANGES)
    yield np.log1p(size.mean())
    yield np.log1p(size.std())
    side = change.shape[1]
    power = np.abs(np.fft.rfft2(change)) ** 2
    radius = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None])
    edges = np.linspace(0, 0.5, 6)
    for low, high in pairwise(edges):
        ring = (radius >= low) & (radius < high)
        share = power[:, ring].sum(axis=1) / (power.sum(axis=(1, 2)) + 1e-3)
        yield np.log(share + 1e-7).mean()
