"""Videos and files: round trips, the format that players expect, whole files only, bad input."""

import os
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from skyloom.errors import UserError
from skyloom.video import (
    Video,
    VideoWriter,
    check_output,
    contact_sheet,
    read,
    read_chunks,
    write,
)


def gradient(frames: int = 7, width: int = 64, height: int = 48, fps: float = 12.0) -> Video:
    """A smooth picture whose colours drift, which every codec can hold well."""
    y, x = np.mgrid[:height, :width]
    planes = [np.stack([x + 8 * f, 2 * y + 60, 180 - 2 * f + 0 * x], -1) for f in range(frames)]
    return Video(np.stack(planes).astype(np.uint8), fps)


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / max(np.mean((a.astype(float) - b) ** 2), 1e-9)))


@pytest.mark.parametrize("suffix", [".mp4", ".webm", ".gif"])
def test_round_trip(suffix: str, tmp_path: Path) -> None:
    video = gradient()
    write(video, tmp_path / f"clip{suffix}")
    back = read(tmp_path / f"clip{suffix}")
    assert back.frames.shape == video.frames.shape
    assert back.fps == pytest.approx(12, rel=0.05)
    assert psnr(back.frames, video.frames) > 36


def test_raw_frames_are_lossless_and_plain_safetensors(tmp_path: Path) -> None:
    from safetensors.numpy import load_file

    video = gradient(fps=24000 / 1001)
    write(video, tmp_path / "clip.safetensors")
    back = read(tmp_path / "clip.safetensors")
    assert np.array_equal(back.frames, video.frames)
    assert back.fps == video.fps
    assert np.array_equal(load_file(tmp_path / "clip.safetensors")["frames"], video.frames)


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".jpg", ".webp", ".JPEG"])
def test_image_is_a_video_of_one_frame(suffix: str, tmp_path: Path) -> None:
    video = gradient(frames=1)
    write(video, tmp_path / f"picture{suffix}")
    back = read(tmp_path / f"picture{suffix}")
    assert back.frames.shape == video.frames.shape
    assert psnr(back.frames, video.frames) > (90 if suffix in (".png", ".bmp") else 34)


def test_mp4_is_what_every_player_shows(tmp_path: Path) -> None:
    write(gradient(fps=30000 / 1001), tmp_path / "clip.mp4")
    with av.open(str(tmp_path / "clip.mp4")) as container:
        stream = container.streams.video[0]
        context = stream.codec_context
        assert (context.name, context.pix_fmt) == ("h264", "yuv420p")
        assert (int(context.colorspace), int(context.color_range)) == (1, 1)  # BT.709, limited
        assert stream.average_rate.as_integer_ratio() == (30000, 1001)
    data = (tmp_path / "clip.mp4").read_bytes()
    assert data.index(b"moov") < data.index(b"mdat"), "a browser starts before the whole file came"


@pytest.mark.parametrize("suffix", [".mp4", ".webm", ".gif", ".safetensors", ".png"])
def test_same_frames_same_bytes_in_one_piece_or_many(suffix: str, tmp_path: Path) -> None:
    video = gradient(frames=1 if suffix == ".png" else 9, width=128, height=96)
    write(video, tmp_path / f"whole{suffix}")
    with VideoWriter(tmp_path / f"pieces{suffix}", video.size, video.fps) as writer:
        for start in range(0, 9, 4):
            writer.append(video.frames[start : start + 4])
    whole, pieces = (tmp_path / f"{name}{suffix}" for name in ("whole", "pieces"))
    assert whole.read_bytes() == pieces.read_bytes()


def test_odd_sizes_are_padded_where_the_codec_needs_it(tmp_path: Path) -> None:
    video = gradient(width=63, height=47)
    write(video, tmp_path / "clip.mp4")
    back = read(tmp_path / "clip.mp4")
    assert back.size == (64, 48)
    assert psnr(back.frames[:, :47, :63], video.frames) > 36
    assert psnr(back.frames[:, :47, 63], video.frames[:, :, 62]) > 30, "the last column again"
    for suffix in (".webm", ".gif", ".safetensors"):
        write(video, tmp_path / f"clip{suffix}")
        assert read(tmp_path / f"clip{suffix}").size == (63, 47)


