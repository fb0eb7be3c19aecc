"""The verbs that start from pictures and clips, from animate to restyle.

Each reads its inputs, says how they were fitted, and hands an `Edit` to what every verb shares.
"""

import argparse
import errno
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from skyloom.commands.making import (
    add_flags,
    check_outputs,
    guarded,
    make,
    output_paths,
    request_fields,
)
from skyloom.commands.parsing import Parser, Verbs, add_verb, positive_number
from skyloom.config import to_dict
from skyloom.errors import UserError, shown

if TYPE_CHECKING:
    from skyloom.edit import Edit
    from skyloom.request import Request
    from skyloom.video import Video

SUFFIXES = (".mp4", ".mov", ".mkv", ".webm", ".avi", ".gif", ".png", ".jpg", ".jpeg", ".webp")
"""What makes a word of the command line a file and not a prompt, whether or not it exists."""
STRENGTH = 0.7
OUTPUT = "a video file: .mp4, .webm, .gif or .safetensors"


@dataclass(frozen=True)
class Inputs:
    """What an edit starts from, fitted.

    Attributes:
        videos: at the size and rate of the request.
        sources: the files their sound may come from, None where there is none.
        mask: where the first may change, or None for all of it.
    """

    videos: "tuple[Video, ...]"
    sources: tuple[Path | None, ...]
    mask: "Video | None" = None


def add_verbs(verbs: Verbs) -> None:
    """Declare the verbs and their flags."""
    animate = _verb(verbs, "animate", "bring a picture to life", ("PICTURE",), _animate,
                    'skyloom animate photo.png "the ball rolls left" -o out.mp4\n'
                    "skyloom animate photo.png --move path.json -o out.mp4")  # fmt: skip
    animate.add_argument("--at", choices=("start", "end"), default="start",
                         help="the picture is the first frame (default) or the last")  # fmt: skip
    animate.add_argument("--move", type=Path, metavar="FILE",
                         help='drag a part along a path: JSON, {"points": [[t, x, y], ...], '
                              '"radius": r}, t in seconds, the rest in 0 to 1')  # fmt: skip
    extend = _verb(verbs, "extend", "go on after a clip, or before it", ("CLIP",), _extend,
                   'skyloom extend clip.mp4 "it rolls on" --seconds 4 -o longer.mp4\n'
                   "skyloom extend clip.mp4 --seconds 2 --backward -o earlier.mp4")  # fmt: skip
    extend.add_argument("--backward", action="store_true", help="make what came before it")
    _verb(verbs, "loop", "make a clip that plays for ever", ("CLIP|PROMPT",), _loop,
          "skyloom loop clip.mp4 -o loop.mp4\n"
          'skyloom loop "snow falls in a meadow" -o loop.mp4 --seconds 4')  # fmt: skip
    _verb(verbs, "connect", "go from the end of a clip to the start of another", ("A", "B"),
          _connect, "skyloom connect a.mp4 b.mp4 --seconds 3 -o both.mp4")  # fmt: skip
    _verb(verbs, "blend", "turn one scene gradually into another", ("A", "B"), _blend,
          'skyloom blend a.mp4 b.mp4 "a car becomes a robot" -o both.mp4', lasts=False)  # fmt: skip
    fill = _verb(verbs, "fill", "make what is missing between the frames to keep", ("CLIP",), _fill,
                 "skyloom fill clip.mp4 --keep 0,12,24-36 -o whole.mp4\n"
                 "skyloom fill clip.mp4 --keep 0s-1s,3.5s -o whole.mp4", lasts=False)  # fmt: skip
    fill.add_argument("--keep", required=True, metavar="LIST",
                      help="frames, or seconds with an s, as in 0,12,24-36 or 0s-1s")  # fmt: skip
    restyle = _verb(verbs, "restyle", "make a clip again in other words", ("CLIP",), _restyle,
                    'skyloom restyle clip.mp4 "the same in winter" --strength 0.7 -o winter.mp4\n'
                    'skyloom restyle clip.mp4 "a green car" --mask mask.png -o green.mp4',
                    lasts=False)  # fmt: skip
    restyle.add_argument("--strength", type=float, default=STRENGTH, metavar="S",
                         help=f"0 keeps the clip, 1 forgets it (default: {STRENGTH})")  # fmt: skip
    restyle.add_argument("--mask", type=Path, metavar="FILE",
                         help="a picture or clip, white where the clip may change")  # fmt: skip


