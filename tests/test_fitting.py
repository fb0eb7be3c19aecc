"""Inputs of every kind become a video of one size and rate, and what was done is said."""

import os
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from films import film, numbered, numbers, tone
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from skyloom import video
from skyloom.errors import UserError
from skyloom.fitting import Fitted, fit, nearest_in_time
from skyloom.source import Shown
from skyloom.video import Video

SIZE = (64, 48)


def shown(times: list[float], seconds: float = 0.0) -> list[Shown]:
    """Pictures at these times whose turns are their numbers: only times matter here."""
    return [Shown(t, seconds, index, lambda: np.zeros((1, 1, 3), np.uint8))
            for index, t in enumerate(times)]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "codec", "pixels"),
    [
        ("clip.mp4", "libx264", "yuv420p"),
        ("deep.mp4", "libx264", "yuv420p10le"),
        ("deep.mov", "prores_ks", "yuv422p10le"),
        ("full.mkv", "ffv1", "yuv444p"),
        ("old.avi", "mpeg4", "yuv420p"),
        ("clip.webm", "libvpx-vp9", "yuv420p"),
        ("stream.ts", "libx264", "yuv420p"),
    ],
)
def test_whatever_the_codec(name: str, codec: str, pixels: str, tmp_path: Path) -> None:
    path = film(tmp_path / name, numbered(6), codec, pixels)
    fitted = fit(path, size=SIZE)
    assert fitted.notes == () and fitted.source == path
    assert fitted.video.fps == 12 and fitted.video.size == SIZE
    assert numbers(fitted.video.frames) == [0, 1, 2, 3, 4, 5]


def test_scaled_cropped_resampled_and_trimmed(tmp_path: Path) -> None:
    path = film(tmp_path / "clip.mp4", numbered(24, (160, 90)), rate=Fraction(30000, 1001))
    fitted = fit(path, size=(96, 96), fps=12, longest=0.5)
    assert fitted.video.frames.shape == (6, 96, 96, 3)
    assert fitted.video.fps == 12
    assert numbers(fitted.video.frames) == [round(k * 2.4975) for k in range(6)]
    assert fitted.notes == (
        "scaled from 160x90 and cropped to 96x96",
        "resampled from 29.97 to 12 frames a second",
        "trimmed to 0.5 of 0.8 seconds",
    )


def test_only_what_is_shown_is_scaled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scaled = []
    path = film(tmp_path / "clip.mp4", numbered(24))
    monkeypatch.setattr("skyloom.fitting.cover", lambda frame, *_: scaled.append(1) or frame)
    assert len(fit(path, size=SIZE, fps=4, longest=1.0).video.frames) == 4
    assert len(fit(path, size=SIZE, fps=24, longest=0.5).video.frames) == 12
    assert len(scaled) == 4 + 6, "frames left out are not converted, repeated ones once"


def test_native_size_is_taken_when_none_is_asked_for(tmp_path: Path) -> None:
    path = film(tmp_path / "clip.mp4", numbered(2, (192, 108)))
    assert fit(path).video.size == (176, 96)
    assert fit(path, multiple=32).video.size == (160, 96)


def test_stretching_is_only_on_request(tmp_path: Path) -> None:
    frames = numbered(1, (96, 48))
    frames[:, :, 48:] = 255
    Image.fromarray(frames[0]).save(tmp_path / "wide.png")
    fitted = fit(tmp_path / "wide.png", size=(48, 48), stretch=True)
    assert fitted.notes == ("stretched from 96x48 to 48x48",)
    assert fit(tmp_path / "wide.png", size=(48, 24), stretch=True).notes == (
        "scaled from 96x48 to 48x24",
    )


def test_uneven_times_are_honoured(tmp_path: Path) -> None:
    times = [0.0, 0.1, 0.2, 1.0, 1.1, 1.2]
    path = film(tmp_path / "phone.mp4", numbered(6), times=times)
    fitted = fit(path, size=SIZE, fps=10)
    assert numbers(fitted.video.frames)[:13] == [0, 1, 2, 2, 2, 2, 2, 3, 3, 3, 3, 4, 5]
    assert fitted.notes[0].startswith("resampled from an uneven ")
    own = fit(path, size=SIZE)
    assert own.notes == (f"its uneven rate became {own.video.fps:.4g} frames a second",)
    assert own.video.duration == pytest.approx(1.3, abs=0.15)


