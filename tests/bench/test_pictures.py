"""The pictures of the documentation."""

import numpy as np

from skyloom.bench import pictures
from skyloom.video import Video


def test_every_prompt_and_every_operation_has_its_row(skyloom):
    made = pictures.generated(skyloom, pictures.PROMPTS[:1], count=2, steps=1)
    assert made.shape == (128, 256, 3)
    whole = pictures.prompting(skyloom, count=2, steps=1)
    assert whole.shape == (10 * (128 + pictures.BAR), 256, 3)
    assert whole[: pictures.BAR].max() > max(pictures.DARK)  # a title


def test_a_strip_has_the_first_and_the_last_frame():
    frames = np.arange(5, dtype=np.uint8)[:, None, None, None].repeat(3, axis=3)
    assert pictures.strip(Video(frames, 12.0), 3)[0, :, 0].tolist() == [0, 2, 4]
