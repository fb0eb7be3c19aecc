"""Guards of a worker: the words of an order, and the pictures and clips that it is made from."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tiny import Tiny

from skyloom import video
from skyloom.pipeline import Skyloom
from skyloom.serve.making.deliver import deliver
from skyloom.serve.making.frames import prepare
from skyloom.serve.making.guarding import LOOK_FRAMES, checked
from skyloom.serve.order import Order
from skyloom.trust.guard import Guards
from skyloom.trust.marking import Marking
from skyloom.trust.orders import check_order
from skyloom.trust.policy import load_policy
from skyloom.trust.session import Refused
from skyloom.trust.verify import verify
from skyloom.video import Video


@pytest.fixture(scope="module")
def guards() -> Iterator[Guards]:
    with Guards(load_policy()) as guards:
        yield guards


def order(**fields: object) -> Order:
    return Order(operation="extend", prompt="a ball", inputs={"video": "key"}, **fields)


def clip(path: Path, frames: int, flashing: int = 0) -> Path:
    made = np.full((frames, 32, 64, 3), 90, np.uint8)
    made[frames - flashing :: 2] = 255
    video.write(Video(made, 24.0), path)
    return path


def test_inputs_are_looked_at_and_the_manifest_says_so(guards: Guards, tmp_path: Path) -> None:
    calm = clip(tmp_path / "calm.mp4", 12)
    said = checked(guards, order(), {"video": calm})
    assert said["inputs"]["allowed"] and said["inputs"]["guards"][0]["name"] == "flashing"
    assert checked(guards, order(), {})["inputs"] is None
    with Guards(load_policy("off")) as off:
        assert checked(off, order(), {"video": calm})["inputs"] is None


@pytest.mark.parametrize("frames", [24, LOOK_FRAMES + 24])
def test_an_input_that_flashes_is_refused(guards: Guards, tmp_path: Path, frames: int) -> None:
    inputs = {"picture": clip(tmp_path / "a.png", 1), "video": clip(tmp_path / "b.mp4", frames, 24)}
    with pytest.raises(Refused, match="The input 'video' is refused .* it shows flashes"):
        checked(guards, order(), inputs)


def test_what_guidance_leads_towards_is_read(guards: Guards) -> None:
    checked(guards, order(negative="naked people"), {})
    with pytest.raises(Refused, match="The prompt is refused"):
        checked(guards, order(negative="naked people", guidance=0.0), {})


def test_the_manifest_of_a_job_says_that_its_input_was_looked_at(
    guards: Guards, tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    inputs = {"picture": clip(tmp_path / "a.png", 1)}
    said = Order(
        operation="animate", prompt="a ball", seconds=0.2, steps=1, inputs={"picture": "key"}
    )
    plan = prepare(said, Skyloom.load(tiny.model), inputs)
    (tmp_path / "out").mkdir()
    marking = Marking.ready(tiny.model)
    results, _ = deliver(plan, said, inputs, tmp_path / "out", lambda *_: None, marking, guards)
    (told,) = verify(results["video"]).manifests.statements[0].generation["guards"]
    for part in ("prompts", "inputs", "frames"):
        assert told[part]["allowed"] and told[part]["guards"], part


def test_stories_are_read_shot_by_shot_as_they_will_be_asked_for(guards: Guards) -> None:
    def told(*shots: str, **said: object) -> Order:
        story = {"shots": [{"prompt": shot, "seconds": 1} for shot in shots], **said}
        return Order(operation="storyboard", story=story)

    checked(guards, told("children play in a park", "a nude statue of marble in a museum"), {})
    checked(guards, told("a ball", negative="a naked woman having sex"), {})
    for wrong in (
        told("a ball", negative="a naked woman having sex", guidance=0),
        told("a ball", "a naked woman having sex"),
        told("a ball", style="a naked woman having sex"),
    ):
        for look in (lambda order: checked(guards, order, {}), check_order(guards)):
            with pytest.raises(Refused, match="sexual content"):
                look(wrong)
    long = told(*["a paper boat drifts past reeds while the light of the evening fades"] * 30)
    long = replace(long, prompt="a film")
    check_order(guards)(long)


def test_words_and_what_to_keep_away_from_are_read_apart(guards: Guards) -> None:
    both = order(negative="a nude statue of marble", guidance=0.5)
    check_order(guards)(replace(both, prompt="children play in a park"))
    checked(guards, replace(both, prompt="children play in a park"), {})
