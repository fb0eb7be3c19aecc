"""The bench of serving, over HTTP: clips a second of clients beside the same engine in-process.

Both sides make the same files by the same code: frames, video, thumbnail, sheet of frames,
watermark and signature, behind the same guards. What the server adds is HTTP, the queue, files that
survive, and processes of its own. Its clients wait as the official client's `poll` does.
"""

import json
import os
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from skyloom.bench.races.race import interleaved, machine
from skyloom.bench.serving import PROMPTS, SIZES
from skyloom.bench.table import Cell, format_table, write_json
from skyloom.errors import UserError
from skyloom.serve.order import Order

if TYPE_CHECKING:
    from skyloom.pipeline import Skyloom
    from skyloom.trust.guard import Guards
    from skyloom.trust.marking import Marking

CLIENTS = 8
CLIPS = 2
"""Clips that each client asks for in a round, one after the other."""
START_SECONDS, CLIP_SECONDS = 300.0, 600.0


def run(
    model_folder: Path | None = None, json_path: Path | None = None, rounds: int = 3
) -> dict[str, Any]:
    """Measure both sides in turns.

    Args:
        model_folder: the model; None is the bundled one.
        rounds: of each side.

    Raises:
        UserError: the model cannot be read, or the server does not start.
    """
    from skyloom.pipeline import Skyloom
    from skyloom.serve.engine import Engine
    from skyloom.trust.guard import Guards
    from skyloom.trust.marking import Marking
    from skyloom.trust.policy import load_policy

    marking = Marking.ready(model_folder)
    loaded = Skyloom.load(model_folder)
    with (
        Engine(loaded.sampler) as engine,
        Guards(load_policy()) as guards,
        TemporaryDirectory() as folder,
        served(model_folder, Path(folder)) as server,
    ):
        model = loaded.sampled_by(engine)
        spent: dict[str, list[float]] = {"in process": [], "HTTP": []}

        def counted(
            name: str, make: Callable[[], None], without: int | None = None
        ) -> Callable[[], None]:
            def job() -> None:
                before = processor_seconds(os.getpid(), without)
                make()
                spent[name].append(processor_seconds(os.getpid(), without) - before)

            return job

        here = counted("in process", lambda: _in_process(model, marking, guards), server.process)
        sides = {"in process": here, "HTTP": counted("HTTP", lambda: _over_http(server.url))}
        seconds = interleaved(sides, rounds)
    clips = CLIENTS * CLIPS
    processor = {name: statistics.median(times[-rounds:]) for name, times in spent.items()}
    figures = {
        "machine": machine(),
        "clients": CLIENTS,
        "clips": clips,
        "clips/s": {name: clips / statistics.median(times) for name, times in seconds.items()},
        "ratio": statistics.median(seconds["in process"]) / statistics.median(seconds["HTTP"]),
        "processor seconds a clip": {name: value / clips for name, value in processor.items()},
        "processor ratio": processor["in process"] / processor["HTTP"],
        "ratios": [a / b for a, b in zip(seconds["in process"], seconds["HTTP"], strict=True)],
    }
    write_json(figures, json_path)
    return figures


def orders(client: int) -> Sequence[Order]:
    """What a client asks for: clips of a second, of small sizes, the same on both sides."""
    return [
        Order(
            prompt=PROMPTS[client % len(PROMPTS)],
            size=SIZES[(client + number) % len(SIZES)],
            seconds=1.0,
            seed=number,
            preview=False,
        )
        for number in range(CLIPS)
    ]


def _in_process(model: "Skyloom", marking: "Marking", guards: "Guards") -> None:
    """All clients' clips by threads of this process, with nothing between them and the engine."""
    from skyloom.serve.making.deliver import deliver
    from skyloom.serve.making.frames import prepare

    def client(number: int) -> None:
        for order in orders(number):
            with TemporaryDirectory() as folder:
                plan = prepare(order, model, {})
                deliver(plan, order, {}, Path(folder), lambda _, __: None, marking, guards)

    _all(client)


def _over_http(url: str) -> None:
    """All clients' clips as the official client asks for them: order, poll, download."""

    def client(number: int) -> None:
        for order in orders(number):
            assert order.size is not None
            said = {
                "prompt": order.prompt,
                "size": f"{order.size[0]}x{order.size[1]}",
                "seconds": order.seconds,
                "seed": order.seed,
                "preview": False,
            }
            made, _ = _ask(f"{url}/v1/videos", said)
            _wait(f"{url}/v1/videos/{made['id']}")

    _all(client)


