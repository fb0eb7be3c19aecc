"""Storyboards: what each shot starts from, what is said with it, and stories that are none."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tiny import Tiny

from skyloom import cli, video
from skyloom.condition import Condition
from skyloom.errors import UserError
from skyloom.pipeline import Frames, Skyloom
from skyloom.request import Request
from skyloom.storyboard import REFERENCE_STRENGTH, Shot, Story, film, plan, read_story
from skyloom.video import Video

STRIDE = 4
FAST = {"size": (64, 32), "steps": 2}
BEACH = Story(
    (Shot(1.0, "it rolls left"), Shot(0.5, "it rests", camera="orbit left")),
    subjects="a red ball and a blue cube.",
    style="pixel art",
    **FAST,
)


def noise(frames: int, seed: int = 0) -> Video:
    rng = np.random.default_rng(seed)
    return Video(rng.integers(0, 256, (frames, 32, 64, 3), dtype=np.uint8), 12.0)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    video.write(noise(12), tmp_path / "clip.safetensors")
    video.write(noise(1, 1), tmp_path / "photo.png")
    return tmp_path


def asked(story: Story) -> tuple[list[Request], np.ndarray]:
    """The requests of a story's shots, and a film in which shot n is of the grey n."""
    requests: list[Request] = []

    def make(request: Request):
        requests.append(request)
        yield np.full((request.frames, 32, 64, 3), len(requests), np.uint8)

    return requests, np.concatenate(list(film(story, STRIDE, make)))


def test_the_subjects_and_the_style_are_said_with_every_shot() -> None:
    first, second = asked(BEACH)[0]
    assert first.words == "a red ball and a blue cube, it rolls left, pixel art"
    assert second.words == "a red ball and a blue cube, it rests, pixel art, camera: orbit left"


def test_every_shot_after_a_cut_refers_to_the_first(folder: Path) -> None:
    shots = (*BEACH.shots, Shot(0.5, "last"))
    requests, frames = asked(replace(BEACH, shots=shots))
    assert requests[0].given == ()
    for request in requests[1:]:
        (given,) = request.given
        assert given.strength == REFERENCE_STRENGTH and given.at == 0
        assert np.array_equal(given.video.frames, frames[:1])
    assert len(frames) == 12 + 6 + 6


def test_without_a_cut_a_shot_goes_on_from_the_one_before() -> None:
    shots = (Shot(1.0, "a"), Shot(0.5, "b", cut=False), Shot(0.5, "c", cut=False))
    requests, frames = asked(replace(BEACH, shots=shots))
    assert len(frames) == 12 + 6 + 6  # nothing is shown twice
    assert [len(np.flatnonzero(frames[:, 0, 0, 0] == n)) for n in (1, 2, 3)] == [12, 6, 6]
    given = requests[2].given[0].video.frames[:, 0, 0, 0]
    assert given.tolist() == [1] * 7 + [2] * 6  # whole latent frames of what came before
    short = replace(BEACH, shots=(Shot(0.25, "a"), Shot(0.5, "b", cut=False)))
    requests, frames = asked(short)
    assert len(frames) == 3 + 6 and len(requests[1].given[0].video.frames) == 1


def test_a_picture_and_a_clip_begin_shots(folder: Path) -> None:
    shots = (
        Shot(0.5, picture=folder / "photo.png"),
        Shot(0.5, "it goes on", clip=folder / "clip.safetensors"),
        Shot(0.5, "and on", cut=False),
    )
    requests, frames = asked(replace(BEACH, shots=shots))
    assert requests[0].given[0].strength == 1.0
    assert np.array_equal(requests[0].given[0].video.frames, noise(1, 1).frames)
    assert len(frames) == 6 + (12 + 6) + 6
    assert np.array_equal(frames[6:18], noise(12).frames)
    assert requests[2].given[0].video.frames[-1, 0, 0, 0] == 2


def test_a_film_is_made(skyloom: Skyloom, folder: Path) -> None:
    shots = (
        Shot(0.5, clip=folder / "clip.safetensors"),
        Shot(0.5, "it rests"),
        Shot(0.5, "it rolls", cut=False),
        Shot(0.5, "night", picture=folder / "photo.png"),
    )
    story = replace(BEACH, shots=shots)
    seen: list[tuple[int, int]] = []
    made = skyloom.storyboard(story, lambda step, count: seen.append((step, count))).frames
    assert len(made) == 12 + 6 + 6 + 6 + 6 == skyloom.plan(story).frames
    assert np.array_equal(made[:12], noise(12).frames)
    assert np.array_equal(made[30], noise(1, 1).frames[0])
    assert seen[-1] == (8, 8) and [step for step, _ in seen] == sorted(step for step, _ in seen)
    assert np.array_equal(skyloom.storyboard(story).frames, made)
    # The first frame of the film changes what is made after a cut.
    plain = skyloom.generate(Request(story.words(shots[1]), seconds=0.5, **FAST)).frames
    assert not np.array_equal(made[18:24], plain)


