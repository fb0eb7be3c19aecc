"""A plan as people read it: a table, what does not fit, and what would."""

from skyloom.bench.table import Cell, format_table, percent
from skyloom.plan.devices import CARDS, Cluster
from skyloom.plan.memory import memory_of
from skyloom.plan.networks import counted
from skyloom.plan.plan import Plan, advice, gib
from skyloom.plan.work import Clip, step_flops, work_of
from skyloom.presets import PRESETS

PRESET_TOKENS = 8192
"""Tokens of the one clip that the table of presets is computed for."""


def table(plan: Plan) -> str:
    """All figures of a plan."""
    networks, memory, lean = plan.networks, plan.memory, plan.lean
    video = sum(clip.video for clip in plan.batch)
    clips = f"{len(plan.batch)} clip{'s' if len(plan.batch) > 1 else ''}"
    rows: list[list[Cell]] = [
        ["parameters", f"{networks.total / 1e6:,.1f} M"],
        ["  of the transformer", f"{networks.transformer / 1e6:,.1f} M"],
        ["  of the text encoder", f"{networks.text / 1e6:,.1f} M"],
        ["  that are trained", f"{networks.trained / 1e6:,.1f} M"],
        ["a batch of a rank, at most", f"{video:,} tokens in {clips}"],
        ["tokens a step, all ranks", f"{plan.tokens_per_step:,.0f}"],
        ["FLOP a token, forward and backward", flop(plan.flops / plan.tokens_per_step)],
        ["FLOP a step, all ranks", flop(plan.flops)],
        ["  attention's share", percent(plan.work.attention / plan.work.forward)],
        ["steps", f"{plan.steps:,}"],
        [f"hours at {plan.mfu:.0%} of the peak rate", _short(plan.hours)],
    ]
    if plan.cost is not None:
        rows.append([f"cost at {plan.price:g} a device and hour", _short(plan.cost)])
    held: list[list[Cell]] = [
        [name, gib(getattr(memory, part)), gib(getattr(lean, part))]
        for part, name in (
            ("weights", "weights"),
            ("masters", "masters, fp32"),
            ("averages", "averages, fp32"),
            ("moments", "moments of the optimizer"),
            ("gradients", "gradients, fp32"),
            ("gathered", "blocks gathered from other ranks"),
            ("activations", "activations"),
            ("working", "for a moment"),
            ("process", "the process itself"),
        )
        if getattr(memory, part) or getattr(lean, part)
    ]
    held.append(["all", gib(memory.total), gib(lean.total)])
    held.append(["there is", gib(plan.cluster.device.memory), gib(plan.cluster.device.memory)])
    title = f"on {plan.cluster}"
    return "\n\n".join(
        [
            format_table(title, ["what", "figure"], rows, _notes(plan)),
            format_table("memory of a rank", ["what", "as it is", "checkpointed"], held),
            verdict(plan),
        ]
    )


def verdict(plan: Plan) -> str:
    """Whether it fits, and if not what would, in a sentence."""
    if plan.fits:
        share = plan.memory.total / plan.cluster.device.memory
        return f"It fits: {share:.0%} of the memory of each rank."
    would = advice(plan)
    needed, there = gib(plan.memory.total), gib(plan.cluster.device.memory)
    return f"It does not fit: {needed} are needed and {there} are there. " + (
        f"What would: {'; '.join(would)}." if would else "Nothing here would: a smaller model."
    )


def _notes(plan: Plan) -> list[str]:
    notes = []
    if plan.assumed:
        notes.append(
            "There is no data to look at: clips of "
            f"{plan.batch[0].video:,} tokens are assumed (--clip-tokens says how long they are)."
        )
    if plan.cluster.count > 1:
        divided = "divided among the ranks (parallel.shard)"
        whole = "whole in every rank (parallel.shard=true divides them)"
        state = divided if plan.recipe.parallel.shard else whole
        notes.append(f"Weights, averages and the optimizer's moments are {state}.")
    if plan.recipe.parallel.checkpoint:
        notes.append(
            "Blocks are computed once more in the backward pass (parallel.checkpoint), about a "
            "third more work, which the share of the peak rate must allow for."
        )
    if plan.recipe.parallel.context > 1:
        notes.append(f"{plan.recipe.parallel.context} ranks share the tokens of each batch.")
    return notes


def presets() -> str:
    """The table of presets: what each comes to, and the least that trains it."""
    rows: list[list[Cell]] = []
    for name, preset in PRESETS.items():
        networks = counted(preset.model, preset.text, muon=True)
        clip = [Clip(PRESET_TOKENS, preset.text.max_tokens // 2)]
        flops = step_flops(work_of(preset.model, preset.text, clip))
        one = memory_of(networks, preset.model, preset.text, clip)
        lean = memory_of(networks, preset.model, preset.text, clip, checkpointed=True)
        rows.append(
            [
                name,
                f"{networks.total / 1e6:,.1f} M",
                f"{preset.model.depth} x {preset.model.width}",
                flop(flops / PRESET_TOKENS),
                gib(one.total),
                gib(lean.total),
                _least(name),
                preset.about,
            ]
        )
    columns = ["preset", "parameters", "blocks", "FLOP a token", "memory", "checkpointed",
               "least H100s", "about"]  # fmt: skip
    notes = [
        f"One clip of {PRESET_TOKENS:,} tokens a rank, on one device; FLOP are of a training step. "
        "'least H100s': ranks that the state must be divided among, activations checkpointed."
    ]
    return format_table("presets", columns, rows, notes)


def _least(name: str) -> str:
    """The fewest H100s, in powers of two, that train a preset on such clips."""
    preset, card = PRESETS[name], CARDS["H100"]
    networks = counted(preset.model, preset.text, muon=True)
    clip = [Clip(PRESET_TOKENS, preset.text.max_tokens // 2)]
    cluster = Cluster(1, card)
    while True:
        held = memory_of(
            networks, preset.model, preset.text, clip, ranks=cluster.count, checkpointed=True
        )
        if held.total <= card.memory:
            return str(cluster.count)
        cluster = Cluster(2 * cluster.count, card)


def _short(value: float) -> str:
    """A figure with one decimal; two digits of one that this would make next to nothing."""
    return f"{value:,.1f}" if value >= 1 or not value else f"{value:.2g}"


def flop(count: float) -> str:
    """Floating point operations for people: 3.1 TFLOP."""
    for size, name in ((1e21, "Z"), (1e18, "E"), (1e15, "P"), (1e12, "T"), (1e9, "G")):
        if count >= size:
            return f"{count / size:,.1f} {name}FLOP"
    return f"{count / 1e6:,.1f} MFLOP"
