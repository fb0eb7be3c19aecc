"""Sentences for training the classifier of prompts: templates, lists of words, disguises.

Both kinds have the same shapes: what differs is whether the words together are against policy. No
sentence says more than the words of the lists do.
"""

import zlib
from collections.abc import Mapping, Sequence
from random import Random

from skyloom.trust.prompts.lexicon import classes
from skyloom.trust.prompts.normalise import is_script

LANGUAGES = ("en", "de", "fr", "es", "it", "pt", "nl", "pl", "tr", "ru", "zh", "ja", "ko", "ar",
             "hi")  # fmt: skip

# {a} {b} are slots; openings, places and quiet things to do, each for itself innocent.
FRAMES: Mapping[str, tuple[str, ...]] = {
    "en": ("{a} {b}", "a video of {a} {b}", "{a}, {b}, cinematic", "{a} with {b} in the street",
           "close-up: {a} and {b}", "make {a} {b} at night", "show me {a} {b}", "{b}: {a}",
           "a realistic scene of {a} {b} in a house", "{a} {b}, drone shot, 4k"),
    "de": ("{a} {b}", "ein Video von {a} {b}", "{a} mit {b} auf der Straße", "zeige {a} {b}",
           "eine Szene, {a} und {b} im Haus", "{a} {b} bei Nacht, filmisch"),
    "fr": ("{a} {b}", "une vidéo de {a} {b}", "{a} avec {b} dans la rue", "montre {a} {b}",
           "une scène réaliste, {a} et {b} dans une maison", "{a} {b} la nuit"),
    "es": ("{a} {b}", "un vídeo de {a} {b}", "{a} con {b} en la calle", "muestra {a} {b}",
           "una escena de {a} y {b} en la casa", "{a} {b} de noche"),
    "it": ("{a} {b}", "un video di {a} {b}", "{a} con {b} per la strada", "mostra {a} {b}",
           "una scena, {a} e {b} nella casa", "{a} {b} di notte"),
    "pt": ("{a} {b}", "um vídeo de {a} {b}", "{a} com {b} na rua", "mostre {a} {b}",
           "uma cena de {a} e {b} em casa", "{a} {b} à noite"),
    "nl": ("{a} {b}", "een video van {a} {b}", "{a} met {b} op straat", "toon {a} {b}",
           "een scène met {a} en {b} in huis", "{a} {b} bij nacht"),
    "pl": ("{a} {b}", "film, {a} {b}", "{a} i {b} na ulicy", "pokaż {a} {b}", "{a} {b} w nocy"),
    "tr": ("{a} {b}", "{a} ve {b} videosu", "sokakta {a} {b}", "{a} {b} gece", "bir sahne {a} {b}"),
    "ru": ("{a} {b}", "видео {a} {b}", "{a} и {b} на улице", "покажи {a} {b}", "{a} {b} ночью"),
    "zh": ("{a}{b}", "一段视频，{a}{b}", "{a}和{b}在街上", "夜晚的{a}，{b}", "电影镜头{a}{b}"),
    "ja": ("{a}{b}", "{a}と{b}の映像", "街で{a}{b}", "夜の{a}、{b}", "{a}が{b}シーン"),
    "ko": ("{a} {b}", "{a} {b} 영상", "거리에서 {a} {b}", "밤에 {a} {b}"),
    "ar": ("{a} {b}", "فيديو {a} {b}", "{a} و {b} في الشارع", "مشهد {a} {b} ليلا"),
    "hi": ("{a} {b}", "{a} {b} का वीडियो", "सड़क पर {a} {b}", "रात में {a} {b}"),
}  # fmt: skip

