"""The speaker: nouns and verbs of one caption, and the memory of what was said.

Reading order matters: a subject is "a shiny red ball" where it comes first and "the ball" after.
Every phrase also notes the fact that it states.
"""

from random import Random

from skyloom.world import phrases, phrases_film
from skyloom.world.phrases import Row
from skyloom.world.scene import Scene


def sides_of(direction: str) -> tuple[str, dict[str, str]]:
    """The row of a direction and what fills it: left and right share their phrases."""
    if direction in ("left", "right"):
        return "side", {"d": direction, "e": "right" if direction == "left" else "left"}
    return direction, {}


class Speaker:
    """Finds words for things and for what they do; remembers what was mentioned and stated."""

    def __init__(self, scene: Scene, rng: Random, detailed: bool, still: bool) -> None:
        self.scene = scene
        self.rng = rng
        self.detailed = detailed
        self.still = still
        self.facts: dict[str, str] = {}
        self.names: dict[int, str] = {}
        """Subject -> the word that was chosen for its kind when it was first mentioned."""

    def chance(self, short: float, detailed: float = 1.0) -> bool:
        return self.rng.random() < (detailed if self.detailed else short)

    def pick(self, row: Row, plain: float = 0.35) -> str:
        """One phrase of a row; the plainest comes first and most often."""
        return row[0] if self.rng.random() < plain else self.rng.choice(row)

    def noun(self, index: int) -> str:
        """A subject: "a shiny red ball" when first mentioned, then "the ball"."""
        subject = self.scene.subjects[index]
        twins = [
            other for other, that in enumerate(self.scene.subjects)
            if other != index and (that.kind, that.color) == (subject.kind, subject.color)
        ]  # fmt: skip
        color = self.pick(phrases.COLOR.get(subject.color, (subject.color,)), 0.8)
        if index in self.names:
            rivals = sum(that.kind == subject.kind for that in self.scene.subjects) > 1
            adjectives = [color] if rivals or self.rng.random() < 0.25 else []
            if twins:
                adjectives.insert(0, "first" if index < twins[0] else "second")
            return " ".join(["the", *adjectives, self.names[index]])
        self.names[index] = self.pick(phrases.KIND[subject.kind], 0.7)
        self.facts |= {f"kind {index}": subject.kind, f"color {index}": subject.color}
        return self.introduce(index, color, any(twin in self.names for twin in twins))

    def introduce(self, index: int, color: str, again: bool) -> str:
        """The first mention of a subject, with its size and material if they are to be said."""
        subject = self.scene.subjects[index]
        before, after = [color], ""
        if self.chance(0.15 if subject.material == "matte" else 0.5):
            self.facts[f"material {index}"] = subject.material
            if self.rng.random() < 0.2:
                after = " " + self.pick(phrases.MADE_OF[subject.material])
            else:
                word = self.pick(phrases.MATERIAL[subject.material], 0.5)
                before.insert(self.rng.choice((0, 0, 1)), word)
        if self.chance(0.05 if subject.size == "medium" else 0.45):
            self.facts[f"size {index}"] = subject.size
            before.insert(0, self.pick(phrases.SIZE[subject.size], 0.5))
        adjectives = (", " if self.rng.random() < 0.15 else " ").join(before)
        article = "another" if again else ("an" if adjectives[0] in "aeiou" else "a")
        return f"{article} {adjectives} {self.names[index]}{after}"

    def actor(self, inline: bool = True) -> str:
        """Who acts, sometimes told by where it stands: "a red ball left of a blue cube"."""
        relation, actor = self.scene.relation, self.scene.action.subject
        text = self.noun(actor)
        if (
            not inline
            or relation is None
            or relation.subject != actor
            or not self.chance(0.4, 0.25)
        ):
            return text
        row, sides = sides_of(relation.name.removesuffix(" of"))
        self.facts["relation"] = f"{relation.subject} {relation.name} {relation.object}"
        prep = self.pick(
            phrases_film.RELATION_PREP.get(row) or phrases_film.RELATION_PREP[relation.name]
        )
        return f"{text} {prep.format(**sides)} {self.noun(relation.object)}"

    def verb(self, ground: str, *, ing: bool) -> str:
        """What the actor does, with direction, ground and object where it has them.

        In a single picture it is told now and then, and only where the picture shows it.
        """
        if self.still:
            ing = True
            if self.scene.action.name not in phrases.STILL_ACTIONS or self.rng.random() < 0.5:
                return ""
        action = self.scene.action
        pair = self.rng.choice(phrases.ACTION[action.name])
        if self.rng.random() < 0.35:
            pair = phrases.ACTION[action.name][0]
        template = pair[1] if ing else pair[0]
        self.facts["action"] = action.name
        aside = along = ""
        if action.direction is not None:
            row, sides = sides_of(action.direction)
            along = self.pick(phrases.SIDE[row], 0.3).format(**sides)
            aside = self.pick(phrases.HEADING).format(x=along)
            self.facts["direction"] = action.direction
        thing = ""
        if action.object is not None:
            thing = self.noun(action.object)
            self.facts["object"] = str(action.object)
        elif action.name in phrases.PROP:
            thing = self.pick(phrases.PROP[action.name])
        along = f" {along}" if along else ""
        ground = f" {ground}" if ground else ""
        return template.format(d=along, h=aside, g=ground, o=thing)
