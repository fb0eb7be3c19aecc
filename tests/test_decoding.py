"""Pictures of every kind, and files that are broken: a video, or one sentence that says why not."""

import struct
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from films import film, numbered, tone
from PIL import Image

from skyloom.errors import UserError
from skyloom.fitting import fit

SIZE = (64, 48)


def picture(mode: str, size: tuple[int, int] = SIZE) -> Image.Image:
    return Image.fromarray(numbered(1, size, first=100)[0]).convert(mode)


@pytest.mark.parametrize(
    ("mode", "suffix"),
    [("L", ".png"), ("P", ".png"), ("1", ".png"), ("CMYK", ".jpg"), ("RGB", ".webp"),
     ("LA", ".png"), ("RGB", ".bmp")],
)  # fmt: skip
def test_pictures_of_every_mode(mode: str, suffix: str, tmp_path: Path) -> None:
    picture(mode).save(tmp_path / f"a{suffix}")
    fitted = fit(tmp_path / f"a{suffix}", size=SIZE)
    assert fitted.notes == () and fitted.source is None
    assert fitted.video.frames.shape == (1, 48, 64, 3)
    assert abs(fitted.video.frames.mean() - 100) < 8


def test_pictures_deep_turned_transparent_moving_and_misnamed(tmp_path: Path) -> None:
    Image.fromarray(np.full((48, 64), 0x8000, dtype=np.uint16)).save(tmp_path / "deep.png")
    assert np.all(fit(tmp_path / "deep.png", size=SIZE).video.frames == 128)
    exif = Image.Exif()
    exif[0x0112] = 6
    picture("RGB").save(tmp_path / "phone.jpg", exif=exif)
    assert fit(tmp_path / "phone.jpg", size=(48, 64)).notes == (
        "turned by 90 degrees as the file says",
    )
    clear = picture("RGBA")
    clear.putalpha(0)
    clear.save(tmp_path / "clear.png")
    fitted = fit(tmp_path / "clear.png", size=SIZE)
    assert np.all(fitted.video.frames == 255)
    assert fitted.notes == ("what is transparent lies on white",)
    picture("RGBA").save(tmp_path / "solid.png")
    assert fit(tmp_path / "solid.png", size=SIZE).notes == (), "nothing is transparent in it"
    others = [Image.new("RGB", SIZE, colour) for colour in ("red", "blue")]
    picture("RGB").save(tmp_path / "many.webp", save_all=True, append_images=others)
    assert fit(tmp_path / "many.webp", size=SIZE).notes == (
        "only the first of its 3 pictures is used",
    )
    picture("RGB").save(tmp_path / "a.png")
    (tmp_path / "a.png").rename(tmp_path / "really.mp4")
    assert fit(tmp_path / "really.mp4", size=SIZE).notes == ()
    film(tmp_path / "clip.mp4", numbered(3)).rename(tmp_path / "clip.png")
    assert len(fit(tmp_path / "clip.png", size=SIZE).video.frames) == 3


def test_broken_orientation_leaves_the_picture_as_it_is(tmp_path: Path) -> None:
    picture("RGB").save(tmp_path / "a.jpg", exif=b"Exif\0\0II*\0\x08\0\0\0\xff\xff\x12\x01")
    assert fit(tmp_path / "a.jpg", size=SIZE).video.size == SIZE


def test_pictures_need_no_pyav(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    picture("RGB").save(tmp_path / "a.png")
    path = film(tmp_path / "clip.mp4", numbered(2))
    monkeypatch.setitem(sys.modules, "av", None)
    assert fit(tmp_path / "a.png", size=SIZE).notes == ()
    monkeypatch.delitem(sys.modules, "av")
    monkeypatch.setattr("skyloom.decoding.need", _without_av)
    with pytest.raises(UserError, match=r"skyloom\[video\]"):
        fit(path)


def _without_av(module: str, extra: str) -> object:
    from skyloom.extras import need

    return need("no_such_av" if module == "av" else module, extra)


def png_of(width: int, height: int) -> bytes:
    """A PNG that declares a size and holds nothing."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("empty.mp4", b"", "is empty"),
        ("text.mp4", b"a ball rolls\n" * 99, "is not a video skyloom can read"),
        ("noise.mp4", bytes(np.random.default_rng(1).integers(0, 256, 5000, np.uint8)), "is not"),
        ("zeros.webm", bytes(4096), "is not a video skyloom can read"),
        ("head.png", png_of(64, 64)[:30], "is cut short or damaged"),
        ("hollow.png", png_of(64, 64), "is damaged or cut short"),
        ("huge.png", png_of(40000, 40000), "has more than the 35,389,440 pixels"),
        ("big.png", png_of(10000, 9500), "has frames of 10000x9500, more than|has more than"),
        ("tall.png", png_of(1, 48), "is 1x48 pixels|is damaged"),
        ("list.mp4", b"#EXTM3U\n#EXTINF:1,\nhttp://localhost/a.mp4\n", "is not a video"),
    ],
)
def test_what_cannot_be_fitted(name: str, content: bytes, says: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=f"{name}' ({says})") as caught:
        fit(tmp_path / name)
    assert str(caught.value).endswith((".", "are."))


@pytest.mark.parametrize("name", ["clip.mp4", "clip.mkv", "clip.avi"])
def test_a_film_without_its_end_is_said_to_be_cut_short(name: str, tmp_path: Path) -> None:
    codec = "mpeg4" if name.endswith(".avi") else "libx264"
    whole = film(tmp_path / name, numbered(5), codec).read_bytes()
    (tmp_path / name).write_bytes(whole[: len(whole) // 2 if name.endswith(".mp4") else 40])
    with pytest.raises(UserError, match="is cut short or damaged") as caught:
        fit(tmp_path / name)
    assert str(caught.value).endswith("are.")


def test_broken_bytes_give_a_clip_or_one_sentence(tmp_path: Path) -> None:
    film(tmp_path / "clip.mp4", numbered(5), sound=tone(0.4))
    film(tmp_path / "clip.webm", numbered(5), "libvpx-vp9")
    picture("RGB").save(tmp_path / "clip.jpg")
    picture("RGBA").save(tmp_path / "clip.png")
    random = np.random.default_rng(0)
    for name in ("clip.mp4", "clip.webm", "clip.jpg", "clip.png"):
        good = (tmp_path / name).read_bytes()
        for _ in range(30):
            broken = bytearray(good)
            for at in random.integers(0, len(broken), size=random.integers(1, 20)):
                broken[at] = random.integers(256)
            broken = broken[: random.integers(len(broken) // 2, len(broken) + 1)]
            (tmp_path / f"broken-{name}").write_bytes(broken)
            try:
                fitted = fit(tmp_path / f"broken-{name}", size=SIZE, fps=12, longest=1)
            except UserError as error:
                assert f"broken-{name}" in str(error)
            else:
                assert fitted.video.size == SIZE
