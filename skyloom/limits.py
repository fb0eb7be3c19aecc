"""What can be made: sizes, lengths and memory, checked before any work is done."""

import os

from skyloom.errors import UserError

LONGEST_SECONDS = 600.0
LARGEST_SIDE = 2048


def check_words(words: str, given: bool) -> None:
    """Refuse a clip of which nothing is said and nothing is given."""
    if not words.strip() and not given:
        raise UserError("The prompt is empty: say in words what the clip should show.")


def check_size(size: tuple[int, int], across: int, down: int) -> None:
    """See that a (width, height) lies on the model's grid.

    Raises:
        UserError: it does not; the message names the nearest size that does.
    """
    width, height = size
    nearest = (_nearest(width, across), _nearest(height, down))
    if nearest != (width, height):
        raise UserError(
            f"The model cannot make {width}x{height}: the nearest size it can is "
            f"{nearest[0]}x{nearest[1]} (multiples of {across}, up to {LARGEST_SIDE})."
        )


def check_seconds(seconds: float) -> None:
    """See that a clip is not absurdly long.

    Raises:
        UserError: it is; the message names the longest that works.
    """
    if seconds > LONGEST_SECONDS:
        raise UserError(
            f"The model cannot make {seconds:g} seconds: the longest it can is "
            f"{LONGEST_SECONDS:g} seconds, {LONGEST_SECONDS / 60:g} minutes."
        )


def check_memory(frames: int, size: tuple[int, int], width: int) -> None:
    """See that decoding and the frames themselves fit into the machine's memory.

    Args:
        width: channels of the decoder's finest level, which hold most of what it needs.

    Raises:
        UserError: they do not; the message says how much is needed.
    """
    pixels = frames * size[0] * size[1]
    needed = pixels * 3 * 6 + 20 * size[0] * size[1] // 16 * width * 8 + 600 * 2**20
    there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if needed > there:
        raise UserError(
            f"{frames} frames of {size[0]}x{size[1]} need about {needed / 2**30:.1f} GiB of memory "
            f"and this machine has {there / 2**30:.1f}: make it smaller or shorter."
        )


def _nearest(side: int, step: int) -> int:
    return min(max(step, round(side / step) * step), LARGEST_SIDE // step * step)
