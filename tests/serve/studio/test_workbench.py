"""Every way to edit, clicked: what the server is asked for, and that it can be made."""

import json
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .conftest import PATIENCE, Opener
from .test_composer import drop, pressed

PAINTED = """canvas => {
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    return data.filter((value, index) => index % 4 === 3 && value > 127).length;
}"""


@pytest.fixture(scope="module")
def second(make: Callable[..., str]) -> str:
    """Another finished clip."""
    return make("a blue car drives in the desert", seed=6)


def submit(page: Any) -> dict:
    return pressed(page, page.locator(".tool-form button[type=submit]"))


def completed(page: Any, made: dict) -> dict:
    """Wait until a clip is finished, on its own page, and return what it came to."""
    page.goto(page.url.split("#")[0] + f"#/clip/{made['id']}")
    page.locator(".stage video, .stage > img").wait_for(timeout=PATIENCE)
    address = page.url.split("/#")[0] + f"/v1/videos/{made['id']}"
    with urllib.request.urlopen(address, timeout=30) as response:
        return json.load(response)


def test_a_clip_is_shown_with_all_that_made_it(opened: Opener, clip: str) -> None:
    page = opened(f"clip/{clip}")
    page.get_by_role("heading", name="a red ball rolls across the snow").wait_for()
    facts = page.locator(".facts").inner_text()
    assert "Seed\n5" in facts and "64 \u00d7 64" in facts and "2 s" in facts
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save").click()
    assert Path(saved.value.path()).read_bytes()[4:8] == b"ftyp"
    page.get_by_role("button", name="Use this prompt").click()
    page.wait_for_function("() => document.activeElement?.id === 'prompt'")


def test_remix(opened: Opener, clip: str) -> None:
    page = opened(f"clip/{clip}/remix")
    page.get_by_label("In other words").fill("a green ball rolls")
    made = submit(page)
    assert made["remixed_from_video_id"] == clip and made["prompt"] == "a green ball rolls"
    completed(page, made)
    page.get_by_role("link", name="What it was made from").click()
    page.get_by_role("heading", name="a red ball rolls").wait_for()


def test_recut_with_keys_and_with_the_pointer(opened: Opener, clip: str) -> None:
    page = opened(f"clip/{clip}/recut")
    end = page.get_by_role("slider", name="End of the cut")
    end.wait_for()
    for _ in range(3):
        end.press("ArrowLeft")
    assert float(end.get_attribute("aria-valuenow") or 0) == pytest.approx(2 - 3 / 12, abs=1e-3)
    start, track = page.get_by_role("slider", name="Start of the cut"), page.locator(".strip-track")
    box, there = start.bounding_box(), track.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 10)
    page.mouse.down()
    page.mouse.move(there["x"] + there["width"] / 4, box["y"] + 10, steps=4)
    page.mouse.up()
    page.get_by_label("New seconds").fill("1")
    page.wait_for_function("() => document.querySelectorAll('.strip-frames canvas').length === 8")
    made = submit(page)
    assert made["skyloom"]["trim"] == pytest.approx([0.5, 1.75], abs=1e-3)
    assert made["skyloom"]["operation"] == "extend"
    assert completed(page, made)["skyloom"]["delivered"]["frames"] == 15 + 12


@pytest.mark.parametrize(("tool", "side"), [("extend", "before it"), ("loop", None)])
def test_extend_and_loop(opened: Opener, clip: str, tool: str, side: str | None) -> None:
    page = opened(f"clip/{clip}/{tool}")
    if side is not None:
        page.get_by_text(side, exact=True).click()
    page.get_by_label("econds").first.fill("1")
    made = submit(page)
    assert made["skyloom"]["operation"] == tool and made["skyloom"]["backward"] is (
        side is not None
    )
    assert completed(page, made)["skyloom"]["delivered"]["frames"] == 24 + 12


@pytest.mark.parametrize("tool", ["blend", "connect"])
def test_two_clips(opened: Opener, clip: str, second: str, tool: str) -> None:
    page = opened(f"clip/{clip}/{tool}")
    page.locator(".tool-form button[type=submit]").click()
    page.get_by_role("alert").get_by_text("There is no second clip yet").wait_for()
    page.get_by_role("button", name="Choose a clip").click()
    page.get_by_role("dialog").get_by_label("Search the prompts").fill("blue car")
    page.get_by_role("dialog").get_by_role("button", name="a blue car").first.click()
    if tool == "connect":
        page.get_by_label("Seconds between them").fill("1")
    made = submit(page)
    assert made["skyloom"]["operation"] == tool
    frames = completed(page, made)["skyloom"]["delivered"]["frames"]
    assert frames == (24 if tool == "blend" else 24 + 12 + 24)


