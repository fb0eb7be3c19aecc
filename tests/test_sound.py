"""Sound goes along at its place in time; pictures stay bit for bit; trouble never costs an edit."""

import os
from pathlib import Path

import av
import numpy as np
import pytest
from films import film, heard, numbered, packets, tone
from PIL import Image

from skyloom import video
from skyloom.sound import Part, carry_sound, carry_sounds
from skyloom.video import Video


def loud(samples: np.ndarray, rate: int = 48000) -> tuple[float, float]:
    """The first and the last second at which something is heard."""
    places = np.flatnonzero(np.abs(samples) > 0.1)
    return places[0] / rate, places[-1] / rate


def edited(path: Path, frames: int = 24) -> Path:
    """A finished video of skyloom's own, two seconds long."""
    video.write(Video(numbered(frames), 12.0), path)
    return path


def strongest(samples: np.ndarray) -> float:
    """Hertz of the strongest tone."""
    return float(np.argmax(np.abs(np.fft.rfft(samples))) * 48000 / len(samples))


@pytest.mark.parametrize(("suffix", "codec"), [(".mp4", "aac"), (".webm", "opus")])
def test_sound_goes_along_and_pictures_stay(suffix: str, codec: str, tmp_path: Path) -> None:
    source = film(tmp_path / "in.mp4", numbered(24), sound=tone(2.0))
    target = edited(tmp_path / f"out{suffix}")
    before = packets(target)
    frames = video.read(target)
    assert carry_sound(source, target)
    assert [data for *_, data in packets(target)] == [data for *_, data in before]
    assert suffix == ".webm" or packets(target) == before, "times too, to the tick"
    again = video.read(target)
    assert np.array_equal(again.frames, frames.frames) and again.fps == frames.fps
    with av.open(str(target)) as container:
        context = container.streams.audio[0].codec_context
        assert (context.name, context.rate, context.channels) == (codec, 48000, 2)
    samples = heard(target)
    assert samples is not None
    assert loud(samples) == pytest.approx((0.0, 2.0), abs=0.03)
    assert strongest(samples[9600:57600]) == pytest.approx(440, abs=3)
    assert sorted(os.listdir(tmp_path)) == ["in.mp4", target.name]


def test_a_browser_still_starts_before_the_whole_file_came(tmp_path: Path) -> None:
    target = edited(tmp_path / "out.mp4")
    assert carry_sound(film(tmp_path / "in.mp4", numbered(24), sound=tone(2.0)), target)
    data = target.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")


def test_same_sound_same_bytes(tmp_path: Path) -> None:
    source = film(tmp_path / "in.mp4", numbered(24), sound=tone(2.0))
    one, two = edited(tmp_path / "one.mp4"), edited(tmp_path / "two.mp4")
    assert carry_sound(source, one) and carry_sound(source, two)
    assert one.read_bytes() == two.read_bytes()


def test_a_stretch_lands_where_it_is_asked_for(tmp_path: Path) -> None:
    beep = np.concatenate([np.zeros(44100), tone(0.25), np.zeros(33075)])  # heard at 1.0 .. 1.25
    source = film(tmp_path / "in.mp4", numbered(24), sound=beep)
    for start, at, seconds, wanted in [
        (0.0, 0.0, None, (1.0, 1.25)),
        (0.5, 0.0, None, (0.5, 0.75)),
        (0.75, 0.5, None, (0.75, 1.0)),
        (0.0, 0.0, 1.125, (1.0, 1.125)),
    ]:
        target = edited(tmp_path / "out.mp4")
        assert carry_sound(source, target, start=start, seconds=seconds, at=at)
        samples = heard(target)
        assert samples is not None and loud(samples) == pytest.approx(wanted, abs=0.02)


def test_sound_that_starts_late_stays_with_its_pictures(tmp_path: Path) -> None:
    source = film(tmp_path / "in.mkv", numbered(24), sound=tone(0.5), sound_at=0.75)
    target = edited(tmp_path / "out.mp4")
    assert carry_sound(source, target)
    samples = heard(target)
    assert samples is not None and loud(samples) == pytest.approx((0.75, 1.25), abs=0.03)


