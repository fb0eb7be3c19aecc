"""The combinations that are never rendered for training: they are what held-out prompts ask for.

A combination is (kind, color, place). One in twenty is held out, by a rule on the places of the
words in their tuples that spreads them evenly: each kind, colour and place is in three to five of
them, and no two of them share two words. So every word, and every pair of words, is still seen in
training; only the meeting of the three is not. Words must be added to the tuples at their ends.
"""

from functools import cache
from itertools import product

from skyloom.world.scene import COLORS, KINDS, PLACES, Scene

_ONE_IN = 20
_STRIDES = (3, 7, 2)
_REMAINDER = 7


def is_held_out_triple(kind: str, color: str, place: str) -> bool:
    """Whether a subject of this kind and colour is never seen in this place in training."""
    words = (KINDS.index(kind), COLORS.index(color), PLACES.index(place))
    total = sum(stride * word for stride, word in zip(_STRIDES, words, strict=True))
    return total % _ONE_IN == _REMAINDER


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
