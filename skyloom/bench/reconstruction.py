"""The bench of the autoencoder: what is left of a clip that was encoded and decoded again."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from einops import rearrange
from jaxtyping import UInt8
from torch import Tensor

from skyloom.bench.quality import WINDOW, Likeness
from skyloom.bench.table import format_table, write_json
from skyloom.errors import UserError
from skyloom.progress import track

if TYPE_CHECKING:
    from skyloom.autoencoder.model import Autoencoder

SIZE = (128, 128)
SEED = 9_000_000
"""Of the first clip that is rendered; the others follow on."""
PIECE_BYTES = 2**23
"""Bytes of frames that are encoded at once, or as few frames as the autoencoder takes."""

Frames = UInt8[np.ndarray, "F H W 3"]


@dataclass(frozen=True)
class Source:
    """One clip to measure: its group in the table, its name, and its frames in pieces."""

    group: str
    name: str
    pieces: Iterable[np.ndarray]


def run(
    model_folder: Path | None = None,
    files: Sequence[Path] = (),
    json_path: Path | None = None,
    clips: int = 24,
) -> dict[str, Any]:
    """Measure PSNR and SSIM, the mean over clips, group by group.

    Args:
        model_folder: whose autoencoder is measured; None is the bundled one.
        files: videos and pictures to measure. Without any: held-out world clips, Crafter, and the
            real pictures and footage that installed packages hold.
        clips: world clips that are rendered; a quarter as many of Crafter.

    Raises:
        UserError: the model cannot be read, or a file is no video.
    """
    from skyloom.autoencoder.folder import load_autoencoder
    from skyloom.modelfolder import BUNDLED

    model = load_autoencoder(model_folder or BUNDLED)
    model.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
    sources = [_file("files", file) for file in files] or _standard(clips)
    rows = []
    with track(len(sources), "reconstructing", unit="clips") as bar:
        for source in sources:
            rows.append(measure(model, source))
            bar.advance()
    figures = {"groups": _means(rows), "clips": rows}
    write_json(figures, json_path)
    return figures


def table(figures: dict[str, Any]) -> str:
    """The groups of `run`, and every clip of what the user named."""
    rows = [
        [name, group["clips"], group["psnr"], f"{group['ssim']:.4f}"]
        for name, group in figures["groups"].items()
    ]
    if list(figures["groups"]) == ["files"]:
        rows = [
            [f"{row['name']} ({row['size'][0]}x{row['size'][1]})", row["frames"], row["psnr"],
             f"{row['ssim']:.4f}"]
            for row in figures["clips"]
        ]  # fmt: skip
        return format_table("reconstruction", ["file", "frames", "PSNR dB", "SSIM"], rows)
    return format_table("reconstruction", ["what", "clips", "PSNR dB", "SSIM"], rows)


@torch.no_grad()
def measure(model: "Autoencoder", source: Source) -> dict[str, Any]:
    """Encode and decode a clip as a stream and compare it with itself.

    The picture is cropped, about its middle, to whole latents; frames at the end that do not fill
    a latent are left out.
    """
    time, space, _ = model.stride
    waiting: deque[np.ndarray] = deque()

    def pixels() -> Iterator[Tensor]:
        for piece in in_pieces(source.pieces, time, space):
            waiting.append(piece)
            clip = rearrange(torch.from_numpy(piece), "f h w c -> 1 c f h w")
            yield clip.float() / 127.5 - 1

    likeness, frames, size = Likeness(), 0, (0, 0)
    for decoded in model.decode_stream(model.encode_stream(pixels())):
        original = waiting.popleft()
        restored = ((decoded[0].float() + 1) * 127.5).round().to(torch.uint8)
        likeness.add(original, rearrange(restored, "c f h w -> f h w c").contiguous().numpy())
        frames, size = frames + len(original), (original.shape[2], original.shape[1])
    if not frames:
        raise UserError(f"'{source.name}' holds no frame.")
    return {
        "group": source.group,
        "name": source.name,
        "frames": frames,
        "size": list(size),
        "psnr": round(likeness.psnr, 3),
        "ssim": round(likeness.ssim, 5),
    }


def in_pieces(chunks: Iterable[np.ndarray], time: int, space: int) -> Iterator[np.ndarray]:
    """Frames (F H W 3, uint8) as an autoencoder takes them: 1 + n * time first, then n * time."""
    held: np.ndarray | None = None
    first = 1
    for chunk in chunks:
        chunk = _cropped(chunk, space)
        held = chunk if held is None else np.concatenate([held, chunk])
        wanted = max(PIECE_BYTES // held[0].nbytes // time, 1) * time
        while len(held) >= wanted + first:
            yield held[: wanted + first]
            held, first = held[wanted + first :], 0
    if held is None:
        return
    rest = (len(held) - first) // time * time + first
    if rest > 0:
        yield held[:rest]


def _cropped(frames: Frames, space: int) -> UInt8[np.ndarray, "F h w 3"]:
    height, width = frames.shape[1:3]
    tall, wide = height // space * space, width // space * space
    if min(tall, wide) < max(space, WINDOW):
        raise UserError(
            f"A picture of {width}x{height} is too small to measure: "
            f"{space}x{space} is the smallest."
        )
    top, left = (height - tall) // 2, (width - wide) // 2
    return np.ascontiguousarray(frames[:, top : top + tall, left : left + wide])


def _standard(clips: int) -> list[Source]:
    """Held-out clips of the world and of the game, and real pictures and footage."""
    from skyloom.data.footage import MOVING, real_sources

    sources = [Source("held-out world", f"world {n}", _World(SEED + n)) for n in range(clips)]
    games = max(clips // 4, 1)
    sources += [Source("crafter", f"crafter {n}", _Game(SEED + n)) for n in range(games)]
    for file in real_sources("heldout"):
        group = "real footage" if file.suffix in MOVING else "real pictures"
        sources.append(_file(group, file))
    return sources


class _World:
    """The frames of a held-out scene, rendered when they are asked for."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def __iter__(self) -> Iterator[np.ndarray]:
        from skyloom.world import render_clip, sample_scene

        yield render_clip(sample_scene(self.seed, split="heldout"), SIZE).video.frames


class _Game:
    """The frames of a clip of Crafter, played when they are asked for."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def __iter__(self) -> Iterator[np.ndarray]:
        from skyloom.world.crafter import render_crafter

        yield render_crafter(self.seed, SIZE).video.frames


class _File:
    """The frames of a file, read in pieces."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __iter__(self) -> Iterator[np.ndarray]:
        from skyloom.video import read_chunks

        for piece in read_chunks(self.path, 4):
            yield piece.frames


def _file(group: str, path: Path) -> Source:
    return Source(group, path.name, _File(path))


def _means(rows: Sequence[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    groups: dict[str, dict[str, Any]] = {}
    for name in dict.fromkeys(row["group"] for row in rows):
        own = [row for row in rows if row["group"] == name]
        groups[name] = {
            "clips": len(own),
            "psnr": round(float(np.mean([row["psnr"] for row in own])), 3),
            "ssim": round(float(np.mean([row["ssim"] for row in own])), 5),
        }
    return groups
