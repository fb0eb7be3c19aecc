"""The combinations that are never rendered for training: they are what held-out prompts ask for.

A combination is (kind, color, place). About one in twenty is held out, by a hash of its words, so
that the list is the same everywhere and for ever. Every kind, colour and place is still seen in
training; only their meeting is not.
"""

import zlib
from functools import cache
from itertools import product

from skyloom.world.scene import COLORS, KINDS, PLACES, Scene

_ONE_IN = 20


def is_held_out_triple(kind: str, color: str, place: str) -> bool:
    """Whether a subject of this kind and colour is never seen in this place in training."""
    return zlib.crc32(f"{kind}|{color}|{place}".encode()) % _ONE_IN == 0


@cache
def held_out_triples() -> tuple[tuple[str, str, str], ...]:
    """All held-out (kind, color, place), in the order of the vocabulary."""
    return tuple(t for t in product(KINDS, COLORS, PLACES) if is_held_out_triple(*t))


def is_held_out(scene: Scene) -> bool:
    """Whether the first subject's kind and colour in the scene's place are held out."""
    first = scene.subjects[0]
    return is_held_out_triple(first.kind, first.color, scene.place)


def is_trainable(scene: Scene) -> bool:
    """Whether no subject of the scene makes a held-out combination."""
    return not any(is_held_out_triple(s.kind, s.color, scene.place) for s in scene.subjects)
