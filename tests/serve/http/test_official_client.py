"""The official Python client, unchanged, against a real server: all its calls for videos."""

import io
import time
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest
from films import film, numbered
from openai import BadRequestError, NotFoundError, OpenAI, omit
from PIL import Image
from served import SMALL, Server

pytestmark = pytest.mark.filterwarnings(
    "ignore:The Sora API is scheduled to permanently shut down:DeprecationWarning"
)
CALLS = {"create", "create_and_poll", "poll", "retrieve", "list", "delete", "download_content",
    "remix", "edit", "extend", "create_character", "get_character"}  # fmt: skip


@pytest.fixture(scope="module")
def client(server: Server) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{server.url}/v1", api_key="none", timeout=120) as made:
        yield made


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return film(tmp_path_factory.mktemp("clip") / "clip.mp4", numbered(12, size=(32, 32)))


@pytest.fixture(scope="module")
def finished(client: OpenAI) -> str:
    """Id of a finished video of half a second."""
    with pytest.warns(DeprecationWarning, match="The Sora API"):
        video = client.videos.create_and_poll(
            prompt="a red ball rolls",
            model="sora-2",
            size="48x32",  # type: ignore[arg-type] # sizes of our own
            seconds="0.5",  # type: ignore[arg-type]
            extra_body={"steps": 2},
        )
    assert video.status == "completed" and video.progress == 100 and video.error is None
    assert video.size == "48x32" and video.seconds == "0.5"
    assert video.completed_at is not None and video.expires_at is not None
    assert video.expires_at > video.completed_at >= video.created_at
    return video.id


def test_these_are_all_the_calls_there_are(client: OpenAI) -> None:
    there = {name for name in dir(client.videos) if not name.startswith(("_", "with_"))}
    assert there == CALLS


def test_create_retrieve_and_poll(client: OpenAI) -> None:
    made = client.videos.create(prompt="a blue cube", extra_body=SMALL)
    assert made.object == "video" and made.status in ("queued", "in_progress")
    seen = client.videos.retrieve(made.id)
    assert seen.id == made.id and seen.prompt == "a blue cube"
    assert client.videos.poll(made.id).status == "completed"


def test_a_picture_as_the_input(client: OpenAI) -> None:
    picture = io.BytesIO()
    Image.fromarray(np.full((32, 32, 3), 120, np.uint8)).save(picture, "JPEG")
    made = client.videos.create(
        prompt="it moves", input_reference=("photo.jpg", picture.getvalue()), extra_body=SMALL
    )
    assert client.videos.poll(made.id).status == "completed"


def test_download_content_in_its_three_variants(client: OpenAI, finished: str) -> None:
    data = client.videos.download_content(finished).read()
    assert client.videos.download_content(finished, variant="video").read() == data
    with av.open(io.BytesIO(data)) as container:
        stream = container.streams.video[0]
        assert (stream.width, stream.height) == (48, 32)
        assert sum(1 for _ in container.decode(stream)) == 6
    for variant in ("thumbnail", "spritesheet"):
        content = client.videos.download_content(finished, variant=variant)  # type: ignore[arg-type]
        assert content.response.headers["content-type"].startswith("image/")
        with Image.open(io.BytesIO(content.read())) as picture:
            assert min(picture.size) >= 32


def test_parts_of_a_file(client: OpenAI, server: Server, finished: str) -> None:
    path = f"/v1/videos/{finished}/content"
    whole = server.ask("GET", path)
    assert (
        whole.headers["accept-ranges"] == "bytes" and whole.headers["content-type"] == "video/mp4"
    )
    size = len(whole.body)
    for said, start, stop in (
        ("bytes=0-9", 0, 10),
        ("bytes=10-", 10, size),
        ("bytes=-7", size - 7, size),
        (f"bytes=5-{size * 2}", 5, size),
    ):
        part = server.ask("GET", path, range=said)
        assert part.status == 206 and part.body == whole.body[start:stop]
        assert part.headers["content-range"] == f"bytes {start}-{stop - 1}/{size}"
    beyond = server.ask("GET", path, range=f"bytes={size}-")
    assert beyond.status == 416 and beyond.headers["content-range"] == f"bytes */{size}"
    assert server.ask("GET", path, range="bytes=9-1").status == 200
    assert server.ask("GET", path, if_none_match=whole.headers["etag"]).status == 304


