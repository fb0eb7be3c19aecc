"""Real servers for tests: `skyloom serve` as a process of its own, on a free port."""

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

START_SECONDS = 300
SMALL = {"size": "32x32", "seconds": "0.5", "steps": "2"}
"""Fields of a video that the tiny model makes at once."""


@dataclass(frozen=True)
class Answer:
    """What a server said."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> dict[str, Any]:
        return self.json["error"]


@dataclass(frozen=True)
class Server:
    """A server that runs.

    Attributes:
        data: the folder of its jobs and files.
        lines: of its log, as JSON lines.
    """

    url: str
    process: subprocess.Popen
    data: Path
    log: Path

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | Mapping[str, Any] | None = None,
        key: str | None = None,
        **headers: str,
    ) -> Answer:
        """One request; a mapping is sent as JSON. Underscores of header names are hyphens."""
        said = {name.replace("_", "-"): value for name, value in headers.items()}
        if isinstance(body, Mapping):
            body = json.dumps(body).encode()
            said.setdefault("content-type", "application/json")
        if key is not None:
            said["authorization"] = f"Bearer {key}"
        request = urllib.request.Request(self.url + path, body, said, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return Answer(answer.status, _lower(answer.headers), answer.read())
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, _lower(error.headers), error.read())

    def finished(self, id: str, seconds: float = 90, key: str | None = None) -> dict[str, Any]:
        """A video once it has ended."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            video = self.ask("GET", f"/v1/videos/{id}", key=key).json
            if video["status"] in ("completed", "failed"):
                return video
            time.sleep(0.1)
        raise AssertionError(
            f"{video} has not ended in {seconds} s: {self.log.read_text()[-2000:]}"
        )

    @property
    def lines(self) -> list[dict[str, Any]]:
        text = self.log.read_text().splitlines()
        return [json.loads(line) for line in text if line.startswith("{")]


def _lower(headers: Any) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def form(fields: Mapping[str, str], files: Mapping[str, bytes] | None = None) -> tuple[bytes, str]:
    """The body of a multipart form, and its type."""
    edge, out = "----skyloom-edge", b""
    for name, value in fields.items():
        out += f'--{edge}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'.encode()
        out += value.encode() + b"\r\n"
    for name, data in (files or {}).items():
        out += (
            f'--{edge}\r\nContent-Disposition: form-data; name="{name}"; '
            'filename="../../../etc/x.png"\r\nContent-Type: text/html\r\n\r\n'
        ).encode()
        out += data + b"\r\n"
    return out + f"--{edge}--\r\n".encode(), f"multipart/form-data; boundary={edge}"


@contextmanager
def serving(data: Path, *flags: str, **environment: str) -> Iterator[Server]:
    """Run `skyloom serve` over a folder; it gets SIGTERM at the end."""
    data.mkdir(parents=True, exist_ok=True)
    log = data / "log.jsonl"
    command = [sys.executable, "-m", "skyloom", "serve", "--port", "0", *store(data), *flags]
    with log.open("ab") as errors:
        process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
        )
    try:
        said = _line(process, log)
        yield Server(said.split()[2], process, data, log)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        assert process.stdout is not None
        process.stdout.close()


def store(data: Path) -> list[str]:
    """The flags that say where jobs and files lie."""
    return ["--database", f"sqlite:///{data / 'jobs.sqlite'}", "--files", str(data / "files")]


def _line(process: subprocess.Popen, log: Path) -> str:
    """The first line that a server prints: where it listens."""
    lines: queue.SimpleQueue[str] = queue.SimpleQueue()
    assert process.stdout is not None
    threading.Thread(target=lambda out: lines.put(out.readline()), args=(process.stdout,)).start()
    said = lines.get(timeout=START_SECONDS)
    assert said.startswith("skyloom serve: http"), said + log.read_text()[-2000:]
    return said
