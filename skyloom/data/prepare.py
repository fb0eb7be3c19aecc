"""A folder of captioned videos to a folder of latents, once, so that training never encodes."""

import multiprocessing
import signal
from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Protocol, TypeVar, runtime_checkable

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float, Float16, UInt8
from torch import Tensor

from skyloom.data.latents import SHARD_BYTES, STORED, LatentDataset, LatentWriter
from skyloom.data.raw import RawDataset
from skyloom.errors import UserError
from skyloom.progress import track
from skyloom.video import Video

T = TypeVar("T")

CHUNK = 4
"""Batches of clips that one process reads at a time, to find clips of equal shape among."""


@runtime_checkable
class PixelEncoder(Protocol):
    """What `prepare` needs of an autoencoder."""

    @property
    def stride(self) -> tuple[int, int, int]:
        """(time, height, width): frames and pixels that one latent stands for."""
        ...

    @property
    def fingerprint(self) -> str:
        """A hash of the weights: latents of different autoencoders do not mix."""
        ...

    def encode(self, pixels: Float[Tensor, "B 3 F H W"]) -> Float[Tensor, "B C T h w"]:
        """Pixels in [-1, 1] to normalised latents."""
        ...


def prepare(
    raw_folder: Path | str,
    out_folder: Path | str,
    autoencoder: PixelEncoder,
    batch: int = 4,
    device: torch.device | str = "cpu",
    shard_bytes: int = SHARD_BYTES,
    workers: int = 1,
) -> LatentDataset:
    """Encode every clip of a raw dataset; go on where an interrupted run stopped.

    Clips are trimmed at the end to 1 + n * time stride frames and cropped around the middle to
    multiples of the space stride. Captions and truth are kept as they are. The latents do not
    depend on the number of workers nor on where a run stopped: what is encoded together is fixed
    by the order of the clips, and every process computes with one thread.

    Args:
        raw_folder: see `RawDataset`.
        out_folder: made if it does not exist, see `LatentWriter`.
        autoencoder: on `device`, in the precision it should compute in.
        batch: clips of equal shape that are encoded together.
        device: where the autoencoder is.
        shard_bytes: see `LatentWriter`.
        workers: processes that read and encode, each with a copy of the autoencoder; with 1 the
            work is done in this process.

    Raises:
        UserError: bad input, an output folder of something else, or a clip that is too small.
    """
    raw = RawDataset(raw_folder)
    with torch.inference_mode():
        _, height, width = autoencoder.stride
        probe = autoencoder.encode(torch.zeros(1, 3, 1, height, width, device=device))
    meta = {
        "autoencoder": autoencoder.fingerprint,
        "channels": probe.shape[1],
        "stride": list(autoencoder.stride),
        "clips": len(raw),
    }
    with LatentWriter(out_folder, meta, shard_bytes) as writer:
        missing = _unfinished(raw, writer)
        chunks = chunks_of(len(raw), batch, missing)
        done = len(raw) - len(missing)
        todo = set(missing)
        work = partial(encode_chunk, raw, autoencoder, batch, device)
        with (
            track(len(raw), "prepare", unit="clips", start=done) as bar,
            closing(in_order(work, chunks, workers)) as encoded,
        ):
            for chunk, clips in zip(chunks, encoded, strict=True):
                for index, (latents, fps) in zip(chunk, clips, strict=True):
                    row = raw.rows[index]
                    if index in todo:
                        stored = torch.from_numpy(latents)
                        writer.add(_key(index), stored, fps, row.captions, row.truth)
                        bar.advance()
    return LatentDataset(out_folder)


