"""Held-out prompts: captions of scenes whose combinations training never shows."""

from dataclasses import dataclass

from skyloom.bench.judges.attributes import asked_of
from skyloom.world.captions import tell
from skyloom.world.sampling import sample_scene
from skyloom.world.scene import TIERS, Scene
from skyloom.world.teller import Caption

FIRST_SEED = {"one": 7_000_000, "two": 7_100_000, "all": 7_200_000}
"""Of each tier's prompts."""


@dataclass(frozen=True)
class Prompt:
    """A prompt and what a clip of it must show.

    Attributes:
        scene: what the caption tells of.
        text: the caption.
        asked: the word of each attribute that the caption states and a clip can show.
    """

    scene: Scene
    text: str
    asked: dict[str, str]


def held_out_prompts(tier: str, count: int, first: int = 0) -> list[Prompt]:
    """The first `count` prompts of a tier, always the same.

    The tier of one subject alternates between detailed and short captions, the others are detailed.

    Args:
        tier: one of `world.scene.TIERS`.
        first: how many to pass over, for a second set that shares none with the first.
    """
    if tier not in TIERS:
        raise ValueError(f"no tier '{tier}': one of {TIERS}")
    prompts = []
    for number in range(first, first + count):
        scene = sample_scene(FIRST_SEED[tier] + number, split="heldout", tier=tier)
        detailed = tier != "one" or number % 2 == 0
        caption: Caption = tell(scene, scene.seed, detailed=detailed)
        prompts.append(Prompt(scene, caption.text, asked_of(scene, caption.facts)))
    return prompts
