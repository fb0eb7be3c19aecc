"""Requests made from the schema, and broken files: a few hundred of tests/fuzzing.py."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from fuzzing import Keyed, ask_by_schema, keyed, leaked, most_memory, send_mutated
from tiny import Tiny

pytestmark = pytest.mark.filterwarnings("ignore")  # schemathesis and what it stands on


@pytest.fixture(scope="module")
def there(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keyed]:
    with keyed(tmp_path_factory.mktemp("fuzzed") / "data", "--model", str(tiny.model)) as running:
        yield running


def test_requests_by_schema(there: Keyed) -> None:
    tally = ask_by_schema(there, each=5)
    assert tally.complaints == [], tally
    assert tally.cases >= 90 and tally.answers[200] >= 20 and tally.answers[400] >= 20, tally
    assert there.server.ask("GET", "/health").status == 200


def test_mutated_uploads(there: Keyed, tmp_path: Path) -> None:
    process = there.server.process
    uploads = there.server.data / "files" / "uploads"
    before, held = most_memory(process.pid), set(uploads.iterdir())
    tally = send_mutated(there.server, tmp_path, 200, key=there.asking)
    assert tally.complaints == [], tally
    assert tally.cases == 200 and tally.answers[200] >= 20 and tally.answers[400] >= 50, tally
    assert process.poll() is None and most_memory(process.pid) - before < 200
    assert set(uploads.iterdir()) == held  # every order was deleted, and its file with it


def test_what_counts_as_a_leak(there: Keyed) -> None:
    assert leaked(f"File '{there.server.data}/x' is gone", there) == str(there.server.data)
    assert leaked("all is well", there) is None
    seen = there.server.ask("GET", f"/v1/videos/{there.own}", key=there.asking)
    assert leaked(seen.body.decode(), there) is None
