"""Policies: bundled ones, files of one's own, and what no policy says."""

from pathlib import Path

import pytest

from skyloom.errors import UserError
from skyloom.trust.policy import LONGEST, load_policy


def test_bundled_policies() -> None:
    assert load_policy().name == "standard" and not load_policy().off
    assert load_policy("strict").strict
    assert load_policy("off").off


def test_a_file_of_ones_own(tmp_path: Path) -> None:
    file = tmp_path / "house.toml"
    file.write_text('name = "house"\ntimeout = 5\n[[prompts]]\nkind = "rules"\n')
    policy = load_policy(file)
    assert (policy.name, policy.timeout) == ("house", 5.0)
    assert [guard.kind for guard in policy.prompts] == ["rules"]
    assert [guard.kind for guard in policy.frames] == ["flashing"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("tiemout = 5", "There is no setting 'tiemout'.*nearest setting is 'timeout'"),
        ('[[prompts]]\nkind = "guess"', 'is "guess"'),
        ('[[prompts]]\nkind = "llama-guard"', "needs a folder"),
        ('[[prompts]]\nkind = "rules"\nfolder = "x"', "has no folder"),
        ('[[prompts]]\nkind = "rules"\nthreshold = 2.0', "threshold = 2 is not between"),
        ('[[frames]]\nkind = "flashing"\nrate = 0.0', "rate = 0 is no number of frames"),
        ('[[frames]]\nkind = "flashing"\nrate = inf', "rate = inf is no number of frames"),
        ("timeout = 0", "timeout = 0 is not .*above 0 and at most 3600"),
        ("timeout = nan", "timeout = nan is not"),
        ("timeout = inf", "timeout = inf is not"),
        ("timeout = 1e12", "timeout = 1e\\+12 is not"),
        ("start_timeout = inf", "start_timeout = inf is not"),
        ("start_timeout = 3600.5", "start_timeout = 3600.5 is not"),
        ("timeout = 1", "called 'standard', as a bundled one is"),
    ],
)
def test_what_no_policy_says(text: str, sentence: str, tmp_path: Path) -> None:
    file = tmp_path / "policy.toml"
    file.write_text(text)
    with pytest.raises(UserError, match=sentence):
        load_policy(file)


def test_the_longest_timeout(tmp_path: Path) -> None:
    file = tmp_path / "slow.toml"
    file.write_text(f'name = "slow"\ntimeout = {LONGEST}\nstart_timeout = {LONGEST}\n')
    assert load_policy(file).timeout == LONGEST


def test_a_policy_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no policy 'lax': use strict, standard, off"):
        load_policy("lax")
    with pytest.raises(UserError, match="does not exist"):
        load_policy(tmp_path / "missing.toml")
