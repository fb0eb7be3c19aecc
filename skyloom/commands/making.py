"""What the verbs that make something share: flags, and requests and edits to files."""

import argparse
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from skyloom.commands.parsing import Parser, positive, size
from skyloom.errors import UserError

if TYPE_CHECKING:
    from skyloom.edit import Edit
    from skyloom.pipeline import Frames, Skyloom
    from skyloom.sampler import Progress
    from skyloom.trust.marking import Marking
    from skyloom.trust.session import Session
    from skyloom.video import Video

SOLVERS = ("euler", "heun", "multistep")


def add_flags(parser: Parser, output: str) -> None:
    """The flags of every verb that makes something; `output` says what OUT may be."""
    add = parser.add_argument
    add("-o", "--out", type=Path, required=True, metavar="OUT", help=output)
    add("-n", "--variations", type=positive, default=1, metavar="N",
        help="how many, with seeds that follow on (default: 1)")  # fmt: skip
    add("--model", type=Path, metavar="FOLDER", help="a model folder instead of the bundled model")
    add("--size", type=size, metavar="WxH", help="width and height in pixels, as in 128x96")
    add("--seed", type=int, default=0, help="same seed, same pictures (default: 0)")
    add("--steps", type=positive, help="steps of the solver: more are slower and finer")
    add("--guidance", type=float, metavar="SCALE", help="how firmly to follow the prompt; 1 is off")
    add("--negative", metavar="PROMPT", help="what to keep away from")
    add("--solver", choices=SOLVERS, help="how noise becomes a picture")
    add("--sheet", action="store_true", help="also write a contact sheet, OUT-sheet.png")
    add("--policy", default="standard", metavar="NAME|FILE",
        help="what may be made: strict, standard (default), off or a TOML file")  # fmt: skip


def request_fields(args: argparse.Namespace) -> dict[str, Any]:
    """The flags that were given, by the name of their field; the rest is the model's choice."""
    names = ("size", "seconds", "fps", "steps", "guidance", "negative", "solver", "camera")
    given = {name: getattr(args, name, None) for name in names}
    if args.verb == "image":
        given["seconds"] = 0.0  # one frame
    return {name: value for name, value in given.items() if value is not None}


def output_paths(out: Path, count: int) -> list[Path]:
    """`out` itself, or for several out-1, out-2, ... with its suffix."""
    if count == 1:
        return [out]
    return [out.with_name(f"{out.stem}-{number}{out.suffix}") for number in range(1, count + 1)]


def sheet_path(output: Path) -> Path:
    """Where the contact sheet of `output` goes."""
    return output.with_name(f"{output.stem}-sheet.png")


def check_outputs(outputs: Sequence[Path], frames: int, sheet: bool) -> None:
    """Find out before any sampling that every file of so many frames can be written.

    Raises:
        UserError: a folder is missing or refuses files, or the suffix does not fit the verb.
    """
    from skyloom.files import check_writable
    from skyloom.trust.signing.places import needs_sidecar, sidecar
    from skyloom.video import check_output

    for output in outputs:
        check_output(output, frames)
        if needs_sidecar(output):
            check_writable(sidecar(output))
        if sheet:
            check_output(sheet_path(output), 1)


def warn_of_cuts(prompts: Sequence[str], truncated: Callable[[str], str | None]) -> None:
    """Say where a prompt is cut that is longer than the text encoder takes."""
    for prompt in dict.fromkeys(prompts):
        kept = truncated(prompt)
        if kept is not None:
            end = kept if len(kept) <= 40 else f"... {kept[-40:]}"
            print(
                f"skyloom: the prompt is longer than the model reads: it is cut after '{end}'.",
                file=sys.stderr,
            )


def guarded(args: argparse.Namespace) -> "Session":
    """The guards of `--policy`; opened before torch is imported, they load beside it and the model.

    Raises:
        UserError: there is no such policy.
    """
    from skyloom.trust.policy import load_policy
    from skyloom.trust.session import Session

    return Session(load_policy(args.policy))