def test_sound_ends_with_the_pictures(tmp_path: Path) -> None:
    source = film(tmp_path / "in.mp4", numbered(24), sound=tone(5.0))
    target = edited(tmp_path / "out.mp4", frames=12)
    assert carry_sound(source, target)
    with av.open(str(target)) as container:
        assert container.duration / 1e6 == pytest.approx(1.0, abs=0.03)


def test_two_clips_joined(tmp_path: Path) -> None:
    a = film(tmp_path / "a.mp4", numbered(12), sound=tone(1.0, 300))
    b = film(tmp_path / "b.mp4", numbered(12), sound=tone(1.0, 900))
    target = edited(tmp_path / "out.mp4", frames=36)
    parts = [Part(a, seconds=0.75), Part(b, at=2.0), Part(tmp_path / "picture.png")]
    assert carry_sounds(parts, target)
    samples = heard(target)
    assert samples is not None
    assert strongest(samples[4800:28800]) == pytest.approx(300, abs=3)
    assert np.abs(samples[43200:91200]).max() < 0.02
    assert strongest(samples[100800:124800]) == pytest.approx(900, abs=3)


def test_no_sound_is_no_sound(tmp_path: Path) -> None:
    target = edited(tmp_path / "out.mp4")
    before = target.read_bytes()
    Image.new("RGB", (64, 48)).save(tmp_path / "a.png")
    video.write(Video(numbered(2), 12.0), tmp_path / "raw.safetensors")
    silent = film(tmp_path / "silent.mp4", numbered(3))
    for source in (silent, tmp_path / "a.png", tmp_path / "raw.safetensors", tmp_path / "none.mp4"):
        carried = carry_sound(source, target)
        assert not carried and carried.notes == ()
    short = film(tmp_path / "short.mp4", numbered(24), sound=tone(0.5))
    assert not carry_sound(short, target, start=1.5), "over before the stretch begins"
    gif = edited(tmp_path / "out.gif")
    refused = carry_sound(short, gif)
    assert not refused and "a .gif file holds none" in refused.notes[0]
    assert target.read_bytes() == before


def test_broken_sound_never_costs_the_edit(tmp_path: Path) -> None:
    source = film(tmp_path / "in.mp4", numbered(5), sound=tone(0.5))
    good = source.read_bytes()
    with av.open(str(source)) as container:
        first = next(p for p in container.demux(audio=0) if p.size).pos
    spoiled = bytearray(good)
    spoiled[first : first + 4000] = np.random.default_rng(0).bytes(4000)
    target = edited(tmp_path / "out.mp4", frames=6)
    before = target.read_bytes()
    (tmp_path / "broken.mp4").write_bytes(spoiled)
    carried = carry_sound(tmp_path / "broken.mp4", target)
    assert "is damaged and breaks off" in carried.notes[0] or "cannot be read" in carried.notes[0]
    assert carried or target.read_bytes() == before
    random = np.random.default_rng(0)
    for _ in range(30):
        broken = bytearray(good)
        for at in random.integers(0, len(broken), size=random.integers(1, 30)):
            broken[at] = random.integers(256)
        (tmp_path / "broken.mp4").write_bytes(broken[: random.integers(len(good) // 2, len(good))])
        carry_sound(tmp_path / "broken.mp4", target)
        assert len(video.read(target).frames) == 6
    (tmp_path / "text.mp4").write_bytes(b"no film\n" * 50)
    refused = carry_sound(tmp_path / "text.mp4", target)
    assert not refused and "is not a video" in refused.notes[0]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a disk that is always full")
def test_a_target_that_takes_none_stays(tmp_path: Path) -> None:
    source = film(tmp_path / "in.mp4", numbered(24), sound=tone(2.0))
    target = edited(tmp_path / "out.mp4")
    before = target.read_bytes()
    (tmp_path / f".out.{os.getpid()}.part.mp4").symlink_to("/dev/full")
    refused = carry_sound(source, target)
    assert not refused and "would not take it (No space left" in refused.notes[0]
    assert target.read_bytes() == before
