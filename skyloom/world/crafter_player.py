"""A simple player of Crafter: one activity, decided from the semantic map, position and facing.

It walks the shortest way to the nearest thing that its activity is about and acts on it. It sees
only what the game's `info` gives, not the inside of the game.
"""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from random import Random

import numpy as np
from jaxtyping import UInt8

Cell = tuple[int, int]
SemanticMap = UInt8[np.ndarray, "X Y"]

# numbers of the game's semantic map: its materials from 1, then its creatures
MAP = {
    "water": 1, "grass": 2, "stone": 3, "path": 4, "sand": 5, "tree": 6, "lava": 7, "coal": 8,
    "iron": 9, "diamond": 10, "table": 11, "furnace": 12, "player": 13, "cow": 14, "zombie": 15,
    "skeleton": 16, "arrow": 17, "plant": 18,
}  # fmt: skip
WALKABLE = tuple(MAP[name] for name in ("grass", "path", "sand"))
MOVES: dict[str, Cell] = {
    "move_left": (-1, 0), "move_right": (1, 0), "move_up": (0, -1), "move_down": (0, 1),
}  # fmt: skip


@dataclass(frozen=True)
class Activity:
    """What a clip is about.

    Attributes:
        target: the thing on the map that is acted on, or None if the place does not matter.
        counts: the game's own achievement that says it was done.
        start: what the player carries at the start.
        script: actions to do instead of going to a target.
        once: whether the script is done once, and again and again otherwise.
    """

    target: str | None
    counts: str | None
    start: tuple[tuple[str, int], ...] = ()
    script: tuple[str, ...] = ()
    once: bool = False


TOOLS = (("wood_pickaxe", 1), ("stone_pickaxe", 1))
ACTIVITIES: dict[str, Activity] = {
    "gathers wood": Activity("tree", "collect_wood"),
    "mines stone": Activity("stone", "collect_stone", TOOLS[:1]),
    "mines coal": Activity("coal", "collect_coal", TOOLS[:1]),
    "mines iron": Activity("iron", "collect_iron", TOOLS),
    "drinks": Activity("water", "collect_drink", (("drink", 2),)),
    "fights a zombie": Activity("zombie", "defeat_zombie", (("wood_sword", 1),)),
    "hunts a cow": Activity("cow", "eat_cow", (("food", 3), ("wood_sword", 1))),
    "sleeps": Activity(None, "sleep", (("energy", 2),), ("sleep",)),
    "builds a table": Activity(
        None,
        "place_table",
        (("wood", 6),),
        ("place_table", "noop", "make_wood_pickaxe", "noop", "make_wood_sword", "noop"),
        once=True,
    ),
    "walls itself in": Activity(None, "place_stone", (("stone", 9),), ("place_stone", "turn")),
    "plants a sapling": Activity(
        None, "place_plant", (("sapling", 4),), ("place_plant", "turn", "noop")
    ),
    "explores": Activity(None, None),
}


