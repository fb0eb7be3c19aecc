"""The verb `plan`: what a recipe comes to, before its first step."""

import argparse
from pathlib import Path

from skyloom.commands.parsing import Verbs, add_verb, positive, positive_number
from skyloom.errors import UserError
from skyloom.files import check_writable


def add_verbs(verbs: Verbs) -> None:
    """Declare the verb and its flags."""
    add = add_verb(
        verbs,
        "plan",
        "parameters, work, memory, hours and cost of a recipe, and what would fit",
        "skyloom plan runs/default_transformer.toml\n"
        "skyloom plan mine.toml preset=sd3-d30 --gpus 64xH100 --mfu 0.4 --price 2.5\n"
        "skyloom plan",
        run,
    ).add_argument
    add("recipe", type=Path, nargs="?", metavar="RECIPE",
        help="of a transformer; without one, the table of presets")  # fmt: skip
    add("settings", nargs="*", metavar="KEY=VALUE", help="set over the recipe")
    add("--gpus", metavar="NxNAME", help="as in 64xH100 (default: this machine's processors)")
    add("--mfu", type=positive_number, metavar="SHARE",
        help="share of the peak rate that training reaches (default: 0.4)")  # fmt: skip
    add("--price", type=positive_number, metavar="MONEY", help="of a device for an hour")
    add("--clip-tokens", type=positive, metavar="N",
        help="tokens of a clip where there is no data yet (default: the whole batch)")  # fmt: skip
    add("--json", type=Path, metavar="FILE", help="write every figure to FILE")


def run(args: argparse.Namespace) -> None:
    """Print the plan."""
    if args.json is not None:
        check_writable(args.json)
    if args.mfu is not None and args.mfu > 1:
        raise UserError(f"--mfu {args.mfu:g} is more than all of the peak rate: use 0.3 to 0.5.")
    from skyloom.bench.table import write_json
    from skyloom.plan import report
    from skyloom.plan.devices import parse_cluster, this_machine
    from skyloom.plan.plan import MFU, plan
    from skyloom.train.recipe import load_recipe

    if args.recipe is None:
        if args.json is not None:
            raise UserError("--json writes the plan of a recipe: name one.")
        print(report.presets())
        return
    recipe = load_recipe(args.recipe, args.settings)
    cluster = parse_cluster(args.gpus) if args.gpus else this_machine()
    found = plan(recipe, cluster, args.mfu or MFU, args.price, args.clip_tokens)
    write_json(found.figures(), args.json)
    print(report.table(found))
