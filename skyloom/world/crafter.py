"""Clips of Crafter, a small open Minecraft-like game: the world's digital place.

A clip is about one activity. The player is put where the activity can begin, with the tools it
needs, and a simple policy plays; what it achieved comes from the game's own counters. Needs the
package `crafter` (extra "world").

Crafter: Hafner, "Benchmarking the Spectrum of Agent Capabilities", arXiv 2109.06780.
"""

import copy
import functools
import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Any

import numpy as np
from einops import repeat
from jaxtyping import UInt8

from skyloom.extras import need
from skyloom.video import Video
from skyloom.world.crafter_captions import describe_crafter
from skyloom.world.crafter_player import ACTIVITIES, MAP, Activity, Cell, Player, cells_around

if TYPE_CHECKING:
    from skyloom.world.clip import Clip

AREA = (48, 48)
WORLDS = {"train": range(64), "heldout": range(64, 80)}
"""Numbers of the maps. Making one takes the game most of a second: a process keeps them."""
TEXTURE = 16
"""Pixels of the game's own pictures."""
TIMES = {"day": range(20, 110), "sunset": range(152, 166), "night": range(190, 214)}
"""Steps of the game's day of 300 at which a clip may begin."""
ATTEMPTS = 8


@dataclass(frozen=True)
class Play:
    """One game as it went: a picture a state, and what led to it."""

    pictures: list[UInt8[np.ndarray, "H W 3"]]
    actions: list[str]
    events: list[tuple[str, int]]
    terrain: str
    count: int


