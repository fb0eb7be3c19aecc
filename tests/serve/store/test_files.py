"""The store of files: whole or absent, under keys that nobody else makes."""

import io
from pathlib import Path

import pytest

from skyloom.errors import UserError
from skyloom.serve.store.files import Files


@pytest.fixture(params=["folder", "memory"])
def files(request: pytest.FixtureRequest, tmp_path: Path) -> Files:
    """A folder of this machine, and a store that is none."""
    return Files(tmp_path / "files" if request.param == "folder" else f"memory://{tmp_path.name}")


def test_what_is_put_is_read_measured_and_deleted(files: Files, tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"three")
    keys = [files.put(b"one"), files.put(io.BytesIO(b"two"), "characters"), files.put(path)]
    assert len(set(keys)) == 3 and keys[1].startswith("characters/")
    for key, data in zip(keys, (b"one", b"two", b"three"), strict=True):
        with files.open(key) as file:
            assert file.read() == data
        with files.local(key) as local:
            assert local.read_bytes() == data
        assert files.size(key) == len(data) and files.exists(key)
    copied = files.copy(keys[0])
    files.delete(keys[0])
    files.delete(keys[0])
    assert not files.exists(keys[0]) and files.exists(copied)
    with pytest.raises(FileNotFoundError), files.open(keys[0]):
        pass
    with pytest.raises(FileNotFoundError), files.local(keys[0]):
        pass


def test_a_folder_of_keys_is_listed_and_deleted(files: Files, tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"x")
    keys = ["jobs/a/1/video.mp4", "jobs/a/work/0000.safetensors", "jobs/ab/1/video.mp4"]
    for key in keys:
        files.publish(path, key)
    assert files.keys("jobs") == keys and files.keys("jobs/a") == keys[:2]
    files.delete_all("jobs/a")
    files.delete_all("jobs/a")
    assert files.keys("jobs") == keys[2:] and files.keys("nothing") == []


def test_publishing_replaces_whole_files(files: Files, tmp_path: Path) -> None:
    path = tmp_path / "x"
    for data in (b"first", b"second one"):
        path.write_bytes(data)
        files.publish(path, "jobs/a/preview.webp")
        with files.open("jobs/a/preview.webp") as file:
            assert file.read() == data
    with pytest.raises(FileNotFoundError):
        files.publish(tmp_path / "missing", "jobs/a/other.webp")
    assert files.keys("jobs") == ["jobs/a/preview.webp"]


@pytest.mark.parametrize(
    "key", ["../secret", "jobs/../../x", "/etc/passwd", "jobs", "jobs//x", "jobs/.x", "jobs/a b"]
)
def test_what_is_no_key_is_no_path(files: Files, key: str) -> None:
    with pytest.raises(ValueError, match="is no key"):
        files.open(key)
    with pytest.raises(ValueError, match="is no key"):
        files.delete(key)


def test_only_a_folder_has_paths(tmp_path: Path) -> None:
    assert Files(tmp_path).path("jobs/x") == tmp_path / "jobs" / "x"
    assert Files("memory://x").path("jobs/x") is None


def test_a_store_that_is_none_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="Files cannot be kept at 'nonsense://x'"):
        Files("nonsense://x")
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(UserError, match="Files cannot be kept at"):
        Files(tmp_path / "file" / "below")
