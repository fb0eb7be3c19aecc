"""Which words together are against policy.

Single words decide only where nothing innocent is said with them; most rules are pairs. A phrase
of the class `innocent` ("killer whale", "blood orange") covers its own words and no others.
"""

import hashlib
from collections.abc import Iterable, Sequence
from functools import cache

from skyloom.trust.prompts.lexicon import FOLDER, Hit, Lexicon, lexicon
from skyloom.trust.prompts.names import Names, files, names
from skyloom.trust.prompts.normalise import Reading, read, spellings
from skyloom.trust.verdict import Finding

CLOSE = 12
"""Tokens between a group and what degrades it."""
CLOSE_SCRIPT = 30
UNDRESSED = 4
"""The same between what is taken off and taking it off."""
MAIMED, MAIMED_SCRIPT = 4, 8
"""The same between what is done to a body and its part."""
AFTER = 4
"""Tokens after a verb within which whom it is done to stands."""


def findings(
    text: str, strict: bool = False, words: Lexicon | None = None, known: Names | None = None
) -> list[Finding]:
    """What the rules find in a prompt, the gravest first.

    Args:
        strict: also bare skin in art, suggestive clothes, violence without injuries, and hate
            symbols and gore in lessons and museums.
        words, known: other lists and names than the bundled ones.
    """
    words, known = words or lexicon(), known or names()
    seen = [
        (Found([*words.hits(reading), *known.hits(reading)]), reading)
        for reading in map(read, spellings(text))
    ]
    rules = (minors, sexual, violence, self_harm, hate, celebrity, work)
    found = (
        finding
        for rule in rules
        for hits, reading in seen
        for finding in rule(hits, reading, strict)
    )
    return list(dict.fromkeys(found))


@cache
def version() -> str:
    """The first letters of the hash of the bundled lists of words and names."""
    digest = hashlib.sha256()
    for path in [*sorted(FOLDER.glob("*.txt")), *files()]:
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


class Found:
    """The hits that no innocent phrase covers, by class."""

    def __init__(self, hits: Sequence[Hit]) -> None:
        self._hits: dict[str, list[Hit]] = {}
        covered = {True: _covered(hits, "innocent", True), False: _covered(hits, "innocent", False)}
        names = {
            True: _covered(hits, "name_innocent", True),
            False: _covered(hits, "name_innocent", False),
        }
        for hit in hits:
            cover = names if hit.name in ("celebrity", "work", "place") else covered
            if hit.start in cover[hit.script] or hit.stop - 1 in cover[hit.script]:
                continue
            self._hits.setdefault(hit.name, []).append(hit)

    def has(self, *names: str) -> bool:
        """Whether there is a word of any of the classes."""
        return any(name in self._hits for name in names)

    def of(self, *names: str) -> list[Hit]:
        """The hits of some classes."""
        return [hit for name in names for hit in self._hits.get(name, ())]

    def places(self, name: str) -> int:
        """At how many different places words of a class stand."""
        return len({(hit.script, hit.start) for hit in self.of(name)})

    def follows(self, first: str, *then: str) -> bool:
        """Whether one of the classes `then` stands within a few words after a word of `first`."""
        return any(
            not one.script and not two.script and 0 <= two.start - one.stop < AFTER
            for one in self.of(first)
            for two in self.of(*then)
        )

    def near(
        self,
        first: Iterable[Hit],
        second: Iterable[Hit],
        close: int = CLOSE,
        close_script: int = CLOSE_SCRIPT,
    ) -> bool:
        """Whether one of the first and another of the second stand close, apart from each other.

        The words of a pair ("cut+off") may stand around the other.

        Args:
            close: tokens between their beginnings.
            close_script: the same in characters of Chinese and Japanese.
        """
        return any(
            one.script != two.script
            or (
                abs(one.start - two.start) <= (close_script if one.script else close)
                and (one.stop <= two.start or two.stop <= one.start or "+" in one.term)
            )
            for one in first
            for two in second
        )


def _covered(hits: Sequence[Hit], name: str, script: bool) -> set[int]:
    return {
        at
        for hit in hits
        if hit.name == name and hit.script == script
        for at in range(hit.start, hit.stop)
    }


def minors(found: Found, _: Reading, __: bool) -> list[Finding]:
    """Somebody under age with anything sexual; the words for it alone."""
    if found.has("abuse"):
        return [Finding("minors", 1.0, "rule: abuse")]
    if not found.has("minor"):
        return []
    sexual = found.of("porn", "nudity", "sexact", "seductive", "scant")
    if not found.has("medical"):
        sexual += found.of("body", "genitals")
    if found.near(found.of("minor"), sexual):
        return [Finding("minors", 1.0, "rule: minor with a sexual word")]
    return []


