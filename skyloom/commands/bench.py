"""The verb `bench`: what skyloom measures about itself."""

import argparse
from collections.abc import Callable
from pathlib import Path

from skyloom.commands.parsing import Parser, Verbs, add_verb, positive
from skyloom.errors import UserError
from skyloom.files import check_writable

TRUST_PARTS = ("prompts", "flashes", "detector", "marks", "unmarked", "cost")
"""As skyloom/bench/trust.py has them, which is not imported before it measures."""


def add_verbs(verbs: Verbs) -> None:
    """Declare the verb, one verb more for each bench, and their flags."""
    parser = add_verb(
        verbs,
        "bench",
        "measure reconstruction, adherence, editing, speed, training, native sizes, serving, trust",
        "skyloom bench reconstruction holiday.mp4\n"
        "skyloom bench adherence --json adherence.json\n"
        "skyloom bench editing --quick\n"
        "skyloom bench speed\n"
        "skyloom bench training --quick\n"
        "skyloom bench serving\n"
        "skyloom bench native --quick\n"
        "skyloom bench trust --part prompts flashes",
        run_reconstruction,
    )
    benches = parser.add_subparsers(dest="bench", metavar="BENCH", required=True)
    _add_of_a_model(benches)
    _add_of_this_code(benches)


def _add_of_a_model(benches: Verbs) -> None:
    """The benches whose figures belong to a model folder."""
    reconstruction = _add_bench(
        benches,
        "reconstruction",
        "PSNR and SSIM of the autoencoder on held-out clips and on your own files",
        "skyloom bench reconstruction holiday.mp4 --json reconstruction.json",
        run_reconstruction,
    )
    reconstruction.add_argument("files", nargs="*", type=Path, metavar="FILE",
                                help="videos or images, not the standard ones")  # fmt: skip
    adherence = _add_bench(
        benches,
        "adherence",
        "how much of a held-out prompt is seen in the clip, by judges of known accuracy",
        "skyloom bench adherence --prompts 40 --json adherence.json",
        run_adherence,
    )
    adherence.add_argument("--prompts", type=positive, metavar="N", help="held-out prompts a tier")
    editing = _add_bench(
        benches,
        "editing",
        "given frames, seams, continuations and minutes, each beside its yardstick",
        "skyloom bench editing --quick --json editing.json",
        run_editing,
    )
    editing.add_argument("--quick", action="store_true", help="few clips, and no minute")
    speed = _add_bench(
        benches,
        "speed",
        "cold start, seconds a clip and tokens a second, beside this machine's ceiling",
        "skyloom bench speed --json speed.json",
        run_speed,
    )
    serving = _add_bench(
        benches,
        "serving",
        "clips a second of jobs that share their passes, and how soon a preview is seen",
        "skyloom bench serving --json serving.json",
        run_serving,
    )
    for bench in (reconstruction, adherence, editing, speed, serving):
        bench.add_argument("--model", type=Path, metavar="FOLDER",
                           help="a model folder, not the bundled one")  # fmt: skip


def _add_of_this_code(benches: Verbs) -> None:
    """The benches that train something of their own, or need no model."""
    training = _add_bench(
        benches,
        "training",
        "useful tokens a second of packed training, beside the peers of diffusers",
        "skyloom bench training --quick --json training.json",
        run_training,
    )
    training.add_argument("--quick", action="store_true", help="a shallower network, fewer rounds")
    native = _add_bench(
        benches,
        "native",
        "train on native sizes and on square crops: how often is the subject cut off?",
        "skyloom bench native -o out/native --picture native.png --json native.json",
        run_native,
    )
    add = native.add_argument
    add("-o", "--out", type=Path, default=Path("out/native"), metavar="FOLDER",
        help="where it works; interrupted, it goes on (default: %(default)s)")  # fmt: skip
    add("--picture", type=Path, metavar="FILE", help="a .png of clips of both")
    add("--quick", action="store_true", help="everything once, to try it")
    trust = _add_bench(
        benches,
        "trust",
        "prompts refused rightly and wrongly, flashes, the detector, marks and signatures",
        "skyloom bench trust --json trust.json\n"
        "skyloom bench trust --part prompts --prompts mine.tsv",
        run_trust,
    )
    add = trust.add_argument
    add("--part", nargs="+", choices=TRUST_PARTS, default=TRUST_PARTS, metavar="PART",
        help=f"only these: {', '.join(TRUST_PARTS)}")  # fmt: skip
    add("--prompts", type=Path, metavar="FILE",
        help='others: a category or "ok", a tab, a prompt on each line')  # fmt: skip
    add("-o", "--out", type=Path, default=Path("out/trust"), metavar="FOLDER",
        help="where marks are measured clip by clip; interrupted, it goes on "
        "(default: %(default)s)")  # fmt: skip


def _add_bench(
    benches: Verbs, name: str, told: str, example: str, run: Callable[[argparse.Namespace], None]
) -> Parser:
    """One bench; every one can write its figures to a file."""
    parser = add_verb(benches, name, told, example, run)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every figure to FILE")
    return parser


def run_reconstruction(args: argparse.Namespace) -> None:
    """Measure the autoencoder."""
    for file in args.files:
        if not file.is_file():
            raise UserError(f"'{file}' does not exist: name a video or an image.")
    _check_json(args)
    from skyloom.bench import reconstruction

    print(reconstruction.table(reconstruction.run(args.model, args.files, args.json)))


def run_adherence(args: argparse.Namespace) -> None:
    """Measure how well clips follow their prompts."""
    _check_json(args)
    from skyloom.bench import adherence

    print(adherence.table(adherence.run(args.model, args.prompts, args.json)))


def run_editing(args: argparse.Namespace) -> None:
    """Measure how well edits join what was given."""
    _check_json(args)
    from skyloom.bench import editing

    print(editing.table(editing.run(args.model, args.json, args.quick)))


def run_speed(args: argparse.Namespace) -> None:
    """Measure time and memory."""
    _check_json(args)
    from skyloom.bench import speed

    print(speed.table(speed.run(args.model, args.json)))


def run_training(args: argparse.Namespace) -> None:
    """Measure training on clips of native sizes."""
    _check_json(args)
    from skyloom.bench import training

    print(training.table(training.run(args.json, args.quick)))


def run_native(args: argparse.Namespace) -> None:
    """Train on native sizes and on squares, and count subjects that are cut off."""
    _check_json(args)
    if args.picture is not None:
        if args.picture.suffix != ".png":
            raise UserError(f"The picture '{args.picture}' must be a .png file: name one.")
        check_writable(args.picture)
    from skyloom.bench import native

    config = native.QUICK if args.quick else None
    print(native.table(native.run(args.out, args.json, args.picture, config)))


def run_trust(args: argparse.Namespace) -> None:
    """Measure what guards, detector and marks do."""
    _check_json(args)
    if args.prompts is not None and not args.prompts.is_file():
        raise UserError(f"'{args.prompts}' does not exist: name a file of prompts.")
    from skyloom.bench import trust

    print(trust.table(trust.run(args.json, args.prompts, args.part, args.out)))


def run_serving(args: argparse.Namespace) -> None:
    """Measure serving."""
    _check_json(args)
    from skyloom.bench import serving, serving_http
    from skyloom.bench.table import write_json

    figures = serving.run(args.model)
    print(serving.table(figures))
    over_http = serving_http.run(args.model)
    print(serving_http.table(over_http))
    write_json({**figures, "HTTP": over_http}, args.json)


def _check_json(args: argparse.Namespace) -> None:
    """Fail before the hours of measuring, not after them."""
    if args.json is not None:
        check_writable(args.json)
