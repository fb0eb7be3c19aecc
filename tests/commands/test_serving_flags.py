"""What a server hands on to the worker beside it: all that they share, and each of it once."""

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from served import store
from tiny import Tiny

from skyloom import cli
from skyloom.commands.serving_flags import handed_on

SAID = """--database sqlite:///a/jobs.sqlite --files=-odd --model one --model two --concurrency 3
--device cuda:1 --keep-hours 0.5 --policy strict --drain 2.5"""


def test_the_worker_gets_what_was_said_and_says_nothing_twice() -> None:
    parse = cli.parser().parse_args
    said = parse(["serve", *SAID.split()])
    handed = handed_on(said)
    counts = Counter(word.partition("=")[0] for word in handed)
    assert counts.pop("--model") == 2 and set(counts.values()) == {1}
    worker = vars(parse(["worker", *handed]))
    for name in ("attached", "run"):
        worker.pop(name)
    assert len(worker) == 9  # eight flags, and the verb
    verb = worker.pop("verb")
    assert verb == "worker"
    assert worker == {name: getattr(said, name) for name in worker}


@pytest.mark.parametrize("verb", ["serve", "worker"])
def test_a_guard_that_cannot_be_had_ends_it_at_the_start(
    verb: str, tiny: Tiny, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    house = tmp_path / "house.toml"
    house.write_text('name = "house"\n\n[[frames]]\nkind = "nudenet"\n')
    words = [verb, *store(tmp_path), "--model", str(tiny.model), "--policy", str(house)]
    done = subprocess.run(
        [sys.executable, "-m", "skyloom", *words, *(["--port", "0"] if verb == "serve" else [])],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 2 and "The guard 'nudenet' cannot be had" in done.stderr
    assert "Traceback" not in done.stderr and "http" not in done.stdout


def test_what_was_not_said_is_the_same_choice_on_both_sides() -> None:
    parse = cli.parser().parse_args
    said = parse(["serve"])
    worker = vars(parse(["worker", *handed_on(said)]))
    shared = set(worker) - {"attached", "run", "verb"}
    assert {name: worker[name] for name in shared} == {n: getattr(said, n) for n in shared}
