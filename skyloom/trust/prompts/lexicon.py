"""Lists of words by class and language, and where a prompt has them.

    [nudity]
    en: naked, undress*, without clothes, ~porn, cut+throat, bare?

A `*` at the end of a word stands for any ending, a `~` before it for any place within a word. Two
words are a phrase; `a+b` are two words near each other in either order. A `?` says that the word
counts only where the prompt is in that language; so does any word of up to four letters that is
not English, because in another language it may mean anything.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from itertools import product
from pathlib import Path

from skyloom.trust.prompts.normalise import Reading, Token, fold, is_script

FOLDER = Path(__file__).parent / "lexicons"
NEAR = 5
"""Tokens within which the two words of `a+b` stand."""
NEAR_SCRIPT = 14
"""The same in characters of Chinese and Japanese."""
SHORT = 4
JOINED = 7
"""Letters from which on the words of a phrase are found written as one."""
OWN_LANGUAGE = frozenset(("art", "medical", "history", "food", "place", "dehuman", "animal",
                          "link", "attack", "glorify", "intense", "maim", "part",
                          "takeoff", "garment"))  # fmt: skip
"""Classes of everyday words: they count in their own language alone."""
EXCUSES = frozenset(("innocent", "name_innocent", "art", "medical", "history", "place"))
"""Classes that make others innocent: of these nothing is guessed."""

# Function words that tell a language, folded as prompts are.
FUNCTION_WORDS = {
    "en": "the a an of and with in on at is are to by his her their while being from for",
    "de": "der die das ein eine einer einem einen und mit im auf ist sind von zu wird bei den dem",
    "fr": "le la les un une des et avec dans sur est sont du de au aux qui en par pour se sa ses "
    "elle elles ils",
    "es": "el la los las un una unos y con en sobre es son del de al que por para se su",
    "it": "il lo la gli un una uno e con nel nella su sono del della di al che per si i sul",
    "pt": "o a os as um uma e com em no na sobre sao do da de ao que por para se numa ela ele",
    "nl": "de het een en met in op is zijn van te door naar die wordt bij aan ze hij haar zijn",
    "pl": "i z na w do jest sa przez ze od po przy nad pod sie ktory ktora jak o",
    "tr": "bir ve ile icin bu da de icinde uzerinde olan gibi cok",
    "sv": "en ett och med i pa ar som av den det till",
    "cs": "a s na v je jsou se ze do pro pri ktera ktery",
    "id": "yang dan di dengan sedang seorang sebuah dari ke",
    "ro": "si cu in pe este sunt un o de la care din",
    "hu": "egy a az es van akinek aki",
    "vi": "mot va voi trong tren cua dang",
    "da": "en et og med i pa er som af den det til",
    "no": "en et og med i pa er som av den det til",
    "fi": "ja on se joka",
}


@dataclass(frozen=True)
class Hit:
    """A class of words that a prompt has.

    Attributes:
        name: of the class.
        term: as the list writes it.
        start, stop: tokens that it takes; in Chinese and Japanese characters, as `script` says.
        script: whether start and stop count characters of `Reading.script`.
    """

    name: str
    term: str
    start: int
    stop: int
    script: bool = False


@dataclass
class Lexicon:
    """The classes of some files, ready to be looked up."""

    exact: dict[str, list[tuple[str, str, str]]] = field(default_factory=dict)
    stems: dict[str, list[tuple[str, str, str]]] = field(default_factory=dict)
    inside: list[tuple[str, str, str]] = field(default_factory=list)
    phrases: dict[str, list[tuple[tuple[str, ...], str, str, str]]] = field(default_factory=dict)
    near: list[tuple[tuple[tuple[str, ...], ...], str, str, str]] = field(default_factory=list)
    script: list[tuple[str, str]] = field(default_factory=list)
    script_near: list[tuple[str, str, str]] = field(default_factory=list)
    longest: int = 0
    """Letters of the longest word in `exact` and `stems`."""

    def add(self, name: str, language: str, term: str) -> None:
        """Put a term into a class."""
        only = language if term.endswith("?") else ""
        word = term.rstrip("?").strip()
        if any(is_script(char) for char in fold(word)):
            first, plus, second = fold(word).replace(" ", "").rstrip("*").partition("+")
            if plus:
                self.script_near.append((first, second, name))
            else:
                self.script.append((first, name))
            return
        parts = [_pattern(part) for part in word.split("+")]
        letters = len("".join("".join(part) for part in parts).strip("*~"))
        latin = all(char < "\u0250" for part in parts for piece in part for char in piece)
        if language != "en" and latin and (letters <= SHORT or name in OWN_LANGUAGE):
            only = language
        only = only if only in FUNCTION_WORDS else ""
        if len(parts) > 1:
            self.near.append((tuple(parts), name, only, term))
        elif len(parts[0]) > 1:
            key = parts[0][0][:2]
            self.phrases.setdefault(key, []).append((parts[0], name, only, term))
            joined = "".join(parts[0])
            if len(joined) >= JOINED and not set("*~") & set(joined):
                self._put(self.exact, joined, (name, only, term))
        elif parts[0][0].startswith("~"):
            self.inside.append((parts[0][0][1:], name, only))
        elif parts[0][0].endswith("*"):
            self._put(self.stems, parts[0][0][:-1], (name, only, term))
        else:
            self._put(self.exact, parts[0][0], (name, only, term))

    def _put(
        self, table: dict[str, list[tuple[str, str, str]]], word: str, term: tuple[str, str, str]
    ) -> None:
        table.setdefault(word, []).append(term)
        self.longest = max(self.longest, len(word))

    def hits(self, reading: Reading) -> list[Hit]:
        """Every term that a prompt has, in the order of the prompt."""
        tokens, spoken = reading.tokens, languages(reading)
        found = []
        for index, token in enumerate(tokens):
            found += self._of_token(index, token, spoken)
        found += self._of_phrases(tokens, spoken)
        for term, name in self.script if reading.script else ():
            at = reading.script.find(term)
            while at >= 0:
                found.append(Hit(name, term, at, at + len(term), True))
                at = reading.script.find(term, at + 1)
        for first, second, name in self.script_near if reading.script else ():
            one, two = reading.script.find(first), reading.script.find(second)
            if min(one, two) >= 0 and abs(one - two) <= NEAR_SCRIPT:
                stop = max(one + len(first), two + len(second))
                found.append(Hit(name, f"{first}+{second}", min(one, two), stop, True))
        return sorted(found, key=lambda hit: (hit.script, hit.start, -hit.stop))

    def _of_token(self, index: int, token: Token, spoken: frozenset[str]) -> list[Hit]:
        found = []
        for form in token.forms:
            joined = form.startswith("=")
            form = form.lstrip("=")
            stop = index + 2 if joined else index + 1
            terms = list(self.exact.get(form, ()))
            # Of two words read as one the stem must reach into the second.
            longest = min(len(form), self.longest)
            lengths = range(max(len(token.forms[0]) + 1, 6) if joined else 2, longest + 1)
            stems = (self.stems.get(form[:length], ()) for length in lengths)
            terms += [term for stem in stems for term in stem]
            found += [
                Hit(name, term, index, stop)
                for name, only, term in terms
                if (not only or only in spoken) and not (joined and name in EXCUSES)
            ]
            found += [Hit(name, part, index, stop) for part, name, _ in self.inside if part in form]
            if token.merged:
                found += self._run_together(index, form, stop)
        return list({(hit.name, hit.term): hit for hit in reversed(found)}.values())

    def _run_together(self, index: int, form: str, stop: int) -> list[Hit]:
        """Terms anywhere in letters that were spelt one by one."""
        found = []
        for start in range(len(form)):
            for length in range(4, min(len(form) - start, self.longest) + 1):
                piece = form[start : start + length]
                terms = self.exact.get(piece, ()) if length < len(form) else ()
                for name, only, term in (*terms, *self.stems.get(piece, ())):
                    if not only:
                        found.append(Hit(name, term, index, stop))
        return found

    def _of_phrases(self, tokens: tuple[Token, ...], spoken: frozenset[str]) -> list[Hit]:
        found = []
        for index, token in enumerate(tokens):
            keys = {form[:2] for form in token.forms}
            for key in keys:
                for words, name, only, term in self.phrases.get(key, ()):
                    stop = index + len(words)
                    if (not only or only in spoken) and _stands(words, tokens, index):
                        found.append(Hit(name, term, index, stop))
        begins = {form[:2] for token in tokens for form in token.forms}
        for parts, name, only, term in self.near:
            if parts[0][0][:2] not in begins or (only and only not in spoken):
                continue
            places = [
                [at for at in range(len(tokens)) if _stands(part, tokens, at)] for part in parts
            ]
            if not all(places):
                continue
            for ats in product(*places):
                if len(set(ats)) == len(ats) and max(ats) - min(ats) <= NEAR:
                    stops = (at + len(part) for at, part in zip(ats, parts, strict=True))
                    found.append(Hit(name, term, min(ats), max(stops)))
        return found


def _pattern(words: str) -> tuple[str, ...]:
    """The words of a phrase, folded, split where the tokens of a prompt are split."""
    found = []
    for word in words.split():
        end = "*" if word.endswith("*") else ""
        start = "~" if word.startswith("~") else ""
        pieces = fold(word.strip("*~"))
        split = "".join(c if c.isalnum() or ord(c) > 0x900 else " " for c in pieces).split()
        if not split:
            continue
        split[0] = start + split[0]
        split[-1] += end
        found += split
    return tuple(found)


def _stands(words: tuple[str, ...], tokens: tuple[Token, ...], at: int) -> bool:
    if at + len(words) > len(tokens):
        return False
    for offset, word in enumerate(words):
        token = tokens[at + offset]
        if offset and token.after == ",":
            return False
        if not _is(word, token):
            return False
    return True


def _is(word: str, token: Token) -> bool:
    if word.endswith("*"):
        return any(form.startswith(word[:-1]) for form in token.forms)
    return word in token.forms


def languages(reading: Reading) -> frozenset[str]:
    """The languages that a prompt may be in, by its function words; all if it has none."""
    words = [token.forms[0] for token in reading.tokens]
    counts = {
        language: sum(word in known for word in words)
        for language, known in _function_words().items()
    }
    most = max(counts.values(), default=0)
    if not most:
        return frozenset(counts)
    least = max(most - 1, 1)  # one word more or less tells little
    return frozenset(language for language, count in counts.items() if count >= least)


@cache
def _function_words() -> dict[str, frozenset[str]]:
    return {language: frozenset(text.split()) for language, text in FUNCTION_WORDS.items()}


def parse(text: str) -> dict[str, dict[str, list[str]]]:
    """{class: {language: terms}} of a file.

    Raises:
        ValueError: a line is none of a class, a language and a comment.
    """
    classes: dict[str, dict[str, list[str]]] = {}
    current: dict[str, list[str]] | None = None
    for number, line in enumerate(text.splitlines(), start=1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        if line.startswith("[") and line.endswith("]"):
            current = classes.setdefault(line[1:-1], {})
            continue
        language, colon, terms = line.partition(":")
        if current is None or not colon:
            raise ValueError(f"line {number} is neither a class, a language nor a comment")
        found = [term.strip() for term in terms.split(",") if term.strip()]
        current.setdefault(language.strip(), []).extend(found)
    return classes


@cache
def classes() -> Mapping[str, Mapping[str, list[str]]]:
    """The bundled lists: {class: {language: terms}}."""
    found: dict[str, dict[str, list[str]]] = {}
    for path in sorted(FOLDER.glob("*.txt")):
        for name, languages in parse(path.read_text(encoding="utf-8")).items():
            for language, terms in languages.items():
                found.setdefault(name, {}).setdefault(language, []).extend(terms)
    return found


@cache
def lexicon(leave_out: frozenset[str] = frozenset()) -> Lexicon:
    """The bundled lists ready to be looked up, without the terms to leave out."""
    built = Lexicon()
    for name, languages in classes().items():
        for language, terms in languages.items():
            for term in _kept(terms, leave_out):
                built.add(name, language, term)
    for term in _ages():
        built.add("minor", "en", term)
    return built


def _ages() -> Iterable[str]:
    """Ages under eighteen as people write them."""
    named = ("one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
             "fifteen sixteen seventeen")  # fmt: skip
    after = ("year old*", "years old", "yo", "yr old", "y o", "jahre", "jähriges", "jährige",
             "jähriger", "ans", "años", "anni", "anos", "jaar", "jarige", "lat", "letnia", "letni",
             "yaşında*", "yaşındaki", "лет", "летняя", "летний", "летнюю", "岁", "歳", "才の", "살",
             "سنه", "سنوات", "عاما", "साल", "वर्षीय")  # fmt: skip
    for age, name in enumerate(named.split(), start=1):
        yield f"{name} year old*"
        yield f"{name} years old"
        for word in after:
            yield f"{age}{word}" if is_script(word[0]) else f"{age} {word}"
            if word in ("yo", "yr old", "jährige", "jähriges", "jarige", "летняя", "살"):
                yield f"{age}{word}"


def _kept(terms: Iterable[str], leave_out: frozenset[str]) -> list[str]:
    return [term for term in terms if term not in leave_out]
