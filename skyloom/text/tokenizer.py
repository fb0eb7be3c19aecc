"""Prompts to tokens: byte-level BPE for words, single letters for what is to be spelled.

A model that is to write SORA on a sign must see S, O, R, A and not one token for the word
(arXiv 2212.10562). So what stands between double quotes, and words all in capitals, become one
token a byte; everything else is lowercased and split by byte-level BPE (GPT-2's), which knows
no unknown word.
"""

import os
import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tokenizers import Tokenizer as Backend
from tokenizers import decoders, models, pre_tokenizers, trainers

from skyloom.errors import UserError
from skyloom.files import atomic_path

END = "<end>"
MAX_PLACE = 31
_QUOTES = str.maketrans(dict.fromkeys("“”„‟«»＂", '"'))  # noqa: RUF001 - the marks people type
_SPELLED = re.compile(r'(?P<quoted>"[^"]*")|(?P<capitals>\b(?:(?![\d_])\w){2,}\b)')


@dataclass(frozen=True)
class Token:
    """One token of a prompt.

    Attributes:
        id: its number in the vocabulary.
        place: the how-manieth byte of a spelled word it is, from 1 to MAX_PLACE; 0 elsewhere.
        end: where it ends in the cleaned prompt, in characters.
    """

    id: int
    place: int
    end: int


class Tokenizer:
    """Byte-level BPE with spelled words. Every prompt ends with one END token; "" is that alone."""

    def __init__(self, backend: Backend, max_tokens: int = 128) -> None:
        if max_tokens < 1:
            raise ValueError(f"max_tokens is {max_tokens}, and END alone needs 1")
        self.max_tokens = max_tokens
        self._backend = backend
        numbers = [backend.token_to_id(name) for name in (END, *_byte_names())]
        known = [number for number in numbers if number is not None]
        if len(known) < len(numbers):
            raise UserError(
                f"This tokenizer is not skyloom's: it lacks the token {END} or single bytes, "
                "train one with Tokenizer.train."
            )
        self._end, *self._bytes = known

    @classmethod
    def train(
        cls, captions: Iterable[str], vocabulary: int = 2048, max_tokens: int = 128
    ) -> "Tokenizer":
        """Learn the merges from captions; the same captions give the same tokenizer.

        Args:
            vocabulary: tokens at most, with 256 single bytes and END among them.
        """
        if vocabulary < 257:
            raise ValueError(f"a vocabulary of {vocabulary} cannot hold 256 bytes and {END}")
        backend = Backend(models.BPE())
        backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        backend.decoder = decoders.ByteLevel()
        trainer = trainers.BpeTrainer(
            vocab_size=vocabulary,
            min_frequency=2,
            special_tokens=[END],
            initial_alphabet=_byte_names(),
            show_progress=False,
        )
        backend.train_from_iterator(_plain_text(captions), trainer)
        return cls(backend, max_tokens)

    @classmethod
    def load(cls, path: str | os.PathLike[str], max_tokens: int = 128) -> "Tokenizer":
        """Read a tokenizer.json that `save` wrote.

        Raises:
            UserError: the file is missing, broken, or another model's tokenizer.
        """
        try:
            text = Path(path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"The tokenizer '{path}' cannot be read: {error}.") from error
        try:
            backend = Backend.from_str(text)
        except Exception as error:  # the package raises Exception itself
            raise UserError(f"'{path}' is not a tokenizer.json: get a whole copy.") from error
        return cls(backend, max_tokens)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a tokenizer.json, as the package `tokenizers` reads it."""
        with atomic_path(path) as temporary:
            temporary.write_text(self._backend.to_str(pretty=True), encoding="utf-8")

    @property
    def vocabulary(self) -> int:
        """How many different tokens there are."""
        return self._backend.get_vocab_size()

    def encode(self, prompt: str) -> list[Token]:
        """The tokens of a prompt, END last, cut to `max_tokens`."""
        cleaned = clean(prompt)
        kept = self._tokens(cleaned)[: self.max_tokens - 1]
        return [*kept, Token(self._end, 0, len(cleaned))]

    def truncated(self, prompt: str) -> str | None:
        """The cleaned prompt up to where `encode` cuts it, None if all of it fits."""
        cleaned = clean(prompt)
        tokens = self._tokens(cleaned)
        if len(tokens) < self.max_tokens:
            return None
        kept = tokens[: self.max_tokens - 1]
        return cleaned[: kept[-1].end] if kept else ""

    def pieces(self, prompt: str) -> list[str]:
        """What the tokens of a prompt say, for people to look at."""
        return [
            END if token.id == self._end else self._backend.decode([token.id])
            for token in self.encode(prompt)
        ]

    def _tokens(self, cleaned: str) -> list[Token]:
        tokens: list[Token] = []
        for start, text, spelled in _segments(cleaned):
            tokens += self._spell(start, text) if spelled else self._words(start, text)
        return tokens

    def _spell(self, start: int, text: str) -> list[Token]:
        """A token a byte. Quotation marks have place 0, letters count from 1."""
        tokens, place = [], 0
        for index, character in enumerate(text):
            for byte in character.encode("utf-8"):
                place += character != '"'
                here = 0 if character == '"' else min(place, MAX_PLACE)
                tokens.append(Token(self._bytes[byte], here, start + index + 1))
        return tokens

    def _words(self, start: int, text: str) -> list[Token]:
        # The first word gets the space that other words have before them: one token for both.
        lead = 1 if start == 0 else 0
        encoding = self._backend.encode(" " * lead + _lowered(text))
        return [
            Token(number, 0, start + max(end - lead, 0))
            for number, (_, end) in zip(encoding.ids, encoding.offsets, strict=True)
        ]


def clean(prompt: str) -> str:
    """A prompt as the tokenizer sees it: Unicode NFC, plain double quotes, single spaces."""
    whole = prompt.encode("utf-8", "replace").decode("utf-8")  # a terminal may hand over halves
    return " ".join(unicodedata.normalize("NFC", whole).translate(_QUOTES).split())


def _segments(cleaned: str) -> Iterator[tuple[int, str, bool]]:
    """(start, text, whether it is spelled) of the parts of a cleaned prompt, blank ones left out.

    Capitals are spelled only where there are small letters to tell them from: a prompt that is
    shouted as a whole is read as words.
    """
    unquoted = "".join(cleaned.split('"')[::2])
    shouted = unquoted.upper() == unquoted
    at = 0
    for match in _SPELLED.finditer(cleaned):
        word = match["capitals"]
        if word is not None and (shouted or not word.isupper()):
            continue
        # The space before a spelled word says nothing; the one after belongs to the next word.
        if before := cleaned[at : match.start()].rstrip():
            yield at, before, False
        yield match.start(), match[0], True
        at = match.end()
    if rest := cleaned[at:]:
        yield at, rest, False


def _plain_text(captions: Iterable[str]) -> Iterator[str]:
    """What BPE learns from: all but the spelled words, as `_words` will see it."""
    for caption in captions:
        for start, text, spelled in _segments(clean(caption)):
            if not spelled:
                yield (" " if start == 0 else "") + _lowered(text)


def _lowered(text: str) -> str:
    """Small letters, and as many characters as before, so that positions stay what they were."""
    if len(whole := text.lower()) == len(text):
        return whole
    return "".join(low if len(low := letter.lower()) == 1 else letter for letter in text)


def _byte_names() -> list[str]:
    """The character that stands for each byte 0..255 in byte-level BPE (GPT-2's table)."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    names = {byte: chr(byte) for byte in printable}
    names |= {byte: chr(256 + index) for index, byte in enumerate(others)}
    return [names[byte] for byte in range(256)]
