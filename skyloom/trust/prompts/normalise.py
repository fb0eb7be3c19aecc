"""Prompts as a reader sees them, not as they are spelt.

Lists of words are got round by spelling: letters of another alphabet that look alike, digits for
letters, spaces and dots between letters, letters that are repeated or invisible. Here a prompt
becomes tokens, and each token the forms in which a reader may take it.
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

MOST_CHARACTERS = 8000
"""What is read of a prompt; a longer one is refused, for what follows would go unseen."""

# Letters that look like Latin ones, lower case, after NFKC.
_CYRILLIC = dict(zip("асеорхукіјѕһԁѵмтнвгпдзбиѡԛԝӏ", "aceopxykijshdvmthbrndzbuwqwl", strict=True))
_GREEK = dict(zip("αβγεηικνορτυχωϲϳ", "abyenikvoptuxwcj", strict=True))
_SMALL = dict(zip("ᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘǫʀꜱᴛᴜᴠᴡʏᴢɑɡıⅼℓƖʟ", "abcdefghijklmnopqrstuvwyzagilllll"[:33],
                  strict=False))  # fmt: skip
_LETTERS = {"ł": "l", "ø": "o", "đ": "d", "æ": "ae", "œ": "oe", "ð": "d", "þ": "th", "ё": "е",
            "ı": "i", "أ": "ا", "إ": "ا", "آ": "ا", "ٱ": "ا", "ة": "ه", "ى": "ي", "ی": "ي",
            "ک": "ك", "・": "", "·": "", "‧": ""}  # fmt: skip
_TRADITIONAL = dict(
    zip(
        "兒體殺頭屍納猶視國俠鋼鐵戰爾馬龍寶貓動對愛強姦輪嬰鮮處決槍謀殘斷絞燒別種滅難亞蘿內褲誘豔歲個們與無脫掛絲綁嚴濺噴腦漿腸親",
        "儿体杀头尸纳犹视国侠钢铁战尔马龙宝猫动对爱强奸轮婴鲜处决枪谋残断绞烧别种灭难亚萝内裤诱艳岁个们与无脱挂丝绑严溅喷脑浆肠亲",
        strict=True,
    )
)
_LEET = {"0": "o", "3": "e", "4": "a", "5": "s", "7": "t", "8": "b", "9": "g", "@": "a",
         "$": "s", "€": "e", "£": "l", "+": "t", "6": "g", "2": "z", "¢": "c", "¥": "y",
         "ß": "b"}  # fmt: skip
_ONES = "1!|"  # an i or an l
_INSIDE = "@$€£+¢¥!|*"
"""Signs that may stand for a letter where letters are beside them."""
_VOWELS = "aeiou"
_WITHIN = re.compile(r"(?<=[^\W\d_])[.\-_~]+(?=[^\W\d_])")
_ARABIC_PREFIX = re.compile("^(?:وال|بال|فال|كال|لل|ال|و|ب|ف|ل|ك)")
_HEBREW_PREFIX = re.compile("^[הובלמש]")
# Short words that people write side by side: they are not one word with a space in it.
_SHORT = frozenset(
    "a an the of on in at is it its as or and to for by up no not so we he she his her him my me "
    "you your our us they them this that with from be am are was were do does did go has had have "
    "man men old new red big hot top low all any one two six ten pen sex but can may off out over "
    "under into than then get got run eat sit set put see sea sun sky day now how who why what "
    "boy girl cat dog cow hen pig ant bat bee fox car bus van toy bed cup bag box hat tea pie ice "
    "la le les un une des du de el los las una del der die das ein eine und il lo gli uno et en "
    "o os as um uma do da no na em ao het van een op te w z na do i y e u s k v".split()
)


@dataclass(frozen=True)
class Token:
    """A word as it may be read.

    Attributes:
        forms: lower case, without accents; the plain one first.
        merged: it was spelt letter by letter, so that words may run together in it.
        after: what stands before it: "" beginning, " " space, "-" a hyphen or the like, "," a
            mark that ends a phrase.
    """

    forms: tuple[str, ...]
    merged: bool
    after: str


@dataclass(frozen=True)
class Reading:
    """A prompt in tokens.

    Attributes:
        tokens: words of alphabets, in order.
        script: the Chinese and Japanese of it run together, a space where a phrase ends.
        plain: the text folded, for what counts pieces of words.
    """

    tokens: tuple[Token, ...]
    script: str
    plain: str


def fold(text: str) -> str:
    """Lower case, compatibility forms and accents undone, invisible characters gone."""
    if text.isascii() and text.isprintable():
        return text.casefold()  # there is nothing to undo
    text = unicodedata.normalize("NFKC", _plain_signs(text)).casefold()
    text = unicodedata.normalize("NFKD", text)
    kept = []
    base = ""
    for char in text:
        kind = unicodedata.category(char)
        if kind == "Mn":
            # Accents of Latin and Greek, and the vowel signs of Arabic and Hebrew, change nothing;
            # those of Hindi and the dots of Japanese and Cyrillic й are letters of their own.
            if _drops_marks(base) or not base:
                continue
        elif kind in ("Cf", "Cc", "Co", "Cn", "Me") and char not in "\n\t\r":
            continue
        else:
            base = char
        kept.append(char)
    text = unicodedata.normalize("NFC", "".join(kept))
    text = "".join(_LETTERS.get(char, _TRADITIONAL.get(char, char)) for char in text)
    return "".join(_SMALL.get(char, char) for char in text).replace("\u0640", "")


def _plain_signs(text: str) -> str:
    """Letters in squares, circles and flags as letters."""
    return "".join(
        chr(ord(char) - start + ord("a"))
        if (start := next((s for s in (0x1F1E6, 0x1F170, 0x1F150) if 0 <= ord(char) - s < 26), 0))
        else char
        for char in text
    )


def _drops_marks(base: str) -> bool:
    if not base:
        return True
    code = ord(base)
    return code < 0x400 or 0x1E00 <= code < 0x2000 or 0x0590 <= code < 0x0780


def spellings(text: str) -> tuple[str, ...]:
    """A prompt, and where signs stand within its words ("exp.lic.it", "m.a.s.s p.i.e"), the same
    without them."""
    text = text[:MOST_CHARACTERS]
    return tuple(dict.fromkeys((text, _WITHIN.sub("", text))))


def read(text: str) -> Reading:
    """The tokens of a prompt with every form they may be read in."""
    plain = fold(text[:MOST_CHARACTERS])
    mostly = _main_alphabet(plain)
    words = _joined(list(_words(plain)))
    tokens = []
    for word, merged, after in words:
        forms = _forms(word, mostly)
        if merged and word[0] in "aio":  # it may be a word of one letter, and the next begins
            forms += _forms(word[1:], mostly)
        tokens.append(Token(forms, merged, after))
    return Reading(_with_pairs(tuple(tokens)), _script(plain), plain)


def _words(text: str) -> Iterator[tuple[str, bool, str]]:
    """(word, False, what stands before it) of all that is not Chinese or Japanese."""
    word, before = "", ""
    for index, char in enumerate(text):
        near = text[index + 1] if index + 1 < len(text) else " "
        inside = char in _INSIDE and (near.isalnum() or (word and near in _INSIDE))
        inside = inside or (char in "@$" and bool(word))
        letter = (unicodedata.category(char)[0] in "LMN" or inside) and not is_script(char)
        if letter:
            word += char
            continue
        if word:
            yield word, False, before
            word, before = "", ""
        before = _stronger(before, char)
    if word:
        yield word, False, before


def _stronger(before: str, char: str) -> str:
    mark = " " if char.isspace() else "," if char in ',;:!?\n。，、；：！？()[]"' else "-"
    if is_script(char):
        mark = ","
    order = ["", "-", " ", ","]
    if char == "." and before in ("", "-"):
        mark = "-"
    return max(before, mark, key=order.index)


def is_script(char: str) -> bool:
    """Whether a character is of Chinese, Japanese or Thai, which put no spaces between words."""
    code = ord(char)
    return (
        0x3040 <= code <= 0x30FF or 0x3400 <= code <= 0x9FFF or 0x0E00 <= code <= 0x0E7F
        or code in (0x3005, 0x5350) or 0xF900 <= code <= 0xFAFF or 0x20000 <= code <= 0x3134F
    )  # fmt: skip


def _script(text: str) -> str:
    """Chinese, Japanese and Thai alone: what stands between two characters goes if it is no
    mark that ends a phrase."""
    found: list[str] = []
    gap = ""
    for char in text:
        if is_script(char):
            if found and any(c in "。！？!?;；\n" for c in gap):
                found.append(" ")
            elif found and any(c.isalnum() for c in gap):
                found.append(gap.strip())
            found.append(char)
            gap = ""
        else:
            gap += char
    return "".join(found)


def _joined(words: list[tuple[str, bool, str]]) -> list[tuple[str, bool, str]]:
    """Runs of three and more single letters as one word."""
    found: list[tuple[str, bool, str]] = []
    run: list[tuple[str, bool, str]] = []

    def close() -> None:
        if len(run) >= 3 and sum(word.isalpha() for word, _, _ in run) >= 2:
            found.append(("".join(word for word, _, _ in run), True, run[0][2]))
        else:
            found.extend(run)
        run.clear()

    for word in words:
        if len(word[0]) == 1 and not (run and word[2] == ","):
            run.append(word)
            continue
        close()
        if len(word[0]) == 1:
            run.append(word)
        else:
            found.append(word)
    close()
    return found


def _with_pairs(tokens: tuple[Token, ...]) -> tuple[Token, ...]:
    """Words that a space, a hyphen or a dot cuts in two are readable whole too, in the first."""
    found = list(tokens)
    for index, (one, two) in enumerate(pairwise(tokens)):
        first, second = one.forms[0], two.forms[0]
        short = len(first) <= 4 or len(second) <= 4 or two.after == "-"
        common = first in _SHORT and second in _SHORT
        fits = two.after in ("-", " ") and len(first) + len(second) <= 16
        if fits and short and not common and first[:1].isalpha() and second[:1].isalpha():
            extra = tuple(f"={a}{b}" for a in one.forms[:2] for b in two.forms[:2])
            found[index] = Token(one.forms + extra, one.merged, one.after)
    return tuple(found)


@lru_cache(maxsize=4096)
def _forms(word: str, mostly: str) -> tuple[str, ...]:
    forms = [word]
    latin = _as_latin(word, mostly)
    if latin != word:
        forms.append(latin)
    if any(char in _CYRILLIC for char in word) and any("a" <= char <= "z" for char in word):
        back = {latin: other for other, latin in _CYRILLIC.items()}
        forms.append("".join(back.get(char, char) for char in word))
    for form in list(forms):
        forms += _unleeted(form)
    for form in list(forms):
        if re.search(r"(.)\1\1", form):
            forms += [re.sub(r"(.)\1\1+", r"\1", form), re.sub(r"(.)\1\1+", r"\1\1", form)]
            forms.append(re.sub(r"(.)\1+", r"\1", form))
    if latin != word and any("a" <= char <= "z" for char in word):  # a disguise may hide another
        forms.append(re.sub(r"(.)\1+", r"\1", latin))
    for prefix in (_ARABIC_PREFIX, _HEBREW_PREFIX):
        bare = prefix.sub("", word, count=1)
        if bare != word and len(bare) >= 3:
            forms.append(bare)
    return tuple(dict.fromkeys(forms))


def _main_alphabet(text: str) -> str:
    """The alphabet that most letters are of: "latin", "cyrillic" or "greek"."""
    counts = {"latin": 0, "cyrillic": 0, "greek": 0}
    for char in text:
        code = ord(char)
        if "a" <= char <= "z":
            counts["latin"] += 1
        elif 0x400 <= code < 0x530:
            counts["cyrillic"] += 1
        elif 0x370 <= code < 0x400:
            counts["greek"] += 1
    return max(counts, key=lambda name: counts[name])


def _as_latin(word: str, mostly: str) -> str:
    """A word with letters of other alphabets that look like Latin ones, where Latin was meant."""
    mixed = any("a" <= char <= "z" for char in word)
    if not mixed and mostly != "latin":
        return word
    return "".join(_CYRILLIC.get(char, _GREEK.get(char, char)) for char in word)


def _unleeted(word: str) -> list[str]:
    """A word with digits and signs read as letters; nothing for numbers."""
    letters = sum(char.isalpha() for char in word)
    signs = [char for char in word if char in _LEET or char in _ONES or char == "*"]
    if not signs or (letters < 2 and letters < len(word) - letters) or re.fullmatch(
        r"\d+(s|th|st|nd|rd|k|m|mm|cm|km|fps|p|d|yo|yr|yrs|x\d*)", word
    ):  # fmt: skip
        return []
    plain = "".join(_LEET.get(char, char) for char in word)
    found = []
    for one in "il":
        form = "".join(one if char in _ONES else char for char in plain)
        if "*" in form:
            bare = form.replace("*", "")
            found += [form.replace("*", vowel) for vowel in _VOWELS] + [bare]
        else:
            found.append(form)
    return list(dict.fromkeys(found))
