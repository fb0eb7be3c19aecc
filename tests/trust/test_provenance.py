"""Manifests in real files: read by c2pa's own reader, and by `skyloom verify`."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import av
import c2pa
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))  # for clips.py
from clips import moving

from skyloom import cli, video
from skyloom.errors import UserError
from skyloom.trust import keys
from skyloom.trust.marking import Marking, identity
from skyloom.trust.provenance import Claim, inputs_of, sign
from skyloom.trust.signing.places import mime, needs_sidecar, sidecar
from skyloom.trust.signing.reading import read_manifests
from skyloom.trust.verify import verify
from skyloom.video import Video

PROMPT = "a red ball rolls"
CLAIM = Claim("generate", "test", "ab" * 32, 7, PROMPT, "cd" * 32, {"size": "64x32"}, watermark=5)


def noise(frames: int = 6, seed: int = 0) -> Video:
    rng = np.random.default_rng(seed)
    return Video(rng.integers(0, 256, (frames, 32, 64, 3), dtype=np.uint8), 12.0)


def written(path: Path, seed: int = 0) -> Path:
    still = path.suffix in (".png", ".jpg", ".webp", ".bmp")
    video.write(noise(1 if still else 6, seed), path)
    return path


def store(path: Path) -> dict:
    """What c2pa's own reader, with no settings of ours, says of a file."""
    with path.open("rb") as file:
        beside = sidecar(path).read_bytes() if needs_sidecar(path) else None
        with c2pa.Reader(mime(path), file, beside) as reader:
            return json.loads(reader.json()) | {"state": reader.get_validation_state()}


def active(path: Path) -> dict:
    found = store(path)
    return found["manifests"][found["active_manifest"]]


@pytest.mark.parametrize(
    "name",
    ["x.mp4", "x.gif", "x.webm", "x.safetensors", "x.png", "x.jpg", "x.webp", "x.bmp"],
)
def test_every_file_is_valid(tmp_path: Path, own: keys.Credentials, name: str) -> None:
    path = written(tmp_path / name)
    before = video.read(path).frames
    sign(path, CLAIM, own)
    assert np.array_equal(video.read(path).frames, before)
    found = store(path)
    assert found["state"] == "Valid"
    manifest = found["manifests"][found["active_manifest"]]
    assert manifest["title"] == name
    said = {one["label"]: one["data"] for one in manifest["assertions"]}
    first, second = said["c2pa.actions.v2"]["actions"]
    assert first["action"] == "c2pa.created"
    assert first["digitalSourceType"].endswith("/trainedAlgorithmicMedia")
    assert second["action"] == "c2pa.watermarked"
    assert said["c2pa.soft-binding"]["blocks"][0]["value"] == "000000000005"
    made = said["org.skyloom.generation"]
    assert (made["prompt"], made["seed"], made["model_sha256"]) == (PROMPT, 7, "ab" * 32)
    mine = read_manifests(path, own)
    assert mine.state == "Trusted" and mine.statements[0].made_by_model
    assert mine.where == ("inside" if not needs_sidecar(path) else f"{name}.c2pa")


