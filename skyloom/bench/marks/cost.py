"""What marking and signing take beside the making of a clip."""

import secrets
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from skyloom import video
from skyloom.bench.marks.clips import PROMPTS
from skyloom.pipeline import Skyloom
from skyloom.request import Request
from skyloom.trust.keys import Credentials
from skyloom.trust.provenance import Claim, sign
from skyloom.trust.signing import certificates
from skyloom.trust.watermark import Mark, marked
from skyloom.video import Video


def cost(model_folder: Path | None = None, rounds: int = 3) -> dict[str, float]:
    """Seconds of making a clip of the model's usual size, and of marking and signing it.

    Each part is measured `rounds` times in turn, and the best counts: what else runs disturbs.

    Args:
        model_folder: None is the bundled model.
    """
    credentials = _credentials()
    model = Skyloom.load(model_folder)
    claim = Claim("bench", "", "", 0, None, "", watermark=1)
    seconds: dict[str, list[float]] = {"making": [], "marking": [], "signing": []}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clip.mp4"
        for _ in range(rounds):
            begun = time.perf_counter()
            made = model.generate(Request(PROMPTS[0]))
            done = time.perf_counter()
            mark = Mark(secrets.token_bytes(32), 1)
            frames = np.concatenate(list(marked([made.frames], made.fps, mark)))
            after = time.perf_counter()
            video.write(Video(frames, made.fps), path)
            written = time.perf_counter()
            sign(path, claim, credentials)
            seconds["making"].append(done - begun + written - after)
            seconds["marking"].append(after - done)
            seconds["signing"].append(time.perf_counter() - written)
    best = {part: min(values) for part, values in seconds.items()}
    return best | {"share": (best["marking"] + best["signing"]) / best["making"]}


def _credentials() -> Credentials:
    """Some that are good for a day and kept nowhere."""
    now = datetime.now(UTC)
    chain, private, authority = certificates.issue(now - timedelta(hours=1), now + timedelta(1))
    return Credentials(chain, private, None, authority, "es256")
