"""What the classifier of prompts reads: pieces of words, hashed.

A piece is a run of three to five letters of a word with its ends marked, or the word itself; of
Chinese and Japanese one to three characters. Letters that were disguised are read as what they
stand for, see skyloom/trust/prompts/normalise.py.
"""

import zlib
from functools import lru_cache

import numpy as np

from skyloom.trust.prompts.normalise import Reading, Token, read

BUCKETS = 2**15
SHORTEST, LONGEST = 3, 5
MOST_WORDS = 64
"""Words that are read of a prompt at once; a longer one is read in pieces."""

Words = list[np.ndarray]
"""For each word the buckets of its pieces."""


def words_of(text: str) -> list[Words]:
    """The words of a prompt, once as they stand and once with disguises undone if there are any."""
    reading = read(text)
    plain = [token.forms[0] for token in reading.tokens]
    bare = [_undisguised(token) for token in reading.tokens]
    script = _script_words(reading)
    readings = [plain] if plain == bare else [plain, bare]
    return [[pieces(word) for word in words] + script for words in readings]


def _undisguised(token: Token) -> str:
    forms = [form for form in token.forms if not form.startswith("=")]
    return forms[-1] if len(forms) > 1 and forms[-1].isalpha() else forms[0]


def _script_words(reading: Reading) -> Words:
    """Every two characters as a word of its own."""
    found = []
    for phrase in reading.script.split():
        for start in range(0, len(phrase), 2):
            found.append(_buckets([phrase[at : at + length]
                                   for at in range(start, min(start + 2, len(phrase)))
                                   for length in (1, 2, 3)]))  # fmt: skip
    return found


@lru_cache(maxsize=65536)
def pieces(word: str) -> np.ndarray:
    """Buckets of a word's pieces, int64."""
    marked = f"<{word}>"
    found = [marked]
    for length in range(SHORTEST, LONGEST + 1):
        found += [marked[at : at + length] for at in range(len(marked) - length + 1)]
    return _buckets(found)


def _buckets(found: list[str]) -> np.ndarray:
    codes = {zlib.crc32(piece.encode()) % BUCKETS for piece in found}
    return np.array(sorted(codes), dtype=np.int64)