def test_a_flipped_byte_is_found(tmp_path: Path, own: keys.Credentials) -> None:
    for name in ("x.mp4", "x.png", "x.safetensors"):
        path = written(tmp_path / name)
        sign(path, CLAIM, own)
        data = bytearray(path.read_bytes())
        # the manifest is in front, and has padding that no hash covers: pictures are behind it
        for place in (len(data) * 7 // 10, len(data) * 8 // 10, len(data) - 40):
            flipped = bytearray(data)
            flipped[place] ^= 1
            path.write_bytes(flipped)
            found = read_manifests(path, own)
            assert found.state in ("Invalid", "unreadable"), (name, place, len(data), found)
        path.write_bytes(data)
        assert read_manifests(path, own).state == "Trusted"


def test_an_edit_shows_both_manifests(tmp_path: Path, own: keys.Credentials) -> None:
    parent, other = written(tmp_path / "a.mp4"), written(tmp_path / "b.png", 1)
    sign(parent, CLAIM, own)
    result = written(tmp_path / "c.mp4", 2)
    claim = replace(CLAIM, operation="connect", seed=8, inputs=inputs_of([parent, other]))
    sign(result, claim, own)
    assert len(store(result)["manifests"]) == 2
    manifest = active(result)
    told = [(one["title"], one["relationship"]) for one in manifest["ingredients"]]
    assert told == [("a.mp4", "parentOf"), ("b.png", "componentOf")]
    said = {one["label"]: one["data"] for one in manifest["assertions"]}
    actions = said["c2pa.actions.v2"]["actions"]
    assert [one["action"] for one in actions] == [
        "c2pa.opened", "c2pa.placed", "c2pa.edited", "c2pa.watermarked"
    ]  # fmt: skip
    assert actions[2]["digitalSourceType"].endswith("/compositeWithTrainedAlgorithmicMedia")
    mine = read_manifests(result, own)
    assert [one.generation["seed"] for one in mine.statements] == [8, 7]
    again = written(tmp_path / "d.mp4", 3)
    sign(again, replace(claim, seed=9, inputs=inputs_of([result])), own)
    seeds = [one.generation["seed"] for one in read_manifests(again, own).statements]
    assert seeds[0] == 9 and sorted(seeds[1:]) == [7, 8]


def test_a_manifest_beside_an_input_is_kept_too(tmp_path: Path, own: keys.Credentials) -> None:
    given, result = written(tmp_path / "a.webm"), written(tmp_path / "b.mp4", 1)
    sign(given, CLAIM, own)
    claim = replace(CLAIM, operation="extend", seed=8, inputs=inputs_of([given]))
    sign(result, claim, own)
    mine = read_manifests(result, own)
    assert store(result)["state"] == "Valid" and mine.state == "Trusted"
    assert [one.generation["seed"] for one in mine.statements] == [8, 7]
    assert mine.statements[0].inputs[0]["intact"] is True
    for data in (given.read_bytes() + b"x", written(tmp_path / "a.webm", 5).read_bytes()):
        given.write_bytes(data)  # not what was signed any more
        sign(result, claim, own)
        mine = read_manifests(result, own)
        assert mine.state == "Trusted" and mine.statements[0].inputs[0]["intact"] is False
    for told in (b"", b"not a manifest"):
        sidecar(given).write_bytes(told)
        sign(result, claim, own)
        mine = read_manifests(result, own)
        assert mine.state == "Trusted" and len(mine.statements) == 1


def test_inputs_of_every_kind(tmp_path: Path, own: keys.Credentials) -> None:
    """Also those that C2PA has no word for, that are broken, or are not what they are called."""
    raw, broken = written(tmp_path / "a.safetensors"), written(tmp_path / "b.mp4")
    sign(broken, CLAIM, own)
    data = bytearray(broken.read_bytes())
    data[-30] ^= 1
    broken.write_bytes(data)
    false = tmp_path / "c.mp4"
    false.write_bytes(written(tmp_path / "c.png").read_bytes())
    for given in (raw, broken, false):
        result = written(tmp_path / "x.mp4")
        sign(result, replace(CLAIM, inputs=inputs_of([given])), own)
        assert read_manifests(result, own).state == "Trusted"
        assert active(result)["ingredients"][0]["title"] == given.name
    with pytest.raises(UserError, match="cannot be read"):
        sign(result, replace(CLAIM, inputs=inputs_of([tmp_path / "no.png"])), own)
    assert read_manifests(result, own).state == "Trusted"  # as it was


def test_a_copy_by_others_loses_it_and_keeps_the_mark(tmp_path: Path) -> None:
    marking = Marking.ready()
    path, copy = tmp_path / "x.mp4", tmp_path / "copy.mp4"
    claim = replace(CLAIM, watermark=77)
    with (
        marking.signed(path, claim) as unfinished,
        video.VideoWriter(unfinished, (128, 128), 12.0) as writer,
    ):
        for piece in marking.mark([moving(36)], claim, 12.0):
            writer.append(piece)
    with av.open(str(path)) as source, av.open(str(copy), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(source.streams.video[0]):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    whole, bare = verify(path), verify(copy)
    assert whole.manifests.state == "Trusted" and whole.agrees
    assert bare.manifests.state == "none" and bare.marked and bare.agrees is None
    assert bare.as_json()["watermark"]["payload"] == "00000000004d"
    assert "does not say where it comes from" in bare.sentences()[0]


def test_nothing_appears_unsigned(tmp_path: Path) -> None:
    marking = Marking.ready()
    path = tmp_path / "x.webm"
    claim = replace(CLAIM, inputs=inputs_of([tmp_path / "gone.png"]))
    with (
        pytest.raises(UserError, match="cannot be read"),
        marking.signed(path, claim) as unfinished,
    ):
        video.write(noise(), unfinished)
        assert not path.exists()
    assert [one.name for one in tmp_path.iterdir()] == ["config"]


def test_the_prompt_may_be_hidden(tmp_path: Path) -> None:
    from skyloom.request import Request

    request = Request(PROMPT)
    told = Marking.ready().claim("generate", request)
    hidden = Marking.ready(hide_prompt=True).claim("generate", request)
    assert told.prompt == PROMPT and hidden.prompt is None
    assert told.watermark == hidden.watermark and told.prompt_sha256 == hidden.prompt_sha256
    assert PROMPT not in json.dumps(hidden.told())
    other = Marking.ready().claim("generate", replace(request, seed=1))
    assert other.watermark != told.watermark
    name, digest = identity(None)
    assert name == told.model and len(digest) == 64
    with pytest.raises(UserError, match="no model"):
        identity(tmp_path)


def test_trust_verbs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["trust", "init"]) == 0
    told = capsys.readouterr().out
    assert "signing key" in told
    own = keys.known_credentials()
    assert own is not None and f"certificate '{own.name}'" in told
    sign(written(tmp_path / "x.png"), CLAIM, own)  # it shows the same name
    assert f"'{own.name}'" in verify(tmp_path / "x.png").sentences()[0]
    assert cli.main(["trust", "init"]) == 2
    assert "--renew" in capsys.readouterr().err
    place = keys.folder()
    cert, private = str(place / keys.CHAIN), str(place / keys.PRIVATE)
    assert cli.main(["trust", "sign-with", cert, private]) == 0
    assert "signs what is made here" in capsys.readouterr().out
    assert cli.main(["trust", "sign-with", cert]) == 2
    assert "one of them" in capsys.readouterr().err
    assert cli.main(["trust", "sign-with", cert, "--command", "false"]) == 2
    assert "failed with code 1" in capsys.readouterr().err


def broken(kept: Path, of: Path) -> None:
    """Flip bits where a manifest names one of its parts: it cannot be read any more."""
    data = bytearray(kept.read_bytes())
    data[data.index(b"c2pa.signature") + 68] ^= 0x41
    kept.write_bytes(data)
    assert read_manifests(of).state == "unreadable"


def test_an_input_whose_manifest_cannot_be_read_is_noted(
    tmp_path: Path, own: keys.Credentials
) -> None:
    inside, beside = written(tmp_path / "a.mp4"), written(tmp_path / "h.webm")
    sign(inside, CLAIM, own)
    sign(beside, CLAIM, own)
    broken(inside, inside)
    broken(sidecar(beside), beside)
    plain, result = written(tmp_path / "p.mp4", 1), written(tmp_path / "c.mp4", 2)
    sign(result, replace(CLAIM, inputs=inputs_of([inside, beside, plain])), own)
    found = read_manifests(result, own)
    assert found.state == "Trusted" and store(result)["state"] == "Valid"
    told = [(one["has_manifest"], one["intact"]) for one in found.statements[0].inputs]
    assert told == [(True, False), (True, False), (False, None)]
    said = active(result)["ingredients"][0]["validation_results"]["activeManifest"]["failure"]
    assert "cannot be read" in said[0]["explanation"]


def test_a_manifest_of_any_damage_lets_an_edit_be_signed(
    tmp_path: Path, own: keys.Credentials
) -> None:
    inside, beside = written(tmp_path / "a.png"), written(tmp_path / "b.webm")
    result = written(tmp_path / "c.png", 2)
    sign(result, CLAIM, own)
    for given in (inside, beside):  # what is damaged may be the manifest of an input's input
        sign(given, replace(CLAIM, inputs=inputs_of([result])), own)
    rng = np.random.default_rng(0)
    for given, kept in ((inside, inside), (beside, sidecar(beside))):
        whole = kept.read_bytes()
        for _ in range(40):
            data = bytearray(whole)
            low = data.index(b"jumb")
            for place in rng.integers(low, min(len(data), low + 9000), size=2):
                data[place] ^= int(rng.integers(1, 256))
            kept.write_bytes(data)
            state = read_manifests(given, own).state
            sign(result, replace(CLAIM, inputs=inputs_of([given])), own)
            found = read_manifests(result, own)
            noted = found.statements[0].inputs[0]["intact"]
            assert found.state == "Trusted", (given, state)
            assert (noted is False) == (state in ("Invalid", "unreadable")), (given, state)


def test_names_that_are_no_text_are_told_with_marks(tmp_path: Path, own: keys.Credentials) -> None:
    given = written(tmp_path / "a.mp4").rename(tmp_path / "l\udcff.mp4")
    result = written(tmp_path / "r.mp4", 1).rename(tmp_path / "r\udcfe.mp4")
    claim = replace(CLAIM, model="m\ud800", inputs=inputs_of([given]))
    sign(result, claim, own)
    found = read_manifests(result, own)
    assert found.state == "Trusted" and found.statements[0].title == "r?.mp4"
    assert found.statements[0].inputs[0]["title"] == "l?.mp4"
    made = found.statements[0].generation
    assert (made["model"], made["inputs"][0]["name"]) == ("m?", "l?.mp4")


def test_what_no_manifest_can_say_is_a_sentence(tmp_path: Path, own: keys.Credentials) -> None:
    path = written(tmp_path / "x.mp4")
    before = path.read_bytes()
    for settings in ({"seconds": float("nan")}, {"seconds": float("inf")}):
        with pytest.raises(UserError, match="The manifest of 'x.mp4' cannot say"):
            sign(path, replace(CLAIM, settings=settings), own)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (
            ["a ball", "--seed", str(2**64 - 1)],
            f"seed = {2**64 - 1} cannot be: use 0 to {2**63 - 1}",
        ),
        (["a ball", "--seed", "-1"], "seed = -1 cannot be"),
        (["a ball", "--seed", str(2**63 - 1), "-n", "2"], f"seed = {2**63} cannot be"),
        (["\udcff ball"], "The prompt has '\\udcff' in it"),
        (["a ball", "--negative", "\ud800"], "The negative prompt has '\\ud800' in it"),
        (["a ball", "--camera", "orbit \udc80"], "The camera's move has '\\udc80' in it"),
    ],
)
def test_what_cannot_be_told_is_found_before_the_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], sentence: str
) -> None:
    out = tmp_path / "x.mp4"
    assert cli.main(["generate", *words, "--policy", "off", "-o", str(out)]) == 2
    err = capsys.readouterr().err
    assert sentence in err and err.count("\n") == 1
    assert not keys.folder().exists()  # nothing had begun


def test_every_film_of_a_story_has_a_seed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "s.toml").write_text('[[shots]]\nseconds = 0.5\nprompt = "a ball"\n')
    words = ["storyboard", str(tmp_path / "s.toml"), "--seed", str(2**63 - 1), "-n", "2"]
    assert cli.main([*words, "--policy", "off", "-o", str(tmp_path / "x.mp4")]) == 2
    assert f"seed = {2**63} cannot be" in capsys.readouterr().err
    assert not keys.folder().exists()


def test_a_clip_of_any_name_is_made_and_edited(tmp_path: Path) -> None:
    """As the command line is told it, bytes that are no text and all."""
    fast = ["--policy", "off", "--size", "64x32", "--steps", "1", "--seconds", "1"]
    first, second = tmp_path / "l\udcff.mp4", tmp_path / "m\udcff.webm"
    for words in (
        ["generate", "a ball", "-o", first, *fast, "--sheet"],
        ["extend", first, "a ball", "-o", second, *fast],
        ["verify", second],
    ):
        made = subprocess.run(
            [sys.executable, "-m", "skyloom", *words], capture_output=True, timeout=300
        )
        assert made.returncode == 0, made.stderr
    assert b"an edit of 'l?.mp4', with its own manifest." in made.stdout
