import json

import numpy as np
import pytest

from skyloom import video
from skyloom.data.raw import RawDataset
from skyloom.errors import UserError
from skyloom.video import Video


def line(**fields):
    row = {"file": "a.safetensors", "captions": ["a ball", "a red ball rolls"], "truth": None}
    return json.dumps({**row, **fields})


def folder_of(path, *lines):
    (path / "captions.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_reads_videos_with_captions_and_truth(tmp_path):
    frames = np.random.default_rng(0).integers(0, 256, (5, 16, 32, 3), dtype=np.uint8)
    video.write(Video(frames, 12.0), tmp_path / "a.safetensors")
    video.write(Video(frames, 12.0), tmp_path / "b.mp4")
    raw = RawDataset(folder_of(tmp_path, line(truth={"seed": 1}), "", line(file="b.mp4")))
    assert len(raw) == 2 and raw.rows[1].file == "b.mp4"
    clip, captions, truth = raw.read(0)
    assert np.array_equal(clip.frames, frames) and clip.fps == 12.0
    assert captions == ("a ball", "a red ball rolls") and truth == {"seed": 1}
    clip, _, truth = raw.read(1)
    assert clip.frames.shape == frames.shape and truth is None


def test_a_folder_without_captions(tmp_path):
    with pytest.raises(UserError, match=r"captions\.jsonl"):
        RawDataset(tmp_path)
    with pytest.raises(UserError, match="no dataset"):
        RawDataset(tmp_path / "missing")
    with pytest.raises(UserError, match="empty"):
        RawDataset(folder_of(tmp_path))


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        ('{"file": ', "no JSON"),
        ("[1]", "must be an object"),
        (line(file=None), '"file"'),
        (line(file="../a.mp4"), "inside the folder"),
        (line(file="/a.mp4"), "inside the folder"),
        (line(captions="a ball"), '"captions"'),
        (line(captions=["", "x"]), '"captions"'),
        (line(truth=3), '"truth"'),
    ],
)
def test_a_bad_line_is_named_by_file_and_number(tmp_path, bad, says):
    with pytest.raises(UserError, match=r"Line 3 of '.*captions\.jsonl'") as caught:
        RawDataset(folder_of(tmp_path, line(), "", bad))
    assert says in str(caught.value)


def test_bytes_that_are_no_text(tmp_path):
    (tmp_path / "captions.jsonl").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match="UTF-8"):
        RawDataset(tmp_path)


def test_a_missing_video_and_one_that_is_none(tmp_path):
    (tmp_path / "b.mp4").write_bytes(b"no video")
    raw = RawDataset(folder_of(tmp_path, line(), line(file="b.mp4")))
    with pytest.raises(UserError, match=r"a\.safetensors' is missing"):
        raw.read(0)
    with pytest.raises(UserError, match=r"b\.mp4"):
        raw.read(1)
