"""Keys of a test's own, which nothing before it has used."""

from pathlib import Path

import pytest

from skyloom.trust import keys


@pytest.fixture(autouse=True)
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder where its keys will be."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return keys.folder()


@pytest.fixture
def own() -> keys.Credentials:
    """Keys made on first use."""
    return keys.credentials()
