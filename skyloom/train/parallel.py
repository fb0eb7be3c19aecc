"""Training by many processes, applied to a task from outside: networks and losses know nothing.

`torchrun --nproc-per-node N -m skyloom train transformer RECIPE` starts N processes alike, each
for a device of its own or a core. Each works on batches of its own, or several share the tokens of
each batch (see transformer/context.py). Weights are whole in every process, or each holds some rows
of them alone and the others when they are needed (FSDP2: PyTorch's `fully_shard`, after ZeRO,
arXiv 1910.02054). What saves memory or time in one process is applied in the same way.
"""

import atexit
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
from torch import nn

from skyloom.errors import UserError
from skyloom.train.ranks import ALONE, Ranks
from skyloom.train.watch import Watch, ended_by
from skyloom.transformer.blocks import Block

PATIENCE = timedelta(minutes=30)
"""How long processes wait for one that lives and gets on, such as the first while it evaluates."""
GRACE = timedelta(seconds=5)
"""How long they wait for the last words of one that is not."""
FAILED = "skyloom/failed"


@dataclass(frozen=True)
class ParallelConfig:
    """How processes share the work, and each does its own; it changes nothing but rounding.

    Attributes:
        shard: each process holds some rows of the weights, of their gradients and of what the
            optimizer keeps, instead of all of them: for what fits no device alone.
        context: processes that share the tokens of each batch, for clips whose activations fit no
            device alone; 1 is each for itself. At most as many as the transformer has heads.
        checkpoint: blocks keep only what enters them for the backward pass, and are computed once
            more in it: a fraction of the memory, a third more work (arXiv 1604.06174).
        compile: blocks of the transformer are compiled by torch.compile in the first step, which
            takes a minute and on a CPU needs a C++ compiler; whether it pays: docs/log.md.
        patience: seconds after which all stop for a process that is not heard of, or stands still
            in a step; see train/watch.py.
    """

    shard: bool = False
    context: int = 1
    checkpoint: bool = False
    compile: bool = False
    patience: float = 60.0

    def __post_init__(self) -> None:
        if self.context < 1:
            raise ValueError(f"context {self.context} is below 1")
        if self.patience < 5:
            raise ValueError(f"patience {self.patience:g} is below 5 seconds")


@contextmanager
def together(config: ParallelConfig = ParallelConfig()) -> Iterator[Ranks]:
    """Meet the other processes that torchrun has started; one by itself is `ALONE`.

    What ends one ends all: the others say which it was and what it said.

    Raises:
        UserError: another process has failed.
    """
    ranks, context = int(os.environ.get("WORLD_SIZE", "1")), config.context
    if ranks == 1:
        yield ALONE
        return
    from torch import distributed

    rank = int(os.environ["RANK"])
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    distributed.init_process_group(backend, timeout=PATIENCE)
    store: Any = distributed.distributed_c10d._get_default_store()
    watch = Watch(store.clone(), rank, ranks, config.patience, ended_by(rank, ranks))
    try:
        sharing = distributed.new_subgroups(context, timeout=PATIENCE)[0] if context > 1 else None
        everyone = Ranks(rank, ranks, context, distributed.group.WORLD, sharing, watch.note)
        yield everyone
        everyone.meet()  # nobody leaves while another one still talks to it
        distributed.destroy_process_group()
        atexit.register(_leave)
    except Exception as error:
        if isinstance(error, RuntimeError):  # so are those of a broken connection
            _raise_anothers(store, rank, ranks, error)
        said = f"{error}" if isinstance(error, UserError) else f"{type(error).__name__}: {error}"
        if store.add(f"{FAILED}/count", 1) == 1:
            store.set(FAILED, f"{rank} {said}")
        if rank and isinstance(error, UserError):
            raise UserError(f"Process {rank} of {ranks}: {error}") from error
        raise
    finally:
        watch.close()


