"""The verbs `generate` and `image`: prompts to files."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from skyloom.commands.parsing import Parser, Verbs, add_verb, positive, positive_number, size
from skyloom.errors import UserError

SOLVERS = ("euler", "heun", "multistep")


def add_verbs(verbs: Verbs) -> None:
    """Declare the verbs and their flags."""
    video = add_verb(
        verbs,
        "generate",
        "make videos from words",
        'skyloom generate "a red ball rolls across the snow at sunset" -o ball.mp4 --seed 0\n'
        "skyloom generate --prompts prompts.txt -n 2 -o clips/clip.mp4 --size 160x96 --seconds 2",
        run,
    )
    _add_common(video, "a video file: .mp4, .webm, .gif or .safetensors")
    video.add_argument("--seconds", type=positive_number, help="how long the video plays")
    video.add_argument("--fps", type=positive_number, help="frames a second")
    image = add_verb(
        verbs,
        "image",
        "make images from words",
        'skyloom image "a yellow robot on the beach at night" -o robot.png',
        run,
    )
    _add_common(image, "an image file: .png, .jpg or .webp")


def _add_common(parser: Parser, output: str) -> None:
    add = parser.add_argument
    add("prompts", nargs="*", metavar="PROMPT", help="what to show, in English words")
    add("--prompts", dest="prompts_file", type=Path, metavar="FILE", help="a prompt on each line")
    add("-o", "--out", type=Path, required=True, metavar="OUT",
        help=f"{output}; of several, the names get -1, -2, ...")  # fmt: skip
    add("-n", "--variations", type=positive, default=1, metavar="N",
        help="how many of each prompt, with seeds that follow on (default: 1)")  # fmt: skip
    add("--model", type=Path, metavar="FOLDER", help="a model folder instead of the bundled model")
    add("--size", type=size, metavar="WxH", help="width and height in pixels, as in 128x96")
    add("--seed", type=int, default=0, help="same seed, same pictures (default: 0)")
    add("--steps", type=positive, help="steps of the solver: more are slower and finer")
    add("--guidance", type=float, metavar="SCALE", help="how firmly to follow the prompt; 1 is off")
    add("--negative", metavar="PROMPT", help="what to keep away from")
    add("--solver", choices=SOLVERS, help="how noise becomes a picture")
    add("--sheet", action="store_true", help="also write a contact sheet, OUT-sheet.png")


def run(args: argparse.Namespace) -> None:
    """Sample every prompt and say where each file is."""
    prompts = read_prompts(args.prompts, args.prompts_file)
    outputs = output_paths(args.out, len(prompts) * args.variations)
    check_outputs(outputs, args)

    from skyloom import video
    from skyloom.pipeline import Skyloom
    from skyloom.progress import track
    from skyloom.request import Request

    chosen = request_fields(args)
    requests = [
        Request(prompt=prompt, seed=args.seed + variation, **chosen)
        for prompt in prompts
        for variation in range(args.variations)
    ]
    model = Skyloom.load(args.model)
    for request in requests:
        model.latent_shape(request)  # a size or length that cannot be is found before any work
    warn_of_cuts(prompts, model.text.truncated)

    def sample(request: Request, title: str) -> video.Video:
        with track(request.steps, title, unit="steps") as bar:
            return model.generate(request, lambda step, count: bar.advance())

    for number, (request, output) in enumerate(zip(requests, outputs, strict=True), start=1):
        title = args.verb if len(outputs) == 1 else f"{args.verb} {number} of {len(outputs)}"
        clip = sample(request, title)
        video.write(clip, output)
        length = f", {clip.duration:.1f} s" if len(clip.frames) > 1 else ""
        print(f"{output}: {clip.size[0]}x{clip.size[1]}{length}")
        if args.sheet:
            video.write(video.contact_sheet(clip), sheet_path(output))
            print(f"{sheet_path(output)}: contact sheet")
        sys.stdout.flush()


def warn_of_cuts(prompts: list[str], truncated: Callable[[str], str | None]) -> None:
    """Say where a prompt is cut that is longer than the text encoder takes."""
    for prompt in dict.fromkeys(prompts):
        kept = truncated(prompt)
        if kept is not None:
            end = kept if len(kept) <= 40 else f"... {kept[-40:]}"
            print(
                f"skyloom: the prompt is longer than the model reads: it is cut after '{end}'.",
                file=sys.stderr,
            )


def request_fields(args: argparse.Namespace) -> dict[str, Any]:
    """The flags that were given, by the name of their field; the rest is the model's choice."""
    names = ("size", "seconds", "fps", "steps", "guidance", "negative", "solver")
    given = {name: getattr(args, name, None) for name in names}
    if args.verb == "image":
        given["seconds"] = 0.0  # one frame
    return {name: value for name, value in given.items() if value is not None}


def read_prompts(prompts: list[str], file: Path | None) -> list[str]:
    """The prompts of the command line, then those of the file, one on each line that is not blank.

    Raises:
        UserError: there is none, one is empty, or the file cannot be read.
    """
    found = [prompt.strip() for prompt in prompts]
    if not all(found):
        raise UserError('The prompt is empty: say what to show, as in "a red ball on the beach".')
    if file is not None:
        try:
            lines = file.read_text(encoding="utf-8").splitlines()
        except OSError as error:
            raise UserError(f"The prompts in '{file}' cannot be read: {error.strerror}.") from error
        except UnicodeDecodeError as error:
            raise UserError(f"'{file}' is not UTF-8 text: save the prompts as UTF-8.") from error
        found += [line.strip() for line in lines if line.strip()]
    if not found:
        where = f"'{file}' holds no prompt" if file else "There is no prompt"
        raise UserError(f'{where}: say what to show, as in "a red ball on the beach".')
    return found


def output_paths(out: Path, count: int) -> list[Path]:
    """`out` itself, or for several out-1, out-2, ... with its suffix."""
    if count == 1:
        return [out]
    return [out.with_name(f"{out.stem}-{number}{out.suffix}") for number in range(1, count + 1)]


def sheet_path(output: Path) -> Path:
    """Where the contact sheet of `output` goes."""
    return output.with_name(f"{output.stem}-sheet.png")


def check_outputs(outputs: list[Path], args: argparse.Namespace) -> None:
    """Find out before any sampling that every file can be written.

    Raises:
        UserError: a folder is missing or refuses files, or the suffix does not fit the verb.
    """
    from skyloom.video import check_output

    for output in outputs:
        check_output(output, 1 if args.verb == "image" else 2)
        if args.sheet:
            check_output(sheet_path(output), 1)
