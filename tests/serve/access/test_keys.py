"""Who may ask, and how much: keys, owners, limits."""

import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from served import SMALL, Server, serving, store
from tiny import Tiny

from skyloom import cli
from skyloom.errors import UserError
from skyloom.serve.access.keys import PREFIX, Keys
from skyloom.serve.access.limits import Limits, Rates, Streams
from skyloom.serve.http.server import is_loopback
from skyloom.serve.job import Usage
from skyloom.serve.problem import Problem
from skyloom.serve.store.api_tables import ApiTables
from skyloom.serve.store.tables import Tables

BALL = {"prompt": "a red ball", **SMALL}


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return Keys(ApiTables(Tables(f"sqlite:///{tmp_path / 'jobs.sqlite'}")))


def test_a_key_is_known_by_its_hash_alone(keys: Keys, tmp_path: Path) -> None:
    token = keys.add("anna", Limits(jobs=3))
    assert token.startswith(PREFIX) and len(token) > 50
    there = keys.check(token)
    assert there is not None and (there.name, there.limits.jobs) == ("anna", 3)
    for guess in (token[:-1], token + "x", "", "sk-" + "\udcff", there.hash):
        assert keys.check(guess) is None
    for file in tmp_path.iterdir():
        assert token.encode() not in file.read_bytes()
    with sqlite3.connect(tmp_path / "jobs.sqlite") as database:
        assert database.execute("select hash from skyloom_keys").fetchone() == (there.hash,)


def test_removed_keys_are_forgotten_soon(keys: Keys) -> None:
    token = keys.add("anna", Limits())
    assert keys.check(token) is not None
    keys.remove("anna")
    time.sleep(2.1)
    assert keys.check(token) is None
    with pytest.raises(UserError, match="There is no key 'anna': the keys are none."):
        keys.remove("anna")


@pytest.mark.parametrize("name", ["", "local", "a b", "../x", "a" * 65, "x\n"])
def test_names_that_cannot_be(keys: Keys, name: str) -> None:
    with pytest.raises(UserError, match="cannot be the name of a key"):
        keys.add(name, Limits())


def test_a_name_has_one_key(keys: Keys) -> None:
    keys.add("anna", Limits())
    with pytest.raises(UserError, match="There is a key 'anna' already"):
        keys.add("anna", Limits())


def test_keys_from_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    database = store(tmp_path)[:2]
    assert cli.main(["keys", "list", *database]) == 0
    assert capsys.readouterr().out.startswith("There are no keys")
    assert cli.main(["keys", "add", "anna", "--jobs", "2", *database]) == 0
    token = capsys.readouterr().out.strip()
    assert cli.main(["keys", "list", *database]) == 0
    told = capsys.readouterr().out
    assert "anna" in told and token not in told
    assert cli.main(["keys", "remove", "anna", *database]) == 0
    assert cli.main(["keys", "remove", "anna", *database]) == 2


def test_requests_are_counted_by_a_bucket_that_fills() -> None:
    now = 0.0
    rates = Rates(lambda: now)
    for _ in range(60):
        rates.take("anna", 60)
    rates.take("ben", 60)
    with pytest.raises(Problem) as caught:
        rates.take("anna", 60)
    assert caught.value.status == 429 and caught.value.headers["retry-after-ms"] == "1000"
    now = 1.0
    rates.take("anna", 60)
    with pytest.raises(Problem):
        rates.take("anna", 60)


def test_jobs_and_storage_have_limits() -> None:
    limits = Limits(jobs=2, storage=1)
    limits.check_room(Usage(stored=2**20 - 2, active=1, jobs=9), besides=1)
    with pytest.raises(Problem) as busy:
        limits.check_room(Usage(stored=0, active=2, jobs=9), besides=0)
    assert (busy.value.code, "retry-after" in busy.value.headers) == ("too_many_jobs", True)
    with pytest.raises(Problem) as full:
        limits.check_room(Usage(stored=2**20 - 1, active=1, jobs=9), besides=1)
    assert full.value.code == "storage_full" and full.value.headers["x-should-retry"] == "false"


def test_open_streams_are_counted() -> None:
    streams = Streams(most=1)
    streams.check("anna")
    with streams.opened("anna"):
        streams.check("ben")
        with pytest.raises(Problem) as caught:
            streams.check("anna")
    assert (caught.value.status, caught.value.code) == (429, "too_many_streams")
    streams.check("anna")


