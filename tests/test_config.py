"""Configuration is strict, says where it is wrong, and comes back as it was."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skyloom.config import from_dict, load_toml, save, to_dict
from skyloom.errors import UserError


@dataclass(frozen=True)
class Optim:
    lr: float = 1e-3
    steps: int = 100
    betas: tuple[float, float] = (0.9, 0.95)
    name: Literal["adamw", "muon"] = "adamw"


@dataclass(frozen=True)
class Shape:
    size: tuple[int, int]
    frames: int | None = None


@dataclass(frozen=True)
class Recipe:
    out: str
    optim: Optim = field(default_factory=lambda: Optim(lr=0.5))
    shapes: tuple[Shape, ...] = ()
    widths: tuple[int, ...] = (32, 64)
    compile: bool = False
    start: Path | None = None
    teacher: Optim | None = None
    weights: dict[str, float] = field(default_factory=dict)
    limit: int | str = 3

    def __post_init__(self) -> None:
        if len(self.widths) > 4:
            raise ValueError(f"{len(self.widths)} widths are more than the 4 that fit")


def loaded(tmp_path: Path, text: str, *overrides: str) -> Recipe:
    path = tmp_path / "recipe.toml"
    path.write_text(text)
    return load_toml(Recipe, path, overrides)


def refusal(tmp_path: Path, text: str, *overrides: str) -> str:
    with pytest.raises(UserError) as caught:
        loaded(tmp_path, text, *overrides)
    message = str(caught.value)
    assert "\n" not in message and message.endswith(".")
    return message.replace(str(tmp_path / "recipe.toml"), "recipe.toml")


def test_values_and_defaults(tmp_path: Path) -> None:
    text = """
        out = "here"
        compile = true
        start = "models/first"
        shapes = [{size = [128, 96]}, {size = [64, 64], frames = 1}]
        [optim]
        betas = [0, 1]
        [weights]
        world = 2
    """
    recipe = loaded(tmp_path, text)
    assert recipe.shapes == (Shape((128, 96)), Shape((64, 64), 1))
    assert recipe.start == Path("models/first")
    assert recipe.optim == Optim(lr=0.5, betas=(0.0, 1.0))  # lr: the enclosing default's
    assert isinstance(recipe.optim.betas[0], float)
    assert recipe.weights == {"world": 2.0}
    assert recipe.limit == 3


def test_overrides(tmp_path: Path) -> None:
    recipe = loaded(
        tmp_path,
        'out = "a"\nstart = "x"\n[optim]\nsteps = 7',
        "optim.lr=3e-4",
        "widths=[1, 2,3]",
        "out=runs/first try",
        "start=none",
        "teacher.name=muon",
        "weights.world=0.5",
        "compile = true",
        "limit=2026-01-01",
    )
    assert recipe.optim == Optim(lr=3e-4, steps=7)
    assert recipe.widths == (1, 2, 3)
    assert recipe.out == "runs/first try"
    assert recipe.start is None
    assert recipe.teacher == Optim(name="muon")
    assert recipe.weights == {"world": 0.5}
    assert recipe.compile
    assert recipe.limit == "2026-01-01"


def test_unknown_keys_name_the_nearest(tmp_path: Path) -> None:
    assert refusal(tmp_path, 'out = "a"\n[optim]\nstep = 3') == (
        "There is no setting 'optim.step', found in 'recipe.toml': "
        "the nearest setting is 'optim.steps'."
    )
    assert refusal(tmp_path, 'out = "a"', "lr=3") == (
        "There is no setting 'lr', found in the command line: the nearest setting is 'optim.lr'."
    )
    assert "'shapes[1].frames'" in refusal(
        tmp_path, 'out = "a"\nshapes = [{size = [8, 8]}, {size = [8, 8], frame = 2}]'
    )


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("optim.lr = 'fast'", "'optim.lr' in 'recipe.toml' is \"fast\": a number is expected."),
        ("optim.steps = 2.5", "'optim.steps' in 'recipe.toml' is 2.5: an integer is expected."),
        ("optim.steps = true", "'optim.steps' in 'recipe.toml' is true: an integer is expected."),
        ("optim.lr = true", "'optim.lr' in 'recipe.toml' is true: a number is expected."),
        ("compile = 1", "'compile' in 'recipe.toml' is 1: true or false is expected."),
        (
            "optim.name = 'sgd'",
            '\'optim.name\' in \'recipe.toml\' is "sgd": one of "adamw", "muon" is expected.',
        ),
        (
            "shapes = [{size = [8]}]",
            "'shapes[0].size' in 'recipe.toml' is [8]: "
            "a list of 2 (an integer, an integer) is expected.",
        ),
        ("widths = [1, 'a']", "'widths[1]' in 'recipe.toml' is \"a\": an integer is expected."),
        (
            "widths = 8",
            "'widths' in 'recipe.toml' is 8: a list, each item an integer, is expected.",
        ),
        ("optim = 3", "'optim' in 'recipe.toml' is 3: a table of Optim's settings is expected."),
        ("weights = 3", "'weights' in 'recipe.toml' is 3: a table is expected."),
        ("limit = 2.5", "'limit' in 'recipe.toml' is 2.5: an integer or a string is expected."),
        ("start = 1", "'start' in 'recipe.toml' is 1: a path is expected."),
        ("shapes = [{}]", "'shapes[0].size' is missing in 'recipe.toml': it has no default."),
        (
            "widths = [1, 2, 3, 4, 5]",
            "'recipe.toml' does not work: 5 widths are more than the 4 that fit.",
        ),
    ],
)
def test_wrong_values_are_named(tmp_path: Path, line: str, expected: str) -> None:
    assert refusal(tmp_path, f'out = "a"\n{line}') == expected


def test_an_integer_beyond_any_number_is_told(tmp_path: Path) -> None:
    assert "a number is expected" in refusal(tmp_path, f'out = "a"\n[optim]\nlr = 1{"0" * 400}')


def test_what_is_missing_or_broken(tmp_path: Path) -> None:
    assert refusal(tmp_path, "") == "'out' is missing in 'recipe.toml': it has no default."
    assert "at line 2" in refusal(tmp_path, 'out = "a"\nwidths = [')
    assert "at line 2, column 10" in refusal(tmp_path, 'out = "a"\nwidths = yes\n')
    with pytest.raises(UserError, match="'none.toml' does not exist"):
        load_toml(Recipe, "none.toml")
    with pytest.raises(UserError, match="cannot be read"):
        load_toml(Recipe, tmp_path)
    (tmp_path / "latin.toml").write_bytes(b'out = "\xe9"')
    with pytest.raises(UserError, match="not valid TOML"):
        load_toml(Recipe, tmp_path / "latin.toml")
    (tmp_path / "list.json").write_text("[1]")
    with pytest.raises(UserError, match="holds a list"):
        load_toml(Recipe, tmp_path / "list.json")


def test_overrides_that_are_none(tmp_path: Path) -> None:
    assert refusal(tmp_path, 'out = "a"', "optim.lr") == (
        "'optim.lr' is no setting: write key=value, as in optim.lr=3e-4."
    )
    assert "key=value" in refusal(tmp_path, 'out = "a"', "optim..lr=3")
    assert refusal(tmp_path, 'out = "a"', "out.folder=b") == (
        "'out.folder' on the command line cannot be set: 'out' has no parts."
    )
    assert refusal(tmp_path, 'out = "a"', "optim.lr=fast") == (
        "'optim.lr' in the command line is \"fast\": a number is expected."
    )
    assert 'is "1\\nout = 2"' in refusal(tmp_path, 'out = "a"', "optim.lr=1\nout = 2").replace(
        "\n", "\\n"
    )


def test_from_dict_names_its_source() -> None:
    with pytest.raises(UserError, match="'lr' in transformer/config.json is null"):
        from_dict(Optim, {"lr": None}, "transformer/config.json")


def test_json_keeps_the_word_none(tmp_path: Path) -> None:
    recipe = Recipe(out="none", limit="none", start=Path("none"))
    save(recipe, tmp_path / "recipe.json")
    assert load_toml(Recipe, tmp_path / "recipe.json") == recipe
    with pytest.raises(ValueError, match="write JSON"):
        save(recipe, tmp_path / "recipe.toml")
    assert [path.name for path in tmp_path.iterdir()] == ["recipe.json"]


texts = st.text(st.characters(exclude_categories=["Cs"])).filter(lambda text: text != "none")
floats = st.floats(allow_nan=False)
integers = st.integers(-(2**62), 2**62)
optims = st.builds(
    Optim,
    lr=floats,
    steps=integers,
    betas=st.tuples(floats, floats),
    name=st.sampled_from(["adamw", "muon"]),
)
shapes = st.builds(Shape, size=st.tuples(integers, integers), frames=st.one_of(st.none(), integers))
recipes = st.builds(
    Recipe,
    out=texts,
    optim=optims,
    shapes=st.lists(shapes, max_size=3).map(tuple),
    widths=st.lists(integers, max_size=4).map(tuple),
    compile=st.booleans(),
    start=st.one_of(st.none(), st.sampled_from([Path("a"), Path("b/c d")])),
    teacher=st.one_of(st.none(), optims),
    weights=st.dictionaries(texts, floats, max_size=3),
    limit=st.one_of(integers, texts),
)


@given(recipes)
def test_round_trip(tmp_path_factory: pytest.TempPathFactory, recipe: Recipe) -> None:
    assert from_dict(Recipe, to_dict(recipe)) == recipe
    folder = tmp_path_factory.mktemp("recipe")
    for name in ("recipe.toml", "recipe.json"):
        save(recipe, folder / name)
        back = load_toml(Recipe, folder / name)
        assert back == recipe
        assert type(back.limit) is type(recipe.limit)
