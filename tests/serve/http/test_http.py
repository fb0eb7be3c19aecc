"""What the server says over HTTP: errors, ids, paging, retries, headers; no worker is needed."""

import base64
import io
import json
import re
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from films import film, numbered
from PIL import Image
from served import SMALL, Answer, Server, form, serving
from sites import site
from tiny import Tiny

BALL = {"prompt": "a red ball", **SMALL}


def post(server: Server, path: str, fields: dict, files: dict | None = None, **headers) -> Answer:
    body, kind = form(fields, files)
    return server.ask("POST", path, body, content_type=kind, **headers)


def ordered(server: Server, **fields: str) -> dict:
    answer = post(server, "/v1/videos", {**BALL, **fields})
    assert answer.status == 200, answer.body
    return answer.json


def picture(kind: str = "PNG", size: tuple[int, int] = (48, 32)) -> bytes:
    out = io.BytesIO()
    Image.fromarray(np.full((size[1], size[0], 3), 90, np.uint8)).save(out, kind)
    return out.getvalue()


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    return film(path, numbered(12)).read_bytes()


def test_a_video_is_ordered_and_seen_and_deleted(idle: Server) -> None:
    video = ordered(
        idle, seed="7", guidance_scale="2.5", negative_prompt="fog", camera="orbit left"
    )
    assert re.fullmatch(r"video_[0-9a-f]{32}", video["id"])
    assert video["object"] == "video" and video["status"] == "queued" and video["progress"] == 0
    assert (video["size"], video["seconds"], video["model"]) == ("32x32", "0.5", "model")
    extras = video["skyloom"]
    assert (extras["operation"], extras["seed"], extras["steps"]) == ("generate", 7, 2)
    assert (extras["guidance_scale"], extras["negative_prompt"]) == (2.5, "fog")
    there = idle.ask("GET", f"/v1/videos/{video['id']}")
    assert (
        there.json["id"] == video["id"]
        and 150 <= int(there.headers["openai-poll-after-ms"]) <= 2000
    )
    deleted = idle.ask("DELETE", f"/v1/videos/{video['id']}")
    assert deleted.json == {"id": video["id"], "object": "video.deleted", "deleted": True}
    for method in ("GET", "DELETE"):
        gone = idle.ask(method, f"/v1/videos/{video['id']}")
        assert gone.status == 404 and gone.error["code"] == "not_found"


@pytest.mark.parametrize("name", ["sora-2", "sora-2-pro", "sora-2-2025-10-06", "model"])
def test_official_names_are_the_default_model(idle: Server, name: str) -> None:
    assert ordered(idle, model=name)["model"] == "model"
    assert idle.ask("GET", f"/v1/models/{name}").json["id"] == "model"


WRONG = [
    ({"prompt": ""}, "prompt", "invalid_value"),
    ({"model": "dall-e-3"}, "model", "model_not_found"),
    ({"model": "../../etc"}, "model", "model_not_found"),
    ({"size": "big"}, "size", "invalid_value"),
    ({"size": "1x1"}, "size", "invalid_value"),
    ({"size": "99999x99999"}, "size", "invalid_value"),
    ({"seconds": "-1"}, "seconds", "invalid_value"),
    ({"seconds": "nan"}, "seconds", "invalid_value"),
    ({"seconds": "601"}, "seconds", "invalid_value"),
    ({"seed": "-1"}, "seed", "invalid_value"),
    ({"seed": str(2**70)}, "seed", "invalid_value"),
    ({"steps": "201"}, "steps", "invalid_value"),
    ({"guidance_scale": "-1"}, "guidance_scale", "invalid_value"),
    ({"solver": "magic"}, "solver", "invalid_value"),
    ({"strength": "2"}, "strength", "invalid_value"),
    ({"sedo": "1"}, "sedo", "unknown_parameter"),
    ({"operation": "animate"}, "input_reference", "missing_required_parameter"),
    ({"operation": "dance"}, "operation", "invalid_value"),
    ({"storyboard": "{"}, "storyboard", "invalid_value"),
    ({"storyboard": '{"shots": [1]}'}, "storyboard", "invalid_value"),
    ({"characters": "char_nobody"}, None, "not_found"),
    ({"input_reference[image_url]": "http://169.254.169.254/latest"}, "input_reference",
     "url_not_allowed"),
    ({"input_reference": "file:///etc/passwd"}, "input_reference", "url_not_allowed"),
    ({"input_reference[id]": "video_nobody"}, None, "not_found"),
    ({"input_reference[file_id]": "file-1"}, "input_reference", "invalid_value"),
    ({"input_reference": "data:image/png;base64,@@"}, "input_reference", "invalid_file"),
    ({"input_reference": "/etc/passwd"}, "input_reference", "invalid_value"),
]  # fmt: skip


