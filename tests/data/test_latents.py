import json
import sys
from pathlib import Path

import pytest
import torch

from skyloom.data.latents import LatentDataset, LatentWriter
from skyloom.errors import UserError

META = {"autoencoder": "a1", "channels": 4, "stride": [4, 16, 16]}


def latents(index, shape=(4, 3, 2, 2)):
    return torch.randn(shape, generator=torch.Generator().manual_seed(index))


def fill(writer, indices, truth=None):
    for index in indices:
        shape = (4, 1 + index % 3, 2, 2 + index % 2)
        writer.add(f"{index:06d}", latents(index, shape), 12.0, ("short", f"clip {index}"), truth)


def prepared(folder, count=7, clips=7, shard_bytes=200):
    with LatentWriter(folder, {**META, "clips": clips}, shard_bytes) as writer:
        fill(writer, range(count), {"engine": "mujoco", "events": [1.5]})
    return folder


def test_what_is_written_is_read(tmp_path):
    dataset = LatentDataset(prepared(tmp_path / "deep" / "out"))
    assert len(dataset) == 7 and dataset.meta["autoencoder"] == "a1"
    assert len(list(dataset.folder.glob("shard_*.safetensors"))) > 2
    for index in range(7):
        sample, row = dataset[index], dataset.rows[index]
        want = latents(index, row.shape).half()
        assert torch.equal(sample.latents, want) and sample.latents.dtype == torch.float16
        assert row.positions == want[0].numel()
        assert sample.key == row.key == f"{index:06d}" and sample.fps == 12.0
        assert sample.captions == ("short", f"clip {index}")
        assert sample.truth == dataset.truth(index) == {"engine": "mujoco", "events": [1.5]}


def test_the_order_of_writing_does_not_matter(tmp_path):
    with LatentWriter(tmp_path, META) as writer:
        fill(writer, [4, 0, 2, 3, 1])
    assert [row.key for row in LatentDataset(tmp_path).rows] == [f"{i:06d}" for i in range(5)]


def test_an_interrupted_run_goes_on(tmp_path):
    with pytest.raises(KeyboardInterrupt), LatentWriter(tmp_path, {**META, "clips": 7}) as writer:
        fill(writer, range(3))
        raise KeyboardInterrupt
    with pytest.raises(UserError, match=r"holds 3 of 7 clips"):
        LatentDataset(tmp_path)
    with LatentWriter(tmp_path, {**META, "clips": 7}) as writer:
        assert "000002" in writer and "000003" not in writer
        fill(writer, range(7))
    assert len(LatentDataset(tmp_path)) == 7
    lines = (tmp_path / "index.jsonl").read_text().splitlines()
    assert len(lines) == 7  # what was there is not written again


def test_a_crash_between_shard_and_index(tmp_path):
    prepared(tmp_path, count=4)
    index = tmp_path / "index.jsonl"
    whole = index.read_bytes()
    index.write_bytes(whole[:-9])  # the power went while the last line was written
    with LatentWriter(tmp_path, {**META, "clips": 7}, 200) as writer:
        assert "000003" not in writer and "000002" in writer
        fill(writer, range(7), {"engine": "mujoco", "events": [1.5]})
    dataset = LatentDataset(tmp_path)
    assert torch.equal(dataset[3].latents, latents(3, dataset.rows[3].shape).half())
    assert dataset.truth(6) == {"engine": "mujoco", "events": [1.5]}
    assert not list(tmp_path.glob(".*"))


def test_a_failed_shard_leaves_nothing_half_written(tmp_path):
    with LatentWriter(tmp_path, META) as writer:
        fill(writer, range(2))
    before = sorted(path.name for path in tmp_path.iterdir())
    (tmp_path / "shard_00001.safetensors").mkdir()  # the rename will fail
    with pytest.raises(UserError, match="Cannot write"), LatentWriter(tmp_path, META) as writer:
        fill(writer, range(2, 4))
        writer.flush()
    (tmp_path / "shard_00001.safetensors").rmdir()
    assert sorted(path.name for path in tmp_path.iterdir()) == before
    assert len(LatentDataset(tmp_path)) == 2


