"""200 random SIGKILLs to one run, or as many as are asked for: it must end with the bytes of one
that was never killed. Takes half an hour:

    python tests/train/kill_often.py [KILLS]
"""

import random
import sys
import tempfile
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parent)]

from test_killed import ended, kill, start  # noqa: E402 - the folder must be on the path

STEPS_A_KILL = 120


def main(kills: int) -> None:
    """Exit code 0 where both ended alike."""
    steps = kills * STEPS_A_KILL
    with tempfile.TemporaryDirectory() as temporary:
        never, often = Path(temporary, "never"), Path(temporary, "often")
        rng = random.Random(kills)
        for done in range(kills):
            kill(often, rng, steps)
            print(f"\r{done + 1} of {kills} kills", end="", flush=True)
        for folder in (often, never):
            with start(folder, steps) as run:
                _, said = run.communicate()
            assert run.returncode == 0, said
        alike = ended(often, steps) == ended(never, steps)
    print(f"\nafter {kills} kills in {steps} steps: {'the same bytes' if alike else 'OTHER BYTES'}")
    sys.exit(not alike)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200)