def test_max_frames_and_chunks_are_the_head_and_the_pieces(tmp_path: Path) -> None:
    write(gradient(), tmp_path / "clip.mp4")
    whole = read(tmp_path / "clip.mp4")
    assert np.array_equal(read(tmp_path / "clip.mp4", max_frames=3).frames, whole.frames[:3])
    chunks = list(read_chunks(tmp_path / "clip.mp4", frames=3))
    assert [len(chunk.frames) for chunk in chunks] == [3, 3, 1]
    assert np.array_equal(np.concatenate([chunk.frames for chunk in chunks]), whole.frames)


def test_sideways_film_comes_upright(tmp_path: Path) -> None:
    write(gradient(), tmp_path / "clip.mp4")
    plain = read(tmp_path / "clip.mp4")
    data = (tmp_path / "clip.mp4").read_bytes()
    one, w = (1 << 16).to_bytes(4, "big"), (1 << 30).to_bytes(4, "big")
    none, minus = bytes(4), (-1 << 16).to_bytes(4, "big", signed=True)
    upright = one + none * 3 + one + none * 3 + w
    quarter = none + one + none + minus + none * 4 + w  # clockwise, as a phone held upright
    at = data.index(upright, data.index(b"tkhd"))
    (tmp_path / "phone.mp4").write_bytes(data[:at] + quarter + data[at + 36 :])
    turned = read(tmp_path / "phone.mp4")
    assert np.array_equal(turned.frames, np.rot90(plain.frames, -1, axes=(1, 2)))


def test_pictures_with_transparency_depth_and_orientation(tmp_path: Path) -> None:
    Image.new("RGBA", (4, 2), (255, 0, 0, 0)).save(tmp_path / "clear.png")
    assert np.array_equal(read(tmp_path / "clear.png").frames, np.full((1, 2, 4, 3), 255))
    grey = np.full((2, 4), 0x8000, dtype=np.uint16)
    Image.fromarray(grey).save(tmp_path / "deep.png")
    assert np.array_equal(read(tmp_path / "deep.png").frames, np.full((1, 2, 4, 3), 128))
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (4, 2)).save(tmp_path / "phone.jpg", exif=exif)
    assert read(tmp_path / "phone.jpg").size == (2, 4)


def test_failure_leaves_nothing_and_spares_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(b"before")
    with (
        pytest.raises(KeyboardInterrupt),
        VideoWriter(path, size=(64, 48), fps=12.0) as writer,
    ):
        writer.append(gradient().frames)
        raise KeyboardInterrupt
    assert path.read_bytes() == b"before"
    assert os.listdir(tmp_path) == ["clip.mp4"]


def test_contact_sheet_shows_frames_in_reading_order() -> None:
    frames = np.repeat(np.arange(49, dtype=np.uint8), 8 * 6 * 3).reshape(49, 6, 8, 3)
    sheet = contact_sheet(Video(frames, 12.0), columns=4, gap=2)
    assert sheet.frames.shape == (1, 2 + 3 * (6 + 2), 2 + 4 * (8 + 2), 3)
    shown = sheet.frames[0, 2::8, 2::10, 0].ravel()
    assert shown[0] == 0 and shown[-1] == 48
    assert np.all(np.diff(shown.astype(int)) >= 4)
    assert contact_sheet(Video(frames[:2], 12.0)).size == (2 + 2 * 10, 2 + 8)


def test_contact_sheet_of_large_frames_is_scaled_down() -> None:
    frames = np.full((2, 720, 1280, 3), 200, dtype=np.uint8)
    sheet = contact_sheet(Video(frames, 12.0), columns=4)
    assert sheet.size == (2 + 2 * 642, 2 + 362)
    assert sheet.frames[0, 5, 5].tolist() == [200, 200, 200]


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("notes.txt", b"some notes\n" * 50, "is not a video skyloom can read"),
        ("text.mp4", b"some notes\n" * 50, "is not a video skyloom can read"),
        ("text.png", b"some notes\n" * 50, "is not a video skyloom can read"),
        ("text.safetensors", b"some notes\n" * 50, "is not a video skyloom can read"),
        ("empty.mp4", b"", "is empty"),
        ("list.mp4", b"#EXTM3U\n#EXTINF:1,\nhttp://localhost/a.mp4\n", "is not a video"),
        ("script.mp4", b"ffconcat version 1.0\nfile '/etc/hostname'\n", "is not a video"),
    ],
)
def test_what_is_no_video(name: str, content: bytes, says: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=f"{name}' {says}"):
        read(tmp_path / name)


