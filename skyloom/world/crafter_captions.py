"""A clip of Crafter told in English: what the player does, where, when, and how much came of it."""

from random import Random

from skyloom.world.phrases import Pair, Row

WHO: Row = (
    "the player", "the player", "a player", "the character", "a small figure", "the adventurer",
)  # fmt: skip
DOES: dict[str, tuple[Pair, ...]] = {
    "gathers wood": (
        ("gathers wood", "gathering wood"), ("collects wood", "collecting wood"),
        ("chops down trees", "chopping down trees"),
        ("cuts trees for wood", "cutting trees for wood"),
        ("fells trees", "felling trees"),
    ),
    "mines stone": (
        ("digs for stone", "digging for stone"), ("mines stone", "mining stone"),
        ("digs a tunnel into the rock", "digging a tunnel into the rock"),
        ("digs into the stone with a pickaxe", "digging into the stone with a pickaxe"),
        ("breaks stone with a pickaxe", "breaking stone with a pickaxe"),
    ),
    "mines coal": (
        ("mines coal", "mining coal"), ("digs for coal", "digging for coal"),
        ("digs up coal with a pickaxe", "digging up coal with a pickaxe"),
        ("collects coal", "collecting coal"),
    ),
    "mines iron": (
        ("mines iron", "mining iron"), ("digs for iron", "digging for iron"),
        ("collects iron ore", "collecting iron ore"),
        ("breaks iron ore out of the rock", "breaking iron ore out of the rock"),
    ),
    "drinks": (
        ("drinks water", "drinking water"), ("drinks from the water", "drinking from the water"),
        ("goes to the water and drinks", "going to the water and drinking"),
        ("quenches its thirst at the water", "quenching its thirst at the water"),
    ),
    "fights a zombie": (
        ("fights a zombie", "fighting a zombie"), ("battles a zombie", "battling a zombie"),
        ("attacks a zombie with a sword", "attacking a zombie with a sword"),
        ("strikes down a zombie", "striking down a zombie"),
    ),
    "hunts a cow": (
        ("hunts a cow", "hunting a cow"), ("fights a cow for food", "fighting a cow for food"),
        ("kills a cow and eats it", "killing a cow and eating it"),
        ("chases a cow for its meat", "chasing a cow for its meat"),
    ),
    "sleeps": (
        ("sleeps", "sleeping"), ("lies down and sleeps", "lying down and sleeping"),
        ("falls asleep", "falling asleep"), ("goes to sleep", "going to sleep"),
        ("takes a rest and sleeps", "taking a rest and sleeping"),
    ),
    "builds a table": (
        ("builds a table", "building a table"),
        ("places a crafting table", "placing a crafting table"),
        ("builds a table and crafts tools", "building a table and crafting tools"),
        ("makes a workbench out of wood", "making a workbench out of wood"),
    ),
    "walls itself in": (
        ("walls itself in with stones", "walling itself in with stones"),
        ("places stones around itself", "placing stones around itself"),
        ("builds a shelter of stones", "building a shelter of stones"),
        ("sets stones down one by one", "setting stones down one by one"),
    ),
    "plants a sapling": (
        ("plants saplings", "planting saplings"), ("plants a sapling", "planting a sapling"),
        ("sets young plants into the grass", "setting young plants into the grass"),
        ("farms the grass with saplings", "farming the grass with saplings"),
    ),
    "explores": (
        ("explores the map", "exploring the map"), ("walks around", "walking around"),
        ("wanders about", "wandering about"), ("explores", "exploring"),
        ("roams the land", "roaming the land"),
    ),
}  # fmt: skip
WHERE: dict[str, Row] = {
    "grassland": ("on grassland", "in a grassy plain", "on the grass", "in open grassland"),
    "forest": ("in a forest", "among trees", "in the woods", "between trees"),
    "rocks": ("in the mountains", "among rocks", "in rocky terrain", "in a cave of stone"),
    "shore": ("by the water", "on the shore", "near the water", "at a lake"),
}
WHEN: dict[str, Row] = {
    "day": ("by day", "in daylight", "during the day"),
    "sunset": ("in the evening", "at dusk", "as it gets dark", "at sunset"),
    "night": ("at night", "in the dark", "by night", "after dark"),
}
FRAMES: Row = (
    "{who} {does} in Crafter{where}{when}",
    "{who} {does}{where}{when} in the game Crafter",
    "Crafter: {who} {does}{where}{when}",
    "a clip of the game Crafter: {who} {does}{where}{when}",
    "in the game Crafter, {who} {does}{where}{when}",
    "gameplay of Crafter in which {who} {does}{where}{when}",
    "Crafter gameplay, {doing}{where}{when}",
    "the video game Crafter, {who} {doing}{where}{when}",
    "{who} of Crafter {does}{where}{when}",
    "{doing} in Crafter{where}{when}",
    "watch how {who} {does}{where}{when} in Crafter",
    "a game of Crafter{when}: {who} {does}{where}",
)
"""Each names the game."""
VIEW: Row = (
    "the map is seen from straight above and moves with the player",
    "the view from above follows the player",
    "it is seen from above, in square tiles",
    "the camera looks down from above and keeps the player in the middle",
)
STYLE: Row = (
    "it looks like pixel art", "the picture is made of square pixel art tiles",
    "the style is pixel art", "everything is drawn as pixel art",
)  # fmt: skip
BAR: Row = (
    "the bar below shows health, food, water and energy, and what the player carries",
    "health, food, water and energy stand in the bar at the bottom",
    "the inventory is shown at the bottom",
)
NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
RESULT: dict[str, Row] = {
    "gathers wood": ("{n} of wood collected", "the player gets {n} of wood"),
    "mines stone": ("{n} of stone collected", "the player digs out {n} of stone"),
    "mines coal": ("{n} of coal collected", "the player gets {n} of coal"),
    "mines iron": ("{n} of iron collected", "the player gets {n} of iron"),
    "fights a zombie": ("the zombie is defeated", "in the end the zombie is gone"),
    "hunts a cow": ("the cow is eaten", "the player eats the cow"),
    "builds a table": ("the table stays where it was built", "the table is finished"),
    "sleeps": ("the screen goes dark while the player sleeps", "the view is dim during sleep"),
}


