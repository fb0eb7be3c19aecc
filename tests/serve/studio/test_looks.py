"""Every view at the size of a desk and of a phone, light and dark: no serious obstacle for anybody,
nothing wider than the screen, and a keyboard is enough. Screenshots lie in pytest's folder."""

import re
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from .conftest import DESKTOP, PHONE, Opener

STUDIO = Path(str(resources.files("skyloom.serve"))) / "studio"
VIEWS = ("", "queue", "story", "clip", "clip/recut", "clip/restyle", "clip/fill", "clip/full")
FEW = ("", "clip/restyle")
SERIOUS = ("serious", "critical")


@pytest.fixture(scope="session")
def axe() -> str:
    """The checks of accessibility."""
    package = pytest.importorskip("axe_playwright_python")
    return (Path(package.__path__[0]) / "axe.min.js").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("size", "scheme", "views"),
    [
        (DESKTOP, "light", VIEWS),
        (PHONE, "dark", VIEWS),
        pytest.param(DESKTOP, "dark", FEW, marks=pytest.mark.slow),
        pytest.param(PHONE, "light", FEW, marks=pytest.mark.slow),
    ],
    ids=["desk-light", "phone-dark", "desk-dark", "phone-light"],
)
def test_every_view_is_for_everybody(
    opened: Opener,
    clip: str,
    axe: str,
    size: dict,
    scheme: str,
    views: tuple[str, ...],
    tmp_path: Path,
) -> None:
    page = opened(viewport=size, color_scheme=scheme, has_touch=size is PHONE)
    page.evaluate(axe)
    for view in views:
        path = view.replace("clip", f"clip/{clip}")
        page.evaluate("path => { location.hash = '#/' + path }", path)
        if "clip" in view:
            page.wait_for_function("() => document.querySelector('.stage video')?.readyState >= 2")
        if view == "clip/restyle":
            page.get_by_text("where I paint", exact=True).click()
        if view == "":
            page.locator(".chip[aria-controls]").click()
        check(page, view, tmp_path)
        if view == "":
            page.locator(".chip[aria-controls]").click()
    if size is DESKTOP and views is VIEWS:
        page.keyboard.press("?")
        page.get_by_role("dialog").wait_for()
        check(page, "keyboard", tmp_path)


def check(page: Any, name: str, folder: Path) -> None:
    page.screenshot(path=folder / f"{name.replace('/', '-') or 'library'}.png")
    wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert wide <= 0, f"'{name}' is {wide} pixels wider than the screen"
    found = page.evaluate("axe.run(document, { resultTypes: ['violations'] })")["violations"]
    bad = [f"{v['id']}: {v['nodes'][0]['html'][:200]}" for v in found if v["impact"] in SERIOUS]
    assert not bad, f"'{name}': {bad}"


def test_a_clip_is_made_and_opened_with_the_keyboard_alone(opened: Opener) -> None:
    page = opened(expected=[])
    page.keyboard.press("n")
    page.wait_for_function("() => document.activeElement.id === 'prompt'")
    page.keyboard.type("a red cube")
    page.keyboard.press("Tab")
    for _ in range(3):
        page.keyboard.press("Tab")
    assert page.locator(":focus").get_attribute("aria-controls") == "settings-panel"
    outline = "getComputedStyle(document.activeElement).outlineStyle"
    assert page.evaluate(outline) == "solid"  # where the focus is can be seen
    page.keyboard.press("Enter")
    page.locator("[data-setting=size]").focus()
    page.keyboard.type("64")
    page.locator("[data-setting=steps]").focus()
    page.keyboard.type("2")
    page.get_by_label("What to show").focus()
    with page.expect_response(lambda r: r.request.method == "POST") as answer:
        page.keyboard.press("Enter")
    id = answer.value.json()["id"]
    tile = page.locator(f".tile[data-id={id}] a")
    page.locator(f".tile[data-id={id}][data-status=completed]").wait_for(timeout=30_000)
    tile.focus()
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="a red cube").wait_for()
    for key, title in (("q", "Queue"), ("s", "Storyboard"), ("g", "Library")):
        page.keyboard.press(key)
        page.get_by_role("heading", name=title, exact=True).wait_for()
    page.keyboard.press("/")
    page.wait_for_function("() => document.activeElement.id === 'search'")


def test_less_motion_means_less_motion(opened: Opener, clip: str) -> None:
    page = opened(reduced_motion="reduce")
    video = page.locator(f".tile[data-id={clip}] video")
    video.wait_for()
    page.wait_for_timeout(300)
    assert video.evaluate("v => v.paused")
    page.locator(f".tile[data-id={clip}]").hover()
    page.wait_for_function(f"() => !document.querySelector('[data-id={clip}] video').paused")


def test_colours_follow_the_choice(opened: Opener) -> None:
    page = opened(color_scheme="light")
    ground = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(ground)
    page.get_by_role("button", name="Colours: auto").click()
    page.get_by_role("button", name="Colours: light").click()
    assert page.evaluate(ground) != light
    page.reload()
    page.get_by_role("button", name="Colours: dark").wait_for()


def test_files_are_small_and_need_nothing_from_elsewhere() -> None:
    files = [file for file in STUDIO.rglob("*") if file.is_file()]
    assert {"index.html", "main.js", "tokens.css"} <= {file.name for file in files}
    for file in files:
        text = file.read_text(encoding="utf-8")
        assert len(text.splitlines()) < 350, f"{file.name} is too long"
        addresses = set(re.findall(r"https?://[^\"'\s)]+", text)) - {"http://www.w3.org/2000/svg"}
        assert not addresses, f"{file.name} names {addresses}"
    page = (STUDIO / "index.html").read_text(encoding="utf-8")
    assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)", page)
