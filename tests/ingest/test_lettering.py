"""Laid-over text is found at the sizes that films have it in, and textures are not taken for it."""

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from skyloom.data.footage import MOVING, real_sources
from skyloom.ingest.lettering import held, share
from skyloom.ingest.recipe import IngestRecipe

pytest.importorskip("cv2")

MOST = IngestRecipe().text
SAID = "I told you not to come here tonight."


def texture(seed: int, size: tuple[int, int] = (1280, 720)) -> np.ndarray:
    """Soft and fine noise of every scale, as stone and leaves have it."""
    rng = np.random.default_rng(seed)
    found = np.full((size[1], size[0], 3), 128.0)
    for cell in (4, 16, 64, 160):
        for channel in range(3):
            coarse = rng.normal(0, 1, (size[1] // cell + 2, size[0] // cell + 2))
            fine = Image.fromarray(coarse.astype(np.float32)).resize(size, Image.Resampling.BICUBIC)
            found[..., channel] += 6 * cell**0.45 * np.asarray(fine)
    return found.clip(0, 255).astype(np.uint8)


def lettered(frame: np.ndarray, text: str, pixels: int, outlined: bool = True) -> np.ndarray:
    image = Image.fromarray(frame)
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(pixels)
    place = ((image.width - draw.textlength(text, font=font)) / 2, 0.85 * image.height)
    rim = {"stroke_width": max(1, pixels // 14), "stroke_fill": (0, 0, 0)} if outlined else {}
    draw.text(place, text, font=font, fill=(255, 255, 255), **rim)
    return np.asarray(image)


@pytest.mark.parametrize("pixels", [32, 40, 56, 72])
def test_subtitles_and_titles_are_found(pixels: int) -> None:
    for seed in range(2):
        frame = texture(seed)
        assert share(frame) <= MOST
        assert share(lettered(frame, SAID, pixels)) > MOST
        assert share(lettered(frame, "NEWS24", pixels)) > MOST


def test_more_text_covers_more_and_dark_letters_count_too() -> None:
    frame = texture(3)
    few, many = (share(lettered(frame, text, 40)) for text in ("some words", SAID))
    assert few < many < 0.1
    assert share(255 - lettered(frame, SAID, 40, outlined=False)) > MOST


def test_what_is_no_text() -> None:
    assert share(np.zeros((48, 64, 3), np.uint8)) == 0.0
    fence = np.full((360, 640, 3), 200, np.uint8)
    fence[100:140, 20:600:24] = fence[100:140, 21:600:24] = fence[100:140, 22:600:24] = 20
    assert share(fence) == 0.0  # strokes in a row, but all alike
    for path in real_sources("train") + real_sources("heldout"):
        if path.suffix in MOVING or path.stem in ("page", "faust_github"):  # these are of text
            continue
        assert share(np.asarray(Image.open(path).convert("RGB"))) <= MOST, path.name


def test_text_has_to_stay() -> None:
    assert held([]) == 0.0
    assert held([0.01]) == held([0.01, 0.02]) == 0.01
    assert held([0.0, 0.03, 0.03, 0.0, 0.03]) == 0.0
    assert held([0.0, 0.03, 0.02, 0.04, 0.0]) == 0.02
