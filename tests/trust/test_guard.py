"""Guards in their process: what they say, and that whatever goes wrong blocks and is named."""

import json
import os
import signal
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from skyloom.errors import UserError
from skyloom.trust.guard import FrameGuard, Guards, PromptGuard
from skyloom.trust.orders import check_order
from skyloom.trust.policy import FrameSettings, Policy, PromptSettings, load_policy
from skyloom.trust.session import Refused, Session, digest, to_be_read
from skyloom.video import Video


@pytest.fixture(scope="module")
def guards() -> Iterator[Guards]:
    with Guards(load_policy()) as guards:
        yield guards


def calm(frames: int = 24) -> np.ndarray:
    return np.full((frames, 32, 32, 3), 90, np.uint8)


def flashing(frames: int = 24) -> np.ndarray:
    clip = calm(frames)
    clip[::2] = 255
    return clip


def test_verdicts_name_what_ran_with_versions(guards: Guards) -> None:
    assert isinstance(guards.prompts, PromptGuard) and isinstance(guards.frames, FrameGuard)
    fine = guards.prompts.check("a red ball rolls across the snow")
    assert fine.allowed and fine.failed is None
    assert [ran.name for ran in fine.ran] == [guard.kind for guard in guards.policy.prompts]
    assert all(ran.version for ran in fine.ran)
    bad = guards.prompts.check("a n4ked w0man")
    assert not bad.allowed and bad.findings[0].category == "sexual"
    assert "n4ked" not in json.dumps(bad.record()) and "naked" not in json.dumps(bad.record())
    assert "leave out nudity" in bad.reason


def test_frames(guards: Guards) -> None:
    assert guards.frames.check(calm(), 24.0).allowed
    verdict = guards.frames.check(flashing(), 24.0)
    assert [finding.category for finding in verdict.findings] == ["flashing"]


def test_a_prompt_too_long_to_be_read_is_refused(guards: Guards) -> None:
    verdict = guards.prompts.check("ball " * 2000 + "nothing")
    assert not verdict.allowed and verdict.failed is not None
    assert "has 10,007 characters and guards read 8,000 at the most" in verdict.failed


def test_a_missing_guard_blocks_and_says_which(tmp_path: Path) -> None:
    policy = Policy(
        name="house",
        prompts=(PromptSettings("rules"), PromptSettings("text-classifier", tmp_path / "none")),
    )
    with Guards(policy) as guards:
        verdict = guards.prompts.check("a red ball")
    assert not verdict.allowed and [ran.name for ran in verdict.ran] == ["rules"]
    assert verdict.failed is not None
    assert "the guard 'text-classifier' cannot be had" in verdict.failed


def test_nudenet_that_is_not_installed_blocks() -> None:
    with Guards(Policy(name="house", frames=(FrameSettings("nudenet"),))) as guards:
        verdict = guards.frames.check(calm(), 24.0)
    assert not verdict.allowed and verdict.ran == ()
    assert verdict.failed is not None and "pip install nudenet" in verdict.failed
    assert verdict.failed.count("nudenet") == 3  # the guard, its package, and how to have it


def test_what_is_missing_is_known_before_the_work(tmp_path: Path) -> None:
    with Guards(load_policy()) as guards:
        assert guards.load().allowed
        loaded = guards._child.pid
        assert guards.prompts.check("a red ball").allowed and guards._child.pid == loaded
    house = Policy(name="house", frames=(FrameSettings("image-classifier", tmp_path / "none"),))
    with Session(house) as session:
        with pytest.raises(Refused, match="'image-classifier' cannot be had .*none'.*--policy"):
            session.ready()
        session.allow_words(["a red ball"])  # the talk with the others goes on


def test_what_guidance_leads_towards_is_read() -> None:
    assert to_be_read("a ball", "fog", None) == to_be_read("a ball", "fog", 1.0) == ["a ball"]
    assert to_be_read("a ball", "fog", 0.9) == ["a ball", "fog"]
    assert to_be_read(" ", "fog", 0.0) == ["fog"] and to_be_read("a", "a", 0.0) == ["a"]