@pytest.mark.parametrize(("fields", "param", "code"), WRONG)
def test_what_cannot_be_is_said_in_one_shape(
    idle: Server, fields: dict, param: str | None, code: str
) -> None:
    answer = post(idle, "/v1/videos", {**BALL, **fields})
    assert answer.status == (404 if code in ("not_found", "model_not_found") else 400), answer.body
    error = answer.error
    assert (error["param"], error["code"]) == (param, code), error
    assert error["type"] == "invalid_request_error" and error["message"][-1] in ".?"
    assert answer.headers["x-request-id"].startswith("req_")


def test_pages_go_both_ways(idle: Server) -> None:
    ids = [ordered(idle, prompt=f"page {n}")["id"] for n in range(5)]

    def walked(order: str) -> list[str]:
        seen: list[str] = []
        after = ""
        while True:
            page = idle.ask("GET", f"/v1/videos?limit=2&order={order}{after}").json
            assert page["object"] == "list" and len(page["data"]) <= 2
            seen += [video["id"] for video in page["data"]]
            if not page["has_more"]:
                return seen
            assert (page["first_id"], page["last_id"]) == (seen[-2], seen[-1])
            after = f"&after={page['last_id']}"

    newest = walked("desc")
    assert [id for id in newest if id in ids] == ids[::-1]
    assert walked("asc") == newest[::-1]
    for query in ("limit=0", "limit=101", "order=up", "after=../x", "after=%00"):
        assert idle.ask("GET", f"/v1/videos?{query}").status == 400


def test_inputs_come_as_files_data_urls_and_bracket_names(idle: Server, clip: bytes) -> None:
    whole = base64.b64encode(picture("JPEG")).decode()
    url = f"data:image/jpeg;base64,{whole}"
    answers = [
        post(idle, "/v1/videos", BALL, {"input_reference": picture()}),
        post(idle, "/v1/videos", {**BALL, "input_reference[image_url]": url}),
        idle.ask("POST", "/v1/videos", {**BALL, "input_reference": {"image_url": url}}),
        idle.ask("POST", "/v1/videos", {**BALL, "input_reference": url}),
    ]
    assert [each.json["skyloom"]["operation"] for each in answers] == ["animate"] * 4
    extended = post(idle, "/v1/videos", BALL, {"input_reference": clip})
    assert extended.json["skyloom"]["operation"] == "extend"
    connected = post(idle, "/v1/videos", BALL, {"video": clip, "second": clip})
    assert connected.json["skyloom"]["operation"] == "connect"
    edited = post(idle, "/v1/videos/edits", {"prompt": "in snow"}, {"video": clip})
    assert edited.json["skyloom"]["operation"] == "restyle"
    longer = post(idle, "/v1/videos/extensions", {"prompt": "on", "seconds": "1"}, {"video": clip})
    assert longer.json["skyloom"]["operation"] == "extend"
    for answer in (*answers, extended, connected, edited, longer):
        assert answer.status == 200
    stored = [path for path in (idle.data / "files").rglob("*") if path.is_file()]
    assert all("x.png" not in path.name and "etc" not in str(path) for path in stored)


def test_storyboards_name_the_parts_of_the_form(idle: Server, clip: bytes) -> None:
    story = {
        "subjects": "a red ball",
        "shots": [{"prompt": "it rolls", "picture": "first"}, {"clip": "second"}, {"prompt": "x"}],
    }
    fields = {"storyboard": json.dumps(story)}
    made = post(idle, "/v1/videos", fields, {"first": picture(), "second": clip})
    assert made.status == 200, made.body
    shots = made.json["skyloom"]["storyboard"]["shots"]
    assert made.json["skyloom"]["operation"] == "storyboard"
    assert (shots[0]["picture"], shots[1]["clip"]) == ("story:0", "story:1")
    missing = post(idle, "/v1/videos", fields, {"first": picture()})
    assert missing.status == 400 and missing.error["param"].startswith("storyboard.shots[1]")
    spare = post(idle, "/v1/videos", BALL, {"first": picture()})
    assert spare.status == 400 and spare.error["code"] == "unknown_parameter"


def test_a_retried_request_makes_one_video(idle: Server) -> None:
    def again(count: str, prompt: str = "only one", **headers: str) -> str:
        fields = {**BALL, "prompt": prompt}
        return post(idle, "/v1/videos", fields, x_stainless_retry_count=count, **headers).json["id"]

    first = again("0")
    assert again("1") == first and again("2") == first  # the official client's further tries
    assert again("0") != first  # the same order on purpose
    assert again("1", "never seen before") not in (first, "")
    named = again("0", idempotency_key="mine")
    assert again("0", idempotency_key="mine") == named != first
    reused = post(idle, "/v1/videos", {**BALL, "seed": "9"}, idempotency_key="mine")
    assert reused.status == 422 and reused.error["code"] == "idempotency_key_reused"
    assert post(idle, "/v1/videos", BALL, idempotency_key="x" * 256).status == 400


