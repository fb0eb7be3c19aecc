"""The devices that a plan is made for: how fast they multiply and what they hold.

Peak rates are the makers' own for dense bf16 products, without sparsity; memory is what the card
is sold with. How much of the peak training reaches is the plan's `mfu`.
"""

import difflib
import os
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from skyloom.errors import UserError

GB = 10**9
USABLE = 0.92
"""Share of a card's memory that training can have; the rest is the driver's and lost in gaps."""
CGROUP = Path("/sys/fs/cgroup/memory.max")
"""Where Linux says what a container may use."""


@dataclass(frozen=True)
class Device:
    """One accelerator, or a machine's processors.

    Attributes:
        name: as it is asked for, such as "H100".
        flops: products and sums a second in bf16, at most.
        memory: bytes that training may use.
        per_node: how many sit in one machine.
    """

    name: str
    flops: float
    memory: int
    per_node: int = 8

    @property
    def is_cpu(self) -> bool:
        """Whether it is this machine without an accelerator."""
        return self.name == "cpu"


@dataclass(frozen=True)
class Cluster:
    """So many devices of one kind."""

    count: int
    device: Device

    def __str__(self) -> str:
        return "this machine" if self.device.is_cpu else f"{self.count}x{self.device.name}"


def _card(name: str, teraflops: float, gigabytes: float, per_node: int = 8) -> Device:
    return Device(name, teraflops * 1e12, int(gigabytes * GB * USABLE), per_node)


CARDS: Mapping[str, Device] = {
    card.name: card
    for card in (
        _card("B200", 2250, 180),
        _card("H200", 989, 141),
        _card("H100", 989, 80),
        _card("A100", 312, 80),
        _card("A100-40", 312, 40),
        _card("MI300X", 1307, 192),
        _card("L40S", 362, 48),
        _card("L4", 121, 24),
        _card("A10", 125, 24),
        _card("RTX5090", 209, 32),
        _card("RTX4090", 165, 24),
        _card("RTX3090", 71, 24),
    )
}
"""Cards by their names."""


def parse_cluster(text: str) -> Cluster:
    """ "64xH100", or "H100" for one.

    Raises:
        UserError: it is no number of cards, or the card is unknown; the nearest is named.
    """
    match = re.fullmatch(r"(?:(\d+)\s*[xX*]\s*)?([A-Za-z][A-Za-z0-9-]*)", text.strip())
    if not match or (match[1] and not int(match[1])):
        raise UserError(f"'{text}' is no number of GPUs: write COUNTxNAME, as in 64xH100.")
    known = {name.lower(): card for name, card in CARDS.items()}
    if match[2].lower() not in known:
        (nearest,) = difflib.get_close_matches(match[2].upper(), CARDS, n=1, cutoff=0.0)
        raise UserError(
            f"There is no GPU '{match[2]}' here: the nearest is '{nearest}', of {', '.join(CARDS)}."
        )
    return Cluster(int(match[1] or 1), known[match[2].lower()])


def machine_memory() -> int:
    """Bytes of this machine's memory, or of the container's share of it."""
    there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        return min(there, int(CGROUP.read_text()))
    except (OSError, ValueError):  # no limit: "max", or no such file
        return there


def in_use(device: str) -> Cluster:
    """What a training process has been given: its kind of device, and as many as there are ranks.

    The rate is not measured: it is asked what fits, and not how long it takes.
    """
    import torch

    from skyloom.device import pick_device

    ranks = int(os.environ.get("WORLD_SIZE", "1"))
    here = pick_device(device)
    if here.type == "cuda":
        memory = int(torch.cuda.get_device_properties(here).total_memory * USABLE)
        return Cluster(ranks, Device(torch.cuda.get_device_name(here), 1.0, memory))
    neighbours = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    return Cluster(ranks, Device("cpu", 1.0, machine_memory() // neighbours, per_node=1))


def this_machine(seconds: float = 0.3) -> Cluster:
    """This machine's processors, their rate measured with products of matrices for `seconds`."""
    import torch

    from skyloom.device import pick_dtype

    side = 1024
    a = torch.ones(side, side, dtype=pick_dtype(torch.device("cpu")))
    a @ a
    best, end = float("inf"), time.perf_counter() + seconds
    while (start := time.perf_counter()) < end:
        a @ a
        best = min(best, time.perf_counter() - start)
    return Cluster(1, Device("cpu", 2 * side**3 / best, machine_memory(), per_node=1))