def _verb(
    verbs: Verbs,
    name: str,
    summary: str,
    inputs: tuple[str, ...],
    build: "Callable[[argparse.Namespace, Inputs, Request, int], Edit]",
    examples: str,
    lasts: bool = True,
) -> Parser:
    """A verb that takes files, then a prompt if it wants one."""
    parser = add_verb(verbs, name, summary, examples, lambda args: run(args, build))
    for number, metavar in enumerate(inputs):
        parser.add_argument(f"input_{number}", metavar=metavar, help="what it starts from")
    parser.add_argument("prompt", nargs="?", default="", help="what to show, in English words")
    add_flags(parser, OUTPUT)
    parser.add_argument("--fps", type=positive_number, help="frames a second")
    parser.add_argument("--camera", metavar="MOVE", help='what the camera does: "orbit left"')
    parser.add_argument("--stretch", action="store_true",
                        help="take the whole picture in, even if its shape suffers")  # fmt: skip
    if lasts:
        parser.add_argument("--seconds", type=positive_number, help="how much is made")
    return parser


def run(
    args: argparse.Namespace,
    build: "Callable[[argparse.Namespace, Inputs, Request, int], Edit]",
) -> None:
    """Read, fit, build the edit, carry it out."""
    check_outputs(output_paths(args.out, args.variations), 2, args.sheet)
    words = [value for name, value in vars(args).items() if name.startswith("input_")]
    files = [Path(word) for word in words]
    if args.verb == "loop" and not _is_file(files[0]):
        args.prompt, files = words[0], []
    with guarded(args) as session:
        from skyloom.pipeline import Skyloom, variations
        from skyloom.request import Request

        inputs, fields = _fitted(args, files)
        model = Skyloom.load(args.model)
        request = Request(prompt=args.prompt, seed=args.seed, **fields)
        stride = model.autoencoder.stride[0]
        edits = [build(args, inputs, one, stride) for one in variations(request, args.variations)]
        pictured = list(inputs.videos)
        if inputs.mask is not None:
            pictured, files = [*pictured, inputs.mask], [*files, args.mask]
        sound = _sound(args, inputs, edits[0])
        make(model, edits, args, session, pictured, sound, files, vars(args) | _move_said(args))


def _fitted(args: argparse.Namespace, files: list[Path]) -> tuple[Inputs, dict[str, Any]]:
    """The inputs at one size and rate, and the request's fields with these in them."""
    from skyloom.fitting import fit
    from skyloom.request import Request

    fields = request_fields(args)
    fps = fields.get("fps", Request.fps)
    videos, sources = [], []
    for file in files:
        fitted = fit(file, size=fields.get("size"), fps=fps, stretch=args.stretch)
        fields["size"] = fitted.video.size  # of the first, unless one was asked for
        for note in fitted.notes:
            print(f"skyloom: '{shown(str(file))}': {note}.", file=sys.stderr)
        videos.append(fitted.video)
        sources.append(fitted.source)
    return Inputs(tuple(videos), tuple(sources), _mask(args, videos)), fields


def _mask(args: argparse.Namespace, videos: "list[Video]") -> "Video | None":
    if getattr(args, "mask", None) is None:
        return None
    from skyloom.fitting import fit

    size, fps = videos[0].size, videos[0].fps
    return fit(args.mask, size=size, fps=fps, stretch=args.stretch, what="mask").video


