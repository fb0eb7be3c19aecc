"""What every test stands on: checked annotations, steady seeds, few threads."""

import os
import random
import signal
import sys
import tempfile

import jaxtyping
import pytest
from hypothesis import settings

assert not any(name.startswith("skyloom.") for name in sys.modules), "imported before the hook"

# Shapes and types of every annotated function of skyloom are checked while tests run. An int
# passes for a float, as the typing rules have it.
jaxtyping.install_import_hook(
    "skyloom", "beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))"
)

# Tiny tensors gain nothing from more; set before the first import of torch, and for subprocesses.
os.environ.setdefault("OMP_NUM_THREADS", str(min(2, os.cpu_count() or 1)))

# Keys that tests make on first use, and those of their subprocesses, are not the user's.
_CONFIG = tempfile.TemporaryDirectory(prefix="skyloom-tests-")
os.environ["XDG_CONFIG_HOME"] = _CONFIG.name

pytest_plugins = ["tiny"]  # tests/tiny.py, after the hook: the fixture of a whole tiny model

settings.register_profile("skyloom", deadline=None, derandomize=True, max_examples=50)
settings.load_profile("skyloom")


@pytest.fixture(autouse=True)
def steady_seeds() -> None:
    """Every test starts from the same global seeds, whatever ran before it."""
    random.seed(0)
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed(0)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(0)


def pytest_configure() -> None:
    """Let Ctrl-C be felt: a shell that starts the tests in the background has SIGINT ignored.

    What is ignored here is ignored in every process that a test starts, and the tests of
    interrupted commands would wait for ever.
    """
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
