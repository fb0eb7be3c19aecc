"""The command line as a user calls it: flags, help, and one sentence for what cannot be done."""

import argparse
import errno
import inspect
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest

from skyloom import cli
from skyloom.commands import generate, making
from skyloom.errors import UserError

COMMON = (
    "--guidance --model --negative --out --policy --seed --sheet --size --solver --steps"
    " --variations -n -o"
)
EDIT = f"{COMMON} --camera --fps --stretch"
BENCH = "--json --model"
FLAGS = {
    "skyloom": "--version",
    "skyloom generate": f"{COMMON} --camera --draft --fps --from --prompts --seconds --strength",
    "skyloom image": f"{COMMON} --prompts",
    "skyloom animate": f"{EDIT} --at --move --seconds",
    "skyloom extend": f"{EDIT} --backward --seconds",
    "skyloom loop": f"{EDIT} --seconds",
    "skyloom connect": f"{EDIT} --seconds",
    "skyloom blend": EDIT,
    "skyloom fill": f"{EDIT} --keep",
    "skyloom restyle": f"{EDIT} --mask --strength",
    "skyloom storyboard": f"{COMMON} --fps",
    "skyloom verify": "--json --key",
    "skyloom trust": "",
    "skyloom trust init": "--renew",
    "skyloom trust sign-with": "--command",
    "skyloom world": "--clips --crafter --format --fps --frames --images --seed --size --split"
    " --tier --workers",
    "skyloom ingest": "--out --ray --recipe --workers -o",
    "skyloom caption": "--from",
    "skyloom prepare": "--batch --device --model --out --workers -o",
    "skyloom plan": "--clip-tokens --gpus --json --mfu --price",
    "skyloom train": "",
    "skyloom train autoencoder": "--allow-changes --from --minutes",
    "skyloom train transformer": "--allow-changes --from --minutes",
    "skyloom worker": "--attached --concurrency --database --device --drain --files --keep-hours"
    " --model --policy",
    "skyloom serve": "--allow-url --concurrency --database --device --drain --files --host --jobs"
    " --keep-hours --model --no-worker --policy --port --requests --storage --upload",
    "skyloom keys": "",
    "skyloom keys add": "--database --jobs --requests --storage --upload",
    "skyloom keys list": "--database",
    "skyloom keys remove": "--database",
    "skyloom runs": "--folder --out -o",
    "skyloom bench": "",
    "skyloom bench reconstruction": BENCH,
    "skyloom bench adherence": f"{BENCH} --prompts",
    "skyloom bench editing": f"{BENCH} --quick",
    "skyloom bench speed": BENCH,
    "skyloom bench training": "--json --quick",
    "skyloom bench serving": BENCH,
    "skyloom bench native": "--json --out --picture --quick -o",
    "skyloom bench trust": "--json --out --part --prompts -o",
}


def parsers(top: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """A parser and all that are below it."""
    yield top
    for action in top._actions:
        if isinstance(action, argparse._SubParsersAction):
            for below in action.choices.values():
                yield from parsers(below)


def skyloom(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command line in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "skyloom.cli", *words],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        timeout=60,
    )


def complaint(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """What is said on stderr when `words` cannot be done: one line, exit code 2."""
    assert cli.main(words) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("skyloom: ") and err.endswith(".\n") and err.count("\n") == 1
    return err.removeprefix("skyloom: ").rstrip("\n")


def test_a_new_flag_is_a_decision() -> None:
    found = {
        parser.prog: {
            flag for action in parser._actions for flag in action.option_strings
        } - {"-h", "--help"}
        for parser in parsers(cli.parser())
    }  # fmt: skip
    assert found == {verb: set(flags.split()) for verb, flags in FLAGS.items()}


def test_every_help_has_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    for parser in parsers(cli.parser()):
        with pytest.raises(SystemExit) as left:
            cli.main([*parser.prog.split()[1:], "--help"])
        assert left.value.code == 0
        out = capsys.readouterr().out
        head, _, examples = out.partition("\nexample")
        assert examples, parser.prog
        for line in examples.partition("\n")[2].strip().splitlines():
            assert line.strip().startswith(("skyloom ", "torchrun --nproc-per-node 2 -m skyloom "))
        assert "==SUPPRESS==" not in head


def test_the_examples_of_the_help_parse() -> None:
    import shlex

    for parser in parsers(cli.parser()):
        for line in (parser.epilog or "").splitlines()[1:]:
            words = shlex.split(line)
            words = words[words.index("-m") + 1 :] if words[0] == "torchrun" else words
            assert words[0] == "skyloom"
            cli.parser().parse_args(words[1:])


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["--version"])
    assert capsys.readouterr().out == "skyloom 0.1.0\n"