def _wait(url: str) -> None:
    end = time.monotonic() + CLIP_SECONDS
    while time.monotonic() < end:
        video, headers = _ask(url, polling=True)
        if video["status"] == "completed":
            with urllib.request.urlopen(f"{url}/content") as content:
                content.read()
            return
        if video["status"] == "failed":
            raise UserError(f"The server could not make a clip: {video['error']['message']}")
        time.sleep(int(headers.get("openai-poll-after-ms", "1000")) / 1000)
    raise UserError(f"The server made no clip in {CLIP_SECONDS:g} seconds.")


def _ask(
    url: str, said: Mapping[str, Any] | None = None, polling: bool = False
) -> tuple[Any, Mapping[str, str]]:
    data = None if said is None else json.dumps(said).encode()
    headers = {"content-type": "application/json"}
    if polling:
        headers["x-stainless-poll-helper"] = "true"  # as the official client's `poll` says
    request = urllib.request.Request(url, data, headers)
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer), dict(answer.headers)


def _all(client: Any) -> None:
    with ThreadPoolExecutor(CLIENTS) as pool:
        for call in [pool.submit(client, number) for number in range(CLIENTS)]:
            call.result()


def processor_seconds(root: int, without: int | None = None) -> float:
    """What a process and all its children have spent on the processor, of those that live.

    Both sides are below this process, and only one works at a time. 0 where there is no /proc.

    Args:
        without: a child that is left out, with all of its own: a server that only waits costs
            something, and who works in process has none.
    """
    parents: dict[int | None, int] = {}
    spent: dict[int | None, float] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            fields = stat.read_text().rpartition(")")[2].split()
            pid = int(stat.parent.name)
            parents[pid] = int(fields[1])
            spent[pid] = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    family: set[int | None] = {root}
    parents.pop(without, None)
    while more := {pid for pid, parent in parents.items() if parent in family} - family:
        family |= more
    return sum(spent.get(pid, 0.0) for pid in family)


@dataclass(frozen=True)
class Served:
    """A server that runs.

    Attributes:
        process: its id.
    """

    url: str
    process: int


@contextmanager
def served(model_folder: Path | None, data: Path) -> Iterator[Served]:
    """A server with its worker, as users start it, once the worker is there.

    Raises:
        UserError: it does not start.
    """
    command = [sys.executable, "-m", "skyloom", "serve", "--port", "0"]
    command += ["--database", f"sqlite:///{data / 'jobs.sqlite'}", "--files", str(data / "files")]
    command += ["--concurrency", str(CLIENTS), "--requests", "1000000", "--jobs", "1000"]
    if model_folder is not None:
        command += ["--model", str(model_folder)]
    log = (data / "log").open("wb")
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
    try:
        assert process.stdout is not None
        said = process.stdout.readline().split()
        if len(said) < 3:
            raise UserError("The server does not start: try 'skyloom serve' by itself.")
        end = time.monotonic() + START_SECONDS
        while not _ask(f"{said[2]}/health")[0]["workers"]:
            if time.monotonic() > end or process.poll() is not None:
                raise UserError("The server's worker does not start: try 'skyloom serve'.")
            time.sleep(0.5)
        yield Served(said[2], process.pid)
    finally:
        process.terminate()
        process.wait()
        log.close()
        if process.stdout is not None:
            process.stdout.close()


def table(figures: Mapping[str, Any]) -> str:
    """Clips a second of both sides."""
    clips, cores = figures["clips/s"], os.cpu_count()
    rows: list[list[Cell]] = [
        [f"{figures['clients']} threads, the engine in process", clips["in process"], "clips/s"],
        [f"{figures['clients']} clients over HTTP", clips["HTTP"], "clips/s"],
        ["over HTTP beside in process", figures["ratio"], "x"],
        ["the same of processor time", figures["processor ratio"], "x"],
    ]
    notes = [
        f"{figures['clips']} clips of a second a round, with all that is delivered; {cores} cores."
    ]
    return format_table("serving over HTTP", ["what", "figure", "unit"], rows, notes)
