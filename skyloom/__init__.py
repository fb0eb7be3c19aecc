"""skyloom, an open Sora: learns from videos, and makes videos from words.

    from skyloom import Skyloom

    video = Skyloom.load().generate("a red ball rolls across the snow at sunset")

Importing this package executes nothing heavy: each public name loads its room when first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from skyloom.errors import UserError
    from skyloom.pipeline import Skyloom
    from skyloom.request import Request
    from skyloom.video import Video

__version__ = "0.1.0"
__all__ = ["Request", "Skyloom", "UserError", "Video", "__version__"]

_HOME = {
    "Request": "skyloom.request",
    "Skyloom": "skyloom.pipeline",
    "UserError": "skyloom.errors",
    "Video": "skyloom.video",
}


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'skyloom' has no attribute '{name}'")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
