"""Processes of ours find the modules that we have, whatever lies in the current folder."""

import subprocess
from pathlib import Path

import pytest

from skyloom.children import python_command
from skyloom.trust.guard import Guards
from skyloom.trust.policy import load_policy


def test_a_module_runs_with_its_words(tmp_path: Path) -> None:
    (tmp_path / "json").mkdir()
    (tmp_path / "json" / "__init__.py").write_text("raise SystemExit('not this one')")
    run = subprocess.run(
        python_command("json.tool", ["--compact"]),
        cwd=tmp_path, input="[1, 2]", capture_output=True, text=True,
    )  # fmt: skip
    assert (run.returncode, run.stdout.strip(), run.stderr) == (0, "[1,2]", "")


def test_no_file_in_the_current_folder_takes_the_place_of_a_guard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = tmp_path / "skyloom" / "trust" / "guards"
    fake.mkdir(parents=True)
    for file in (fake / "process.py", tmp_path / "selectors.py"):
        file.write_text("raise SystemExit('not this one')")
    for folder in (fake, fake.parent, fake.parent.parent):
        (folder / "__init__.py").touch()
    monkeypatch.chdir(tmp_path)
    with Guards(load_policy()) as guards:
        verdict = guards.prompts.check("a naked woman on a bed")
    assert not verdict.allowed and verdict.failed is None
