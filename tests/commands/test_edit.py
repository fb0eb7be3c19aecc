"""The verbs that start from pictures and clips, as a user calls them, with a tiny model."""

from pathlib import Path

import av
import numpy as np
import pytest
from tiny import Tiny

from skyloom import cli, video
from skyloom.commands.edit import kept_frames
from skyloom.errors import UserError
from skyloom.trust.verify import verify
from skyloom.video import Video

QUICK = ("--steps", "2", "--size", "64x32", "--policy", "off")  # noise flashes


def noise(frames: int, seed: int = 0, size: tuple[int, int] = (64, 32), fps: float = 12.0) -> Video:
    rng = np.random.default_rng(seed)
    return Video(rng.integers(0, 256, (frames, *size[::-1], 3), dtype=np.uint8), fps)


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    """A folder with two lossless clips, a picture and a mask."""
    video.write(noise(12), tmp_path / "a.safetensors")
    video.write(noise(12, 1), tmp_path / "b.safetensors")
    video.write(noise(1, 2, (100, 80)), tmp_path / "photo.png")
    mask = np.zeros((1, 32, 64, 3), np.uint8)
    mask[:, :, :32] = 255
    video.write(Video(mask, 1.0), tmp_path / "mask.png")
    return tmp_path


def made(tiny: Tiny, folder: Path, *words: str) -> Video:
    out = folder / "out.safetensors"
    args = [str(folder / w) if "." in w and (folder / w).exists() else w for w in words]
    assert cli.main([*args, "-o", str(out), "--model", str(tiny.model), *QUICK]) == 0
    return video.read(out)


