"""What a server hands on to the worker beside it: all that they share, and each of it once."""

from collections import Counter

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


def test_what_was_not_said_is_the_same_choice_on_both_sides() -> None:
    parse = cli.parser().parse_args
    said = parse(["serve"])
    worker = vars(parse(["worker", *handed_on(said)]))
    shared = set(worker) - {"attached", "run", "verb"}
    assert {name: worker[name] for name in shared} == {n: getattr(said, n) for n in shared}
