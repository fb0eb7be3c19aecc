"""The verbs `generate` and `image`: prompts to files."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from skyloom.commands.making import (
    add_flags,
    check_outputs,
    empty_prompt,
    guarded,
    make,
    output_paths,
    request_fields,
)
from skyloom.commands.parsing import Parser, Verbs, add_verb, positive_number
from skyloom.errors import UserError

if TYPE_CHECKING:
    from skyloom.trust.session import Session

DRAFT_STEPS = 10
REFINED = 0.55
"""How much of a draft is made anew unless told otherwise."""


def add_verbs(verbs: Verbs) -> None:
    """Declare the verbs and their flags."""
    video = add_verb(
        verbs,
        "generate",
        "make videos from words",
        'skyloom generate "a red ball rolls across the snow at sunset" -o ball.mp4 --seed 0\n'
        "skyloom generate --prompts prompts.txt -n 2 -o clips/clip.mp4 --size 160x96 --seconds 2\n"
        'skyloom generate "a car drives left" -o draft.mp4 --draft\n'
        'skyloom generate "a car drives left" -o car.mp4 --from draft.mp4 --size 256x256',
        run,
    )
    _add_words(video)
    add_flags(video, "a video file: .mp4, .webm, .gif or .safetensors; of several, the names get "
              "-1, -2, ...")  # fmt: skip
    add = video.add_argument
    add("--seconds", type=positive_number, help="how long the video plays")
    add("--fps", type=positive_number, help="frames a second")
    add("--camera", metavar="MOVE", help='what the camera does, as in "orbit left"')
    add("--draft", action="store_true", help="a quick small one, to be refined with --from")
    add("--from", dest="draft_file", type=Path, metavar="FILE",
        help="make this draft again at full size, with finer detail")  # fmt: skip
    add("--strength", type=float, default=REFINED, metavar="S",
        help=f"with --from: how much is made anew, 0 to 1 (default: {REFINED})")  # fmt: skip
    image = add_verb(
        verbs,
        "image",
        "make images from words",
        'skyloom image "a yellow robot on the beach at night" -o robot.png\n'
        'skyloom image "a castle in the snow" --size 2048x1152 -o castle.png',
        run,
    )
    _add_words(image)
    add_flags(image, "an image file: .png, .jpg or .webp; of several, the names get -1, -2, ...")


def _add_words(parser: Parser) -> None:
    parser.add_argument("prompts", nargs="*", metavar="PROMPT", help="what to show, in English")
    parser.add_argument(
        "--prompts", dest="prompts_file", type=Path, metavar="FILE", help="a prompt on each line"
    )


def run(args: argparse.Namespace) -> None:
    """Sample every prompt and say where each file is."""
    prompts = read_prompts(args.prompts, args.prompts_file)
    outputs = output_paths(args.out, len(prompts) * args.variations)
    check_outputs(outputs, 1 if args.verb == "image" else 2, args.sheet)
    with guarded(args) as session:
        _run(args, prompts, session)


def _run(args: argparse.Namespace, prompts: list[str], session: "Session") -> None:
    from skyloom import edit
    from skyloom.pipeline import Skyloom
    from skyloom.request import Request

    chosen = request_fields(args)
    if args.verb == "generate" and args.draft:
        width, height = chosen.get("size", Request.size)
        chosen["size"] = tuple(max(32, round(side / 64) * 32) for side in (width, height))
        chosen.setdefault("steps", DRAFT_STEPS)
    requests = [
        Request(prompt=prompt, seed=args.seed + variation, **chosen)
        for prompt in prompts
        for variation in range(args.variations)
    ]
    model = Skyloom.load(args.model)
    draft = getattr(args, "draft_file", None)
    if draft is None:
        make(model, [edit.Edit(request) for request in requests], args, session)
        return
    from skyloom.fitting import fit

    fitted = fit(draft, size=requests[0].size, fps=requests[0].fps).video
    edits = [edit.refine(fitted, r, args.strength) for r in requests]
    make(model, edits, args, session, [fitted], sources=[draft], said=vars(args))


def read_prompts(prompts: list[str], file: Path | None) -> list[str]:
    """The prompts of the command line, then those of the file, one on each line that is not blank.

    Raises:
        UserError: there is none, one is empty, or the file cannot be read.
    """
    found = [prompt.strip() for prompt in prompts]
    if not all(found):
        raise empty_prompt()
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
