"""Tokens: words outside of quotes, letters inside, cut where it says, the same on every run."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skyloom.errors import UserError
from skyloom.text.tokenizer import END, MAX_PLACE, Tokenizer, clean

COLORS = ("red", "orange", "yellow", "green", "cyan", "blue", "purple", "pink")
SUBJECTS = ("ball", "cube", "cylinder", "cone", "ring", "robot", "car", "rabbit")
CAPTIONS = [
    f'A {color} {subject} rolls in the snow at sunset. A sign reads "SKY".'
    for color in COLORS
    for subject in SUBJECTS
]
TOKENIZER = Tokenizer.train(CAPTIONS, vocabulary=512)


def test_words_are_words_and_quotes_are_letters() -> None:
    pieces = TOKENIZER.pieces('A red ball rolls. A sign reads "SORA" at sunset')
    assert pieces[:5] == [" a", " red", " ball", " rolls", "."]
    assert pieces[5:] == [" a", " sign", " reads", '"', *"SORA", '"', " at", " sunset", END]


def test_capitals_are_letters_and_letters_know_their_place() -> None:
    tokens = TOKENIZER.encode('a sign reads SORA and "Hi all" X')
    places = [token.place for token in tokens]
    assert places == [0, 0, 0, 1, 2, 3, 4, *places[7:-11], 0, 1, 2, 3, 4, 5, 6, 0, *places[-3:]]
    assert set(places[7:-11]) <= {0} and set(places[-3:]) == {0}
    assert max(t.place for t in TOKENIZER.encode(f'"{"a" * 60}"')) == MAX_PLACE


def test_the_same_word_quoted_or_in_capitals_has_the_same_letters() -> None:
    quoted = TOKENIZER.pieces('reads "SORA"')
    assert TOKENIZER.pieces("reads SORA") == [piece for piece in quoted if piece != '"']


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("A Red Ball", "a red ball"),
        ("A RED BALL", "a red ball"),
        ("a  red\n ball ", "a red ball"),
        ("a sign reads “SKY”", 'a sign reads "SKY"'),
        ("a cafe\u0301", "a caf\u00e9"),
    ],
)
def test_prompts_that_mean_the_same(one: str, other: str) -> None:
    assert TOKENIZER.pieces(one) == TOKENIZER.pieces(other)


def test_the_empty_prompt_is_one_token() -> None:
    assert TOKENIZER.pieces("") == TOKENIZER.pieces("  \n") == [END]
    assert TOKENIZER.truncated("") is None


def test_truncated_says_where_the_prompt_is_cut() -> None:
    short = Tokenizer.train(CAPTIONS, vocabulary=512, max_tokens=6)
    assert short.truncated("a red ball rolls.") is None
    assert short.truncated("a red ball rolls. A sign") == "a red ball rolls."
    assert short.pieces("a red ball rolls. A sign")[-2:] == [".", END]
    assert short.truncated('a sign reads "SKY"') == 'a sign reads "S'
    assert short.truncated("A  Red Ball Rolls In The Snow") == "A Red Ball Rolls In"


@settings(max_examples=40, deadline=None)
@given(st.text(max_size=80))
def test_any_text_has_tokens_and_the_cut_part_fits(prompt: str) -> None:
    tokens = TOKENIZER.encode(prompt)
    assert all(0 <= token.id < TOKENIZER.vocabulary for token in tokens)
    ends = [token.end for token in tokens]
    assert ends == sorted(ends) and ends[-1] == len(clean(prompt))
    short = Tokenizer(TOKENIZER._backend, max_tokens=8)
    assert len(short.encode(prompt)) == min(len(tokens), 8)
    cut = short.truncated(prompt)
    assert (cut is None) == (len(tokens) <= 8)
    assert cut is None or clean(prompt).startswith(cut)


def test_half_a_character_from_a_terminal() -> None:
    assert TOKENIZER.encode("a ball \udcff")[-1].place == 0


def test_saved_and_loaded_is_the_same(tmp_path: Path) -> None:
    TOKENIZER.save(tmp_path / "tokenizer.json")
    loaded = Tokenizer.load(tmp_path / "tokenizer.json")
    assert loaded.vocabulary == TOKENIZER.vocabulary
    for caption in [*CAPTIONS, "", "你好 ï"]:
        assert loaded.encode(caption) == TOKENIZER.encode(caption)


@pytest.mark.slow
def test_training_is_the_same_in_another_process(tmp_path: Path) -> None:
    TOKENIZER.save(tmp_path / "here.json")
    (tmp_path / "captions.txt").write_text("\n".join(CAPTIONS))
    program = (
        "from pathlib import Path\n"
        "from skyloom.text.tokenizer import Tokenizer\n"
        "captions = Path('captions.txt').read_text().splitlines()\n"
        "Tokenizer.train(captions, vocabulary=512).save('there.json')\n"
    )
    home = str(Path(__file__).parents[2])
    for threads in ("1", "2"):
        environment = {**os.environ, "PYTHONPATH": home, "RAYON_NUM_THREADS": threads}
        subprocess.run([sys.executable, "-c", program], cwd=tmp_path, env=environment, check=True)
        assert (tmp_path / "there.json").read_text() == (tmp_path / "here.json").read_text()


def test_bad_files(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"none\.json' cannot be read"):
        Tokenizer.load(tmp_path / "none.json")
    (tmp_path / "bad.json").write_text("{}")
    with pytest.raises(UserError, match=r"bad\.json' is not a tokenizer"):
        Tokenizer.load(tmp_path / "bad.json")
    from tokenizers import Tokenizer as Backend
    from tokenizers import models

    Backend(models.BPE()).save(str(tmp_path / "other.json"))
    with pytest.raises(UserError, match="not skyloom's"):
        Tokenizer.load(tmp_path / "other.json")
