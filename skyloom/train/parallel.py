"""Training by many processes, applied to a task from outside: networks and losses know nothing.

`torchrun --nproc-per-node N -m skyloom train transformer RECIPE` starts N processes alike, each
for a device of its own or a core. Each works on batches of its own. Weights are whole in every
process, or each holds some rows of them alone and the others when they are needed (FSDP2: PyTorch's
`fully_shard`, after ZeRO, arXiv 1910.02054).
"""

import atexit
import os
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

PATIENCE = timedelta(minutes=30)
"""How long processes wait for one that is alive, such as for the first one while it evaluates."""
GRACE = timedelta(seconds=5)
"""How long they wait for the last words of one that is not."""
FAILED = "skyloom/failed"


@dataclass(frozen=True)
class ParallelConfig:
    """How processes share the work; it changes nothing but rounding.

    Attributes:
        shard: each process holds some rows of the weights, of their gradients and of what the
            optimizer keeps, instead of all of them: for what fits no device alone.
    """

    shard: bool = False


@contextmanager
def together() -> Iterator[Ranks]:
    """Meet the other processes that torchrun has started; one by itself is `ALONE`.

    What ends one ends all: the others say which it was and what it said.

    Raises:
        UserError: another process has failed.
    """
    ranks = int(os.environ.get("WORLD_SIZE", "1"))
    if ranks == 1:
        yield ALONE
        return
    from torch import distributed

    rank = int(os.environ["RANK"])
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    distributed.init_process_group(backend, timeout=PATIENCE)
    store = distributed.distributed_c10d._get_default_store()
    try:
        everyone = Ranks(rank, ranks, everyone=distributed.group.WORLD)
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
    for module in modules.values():
        lists = [each for each in module.modules() if isinstance(each, nn.ModuleList)]
        for owner in [*(block for blocks in lists for block in blocks), module]:
            # The gradient of a step is a sum; `Optimizer.step` divides it by what was summed.
            sharded = fully_shard(owner, mp_policy=policy, reshard_after_forward=True)
            sharded.set_gradient_divide_factor(1.0)
            sharded.set_force_sum_reduction_for_comms(True)
        for name in ("encode", "loss"):  # what tasks call besides `forward`
            if hasattr(module, name):
                register_fsdp_forward_method(module, name)
