"""What went wrong is said in words, with what would help."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tiny import Tiny

from skyloom.serve.access.keys import Keys
from skyloom.serve.access.limits import Limits
from skyloom.serve.store.api_tables import ApiTables
from skyloom.serve.store.tables import Tables

from .conftest import Opener
from .test_composer import drop


def alert(page: Any) -> str:
    said = page.get_by_role("alert")
    said.first.wait_for()
    return said.first.inner_text()


def test_nothing_asked_for(opened: Opener) -> None:
    page = opened()
    page.get_by_role("button", name="Make it").click()
    assert "There is no prompt yet: say what to show" in alert(page)


def test_a_refusal_of_the_server_is_said_in_its_words(opened: Opener) -> None:
    page = opened(expected=["400"])
    page.locator(".chip[aria-controls]").click()
    page.evaluate("() => { document.querySelector('[data-setting=seconds]').max = 9999 }")
    page.locator("[data-setting=seconds]").fill("9000")
    page.locator("[data-setting=seconds]").blur()
    page.get_by_label("What to show").fill("a very long film")
    page.get_by_role("button", name="Make it").click()
    said = alert(page)
    assert "9000" in said and "600" in said


def test_a_file_of_another_kind(opened: Opener, tmp_path: Path) -> None:
    page = opened()
    (tmp_path / "notes.txt").write_text("hello")
    drop(page, tmp_path / "notes.txt", "text/plain")
    assert "'notes.txt' is neither a picture nor a clip: use PNG" in alert(page)


def test_a_job_that_fails_says_why(opened: Opener, clip: str) -> None:
    page = opened(f"clip/{clip}/recut")
    end = page.get_by_role("slider", name="End of the cut")
    end.wait_for()
    end.press("Home")  # a single frame is left, which nothing can go on from
    page.locator(".tool-form button[type=submit]").click()
    assert "The clip has 1 frames" in alert(page)
    page.get_by_role("link", name="Queue").click()
    row = page.locator(".queue-row[data-status=failed]").first
    row.locator(".failure").wait_for()
    row.get_by_role("button", name="Use this prompt").click()
    assert page.get_by_label("What to show").input_value()
    row.get_by_role("button", name="Remove").click()
    page.get_by_text("Deleted.").wait_for()


def test_a_server_that_is_gone(opened: Opener) -> None:
    page = opened(expected=["ERR_", "Failed to fetch"])
    page.context.set_offline(True)
    page.get_by_label("What to show").fill("a ball")
    page.get_by_role("button", name="Make it").click()
    said = alert(page)
    assert "The server cannot be reached." in said and "skyloom serve" in said


@pytest.fixture
def keyed(tiny: Tiny, tmp_path: Path) -> Iterator[tuple[str, str]]:
    """The address of a server that asks for keys, and a key of it; nothing is made there."""
    database = f"sqlite:///{tmp_path}/jobs.sqlite"
    key = Keys(ApiTables(Tables(database))).add("anna", Limits())
    command = [sys.executable, "-m", "skyloom", "serve", "--port", "0", "--no-worker"]
    command += ["--model", str(tiny.model)]
    command += ["--database", database, "--files", str(tmp_path / "files")]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        assert process.stdout is not None
        yield process.stdout.readline().split()[2], key
    finally:
        process.terminate()
        process.communicate(timeout=30)


@pytest.mark.slow
def test_a_server_that_asks_for_a_key(keyed: tuple[str, str], opened: Opener) -> None:
    address, key = keyed
    page = opened(at=address, expected=["401"])
    dialog = page.get_by_role("dialog")
    dialog.wait_for()
    dialog.get_by_label("Key").fill(key)
    dialog.get_by_role("button", name="Use this key").click()
    page.get_by_text("Nothing here yet").wait_for()
    page.get_by_label("What to show").fill("a ball")
    with page.expect_response(lambda r: r.request.method == "POST") as answer:
        page.get_by_role("button", name="Make it").click()
    assert answer.value.status == 200
    page.locator(".tile[data-status=queued]").wait_for()
    time.sleep(0.2)
    assert dialog.count() == 0
