from pathlib import Path

import numpy as np
import pytest
from films import film

from skyloom.errors import UserError
from skyloom.ingest.decode_speed import measure


def test_every_way_decodes_the_whole_film(tmp_path: Path) -> None:
    frames = np.random.default_rng(0).integers(0, 256, (20, 96, 160, 3), dtype=np.uint8)
    found = measure(film(tmp_path / "a.mp4", frames), side=48, repeats=1)
    assert found["frames"] == 20
    assert found["gain"] == pytest.approx(found["ours"] / found["pyav"])
    assert min(found["ours"], found["pyav"], found["decode"]) > 0


def test_what_is_no_film_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"no film")
    with pytest.raises(UserError, match="not a video"):
        measure(tmp_path / "a.mp4")
