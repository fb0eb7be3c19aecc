"""A server's life: its worker dies and comes back, it is told to leave, it is killed."""

import os
import signal
import threading
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest
from served import SMALL, Server, serving
from tiny import Tiny

LONG = {"prompt": "long", "size": "64x64", "seconds": "2", "steps": "200"}


def until(true: Callable[[], object], seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.1)


def worker_of(server: Server) -> int:
    """The process of the worker that was started last."""
    started = [line["pid"] for line in server.lines if line["event"] == "worker started"]
    return started[-1]


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"


@pytest.mark.slow
def test_a_worker_that_dies_is_started_again_and_goes_on(tiny: Tiny, tmp_path: Path) -> None:
    with serving(tmp_path / "data", "--model", str(tiny.model)) as server:
        id = server.ask("POST", "/v1/videos", LONG).json["id"]
        until(lambda: server.ask("GET", f"/v1/videos/{id}").json["status"] == "in_progress")
        first = worker_of(server)
        os.kill(first, signal.SIGKILL)
        assert server.ask("GET", "/health").status == 200  # the server itself never noticed
        assert server.finished(id, 200)["status"] == "completed"
        assert worker_of(server) != first
        died = next(line for line in server.lines if line["event"] == "worker died")
        assert died["code"] == -signal.SIGKILL
        assert "skyloom_worker_restarts_total 1.0" in server.ask("GET", "/metrics").body.decode()


@pytest.mark.slow
def test_jobs_outlive_a_killed_server_and_its_worker_leaves(tiny: Tiny, tmp_path: Path) -> None:
    data, model = tmp_path / "data", str(tiny.model)
    with serving(data, "--model", model) as server:
        until(lambda: server.ask("GET", "/health").json["workers"])
        id = server.ask("POST", "/v1/videos", {"prompt": "kept", **SMALL}).json["id"]
        worker = worker_of(server)
        server.process.kill()
        until(lambda: gone(worker))
    with serving(data, "--model", model) as server:
        assert server.finished(id, 200)["status"] == "completed"


def test_streams_end_when_the_server_leaves(tiny: Tiny, tmp_path: Path) -> None:
    told: list[bytes] = []
    with serving(tmp_path / "data", "--model", str(tiny.model), "--no-worker") as server:
        id = server.ask("POST", "/v1/videos", {"prompt": "waits", **SMALL}).json["id"]

        def follow() -> None:
            with urllib.request.urlopen(f"{server.url}/v1/videos/{id}/events") as events:
                for line in events:
                    told.append(line)

        following = threading.Thread(target=follow)
        following.start()
        until(lambda: any(b'"queued"' in line for line in told))
        server.process.send_signal(signal.SIGTERM)
        following.join(20)
        assert not following.is_alive() and not any(b"done" in line for line in told)
        assert server.process.wait(60) == 0
