"""A real server with the tiny model, and a real Chromium that looks at its studio."""

import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tiny import Tiny

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
MISSING = "the studio is tested in Chromium: 'apt-get install chromium' brings it"
DESKTOP, PHONE = {"width": 1280, "height": 860}, {"width": 390, "height": 844}
PATIENCE = 30_000  # milliseconds that a job of the tiny model may take on a busy machine

Opener = Callable[..., Any]


@pytest.fixture(scope="session")
def served(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of `skyloom serve` with a worker of its own."""
    root = tmp_path_factory.mktemp("served")
    command = [sys.executable, "-m", "skyloom", "serve", "--port", "0", "--model", str(tiny.model)]
    command += ["--database", f"sqlite:///{root}/jobs.sqlite", "--files", str(root / "files")]
    with (root / "log").open("w") as log:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, cwd=root)
    try:
        assert process.stdout is not None
        said = process.stdout.readline()
        found = re.search(r"http://\S+", said)
        assert found, f"{said} {(root / 'log').read_text()}"
        yield found[0]
    finally:
        process.terminate()
        process.communicate(timeout=30)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium, or a skip that says how to get it.

    A module's own: while Playwright is open its event loop is this thread's, and no test of another
    folder could run one.
    """
    if CHROMIUM is None:
        pytest.skip(MISSING)
    playwright = pytest.importorskip("playwright.sync_api").sync_playwright().start()
    # In a container there is neither a sandbox nor a GPU.
    flags = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
    chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
    yield chromium
    chromium.close()
    playwright.stop()


@pytest.fixture
def opened(browser: Any, served: str) -> Iterator[Opener]:
    """Opens a view; whatever the page complains about fails the test at its end.

    Messages about responses that a test provokes are named in `expected`.
    """
    contexts: list[Any] = []
    complaints: list[str] = []
    expected: list[str] = []

    def hear(message: Any) -> None:
        # A job may end, and its preview go, between the event that tells of it and the look.
        if (
            message.type in ("error", "warning")
            and "variant=preview" not in message.location["url"]
        ):
            complaints.append(message.text)

    def open_view(path: str = "", *, at: str = served, **options: Any) -> Any:
        expected.extend(options.pop("expected", ()))
        # Without a GPU, clips that play take more time than all that is tested.
        usual = {"viewport": DESKTOP, "reduced_motion": "reduce"}
        context = browser.new_context(**usual | options)
        contexts.append(context)
        context.set_default_timeout(PATIENCE)
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(f"error: {error}"))
        page.on("console", hear)
        page.goto(f"{at}/#/{path}")
        page.wait_for_selector("html[data-ready]")
        return page

    yield open_view
    for context in contexts:
        context.close()
    left = [text for text in complaints if not any(known in text for known in expected)]
    assert not left, "the page complained: " + "; ".join(left)


@pytest.fixture(scope="session")
def make(served: str) -> Callable[..., str]:
    """Has a clip made over the API and returns its id once it is finished."""
    import json
    import time
    import urllib.request

    def call(path: str, body: dict | None = None) -> dict:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            f"{served}/v1/videos{path}", data, {"content-type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=30) as response:
            return json.load(response)

    def make_clip(prompt: str, **fields: Any) -> str:
        asked = {"prompt": prompt, "size": "64x64", "seconds": 2, "steps": 2, **fields}
        id = call("", asked)["id"]
        for _ in range(600):
            state = call(f"/{id}")
            if state["status"] == "completed":
                return id
            assert state["status"] != "failed", state["error"]
            time.sleep(0.1)
        raise AssertionError(f"{id} was not finished in a minute")

    return make_clip


@pytest.fixture(scope="session")
def clip(make: Callable[..., str]) -> str:
    """A finished clip of 64x64, two seconds."""
    return make("a red ball rolls across the snow", seed=5)


@pytest.fixture(scope="session")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A picture from elsewhere."""
    from PIL import Image

    file = tmp_path_factory.mktemp("given") / "photo.png"
    Image.new("RGB", (64, 64), (200, 80, 60)).save(file)
    return file