def test_fill_keeps_the_stretches_that_are_marked(opened: Opener, clip: str) -> None:
    page = opened(f"clip/{clip}/fill")
    page.get_by_role("button", name="Another stretch").click()
    page.get_by_role("button", name="Take away stretch 3").click()
    made = submit(page)
    assert made["skyloom"]["keep"] == [[0, 0.5], [1.5, 2]]
    completed(page, made)


def test_restyle_where_it_is_painted(opened: Opener, clip: str) -> None:
    page = opened(f"clip/{clip}/restyle")
    page.get_by_text("where I paint", exact=True).click()
    canvas = page.locator("canvas.mask")
    page.locator(".tool-form button[type=submit]").click()
    page.get_by_role("alert").get_by_text("Nothing is painted yet").wait_for()
    box = canvas.bounding_box()
    page.mouse.move(box["x"] + 80, box["y"] + 80)
    page.mouse.down()
    page.mouse.move(box["x"] + 200, box["y"] + 120, steps=5)
    page.mouse.up()
    painted = canvas.evaluate(PAINTED)
    assert 100 < painted < 64 * 64
    canvas.press("ArrowDown")
    canvas.press("]")
    canvas.press(" ")
    assert canvas.evaluate(PAINTED) > painted
    page.get_by_role("button", name="Undo").click()
    assert canvas.evaluate(PAINTED) == painted
    page.get_by_label("In other words").fill("a purple ball")
    made = submit(page)
    assert made["skyloom"]["operation"] == "restyle" and made["skyloom"]["strength"] == 0.7
    completed(page, made)


def test_full_size_of_a_draft(opened: Opener, clip: str) -> None:
    page = opened(f"clip/{clip}/full")
    made = submit(page)
    assert made["size"] == "128x128" and made["skyloom"]["strength"] == 0.55
    assert completed(page, made)["size"] == "128x128"


def test_a_dropped_clip_is_edited_too(
    opened: Opener, clip: str, served: str, tmp_path: Path
) -> None:
    file = tmp_path / "mine.mp4"
    with urllib.request.urlopen(f"{served}/v1/videos/{clip}/content", timeout=30) as response:
        file.write_bytes(response.read())
    page = opened()
    drop(page, file, "video/mp4")
    page.get_by_role("heading", name="mine.mp4").wait_for()
    assert page.get_by_role("link", name="Remix").count() == 0  # the server does not know it
    page.get_by_role("link", name="Extend").click()
    page.get_by_label("New seconds").fill("1")
    completed(page, submit(page))


def test_a_part_of_a_picture_goes_along_a_path(opened: Opener, make: Callable[..., str]) -> None:
    still = make("a yellow cone", operation="image", seconds=None)
    page = opened(f"clip/{still}/animate")
    page.get_by_text("moved along a path", exact=True).click()
    box = page.locator(".path-surface").bounding_box()
    page.mouse.move(box["x"] + 100, box["y"] + 100)
    page.mouse.down()
    page.mouse.move(box["x"] + 260, box["y"] + 160, steps=6)
    page.mouse.up()
    page.get_by_label("Seconds").fill("1")
    made = submit(page)
    assert made["skyloom"]["operation"] == "animate"
    completed(page, made)


def test_a_clip_is_kept_as_a_character_and_comes_back(opened: Opener, clip: str) -> None:
    page = opened(f"clip/{clip}")
    page.get_by_role("button", name="Keep as character").click()
    page.get_by_label("Name").fill("Ruby")
    page.get_by_role("button", name="Keep", exact=True).click()
    page.get_by_text("Ruby can appear").wait_for()
    page.goto(page.url.split("#")[0] + "#/")
    page.locator(".chip[aria-controls]").click()
    page.get_by_role("button", name="Ruby", exact=True).click()
    page.locator("[data-setting=size]").select_option("64x64")
    page.get_by_label("What to show").fill("she rolls")
    made = pressed(page, page.get_by_role("button", name="Make it"))
    completed(page, made)
    page.goto(page.url.split("#")[0] + "#/")
    page.locator(".chip[aria-controls]").click()
    page.get_by_role("button", name="Forget Ruby").click()
    page.get_by_role("group", name="Characters").wait_for(state="hidden")


def test_a_clip_is_deleted(opened: Opener, make: Callable[..., str]) -> None:
    id = make("soon gone")
    page = opened(f"clip/{id}", expected=["404"])
    page.get_by_role("button", name="Delete").click()
    page.get_by_text("Deleted.").wait_for()
    page.goto(page.url.split("#")[0] + f"#/clip/{id}")
    page.get_by_role("heading", name="This clip is not here").wait_for()
