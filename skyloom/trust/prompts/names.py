"""Names of people and of works, thousands of them, and where a prompt has one.

    [celebrity]
    Greta Garbo
    [work beside film movie]
    Frozen

A file has one name a line under headings of its class. Below a heading with `beside` a name is
also an everyday word, and counts only with one of those words near it. A name of several words is
found written as one and with hyphens; with the endings that Slavic languages, Korean, German and
English put behind it; the accents do not count.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from skyloom.trust.prompts.lexicon import JOINED, Hit, languages
from skyloom.trust.prompts.normalise import Reading, Token, fold, is_script

FOLDER = Path(__file__).parent / "names"
MOST_WORDS = 6
"""Words of the longest name; what is longer is found by its beginning."""
MOST_SCRIPT = 16
"""The same in characters of Chinese, Japanese and Thai."""
BESIDE = 6
"""Words between a name that is an everyday word and what tells that it is meant."""
HEAD = 3
"""Letters by which what begins no name is passed over."""
_FORMS = 4

_CYRILLIC_END = re.compile("(?:ами|ого|ому|ыми|ой|ою|ом|ем|ым|им|ую|ая|ий|ый|[аяуюеыиойь])$")
_POLISH_END = re.compile("(?:iego|ego|emu|owi|iem|em|ie|ej|[auyieo])$")
_KOREAN_END = re.compile("(?:에게|에서|한테|처럼|이랑|으로|[은는이가을를의와과도랑로만])$")


@dataclass(frozen=True)
class Name:
    """A name as the file has it.

    Attributes:
        kind: the class of its hits, "celebrity" or "work".
        words: how many words it is written in.
        beside: words one of which must stand near it; none if it means nothing else.
    """

    kind: str
    words: int
    beside: frozenset[str]


@dataclass
class Names:
    """The names of some files, ready to be looked up: by their letters without spaces."""

    known: dict[str, Name] = field(default_factory=dict)
    heads: set[str] = field(default_factory=set)
    stems: dict[str, Name] = field(default_factory=dict)
    script: dict[str, Name] = field(default_factory=dict)

    def add(self, kind: str, name: str, beside: frozenset[str] = frozenset()) -> None:
        """Take in a name."""
        folded = fold(name)
        if any(is_script(char) for char in folded):
            for written in (re.sub(r"\s", "", folded), re.sub(r"[\s·・]", "", folded)):
                self.script[written] = Name(kind, 1, beside)
            return
        words = _WORD.findall(folded)[:MOST_WORDS]
        if not words:
            return
        told = Name(kind, len(words), beside)
        joined = "".join(words)
        self.known.setdefault(joined, told)
        self.heads.add(joined[:HEAD])
        if "\u0400" <= joined[0] < "\u0530":
            self.known.setdefault("".join(map(_cyrillic, words)), told)
        elif len(words) > 1 and joined.isascii():
            self.stems.setdefault("".join(map(_polish, words)), told)

    def hits(self, reading: Reading) -> list[Hit]:
        """Every name that a prompt has."""
        tokens = reading.tokens
        slavic = not {"pl", "cs"}.isdisjoint(languages(reading)) if tokens else False
        written = {form for token in tokens for form in token.forms}
        found = []
        for start in range(len(tokens)):
            for stop, name in self._from(tokens, start, slavic):
                near = tokens[max(0, start - BESIDE) : start] + tokens[stop : stop + BESIDE]
                if not name.beside or (
                    not name.beside.isdisjoint(written)
                    and any(not name.beside.isdisjoint(token.forms) for token in near)
                ):
                    found.append(Hit(name.kind, "a name", start, stop))
        return found + self._in_script(reading.script)

    def _from(
        self, tokens: tuple[Token, ...], start: int, slavic: bool
    ) -> Iterator[tuple[int, Name]]:
        """(token after it, name) of all names that begin with a token."""
        begun, stemmed = {""}, {""}
        for stop in range(start + 1, min(len(tokens), start + MOST_WORDS) + 1):
            token = tokens[stop - 1]
            count = stop - start
            if count > 1 and token.after == ",":
                return
            forms = _endings(token, count > 1)
            begun = {
                whole
                for head in begun
                for form in forms
                if (whole := head + form)[:HEAD] in self.heads or len(whole) < HEAD
            }
            if slavic:
                stemmed = {head + _polish(token.forms[0]) for head in stemmed}
            if not begun:
                return
            for known, spelt in ((self.known, begun), (self.stems, stemmed)):
                for whole in spelt:
                    name = known.get(whole)
                    if name and _fits(name, count, len(whole), token.merged):
                        yield stop, name

    def _in_script(self, text: str) -> list[Hit]:
        return [
            Hit(name.kind, "a name", start, stop, True)
            for start in range(len(text))
            for stop in range(start + 2, min(len(text), start + MOST_SCRIPT) + 1)
            if (name := self.script.get(text[start:stop]))
        ]


def _fits(name: Name, count: int, letters: int, merged: bool) -> bool:
    """Whether so many words can be that name: a single word is not taken from two."""
    if count == name.words or merged:
        return True
    return name.words > 1 and letters >= JOINED


def _endings(token: Token, later: bool) -> set[str]:
    """A word as it may stand in a name: its forms, and the first without its ending."""
    found = {form for form in token.forms[:_FORMS] if form[0] != "="}
    word = token.forms[0]
    if "\u0400" <= word[0] < "\u0530":
        found.add(_cyrillic(word))
    elif "\uac00" <= word[0] <= "\ud7a3":
        found.add(_KOREAN_END.sub("", word) or word)
    elif later and len(word) > 4 and word.endswith("s"):
        found.add(word[:-1])
    return found


def _cyrillic(word: str) -> str:
    return _CYRILLIC_END.sub("", word) if len(word) >= 4 else word


def _polish(word: str) -> str:
    return _POLISH_END.sub("", word) if len(word) >= 5 else word


_WORD = re.compile(r"[^\W_]+(?:[\u0900-\u0dff\u0300-\u036f]+[^\W_]*)*")


def parse(text: str) -> Iterator[tuple[str, frozenset[str], str]]:
    """(class, words beside, name) of every line of a file.

    Raises:
        ValueError: a name stands before the first heading.
    """
    kind, beside = "", frozenset[str]()
    for number, line in enumerate(text.splitlines(), start=1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        if line.startswith("["):
            kind, _, words = line.strip("[]").partition(" beside ")
            beside = frozenset(fold(word) for word in words.split())
        elif not kind:
            raise ValueError(f"line {number} has a name under no heading")
        else:
            yield kind, beside, line


def files() -> list[Path]:
    """The bundled files of names."""
    return sorted(FOLDER.glob("*.txt"))


@cache
def names() -> Names:
    """The bundled names ready to be looked up."""
    built = Names()
    for path in files():
        for kind, beside, name in parse(path.read_text(encoding="utf-8")):
            built.add(kind, name, beside)
    return built