def make(
    model: "Skyloom",
    edits: "Sequence[Edit]",
    args: argparse.Namespace,
    session: "Session",
    inputs: "Sequence[Video]" = (),
    sound: Callable[[Path], None] | None = None,
    sources: Sequence[Path] = (),
    said: Mapping[str, Any] | None = None,
) -> None:
    """Carry out edits and say where each file is; nothing appears that is not whole and signed.

    Args:
        inputs: what was given, shown beside the result on its contact sheet.
        sound: puts the sound of the input into a finished file.
        sources: the files that `inputs` came from, which the manifest names.
        said: of the verb besides the request, for the manifest.
    """
    from skyloom.trust.marking import Marking
    from skyloom.trust.session import words_of

    # a key that does not sign is found before any work
    marking = Marking.ready(args.model, hide_prompt=not session.policy.tell_prompt)
    outputs = output_paths(args.out, len(edits))
    warn_of_cuts([edit.request.words for edit in edits], model.text.truncated)
    for edit in edits:
        model.latent_shape(edit.request)  # what cannot be made is found before any work
    session.ready()
    session.allow_words(words_of(edit.request for edit in edits))
    for video, source in zip(inputs, sources, strict=True):
        session.allow_input(video, f"'{source}'")
    for number, (edit, output) in enumerate(zip(edits, outputs, strict=True), start=1):
        title = args.verb if len(outputs) == 1 else f"{args.verb} {number} of {len(outputs)}"
        claim = marking.claim(args.verb, edit.request, sources, [session.begin()], said=said)
        with marking.signed(output, claim) as unfinished:
            mark = partial(marking.mark, claim=claim)
            pictures, frames = _write(model, edit, unfinished, title, mark, session)
            if sound is not None:
                sound(unfinished)
        width, height = edit.request.size
        length = f", {frames / edit.request.fps:.1f} s" if frames > 1 else ""
        print(f"{output}: {width}x{height}{length}")
        if args.sheet:
            write_sheet([*inputs, pictures], output, marking)
        sys.stdout.flush()


def _write(
    model: "Skyloom",
    edit: "Edit",
    output: Path,
    title: str,
    mark: "Callable[..., Iterator[Frames]]",
    session: "Session",
) -> tuple["Video", int]:
    """Write the frames of an edit; return some of them for a contact sheet, and their number."""
    from skyloom.edit import length, shown
    from skyloom.trust.marking import kept_of

    count, size, fps = length(edit), edit.request.size, edit.request.fps

    def frames(tell: "Progress") -> "Iterator[Frames]":
        made = session.watched(shown(edit, model.stream(edit.request, tell)), fps)
        return mark(made, fps=fps, still=count == 1, kept=kept_of(edit))

    return write_frames(frames, (count, size, fps), model.steps(edit.request), output, title)


def write_frames(
    frames: "Callable[[Progress], Iterator[Frames]]",
    shape: tuple[int, tuple[int, int], float],
    steps: int,
    output: Path,
    title: str,
) -> tuple["Video", int]:
    """Write frames as they are made; return some of them for a contact sheet, and their number.

    Args:
        frames: called once, with what is to be told of the steps.
        shape: number of frames, (width, height) and frames a second.
        title: what the bar shows.
    """
    from skyloom.progress import track
    from skyloom.sheets import Picked
    from skyloom.video import VideoWriter

    count, size, fps = shape
    picked = Picked(count, fps)
    with track(steps, title, unit="steps") as bar:
        done = 0

        def tell(step: int, _: int) -> None:
            nonlocal done
            bar.advance(step - done)
            done = step

        with VideoWriter(output, size, fps) as writer:
            for piece in frames(tell):
                writer.append(piece)
                picked.append(piece)
    return picked.video, picked.seen


def write_sheet(videos: "Sequence[Video]", output: Path, marking: "Marking") -> None:
    """The contact sheet of `output`: clips side by side, what was given, then what was made."""
    from skyloom import video
    from skyloom.sheets import side_by_side

    path = sheet_path(output)
    with marking.signed(path, marking.sheet_claim(output)) as unfinished:
        video.write(side_by_side([video.contact_sheet(clip) for clip in videos]), unfinished)
    print(f"{path}: contact sheet")


def empty_prompt() -> UserError:
    """There is nothing in the prompt."""
    return UserError('The prompt is empty: say what to show, as in "a red ball on the beach".')