def test_turned_and_oblong(tmp_path: Path) -> None:
    frames = numbered(3)
    frames[:, :24] = 250  # light above
    path = film(tmp_path / "phone.mp4", frames, rotation=-90)
    fitted = fit(path, size=(48, 64))
    assert fitted.notes == ("turned by 90 degrees as the file says",)
    assert fitted.video.frames[0, 32, 40].mean() > 200 > 100 > fitted.video.frames[0, 32, 8].mean()
    wide = fit(film(tmp_path / "tv.mp4", numbered(2), aspect=Fraction(4, 3)), size=(85, 48))
    assert wide.notes == ("its oblong pixels were made square",), "64 of them are 85 pixels wide"


@pytest.mark.parametrize(
    ("name", "codec", "pixels"),
    [
        ("clear.webm", "libvpx-vp9", "yuva420p"),
        ("clear.mov", "qtrle", "argb"),
        ("deep.mov", "prores_ks", "yuva444p10le"),
    ],
)
def test_transparent_film_lies_on_white(name: str, codec: str, pixels: str, tmp_path: Path) -> None:
    frames = np.zeros((2, 48, 64, 4), dtype=np.uint8)
    frames[:, :, :32, 3] = 255
    fitted = fit(film(tmp_path / name, frames, codec, pixels), size=SIZE)
    assert fitted.notes == ("what is transparent lies on white",)
    assert fitted.video.frames[:, :, :28].max() < 12 and fitted.video.frames[:, :, 36:].min() > 243


def test_hdr_is_said(tmp_path: Path) -> None:
    path = film(tmp_path / "hdr.mp4", numbered(2), "libx264", "yuv420p10le", curve=16)
    assert "HDR" in fit(path, size=SIZE).notes[0]


def test_gifs_move(tmp_path: Path) -> None:
    pictures = [Image.fromarray(frame) for frame in numbered(4)]
    pictures[0].save(tmp_path / "a.gif", save_all=True, append_images=pictures[1:], duration=100)
    fitted = fit(tmp_path / "a.gif", size=SIZE)
    assert numbers(fitted.video.frames) == [0, 1, 2, 3] and fitted.video.fps == 10


def test_videos_in_memory_and_raw_frames(tmp_path: Path) -> None:
    clip = Video(numbered(12), 12.0)
    same = fit(clip, size=SIZE)
    assert same.notes == () and same.source is None
    assert np.array_equal(same.video.frames, clip.frames)
    half = fit(clip, size=SIZE, fps=6, longest=0.5)
    assert half.notes == (
        "resampled from 12 to 6 frames a second",
        "trimmed to 0.5 of 1.0 seconds",
    )
    assert numbers(half.video.frames) == [0, 2, 4]
    video.write(clip, tmp_path / "clip.safetensors")
    raw = fit(tmp_path / "clip.safetensors", size=SIZE)
    assert np.array_equal(raw.video.frames, clip.frames) and raw.source is None