def test_an_input_that_flashes_is_refused_by_its_name(
    tiny: Tiny, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    frames = np.full((24, 32, 64, 3), 90, np.uint8)
    frames[::2] = 255
    clip, story = tmp_path / "flash.safetensors", tmp_path / "story.toml"
    video.write(Video(frames, 12.0), clip)
    story.write_text('[[shots]]\nprompt = "a ball"\nclip = "flash.safetensors"\nseconds = 3\n')
    out = ("-o", str(tmp_path / "out.mp4"), "--model", str(tiny.model), "--steps", "1")
    calm = tmp_path / "calm.safetensors"
    video.write(Video(frames[::2], 12.0), calm)
    for words in (
        ["extend", str(clip), "a ball"],
        ["storyboard", str(story)],
        ["restyle", str(calm), "a ball", "--mask", str(clip)],
    ):
        assert cli.main([*words, *out, "--size", "64x32"]) == 2
        err = capfd.readouterr().err
        assert "flash.safetensors' is refused by the policy 'standard': it shows flashes" in err
    assert not (tmp_path / "out.mp4").exists()


def test_animate(tiny: Tiny, clips: Path, capfd: pytest.CaptureFixture[str]) -> None:
    clip = made(tiny, clips, "animate", "photo.png", "the ball rolls left", "--seconds", "0.5")
    assert (clip.size, len(clip.frames)) == ((64, 32), 6)
    said = capfd.readouterr()
    assert "photo.png': scaled from 100x80 and cropped to 64x32" in said.err
    assert "out.safetensors: 64x32, 0.5 s" in said.out
    last = made(tiny, clips, "animate", "photo.png", "--at", "end", "--seconds", "0.5")
    assert np.array_equal(last.frames[-1], clip.frames[0])


def test_a_part_moves_along_a_path(tiny: Tiny, clips: Path) -> None:
    (clips / "path.json").write_text('{"points": [[0, 0.2, 0.5], [0.4, 0.8, 0.5]], "radius": 0.3}')
    clip = made(
        tiny, clips, "animate", "photo.png", "--move", "path.json", "--seconds", "0.5"
    ).frames  # fmt: skip
    assert len(clip) == 6
    plain = made(tiny, clips, "animate", "photo.png", "--seconds", "0.5").frames
    assert np.array_equal(clip[0], plain[0]) and not np.array_equal(clip[-1], plain[-1])


def test_extend_both_ways(tiny: Tiny, clips: Path) -> None:
    forward = made(tiny, clips, "extend", "a.safetensors", "--seconds", "0.5").frames
    assert len(forward) == 18 and np.array_equal(forward[:12], noise(12).frames)
    backward = made(tiny, clips, "extend", "a.safetensors", "--seconds", "0.5", "--backward").frames
    assert len(backward) == 18 and np.array_equal(backward[6:], noise(12).frames)


def test_loop_of_a_clip_and_of_words(tiny: Tiny, clips: Path) -> None:
    closed = made(tiny, clips, "loop", "a.safetensors", "--seconds", "0.5").frames
    assert len(closed) == 18 and np.array_equal(closed[:12], noise(12).frames)
    assert len(made(tiny, clips, "loop", "snow falls", "--seconds", "0.6").frames) == 8
    long = "snow falls on the roofs of a quiet village, " * 10  # no file has so long a name
    assert len(made(tiny, clips, "loop", long, "--seconds", "0.6").frames) == 8


def test_connect_and_blend(tiny: Tiny, clips: Path) -> None:
    both = ("a.safetensors", "b.safetensors")
    connected = made(tiny, clips, "connect", *both, "--seconds", "0.5").frames
    assert len(connected) == 30 and np.array_equal(connected[-12:], noise(12, 1).frames)
    blended = made(tiny, clips, "blend", *both, "a car becomes a robot").frames
    assert len(blended) == 12 and np.array_equal(blended[-1], noise(12, 1).frames[-1])


def test_fill(tiny: Tiny, clips: Path) -> None:
    filled = made(tiny, clips, "fill", "a.safetensors", "--keep", "0,8-11").frames
    assert np.array_equal(filled[[0, 8, 9, 10, 11]], noise(12).frames[[0, 8, 9, 10, 11]])
    assert not np.array_equal(filled[4], noise(12).frames[4])


def test_restyle(tiny: Tiny, clips: Path) -> None:
    same = made(tiny, clips, "restyle", "a.safetensors", "in winter", "--strength", "0").frames
    assert np.array_equal(same, noise(12).frames)
    masked = made(
        tiny, clips, "restyle", "a.safetensors", "in winter", "--mask", "mask.png", "--sheet"
    ).frames
    assert np.array_equal(masked[:, :, 32:], noise(12).frames[:, :, 32:])
    assert not np.array_equal(masked[:, :, :32], noise(12).frames[:, :, :32])
    sheet = video.read(clips / "out-sheet.png")  # what was given on the left, the result right
    assert sheet.size[0] > 2 * 4 * 64


def test_what_an_edit_was_told_is_in_its_manifest_and_its_number(tiny: Tiny, clips: Path) -> None:
    told, numbers = [], set()
    for words in (
        ("restyle", "a.safetensors", "in winter"),
        ("restyle", "a.safetensors", "in winter", "--strength", "0.3"),
        ("restyle", "a.safetensors", "in winter", "--mask", "mask.png"),
        ("restyle", "a.safetensors", "in winter", "--guidance", "0"),
        ("fill", "a.safetensors", "--keep", "0,11"),
        ("fill", "a.safetensors", "--keep", "0,10"),
        ("extend", "a.safetensors", "--seconds", "0.5"),
        ("extend", "a.safetensors", "--seconds", "0.5", "--backward"),
    ):
        made(tiny, clips, *words)
        shown = verify(clips / "out.safetensors").manifests.statements[0].generation
        told.append(shown["settings"])
        numbers.add(shown["watermark"])
    assert len(numbers) == len(told)
    assert [one.get("strength") for one in told] == [0.7, 0.3, 0.7, 0.7, None, None, None, None]
    assert told[3]["guidance"] == 0 and told[4]["keep"] == "0,11" and told[7]["backward"] is True


def test_draft_and_full_size(tiny: Tiny, tmp_path: Path) -> None:
    draft, out = tmp_path / "draft.mp4", tmp_path / "out.mp4"
    words = ["generate", "a ball", "--model", str(tiny.model), "--seconds", "0.5", "--steps", "2"]
    assert cli.main([*words, "-o", str(draft), "--draft", "--size", "128x64"]) == 0
    assert video.read(draft).size == (64, 32)
    assert cli.main([*words, "-o", str(out), "--from", str(draft), "--size", "128x64"]) == 0
    assert video.read(out).size == (128, 64) and len(video.read(out).frames) == 6


def film_with_sound(source: Path) -> None:
    """Twelve frames and a second of a tone."""
    with av.open(str(source), "w") as container:
        pictures = container.add_stream("h264", rate=12)
        pictures.width, pictures.height, pictures.pix_fmt = 64, 32, "yuv420p"
        sound = container.add_stream("aac", rate=48_000)
        for frame in noise(12).frames:
            container.mux(pictures.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        wave = (8000 * np.sin(np.arange(48_000) / 20)).astype(np.int16)[None]
        for start in range(0, 48_000, 1024):
            block = av.AudioFrame.from_ndarray(wave[:, start : start + 1024], "s16", "mono")
            block.sample_rate, block.pts = 48_000, start
            container.mux(sound.encode(block))
        container.mux([*pictures.encode(), *sound.encode()])


def test_sound_goes_along(tiny: Tiny, tmp_path: Path) -> None:
    source, out = tmp_path / "a.mp4", tmp_path / "out.mp4"
    film_with_sound(source)
    words = ["extend", str(source), "--seconds", "0.5", "-o", str(out), "--model", str(tiny.model)]
    assert cli.main([*words, *QUICK]) == 0
    with av.open(str(out)) as container:
        assert [stream.type for stream in container.streams] == ["video", "audio"]
        assert container.streams.video[0].frames == 18


def test_the_sound_of_a_clip_is_heard_in_its_shot(tiny: Tiny, tmp_path: Path) -> None:
    story, out = tmp_path / "story.toml", tmp_path / "film.mp4"
    film_with_sound(tmp_path / "a.mp4")
    story.write_text(
        'subjects = "a red ball"\n[[shots]]\nprompt = "it rolls"\nseconds = 0.5\n'
        '[[shots]]\nclip = "a.mp4"\nseconds = 0.5\n'
    )
    words = ["storyboard", str(story), "-o", str(out), "--model", str(tiny.model)]
    assert cli.main([*words, *QUICK]) == 0
    with av.open(str(out)) as container:
        assert [stream.type for stream in container.streams] == ["video", "audio"]
        assert container.streams.video[0].frames == 6 + 12 + 6
        blocks = [block.to_ndarray()[0] for block in container.decode(audio=0)]
    rate, wave = 48_000, np.abs(np.concatenate(blocks))
    heard = [float(wave[round(t * rate) : round((t + 0.2) * rate)].mean()) for t in (0.1, 1.0, 1.7)]
    assert heard[1] > 0.01 and max(heard[0], heard[2]) < 0.1 * heard[1]


@pytest.mark.parametrize(
    ("text", "frames"),
    [
        ("0,12,24-36", [(0, 0), (12, 12), (24, 36)]),
        ("0s-1s, 3.5s", [(0, 12), (42, 42)]),
    ],
)
def test_lists_of_frames(text: str, frames: list[tuple[int, int]]) -> None:
    assert kept_frames(text, 12.0) == frames


@pytest.mark.parametrize("text", ["", "a", "1-", "1.5", "1,,2", "s"])
def test_what_is_no_list(text: str) -> None:
    if text == "1-":
        assert kept_frames(text, 12.0) == [(1, 1)]
        return
    with pytest.raises(UserError, match="no list of frames to keep: write frames as in 0,12"):
        kept_frames(text, 12.0)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["animate", "nowhere.png"], "nowhere.png"),
        (["animate", "photo.png", "--move", "nowhere.json"], "nowhere.json' does not exist"),
        (["animate", "photo.png", "--move", "mask.png"], "mask.png' is not valid TOML"),
        (["animate", "photo.png", "--move", "x.json", "--at", "end"], "leave out --at end"),
        (["extend", "photo.png", "--seconds", "1"], "has 1 frames and 5 or more are needed"),
        (["fill", "a.safetensors", "--keep", "0-99"], "Frames 0 to 99 are not in the clip"),
        (["fill", "a.safetensors", "--keep", "x"], "no list of frames"),
        (["restyle", "a.safetensors", "winter", "--strength", "2"], "Strength 2 is not between"),
        (["restyle", "a.safetensors", "winter", "--mask", "nowhere.png"], "nowhere.png"),
        (["loop", "nowhere.mp4"], "nowhere.mp4"),
        (["loop", " "], "The prompt is empty"),
    ],
)
def test_what_cannot_be_done(
    tiny: Tiny, clips: Path, capsys: pytest.CaptureFixture[str], words: list[str], sentence: str
) -> None:
    before = sorted(path.name for path in clips.iterdir())
    args = [str(clips / w) if (clips / w).is_file() else w for w in words]
    out = str(clips / "out.mp4")
    assert cli.main([*args, "-o", out, "--model", str(tiny.model), *QUICK]) == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert sentence in said[-1] and said[-1].startswith("skyloom: ")
    assert sorted(path.name for path in clips.iterdir()) == before