def test_words_and_flags_in_any_order() -> None:
    parse = cli.parser().parse_args
    args = parse(["generate", "a red ball", "-o", "x.mp4", "a cube", "--size", "160X96", "-n", "3"])
    assert args.prompts == ["a red ball", "a cube"]
    assert (args.size, args.variations, args.seed) == ((160, 96), 3, 0)
    args = parse(["train", "transformer", "r.toml", "a=1", "--minutes", "0.5", "b.c=[1, 2]"])
    assert (args.recipe, args.settings, args.minutes) == (
        Path("r.toml"),
        ["a=1", "b.c=[1, 2]"],
        0.5,
    )
    args = parse(["world", "clips", "--size", "64x64,128x96", "--frames", "17,49", "--fps", "8,12"])
    assert args.size == ((64, 64), (128, 96))
    assert (args.frames, args.fps) == ((17, 49), (8.0, 12.0))


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("", "the following arguments are required: VERB; 'skyloom --help'"),
        ("paint", "invalid choice: 'paint'"),
        ("generate a", "required: -o/--out; 'skyloom generate --help' shows what works."),
        ("generate a -o x.mp4 --size 128", "'128' is no size: write WIDTHxHEIGHT"),
        ("generate a -o x.mp4 --size 0x128", "'0x128' is no size"),
        ("generate a -o x.mp4 -n 0", "'0' is no count: write 1 or more"),
        ("generate a -o x.mp4 --seconds -1", "'-1' is no number above 0"),
        ("generate a -o x.mp4 --seconds nan", "'nan' is no number above 0"),
        ("generate a -o x.mp4 --solver rk4", "'rk4'"),
        ("generate a -o x.mp4 --step 3", "nothing called '--step' here; 'skyloom generate --help'"),
        ("world clips --size 64x64,big", "'big' is no size"),
        ("bench", "required: BENCH; 'skyloom bench --help'"),
        ("bench speed --json nowhere/x.json", "the folder 'nowhere' does not exist"),
        ("bench reconstruction nothing.mp4", "'nothing.mp4' does not exist"),
        ("train autoencoder nothing.toml", "'nothing.toml' does not exist"),
    ],
)
def test_what_cannot_be_done(words: str, sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert sentence in complaint(capsys, *words.split())


def test_prompts_that_are_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = str(tmp_path / "x.mp4")
    assert "The prompt is empty" in complaint(capsys, "generate", "  ", "-o", out)
    assert "There is no prompt" in complaint(capsys, "generate", "-o", out)
    file = tmp_path / "prompts.txt"
    assert "cannot be read" in complaint(capsys, "generate", "--prompts", str(file), "-o", out)
    file.write_text("\n  \n")
    assert "holds no prompt" in complaint(capsys, "generate", "--prompts", str(file), "-o", out)
    file.write_bytes(b"caf\xe9")
    assert "not UTF-8" in complaint(capsys, "generate", "--prompts", str(file), "-o", out)
    file.write_text("a ball\n\n a cube \r\n", encoding="utf-8")
    assert generate.read_prompts(["a ring"], file) == ["a ring", "a ball", "a cube"]


def test_outputs_are_checked_before_the_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for out, sentence in (
        (tmp_path / "nowhere" / "x.mp4", "does not exist"),
        (tmp_path, "Cannot write"),
        (tmp_path / "x.doc", "use .mp4"),
        (tmp_path / "x.png", "one picture"),
    ):
        assert sentence in complaint(capsys, "generate", "a red ball", "-o", str(out))
    assert list(tmp_path.iterdir()) == []


def test_several_outputs_are_numbered() -> None:
    assert making.output_paths(Path("a/x.mp4"), 1) == [Path("a/x.mp4")]
    assert making.output_paths(Path("a/x.mp4"), 2) == [Path("a/x-1.mp4"), Path("a/x-2.mp4")]
    assert making.sheet_path(Path("a/x-1.mp4")) == Path("a/x-1-sheet.png")


def test_flags_left_out_are_the_models_choice() -> None:
    parse = cli.parser().parse_args
    assert making.request_fields(parse(["generate", "a", "-o", "x.mp4"])) == {}
    assert making.request_fields(
        parse(["generate", "a", "-o", "x.mp4", "--guidance", "1", "--seconds", "2"])
    ) == {"guidance": 1.0, "seconds": 2.0}
    assert making.request_fields(parse(["image", "a", "-o", "x.png"])) == {"seconds": 0.0}


def test_a_prompt_that_is_cut_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    making.warn_of_cuts(["short", "too long"], lambda prompt: {"too long": "too"}.get(prompt))
    assert capsys.readouterr().err == (
        "skyloom: the prompt is longer than the model reads: it is cut after 'too'.\n"
    )


def replaced_verb(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    """Make the verb `generate` end in `error`."""

    def run(args: argparse.Namespace) -> None:
        raise error

    monkeypatch.setattr(generate, "run", run)


def test_exit_codes(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["generate", "a", "-o", "x.mp4"]
    replaced_verb(monkeypatch, UserError("Cannot do this: do that."))
    assert complaint(capsys, *words) == "Cannot do this: do that."
    replaced_verb(monkeypatch, KeyboardInterrupt())
    assert cli.main(words) == 130
    assert capsys.readouterr().err == "skyloom: interrupted.\n"
    replaced_verb(monkeypatch, OSError(errno.ENOSPC, "No space left on device", "x.mp4"))
    assert complaint(capsys, *words) == "Cannot write 'x.mp4': No space left on device."
    replaced_verb(monkeypatch, PermissionError(errno.EACCES, "Permission denied", "x.mp4"))
    assert complaint(capsys, *words) == "Cannot read or write 'x.mp4': Permission denied."
    replaced_verb(monkeypatch, OSError(errno.ENAMETOOLONG, "File name too long", "x" * 300))
    assert complaint(capsys, *words) == f"Cannot read or write '{'x' * 300}': File name too long."
    replaced_verb(monkeypatch, ZeroDivisionError())  # a mistake of ours is shown in full
    with pytest.raises(ZeroDivisionError):
        cli.main(words)


def test_complaints_of_a_process() -> None:
    result = skyloom("generate", "", "-o", "x.mp4")
    assert result.returncode == 2
    assert result.stdout == ""
    assert result.stderr.startswith("skyloom: The prompt is empty")
    assert "Traceback" not in result.stderr


def test_a_name_cannot_forge_what_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    said = complaint(capsys, "verify", "x.png\nManifest: signed\x1b[2J")
    assert said.startswith(r"'x.png\nManifest: signed\x1b[2J' does not exist")


def test_letters_that_the_terminal_has_not(tmp_path: Path) -> None:
    from PIL import Image

    picture = tmp_path / "кот 球.png"
    Image.new("RGB", (64, 48)).save(picture)
    for words, code in ((("verify", str(picture)), 0), (("verify", f"{picture}x"), 2)):
        result = skyloom(*words, PYTHONIOENCODING="ascii")
        assert result.returncode == code, result.stderr
        assert r"\u043a\u043e\u0442 \u7403.png" in result.stdout + result.stderr


def test_interrupted_process(tmp_path: Path) -> None:
    fifo = tmp_path / "prompts.fifo"
    os.mkfifo(fifo)  # reading the prompts waits here for ever
    process = subprocess.Popen(
        [sys.executable, "-m", "skyloom.cli", "generate", "--prompts", fifo, "-o", "x.mp4"],
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        time.sleep(1.0)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert err == "skyloom: interrupted.\n"


def test_a_pipe_that_closes_early() -> None:
    process = subprocess.Popen(
        [sys.executable, "-c",
         "import sys; from skyloom import cli\n"
         "from skyloom.commands import generate\n"
         "generate.run = lambda args: print('x' * 200000)\n"
         "sys.exit(cli.main(['generate', 'a', '-o', 'x.mp4']))"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None and process.stderr is not None
    process.stdout.read(10)
    process.stdout.close()
    with process:
        assert process.stderr.read() == b""
    assert process.returncode == 141


def test_restyling_is_as_strong_wherever_it_is_asked_for() -> None:
    """Each door has the default of its own, for each is to open without the others."""
    from skyloom.pipeline import Skyloom
    from skyloom.serve.order import Order

    said = cli.parser().parse_args(["restyle", "clip.mp4", "in winter", "-o", "w.mp4"]).strength
    python = inspect.signature(Skyloom.restyle).parameters["strength"].default
    (served,) = (field.default for field in fields(Order) if field.name == "strength")
    slider = (Path(cli.__file__).parent / "serve/studio/js/tools_look.js").read_text()
    assert said == python == served and f"strength = slider({said}," in slider