def chunks_of(clips: int, batch: int, missing: Sequence[int]) -> list[range]:
    """The chunks of clips, equal for every run, that hold one of `missing`."""
    size = CHUNK * batch
    numbers = sorted({index // size for index in missing})
    return [range(number * size, min((number + 1) * size, clips)) for number in numbers]


@torch.inference_mode()
def encode_chunk(
    raw: RawDataset,
    autoencoder: PixelEncoder,
    batch: int,
    device: torch.device | str,
    chunk: Sequence[int],
) -> list[tuple[Float16[np.ndarray, "C T H W"], float]]:
    """Latents and rates of a chunk's clips; those of equal shape are encoded together."""
    groups: dict[tuple[int, ...], list[int]] = {}
    clips: dict[int, Video] = {}
    found: dict[int, tuple[np.ndarray, float]] = {}

    def encode(group: list[int]) -> None:
        for index, latents in zip(
            group, _encoded(group, clips, raw, autoencoder, device), strict=True
        ):
            found[index] = (latents.to("cpu", STORED).numpy(), clips.pop(index).fps)
        group.clear()

    for index in chunk:
        video, _, _ = raw.read(index)
        clips[index] = fitted(video, autoencoder.stride, raw.rows[index].file)
        group = groups.setdefault(clips[index].frames.shape, [])
        group.append(index)
        if len(group) == batch:
            encode(group)
    for group in groups.values():  # what did not fill a batch
        if group:
            encode(group)
    return [found[index] for index in chunk]


def in_order(
    work: Callable[[Sequence[int]], T], chunks: Sequence[range], workers: int
) -> Generator[T, None, None]:
    """`work` of each chunk, in their order, done here or by `workers` processes a little ahead."""
    if workers == 1 or len(chunks) < 2:
        threads = torch.get_num_threads()
        torch.set_num_threads(1)  # as in the processes: other sums in another order
        try:
            yield from map(work, chunks)
        finally:
            torch.set_num_threads(threads)
        return
    context = multiprocessing.get_context("spawn")  # fork would copy threads that hold locks
    pool = ProcessPoolExecutor(
        min(workers, len(chunks)), mp_context=context, initializer=_begin, initargs=(work,)
    )
    rest = iter(chunks)
    ahead = deque(pool.submit(_work, chunk) for chunk in islice(rest, 2 * workers))
    try:
        while ahead:
            done = ahead.popleft().result()
            ahead.extend(pool.submit(_work, chunk) for chunk in islice(rest, 1))
            yield done
    except BrokenProcessPool as error:
        raise UserError(
            "A process that encoded was killed, as happens when memory runs out: run the same "
            "again with fewer workers, it goes on from there."
        ) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


_at_work: Callable[[Sequence[int]], Any] | None = None  # of a worker process alone


def _begin(work: Callable[[Sequence[int]], Any]) -> None:
    """A worker starts: one thread, and Ctrl-C is the parent's to decide."""
    global _at_work
    _at_work = work
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(1)


def _work(chunk: Sequence[int]) -> Any:
    assert _at_work is not None
    return _at_work(chunk)


def fitted(video: Video, stride: tuple[int, int, int], name: str) -> Video:
    """The longest start and the largest middle of a clip that latents of `stride` can stand for.

    Raises:
        UserError: the clip is smaller than one latent.
    """
    frames, height, width, _ = video.frames.shape
    if height < stride[1] or width < stride[2]:
        raise UserError(
            f"The clip '{name}' is {width}x{height}: at least {stride[2]}x{stride[1]} works."
        )
    kept_height, kept_width = height - height % stride[1], width - width % stride[2]
    top, left = (height - kept_height) // 2, (width - kept_width) // 2
    length = 1 + (frames - 1) // stride[0] * stride[0]
    cut = video.frames[:length, top : top + kept_height, left : left + kept_width]
    return Video(cut, video.fps)


def to_pixels(frames: UInt8[np.ndarray, "F H W 3"]) -> Float[Tensor, "3 F H W"]:
    """Bytes to what the autoencoder takes: float32 in [-1, 1], channels first."""
    pixels = torch.from_numpy(np.ascontiguousarray(frames)).float() / 127.5 - 1
    return rearrange(pixels, "f h w c -> c f h w")


def _key(index: int) -> str:
    return f"{index:06d}"


def _unfinished(raw: RawDataset, writer: LatentWriter) -> list[int]:
    """The clips whose latents are not there yet; those that are must be of the same captions."""
    for index, row in enumerate(raw.rows):
        found = writer.rows.get(_key(index))
        if found is not None and found.captions != row.captions:
            raise UserError(
                f"'{writer.folder}' was begun from other clips than '{raw.folder}' "
                f"(clip {_key(index)} has another caption): name a new folder or remove this one."
            )
    if len(writer.rows) > len(raw):
        raise UserError(
            f"'{writer.folder}' holds {len(writer.rows)} clips, more than the {len(raw)} of "
            f"'{raw.folder}': name a new folder or remove this one."
        )
    return [index for index in range(len(raw)) if _key(index) not in writer]


def _encoded(
    group: list[int],
    clips: dict[int, Video],
    raw: RawDataset,
    autoencoder: PixelEncoder,
    device: torch.device | str,
) -> Float[Tensor, "B C T H W"]:
    """Latents of clips of equal shape.

    Raises:
        UserError: the autoencoder gives numbers that are not finite.
    """
    pixels = torch.stack([to_pixels(clips[index].frames) for index in group]).to(device)
    encoded = autoencoder.encode(pixels)
    for index, latents in zip(group, encoded, strict=True):
        if not torch.isfinite(latents).all():
            raise UserError(
                f"The autoencoder gives no finite latents for '{raw.rows[index].file}': "
                "it is damaged, train or fetch it again."
            )
    return encoded