def test_memory_does_not_grow_with_the_film() -> None:
    shots = (Shot(4.0, "a"), *[Shot(4.0, "b", cut=False)] * 4)
    sizes: list[int] = []

    def make(request: Request):
        sizes.append(sum(given.video.frames.nbytes for given in request.given))
        for _ in range(request.frames // 5):
            yield np.zeros((5, 32, 64, 3), np.uint8)
        yield np.zeros((request.frames % 5, 32, 64, 3), np.uint8)

    pieces = film(replace(BEACH, shots=shots), STRIDE, make)
    assert sum(len(piece) for piece in pieces) == 5 * 48
    assert sizes[1:] == [sizes[1]] * 4


def test_a_story_is_read(folder: Path) -> None:
    file = folder / "story.toml"
    file.write_text(
        'subjects = "a red ball"\nsize = [64, 32]\nfps = 12\nseed = 3\nnegative = "fog"\n'
        '[[shots]]\nseconds = 1\nprompt = "it rolls"\ncamera = "zoom in"\n'
        '[[shots]]\nprompt = "it rests"\ncut = false\n'
        '[[shots]]\npicture = "photo.png"\n'
    )
    story = read_story(file)
    assert story.shots == (
        Shot(1.0, "it rolls", camera="zoom in"),
        Shot(4.0, "it rests", cut=False),
        Shot(picture=folder / "photo.png"),
    )
    assert (story.size, story.seed, story.negative) == ((64, 32), 3, "fog")


HEAD = 'subjects = "a red ball"\n'
SHOT = '[[shots]]\nprompt = "it rolls"\n'


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "'story.toml': The story has no shots: begin each with a line"),
        (HEAD + "shots = []", "'story.toml', line 2: The story has no shots"),
        (HEAD + "shots = 3", "'shots' in 'story.toml' are no tables"),
        (HEAD + "shots = [3]", "'shots' in 'story.toml' are no tables"),
        (HEAD + "[[shots]\n", "'story.toml' is not valid TOML: .* line 2"),
        ('subject = "a ball"\n' + SHOT, "no setting 'subject', found in 'story.toml', line 1: .*"
         "'subjects'"),
        (HEAD + SHOT + SHOT + 'promt = "x"\n', "'promt', found in shot 2 of 'story.toml', line 6: "
         ".*'prompt'"),
        (HEAD + SHOT + 'seconds = "long"\n', "'seconds' in shot 1 of 'story.toml', line 4 is "
         '"long": a number'),
        (HEAD + SHOT + "seconds = 0\n", "Shot 1 of 'story.toml', line 4: seconds = 0 cannot be"),
        (HEAD + SHOT + "\nseconds = 1e4", "Shot 1 of 'story.toml', line 5: seconds = 10000 cannot"),
        (HEAD + SHOT + "seconds = nan", "line 4: seconds = nan cannot be"),
        (HEAD + SHOT + "seconds = 0.01", "Shot 1: 0.01 seconds are less than a frame"),
        (HEAD + "[[shots]]\nseconds = 2\n", "Shot 1 of 'story.toml', line 2: it has no prompt, "),
        (HEAD + SHOT + 'picture = "photo.png"\nclip = "clip.safetensors"\n', "Shot 1 of 'story.toml"
         "', line 4: picture and clip are both given"),
        (HEAD + SHOT + SHOT + 'picture = "no.png"\n', "The picture 'no.png' of shot 2 of 'story.tom"
         "l', line 6, does not exist"),
        (HEAD + SHOT + 'clip = "no.mp4"', "The clip 'no.mp4' of shot 1 of 'story.toml', line 4"),
        (HEAD + SHOT + 'clip = "."', "The clip '.' of shot 1 of 'story.toml', line 4"),
        (HEAD + SHOT + "cut = false\n", "'story.toml': Shot 1 has nothing to go on from"),
        (HEAD + SHOT + SHOT + 'cut = false\npicture = "photo.png"\n', "Shot 2 of 'story.toml', line"
         " 6: cut = false goes on from the shot before"),
        (HEAD + SHOT + 'clip = "photo.png"\n', "Shot 1: The clip has 1 frames and 5 or more"),
        (HEAD + SHOT + 'clip = "story.toml"\n', "Shot 1: 'story.toml'"),
        ("steps = 0\n" + SHOT, "'story.toml', line 1: 0 steps cannot make a clip"),
        ("fps = 0\n" + SHOT, "'story.toml'.*: 0 frames a second cannot be made"),
        ("size = [0, 4]\n" + SHOT, r"'story.toml', line 1: size = \[0, 4\] is too small"),
        ("size = [100, 64]\n" + SHOT, "the nearest size it can is 96x64"),
        ("size = [1000000, 1000000]\n" + SHOT, "cannot make 1000000x1000000"),
        ('solver = "rk4"\n' + SHOT, "'story.toml', line 1: There is no solver 'rk4'"),
    ],
)  # fmt: skip
def test_stories_that_cannot_be(
    skyloom: Skyloom, folder: Path, monkeypatch: pytest.MonkeyPatch, text: str, sentence: str
) -> None:
    monkeypatch.chdir(folder)
    Path("story.toml").write_text(text)
    with pytest.raises(UserError, match=sentence):
        skyloom.plan(read_story("story.toml"))


