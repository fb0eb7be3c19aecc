"""What the head is asked: which subject lies under each token, by the world's boxes."""

import pytest
import torch
from torch.testing import assert_close

from skyloom.train.truth import IGNORED, TruthHead, subject_tokens, truth_labels
from skyloom.world.scene import COLORS, KINDS

BALL, CUBE = 1 + KINDS.index("ball"), 1 + KINDS.index("cube")
RED, BLUE = 1 + COLORS.index("red"), 1 + COLORS.index("blue")


def truth(*screen: list) -> dict:
    return {
        "subjects": [{"kind": "ball", "color": "red"}, {"kind": "cube", "color": "blue"}],
        "screen": list(screen),
    }


def kinds(record: dict | None, grid: tuple[int, int, int], stride: int = 4) -> list:
    return truth_labels([record], [grid], stride)[:, 0].reshape(grid).tolist()


def test_a_box_labels_the_tokens_whose_centres_it_covers() -> None:
    # The left half of the lower half of a picture of 2 x 4 tokens.
    record = truth([[0.25, 0.75, 0.5, 0.5, 0.1], None])
    assert kinds(record, (1, 2, 4)) == [[[0, 0, 0, 0], [BALL, BALL, 0, 0]]]
    labels = truth_labels([record], [(1, 2, 4)], 4)
    assert labels[4].tolist() == [BALL, RED] and labels[0].tolist() == [0, 0]


def test_the_smaller_box_lies_on_top() -> None:
    record = truth([[0.5, 0.5, 0.4, 0.4, 0.1], [0.5, 0.5, 1.0, 1.0, 0.5]])
    assert kinds(record, (1, 3, 3)) == [[[CUBE] * 3, [CUBE, BALL, CUBE], [CUBE] * 3]]
    assert truth_labels([record], [(1, 3, 3)], 4)[4].tolist() == [BALL, RED]
    assert truth_labels([record], [(1, 3, 3)], 4)[0].tolist() == [CUBE, BLUE]


def test_a_box_smaller_than_a_token_labels_the_one_under_it() -> None:
    record = truth([[0.6, 0.1, 0.01, 0.01, 0.01], None])
    assert kinds(record, (1, 2, 4)) == [[[0, 0, BALL, 0], [0, 0, 0, 0]]]


def test_what_is_hidden_or_out_of_the_picture_labels_nothing() -> None:
    hidden = truth([[0.5, 0.5, 1.0, 1.0, 0.0], None])
    assert kinds(hidden, (1, 2, 2)) == [[[0, 0], [0, 0]]]
    across = truth([[0.0, 0.5, 1.0, 1.0, 0.1], None])  # half of it is seen
    assert kinds(across, (1, 1, 4)) == [[[BALL, BALL, 0, 0]]]


def test_a_latent_frame_shows_the_last_frame_it_stands_for() -> None:
    box = [0.5, 0.5, 1.0, 1.0, 0.5]
    record = truth(*[[box if frame >= 4 else None, None] for frame in range(7)])
    assert kinds(record, (3, 1, 1)) == [[[0]], [[BALL]], [[BALL]]]  # frames 0, 4 and 8 or the last


def test_clips_of_which_nothing_is_known_are_ignored() -> None:
    record = truth([[0.5, 0.5, 1.0, 1.0, 0.5], None])
    nothing = {"subjects": [], "screen": [[]]}
    labels = truth_labels([None, record, nothing], [(1, 1, 2), (1, 1, 1), (1, 2, 1)], 4)
    assert labels[:, 0].tolist() == [IGNORED, IGNORED, BALL, IGNORED, IGNORED]


def test_a_subject_touches_every_token_that_its_box_reaches_in_any_frame() -> None:
    small, right = [0.3, 0.5, 0.1, 0.2, 0.1], [0.8, 0.5, 0.1, 0.2, 0.1]
    record = truth([small, None], [small, None], [right, None], [None, None])
    shown = subject_tokens([record, None], [(3, 1, 4), (1, 1, 2)], 2)
    assert shown.dtype == torch.bool
    # Frame 0 alone, then frames 1 and 2 together, then nothing; and a clip of nobody knows what.
    assert shown[:12].reshape(3, 4).tolist() == [
        [False, True, False, False],
        [False, True, False, True],
        [False, False, False, False],
    ]
    assert not shown[12:].any()


def test_labels_against_the_pixels_of_a_clip() -> None:
    """Where a token is labelled, the picture shows the subject's colour more often than not."""
    from skyloom.world import render_clip, sample_scene

    scene = next(
        scene
        for scene in (sample_scene(seed, tier="one") for seed in range(500))
        if scene.look == "natural"
        and scene.subjects[0].color == "red"
        and scene.subjects[0].size == "large"
        and scene.time == "day"
        and scene.weather == "clear"
    )
    clip = render_clip(scene, size=(96, 96), frames=9)
    labels = truth_labels([clip.truth], [(3, 6, 6)], 4).reshape(3, 6, 6, 2)
    shown = labels[..., 0] > 0
    assert shown.any()
    assert set(labels[shown][:, 0].tolist()) == {1 + KINDS.index(scene.subjects[0].kind)}
    assert set(labels[shown][:, 1].tolist()) == {RED}
    pixels = torch.from_numpy(clip.video.frames[::4]).float()
    redness = pixels[..., 0] - pixels[..., 1:].amax(dim=-1)
    redness = redness.reshape(3, 6, 16, 6, 16).mean(dim=(2, 4))
    assert redness[shown].mean() > redness[~shown].mean() + 20


def test_the_head_reads_what_it_is_asked() -> None:
    torch.manual_seed(0)
    head = TruthHead(8)
    hidden = torch.randn(5, 8)
    labels = torch.tensor([[0, 0], [BALL, RED], [CUBE, BLUE], [IGNORED, IGNORED], [BALL, BLUE]])
    loss, _ = head.loss(hidden, labels)
    known = labels[:, 0] != IGNORED
    assert_close(loss, head.loss(hidden[known], labels[known])[0])
    for _ in range(200):
        loss, right = head.loss(hidden, labels)
        head.zero_grad()
        loss.backward()
        with torch.no_grad():
            for weight in head.parameters():
                assert weight.grad is not None
                weight -= 0.5 * weight.grad
    assert loss.item() < 0.1 and right == pytest.approx(1.0)
