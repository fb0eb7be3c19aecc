"""What nobody thought of: requests made from the OpenAPI schema, and uploads with bytes changed.

The suite runs a few hundred of each; `python tests/fuzzing.py --cases 2000 --uploads 10000` runs as
many as it says against a server of its own with the bundled model, and prints what came of them.
"""

import argparse
import io
import random
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from films import film, numbered
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from PIL import Image
from served import SMALL, Answer, Server, form, serving

SECRET = "a wish that nobody else may read"
PATIENCE = 30.0
"""Seconds after which an answer counts as a hang."""


@dataclass
class Tally:
    """What came of the cases.

    Attributes:
        answers: how often each status came.
        complaints: what went wrong: 5xx, hangs, leaks, answers that the schema does not have.
        slowest: seconds.
    """

    cases: int = 0
    answers: Counter[int] = field(default_factory=Counter)
    complaints: list[str] = field(default_factory=list)
    slowest: float = 0.0

    def __str__(self) -> str:
        by_status = ", ".join(f"{status}: {n}" for status, n in sorted(self.answers.items()))
        wrong = "".join(f"\n  {each}" for each in self.complaints[:20])
        return (
            f"{self.cases} cases ({by_status}), slowest {self.slowest:.2f} s, "
            f"{len(self.complaints)} complaints{wrong}"
        )


# ------------------------------------------------------------------------------- requests by schema


@dataclass(frozen=True)
class Keyed:
    """A server with two keys: one whose things are to be kept, and one that asks.

    Attributes:
        video, character: ids of the first, which the second must never see.
        own: id of a video of the second.
    """

    server: Server
    asking: str
    video: str
    character: str
    own: str


@contextmanager
def keyed(data: Path, *flags: str) -> Iterator[Keyed]:
    """A server without a worker, and somebody's video and character on it."""
    from skyloom.serve.access.keys import Keys
    from skyloom.serve.access.limits import Limits
    from skyloom.serve.store.api_tables import ApiTables
    from skyloom.serve.store.tables import Tables

    data.mkdir(parents=True, exist_ok=True)
    keys = Keys(ApiTables(Tables(f"sqlite:///{data / 'jobs.sqlite'}")))
    wide = Limits(requests=10**6, jobs=10**6, upload=4)
    owner, asking = keys.add("owner", wide), keys.add("asking", wide)
    with serving(data, "--no-worker", *flags) as server:
        ball = {"prompt": SECRET, **SMALL}
        video = server.ask("POST", "/v1/videos", ball, key=owner).json["id"]
        body, kind = form({"name": SECRET}, {"video": _png()})
        made = server.ask("POST", "/v1/videos/characters", body, key=owner, content_type=kind)
        own = server.ask("POST", "/v1/videos", {**ball, "prompt": "mine"}, key=asking).json["id"]
        yield Keyed(server, asking, video, made.json["id"], own)


def ask_by_schema(keyed: Keyed, each: int, seed: int = 0) -> Tally:
    """Requests of every route that fit its schema, and as many that do not.

    Args:
        each: cases of a route and kind.
    """
    import schemathesis

    schema = schemathesis.openapi.from_dict(keyed.server.ask("GET", "/openapi.json").json)
    tally = Tally()
    for result in schema.get_all_operations():
        operation = result.ok()
        for mode in (schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE):
            cases = operation.as_strategy(generation_mode=mode)
            with suppress(Unsatisfiable):  # a route without parameters has no wrong ones
                _run(cases, keyed, tally, each, seed)
    return tally


def _run(cases: st.SearchStrategy, keyed: Keyed, tally: Tally, each: int, seed: int) -> None:
    ids = st.sampled_from([None, keyed.video, keyed.own])

    @settings(
        max_examples=each,
        database=None,
        deadline=None,
        derandomize=seed == 0,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=cases, id=ids)
    def ask(case: Any, id: str | None) -> None:
        if id is not None and "video_id" in (case.path_parameters or {}):
            if case.operation.path.endswith("/events") and id == keyed.own:
                return  # a stream that goes on until the job ends, and nobody makes it here
            case.path_parameters["video_id"] = id
        if id is not None and "character_id" in (case.path_parameters or {}):
            case.path_parameters["character_id"] = keyed.character
        _ask(case, keyed, tally)

    ask()


def _ask(case: Any, keyed: Keyed, tally: Tally) -> None:
    from schemathesis.specs.openapi import checks

    began = time.monotonic()
    label = f"{case.operation.label} {case.path_parameters or ''} {str(case.body)[:100]}"
    tally.cases += 1
    try:
        answer = case.call(
            base_url=keyed.server.url,
            headers={"authorization": f"Bearer {keyed.asking}"},
            timeout=PATIENCE,
        )
    except Exception as error:
        tally.complaints.append(f"{label}: {type(error).__name__}: {error}")
        return
    tally.slowest = max(tally.slowest, time.monotonic() - began)
    tally.answers[answer.status_code] += 1
    if answer.status_code >= 500:
        tally.complaints.append(f"{label}: {answer.status_code} {answer.text[:200]}")
        return
    leak = leaked(answer.text + str(answer.headers), keyed)
    if leak:
        tally.complaints.append(f"{label}: tells of {leak}")
    try:
        case.validate_response(
            answer,
            checks=[
                checks.status_code_conformance,
                checks.content_type_conformance,
                checks.response_schema_conformance,
            ],
        )
    except BaseExceptionGroup as error:
        told = "; ".join(str(each).replace("\n", " ")[:300] for each in error.exceptions)
        tally.complaints.append(f"{label}: {told}")