def sexual(found: Found, _: Reading, strict: bool) -> list[Finding]:
    """Sexual acts, nudity outside art and medicine, and bodies put on show."""
    art, medical = found.has("art") and not strict, found.has("medical")
    if found.has("porn") and not (medical and not found.has("person", "nudity", "seductive")):
        return [Finding("sexual", 1.0, "rule: sexual act")]
    if found.has("nudity") and not ((art or medical) and not found.has("seductive", "sexact")):
        return [Finding("sexual", 1.0, "rule: nudity")]
    if not medical and found.near(found.of("takeoff"), found.of("garment"), UNDRESSED):
        return [Finding("sexual", 1.0, "rule: undressing")]
    if found.has("sexact", "genitals") and not medical:
        return [Finding("sexual", 1.0, "rule: sexual word")]
    shown = found.places("seductive") + found.places("scant")
    if found.has("body") and shown and not medical:
        return [Finding("sexual", 1.0, "rule: body on show")]
    if shown >= 2 or (found.has("seductive") and (strict or found.has("person"))):
        return [Finding("sexual", 1.0, "rule: seductive")]
    if strict and (shown or (found.has("body") and found.has("person") and not medical)):
        return [Finding("sexual", 1.0, "rule: suggestive")]
    return []


def violence(found: Found, _: Reading, strict: bool) -> list[Finding]:
    """Killing, torture and mangled bodies, unless history or art is about them."""
    told = found.has("history", "art", "medical") and not found.has("intense") and not strict
    if found.has("gore") and not told:
        return [Finding("violence", 1.0, "rule: gore")]
    harmless = told or found.has("food")
    if not harmless and found.near(found.of("maim"), found.of("part"), MAIMED, MAIMED_SCRIPT):
        return [Finding("violence", 1.0, "rule: maiming")]
    if found.follows("lethal", "person", "minor") and not told:
        return [Finding("violence", 1.0, "rule: killing of a person")]
    if (found.places("blood") >= 2 and not told) or (found.has("blood") and found.has("intense")):
        return [Finding("violence", 1.0, "rule: blood and bodies")]
    people = found.of("person", "minor")
    if found.has("blood", "intense") and found.near(found.of("attack"), people) and not told:
        hurt = found.has("blood") or (found.has("intense") and found.has("weapon"))
        if hurt:
            return [Finding("violence", 1.0, "rule: attack with blood")]
    if found.has("blood") and found.has("weapon") and people and not told:
        return [Finding("violence", 1.0, "rule: weapon with blood")]
    if strict and found.near(found.of("attack", "weapon"), people):
        return [Finding("violence", 1.0, "rule: attack on a person")]
    return []


def self_harm(found: Found, _: Reading, strict: bool) -> list[Finding]:
    """Harm that somebody does to themselves."""
    told = found.has("history", "art") and not found.has("intense", "blood", "weapon")
    if found.has("selfharm") and (strict or not told):
        return [Finding("self_harm", 1.0, "rule: self-harm")]
    return []


def hate(found: Found, _: Reading, strict: bool) -> list[Finding]:
    """Symbols and slogans of hate, and groups degraded, unless history is told or hate opposed."""
    told = found.has("history") and not found.has("glorify") and not strict
    if told:
        return []
    if found.has("symbol"):
        return [Finding("hate", 1.0, "rule: symbol of hate")]
    if found.has("hateful"):
        return [Finding("hate", 1.0, "rule: hateful word")]
    groups = found.of("group")
    if found.near(groups, found.of("dehuman")):
        return [Finding("hate", 1.0, "rule: group degraded")]
    animals = [
        animal
        for animal in found.of("animal")
        if any(
            link.script == animal.script
            and abs(link.start - animal.start) <= (6 if link.script else 3)
            for link in found.of("link")
        )
    ]
    if found.near(groups, animals):
        return [Finding("hate", 1.0, "rule: group as animals")]
    return []


def celebrity(found: Found, _: Reading, __: bool) -> list[Finding]:
    """A real person by name, unless a street, a stadium or the like is called after them."""
    names, places = found.of("celebrity"), found.of("place")
    left = [
        name
        for name in names
        if not any(
            place.script == name.script
            and (
                0 <= place.start - name.stop <= (not name.script)
                or 0 <= name.start - place.stop <= (not name.script)
            )
            for place in places
        )
    ]
    return [Finding("celebrity", 1.0, "rule: name of a person")] if left else []


def work(found: Found, _: Reading, __: bool) -> list[Finding]:
    """A character or a brand that belongs to others."""
    return [Finding("ip", 1.0, "rule: name of a work")] if found.has("work") else []