def test_more_clips_may_join_but_no_other_autoencoder(tmp_path):
    prepared(tmp_path)
    with LatentWriter(tmp_path, {**META, "clips": 9}) as writer:
        fill(writer, range(9))
    assert len(LatentDataset(tmp_path)) == 9
    with pytest.raises(UserError, match="autoencoder differs"):
        LatentWriter(tmp_path, {**META, "clips": 9, "autoencoder": "b2"})


def test_folders_that_are_something_else(tmp_path):
    with pytest.raises(UserError, match="no prepared dataset"):
        LatentDataset(tmp_path / "missing")
    with pytest.raises(UserError, match="no prepared dataset"):
        LatentDataset(tmp_path)
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(UserError, match="something else"):
        LatentWriter(tmp_path, META)
    (tmp_path / "meta.json").write_text('{"name": "a game"}')
    with pytest.raises(UserError, match="does not belong"):
        LatentDataset(tmp_path)
    (tmp_path / "meta.json").write_text("{")
    with pytest.raises(UserError, match="damaged"):
        LatentDataset(tmp_path)
    with pytest.raises(UserError, match="Cannot write"):
        LatentWriter(tmp_path / "letter.txt", META)


def test_a_missing_a_torn_and_a_foreign_shard(tmp_path):
    prepared(tmp_path)
    shard = tmp_path / "shard_00001.safetensors"
    whole = shard.read_bytes()
    shard.unlink()
    with pytest.raises(UserError, match=r"shard_00001\.safetensors' is missing"):
        LatentDataset(tmp_path)
    with pytest.raises(UserError, match=r"shard_00001\.safetensors' is missing"):
        LatentWriter(tmp_path, {**META, "clips": 7})
    shard.write_bytes(whole[:-10])
    with pytest.raises(UserError, match="is damaged"):
        LatentDataset(tmp_path)
    shard.write_bytes((tmp_path / "shard_00000.safetensors").read_bytes())
    with pytest.raises(UserError, match="lacks clip"):
        LatentDataset(tmp_path)


@pytest.mark.parametrize("change", [{"shard": "../x.safetensors"}, {"shape": [4, 1]}, {"key": 0}])
def test_a_damaged_line_of_the_index(tmp_path, change):
    prepared(tmp_path)
    index = tmp_path / "index.jsonl"
    lines = index.read_text().splitlines()
    row = json.loads(lines[1])
    row.update(change)
    if "key" in change:
        del row["key"]
    lines[1] = json.dumps(row)
    index.write_text("\n".join(lines) + "\n")
    with pytest.raises(UserError, match="Line 2"):
        LatentDataset(tmp_path)


def test_another_format(tmp_path):
    prepared(tmp_path)
    meta = json.loads((tmp_path / "meta.json").read_text())
    (tmp_path / "meta.json").write_text(json.dumps({**meta, "format": 99}))
    with pytest.raises(UserError, match="format 99"):
        LatentDataset(tmp_path)


def test_what_breaks_while_it_is_read_is_named(tmp_path):
    folder = prepared(tmp_path / "out")
    dataset = LatentDataset(folder)
    row = dataset.rows[3]
    with open(folder / row.shard, "rb+") as file:
        file.truncate((folder / row.shard).stat().st_size // 2)
    with pytest.raises(UserError, match=rf"{row.key}.*{row.shard}"):
        [dataset[index] for index in range(7) if dataset.rows[index].shard == row.shard]
    (folder / "index.jsonl").write_text("{}\n")
    with pytest.raises(UserError, match=dataset.rows[0].key):
        dataset.truth(0)


@pytest.mark.skipif(sys.platform != "linux", reason="no /proc")
def test_reading_keeps_no_pages(tmp_path):
    """Memory maps would: the pages of all that was ever read count as the process's own."""
    large = torch.zeros(4, 4, 128, 128)
    with LatentWriter(tmp_path / "out", META, 2**22) as writer:
        for index in range(16):
            writer.add(f"{index:06d}", large, 12.0, (), None)
    dataset = LatentDataset(tmp_path / "out")
    before = resident_files(dataset[0])
    read = [dataset[index].latents for index in range(16)]
    assert sum(latents.nbytes for latents in read) == 2**23
    assert resident_files(read) - before < 2**21


def resident_files(_):
    """Bytes of mapped files that are in memory."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("RssFile"))
