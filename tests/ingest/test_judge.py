import numpy as np

from skyloom.ingest.judge import clip_name, judge, near_duplicates, slug
from skyloom.ingest.recipe import IngestRecipe


def random_signatures(count: int) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, 768, dtype=np.uint8) for _ in range(count)]


def survey(*signatures: np.ndarray, **other: float) -> dict:
    shots = [
        {"start": 24 * n, "stop": 24 * n + 24, "blur": 0.2, "motion": 0.1, "spread": 30.0,
         "text": 0.0, "signature": value.tobytes().hex(), "broken": False, "strip": f"{n}.jpg",
         **other}
        for n, value in enumerate(signatures)
    ]  # fmt: skip
    return {"sha256": "0", "size": [160, 96], "fps": 12.0, "damage": None, "shots": shots}


def test_near_duplicates_across_and_within_blocks() -> None:
    unlike = random_signatures(300)
    close = [(value ^ 1).astype(np.uint8) for value in (unlike[0], unlike[299])]
    found = near_duplicates([*unlike, *close], [1] * 302, 5.0)
    assert {twin: original for twin, (original, _) in found.items()} == {300: 0, 301: 299}
    assert all(distance == 1.0 for _, distance in found.values())
    assert near_duplicates([*unlike, *close], [1] * 302, 0.0) == {}
    worthier = near_duplicates([*unlike, *close], [1] * 301 + [2], 5.0)
    assert worthier[299][0] == 301 and worthier[300][0] == 0


def test_the_first_fault_is_the_reason() -> None:
    one, two = random_signatures(2)
    recipe = IngestRecipe()

    def reasons(**other: float) -> list[str]:
        return [verdict.reason for verdict in judge({"a.mp4": survey(one, two, **other)}, recipe)]

    assert reasons() == ["", ""]
    assert reasons(motion=0.0) == ["still", "still"]
    assert reasons(blur=0.9) == ["blurred", "blurred"]
    assert reasons(spread=1.0, motion=0.0) == ["blank", "blank"]
    assert reasons(text=0.01) == ["text on it", "text on it"]
    assert reasons(broken=True) == ["broken", "broken"]
    twins = judge({"b.mp4": survey(one), "a.mp4": survey(one), "c": {"rejected": "no"}}, recipe)
    assert [(v.source, v.reason) for v in twins] == [
        ("a.mp4", ""), ("b.mp4", "near-duplicate"), ("c", "unreadable")]  # fmt: skip


def test_names_of_clips() -> None:
    assert slug("below/Mein Film (1).mov") == "below-Mein-Film-1"
    assert slug("\u6620\u753b.mp4") == "film"
    one = random_signatures(1)[0]
    plain = clip_name("a/b.mp4", survey(one), 0, 24, IngestRecipe())
    assert plain.startswith("a-b-") and plain.endswith("-000000-000024.mp4")
    assert clip_name("a/b.mp4", survey(one), 0, 24, IngestRecipe(crf=20)) != plain
    assert clip_name("a-b.mp4", survey(one), 0, 24, IngestRecipe()) != plain
