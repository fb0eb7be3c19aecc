"""The verbs `world` and `prepare`: captioned clips to learn from, and their latents."""

import argparse
import os
import sys
from pathlib import Path

from skyloom.commands.parsing import Verbs, add_verb, positive, positive_number, several, size


def add_verbs(verbs: Verbs) -> None:
    """Declare the verbs and their flags."""
    add = add_verb(
        verbs,
        "world",
        "render captioned clips of the physics world to learn from",
        "skyloom world clips/ --clips 500 --seed 1\n"
        "skyloom world clips/ --clips 2000 --images 500 --size 128x128,160x96 --frames 17,49",
        run_world,
    ).add_argument
    add(
        "folder", type=Path, metavar="FOLDER", help="where the clips go; an interrupted run goes on"
    )
    add("--clips", type=int, default=100, metavar="N", help="how many clips (default: 100)")
    add("--images", type=int, default=0, metavar="N", help="how many stills besides (default: 0)")
    add("--seed", type=int, default=0, help="same seed, same bytes (default: 0)")
    add("--size", type=several(size), default=((128, 128),), metavar="WxH,...",
        help="sizes to draw from (default: 128x128)")  # fmt: skip
    add("--frames", type=several(positive), default=(49,), metavar="N,...",
        help="lengths to draw from, in frames (default: 49)")  # fmt: skip
    add("--fps", type=several(positive_number), default=(12.0,), metavar="RATE,...",
        help="frames a second to draw from (default: 12)")  # fmt: skip
    add("--crafter", type=float, metavar="SHARE", help="share of clips of the game Crafter, 0 to 1")
    add("--split", choices=("train", "heldout"), default="train",
        help="heldout: only what training never shows (default: train)")  # fmt: skip
    add("--tier", choices=("one", "two", "all"), help="one subject, two, or everything at once")
    add("--format", choices=("mp4", "safetensors"), default="mp4",
        help="safetensors is lossless and large (default: mp4)")  # fmt: skip
    add("--workers", type=positive, metavar="N", help="processes (default: one for every core)")

    add = add_verb(
        verbs,
        "prepare",
        "encode a folder of captioned clips to latents on disk",
        "skyloom prepare clips/ -o prepared/",
        run_prepare,
    ).add_argument
    add("folder", type=Path, metavar="FOLDER", help="clips and their captions.jsonl")
    add("-o", "--out", type=Path, required=True, metavar="OUT",
        help="where the latents go; an interrupted run goes on")  # fmt: skip
    add("--model", type=Path, metavar="FOLDER",
        help="a model folder whose autoencoder encodes, instead of the bundled one")  # fmt: skip
    add("--batch", type=positive, default=4, metavar="N", help="clips at a time (default: 4)")
    add("--workers", type=positive, metavar="N",
        help="processes (default: one for every core, on a GPU one)")  # fmt: skip
    add("--device", default="auto", help="cpu, cuda or auto (default: auto)")


def run_world(args: argparse.Namespace) -> None:
    """Render the clips and say where they are."""
    from skyloom.world.dataset import WorldRecipe, write_world

    crafter = WorldRecipe.crafter if args.crafter is None else args.crafter
    recipe = WorldRecipe(
        clips=args.clips,
        images=args.images,
        seed=args.seed,
        sizes=args.size,
        frames=args.frames,
        fps=args.fps,
        crafter=crafter,
        split=args.split,
        tier=args.tier,
        format=args.format,
    )
    write_world(args.folder, recipe, workers=args.workers)
    print(f"{args.folder}: {args.clips} clips, {args.images} images")


def run_prepare(args: argparse.Namespace) -> None:
    """Encode the clips and say where the latents are."""
    from skyloom.autoencoder.folder import load_autoencoder
    from skyloom.data.prepare import prepare
    from skyloom.device import pick_device, pick_dtype
    from skyloom.modelfolder import BUNDLED

    device = pick_device(args.device)
    autoencoder = load_autoencoder(args.model or BUNDLED).to(device, pick_dtype(device))
    cores = (os.cpu_count() or 1) if device.type == "cpu" else 1
    dataset = prepare(
        args.folder, args.out, autoencoder, args.batch, device, workers=args.workers or cores
    )
    print(f"{args.out}: latents of {len(dataset)} clips")
    silent = sum(not row.captions for row in dataset.rows)
    if silent:
        print(f"{silent} clips have no caption and are learnt from without words", file=sys.stderr)
