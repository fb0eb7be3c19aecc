"""The storyboard: cards on a line of time, moved and stretched by pointer and keys, and made."""

from pathlib import Path
from typing import Any

from .conftest import Opener
from .test_composer import drop, pressed
from .test_workbench import completed


def words(page: Any) -> list[str]:
    return page.locator(".timeline .shot-words").all_inner_texts()


def tell(page: Any, text: str, seconds: str = "1") -> None:
    page.get_by_label("What it shows", exact=True).fill(text)
    field = page.get_by_role("region", name="The chosen shot").get_by_label("Seconds")
    field.fill(seconds)
    field.blur()


def edits(page: Any, number: int) -> None:
    """Wait for the form of a shot: what is typed while it is still drawn goes nowhere."""
    page.get_by_role("heading", name=f"Shot {number}", exact=True).wait_for()


def test_shots_of_text_picture_and_clip_become_a_film(
    opened: Opener, clip: str, picture: Path
) -> None:
    page = opened("story")
    tell(page, "the ball rolls")
    drop(page, picture, "image/png")
    edits(page, 2)
    tell(page, "it wakes up")
    page.get_by_role("button", name="Clip", exact=True).click()
    page.get_by_role("dialog").get_by_role("button", name="a red ball").first.click()
    edits(page, 3)
    tell(page, "and goes on")
    page.get_by_role("button", name="Text", exact=True).click()
    tell(page, "the end")
    page.get_by_text("where the last one ends", exact=True).click()
    page.get_by_label("Subjects").fill("a red ball")
    page.get_by_label("Style").fill("as pixel art")
    page.get_by_label("Steps").fill("2")
    page.get_by_label("Steps").blur()
    assert words(page) == ["the ball rolls", "it wakes up", "and goes on", "the end"]
    assert page.get_by_text("4 shots, 6 seconds").is_visible()
    page.reload()  # what was written stays; the picture of this computer cannot
    page.get_by_role("button", name="Shot 2 of 4").click()
    drop(page, picture, "image/png")
    page.wait_for_function("() => document.querySelectorAll('.timeline .shot').length === 5")
    page.get_by_role("button", name="Take this shot away").click()
    made = pressed(page, page.get_by_role("button", name="Make the film"))
    story = made["skyloom"]["storyboard"]
    assert story["shots"][0]["prompt"] == "the ball rolls"
    assert story["subjects"] == "a red ball" and story["style"] == "as pixel art"
    assert story["shots"][-1]["cut"] is False
    assert completed(page, made)["skyloom"]["delivered"]["frames"] == 6 * 12


def test_shots_are_moved_and_stretched(opened: Opener) -> None:
    page = opened("story")
    for number, text in enumerate(("one", "two", "three")):
        if number:
            page.get_by_role("button", name="Text", exact=True).click()
        tell(page, text, "2")
    page.get_by_role("button", name="Shot 3 of 3").press("Alt+ArrowLeft")
    assert words(page) == ["one", "three", "two"]
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Shift+ArrowRight")
    assert "Shot 1 of 3, text, 2.5 seconds" in page.locator(":focus").get_attribute("aria-label")
    page.keyboard.press("-")
    first, last = page.locator(".timeline .shot").first, page.locator(".timeline .shot").last
    a, b = first.bounding_box(), last.bounding_box()
    page.mouse.move(a["x"] + 60, a["y"] + 60)
    page.mouse.down()
    page.mouse.move(b["x"] + b["width"] / 2, b["y"] + 60, steps=12)
    page.mouse.up()
    assert words(page) == ["three", "two", "one"]
    edge = page.locator(".timeline .edge").first.bounding_box()
    page.mouse.move(edge["x"] + 6, edge["y"] + 60)
    page.mouse.down()
    page.mouse.move(edge["x"] + 206, edge["y"] + 60, steps=6)
    page.mouse.up()
    name = page.get_by_role("button", name="Shot 1 of 3").get_attribute("aria-label")
    assert float(name.split(", ")[2].split()[0]) > 2.5
    page.locator(".timeline .shot").nth(1).press("Delete")
    assert words(page) == ["three", "one"]
    page.get_by_role("button", name="Empty the board").click()
    assert words(page) == ["Empty: say what it shows"]
    page.get_by_role("button", name="Undo").click()
    assert words(page) == ["three", "one"]


def test_an_empty_shot_is_named(opened: Opener) -> None:
    page = opened("story")
    page.get_by_role("button", name="Make the film").click()
    page.get_by_role("alert").get_by_text("Shot 1 is empty: say what it shows").wait_for()
