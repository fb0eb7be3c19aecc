"""What a recipe comes to on given devices: size, work, memory, time and money, before a step."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from skyloom.config import from_dict
from skyloom.data.latents import META, LatentDataset
from skyloom.errors import UserError
from skyloom.plan.devices import CARDS, Cluster
from skyloom.plan.memory import PROCESS, Memory, memory_of
from skyloom.plan.networks import Counted, counted
from skyloom.plan.work import Clip, Work, step_flops, work_of
from skyloom.storage import CONFIG
from skyloom.text.bundled import BundledTextConfig
from skyloom.train.batches import LatentBatches
from skyloom.train.recipe import TransformerRecipe
from skyloom.transformer.config import TransformerConfig

BATCHES = 8
"""Batches of the real data that are looked at."""
MFU = 0.4
"""Share of the devices' peak rate that training is taken to reach, unless told otherwise."""
MOST_RANKS = 16384
"""Where looking for enough ranks ends."""


@dataclass(frozen=True)
class Plan:
    """A recipe on devices.

    Attributes:
        recipe: with the sizes of the model that it starts from, if it names one.
        cluster: the devices.
        mfu: share of their peak rate that is taken to be reached.
        price: of a device for an hour; None where nobody said.
        networks: numbers of parameters.
        batch: clips of the largest batch of a rank; `assumed` where there is no data to look at.
        work: of a forward pass of a batch of a rank, over the batches that were looked at.
        flops: of a step, all ranks.
        memory: of a rank, as the recipe has it; `lean` is the same with parallel.checkpoint=true.
    """

    recipe: TransformerRecipe
    cluster: Cluster
    mfu: float
    price: float | None
    networks: Counted
    batch: tuple[Clip, ...]
    assumed: bool
    tokens: float
    work: Work
    flops: float
    memory: Memory
    lean: Memory

    @property
    def steps(self) -> int:
        """Of the whole run."""
        return self.recipe.optim.steps

    @property
    def tokens_per_step(self) -> float:
        """Tokens of video that all ranks learn from in a step, on the average."""
        return self.tokens * self.replicas

    @property
    def replicas(self) -> int:
        """Batches that are worked on at the same time."""
        return self.cluster.count // self.recipe.parallel.context

    @property
    def hours(self) -> float:
        """Of the whole run, at the share of the peak rate that is taken to be reached."""
        rate = self.cluster.count * self.cluster.device.flops * self.mfu
        return self.steps * self.flops / rate / 3600

    @property
    def cost(self) -> float | None:
        """Of all devices for these hours."""
        return None if self.price is None else self.price * self.hours * self.cluster.count

    @property
    def fits(self) -> bool:
        """Whether each rank's device holds what it must."""
        return self.memory.total <= self.cluster.device.memory

    def figures(self) -> dict[str, Any]:
        """Every figure, fit for JSON."""
        return {
            "preset": self.recipe.preset,
            "devices": {"count": self.cluster.count, **asdict(self.cluster.device)},
            "parameters": {**asdict(self.networks), "total": self.networks.total},
            "tokens": {
                "a step": self.tokens_per_step,
                "a rank's batch": sum(clip.video for clip in self.batch),
                "clips of it": len(self.batch),
                "assumed": self.assumed,
            },
            "FLOP": {
                "a token": self.flops / self.tokens_per_step,
                "a step": self.flops,
                "attention's share": self.work.attention / self.work.forward,
                "a run": self.flops * self.steps,
            },
            "memory": {**vars(self.memory), "total": self.memory.total},
            "memory with checkpointing": {**vars(self.lean), "total": self.lean.total},
            "fits": self.fits,
            "would": self.fits or advice(self),
            "steps": self.steps,
            "mfu": self.mfu,
            "hours": self.hours,
            "price": self.price,
            "cost": self.cost,
        }


