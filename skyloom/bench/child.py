"""The command line in a fresh process, its wall time and its peak memory."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from skyloom.errors import UserError

STOPWATCH = Path(__file__).with_name("stopwatch.py")


def run_verb(words: Sequence[str]) -> dict[str, Any]:
    """Run `skyloom` with these words: its "seconds" and its "peak" memory in bytes.

    Raises:
        UserError: it fails.
    """
    command = [sys.executable, "-I", str(STOPWATCH), sys.executable, "-m", "skyloom.cli", *words]
    done = subprocess.run(command, capture_output=True, text=True)
    figures = json.loads(done.stdout) if done.stdout else {"code": done.returncode}
    if figures["code"]:
        raise UserError(f"'skyloom {words[0]}' failed: {done.stderr.strip()[-500:]}")
    return figures
