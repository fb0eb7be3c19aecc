"""Devices and precisions."""

import pytest
import torch

from skyloom.device import cpu_features, pick_device, pick_dtype
from skyloom.errors import UserError

CPU = torch.device("cpu")


def test_devices() -> None:
    assert pick_device("cpu") == CPU
    wanted = "cuda" if torch.cuda.is_available() else "cpu"
    assert pick_device("auto").type == wanted
    for name in ("abacus", "cuda:99"):
        with pytest.raises(UserError, match=f"no device '{name}' here: 'cpu' or 'auto' works"):
            pick_device(name)


@pytest.mark.parametrize(
    ("flags", "dtype"),
    [
        ("fpu avx2 avx512f", torch.float32),
        ("fpu avx512f avx512_bf16", torch.bfloat16),
        ("fpu amx_bf16 amx_tile", torch.bfloat16),
        ("", torch.float32),
    ],
)
def test_bf16_where_the_cpu_multiplies_it(
    flags: str, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = {flag: flag in flags.split() for flag in ("avx512_bf16", "amx_bf16", "avx2")}
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: known, raising=False)
    assert pick_dtype(CPU) == dtype
    # An older PyTorch does not say, but Linux does.
    monkeypatch.delattr(torch.cpu, "get_capabilities")
    monkeypatch.setattr("pathlib.Path.read_text", lambda *_, **__: f"cpu\nflags\t\t: {flags}\n")
    assert pick_dtype(CPU) == dtype


def test_other_devices() -> None:
    assert pick_dtype(torch.device("cuda")) == torch.bfloat16
    assert pick_dtype(torch.device("mps")) == torch.float32


def test_an_unknown_system_is_taken_for_a_plain_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object, **__: object) -> str:
        raise FileNotFoundError

    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    monkeypatch.setattr("pathlib.Path.read_text", missing)
    assert cpu_features() == frozenset()
    assert pick_dtype(CPU) == torch.float32