def test_tries_at_the_same_moment_make_one_video(idle: Server) -> None:
    ids: list[str] = []

    def order() -> None:
        ids.append(post(idle, "/v1/videos", BALL, idempotency_key="at once").json["id"])

    threads = [threading.Thread(target=order) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ids) == 6 and len(set(ids)) == 1


def test_bodies_beyond_the_limit_are_refused(idle: Server) -> None:
    answer = post(idle, "/v1/videos", BALL, {"input_reference": b"\0" * (2 * 2**20 + 1)})
    assert answer.status == 413 and answer.error["code"] == "request_too_large"
    assert idle.ask("GET", "/health").status == 200


def test_who_waits_for_a_video_hears_that_it_was_deleted(idle: Server) -> None:
    id = idle.ask("POST", "/v1/videos", BALL).json["id"]
    heard: list[tuple[int, float]] = []

    def wait() -> None:
        answer = idle.ask("GET", f"/v1/videos/{id}", x_stainless_poll_helper="true")
        heard.append((answer.status, time.monotonic()))

    thread = threading.Thread(target=wait)
    thread.start()
    time.sleep(1.0)
    assert not heard  # it is held
    deleted = time.monotonic()
    assert idle.ask("DELETE", f"/v1/videos/{id}").status == 200
    thread.join(30)
    [(status, at)] = heard
    assert status == 404 and at - deleted < 5


def test_what_is_not_there_yet_is_no_file(idle: Server) -> None:
    id = ordered(idle)["id"]
    for variant in ("video", "thumbnail", "spritesheet", "preview"):
        answer = idle.ask("GET", f"/v1/videos/{id}/content?variant={variant}")
        assert answer.status == 404 and answer.error["code"] == "video_not_ready"
    assert idle.ask("GET", f"/v1/videos/{id}/content?variant=../x").status == 400
    remixed = idle.ask("POST", f"/v1/videos/{id}/remix", {"prompt": "in snow"})
    assert remixed.status == 400 and remixed.error["code"] == "video_not_ready"


@pytest.mark.parametrize("path", ["/v1/videos/..%2f..%2fetc%2fpasswd", "/v1/videos/%00", "/..%2f",
    "/reference/..%2f..%2fapi.py", "/v1/nothing", "/studio/../api.py"])  # fmt: skip
def test_no_path_leads_out(idle: Server, path: str) -> None:
    answer = idle.ask("GET", path)
    assert answer.status == 404 and answer.json["error"]["type"] == "invalid_request_error"
    assert str(idle.data) not in answer.body.decode() and "root:" not in answer.body.decode()


def test_wrong_methods_have_the_same_shape(idle: Server) -> None:
    answer = idle.ask("PUT", "/v1/videos")
    assert answer.status == 405 and answer.error["message"] == "Not with this method."


def test_pages_of_other_sites_cannot_call(idle: Server) -> None:
    port = idle.url.rpartition(":")[2]
    assert idle.ask("GET", "/health", origin=f"http://127.0.0.1:{port}").status == 200
    for headers in (
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"host": f"evil.example:{port}"},  # DNS rebinding
        {"host": "127.0.0.1.evil.example"},
    ):
        answer = idle.ask("POST", "/v1/videos", BALL, **headers)
        assert answer.status == 403, headers
    assert idle.ask("POST", "/v1/videos", BALL, sec_fetch_site="cross-site").status == 403


def test_every_answer_has_the_security_headers(idle: Server) -> None:
    for path in ("/", "/docs", "/v1/models", "/health", "/v1/nothing", "/openapi.json"):
        headers = idle.ask("GET", path).headers
        assert "default-src" in headers["content-security-policy"], path
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert "server" not in headers


def test_the_reference_needs_no_network(idle: Server) -> None:
    page = idle.ask("GET", "/docs").body.decode()
    sources = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert "/reference/reference.js" in sources
    for source in sources:
        assert source.startswith("/") and idle.ask("GET", source).status == 200
    script = idle.ask("GET", "/reference/reference.js").body.decode()
    assert "http:" not in script and "https:" not in script
    schema = idle.ask("GET", "/openapi.json").json
    assert "/v1/videos/{video_id}/remix" in schema["paths"]
    body = schema["paths"]["/v1/videos"]["post"]["requestBody"]["content"]
    assert set(body) == {"multipart/form-data", "application/json"}


