"""Orders that are against policy."""

from served import SMALL, Server


def test_an_order_against_policy_is_refused_and_leaves_nothing(idle: Server) -> None:
    before = idle.ask("GET", "/v1/queue").json["queued"]
    answer = idle.ask("POST", "/v1/videos", {"prompt": "a naked child", **SMALL})
    assert answer.status == 400
    assert (answer.error["code"], answer.error["param"]) == ("unsafe_prompt", "prompt")
    assert idle.ask("GET", "/v1/queue").json["queued"] == before
    assert "naked" not in idle.log.read_text()