def _leave() -> None:
    """End a process whose work is done without taking the interpreter down.

    There the threads of gloo may outlive what they belong to and abort the process, which torchrun
    takes for a failure: in half of the runs of two processes with torch 2.13.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def _raise_anothers(store: Any, rank: int, ranks: int, error: RuntimeError) -> None:
    """Say which process it was that broke the connection; return if it was this one.

    Raises:
        UserError: another one has failed, or is gone without a word.
    """
    try:
        store.wait([FAILED], GRACE)
        other, _, said = store.get(FAILED).decode().partition(" ")
    except RuntimeError:  # nobody has said anything
        if not any(word in str(error) for word in ("Connection", "connection", "gloo", "NCCL")):
            return
        raise UserError(
            f"Process {rank} of {ranks} stops, for another one is gone without a word: it was "
            "killed, perhaps for want of memory; torchrun says which. The same command goes on "
            "from the last checkpoint."
        ) from error
    if int(other) != rank:
        raise UserError(
            f"Process {rank} of {ranks} stops, for process {other} has failed: {said}"
        ) from error


def apply(config: ParallelConfig, modules: Mapping[str, nn.Module], ranks: Ranks) -> None:
    """Put all that a recipe asks for on the networks, in the only order that works.

    Raises:
        UserError: blocks should be compiled and there is no compiler.
    """
    if config.compile:
        compile_blocks(modules)
    if config.checkpoint:
        checkpoint_blocks(modules)
    if config.shard:
        shard(modules, ranks)


def checkpoint_blocks(modules: Mapping[str, nn.Module]) -> None:
    """Let every block keep only what enters it, and compute it once more in the backward pass."""
    from torch.distributed.algorithms._checkpoint.checkpoint_wrapper import checkpoint_wrapper

    for blocks in _lists_of_blocks(modules):
        for index, block in enumerate(blocks):
            # Nothing is drawn at random in a block.
            blocks[index] = checkpoint_wrapper(block, preserve_rng_state=False)


def compile_blocks(modules: Mapping[str, nn.Module]) -> None:
    """Compile every block of the transformer, alike ones once, for sequences of any length.

    Raises:
        UserError: there is no C++ compiler, which torch.compile needs on a CPU.
    """
    on_cpu = any(w.device.type == "cpu" for module in modules.values() for w in module.parameters())
    compiler = os.environ.get("CXX", "g++")
    if on_cpu and shutil.which(compiler) is None:
        raise UserError(
            f"parallel.compile is on and there is no C++ compiler '{compiler}', which "
            "torch.compile needs on a CPU: install one (on Debian: apt install g++), or set "
            "parallel.compile=false."
        )
    for module in modules.values():
        for block in module.modules():
            if isinstance(block, Block):
                block.attend = torch.compiler.disable(block.attend)
                block.compile(dynamic=True)


def _lists_of_blocks(modules: Mapping[str, nn.Module]) -> list[nn.ModuleList]:
    return [
        each
        for module in modules.values()
        for each in module.modules()
        if isinstance(each, nn.ModuleList)
    ]


def shard(modules: Mapping[str, nn.Module], ranks: Ranks) -> None:
    """Leave each process some rows of every weight; whole ones are there while they are used.

    Every block of a list of blocks is gathered by itself, what is left of a module together.
    """
    from torch.distributed.fsdp import (
        MixedPrecisionPolicy,
        fully_shard,
        register_fsdp_forward_method,
    )

    if ranks.ranks == 1:
        return
    policy = MixedPrecisionPolicy(reduce_dtype=torch.float32)
    for name, module in modules.items():
        lists = _lists_of_blocks({name: module})
        for owner in [*(block for blocks in lists for block in blocks), module]:
            # The gradient of a step is a sum; `Optimizer.step` divides it by what was summed.
            sharded = fully_shard(owner, mp_policy=policy, reshard_after_forward=True)
            sharded.set_gradient_divide_factor(1.0)
            sharded.set_force_sum_reduction_for_comms(True)
        for method in ("encode", "loss"):  # what tasks call besides `forward`
            if hasattr(module, method):
                register_fsdp_forward_method(module, method)