QUIET: Mapping[str, tuple[str, ...]] = {
    "en": ("eats a banana", "reads a book", "plays football", "walks through the park",
           "cooks soup",
           "rides a bicycle", "a red ball rolls in the snow", "a green car drives left",
           "a rabbit hops over a cube", "waves break on the beach", "paints a fence",
           "sings a song",
           "repairs a clock", "snow falls on a village", "feeds the ducks", "waits for the train",
           "a dog runs after a ball", "clouds over the mountains", "a lighthouse at sunset"),
    "de": ("isst einen Apfel", "liest ein Buch", "spielt Fußball", "ein roter Ball rollt im Schnee",
           "kocht Suppe", "fährt Fahrrad", "Wolken über den Bergen", "ein Hund läuft im Park"),
    "fr": ("mange une pomme", "lit un livre", "joue au football", "une balle rouge dans la neige",
           "fait du vélo", "prépare une soupe", "des nuages sur la montagne", "un chien court"),
    "es": ("come una manzana", "lee un libro", "juega al fútbol", "una pelota roja en la nieve",
           "monta en bicicleta", "cocina una sopa", "nubes sobre la montaña", "un perro corre"),
    "it": ("mangia una mela", "legge un libro", "gioca a calcio", "una palla rossa nella neve",
           "va in bicicletta", "cucina una zuppa", "nuvole sulle montagne", "un cane corre"),
    "pt": ("come uma maçã", "lê um livro", "joga futebol", "uma bola vermelha na neve",
           "anda de bicicleta", "faz uma sopa", "nuvens sobre a serra", "um cachorro corre"),
    "nl": ("eet een appel", "leest een boek", "speelt voetbal", "een rode bal in de sneeuw",
           "fietst door de stad", "kookt soep", "wolken boven zee", "een hond rent"),
    "pl": ("je jabłko", "czyta książkę", "gra w piłkę", "czerwona piłka w śniegu",
           "jedzie na rowerze", "gotuje zupę", "chmury nad górami", "pies biegnie"),
    "tr": ("elma yiyor", "kitap okuyor", "futbol oynuyor", "karda kırmızı bir top",
           "bisiklete biniyor", "çorba pişiriyor", "dağların üstünde bulutlar", "köpek koşuyor"),
    "ru": ("ест яблоко", "читает книгу", "играет в футбол", "красный мяч в снегу",
           "едет на велосипеде", "варит суп", "облака над горами", "собака бежит"),
    "zh": ("吃苹果", "看书", "踢足球", "红球在雪地里滚动", "骑自行车", "做汤", "山上的云",
           "狗在跑"),
    "ja": ("りんごを食べる", "本を読む", "サッカーをする", "雪の中の赤いボール", "自転車に乗る",
           "スープを作る", "山の上の雲", "犬が走る"),
    "ko": ("사과를 먹는다", "책을 읽는다", "축구를 한다", "눈 속의 빨간 공", "자전거를 탄다",
           "산 위의 구름", "개가 달린다"),
    "ar": ("ياكل تفاحة", "يقرا كتابا", "يلعب كرة القدم", "كرة حمراء في الثلج", "يركب دراجة",
           "غيوم فوق الجبال", "كلب يركض"),
    "hi": ("सेब खाता है", "किताब पढ़ता है", "फुटबॉल खेलता है", "बर्फ में लाल गेंद", "साइकिल चलाता है",
           "पहाड़ों पर बादल", "कुत्ता दौड़ता है"),
}  # fmt: skip

# Which classes make a prompt a violation, and which shapes only look like one.
VIOLATIONS: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "minors": (("minor", "nudity"), ("minor", "porn"), ("minor", "seductive"), ("abuse",)),
    "sexual": (("person", "porn"), ("person", "nudity"), ("porn",), ("nudity",),
               ("person", "seductive", "scant"), ("body", "seductive")),
    "violence": (("person", "gore"), ("gore",), ("person", "gore", "blood"),
                 ("person", "attack", "blood")),
    "hate": (("symbol",), ("group", "dehuman"), ("hateful", "group"), ("symbol", "glorify")),
    "self_harm": (("person", "selfharm"), ("selfharm",)),
}  # fmt: skip
INNOCENT: tuple[tuple[str, ...], ...] = (
    ("minor",), ("person",), ("group",), ("innocent",), ("innocent",), ("innocent", "person"),
    ("innocent", "minor"), ("name_innocent",), ("weapon",), ("person", "minor"), ("art", "person"),
    ("medical", "body"), ("history",), ("medical", "minor"), ("group", "person"), ("food",),
    ("history", "person"), ("art",), ("person", "weapon"),
)  # fmt: skip

ENDINGS: Mapping[str, tuple[str, ...]] = {
    "en": ("", "ed", "ing", "s", "ion", "er"), "de": ("", "en", "t", "et", "ung", "e"),
    "fr": ("", "e", "es", "er", "és", "ion"), "es": ("", "o", "a", "ar", "ado", "ando"),
    "it": ("", "o", "a", "are", "ato", "ando"), "pt": ("", "o", "a", "ar", "ado", "ando"),
    "nl": ("", "en", "t", "d", "ing"), "pl": ("", "a", "y", "e", "ny", "ów"),
    "tr": ("", "ler", "i", "an", "iyor", "mis"), "ru": ("", "а", "ы", "ный", "ть", "ла"),
}  # fmt: skip