@pytest.mark.parametrize(
    ("host", "loopback"),
    [("127.0.0.1", True), ("127.8.0.1", True), ("::1", True), ("localhost", True),
     ("0.0.0.0", False), ("::", False), ("10.0.0.1", False), ("example.org", False)],
)  # fmt: skip
def test_what_is_this_machine_alone(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback


def test_no_other_address_without_keys(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["serve", "--host", "0.0.0.0", "--port", "0", *store(tmp_path)]) == 2
    assert "skyloom keys add NAME" in capsys.readouterr().err


# ----------------------------------------------------------------------------- a server with keys


@pytest.fixture(scope="module")
def keyed(
    tiny: Tiny, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Server, str, str]]:
    """A server, the key of anna, and that of ben, who may do little."""
    data = tmp_path_factory.mktemp("keyed")
    database = f"sqlite:///{data / 'jobs.sqlite'}"
    made = Keys(ApiTables(Tables(database)))
    anna, ben = made.add("anna", Limits()), made.add("ben", Limits(jobs=2, requests=40))
    with serving(data, "--model", str(tiny.model), "--no-worker", "--host", "0.0.0.0") as running:
        url = running.url.replace("0.0.0.0", "127.0.0.1")
        yield Server(url, running.process, running.data, running.log), anna, ben


def test_nobody_without_a_key(keyed: tuple[Server, str, str]) -> None:
    server, anna, _ = keyed
    for path in ("/v1/videos", "/v1/models", "/v1/queue", "/metrics", "/v1/videos/characters"):
        for key in (None, "sk-skyloom-guess", anna[:-1]):
            answer = server.ask("GET", path, key=key)
            assert answer.status == 401 and answer.error["code"] == "invalid_api_key"
        assert server.ask("GET", path, key=anna).status == 200
    refused = server.ask("POST", "/v1/videos", BALL)
    assert refused.status == 401 and refused.error["type"] == "authentication_error"
    for path in ("/health", "/", "/docs"):
        assert server.ask("GET", path).status == 200  # what a browser needs to ask for the key
    basic = server.ask("GET", "/v1/videos", authorization=f"Basic {anna}")
    assert basic.status == 401


def test_nobody_sees_what_is_somebody_elses(keyed: tuple[Server, str, str]) -> None:
    server, anna, ben = keyed
    id = server.ask("POST", "/v1/videos", BALL, key=anna).json["id"]
    for method, path in (
        ("GET", f"/v1/videos/{id}"),
        ("DELETE", f"/v1/videos/{id}"),
        ("GET", f"/v1/videos/{id}/content"),
        ("GET", f"/v1/videos/{id}/events"),
    ):
        theirs = server.ask(method, path, key=ben)
        nobodys = server.ask(method, path.replace(id, "video_" + "0" * 32), key=ben)
        assert theirs.status == nobodys.status == 404
        assert theirs.error["message"].replace(id, "") == nobodys.error["message"].replace(
            "video_" + "0" * 32, ""
        )
    remix = server.ask("POST", f"/v1/videos/{id}/remix", {"prompt": "mine"}, key=ben)
    assert remix.status == 404
    taken = server.ask("POST", "/v1/videos", {**BALL, "input_reference": {"id": id}}, key=ben)
    assert taken.status == 404
    assert id not in server.ask("GET", "/v1/videos", key=ben).body.decode()
    assert server.ask("GET", f"/v1/videos?after={id}", key=ben).json["data"] == []
    assert server.ask("GET", f"/v1/videos/{id}", key=anna).json["id"] == id


def test_the_same_idempotency_key_is_another_for_another_owner(
    keyed: tuple[Server, str, str],
) -> None:
    server, anna, ben = keyed
    first = server.ask("POST", "/v1/videos", BALL, key=anna, idempotency_key="one").json["id"]
    other = server.ask("POST", "/v1/videos", BALL, key=ben, idempotency_key="one").json["id"]
    assert first != other
    server.ask("DELETE", f"/v1/videos/{other}", key=ben)


def test_limits_of_a_key_hold(keyed: tuple[Server, str, str]) -> None:
    server, _, ben = keyed
    ids = [server.ask("POST", "/v1/videos", BALL, key=ben).json["id"] for _ in range(2)]
    third = server.ask("POST", "/v1/videos", BALL, key=ben, idempotency_key="third")
    assert third.status == 429 and third.error["code"] == "too_many_jobs"
    again = server.ask("POST", "/v1/videos", BALL, key=ben, idempotency_key="third")
    assert again.status == 429  # a refused key opens no door
    assert server.ask("DELETE", f"/v1/videos/{ids[0]}", key=ben).status == 200
    assert server.ask("POST", "/v1/videos", BALL, key=ben, idempotency_key="third").status == 200
    answers = [server.ask("GET", "/v1/queue", key=ben) for _ in range(60)]
    refused = [answer for answer in answers if answer.status == 429]
    assert refused and refused[0].error["code"] == "rate_limit_exceeded"
    assert float(refused[0].headers["retry-after-ms"]) > 0
