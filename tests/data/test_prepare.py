import json

import numpy as np
import pytest
import torch

from skyloom import video
from skyloom.autoencoder.config import AutoencoderConfig
from skyloom.autoencoder.model import Autoencoder
from skyloom.data.prepare import fitted, prepare, to_pixels
from skyloom.errors import UserError
from skyloom.video import Video

TINY = AutoencoderConfig(
    channels=4,
    patch=(2, 4, 4),
    widths=(8, 8),
    strides=((2, 2),),
    encoder_depths=(1, 1),
    decoder_depths=(1, 1),
)  # stride (4, 8, 8)


class Named(Autoencoder):
    """The real autoencoder, with a fingerprint that a test can choose."""

    fingerprint = "tiny"


@pytest.fixture(scope="module")
def autoencoder():
    torch.manual_seed(0)
    return Named(TINY).eval()


# (frames, height, width) of the clips, and of what is encoded of them
CLIPS = [(9, 16, 24), (9, 16, 24), (1, 16, 16), (9, 16, 24), (12, 19, 30), (9, 16, 24)]
FITTED = [(9, 16, 24), (9, 16, 24), (1, 16, 16), (9, 16, 24), (9, 16, 24), (9, 16, 24)]


def raw_folder(path):
    path.mkdir()
    rng = np.random.default_rng(0)
    lines = []
    for index, shape in enumerate(CLIPS):
        name = f"clip_{index:06d}.safetensors"
        video.write(Video(rng.integers(0, 256, (*shape, 3), dtype=np.uint8), 12.0), path / name)
        captions = [f"clip {index}", f"a longer caption of clip {index}"]
        lines.append({"file": name, "captions": captions, "truth": {"seed": index}})
    (path / "captions.jsonl").write_text("\n".join(map(json.dumps, lines)) + "\n")
    return path


@pytest.fixture
def raw(tmp_path):
    return raw_folder(tmp_path / "raw")


def test_latents_captions_and_truth_arrive(raw, tmp_path, autoencoder):
    dataset = prepare(raw, tmp_path / "out", autoencoder, batch=3)
    assert len(dataset) == len(CLIPS)
    assert dataset.meta["autoencoder"] == "tiny" and dataset.meta["stride"] == [4, 8, 8]
    assert dataset.meta["channels"] == 4
    for index, (frames, height, width) in enumerate(FITTED):
        sample = dataset[index]
        assert sample.key == f"{index:06d}" and sample.fps == 12.0
        assert sample.captions == (f"clip {index}", f"a longer caption of clip {index}")
        assert sample.truth == {"seed": index}
        clip = video.read(raw / f"clip_{index:06d}.safetensors").frames[:frames]
        top, left = (clip.shape[1] - height) // 2, (clip.shape[2] - width) // 2
        pixels = to_pixels(clip[:, top : top + height, left : left + width])
        with torch.inference_mode():
            alone = autoencoder.encode(pixels[None])[0]
        assert sample.latents.shape == alone.shape
        torch.testing.assert_close(sample.latents.float(), alone, atol=2e-3, rtol=1e-3)


def test_an_interrupted_run_goes_on_and_ends_in_the_same_latents(raw, tmp_path, autoencoder):
    whole = prepare(raw, tmp_path / "whole", autoencoder, batch=1)
    last = raw / "clip_000005.safetensors"
    kept = last.read_bytes()
    last.write_bytes(b"torn")
    with pytest.raises(UserError, match="clip_000005"):
        prepare(raw, tmp_path / "out", autoencoder, batch=1, shard_bytes=1)
    assert (tmp_path / "out" / "index.jsonl").read_text().count("\n") == 4
    first = (tmp_path / "out" / "shard_00000.safetensors").stat().st_mtime_ns
    last.write_bytes(kept)
    resumed = prepare(raw, tmp_path / "out", autoencoder, batch=1, shard_bytes=1)
    assert (tmp_path / "out" / "shard_00000.safetensors").stat().st_mtime_ns == first
    assert [row.key for row in resumed.rows] == [row.key for row in whole.rows]
    for index in range(len(CLIPS)):
        torch.testing.assert_close(
            resumed[index].latents, whole[index].latents, atol=2e-3, rtol=1e-3
        )


def test_other_clips_or_another_autoencoder_do_not_mix(raw, tmp_path, autoencoder):
    prepare(raw, tmp_path / "out", autoencoder)
    other = Named(TINY)
    other.fingerprint = "other"
    with pytest.raises(UserError, match="autoencoder differs"):
        prepare(raw, tmp_path / "out", other)
    captions = raw / "captions.jsonl"
    lines = captions.read_text().splitlines()
    captions.write_text("\n".join(lines[::-1]) + "\n")
    with pytest.raises(UserError, match="begun from other clips"):
        prepare(raw, tmp_path / "out", autoencoder)
    captions.write_text("\n".join(lines[:3]) + "\n")
    with pytest.raises(UserError, match="more than the 3"):
        prepare(raw, tmp_path / "out", autoencoder)


def test_nothing_is_made_of_a_folder_without_captions(tmp_path, autoencoder):
    with pytest.raises(UserError, match=r"captions\.jsonl"):
        prepare(tmp_path, tmp_path / "out", autoencoder)
    assert not (tmp_path / "out").exists()


def test_trimming_and_cropping():
    frames = np.arange(8 * 20 * 35 * 3, dtype=np.uint32).astype(np.uint8).reshape(8, 20, 35, 3)
    cut = fitted(Video(frames, 24.0), (4, 16, 16), "a.mp4")
    assert np.array_equal(cut.frames, frames[:5, 2:18, 1:33]) and cut.fps == 24.0
    with pytest.raises(UserError, match=r"'a\.mp4' is 35x20: at least 16x32"):
        fitted(Video(frames, 24.0), (4, 32, 16), "a.mp4")


def test_pixels_span_minus_one_to_one():
    pixels = to_pixels(np.array([0, 255, 51], dtype=np.uint8).reshape(1, 1, 1, 3))
    assert pixels.shape == (3, 1, 1, 1) and pixels.flatten().tolist() == pytest.approx(
        [-1, 1, -0.6]
    )


def test_the_same_bytes_whatever_the_number_of_workers(raw, tmp_path):
    captions = raw / "captions.jsonl"
    lines = captions.read_text().splitlines()
    captions.write_text("\n".join(lines * 2) + "\n")  # three chunks of four clips
    torch.manual_seed(0)
    autoencoder = Autoencoder(TINY).eval()
    found = []
    for workers in (1, 2):
        out = tmp_path / f"out-{workers}"
        prepare(raw, out, autoencoder, batch=1, workers=workers)
        found.append({path.name: path.read_bytes() for path in out.iterdir()})
    assert found[0] == found[1] and len(found[0]) == 3


def test_clips_without_captions_are_prepared_too(raw, tmp_path, autoencoder):
    captions = raw / "captions.jsonl"
    rows = [{**json.loads(line), "captions": []} for line in captions.read_text().splitlines()]
    captions.write_text("\n".join(map(json.dumps, rows)) + "\n")
    dataset = prepare(raw, tmp_path / "out", autoencoder)
    assert all(row.captions == () for row in dataset.rows)