def describe_crafter(
    activity: str, time: str, terrain: str, count: int, seed: int
) -> tuple[str, str]:
    """The short and the detailed caption of a clip.

    Args:
        activity: a key of `DOES`.
        time: "day", "sunset" or "night".
        terrain: a key of `WHERE`.
        count: how often the activity succeeded; 0 is not told.
        seed: draws the words.
    """
    rng = Random(f"crafter caption {seed}")
    said_when = time != "day" or rng.random() < 0.2
    where = " " + rng.choice(WHERE[terrain]) if rng.random() < 0.4 else ""
    short = _frame(rng, activity, where, " " + rng.choice(WHEN[time]) if said_when else "")
    if rng.random() < 0.35:
        short = _sentence(short)
    told = [_frame(rng, activity, " " + rng.choice(WHERE[terrain]), " " + rng.choice(WHEN[time]))]
    more = [rng.choice(VIEW), rng.choice(STYLE), rng.choice(BAR)]
    if count and activity in RESULT:
        number = NUMBERS[count] if count < len(NUMBERS) else "many"
        pieces = f"{number} piece{'s' if count > 1 else ''}"
        more.append(rng.choice(RESULT[activity]).format(n=pieces))
    rng.shuffle(more)
    told += more[: rng.randint(2, len(more))]
    if rng.random() < 0.8:
        return short, " ".join(map(_sentence, told))
    return short, ", ".join(told)


def _frame(rng: Random, activity: str, where: str, when: str) -> str:
    does, doing = rng.choice(DOES[activity])
    who = rng.choice(WHO)
    return rng.choice(FRAMES).format(who=who, does=does, doing=doing, where=where, when=when)


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:] + "."
