"""Servers that the tests of this folder share."""

from collections.abc import Iterator

import pytest
from served import Server, serving
from tiny import Tiny


@pytest.fixture(scope="session")
def server(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with a worker and the tiny model, without keys; tests look at what is theirs."""
    with serving(tmp_path_factory.mktemp("served"), "--model", str(tiny.model)) as running:
        yield running


@pytest.fixture(scope="session")
def idle(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server without a worker: what is ordered stays in the queue."""
    folder = tmp_path_factory.mktemp("idle")
    flags = ["--model", str(tiny.model), "--no-worker", "--upload", "2", "--jobs", "100000"]
    with serving(folder, *flags, "--requests", "1000000") as running:
        yield running
