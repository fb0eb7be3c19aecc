"""The small pictures of a job while it is made."""

from pathlib import Path

import torch

from skyloom import video
from skyloom.condition import Given
from skyloom.pipeline import Skyloom
from skyloom.sampler import Piece
from skyloom.serve.jobs import Jobs
from skyloom.serve.order import Order
from skyloom.serve.store.files import Files
from skyloom.serve.worker.preview import Preview
from skyloom.serve.worker.run import Run
from skyloom.trust import keys
from skyloom.trust.marking import Marking
from skyloom.trust.marks.finding import find

SIDE = 256
"""Pixels: the largest that a preview is, and large enough for a mark to be found in."""


def test_a_preview_is_marked_as_what_is_delivered_is(skyloom: Skyloom, tmp_path: Path) -> None:
    jobs = Jobs(f"sqlite:///{tmp_path / 'jobs.sqlite'}", Files(tmp_path / "files"))
    job = jobs.submit(Order(prompt="a red ball", size=(SIDE, SIDE)), "anna")
    run = Run.begin(jobs, job.id, "worker")
    assert run is not None
    down = skyloom.autoencoder.stride[1]
    channels = skyloom.transformer.config.channels
    torch.manual_seed(0)
    estimate = 0.2 * torch.randn(channels, 1, SIDE // down, SIDE // down)  # quiet, for any key
    piece = Piece("a red ball", "", 12.0, estimate, Given.nothing(tuple(estimate.shape)))

    def shown(marking: Marking | None, folder: Path) -> float:
        folder.mkdir()
        Preview(run, skyloom, folder, marking).see(piece, estimate)
        there = jobs.get(job.id, "anna")
        assert there is not None
        with jobs.files.local(there.outputs["preview"]) as path:
            picture = video.read(path)
        assert picture.frames.shape == (1, SIDE, SIDE, 3)
        return find([picture.frames], 1.0, keys.watermark_key()).p_value

    assert shown(Marking.ready(), tmp_path / "marked") < 1e-6
    assert shown(None, tmp_path / "plain") > 1e-3
    jobs.close()