class Player:
    """Decides one action a step for an activity."""

    def __init__(self, activity: Activity, rng: Random) -> None:
        self.activity = activity
        self.rng = rng
        self.facing: Cell = (0, 1)
        self.goal: Cell | None = None
        self.strolling = rng.randint(2, 5) if activity.script else 0
        """Steps to walk before a script begins."""
        self.done = 0

    def act(self, semantic: SemanticMap, position: Cell) -> str:
        """The next action, by the game's name for it."""
        action = self.decide(semantic, position)
        self.facing = MOVES.get(action, self.facing)
        return action

    def decide(self, semantic: SemanticMap, position: Cell) -> str:
        if self.rng.random() < 0.04:
            return "noop"  # nobody plays without a pause
        if self.strolling > 0:
            self.strolling -= 1
            return self.stroll(semantic, position)
        if self.activity.script:
            return self.follow_script(semantic, position)
        if self.activity.target is None:
            return self.stroll(semantic, position)
        wanted = MAP[self.activity.target]
        step = first_step(semantic, position, lambda cell: semantic[cell] == wanted)
        if step is None:
            return self.stroll(semantic, position)
        ahead = (position[0] + step[0], position[1] + step[1])
        if semantic[ahead] == wanted and self.facing == step:
            return "do"
        return move_of(step)  # a move against something solid turns the player to it

    def follow_script(self, semantic: SemanticMap, position: Cell) -> str:
        """The activity's actions in turn; "turn" is a move to a side where nothing stands yet."""
        script = self.activity.script
        if self.done >= len(script) and self.activity.once:
            return self.stroll(semantic, position)
        action = script[self.done % len(script)]
        ahead = (position[0] + self.facing[0], position[1] + self.facing[1])
        if action.startswith("place_") and seen_at(semantic, ahead) != MAP["grass"]:
            action = "turn"
        else:
            self.done += 1
        if action != "turn":
            return action
        free = [
            name for name, (dx, dy) in MOVES.items()
            if seen_at(semantic, (position[0] + dx, position[1] + dy)) in WALKABLE
        ]  # fmt: skip
        return self.rng.choice(free) if free else "noop"

    def stroll(self, semantic: SemanticMap, position: Cell) -> str:
        """Walk to some far place, then to the next."""
        if self.goal is None or self.goal == position or semantic[self.goal] not in WALKABLE:
            cells = [
                (int(x), int(y)) for x, y in np.argwhere(np.isin(semantic, WALKABLE))
                if 4 <= abs(x - position[0]) + abs(y - position[1]) <= 16
            ]  # fmt: skip
            self.goal = self.rng.choice(cells) if cells else None
        step = self.goal and first_step(semantic, position, lambda cell: cell == self.goal)
        if not step:
            self.goal = None
            return self.rng.choice(list(MOVES))
        return move_of(step)


def move_of(step: Cell) -> str:
    """The action that goes one cell in a direction."""
    return next(name for name, direction in MOVES.items() if direction == step)


def seen_at(semantic: SemanticMap, cell: Cell) -> int:
    """What stands on a cell, as in MAP; 0 beyond the edge of the map, where nothing is."""
    return int(semantic[cell]) if on_map(cell, semantic.shape) else 0


def on_map(cell: Cell, shape: Sequence[int]) -> bool:
    """Whether a map of a shape has a cell."""
    return 0 <= cell[0] < shape[0] and 0 <= cell[1] < shape[1]


def neighbours(cell: Cell, shape: Sequence[int]) -> Iterable[Cell]:
    """The cells to the left, right, above and below that are on the map."""
    for dx, dy in MOVES.values():
        near = cell[0] + dx, cell[1] + dy
        if on_map(near, shape):
            yield near


def first_step(semantic: SemanticMap, start: Cell, reached: Callable[[Cell], bool]) -> Cell | None:
    """The first step of a shortest way over walkable ground to a cell that is `reached`.

    The cell itself need not be walkable: a tree is reached by standing next to it.
    """
    came: dict[Cell, Cell] = {start: start}
    queue = deque([start])
    while queue:
        cell = queue.popleft()
        for near in neighbours(cell, semantic.shape):
            if near in came:
                continue
            came[near] = cell
            if reached(near):
                while came[near] != start:
                    near = came[near]
                return near[0] - start[0], near[1] - start[1]
            if semantic[near] in WALKABLE:
                queue.append(near)
    return None


def cells_around(semantic: SemanticMap, target: Cell, distances: range) -> list[Cell]:
    """Walkable cells from which `target` is that many steps away."""
    steps = {target: 0}
    queue = deque([target])
    found = []
    while queue:
        cell = queue.popleft()
        if steps[cell] in distances and cell != target:
            found.append(cell)
        if steps[cell] >= distances.stop - 1:
            continue
        for near in neighbours(cell, semantic.shape):
            if near not in steps and semantic[near] in WALKABLE:
                steps[near] = steps[cell] + 1
                queue.append(near)
    return found
