"""The verb `train`: recipes to models."""

import argparse
from pathlib import Path

from skyloom.commands.parsing import Verbs, add_verb, positive_number


def add_verbs(verbs: Verbs) -> None:
    """Declare the verb, one verb more for each network, and their flags."""
    parser = add_verb(
        verbs,
        "train",
        "train a network by a recipe",
        "skyloom train autoencoder runs/tiny_autoencoder.toml\n"
        "skyloom train transformer runs/tiny_transformer.toml out=first optim.lr=3e-4",
        run_autoencoder,
    )
    networks = parser.add_subparsers(dest="network", metavar="NETWORK", required=True)
    for name, summary, run in (
        ("autoencoder", "train the video compression network", run_autoencoder),
        ("transformer", "train the diffusion transformer and its text encoder", run_transformer),
    ):
        example = (
            f"skyloom train {name} runs/tiny_{name}.toml out=first --minutes 30\n"
            f"torchrun --nproc-per-node 2 -m skyloom train {name} runs/tiny_{name}.toml"
        )
        add = add_verb(networks, name, summary, example, run).add_argument
        add("recipe", type=Path, metavar="RECIPE", help="a TOML file, such as those in runs/")
        add("settings", nargs="*", metavar="KEY=VALUE",
            help="set over the recipe, as in out=FOLDER or optim.lr=3e-4")  # fmt: skip
        add("--minutes", type=positive_number, metavar="M",
            help="stop after so long; the same command goes on from there")  # fmt: skip
        add("--allow-changes", action="store_true",
            help="go on with a run although its recipe has changed")  # fmt: skip
        add("--from", dest="start", metavar="FOLDER",
            help="model folder to start from, as start=FOLDER does")  # fmt: skip


def run_autoencoder(args: argparse.Namespace) -> None:
    """Train the autoencoder."""
    from skyloom.train import autoencoder

    autoencoder.main(args.recipe, _settings(args), args.minutes, args.allow_changes)


def run_transformer(args: argparse.Namespace) -> None:
    """Train the transformer."""
    from skyloom.train import transformer

    transformer.main(args.recipe, _settings(args), args.minutes, args.allow_changes)


def _settings(args: argparse.Namespace) -> list[str]:
    """What is set over the recipe, by settings and by flags."""
    return args.settings if args.start is None else [*args.settings, f"start={args.start}"]