def plan(
    recipe: TransformerRecipe,
    cluster: Cluster,
    mfu: float = MFU,
    price: float | None = None,
    clip_tokens: int | None = None,
) -> Plan:
    """What the recipe comes to.

    Args:
        mfu: share of the devices' peak rate that is taken to be reached.
        price: of a device for an hour, in any money.
        clip_tokens: of a clip, where the data is not there yet; else one fills the batch, for
            which attention costs most.

    Raises:
        UserError: the model to start from or the data is there and cannot be read.
    """
    recipe = _with_sizes(recipe)
    _check_context(recipe, cluster)
    lora = recipe.lora if recipe.lora.rank else None
    networks = counted(recipe.model, recipe.text, recipe.optim.muon, lora)
    batches, assumed = _batches(recipe, clip_tokens)
    works = [work_of(recipe.model, recipe.text, batch) for batch in batches]
    work = Work(*(sum(getattr(w, part) for w in works) / len(works) for part in vars(works[0])))
    flops = step_flops(work, recipe.routed, recipe.model.depth, lora is not None)
    largest = max(batches, key=lambda batch: sum(c.video + c.words for c in batch))
    memories = [
        _memory(recipe, networks, largest, cluster, checkpointed)
        for checkpointed in (recipe.parallel.checkpoint, True)
    ]
    return Plan(
        recipe=recipe,
        cluster=cluster,
        mfu=mfu,
        price=price,
        networks=networks,
        batch=tuple(largest),
        assumed=assumed,
        tokens=sum(clip.video for batch in batches for clip in batch) / len(batches),
        work=work,
        flops=flops * (cluster.count // recipe.parallel.context),
        memory=memories[0],
        lean=memories[1],
    )


def advice(found: Plan) -> list[str]:
    """What would make a plan fit that does not, each a few words; empty if nothing would."""
    limit, cluster = found.cluster.device.memory, found.cluster
    would = []
    if found.lean.total <= limit:
        would.append(f"parallel.checkpoint=true ({gib(found.lean.total)})")
    for name, memory in (("", found.memory), (" and parallel.checkpoint=true", found.lean)):
        spare = (limit - memory.state) / max(memory.activations, 1)
        tokens = int(found.recipe.tokens * spare) // 64 * 64
        if 0 < tokens < found.recipe.tokens:
            would.append(f"tokens={tokens}{name}")
            break
    if not cluster.device.is_cpu:
        would += _shared(found)
        would += _more(found)
    return would


def _shared(found: Plan) -> list[str]:
    """As many ranks to each batch, of those that there are, as would do."""
    recipe, cluster = found.recipe, found.cluster
    context = 2 * recipe.parallel.context
    while cluster.count % context == 0 and context <= recipe.model.heads:
        parallel = replace(recipe.parallel, context=context)
        sharing = replace(recipe, parallel=parallel)
        held = _memory(sharing, found.networks, found.batch, cluster, recipe.parallel.checkpoint)
        if held.total <= cluster.device.memory:
            return [f"parallel.context={context} ({gib(held.total)})"]
        context *= 2
    return []


def _check_context(recipe: TransformerRecipe, cluster: Cluster) -> None:
    """See that so many ranks can share a batch.

    Raises:
        UserError: they cannot.
    """
    context, heads = recipe.parallel.context, recipe.model.heads
    if context > heads:
        raise UserError(
            f"parallel.context is {context} and the transformer has {heads} heads: no more ranks "
            f"than heads can share a batch, {heads} at most."
        )
    if cluster.count % context:
        there = "is 1 process" if cluster.count == 1 else f"are {cluster.count} processes"
        raise UserError(
            f"parallel.context is {context} and there {there}: start a multiple of {context}, as "
            f"torchrun --nproc-per-node {context} does, or set parallel.context=1."
        )


def _sharded(recipe: TransformerRecipe) -> TransformerRecipe:
    """The recipe with its state divided among the ranks."""
    return replace(recipe, parallel=replace(recipe.parallel, shard=True))


def gib(size: float) -> str:
    """Bytes for people."""
    return f"{size / 2**30:,.1f} GiB" if size >= 2**29 else f"{size / 2**20:,.0f} MiB"


def require(recipe: TransformerRecipe, cluster: Cluster) -> None:
    """Refuse a run before its first step whose memory the machine does not have.

    Raises:
        UserError: a rank would hold more than its device does; the message has the plan.
    """
    found = plan(recipe, cluster)
    if found.fits:
        return
    memory, device = found.memory, cluster.device
    would = advice(found)
    remedy = ", or ".join(would) if would else "a machine with more memory"
    raise UserError(
        f"Training {found.networks.total / 1e6:,.1f}M parameters on batches of "
        f"{sum(clip.video for clip in found.batch):,} tokens needs about {gib(memory.total)} "
        f"(activations {gib(memory.activations)}, the rest {gib(memory.state)}) and there are "
        f"{gib(device.memory)} on {device.name}: what would fit is {remedy}; "
        "'skyloom plan RECIPE' shows it all."
    )


def _memory(
    recipe: TransformerRecipe,
    networks: Counted,
    clips: Sequence[Clip],
    cluster: Cluster,
    checkpointed: bool,
) -> Memory:
    from skyloom.device import pick_dtype

    cpu = cluster.device.is_cpu
    if cpu:
        import torch

        element = pick_dtype(torch.device("cpu")).itemsize
    return memory_of(
        networks,
        recipe.model,
        recipe.text,
        clips,
        ranks=cluster.count if recipe.parallel.shard else 1,
        context=recipe.parallel.context,
        checkpointed=checkpointed,
        element=element if cpu else 2,
        fused=not cpu,
        process=PROCESS if cpu else 0.0,
    )


def _more(found: Plan) -> list[str]:
    """More ranks of the same card, or as many of the smallest card that would do."""
    card, would = found.cluster.device, []
    recipe = _sharded(found.recipe)
    count = found.cluster.count * (2 if found.recipe.parallel.shard else 1)
    while count <= MOST_RANKS:
        memories = [
            _memory(recipe, found.networks, found.batch, Cluster(count, card), lean)
            for lean in (recipe.parallel.checkpoint, True)
        ]
        fitting = [memory for memory in memories if memory.total <= card.memory]
        if fitting:
            how = "" if fitting[0] is memories[0] else " and parallel.checkpoint=true"
            more = "" if count == found.cluster.count else f"{count}x{card.name}"
            shard = "" if found.recipe.parallel.shard else "parallel.shard=true"
            would.append(" and ".join(part for part in (shard, more) if part) + how)
            break
        count *= 2
    larger = [
        other
        for other in sorted(CARDS.values(), key=lambda c: c.memory)
        if other.memory > card.memory and found.memory.total <= other.memory
    ]
    if larger:
        would.append(f"{found.cluster.count}x{larger[0].name}")
    return would


def _with_sizes(recipe: TransformerRecipe) -> TransformerRecipe:
    """The recipe with the sizes of the model that it starts from."""
    if not recipe.start:
        return recipe
    sizes: list[Any] = []
    for name, kind in (("transformer", TransformerConfig), ("text_encoder", BundledTextConfig)):
        path = Path(recipe.start) / name / CONFIG
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise UserError(f"'{path}' cannot be read: start must name a model folder.") from error
        values.pop("_class_name", None)
        sizes.append(from_dict(kind, values, f"'{path}'"))
    return replace(recipe, model=sizes[0], text=sizes[1])


def _batches(recipe: TransformerRecipe, clip_tokens: int | None) -> tuple[list[list[Clip]], bool]:
    """Some batches as training draws them, and whether they are made up."""
    words = max(1, recipe.text.max_tokens // 2)
    if not (Path(recipe.data) / META).is_file() or clip_tokens:
        each = min(clip_tokens or recipe.tokens, recipe.tokens)
        return [[Clip(each, words)] * (recipe.tokens // each)], True
    dataset = LatentDataset(Path(recipe.data))
    drawn = LatentBatches(recipe, dataset, range(len(dataset)))
    batches = []
    for step in range(BATCHES):
        clips = []
        for view in drawn.plan.batch(step):
            row = drawn.views[view][0]
            said = [len(caption.split()) for caption in dataset.rows[row].captions]
            words = min(recipe.text.max_tokens, 1 + 3 * max(said, default=0) // 2)
            clips.append(Clip(int(drawn.plan.tokens[view]), words))
        batches.append(clips)
    return batches, False