def leaked(text: str, keyed: Keyed) -> str | None:
    """What a response tells that it must not: paths of the machine, or what is somebody else's."""
    for told in (SECRET, str(keyed.server.data), sys.prefix, "Traceback", "site-packages", ".py"):
        if told in text:
            return told
    return None


# ---------------------------------------------------------------------------------- mutated uploads


def _png() -> bytes:
    out = io.BytesIO()
    Image.fromarray(np.full((32, 32, 3), 90, np.uint8)).save(out, "PNG")
    return out.getvalue()


def good_files(folder: Path) -> list[bytes]:
    """Small good files of the kinds that are taken."""
    noise = np.random.default_rng(0).integers(0, 255, (6, 32, 48, 3), np.uint8)
    files = [
        film(folder / "a.mp4", numbered(8, (48, 32))).read_bytes(),
        film(folder / "b.mp4", noise, sound=np.sin(np.arange(9000) / 20)).read_bytes(),
        film(folder / "c.webm", noise, codec="libvpx-vp9").read_bytes(),
        film(folder / "d.mkv", noise, codec="libx264").read_bytes(),
        film(folder / "e.avi", noise, codec="mpeg4").read_bytes(),
    ]
    for kind in ("PNG", "JPEG", "WEBP", "GIF", "BMP"):
        out = io.BytesIO()
        first, *rest = [Image.fromarray(frame) for frame in noise[:3]]
        more = {"save_all": True, "append_images": rest} if kind in ("WEBP", "GIF") else {}
        first.save(out, kind, **more)
        files.append(out.getvalue())
    return files


def mutated(data: bytes, others: list[bytes], chance: random.Random) -> bytes:
    """The file with some of what happens to files, on purpose or not."""
    out = bytearray(data)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(out)) if out else 0
        match chance.randrange(8):
            case 0:
                for _ in range(chance.randint(1, 30)):
                    out[chance.randrange(len(out))] = chance.randrange(256)
            case 1:
                out = out[: max(1, at)]
            case 2:
                out[at:at] = chance.randbytes(chance.randint(1, 200))
            case 3:
                del out[at : at + chance.randint(1, 200)]
            case 4:  # sizes and counts that promise very much
                out[at : at + 4] = chance.choice(
                    [b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\0" * 4]
                )
            case 5:
                out[at:at] = out[at : at + chance.randint(1, 500)]
            case 6:
                other = chance.choice(others)
                out[at:] = other[chance.randrange(len(other)) :]
            case 7:
                for place in range(min(64, len(out))):
                    if chance.random() < 0.1:
                        out[place] = chance.randrange(256)
        out = out or bytearray(b"\0")
    return bytes(out)


def send_mutated(
    server: Server, folder: Path, count: int, seed: int = 0, key: str | None = None
) -> Tally:
    """Send mutated files as inputs: each is taken or refused, and the server stays as it was."""
    files, chance, tally = good_files(folder), random.Random(seed), Tally()

    def send(data: bytes) -> tuple[Answer, float]:
        body, kind = form({"prompt": "x", "operation": "restyle", **SMALL}, {"video": data})
        began = time.monotonic()
        answer = server.ask("POST", "/v1/videos", body, key=key, content_type=kind)
        if answer.status == 200:
            server.ask("DELETE", f"/v1/videos/{answer.json['id']}", key=key)
        return answer, time.monotonic() - began

    sent = (mutated(chance.choice(files), files, chance) for _ in range(count))
    with ThreadPoolExecutor(4) as threads:
        for answer, seconds in threads.map(send, sent):
            tally.cases += 1
            tally.answers[answer.status] += 1
            tally.slowest = max(tally.slowest, seconds)
            if answer.status not in (200, 400):
                tally.complaints.append(f"{answer.status} {answer.body[:200]!r}")
            elif str(server.data) in answer.body.decode() or ".py" in answer.body.decode():
                tally.complaints.append(f"tells of paths: {answer.body[:300]!r}")
    return tally


def most_memory(process: int) -> float:
    """MiB that a process has held at the most."""
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise ValueError(process)


def main() -> None:
    """Run as many as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=2000)
    parser.add_argument("--uploads", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    random.seed(args.seed)
    with tempfile.TemporaryDirectory() as folder, keyed(Path(folder) / "data") as there:
        pid = there.server.process.pid
        if args.cases:
            routes = 40  # routes times two kinds, about; the rest is made up for by repeating
            total = Tally()
            while total.cases < args.cases:
                part = ask_by_schema(there, max(1, args.cases // routes), args.seed)
                total = _joined(total, part)
            print("requests by schema:", total, flush=True)
        if args.uploads:
            before = most_memory(pid)
            tally = send_mutated(there.server, Path(folder), args.uploads, args.seed, there.asking)
            print("mutated uploads:", tally)
            print(f"memory of the server: {before:.0f} MiB before, {most_memory(pid):.0f} after")
        print("health:", there.server.ask("GET", "/health").body.decode())


def _joined(one: Tally, other: Tally) -> Tally:
    return replace(
        one,
        cases=one.cases + other.cases,
        answers=one.answers + other.answers,
        complaints=one.complaints + other.complaints,
        slowest=max(one.slowest, other.slowest),
    )


if __name__ == "__main__":
    main()
