"""What the API itself remembers, on SQLite and on a real PostgreSQL: keys, requests, characters."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from postgres import cluster

from skyloom.serve.access.keys import Keys
from skyloom.serve.access.limits import Limits
from skyloom.serve.access.retries import Retries
from skyloom.serve.problem import Problem
from skyloom.serve.store.api_tables import ApiTables
from skyloom.serve.store.characters import Characters
from skyloom.serve.store.files import Files
from skyloom.serve.store.tables import Tables


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def tables(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ApiTables]:
    if request.param == "sqlite":
        folder = tmp_path_factory.mktemp("tables")
        with _opened(f"sqlite:///{folder / 'jobs.sqlite'}") as opened:
            yield opened
        return
    with cluster() as url, _opened(url) as opened:
        yield opened


@contextmanager
def _opened(url: str) -> Iterator[ApiTables]:
    """The tables as a second server finds them, which the first one made."""
    servers = [ApiTables(Tables(url)), ApiTables(Tables(url))]
    yield servers[1]
    for each in servers:
        each.tables.engine.dispose()


def test_keys_are_the_same_everywhere(tables: ApiTables) -> None:
    token = Keys(tables).add("anna", Limits(jobs=2))
    found = Keys(tables).check(token)
    assert found is not None and found.name == "anna" and found.limits == Limits(jobs=2)
    assert found.created_at > 1_700_000_000


def test_a_retry_has_the_key_of_its_first_try(tables: ApiTables) -> None:
    first, retries = Retries(tables), Retries(tables)  # the second is another server
    key = first.key_for("anna", "digest", {})
    again = {"x-stainless-retry-count": "1"}
    assert retries.key_for("anna", "digest", again) == key
    assert retries.key_for("ben", "digest", again) != key
    assert retries.key_for("anna", "other", again) != key
    newer = first.key_for("anna", "digest", {"x-stainless-retry-count": "0"})
    assert newer != key and retries.key_for("anna", "digest", again) == newer
    named = first.key_for("anna", "digest", {"idempotency-key": "mine"})
    assert retries.key_for("anna", "digest", {"idempotency-key": "mine"}) == named
    with pytest.raises(Problem) as caught:
        retries.key_for("anna", "other", {"idempotency-key": "mine"})
    assert caught.value.status == 422
    retries.forget_old()
    assert retries.key_for("anna", "digest", again) == newer  # a day has not passed


def test_characters_are_made_once_and_counted(tables: ApiTables, tmp_path: Path) -> None:
    files = Files(tmp_path)
    characters = Characters(tables, files)

    def add(key: str) -> str:
        file = files.put(b"picture", "characters", ".png")
        return characters.add("anna", "Ada", file, 7, key).id

    one = add("first")
    assert add("first") == one and add("second") != one
    assert characters.stored("anna") == 14 and characters.stored("ben") == 0
    assert characters.get(one, "ben") is None and not characters.delete(one, "ben")
    assert len(files.keys("characters")) == 2  # the file of the second try is gone
    assert characters.delete(one, "anna") and not characters.delete(one, "anna")
    assert len(files.keys("characters")) == 1