def test_missing_folder_and_pipe(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"ball\.mp4' does not exist"):
        read(tmp_path / "ball.mp4")
    with pytest.raises(UserError, match="is a folder"):
        read(tmp_path)
    os.mkfifo(tmp_path / "pipe.mp4")
    with pytest.raises(UserError, match="is not a regular file"):
        read(tmp_path / "pipe.mp4")


def test_sound_alone(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "song.mp4"), "w") as container:
        stream = container.add_stream("aac", rate=44100)
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 2048), np.float32), "fltp", "mono")
        sound.rate = 44100
        container.mux(stream.encode(sound))
        container.mux(stream.encode())
    with pytest.raises(UserError, match="no pictures in it"):
        read(tmp_path / "song.mp4")


@pytest.mark.parametrize("suffix", [".mp4", ".webm", ".gif", ".safetensors", ".png"])
def test_frames_too_large_are_refused(suffix: str, tmp_path: Path) -> None:
    write(gradient(frames=1), tmp_path / f"clip{suffix}")
    with pytest.raises(UserError, match="64x48, more than the 3,000 pixels"):
        read(tmp_path / f"clip{suffix}", max_pixels=3000)


def test_a_clip_too_long_for_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("skyloom.video.MAX_BYTES", 3 * 64 * 48 * 3)
    write(gradient(), tmp_path / "clip.mp4")
    with pytest.raises(UserError, match="more than 3 frames"):
        read(tmp_path / "clip.mp4")
    assert len(read(tmp_path / "clip.mp4", max_frames=3).frames) == 3


def test_a_file_cut_short_says_so(tmp_path: Path) -> None:
    write(gradient(frames=40), tmp_path / "clip.mp4", crf=5)
    data = (tmp_path / "clip.mp4").read_bytes()
    (tmp_path / "cut.mp4").write_bytes(data[: len(data) * 2 // 3])
    with pytest.raises(UserError, match=r"cut\.mp4' is damaged after its first \d+ frames"):
        read(tmp_path / "cut.mp4")


@pytest.mark.parametrize("suffix", [".mp4", ".webm", ".gif", ".safetensors", ".png"])
def test_broken_bytes_give_a_video_or_one_sentence(suffix: str, tmp_path: Path) -> None:
    write(gradient(frames=1 if suffix == ".png" else 5), tmp_path / f"clip{suffix}")
    good = (tmp_path / f"clip{suffix}").read_bytes()
    random = np.random.default_rng(0)
    for _ in range(40):
        broken = bytearray(good)
        for at in random.integers(0, len(broken), size=random.integers(1, 30)):
            broken[at] = random.integers(256)
        (tmp_path / f"broken{suffix}").write_bytes(broken)
        try:
            read(tmp_path / f"broken{suffix}", max_pixels=10**6)
        except UserError as error:
            assert f"broken{suffix}" in str(error)


def test_what_cannot_be_written(tmp_path: Path) -> None:
    video = gradient()
    with pytest.raises(UserError, match=r"ball\.mov': use \.mp4"):
        write(video, tmp_path / "ball.mov")
    with pytest.raises(UserError, match=r"ball\.png': \.png holds one picture .* 7 frames"):
        write(video, tmp_path / "ball.png")
    with pytest.raises(UserError, match=r"holds one picture"):
        check_output(tmp_path / "ball.png", frames=2)
    with pytest.raises(UserError, match="does not exist"):
        check_output(tmp_path / "nowhere" / "ball.mp4")
    with pytest.raises(UserError, match="not one frame"):
        write(Video(video.frames[:0], 12.0), tmp_path / "ball.mp4")
    with pytest.raises(UserError, match="above 0"):
        VideoWriter(tmp_path / "ball.mp4", size=(64, 48), fps=0.0)
    assert os.listdir(tmp_path) == []


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a disk that is always full")
@pytest.mark.parametrize("suffix", [".mp4", ".safetensors", ".png", ".gif", ".webm"])
def test_a_full_disk_is_one_sentence(
    suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    random = np.random.default_rng(0)
    noise = random.integers(0, 256, (1, 256, 256, 3), dtype=np.uint8)
    part = tmp_path / f".clip.{os.getpid()}.part{suffix}"
    part.symlink_to("/dev/full")
    with pytest.raises(UserError, match=r"Cannot write .*clip.*: No space left"):
        write(Video(noise, 12.0), tmp_path / f"clip{suffix}")
    assert os.listdir(tmp_path) == []