def test_health_queue_and_figures(idle: Server) -> None:
    ordered(idle)
    health = idle.ask("GET", "/health").json
    assert health["status"] == "no workers" and health["workers"] == 0
    queued = idle.ask("GET", "/v1/queue").json
    assert queued["queued"] >= 1 and queued["in_progress"] == 0
    figures = idle.ask("GET", "/metrics").body.decode()
    assert re.search(r'skyloom_jobs\{status="queued"\} [1-9]', figures)
    assert 'route="/v1/videos",status="200"' in figures
    assert "/v1/videos/video_" not in figures  # routes, not paths


def test_the_log_has_requests_by_id_and_no_prompts(idle: Server) -> None:
    answer = idle.ask("POST", "/v1/videos", {**BALL, "prompt": "a secret wish"})
    id = answer.headers["x-request-id"]
    line = next(line for line in idle.lines if line.get("request_id") == id)
    assert (line["event"], line["method"], line["status"]) == ("request", "POST", 200)
    assert line["route"] == "/v1/videos" and line["ms"] > 0
    assert "secret" not in idle.log.read_text()


def test_models_say_what_they_can(idle: Server) -> None:
    (model,) = idle.ask("GET", "/v1/models").json["data"]
    assert model["id"] == "model" and model["skyloom"]["default"] is True
    assert "128x128" in model["skyloom"]["native_sizes"]


def test_characters_are_kept_listed_and_forgotten(idle: Server, clip: bytes) -> None:
    made = post(idle, "/v1/videos/characters", {"name": "Ada"}, {"video": clip})
    assert made.status == 200 and made.json["name"] == "Ada"
    id = made.json["id"]
    assert idle.ask("GET", f"/v1/videos/characters/{id}").json == made.json
    assert made.json in idle.ask("GET", "/v1/videos/characters").json["data"]
    with_her = post(idle, "/v1/videos", {**BALL, "characters[]": id})
    assert with_her.status == 200, with_her.body
    again = post(
        idle, "/v1/videos/characters", {"name": "Ada"}, {"video": clip}, x_stainless_retry_count="1"
    )
    assert again.json == made.json
    assert idle.ask("DELETE", f"/v1/videos/characters/{id}").json["deleted"] is True
    assert idle.ask("GET", f"/v1/videos/characters/{id}").status == 404
    assert post(idle, "/v1/videos/characters", {"name": ""}, {"video": clip}).status == 400


def test_several_characters_are_ordered_and_no_more_than_eight(idle: Server, clip: bytes) -> None:
    made = [
        post(idle, "/v1/videos/characters", {"name": name}, {"video": clip})
        for name in ("Ada", "Ben")
    ]
    ids = [each.json["id"] for each in made]
    with_both = post(idle, "/v1/videos", {**BALL, "characters": ",".join(ids)})
    assert with_both.status == 200 and with_both.json["skyloom"]["characters"] == 2
    assert post(idle, "/v1/videos", BALL).json["skyloom"]["characters"] == 0
    crowd = idle.ask("POST", "/v1/videos", {**BALL, "characters": ids[:1] * 9})
    assert crowd.status == 400 and crowd.error["param"] == "characters"


def test_an_order_against_policy_is_refused_and_leaves_nothing(idle: Server) -> None:
    before = idle.ask("GET", "/v1/queue").json["queued"]
    answer = idle.ask("POST", "/v1/videos", {"prompt": "a naked child", **SMALL})
    assert answer.status == 400
    assert (answer.error["code"], answer.error["param"]) == ("unsafe_prompt", "prompt")
    assert idle.ask("GET", "/v1/queue").json["queued"] == before
    assert "naked" not in idle.log.read_text()


def test_a_url_is_fetched_from_the_list_and_from_nowhere_else(tiny: Tiny, tmp_path: Path) -> None:
    with site(body=picture()) as (port, asked), site() as (other, never):
        here = f"http://127.0.0.1:{port}"
        flags = ["--model", str(tiny.model), "--no-worker", "--allow-url", f"{here}/pictures/"]
        with serving(tmp_path / "data", *flags) as server:
            url = f"{here}/pictures/ball.png"
            for said in ({"image_url": url}, url):
                answer = server.ask("POST", "/v1/videos", {**BALL, "input_reference": said})
                assert answer.status == 200, answer.body
                assert answer.json["skyloom"]["operation"] == "animate"
            bracket = post(server, "/v1/videos", {**BALL, "input_reference[image_url]": url})
            assert bracket.status == 200 and len(asked) == 3
            for out in (f"{here}/secret", f"http://127.0.0.1:{other}/pictures/ball.png"):
                refused = server.ask("POST", "/v1/videos", {**BALL, "input_reference": out})
                assert refused.status == 400 and refused.error["code"] == "url_not_allowed"
            assert len(asked) == 3 and never == []
            assert len(list((server.data / "files" / "uploads").iterdir())) == 3