def _move_said(args: argparse.Namespace) -> dict[str, Any]:
    """The path of --move, which a manifest tells in place of its file's name."""
    if getattr(args, "move", None) is None:
        return {}
    from skyloom.motion import read_path

    return {"move": to_dict(read_path(args.move))}


def _is_file(path: Path) -> bool:
    try:
        return path.suffix.lower() in SUFFIXES or path.exists()
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise
        return False  # a prompt may be longer than any name


def _animate(args: argparse.Namespace, inputs: Inputs, request: "Request", _: int) -> "Edit":
    from skyloom import edit

    if args.move is None:
        return edit.animate(inputs.videos[0], request, args.at)
    if args.at == "end":
        raise UserError("--move begins with the picture: leave out --at end.")
    from skyloom.motion import read_path

    return edit.move(inputs.videos[0], read_path(args.move), request)


def _extend(args: argparse.Namespace, inputs: Inputs, request: "Request", stride: int) -> "Edit":
    from skyloom import edit

    return edit.extend(inputs.videos[0], request, stride, args.backward)


def _loop(_: argparse.Namespace, inputs: Inputs, request: "Request", stride: int) -> "Edit":
    from skyloom import edit

    return edit.loop(request, stride, inputs.videos[0] if inputs.videos else None)


def _connect(_: argparse.Namespace, inputs: Inputs, request: "Request", stride: int) -> "Edit":
    from skyloom import edit

    first, second = inputs.videos
    return edit.connect(first, second, request, stride)


def _blend(_: argparse.Namespace, inputs: Inputs, request: "Request", __: int) -> "Edit":
    from skyloom import edit

    first, second = inputs.videos
    return edit.blend(first, second, request)


def _fill(args: argparse.Namespace, inputs: Inputs, request: "Request", _: int) -> "Edit":
    from skyloom import edit

    return edit.fill(inputs.videos[0], kept_frames(args.keep, request.fps), request)


def _restyle(args: argparse.Namespace, inputs: Inputs, request: "Request", _: int) -> "Edit":
    from skyloom import edit

    clip = inputs.videos[0]
    mask = None
    if inputs.mask is not None:
        frames = inputs.mask.frames.mean(axis=-1) > 127
        mask = frames[0] if len(frames) == 1 else frames[: len(clip.frames)]
    return edit.restyle(clip, request, args.strength, mask)


def kept_frames(text: str, fps: float) -> list[tuple[int, int]]:
    """ "0,12,24-36" or "0s-1s,3.5s" as (first, last) frames.

    Raises:
        UserError: it is neither.
    """
    try:
        found = []
        for part in text.split(","):
            first, _, last = part.strip().partition("-")
            found.append((_frame(first, fps), _frame(last or first, fps)))
    except ValueError:
        raise UserError(
            f"'{text}' is no list of frames to keep: write frames as in 0,12,24-36, or seconds as "
            "in 0s-1s,3.5s."
        ) from None
    return found


def _frame(text: str, fps: float) -> int:
    text = text.strip()
    return round(float(text[:-1]) * fps) if text.endswith("s") else int(text)


def _sound(args: argparse.Namespace, inputs: Inputs, edit: "Edit") -> Callable[[Path], None] | None:
    """Puts the inputs' sound where their frames are in the result, if any has sound."""
    from skyloom.edit import length
    from skyloom.sound import Part, carry_sounds

    places = [0.0] * len(inputs.videos)
    if args.verb in ("extend", "connect") and edit.after is not None:
        places[-1] = (length(edit) - len(edit.after)) / edit.request.fps
    if args.verb in ("animate", "blend"):
        return None
    parts = [
        Part(source, at=place, seconds=len(video.frames) / video.fps)
        for source, video, place in zip(inputs.sources, inputs.videos, places, strict=True)
        if source is not None
    ]

    def carry(output: Path) -> None:
        for note in carry_sounds(parts, output).notes:
            print(f"skyloom: {note}.", file=sys.stderr)

    return carry if parts else None
