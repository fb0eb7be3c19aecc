"""Optional packages: there, missing, or there and broken."""

from pathlib import Path

import pytest

from skyloom.errors import UserError
from skyloom.extras import need


def test_a_module_that_is_there() -> None:
    assert need("json", extra="world").dumps([1]) == "[1]"
    assert need("os.path", extra="world").sep in "/\\"


def test_a_missing_module_names_its_extra() -> None:
    with pytest.raises(UserError, match=r"'no_such_engine'.*pip install 'skyloom\[world\]'"):
        need("no_such_engine", extra="world")
    with pytest.raises(UserError, match="'no_such_engine.part'"):
        need("no_such_engine.part", extra="world")


def test_a_broken_module_says_what_it_lacks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "half_an_engine.py").write_text("import no_such_library\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="no_such_library"):
        need("half_an_engine", extra="world")
