"""Names of people and works: found as people write them, and not inside other words."""

import pytest

from skyloom.trust.prompts.names import Names, files, names, parse
from skyloom.trust.prompts.normalise import read


def known(*lines: str) -> Names:
    built = Names()
    for kind, beside, name in parse("\n".join(lines)):
        built.add(kind, name, beside)
    return built


def found(lines: tuple[str, ...], text: str) -> bool:
    return bool(known("[celebrity]", *lines).hits(read(text)))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("Greta Garbo", "greta garbo's face, GretaGarbo"),
        ("Jean-Luc Godard", "a film set with Jean Luc Godard"),
        ("Conan O'Brien", "conan obrien laughs"),
        ("Robert Lewandowski", "taniec Roberta Lewandowskiego na boisku w deszczu"),
        ("Владимир Высоцкий", "портрет Владимира Высоцкого"),
        ("윤여정 배우", "윤여정 배우가 웃는다"),
        ("김혜수", "김혜수가 춤을 춘다"),
        ("张艺谋", "导演张艺谋在雨中"),
        ("レオナルド・ディカプリオ", "海辺のレオナルドディカプリオ"),
        ("Angela Merkel", "Angela Merkels Rede"),
        ("Billie Eilish", "B i l l i e  E i l i s h"),
        ("Bill Murray", "b1ll murr4y"),
    ],
)
def test_names_are_found_as_people_write_them(name: str, text: str) -> None:
    assert found((name,), text)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("Goldfinger", "a gold finger ring"),
        ("Al Gore", "algorerhythm, al, gore"),
        ("Ice-T", "an icet"),
        ("Jack Black", "jack, black and white"),
    ],
)
def test_other_words_are_no_names(name: str, text: str) -> None:
    assert not found((name,), text)


def test_an_everyday_word_counts_beside_what_tells_that_it_is_meant() -> None:
    lists = known("[work beside disney pixar]", "Frozen")
    assert not lists.hits(read("a frozen lake"))
    assert lists.hits(read("frozen by disney"))
    assert not lists.hits(read("a frozen lake " + "and snow " * 8 + "near disney"))


def test_a_file_without_a_heading_says_where() -> None:
    with pytest.raises(ValueError, match="line 2 has a name under no heading"):
        list(parse("# people\nGreta Garbo\n"))


def test_the_bundled_files_have_known_classes_and_are_many() -> None:
    lines = [line for path in files() for line in parse(path.read_text(encoding="utf-8"))]
    assert {kind for kind, _, _ in lines} == {"celebrity", "work"}
    assert len(lines) > 8000
    assert names() is names()
