"""Words to clips in the studio: prompt, settings, pictures, the queue and the library."""

from pathlib import Path
from typing import Any

from .conftest import PATIENCE, Opener

SHOWN = """() => {{
    const shown = document.querySelector("[data-id={}] {}");
    return shown && {};
}}"""


def order(page: Any, words: str, **settings: Any) -> dict:
    """Fill in the composer, press the button, and return what the server was asked for."""
    if settings:
        page.locator(".chip[aria-controls]").click()
        for name, value in settings.items():
            field = page.locator(f"[data-setting={name}]")
            if name == "size":
                field.select_option(value)
            elif isinstance(value, bool):
                field.set_checked(value)
            else:
                field.fill(str(value))
                field.blur()
    page.get_by_label("What to show").fill(words)
    return pressed(page, page.get_by_role("button", name="Make it"))


def pressed(page: Any, control: Any) -> dict:
    """Press something that orders, and return the video that the server answered with."""
    with page.expect_response(lambda r: r.request.method == "POST") as answer:
        control.click()
    assert answer.value.status == 200, answer.value.text()
    return answer.value.json()


def finished(page: Any, id: str) -> Any:
    """The tile of a clip once it is finished."""
    tile = page.locator(f".tile[data-id={id}][data-status=completed]")
    tile.wait_for(timeout=PATIENCE)
    return tile


def test_words_become_a_clip_that_plays(opened: Opener) -> None:
    page = opened(reduced_motion="no-preference")
    made = order(
        page, "a blue cube slides", size="64x64", seconds=1, steps=3, guidance=2, seed=7,
        negative="fog", camera="pan left",
    )  # fmt: skip
    extras = made["skyloom"]
    assert made["prompt"] == "a blue cube slides" and made["size"] == "64x64"
    assert made["seconds"] == "1" and extras["seed"] == 7 and extras["steps"] == 3
    assert extras["guidance_scale"] == 2 and extras["negative_prompt"] == "fog"
    assert extras["camera"] == "pan left"
    tile = finished(page, made["id"])
    playing = "!shown.paused && shown.videoWidth === 64 && shown.loop && shown.muted"
    page.wait_for_function(SHOWN.format(made["id"], "video", playing))
    tile.hover()
    tile.get_by_role("button", name="Use this prompt").click()
    assert page.get_by_label("What to show").input_value() == "a blue cube slides"
    assert "64 \u00d7 64 \u00b7 1 s" in page.locator(".chip[aria-controls]").inner_text()


def test_the_queue_shows_what_is_made_while_it_is_made(opened: Opener) -> None:
    page = opened("queue")
    made = order(page, "a green robot walks", size="64x64", seconds=2, steps=150)
    row = page.locator(f".queue-row[data-id={made['id']}]")
    row.locator("img.estimate[src^='data:image']").wait_for(timeout=PATIENCE)
    page.wait_for_function(
        "id => document.querySelector(`[data-id=${id}] progress`)?.value > 0", arg=made["id"]
    )
    row.get_by_role("button", name="Stop").click()
    page.get_by_text("Stopped.").wait_for()
    assert row.count() == 0


def test_drafts_variations_loops_and_pictures(opened: Opener) -> None:
    page = opened()
    page.get_by_role("button", name="Draft", exact=True).click()
    first = order(page, "a ring rolls", size="64x64", seconds=1, seed=3, variations=2, loop=True)
    assert first["size"] == "32x32" and first["skyloom"]["steps"] <= 10 and first["skyloom"]["loop"]
    page.wait_for_function("() => document.querySelectorAll('.tile .words').length >= 2")
    found = [finished(page, first["id"])]
    second = page.locator(".tile", has_text="a ring rolls").first.get_attribute("data-id")
    assert second != first["id"]
    assert found
    page.get_by_role("button", name="Draft", exact=True).click()
    page.get_by_role("button", name="Picture", exact=True).click()
    made = order(page, "a yellow cone", size="64x64", steps=2, variations=1)
    assert made["skyloom"]["operation"] == "image"
    tile = finished(page, made["id"])
    page.wait_for_function(SHOWN.format(made["id"], "img", "shown.naturalWidth === 64"))
    assert tile.locator("video").count() == 0


def test_a_dropped_picture_is_animated(opened: Opener, clip: str, picture: Path) -> None:
    page = opened(f"clip/{clip}")  # from there it leads to the composer
    page.locator(".stage video").wait_for()
    drop(page, picture, "image/png")
    page.get_by_alt_text("The picture it starts from").wait_for()
    page.get_by_label("This picture is its").select_option("end")
    made = order(page, "it rolls away", size="64x64", seconds=1, steps=2)
    assert made["skyloom"]["operation"] == "animate" and made["skyloom"]["at"] == "end"
    finished(page, made["id"])


def test_the_library_is_searched(opened: Opener, clip: str) -> None:
    page = opened()
    tile = finished(page, clip)
    search = page.get_by_label("Search the prompts")
    search.fill("snow BALL")
    page.get_by_text("found").wait_for()
    assert tile.is_visible()
    search.fill("no such words")
    page.get_by_text("Nothing found").wait_for()
    search.fill("")
    page.get_by_label("Kind").select_option("Picture")
    assert not tile.is_visible()


def drop(page: Any, file: Path, kind: str) -> None:
    """Drop a file of this computer on the page."""
    import base64

    data = base64.b64encode(file.read_bytes()).decode()
    page.evaluate(
        """([name, type, data]) => {
            const bytes = Uint8Array.from(atob(data), (c) => c.charCodeAt(0));
            const held = new DataTransfer();
            held.items.add(new File([bytes], name, { type }));
            const told = { dataTransfer: held, bubbles: true, cancelable: true };
            for (const event of ["dragenter", "dragover", "drop"])
                document.body.dispatchEvent(new DragEvent(event, told));
        }""",
        [file.name, kind, data],
    )