def test_a_cut_file_gives_what_decodes(tmp_path: Path) -> None:
    rough = np.random.default_rng(0).integers(0, 256, (24, 96, 96, 3), dtype=np.uint8)
    video.write(Video(rough, 12.0), tmp_path / "whole.mp4")
    data = (tmp_path / "whole.mp4").read_bytes()
    (tmp_path / "cut.mp4").write_bytes(data[: len(data) * 2 // 3])
    fitted = fit(tmp_path / "cut.mp4", size=(96, 96))
    count = len(fitted.video.frames)
    assert 1 <= count < 24
    assert fitted.notes == (f"damaged after its first {count} frames: only these are used",)
    short = fit(tmp_path / "cut.mp4", size=(96, 96), longest=0.5)
    assert short.notes == ("trimmed to 0.5 of 2.0 seconds",), "the damage is further on"
    film(tmp_path / "whole.mkv", rough, codec="mjpeg", pixels="yuvj420p")
    data = (tmp_path / "whole.mkv").read_bytes()
    (tmp_path / "cut.mkv").write_bytes(data[: len(data) // 2])
    assert fit(tmp_path / "cut.mkv", size=(96, 96)).notes[0].startswith(("ends early", "damaged"))


def test_missing_folder_small_and_sound_alone(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="does not exist"):
        fit(tmp_path / "none.mp4")
    with pytest.raises(UserError, match="is a folder"):
        fit(tmp_path)
    Image.new("RGB", (1, 48)).save(tmp_path / "line.png")
    with pytest.raises(UserError, match=r"line\.png' is 1x48 pixels: .* at least 16 pixels"):
        fit(tmp_path / "line.png")
    film(tmp_path / "line.mkv", numbered(2, (8, 64)), "ffv1", "bgr0")
    with pytest.raises(UserError, match="is 8x64 pixels"):
        fit(tmp_path / "line.mkv")
    with pytest.raises(UserError, match="The mask is 64x1 pixels"):
        fit(Video(numbered(1, (64, 1)), 12.0), what="mask")
    with pytest.raises(UserError, match="The clip has no frames"):
        fit(Video(numbered(1)[:0], 12.0))
    song = tmp_path / "song.m4a"
    with av.open(str(song), "w", format="mp4") as container:
        stream = container.add_stream("aac", rate=44100, layout="mono")
        block = av.AudioFrame.from_ndarray(np.float32(tone(0.1))[None], "fltp", "mono")
        block.rate = 44100
        container.mux([*stream.encode(block), *stream.encode()])
    with pytest.raises(UserError, match="no pictures in it, only sound"):
        fit(song)


@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        ({"size": (0, 48)}, "0x48"),
        ({"fps": 0.0}, "0.0 frames"),
        ({"fps": float("nan")}, "nan"),
        ({"longest": -1.0}, "-1.0 seconds"),
    ],
)
def test_numbers_that_nothing_fits(wanted: dict, says: str) -> None:
    with pytest.raises(UserError, match=says):
        fit(Video(numbered(2), 12.0), **wanted)


def test_too_long_to_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("skyloom.fitting.MAX_FITTED", 6 * 64 * 48 * 3)
    path = film(tmp_path / "clip.mp4", numbered(12))
    with pytest.raises(UserError, match=r"64x48 and 12 frames a second: trim it to 0\.5 seconds"):
        fit(path, size=SIZE)
    assert len(fit(path, size=SIZE, longest=0.5).video.frames) == 6
    # timestamps that leap are found out although no header promises the length
    leap = film(tmp_path / "leap.ts", numbered(3), times=[0, 0.1, 9.0])
    with pytest.raises(UserError, match="too long"):
        fit(leap, size=SIZE, fps=12)


@given(
    count=st.integers(1, 40),
    rate=st.sampled_from([1.0, 7.5, 12.0, 23.976, 24.0, 25.0, 29.97, 60.0, 120.0]),
    offset=st.floats(-0.0004, 0.0004),
)
def test_even_clips_come_through_one_for_one(count: int, rate: float, offset: float) -> None:
    times = [index / rate + (offset if index % 2 else 0) for index in range(count)]  # ms clocks
    assert [p.turns for p in nearest_in_time(shown(times, 1 / rate), rate)] == list(range(count))


@given(
    gaps=st.lists(st.floats(0.001, 0.5), min_size=1, max_size=20),
    fps=st.floats(1, 60),
)
def test_every_moment_shows_the_nearest_picture(gaps: list[float], fps: float) -> None:
    times = np.cumsum([0.0, *gaps[1:]])
    chosen = [p.turns for p in nearest_in_time(shown(list(times), gaps[0]), fps)]
    assert len(chosen) >= max(1, round((times[-1] + gaps[0]) * fps))
    for index, number in enumerate(chosen):
        away = np.abs(times - index / fps)
        assert away[number] <= away.min() + 1e-5


@settings(max_examples=25)
@given(
    own=st.tuples(st.integers(16, 90), st.integers(16, 90)),
    size=st.none() | st.tuples(st.integers(1, 70), st.integers(1, 70)),
    rate=st.floats(1, 60),
    fps=st.none() | st.floats(1, 60),
    longest=st.none() | st.floats(0.01, 3),
    count=st.integers(1, 12),
)
def test_whatever_comes_in_what_was_asked_for_comes_out(
    own: tuple[int, int],
    size: tuple[int, int] | None,
    rate: float,
    fps: float | None,
    longest: float | None,
    count: int,
) -> None:
    clip = Video(numbered(count, own), rate)
    fitted = fit(clip, size=size, fps=fps, longest=longest)
    assert isinstance(fitted, Fitted) and fitted.video.frames.dtype == np.uint8
    assert fitted.video.size == size or size is None
    made = len(fitted.video.frames)
    if count == 1:
        assert made == 1
        return
    assert fitted.video.fps == (fps or rate)
    if longest is not None:
        assert made == 1 or fitted.video.duration <= longest + 1e-3
    else:
        assert abs(fitted.video.duration - clip.duration) <= 0.51 / fitted.video.fps or made == 1
    shown_numbers = numbers(fitted.video.frames)
    assert shown_numbers == sorted(shown_numbers) and shown_numbers[0] == 0


def test_files_are_let_go(tmp_path: Path) -> None:
    path = film(tmp_path / "clip.mp4", numbered(24))
    before = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    for _ in range(5):
        fit(path, size=SIZE, longest=0.2)
    after = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    assert after <= before + 1
