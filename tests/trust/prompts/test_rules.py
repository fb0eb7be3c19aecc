"""Which words together are against policy, and which only look like it."""

import time

import pytest

from skyloom.trust.prompts import lexicon
from skyloom.trust.prompts.normalise import read
from skyloom.trust.prompts.rules import findings


def categories(text: str, strict: bool = False) -> list[str]:
    return [finding.category for finding in findings(text, strict)]


@pytest.mark.parametrize(
    ("text", "category"),
    [
        ("a naked woman", "sexual"),
        ("une femme nue", "sexual"),
        ("裸体女人", "sexual"),
        ("n a k e d woman", "sexual"),
        ("a man is beheaded", "violence"),
        ("мужчине отрубают голову", "violence"),
        ("a nazi rally", "hate"),
        ("refugees drawn as rats", "hate"),
        ("a man commits suicide", "self_harm"),
        ("Taylor Swift sings", "celebrity"),
        ("E l o n M u s k", "celebrity"),
        ("a batman building", "ip"),
        ("spiderman in paris", "ip"),
    ],
)
def test_violations(text: str, category: str) -> None:
    assert category in categories(text)


@pytest.mark.parametrize(
    "text",
    [
        "a cock crows at dawn", "shooting stars", "killer whale", "Essex", "a child eats a banana",
        "blood orange", "shoot a basketball", "a Dick Van Dyke street sign",
        "breast stroke swimming",
        "sex of the flower", "the bomb cyclone", "a bat man cave bat", "naked mole rat",
        "Michelangelo's David, a nude marble statue in a museum",
        "a mammogram of the breast, diagram",
        "a museum documentary about nazi Germany", "people protest against racism",
        "góry w śniegu", "la naciones unidas", "un grande groot huis", "nahe am Haus",
    ],
)  # fmt: skip
def test_look_alikes(text: str) -> None:
    assert categories(text) == []


def test_minors_with_sexual_words_are_refused_beside_art_too() -> None:
    assert categories("a naked child") == ["minors", "sexual"]
    assert "minors" in categories("a nude girl, oil painting in a museum")
    assert categories("a child in a museum") == []


def test_strict_also_refuses_what_is_suggestive() -> None:
    assert categories("a woman in a bikini on the beach") == []
    assert categories("a woman in a bikini on the beach", strict=True) == ["sexual"]
    assert categories("a nude marble statue", strict=True) == ["sexual"]


def test_history_excuses_what_glory_does_not() -> None:
    assert categories("a museum exhibition about the nazi party") == []
    assert categories("a museum that celebrates the nazi party") == ["hate"]


def test_a_file_of_words_says_where_it_is_wrong() -> None:
    assert lexicon.parse("# words\n[a]\nen: one, two*\nen: three\n") == {
        "a": {"en": ["one", "two*", "three"]}
    }
    with pytest.raises(ValueError, match="line 2 is neither"):
        lexicon.parse("[a]\njust words\n")


def test_terms_are_found_as_they_are_written() -> None:
    words = lexicon.Lexicon()
    for term in ("stem*", "~part", "two words", "far+near", "exact"):
        words.add("class", "en", term)

    def found(text: str) -> set[str]:
        return {hit.term for hit in words.hits(read(text))}

    assert found("stemming a counterparty") == {"stem*", "part"}
    assert found("two words, exact") == {"two words", "exact"}
    assert found("two, words") == set()
    assert found("near and far") == {"far+near"}
    assert found("far " + "and " * 9 + "near exactly") == set()


@pytest.mark.parametrize("text", ["a-b_c/" * 1300, "a b c " * 1300, "cut off " * 1000, "a" * 8000])
def test_no_prompt_keeps_the_rules_busy_for_long(text: str) -> None:
    begun = time.process_time()
    findings(text)
    assert time.process_time() - begun < 2  # 10 s, before lengths were bounded; 0.1 now
