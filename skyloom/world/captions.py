"""A scene told in English: a short caption and a detailed one, never the same sentence with slots.

A caption is a core (who does what, where) in one of several frames, and further units (camera,
look, word, relation, ...) in any order, joined by commas or as sentences. Every phrase that is
written also notes the fact that it states, so that what a caption claims can be listed and
compared with the scene: `Caption.facts` against `scene_facts`.
"""

from random import Random

from skyloom.world.scene import Scene
from skyloom.world.teller import Caption, Teller, camera_fact


def describe(scene: Scene, seed: int, still: bool = False) -> tuple[str, str]:
    """Tell a scene twice: (short, detailed). The same scene and seed give the same words.

    The short caption names the first subject, its colour, what it does and where, and some of the
    rest; the detailed one leaves out only clear weather and a natural look, now and then.

    Args:
        still: it is a single picture: nothing is said of camera, cuts and what takes time.
    """
    return (
        tell(scene, seed, detailed=False, still=still).text,
        tell(scene, seed, detailed=True, still=still).text,
    )


def tell(scene: Scene, seed: int, *, detailed: bool, still: bool = False) -> Caption:
    """One caption of a scene, with the facts it states."""
    # a string seed goes through SHA-512: no correlation with whoever drew the scene from `seed`
    return Teller(scene, Random(f"caption {seed} {detailed}"), detailed, still).caption()


def scene_facts(scene: Scene) -> dict[str, str]:
    """Every fact that a caption of the scene may state, by the names that `Caption.facts` uses."""
    facts = {"action": scene.action.name, "place": scene.place, "time": scene.time}
    facts |= {"weather": scene.weather, "look": scene.look}
    for index, subject in enumerate(scene.subjects):
        for name in ("kind", "color", "material", "size"):
            facts[f"{name} {index}"] = getattr(subject, name)
    if scene.action.object is not None:
        facts["object"] = str(scene.action.object)
    if scene.action.direction is not None:
        facts["direction"] = scene.action.direction
    if scene.relation is not None:
        relation = scene.relation
        facts["relation"] = f"{relation.subject} {relation.name} {relation.object}"
    if scene.word is not None:
        facts |= {"word": scene.word.text, "surface": scene.word.surface}
    for shot, camera in enumerate(scene.cameras):
        facts[f"camera {shot}"] = camera_fact(camera)
    if len(scene.cameras) > 1:
        facts["shots"] = str(len(scene.cameras))
    return facts
