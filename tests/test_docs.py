"""What README and docs/architecture.md name is there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NAMED = re.compile(
    r"(?<![\w<{/.-])((?:[A-Za-z_]\w*/)*(?:[A-Za-z_]\w*\.(?:py|toml|sh|md)|[A-Za-z_]\w*/))(?![\w/])"
)
"""`file.py`, `folder/` and `folder/file.py`, as text names them."""


def tree() -> list[tuple[str, str]]:
    """The lines of README's tree: a path from the root of the project, and what is said of it."""
    block = re.search(r"```\n(skyloom/\n.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert block is not None
    lines: list[tuple[str, str]] = []
    folder = ""
    for line in block[1].splitlines():
        name, _, said = line.strip().partition(" ")
        indent = len(line) - len(line.lstrip())
        if indent > 2:  # more words on the line before
            lines.append((lines[-1][0], line))
            continue
        folder = folder if indent else name
        lines.append((folder + name if indent else name, said))
    return lines


def present() -> list[str]:
    """All files and folders, each with a slash before it, a folder with one after."""
    found = [f"/{path.name}" for path in ROOT.iterdir() if path.is_file()]
    for top in ("skyloom", "runs", "tests", "docs"):
        for path in [ROOT / top, *(ROOT / top).rglob("*")]:
            name = path.relative_to(ROOT).as_posix()
            found.append(f"/{name}/" if path.is_dir() else f"/{name}")
    return found


def test_the_tree_of_the_readme_is_that_of_the_project() -> None:
    lines = tree()
    assert len(lines) > 20
    for path, _ in lines:
        assert (ROOT / path).exists(), path
        assert path.endswith("/") == (ROOT / path).is_dir(), path


@pytest.mark.parametrize("page", ["README.md", "docs/architecture.md"])
def test_what_a_page_names_is_there(page: str) -> None:
    text = (ROOT / page).read_text()
    if page == "README.md":
        named = {name for _, said in tree() for name in NAMED.findall(said)}
    else:
        quoted = re.findall(r"`([^`\n]+)`", text)
        named = {name for part in quoted for name in NAMED.findall(part)}
    there = present()
    missing = sorted(name for name in named if not any(path.endswith(f"/{name}") for path in there))
    assert len(named) > 10 and not missing, f"{page} names what is not there: {missing}"
