"""A bound on what is kept for products of matrices whose shapes never come again.

On a CPU with matrix units oneDNN, and what PyTorch puts before it, keep the machine code of every
shape of product that they have met, 1,024 shapes each by default. Packed batches have other
shapes at every step: memory grows for hundreds of steps (docs/performance.md). A step needs its
own shapes again and again, and those of earlier steps hardly ever.
"""

import os

KEPT = 160
"""Shapes that are kept: twice what a step of the bundled model has, whose blocks share them."""
VARIABLES = ("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "LRU_CACHE_CAPACITY")


def bound_kernel_caches() -> None:
    """Keep few kernels in this process, unless the environment says otherwise.

    Both caches read their bound at the first product: call this before it.
    """
    for name in VARIABLES:
        os.environ.setdefault(name, str(KEPT))
