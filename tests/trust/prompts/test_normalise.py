"""Prompts as they are read, whatever their spelling."""

import pytest

from skyloom.trust.prompts import rules
from skyloom.trust.prompts.normalise import fold, read, spellings


def forms(text: str) -> set[str]:
    return {form.lstrip("=") for token in read(text).tokens for form in token.forms}


@pytest.mark.parametrize(
    "spelt",
    [
        "lantern", "LANTERN", "l4nt3rn", "lаntеrn", "l a n t e r n", "l.a.n.t.e.r.n",
        "l-a-n-t-e-r-n",
        "lan\u200btern", "ｌａｎｔｅｒｎ", "lánternⁿ"[:7], "lannnntern", "lan-tern", "𝓵𝓪𝓷𝓽𝓮𝓻𝓷",
        "🄻🄰🄽🅃🄴🅁🄽", "🅛🅐🅝🅣🅔🅡🅝", "l@ntern", "l*ntern", "lan\u00adtern", "ʟᴀɴᴛᴇʀɴ",
    ],
)  # fmt: skip
def test_a_word_is_read_in_every_spelling(spelt: str) -> None:
    assert "lantern" in forms(f"a {spelt} glows")


def test_numbers_and_common_pairs_stay_what_they_are() -> None:
    assert forms("4 men in the 1970s at 24fps") == {
        "4", "men", "in", "the", "1970s", "at", "24fps",
    }  # fmt: skip
    assert "penis" not in forms("the pen is on the table")
    assert "therapist" not in forms("the rapier")


def test_accents_and_alphabets_fold() -> None:
    assert fold("Ünlü CAFÉ ŁÓDŹ") == "unlu cafe lodz"
    assert fold("ребёнок") == fold("ребенок")
    assert fold("अँधेरा") == "अँधेरा"  # vowel signs of Hindi are letters
    assert fold("امرأة") == "امراه"


def test_chinese_runs_together_over_spaces_but_not_over_sentences() -> None:
    assert read("红 球 在 雪 地").script == "红球在雪地"
    assert read("红球。雪地").script == "红球 雪地"


def test_signs_within_words_hide_none_of_them() -> None:
    assert spellings("a lan.te.rn and m.a.s.s p-i_e") == (
        "a lan.te.rn and m.a.s.s p-i_e", "a lantern and mass pie",
    )  # fmt: skip
    assert spellings("At 2.5 m. The end, 14-17 fps") == ("At 2.5 m. The end, 14-17 fps",)
    found = rules.findings("m.a.s.s s.h.o.o.t.i.n.g")
    assert found == rules.findings("mass shooting") != []
    assert rules.findings("Har.ry Pot.ter") == rules.findings("Harry Potter") != []
