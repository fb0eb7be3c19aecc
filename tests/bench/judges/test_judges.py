"""The judges: shapes, sizes, saving, learning, and resuming."""

import json

import numpy as np
import pytest
import torch

from skyloom.bench.judges.attributes import ROLES
from skyloom.bench.judges.data import LEARNT
from skyloom.bench.judges.judge import ACCURACY, NAME, Judge, load_judge, looked_at, save_judge
from skyloom.bench.judges.network import (
    MARGIN,
    PORTRAIT,
    Boxes,
    JudgeConfig,
    JudgeNetwork,
    boxes_of,
    portraits,
)
from skyloom.bench.judges.training import JudgeRecipe, JudgeTask, finding_loss, main, words_loss
from skyloom.bench.tally import Tally
from skyloom.errors import UserError
from skyloom.video import Video

TINY = JudgeConfig(
    motion=(8, 8), portrait=(8, 8, 8), scenery=(8, 8, 8), width=16, layers=1, heads=2
)


def video(size=(64, 64), frames=13, seed=0):
    pixels = np.random.default_rng(seed).integers(0, 256, (frames, size[1], size[0], 3))
    return Video(pixels.astype(np.uint8), 3.0)


@pytest.fixture
def network():
    torch.manual_seed(0)
    network = JudgeNetwork(TINY).eval()
    for weight in network.parameters():  # what starts at zero would hide mistakes
        torch.nn.init.normal_(weight, std=0.2)
    return network


@pytest.mark.parametrize("size", [(128, 128), (160, 96), (96, 160), (64, 64)])
@pytest.mark.parametrize("frames", [1, 5, 49])
def test_every_size_and_length_gets_a_word_for_everything(network, size, frames):
    words = Judge(network, {}).words(video(size, frames))
    assert set(words) == set(LEARNT)
    assert all(word in LEARNT[name] for name, word in words.items())


def test_a_clip_is_judged_alone_as_in_company(network):
    judge, clips = Judge(network, {}), [video(seed=seed) for seed in range(3)]
    together = judge.logits(clips)
    alone = judge.logits(clips[1:2])
    for name, logits in alone.items():
        torch.testing.assert_close(together[name][1:2], logits, atol=1e-4, rtol=1e-4)


def test_places_are_shares_and_who_is_not_there_has_no_face(network):
    clip = torch.rand(2, 4, 3, 32, 48) * 2 - 1
    looked = looked_at(2, 4)
    free = network(clip, looked)
    assert free.places.shape == (2, 4, len(ROLES), 4, 6)
    torch.testing.assert_close(free.places.exp().sum(dim=(3, 4)), torch.ones(2, 4, 3))
    boxes = torch.tensor([0.5, 0.5, 0.3, 0.3]).expand(2, 4, 3, 4)
    visible = torch.ones(2, 4, 3)
    visible[1, :, 0] = 0
    told = network(clip, looked, Boxes(boxes, visible))
    clip[:, :, :, 8:24, 12:36] *= -1  # another face, where the boxes are
    other = network(clip, looked, Boxes(boxes, visible))
    assert not torch.allclose(told.words["first kind"][0], other.words["first kind"][0], atol=1e-2)


def test_portraits_show_what_the_boxes_hold():
    pictures = torch.zeros(1, 2, 3, 64, 96)
    pictures[0, 1, :, 20:40, 50:60] = 1.0  # 20 pixels high and 10 wide
    boxes = torch.tensor([55 / 96, 30 / 64, 10 / 96, 20 / 64]).expand(1, 2, 1, 4)
    cut = portraits(pictures, boxes, torch.ones(1, 2, 1, dtype=torch.bool))
    assert cut.shape == (2, 3, PORTRAIT, PORTRAIT) and cut[0].abs().max() == 0
    height, width = (int((cut[1, 0].amax(dim=axis) > 0.5).sum()) for axis in (1, 0))
    assert abs(height - PORTRAIT / MARGIN) <= 1.5 and abs(width - height / 2) <= 1.5
    lit = (cut[1, 0] > 0.5).nonzero().float().mean(dim=0)
    torch.testing.assert_close(lit, torch.full((2,), (PORTRAIT - 1) / 2), atol=1.0, rtol=0)


def test_boxes_are_about_the_likeliest_cell():
    places = torch.full((1, 1, 1, 8, 12), -20.0)
    places[0, 0, 0, 2, 3] = places[0, 0, 0, 2, 4] = -0.9
    places[0, 0, 0, 7, 11] = -1.5  # another likely one, far away
    extents = torch.tensor([0.25, 0.5]).log().expand(1, 1, 1, 2)
    box = boxes_of(places, extents)[0, 0, 0]
    torch.testing.assert_close(box, torch.tensor([4 / 12, 2.5 / 8, 0.25, 0.5]), atol=1e-3, rtol=0)


