"""Does training wait for its data, and does it keep what it has read?

A real prepared dataset of random latents in native sizes is written to the disk, and read through
the same batches and the same prefetch as training reads. Beside it, the same steps on batches that
were drawn before.
"""

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from skyloom.data.latents import LatentDataset, LatentWriter
from skyloom.flow import path
from skyloom.progress import track
from skyloom.text.features import TextFeatures
from skyloom.train.batches import Batch, LatentBatches
from skyloom.train.prefetch import Prefetch
from skyloom.train.recipe import TransformerRecipe
from skyloom.transformer.config import TransformerConfig
from skyloom.transformer.model import Transformer

CHANNELS = 192
STRIDE = (8, 16, 16)
SIZES = ((8, 8), (6, 10), (10, 6), (4, 4))
"""(height, width) in latents of the sizes that the bundled model learns from."""
FRAMES = 7
TEXT = 48
MODEL = TransformerConfig(
    channels=CHANNELS, patch=(1, 1, 1), width=256, depth=6, heads=4, text_width=192
)
SMALL = replace(MODEL, width=32, depth=1, heads=2)
"""For memory, where many steps count and not what each of them does."""
STATUS = Path("/proc/self/status")


def ratio(
    model: TransformerConfig = MODEL, tokens: int = 3328, steps: int = 6, rounds: int = 3
) -> dict[str, float]:
    """Time of a step with real data over that with batches that lie in memory.

    Blocks of the same steps take turns. A block with real data draws as many batches as it uses;
    two were drawn ahead when its clock starts, two are when it stops.

    Returns:
        "ratio", of median blocks; "waited", the share of the real blocks spent waiting for data.
    """
    with _batches(model, tokens) as batches:
        train = _step(model)
        train(batches.batch(0))
        real: list[float] = []
        cached: list[float] = []
        waited = 0.0
        with track(2 * rounds * steps, "loading", unit="steps") as bar:
            for number in range(rounds):
                block = range(1 + number * steps, 1 + (number + 1) * steps)
                kept = [batches.batch(step) for step in block]
                draw = Prefetch(batches.batch)
                draw(block[0] - 1)
                before = draw.waited
                start = time.perf_counter()
                for step in block:
                    train(draw(step))
                    bar.advance()
                real.append(time.perf_counter() - start)
                waited += draw.waited - before
                draw.close()
                start = time.perf_counter()
                for batch in kept:
                    train(batch)
                    bar.advance()
                cached.append(time.perf_counter() - start)
    medians = statistics.median(real), statistics.median(cached)
    return {"ratio": medians[0] / medians[1], "waited": waited / sum(real)}


def memory(
    steps: int = 2000, model: TransformerConfig = SMALL, tokens: int = 1024
) -> dict[str, float] | None:
    """How the process's memory grows while it trains on the dataset over and over.

    Kernels that are kept count too: `train.kernels.bound_kernel_caches` comes before.

    Returns:
        "growth", memory after the last step over that after the first tenth, less 1; None where
        the system does not tell.
    """
    if not STATUS.exists():
        return None
    with _batches(model, tokens) as batches:
        train, draw = _step(model), Prefetch(batches.batch)
        early = 0
        with track(steps, "memory", unit="steps") as bar:
            for step in range(steps):
                train(draw(step))
                if step == steps // 10:
                    early = _resident()
                bar.advance()
        late = _resident()
        draw.close()
    return {"steps": steps, "bytes": late, "growth": late / early - 1}


@contextmanager
def _batches(model: TransformerConfig, tokens: int, clips: int = 64) -> Iterator[LatentBatches]:
    """Batches of a dataset of `clips` clips that lies on the disk as long as the block lasts."""
    with TemporaryDirectory() as folder:
        meta = {"autoencoder": "random", "channels": CHANNELS, "stride": STRIDE, "clips": clips}
        generator = torch.Generator().manual_seed(0)
        with LatentWriter(folder, meta, shard_bytes=8 * 2**20) as writer:
            for number in range(clips):
                shape = (CHANNELS, FRAMES, *SIZES[number % len(SIZES)])
                latents = torch.randn(shape, generator=generator)
                writer.add(f"{number:06d}", latents, 12.0, ("a clip of noise",), None)
        recipe = TransformerRecipe(
            out="", data=folder, autoencoder="", model=model, tokens=tokens, held_out=1
        )
        yield LatentBatches(recipe, LatentDataset(folder), range(clips))


def _step(model: TransformerConfig) -> Callable[[Batch], Any]:
    """One step of training in bf16 on a batch, its prompts made up."""
    network = Transformer(model).to(torch.bfloat16)
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-5, fused=True)

    def train(batch: Batch) -> None:
        clips = len(batch.prompts)
        features = torch.ones(TEXT * clips, model.text_width, dtype=torch.bfloat16)
        noisy = path.mix(batch.clean.tokens, batch.noise, batch.sigma)
        packed = batch.clean.with_tokens(noisy)
        prediction = network(packed, batch.sigma, TextFeatures(features, (TEXT,) * clips))
        (prediction.prediction - batch.clean.tokens).square().mean().backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return train


def _resident() -> int:
    """Bytes of memory that the process holds now."""
    lines = STATUS.read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))