def test_list_pages_both_ways(client: OpenAI, finished: str) -> None:
    for number in range(3):
        client.videos.create(prompt=f"page {number}", extra_body=SMALL)
    newest = [video.id for video in client.videos.list(limit=2)]  # pages by itself
    oldest = [video.id for video in client.videos.list(limit=2, order="asc")]
    assert len(newest) >= 4 and oldest == newest[::-1] and finished in newest
    page = client.videos.list(limit=1, order="asc")
    assert page.has_more and page.last_id == oldest[0]
    assert page.get_next_page().data[0].id == oldest[1]
    assert [video.id for video in client.videos.list(after=oldest[-2], order="asc")] == oldest[-1:]


def test_remix(client: OpenAI, finished: str) -> None:
    made = client.videos.remix(finished, prompt="a red ball in the snow")
    assert made.remixed_from_video_id == finished and made.prompt == "a red ball in the snow"
    done = client.videos.poll(made.id)
    assert done.status == "completed" and done.size == "48x32"


def test_edit(client: OpenAI, clip: Path, finished: str) -> None:
    with clip.open("rb") as file:
        made = client.videos.edit(
            prompt="as a charcoal drawing", video=file, extra_body={"steps": 2}
        )
    assert client.videos.poll(made.id).status == "completed"
    by_id = client.videos.edit(prompt="x", video=omit, extra_body={"video": {"id": finished}})
    assert client.videos.poll(by_id.id).status == "completed"


def test_extend(client: OpenAI, clip: Path) -> None:
    with clip.open("rb") as file:
        made = client.videos.extend(
            prompt="it rolls on",
            seconds="1",  # type: ignore[arg-type]
            video=file,
            extra_body={"steps": 2},
        )
    done = client.videos.poll(made.id)
    assert done.status == "completed" and done.seconds == "2"  # all of it, as the official API says


def test_characters(client: OpenAI, clip: Path) -> None:
    with clip.open("rb") as file:
        made = client.videos.create_character(name="Grey", video=file)
    assert made.name == "Grey" and made.id is not None
    there = client.videos.get_character(made.id)
    assert (there.id, there.name, there.created_at) == (made.id, "Grey", made.created_at)
    video = client.videos.create(prompt="Grey rolls", extra_body={**SMALL, "characters": [made.id]})
    assert client.videos.poll(video.id).status == "completed"


def test_delete(client: OpenAI) -> None:
    made = client.videos.create(prompt="not for long", extra_body=SMALL)
    gone = client.videos.delete(made.id)
    assert (gone.id, gone.deleted, gone.object) == (made.id, True, "video.deleted")
    with pytest.raises(NotFoundError) as caught:
        client.videos.retrieve(made.id)
    assert caught.value.code == "not_found" and caught.value.request_id is not None


def test_errors_are_of_the_clients_own_kinds(client: OpenAI) -> None:
    with pytest.raises(BadRequestError) as caught:
        client.videos.create(prompt="x", size="huge")  # type: ignore[arg-type]
    assert (caught.value.param, caught.value.type) == ("size", "invalid_request_error")
    assert "WIDTHxHEIGHT" in caught.value.message


def test_who_polls_is_answered_at_the_end_and_not_before(client: OpenAI, server: Server) -> None:
    extra = {"size": "64x64", "seconds": "1", "steps": "60", "preview": "false"}
    made = client.videos.create(prompt="slow", extra_body=extra)
    polled = client.videos.poll(made.id)
    assert polled.status == "completed"
    asked = [line for line in server.lines if line.get("route") == "/v1/videos/{video_id}"]
    assert sum(line["ms"] > 300 for line in asked) >= 1  # one that waited
    began = time.monotonic()
    assert client.videos.poll(made.id).status == "completed"  # nothing to wait for
    assert time.monotonic() - began < 5


def test_progress_and_previews_come_as_events(client: OpenAI, server: Server) -> None:
    made = client.videos.create(
        prompt="slow", extra_body={"size": "64x64", "seconds": "1", "steps": "60"}
    )
    events = server.ask("GET", f"/v1/videos/{made.id}/events").body.decode()
    names = [line.removeprefix("event: ") for line in events.splitlines() if line[:6] == "event:"]
    assert names[0] == "progress" and names[-1] == "done" and names.count("done") == 1
    assert 'data: {"status": "completed"}' in events
    assert '"progress": 100' in events and "event: preview" in events
    last = server.ask("GET", f"/v1/videos/{made.id}")
    assert last.json["status"] == "completed" and last.json["skyloom"]["previews"] >= 1