def render_crafter(
    seed: int,
    size: tuple[int, int] = (128, 128),
    frames: int = 49,
    fps: float = 12.0,
    split: str = "train",
) -> "Clip":
    """Play and film one activity; the same arguments give the same bytes in every process.

    Args:
        seed: draws the map, the activity, the time of day, the pace and the words.
        size: (width, height); the view shows more of the map to the longer side.
        frames: number of frames; a game step is held for a fraction of a second.
        fps: frames a second.
        split: "train", or "heldout" for maps that no training clip shows.

    Raises:
        UserError: crafter is not installed.
    """
    from skyloom.world.clip import Clip

    rng = Random(f"crafter {seed}")
    hold = max(1, round(fps / rng.choice((4.0, 6.0))))
    steps = math.ceil(frames / hold)
    name = rng.choice(list(ACTIVITIES))
    time = rng.choices(list(TIMES), (6, 1, 0) if name != "sleeps" else (3, 2, 1))[0]
    if name == "fights a zombie":
        time = rng.choices(("day", "night"), (3, 1))[0]
    world = rng.choice(WORLDS[split])
    play = None
    for attempt in range(ATTEMPTS + 1):
        if attempt == ATTEMPTS:
            name = "explores"  # works everywhere
        play = _play(name, world, time, steps, size, Random(f"crafter {seed} {attempt}"))
        if play is not None:
            break
        world = rng.choice(WORLDS[split])
    assert play is not None
    held = repeat(np.stack(play.pictures), "f h w c -> (f hold) h w c", hold=hold)[:frames]
    truth = _truth(name, time, play, hold)
    truth |= {"seed": seed, "size": list(size), "fps": fps, "frames": frames}
    truth["actions"] = [play.actions[frame // hold] for frame in range(frames)]
    truth["shots"] = [{"start": 0, "end": frames, "camera": truth["camera"]}]
    truth["screen"] = [[] for _ in range(frames)]
    truth["events"] = [
        {"name": event, "subject": None, "object": None, "start": at, "end": at}
        for event, at in ((event, step * hold / fps) for event, step in play.events)
        if at < frames / fps
    ]
    short, detailed = describe_crafter(name, time, play.terrain, play.count, seed)
    return Clip(Video(np.ascontiguousarray(held), float(fps)), short, detailed, truth)


def _truth(name: str, time: str, play: Play, hold: int) -> dict[str, Any]:
    """What is known of a clip but for its frames; keys as for the other engine."""
    return {
        "engine": "crafter",
        "tier": "crafter",
        "subjects": [],
        "action": {"name": name, "subject": None, "object": None, "direction": None},
        "relation": None,
        "place": "crafter",
        "terrain": play.terrain,
        "time": time,
        "weather": "clear",
        "look": "pixel art",
        "camera": {"move": "follow", "direction": None},
        "word": None,
        "count": play.count,
        "hold": hold,
    }


def _play(
    name: str, world: int, time: str, steps: int, size: tuple[int, int], rng: Random
) -> Play | None:
    """Play one game; None if the map has no place for the activity or it did not come off."""
    activity = ACTIVITIES[name]
    env = _game(world, size)
    start = _start(env, activity, rng, near=max(1, min(4, steps // 4)))
    if start is None:
        return None
    _prepare(env, activity, start, rng.choice(TIMES[time]), rng)
    player = Player(activity, rng)
    before = dict(env._player.achievements)
    picture, _, over, info = env.step(0)  # a pause, for the first look around
    terrain = _terrain(info["semantic"], start)
    pictures, actions, events, asleep = [_fit(picture, size)], ["noop"], [], 0
    places = {start}
    for step in range(1, steps):
        position = (int(info["player_pos"][0]), int(info["player_pos"][1]))
        action = player.act(info["semantic"], position)
        known = info["achievements"]
        picture, _, over, info = env.step(env.action_names.index(action))
        if over:
            return None
        gained = [key for key, count in info["achievements"].items() if count > known[key]]
        events += [(key.replace("_", " "), step) for key in gained]
        asleep += bool(env._player.sleeping)
        places.add(position)
        pictures.append(_fit(picture, size))
        actions.append(action)
    achieved = info["achievements"]
    count = asleep if activity.counts == "sleep" else len(places)
    needed = steps // 2 if activity.counts is None or activity.counts == "sleep" else 1
    if activity.counts in achieved:
        count = achieved[activity.counts] - before[activity.counts]
    if count < needed and steps >= 8 and not (name == "explores" and len(places) > 2):
        return None  # a picture or two cannot show more than the attempt
    return Play(pictures, actions, events, terrain, count)


# ── the game ──────────────────────────────────────────────────────────────────────────────────
class _OrderedSet(dict):
    """A set that remembers the order of its members.

    The game keeps its creatures in sets, whose order goes by memory addresses: which cow vanishes
    would differ from process to process.
    """

    def __init__(self, members: Iterable[Any] = ()) -> None:
        super().__init__(dict.fromkeys(members))

    def add(self, member: Any) -> None:
        self[member] = None

    def remove(self, member: Any) -> None:
        del self[member]


@functools.cache
def _map(world: int) -> Any:
    """The game with a fresh map, to be copied."""
    crafter = need("crafter", extra="world")
    env = crafter.Env(area=AREA, seed=world)
    env.reset()
    chunks = env._world._chunks
    order = {id(thing): index for index, thing in enumerate(env._world.objects)}
    env._world._chunks = defaultdict(
        _OrderedSet,
        {
            key: _OrderedSet(sorted(things, key=lambda thing: order[id(thing)]))
            for key, things in chunks.items()
        },
    )
    return env


def _game(world: int, size: tuple[int, int]) -> Any:
    """A copy of a map's game that shows a view of the shape of `size`."""
    crafter = need("crafter", extra="world")
    env = copy.deepcopy(_map(world))
    columns, rows = _grid(size)
    tile = TEXTURE * max(1, round(min(size[0] / columns, size[1] / rows) / TEXTURE))
    item_rows = math.ceil(len(crafter.constants.items) / columns)
    env._view = np.array((columns, rows))
    env._size = env._view * tile
    env._local_view = crafter.engine.LocalView(
        env._world, env._textures, [columns, rows - item_rows]
    )
    env._item_view = crafter.engine.ItemView(env._textures, [columns, item_rows])
    return env


def _grid(size: tuple[int, int]) -> tuple[int, int]:
    """Columns and rows of nearly square tiles that fill `size`, about 8 the short way."""
    aspect = math.log(size[0] / size[1])

    def cost(grid: tuple[int, int]) -> float:
        return 10 * abs(math.log(grid[0] / grid[1]) - aspect) + 0.3 * abs(min(grid) - 8)

    return min(((x, y) for x in range(6, 25) for y in range(7, 25)), key=cost)


def _fit(picture: UInt8[np.ndarray, "h w 3"], size: tuple[int, int]) -> UInt8[np.ndarray, "H W 3"]:
    """Scale a picture of whole tiles to the size asked for, if it is not that already."""
    if picture.shape[:2] == (size[1], size[0]):
        return picture
    image = need("PIL.Image", extra="world")
    return np.asarray(image.fromarray(picture).resize(size, image.Resampling.BOX))


def _start(env: Any, activity: Activity, rng: Random, near: int) -> Cell | None:
    """A free cell a few steps from something that the activity needs."""
    semantic = env._sem_view()
    wanted = MAP[activity.target or "grass"]
    targets = [(int(x), int(y)) for x, y in np.argwhere(semantic == wanted)]
    if activity.target in ("zombie", "cow"):
        # creatures come to where there is room: any grass will do, `_prepare` puts one there
        targets = [(int(x), int(y)) for x, y in np.argwhere(semantic == MAP["grass"])]
        near = max(near, 2)
    rng.shuffle(targets)
    for target in targets[:40]:
        inside = all(6 <= at < side - 6 for at, side in zip(target, AREA, strict=True))
        cells = cells_around(semantic, target, range(near, near + 3)) if inside else []
        if cells:
            return rng.choice(cells)
    return None


def _prepare(env: Any, activity: Activity, start: Cell, step: int, rng: Random) -> None:
    """Put the player at the start with what it needs, at a time of day, and its foe near it."""
    objects = need("crafter.objects", extra="world")
    world, player = env._world, env._player
    world.move(player, start)
    # The world's generator also draws the noise of the night and the ways of all creatures.
    world.random.seed(rng.randrange(2**32))
    env._step = step
    for name, amount in activity.start:
        player.inventory[name] = amount
    for thing in world.objects:
        dangerous = isinstance(thing, objects.Zombie | objects.Skeleton)
        if dangerous and thing is not player and player.distance(thing) < 10:
            world.remove(thing)
    if activity.target in ("zombie", "cow"):
        semantic = env._sem_view()
        cells = [
            cell for cell in cells_around(semantic, start, range(2, 5))
            if semantic[cell] == MAP["grass"]
        ]  # fmt: skip
        if cells:
            foe = objects.Zombie if activity.target == "zombie" else objects.Cow
            extra = (player,) if activity.target == "zombie" else ()
            world.add(foe(world, rng.choice(cells), *extra))


def _terrain(semantic: UInt8[np.ndarray, "X Y"], position: Cell) -> str:
    """What the land around the player mostly is."""
    x, y = position
    around = semantic[max(x - 4, 0) : x + 5, max(y - 3, 0) : y + 4]

    def share(*names: str) -> float:
        return float(np.isin(around, [MAP[name] for name in names]).mean())

    if share("stone", "path", "coal", "iron", "diamond", "lava") > 0.35:
        return "rocks"
    if share("water", "sand") > 0.25:
        return "shore"
    return "forest" if share("tree") > 0.12 else "grassland"
