"""The sound of an input, carried over into a finished video.

Models here make pictures only. Where the time line of an edit still fits that of its input, the
input's sound goes along: laid on the new time line, encoded again, and put beside the pictures,
whose packets are copied as they are.
"""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from einops import rearrange
from jaxtyping import Int16

from skyloom.decoding import open_container, video_stream
from skyloom.errors import UserError
from skyloom.extras import need
from skyloom.files import atomic_path
from skyloom.media import RAW_SUFFIX, container_options
from skyloom.stills import is_image

RATE = 48_000
"""Samples a second of what is written; every codec here and every player takes it."""

_CODECS = {".mp4": "aac", ".webm": "libopus"}
_BIT_RATE = 128_000
_BLOCK = 1024  # samples that are handed to the encoder at once
_GAP = 0.05  # seconds by which time stamps may jitter before they are taken at their word

Wave = Int16[np.ndarray, "S 2"]


@dataclass(frozen=True)
class Carried:
    """Whether a video got its sound; true or false as such.

    Attributes:
        done: the file has sound now.
        notes: why there is none where one would expect it, a short sentence.
    """

    done: bool
    notes: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return self.done


@dataclass(frozen=True)
class Part:
    """A stretch of a file's sound, and where it goes.

    Attributes:
        source: the file.
        start: second of the source's pictures at which the stretch begins.
        seconds: its length; None goes on to the end.
        at: second of the new video at which it begins.
    """

    source: Path
    start: float = 0.0
    seconds: float | None = None
    at: float = 0.0


def carry_sound(
    source: Path,
    target: Path,
    start: float = 0.0,
    seconds: float | None = None,
    at: float = 0.0,
) -> Carried:
    """Put a stretch of the first sound of `source` into the finished video `target`.

    See `Part` for the numbers and `carry_sounds` for what is promised.
    """
    return carry_sounds([Part(source, start, seconds, at)], target)


def carry_sounds(parts: list[Part], target: Path) -> Carried:
    """Lay stretches of sound on the time line of the finished video `target`, in their order.

    Silence where there is none, nothing beyond the last picture; where two overlap, the later one
    is heard. The pictures stay as they are, bit for bit. An edit never fails for its sound: what
    cannot be read or written leaves `target` as it was.
    """
    target = Path(target)
    parts = [part for part in parts if _may_sound(Path(part.source))]
    if not parts:
        return Carried(False)
    codec = _CODECS.get(target.suffix.lower())
    if codec is None:
        return Carried(False, (f"without sound: a {target.suffix} file holds none",))
    av = need("av", extra="video")
    notes: list[str] = []
    try:
        length = round(_duration(target) * RATE)
        wave = np.zeros((length, 2), dtype=np.int16)
        # a list, because every part is to be laid, whatever became of the first
        if not any([_lay(part, wave, notes) for part in parts]):
            return Carried(False, tuple(notes))
        _mux(wave, codec, target)
    except UserError as error:
        return Carried(False, (*notes, f"without sound: {error}"))
    except (OSError, ValueError, av.error.FFmpegError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        return Carried(False, (*notes, f"without sound: '{target}' would not take it ({reason})"))
    return Carried(True, tuple(notes))


def _may_sound(source: Path) -> bool:
    """Whether the file is of a kind that may have sound; pictures and raw frames need no PyAV."""
    try:
        return source.suffix.lower() != RAW_SUFFIX and not is_image(source)
    except OSError:
        return False


def _duration(target: Path) -> float:
    """Seconds of pictures in a video that skyloom wrote."""
    with open_container(target) as container:
        stream = video_stream(container)
        if stream is not None and stream.duration:
            return float(stream.duration * stream.time_base)
        return (container.duration or 0) / 1e6


def _lay(part: Part, wave: Wave, notes: list[str]) -> bool:
    """Write a stretch of sound into the wave; say whether there was any, and note what failed."""
    heard = False
    first = max(0, round(part.at * RATE))
    room = len(wave) if part.seconds is None else first + round(part.seconds * RATE)
    try:
        for place, block in _blocks(part.source):
            begin = first + place - round(part.start * RATE)
            low, high = max(begin, first), min(begin + len(block), room, len(wave))
            if low < high:
                wave[low:high] = block[low - begin : high - begin]
                heard = True
            if begin >= min(room, len(wave)):
                break
    except _Broken as error:
        if heard:
            notes.append(f"the sound of '{part.source}' is damaged and breaks off")
        else:
            notes.append(f"without sound: that of '{part.source}' cannot be read ({error})")
    return heard


class _Broken(Exception):
    """Sound that FFmpeg refuses."""


def _blocks(source: Path) -> Iterator[tuple[int, Wave]]:
    """The first sound of a file in pieces: sample on the clock of the pictures, and the samples."""
    av = need("av", extra="video")
    with open_container(source) as container:
        if not container.streams.audio:
            return
        stream, video = container.streams.audio[0], video_stream(container)
        started = video is not None and video.start_time is not None
        zero = float(video.start_time * video.time_base) if started else 0.0
        resampler = av.AudioResampler("s16", "stereo", RATE)
        place: int | None = None
        try:
            for frame in container.decode(stream):
                if frame.time is not None:
                    told = round((frame.time - zero) * RATE)
                    if place is None or abs(told - place) > _GAP * RATE:
                        place = told
                place = place or 0
                for block in resampler.resample(frame):
                    samples = _samples(block)
                    yield place, samples
                    place += len(samples)
            for block in resampler.resample(None):  # what the filter still held back
                yield place or 0, _samples(block)
        except (av.error.FFmpegError, ValueError) as error:  # ValueError: its format changed
            raise _Broken(getattr(error, "strerror", None) or str(error)) from error


def _samples(block: Any) -> Wave:
    return rearrange(block.to_ndarray(), "1 (s c) -> s c", c=2)


def _mux(wave: Wave, codec: str, target: Path) -> None:
    """Put the encoded wave beside the pictures of `target`, in the order of time."""
    av = need("av", extra="video")
    options = container_options(target)
    with (
        atomic_path(target) as temporary,
        open_container(target) as given,
        av.open(str(temporary), "w", container_options=options) as made,
    ):
        pictures = video_stream(given)
        video = made.add_stream_from_template(pictures)
        audio = made.add_stream(codec, rate=RATE, layout="stereo")
        audio.bit_rate = _BIT_RATE

        def copied() -> Iterator[Any]:
            for packet in given.demux(pictures):
                if packet.dts is not None:  # the last one only says that there are no more
                    packet.stream = video
                    yield packet

        for packet in heapq.merge(copied(), _encoded(wave, audio), key=_when):
            made.mux(packet)


def _when(packet: Any) -> float:
    return float(packet.dts * packet.time_base)


def _encoded(wave: Wave, stream: Any) -> Iterator[Any]:
    av = need("av", extra="video")
    for place in range(0, len(wave), _BLOCK):
        block = np.ascontiguousarray(rearrange(wave[place : place + _BLOCK], "s c -> 1 (s c)"))
        frame = av.AudioFrame.from_ndarray(block, format="s16", layout="stereo")
        frame.rate, frame.pts, frame.time_base = RATE, place, Fraction(1, RATE)
        yield from stream.encode(frame)
    yield from stream.encode()
