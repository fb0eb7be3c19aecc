"""The teller: puts one caption of a scene together, part by part, in the order it is read."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from skyloom.world import phrases, phrases_film
from skyloom.world.phrases import Row
from skyloom.world.scene import Camera, Scene
from skyloom.world.speaker import Speaker, sides_of

FRAMES: dict[str, float] = {
    "plain": 5, "front": 3, "fragment": 2, "of": 2, "there": 1, "see": 1, "watch": 0.6, "label": 1,
    "comma": 1, "camera": 1.5, "pause": 0.7, "bare": 0.6,
}  # fmt: skip
"""The shapes that the core of a caption takes, with their weights."""
STILL_FRAMES = {"bare": 6.0, "of": 4.0, "front": 2.0, "there": 1.0, "see": 1.0, "comma": 1.0}
"""Those that need no verb, for a single picture."""


@dataclass(frozen=True)
class Caption:
    """A caption, the frame of its core, and the facts it states by name ("place": "beach")."""

    text: str
    frame: str
    facts: dict[str, str]


def camera_fact(camera: Camera) -> str:
    """A camera move in plain words, "orbit left" or "still"."""
    return f"{camera.move} {camera.direction}" if camera.direction else camera.move


class Teller:
    """Writes one caption: a core in some frame, then units in some order."""

    def __init__(self, scene: Scene, rng: Random, detailed: bool, still: bool) -> None:
        self.scene = scene
        self.rng = rng
        self.detailed = detailed
        self.still = still
        self.speaker = Speaker(scene, rng, detailed, still)
        self.facts = self.speaker.facts
        self.sentences = rng.random() < (0.75 if detailed else 0.2)

    # ── the core ──────────────────────────────────────────────────────────────────────────────
    def setting(self, frame: str) -> tuple[str, list[str]]:
        """(ground to put into the verb, adverbials of place, time and weather in some order)."""
        scene, adverbs, ground = self.scene, [], ""
        fused = ""
        shares = (0.85, 0.6) if scene.weather != "clear" else (0.1, 0.25)
        if self.weather_matters() and self.speaker.chance(*shares):
            fused = self.speaker.pick(phrases.WEATHER[scene.weather], 0.3)
            self.facts["weather"] = scene.weather
        if fused and "{t}" in fused:
            fused = fused.format(t=phrases.TIME_NOUN[scene.time])
            self.facts["time"] = scene.time
        elif self.speaker.chance(0.25 if scene.time == "day" else 0.85, 0.65):
            adverbs.append(self.speaker.pick(phrases.TIME[scene.time]))
            self.facts["time"] = scene.time
        if fused:
            adverbs.insert(self.rng.randint(0, len(adverbs)), fused)
        if not self.speaker.chance(1.0, 0.8):
            return "", adverbs
        self.facts["place"] = scene.place
        verbal = not self.still and frame not in ("label", "bare", "pause", "comma")
        if verbal and scene.action.name in phrases.TRAVELS and self.rng.random() < 0.6:
            ground = self.speaker.pick(phrases.GROUND[scene.place])
        elif frame == "label":
            adverbs.insert(0, self.speaker.pick(phrases.PLACE_NOUN[scene.place]))
        else:
            where = 0 if self.rng.random() < 0.7 else self.rng.randint(0, len(adverbs))
            adverbs.insert(where, self.speaker.pick(phrases.PLACE[scene.place]))
        return ground, adverbs

    def core(self, frame: str) -> str:
        """Who does what, where and when, in the given frame."""
        ground, adverbs = self.setting(frame)
        if frame == "label" and "place" in self.facts:
            return f"{' '.join(adverbs)}: {self.speaker.actor()} {self.speaker.verb('', ing=False)}"
        if frame == "front" and adverbs:
            chosen = adverbs.pop(self.rng.randrange(len(adverbs)))
            start = f"{chosen}, {self.speaker.actor()} {self.speaker.verb(ground, ing=False)}"
        elif frame in ("fragment", "of", "see"):
            opening = self.look_of() if frame == "of" else ""
            opening = self.speaker.pick(("we see", "you can see")) if frame == "see" else opening
            start = (
                f"{opening} {self.speaker.actor()} {self.speaker.verb(ground, ing=True)}".lstrip()
            )
        elif frame == "there":
            that = " " if self.still else " that "
            # "a ball left of a cube that rolls" would leave open what rolls
            actor = self.speaker.actor(inline=self.still)
            start = f"there is {actor}{that}{self.speaker.verb(ground, ing=False)}"
        elif frame == "watch":
            opening = self.speaker.pick(("watch how", "watch as", "see how"))
            start = f"{opening} {self.speaker.actor()} {self.speaker.verb(ground, ing=False)}"
        elif frame == "comma":
            parts = [self.speaker.actor(), self.speaker.verb("", ing=True), *adverbs]
            return ", ".join(filter(None, parts))
        elif frame == "camera":
            camera = self.camera(0, ("the camera {v}", "the view {v}", "the camera {v}"))
            link = self.speaker.pick(("as", "while"))
            start = f"{camera} {link} {self.speaker.actor()} {self.speaker.verb(ground, ing=False)}"
        elif frame == "bare":
            return " ".join([self.speaker.actor(), *adverbs])
        elif frame == "pause":
            first = " ".join([self.speaker.actor(), *adverbs])
            return (
                f"{first}{self.rng.choice((':', ';', ','))} it {self.speaker.verb('', ing=False)}"
            )
        else:
            start = f"{self.speaker.actor()} {self.speaker.verb(ground, ing=False)}"
        return " ".join([start.strip(), *adverbs])

    def look_of(self) -> str:
        """The opening of a caption that names its medium: "a charcoal drawing of"."""
        look = self.scene.look
        table = phrases_film.LOOK_OF_STILL if self.still else phrases_film.LOOK_OF
        phrase = self.speaker.pick(table[look])
        if look != "natural" or "natural" in phrase:
            self.facts["look"] = look
        return phrase

    def frame(self) -> str:
        """Draw the frame of the core among those that suit the scene."""
        if self.still:
            return self.rng.choices(list(STILL_FRAMES), list(STILL_FRAMES.values()))[0]
        weights = dict(FRAMES)
        if self.scene.action.name == "rests":
            weights["bare"] = 6.0  # nothing is lost by leaving "rests" unsaid
        if self.detailed or self.scene.action.object is not None:
            weights["bare"] = 0.0
        return self.rng.choices(list(weights), list(weights.values()))[0]

    # ── further units ─────────────────────────────────────────────────────────────────────────
    def camera(self, shot: int, row: Row) -> str:
        """The camera move of a shot, in a form of `row`."""
        camera = self.scene.cameras[shot]
        key, sides = sides_of(camera.direction) if camera.direction else (None, {})
        pairs = phrases_film.CAMERA[camera.move, key]
        pair = pairs[0] if self.rng.random() < 0.4 else self.rng.choice(pairs)
        noun = self.speaker.pick(phrases_film.CAMERA_NOUN[camera.move, key]).format(**sides)
        form = self.speaker.pick(row, 0.3)
        if camera.move == "follow" and "{n}" not in form:
            sides = sides | {"s": self.followed()}
        self.facts[f"camera {shot}"] = camera_fact(camera)
        return form.format(
            v=pair[0].format(**sides) if "{v}" in form else "",
            i=pair[1].format(**sides) if "{i}" in form else "",
            n=noun,
        )

    def followed(self) -> str:
        """What the camera follows: "it" where only one thing can be meant."""
        alone = len(self.scene.subjects) == 1 and self.speaker.names
        return (
            "it"
            if alone and self.rng.random() < 0.5
            else self.speaker.noun(self.scene.action.subject)
        )

    def cut(self) -> str:
        """The second shot, with its camera move unless a short caption leaves it out."""
        self.facts["shots"] = str(len(self.scene.cameras))
        if not self.speaker.chance(0.6):
            return self.speaker.pick(phrases_film.CUT_ALONE)
        return self.speaker.pick(phrases_film.CUT).format(
            x=self.camera(1, ("the camera {v}", "the view {v}"))
        )

    def relation(self) -> str:
        """How two subjects lie at first; either of them may be told first."""
        relation = self.scene.relation
        assert relation is not None
        row, sides = sides_of(relation.name.removesuffix(" of"))
        clauses = (
            phrases_film.RELATION_CLAUSE.get(row) or phrases_film.RELATION_CLAUSE[relation.name]
        )
        if self.still:
            clauses = tuple(clause for clause in clauses if "starts" not in clause)
        text = self.speaker.pick(clauses)
        self.facts["relation"] = f"{relation.subject} {relation.name} {relation.object}"
        ends = {"a": relation.subject, "b": relation.object}
        for end in sorted(ends, key=lambda key: text.index("{" + key + "}")):  # in reading order
            sides = sides | {end: self.speaker.noun(ends[end])}
        return text.format(**sides)

    def others(self) -> str:
        """The subjects that nothing else has mentioned."""
        left = [
            index for index in range(len(self.scene.subjects)) if index not in self.speaker.names
        ]
        nouns = " and ".join(self.speaker.noun(index) for index in left)
        text = self.speaker.pick(phrases_film.ALSO).format(a=nouns) if nouns else ""
        return text.replace(" is ", " are ") if len(left) > 1 and text.startswith(nouns) else text

    def word(self) -> str:
        """The word that can be read, in double quotes, and what it is written on."""
        word = self.scene.word
        assert word is not None
        table = phrases_film.WORD_CLAUSE if self.sentences else phrases_film.WORD_TAG
        cars = [index for index, that in enumerate(self.scene.subjects) if that.kind == "car"]
        carrier = self.speaker.noun(cars[0]) if word.surface == "car" and cars else "a car"
        self.facts |= {"word": word.text, "surface": word.surface}
        return self.speaker.pick(table[word.surface]).format(w=word.text, c=carrier)

    def look(self) -> str:
        """The look of the film."""
        if "look" in self.facts:
            return ""
        self.facts["look"] = self.scene.look
        table = phrases_film.LOOK_SENTENCE if self.sentences else phrases_film.LOOK_TAG
        return self.speaker.pick(table[self.scene.look])

    def weather_matters(self) -> bool:
        """Nobody remarks on clear weather in a room or on the moon."""
        return self.scene.weather != "clear" or self.scene.place not in ("room", "moon")

    def rest_of_setting(self) -> str:
        """Place, time and weather that the core of a detailed caption left out."""
        scene, parts = self.scene, []
        if "place" not in self.facts:
            self.facts["place"] = scene.place
            opening = self.speaker.pick(("the scene is", "the place is", "the setting is"))
            parts.append(f"{opening} {self.speaker.pick(phrases.PLACE_NOUN[scene.place])}")
        if "time" not in self.facts:
            self.facts["time"] = scene.time
            parts.append(self.speaker.pick(phrases.TIME_CLAUSE[scene.time]))
        unsaid = "weather" not in self.facts and self.weather_matters()
        if unsaid and (scene.weather != "clear" or self.rng.random() < 0.3):
            self.facts["weather"] = scene.weather
            parts.append(self.speaker.pick(phrases.WEATHER_CLAUSE[scene.weather]))
        self.rng.shuffle(parts)
        return (" and " if self.sentences else ", ").join(parts)

    def units(self, frame: str) -> list[Callable[[], str]]:
        """What is told besides the core, in the order of telling."""
        scene, units = self.scene, list[Callable[[], str]]()
        form = phrases_film.CAMERA_SENTENCE if self.sentences else phrases_film.CAMERA_FORM
        filmed = not self.still and frame != "camera"
        if filmed and self.speaker.chance(0.2 if scene.cameras[0].move == "still" else 0.8):
            units.append(lambda: self.camera(0, form))
        if self.speaker.chance(
            0.08 if scene.look == "natural" else 0.9, 0.3 if scene.look == "natural" else 1
        ):
            units.append(self.look)
        if scene.word is not None and self.speaker.chance(0.85):
            units.append(self.word)
        if scene.relation is not None and self.speaker.chance(0.75):
            units.append(lambda: "" if "relation" in self.facts else self.relation())
        if self.detailed:
            units.append(self.rest_of_setting)
        self.rng.shuffle(units)
        if self.speaker.chance(0.5):
            units.append(self.others)  # last but for the cut: only then is it known who is left
        if len(scene.cameras) > 1 and not self.still and self.speaker.chance(0.75):
            units.append(self.cut)
        return units

    def caption(self) -> Caption:
        """Tell the core and the units in order, and join them."""
        frame = self.frame()
        units = self.units(frame)
        early = not self.sentences and frame != "of" and self.look in units
        parts = [self.look()] if early and self.rng.random() < 0.25 else []
        parts.append(self.core(frame))
        parts += [unit() for unit in units]  # the look is not told twice
        parts = [part for part in parts if part]
        if self.sentences:
            text = " ".join(part[0].upper() + part[1:] + "." for part in parts)
        else:
            text = ", ".join(parts)
            if self.rng.random() < 0.35:
                text = text[0].upper() + text[1:] + "."
        return Caption(text, frame, self.facts)
