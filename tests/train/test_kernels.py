import os
import subprocess
import sys
from pathlib import Path

import pytest

from skyloom.train.kernels import KEPT, VARIABLES

STATUS = Path("/proc/self/status")
PRODUCTS = """
import sys
from pathlib import Path
import torch
from skyloom.train.kernels import bound_kernel_caches

def resident():
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) / 1024

torch.set_num_threads(1)
if sys.argv[1] == "bounded":
    bound_kernel_caches()
layer = torch.nn.Linear(96, 96, dtype=torch.bfloat16)
for rows in range(100, 500):
    layer(torch.ones(rows, 96, dtype=torch.bfloat16))
early = resident()
for rows in range(500, 1300):
    layer(torch.ones(rows, 96, dtype=torch.bfloat16))
print(resident() - early)
"""


def grown(how: str) -> float:
    """MiB that a process grows by 800 products of different shapes."""
    free = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    done = subprocess.run(
        [sys.executable, "-c", PRODUCTS, how], capture_output=True, text=True, env=free, check=True
    )
    return float(done.stdout)


@pytest.mark.skipif(not STATUS.exists(), reason="memory is read from /proc")
def test_products_of_ever_new_shapes_take_no_more_memory():
    bounded = grown("bounded")
    assert bounded < 100  # without a bound 600 MiB on a CPU with matrix units, else next to nothing
    assert bounded < max(100, grown("as it comes") / 4)


def test_what_the_environment_says_counts_more():
    code = (
        "from skyloom.train.kernels import *; bound_kernel_caches(); import os; "
        "print(*(os.environ[name] for name in VARIABLES))"
    )
    said = {**os.environ, VARIABLES[0]: "7"}
    said.pop(VARIABLES[1], None)
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=said, check=True
    )
    assert done.stdout.split() == ["7", str(KEPT)]