def test_a_story_that_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"The story '.*no.toml' does not exist"):
        read_story(tmp_path / "no.toml")
    (tmp_path / "x.toml").write_bytes(b"a = '\xe9'")
    with pytest.raises(UserError, match=r"x.toml' is not valid TOML: .*utf-8"):
        read_story(tmp_path / "x.toml")


def test_a_plan_says_where_sounds_go_and_what_was_fitted(folder: Path) -> None:
    video.write(noise(24), folder / "clip.mp4")
    video.write(Video(noise(1).frames[:, :, :32], 1.0), folder / "square.png")
    shots = (
        Shot(0.5, "first", picture=folder / "square.png"),
        Shot(0.5, clip=folder / "clip.mp4"),
    )
    planned = plan(replace(BEACH, shots=shots), STRIDE, lambda request: None)
    assert planned.frames == 6 + 24 + 6
    (sound,) = planned.sounds
    assert (sound.source, sound.at, sound.seconds) == (folder / "clip.mp4", 0.5, 2.0)
    assert len(planned.notes) == 1 and planned.notes[0].startswith("shot 1, '")


def test_the_command(
    tiny: Tiny, folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:  # fmt: skip
    story, out = folder / "story.toml", folder / "film.safetensors"
    story.write_text(
        'subjects = "a red ball"\nsize = [64, 32]\nsteps = 2\nseed = 5\n'
        '[[shots]]\nseconds = 0.5\nprompt = "it rolls"\n[[shots]]\nseconds = 0.5\n'
        'clip = "clip.safetensors"\n'
    )
    words = ["storyboard", str(story), "-o", str(out), "--model", str(tiny.model)]
    words += ["--policy", "off"]  # noise flashes
    assert cli.main([*words, "--sheet"]) == 0
    said = capfd.readouterr().out
    assert said == (
        f"{out}: 64x32, 2.0 s, 2 shots\n{folder / 'film-sheet.png'}: contact sheet\n"
    )  # fmt: skip
    first: Frames = video.read(out).frames
    assert len(first) == 24 and np.array_equal(first[6:18], noise(12).frames)
    assert cli.main([*words, "--seed", "5"]) == 0  # as the file says
    assert np.array_equal(video.read(out).frames, first)
    assert cli.main([*words, "-n", "2", "--seed", "4"]) == 0
    assert np.array_equal(video.read(folder / "film-2.safetensors").frames, first)
    assert not np.array_equal(video.read(folder / "film-1.safetensors").frames, first)


def test_the_command_refuses_in_a_sentence(
    tiny: Tiny, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    story = folder / "story.toml"
    story.write_text(SHOT + "seconds = 0.5\nspeed = 2\n")
    before = sorted(folder.iterdir())
    words = ["storyboard", str(story), "-o", str(folder / "x.mp4"), "--model", str(tiny.model)]
    assert cli.main(words) == 2
    said = capsys.readouterr()
    assert said.err.startswith("skyloom: There is no setting 'speed', found in shot 1 of '")
    assert said.out == "" and said.err.count("\n") == 1 and "line 4" in said.err
    assert sorted(folder.iterdir()) == before


def test_given_frames_of_shots_have_the_size_of_the_story() -> None:
    for request in asked(replace(BEACH, shots=BEACH.shots * 2))[0]:
        for given in request.given:
            assert isinstance(given, Condition) and given.video.size == (64, 32)