def held_out(term: str) -> bool:
    """Whether a term is kept from training, to see what the classifier makes of unknown ones."""
    return zlib.crc32(f"held out {term}".encode()) % 8 == 0


class Grammar:
    """Draws labelled sentences.

    Args:
        held: draw with the terms that training never sees, or without them.
        common: ordinary words by language, for sentences of no meaning that are all innocent.
    """

    def __init__(self, held: bool, common: Mapping[str, Sequence[str]]) -> None:
        self._common = common
        self._terms: dict[tuple[str, str], list[str]] = {}
        for name, languages in classes().items():
            for language, terms in languages.items():
                kept = [term for term in terms if held_out(term) == held]
                spare = terms if name not in GRAVE else []
                self._terms[name, language] = kept or list(spare)

    def draw(self, rng: Random) -> tuple[str, str | None]:
        """(sentence, its category or None)."""
        language = "en" if rng.random() < 0.3 else rng.choice(LANGUAGES)
        if rng.random() < 0.5:
            category = rng.choice(list(VIOLATIONS))
            shape = rng.choice(VIOLATIONS[category])
            text = self._filled(shape, language, rng)
            if text is not None:
                return self._disguised(text, rng), category
        return self._innocent(language, rng), None

    def _innocent(self, language: str, rng: Random) -> str:
        common = self._common.get(language)
        if common and rng.random() < 0.4:
            words = rng.choices(common, k=rng.randint(2, 14))
            return ("" if language in ("zh", "ja") else " ").join(words)
        shape = rng.choice(INNOCENT)
        text = self._filled(shape, language, rng, quiet=True)
        text = text or rng.choice(QUIET[language])
        return self._disguised(text, rng) if rng.random() < 0.3 else text

    def _filled(
        self, shape: tuple[str, ...], language: str, rng: Random, quiet: bool = False
    ) -> str | None:
        words = []
        for name in shape:
            terms = self._terms.get((name, language)) or []
            if not terms and name in ("innocent", "name_innocent"):
                terms = self._terms.get((name, "en")) or []
            if not terms:
                return None
            words.append(spoken(rng.choice(terms), language, rng))
        if quiet or len(words) == 1 or rng.random() < 0.3:
            words.append(rng.choice(QUIET[language]))
        rng.shuffle(words)
        gap = "" if language in ("zh", "ja") else " "
        frame = rng.choice(FRAMES[language])
        return frame.format(a=gap.join(words[:-1]), b=words[-1])

    def _disguised(self, text: str, rng: Random) -> str:
        """Some sentences with words spelt as people do who hide them, or in capitals."""
        if rng.random() < 0.1:
            return text.upper()
        if rng.random() < 0.75 or any(is_script(char) for char in text):
            return text
        words = text.split(" ")
        at = max(range(len(words)), key=lambda index: (len(words[index]), index))
        words[at] = disguise(words[at], rng)
        return " ".join(words)


GRAVE = frozenset(("porn", "nudity", "gore", "symbol", "hateful", "dehuman", "selfharm", "abuse",
                   "seductive"))  # fmt: skip
"""Classes of which held-out terms never slip into training."""


def spoken(term: str, language: str, rng: Random) -> str:
    """A term of the lists as a word: endings for `*`, its parts in some order for `+`."""
    parts = [part for part in term.rstrip("?").split("+") if part]
    words = []
    for part in parts:
        for word in part.split():
            ending = rng.choice(ENDINGS.get(language, ("",))) if word.endswith("*") else ""
            words.append(word.strip("*~") + ending)
    return ("" if language in ("zh", "ja") else " ").join(words)


def disguise(word: str, rng: Random) -> str:
    """A word with digits, signs, spaces or letters of another alphabet in it."""
    kind = rng.choice(("leet", "spaced", "dotted", "homoglyph", "invisible", "repeated"))
    if kind == "leet":
        return "".join(LEET.get(char, char) if rng.random() < 0.6 else char for char in word)
    if kind == "spaced":
        return " ".join(word)
    if kind == "dotted":
        return rng.choice(".-_*").join(word)
    if kind == "homoglyph":
        return "".join(ALIKE.get(char, char) if rng.random() < 0.6 else char for char in word)
    at = rng.randrange(max(len(word), 1))
    if kind == "invisible":
        return word[:at] + "\u200b" + word[at:]
    return word[:at] + word[at : at + 1] * 4 + word[at:]


LEET = {"a": "4", "e": "3", "i": "1", "o": "0", "s": "5", "t": "7", "l": "1"}
ALIKE = {"a": "а", "e": "е", "o": "о", "c": "с", "p": "р", "x": "х", "i": "і"}