def test_a_guard_killed_in_the_middle_blocks_and_the_next_check_works(guards: Guards) -> None:
    assert guards.prompts.check("a red ball").allowed
    pid = guards._child.pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)  # in the middle of its work, for as long as it takes to kill it
    killer = threading.Timer(0.5, os.kill, (pid, signal.SIGKILL))
    killer.start()
    verdict = guards.prompts.check("a blue car")
    killer.join()
    assert not verdict.allowed and verdict.ran == ()
    assert verdict.failed is not None
    assert "the guard 'rules' was killed by SIGKILL" in verdict.failed
    assert guards.prompts.check("a blue car").allowed


def test_a_guard_that_hangs_is_ended_and_blocks() -> None:
    with Guards(replace(load_policy(), name="hasty", timeout=4.0)) as guards:
        assert guards.prompts.check("a red ball").allowed
        pid = guards._child.pid
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
        verdict = guards.prompts.check("a red ball")
        assert not verdict.allowed
        assert verdict.failed is not None and "does not answer within 4 s" in verdict.failed
        assert guards._child.pid is None


def test_a_guard_that_reads_no_more_blocks() -> None:
    with Guards(replace(load_policy(), name="hasty", timeout=4.0)) as guards:
        assert guards.frames.check(calm(), 24.0).allowed
        pid = guards._child.pid
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
        big = np.zeros((64, 128, 128, 3), np.uint8)  # more than a pipe holds
        verdict = guards.frames.check(big, 24.0)
        assert not verdict.allowed
        assert verdict.failed is not None and "does not answer" in verdict.failed


def test_off_runs_nothing_and_says_so() -> None:
    with Session(load_policy("off")) as session:
        session.allow_words(["anything"])
        assert sum(len(piece) for piece in session.watched([flashing()], 24.0)) == 24
        assert session.record == {"policy": "off", "prompts": None, "inputs": None, "frames": None}
        assert session._guards._child.pid is None


def test_a_session_refuses_and_logs_a_hash(caplog: pytest.LogCaptureFixture) -> None:
    prompt = "Taylor Swift sings"
    with Session(load_policy()) as session, caplog.at_level("INFO", "skyloom.trust"):
        session.allow_words(["a red ball", ""])
        with pytest.raises(UserError, match="policy 'standard'.*likeness of a real person"):
            session.allow_words([prompt])
        with pytest.raises(Refused, match="'photo.png' is refused"):
            session.allow_input(Video(flashing(), 24.0), "'photo.png'")
        assert digest(prompt) in caplog.text and "Taylor" not in caplog.text
        record = session.begin()
        assert record["frames"] is None
        pieces = [calm(20) for _ in range(12)]
        assert sum(map(len, session.watched(pieces, 12.0))) == 240
        assert record["frames"]["allowed"] and record["frames"]["guards"][0]["name"] == "flashing"


def test_flashes_at_the_end_of_a_long_film_are_seen() -> None:
    shown = 0
    with Session(load_policy()) as session, pytest.raises(Refused, match="seizures"):
        for piece in session.watched([calm(240), flashing(24)], 24.0):
            shown += len(piece)
    assert shown == 240


def test_orders_of_a_server(guards: Guards) -> None:
    pytest.importorskip("dbos")
    from skyloom.serve.order import Order

    allow = check_order(guards)
    allow(Order(operation="generate", prompt="a red ball"))
    with pytest.raises(Refused, match="characters or brands"):
        allow(Order(operation="generate", prompt="Mickey Mouse skates"))
    allow(Order(operation="generate", prompt="a red ball", negative="naked people"))
    with pytest.raises(Refused):  # guidance below 1 leads there
        allow(Order(operation="generate", prompt="a ball", negative="naked people", guidance=0.5))