def test_saved_judges_come_back(network, tmp_path):
    save_judge(tmp_path, network)
    judge = load_judge(tmp_path)
    assert judge.network.config == TINY and judge.accuracy == {}
    (tmp_path / NAME / ACCURACY).write_text(json.dumps({"one": {"mean": 0.9}}))
    assert load_judge(tmp_path).accuracy["one"]["mean"] == 0.9
    for key, value in judge.network.state_dict().items():
        torch.testing.assert_close(value, network.state_dict()[key].bfloat16().float())


def test_a_judge_of_another_shape_is_refused(network, tmp_path):
    save_judge(tmp_path, network)
    config = tmp_path / NAME / "config.json"
    config.write_text(config.read_text().replace('"width": 16', '"width": 32'))
    with pytest.raises(UserError, match="another shape"):
        load_judge(tmp_path)
    with pytest.raises(UserError, match="does not exist"):
        load_judge(tmp_path / "nowhere")


def recipe(folder, out, **changes):
    lines = {
        "out": f'"{out}"', "data": f'["{folder}"]', "held_out": "2", "batch": "2",
        "test_clips": "0",
        "model.motion": "[8, 8]", "model.portrait": "[8, 8, 8]", "model.scenery": "[8, 8, 8]",
        "model.width": "16",
        "model.layers": "1", "model.heads": "2", "optim.steps": "6", "optim.warmup": "2",
        "loop.log_every": "2",
    } | changes  # fmt: skip
    path = out.with_suffix(".toml")
    path.write_text(f"out = {lines.pop('out')}\ndata = {lines.pop('data')}\n")
    return path, [f"{key}={value}" for key, value in lines.items()]


def test_a_resumed_run_equals_one_that_never_stopped(raw, tmp_path):
    folder = raw()
    path, settings = recipe(folder, tmp_path / "whole")
    assert main(path, settings) == 6
    path, settings = recipe(folder, tmp_path / "parts")
    main(path, [*settings, "optim.steps=6"], minutes=0.0)
    for _ in range(20):
        if main(path, settings, minutes=0.005) == 6:
            break
    whole, parts = (load_judge(tmp_path / run / "model") for run in ("whole", "parts"))
    for key, value in whole.network.state_dict().items():
        assert torch.equal(value, parts.network.state_dict()[key]), key


def test_a_run_goes_on_from_a_judge(raw, tmp_path):
    folder = raw()
    path, settings = recipe(folder, tmp_path / "first")
    main(path, settings)
    start = tmp_path / "first" / "model"
    path, settings = recipe(folder, tmp_path / "second", start=f'"{start}"', **{"optim.steps": "1"})
    settings = [one for one in settings if not one.startswith("model.")]
    main(path, [*settings, "optim.lr=0.0", "optim.weight_decay=0.0"])
    before, after = (load_judge(tmp_path / run / "model").network for run in ("first", "second"))
    assert after.config == before.config
    for key, value in before.state_dict().items():
        assert torch.equal(value, after.state_dict()[key]), key


def test_a_run_says_that_it_lacks_clips(raw, tmp_path):
    folder = raw(2)
    with pytest.raises(UserError, match="held_out = 2"):
        JudgeTask(JudgeRecipe(str(tmp_path), (str(folder),), held_out=2, model=TINY))


def test_judges_learn_what_they_are_shown(raw, tmp_path):
    """A few clips of noise by heart: every head and every path must take part."""
    folder = raw(6)
    model = JudgeConfig(
        motion=(16, 16), portrait=(16, 16, 16), scenery=(16, 16, 16), width=32, layers=1, heads=2
    )
    task = JudgeTask(JudgeRecipe(str(tmp_path), (str(folder),), held_out=1, model=model, batch=4))
    network = task.network.float()
    batch = task.train.batch(0)
    optimizer = torch.optim.Adam(network.parameters(), lr=5e-3)
    looked = looked_at(len(batch.clip), batch.clip.shape[1])
    rows = torch.arange(len(batch.clip))[:, None]
    told = Boxes(batch.boxes[rows, looked], batch.visible[rows, looked])
    losses = []
    for _ in range(60):
        findings = network(batch.clip, looked, told)
        words, right = words_loss(findings, batch, told.visible.amax(dim=1))
        loss = words + finding_loss(findings, batch)
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert all(weight.grad is not None for weight in network.parameters())
    assert right > 0.9 and losses[-1] < 0.5 * losses[0]


def test_the_tally_counts():
    tally = Tally()
    asked = {"place": "moon", "time": "day", "word": "SKY"}
    assert tally.add(asked, {"place": "moon", "time": "night"}) == {"place": True, "time": False}
    tally.add({"place": "beach"}, {"place": "beach", "time": "night"})
    figures = tally.figures()
    assert figures["attributes"] == {
        "place": {"accuracy": 1.0, "asked": 2}, "time": {"accuracy": 0.0, "asked": 1},
    }  # fmt: skip
    assert (figures["mean"], figures["all at once"], figures["clips"]) == (0.5, 0.5, 2)
