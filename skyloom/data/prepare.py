"""A folder of captioned videos to a folder of latents, once, so that training never encodes."""

from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float, UInt8
from torch import Tensor

from skyloom.data.latents import SHARD_BYTES, LatentDataset, LatentWriter
from skyloom.data.raw import RawDataset
from skyloom.errors import UserError
from skyloom.progress import track
from skyloom.video import Video


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
) -> LatentDataset:
    """Encode every clip of a raw dataset; go on where an interrupted run stopped.

    Clips are trimmed at the end to 1 + n * time stride frames and cropped around the middle to
    multiples of the space stride. Captions and truth are kept as they are.

    Args:
        raw_folder: see `RawDataset`.
        out_folder: made if it does not exist, see `LatentWriter`.
        autoencoder: on `device`, in the precision it should compute in.
        batch: clips of equal shape that are encoded together.
        device: where the autoencoder is.
        shard_bytes: see `LatentWriter`.

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
        todo = _unfinished(raw, writer)
        done = len(raw) - len(todo)
        with track(len(raw), "prepare", unit="clips", start=done) as bar:
            groups: dict[tuple[int, ...], list[int]] = {}
            clips: dict[int, Video] = {}
            for index in todo:
                video, _, _ = raw.read(index)
                clips[index] = fitted(video, autoencoder.stride, raw.rows[index].file)
                group = groups.setdefault(clips[index].frames.shape, [])
                group.append(index)
                if len(group) == batch:
                    _encode(group, clips, raw, autoencoder, device, writer)
                    bar.advance(len(group))
                    group.clear()
            for group in groups.values():  # what did not fill a batch
                if group:
                    _encode(group, clips, raw, autoencoder, device, writer)
                    bar.advance(len(group))
    return LatentDataset(out_folder)


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


@torch.inference_mode()
def _encode(
    group: list[int],
    clips: dict[int, Video],
    raw: RawDataset,
    autoencoder: PixelEncoder,
    device: torch.device | str,
    writer: LatentWriter,
) -> None:
    """Encode clips of equal shape together and hand them to the writer; forget their pixels."""
    videos = [clips.pop(index) for index in group]
    pixels = torch.stack([to_pixels(video.frames) for video in videos]).to(device)
    for index, video, latents in zip(group, videos, autoencoder.encode(pixels), strict=True):
        if not torch.isfinite(latents).all():
            raise UserError(
                f"The autoencoder gives no finite latents for '{raw.rows[index].file}': "
                "it is damaged, train or fetch it again."
            )
        row = raw.rows[index]
        writer.add(_key(index), latents.float(), video.fps, row.captions, row.truth)
