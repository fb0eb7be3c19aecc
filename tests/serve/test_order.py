"""Orders: strict, whole, and the same after their way through the database."""

from typing import Any

import pytest

from skyloom.config import to_dict
from skyloom.errors import UserError
from skyloom.serve.order import OPERATIONS, Order, as_story

KEY = "uploads/x.mp4"
STORY: dict[str, Any] = {
    "subjects": "a red ball",
    "shots": [{"prompt": "rolls", "seconds": 1.0}, {"picture": "story:0", "camera": "zoom in"}],
}
ORDERS = [
    Order(prompt="a ball", size=(1280, 720), seconds=8.0, seed=7, guidance=3.0, camera="left"),
    Order(operation="extend", inputs={"video": KEY}, trim=(0.5, 2.0), backward=True),
    Order(operation="fill", inputs={"video": KEY}, keep=((0.0, 1.0), (2.5, 3.0))),
    Order(operation="animate", inputs={"picture": KEY},
          path={"points": [[0, 0.5, 0.5], [1, 1, 0.5]], "radius": 0.1}),
    Order(operation="storyboard", story=STORY, inputs={"story:0": KEY, "character:0": KEY}),
]  # fmt: skip


@pytest.mark.parametrize("order", ORDERS)
def test_an_order_comes_back_as_it_was(order: Order) -> None:
    back = Order.from_json(order.to_json())
    assert back == order and back.to_json() == order.to_json()


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ({}, "The prompt is empty"),
        ({"prompt": " "}, "The prompt is empty"),
        ({"prompt": "x" * 5000}, "The prompt is too long"),
        ({"prompt": "a", "size": (8, 64)}, "size 8x64 cannot be delivered"),
        ({"prompt": "a", "size": (64, 4096)}, "size 64x4096 cannot be delivered"),
        ({"prompt": "a", "seconds": 601.0}, "seconds = 601 cannot be"),
        ({"prompt": "a", "seconds": float("nan")}, "seconds = nan cannot be"),
        ({"prompt": "a", "seed": -1}, "seed = -1 cannot be"),
        ({"prompt": "a", "steps": 1000}, "steps = 1000 cannot be"),
        ({"prompt": "a", "fps": 0.0}, "0 frames a second"),
        ({"prompt": "a", "guidance": float("inf")}, "Guidance inf"),
        ({"prompt": "a", "solver": "magic"}, "There is no solver 'magic'"),
        ({"prompt": "a", "strength": 2.0}, "strength = 2"),
        ({"operation": "connect", "inputs": {"video": KEY}}, "needs an input 'second'"),
        ({"operation": "fill", "inputs": {"video": KEY}}, "nothing to keep"),
        ({"prompt": "a", "inputs": {"../etc": KEY}}, "There is no input '../etc'"),
        ({"prompt": "a", "story": STORY}, "A storyboard, and nothing else, has a story"),
        ({"operation": "storyboard"}, "A storyboard, and nothing else, has a story"),
        ({"operation": "storyboard", "story": {"shots": []}}, "The story has no shots"),
        ({"operation": "storyboard", "story": STORY}, "Shot 2: there is no file 'story:0'"),
        ({"operation": "storyboard", "story": {"shots": ["x"]}}, "Shot 1 is no table"),
        (
            {"operation": "storyboard", "story": {"shots": [{"prompt": "x" * 4001}]}},
            "Shot 1 is too long: 4000",
        ),
        ({"operation": "storyboard", "story": {"shots": [{"promt": "x"}]}}, "'promt'|promt"),
        ({"operation": "animate", "inputs": {"picture": KEY}, "path": {"points": 3}}, "points"),
    ],
)
def test_what_cannot_be_is_a_sentence(said: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        Order(**said)


def test_an_unknown_key_is_named() -> None:
    with pytest.raises(UserError, match="'promt'"):
        Order.from_json('{"promt": "a ball"}')


def test_the_words_are_all_that_is_said() -> None:
    order = ORDERS[-1]
    assert order.words.split("\n") == ["a red ball", "rolls", "zoom in"]
    assert ORDERS[0].words == "a ball\nleft"
    assert order.characters == (KEY,)


def test_what_the_order_says_counts_more_than_its_story(tmp_path: Any) -> None:
    story = {**STORY, "size": [64, 32], "seed": 3, "steps": 9}
    inputs = {"story:0": "a", "character:0": "b"}
    paths = {role: tmp_path / key for role, key in inputs.items()}
    plain = as_story(Order(operation="storyboard", story=story, inputs=inputs), paths)
    assert (plain.size, plain.seed, plain.steps) == ((64, 32), 3, 9)
    assert plain.shots[1].picture == tmp_path / "a"
    said = Order(operation="storyboard", story=story, inputs=inputs, seed=5, size=(80, 48), steps=4)
    built = as_story(said, paths)
    assert (built.size, built.seed, built.steps) == ((80, 48), 5, 4)


def test_every_operation_can_be_ordered() -> None:
    inputs = {"picture": KEY, "video": KEY, "second": KEY}
    for operation in OPERATIONS:
        story = {"shots": [{"prompt": "a"}]} if operation == "storyboard" else None
        order = Order(operation=operation, prompt="a", inputs=inputs, keep=((0, 1),), story=story)
        assert to_dict(order)["operation"] == operation
