"""The door to VideoSeal, with a TorchScript file of the same interface and a small real mark."""

import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).parents[1]))  # for clips.py
from clips import moving

from skyloom.errors import UserError
from skyloom.trust.marks.videoseal import BITS, VideoSeal

KEY, PAYLOAD = bytes(range(32)), 0xABCDEF012345


class Small(nn.Module):
    """Adds a fixed pattern for each bit, and correlates with it."""

    def __init__(self) -> None:
        super().__init__()
        self.patterns = nn.Parameter(torch.randn(BITS, 64, 64).sign(), requires_grad=False)

    @torch.jit.export
    def embed(self, imgs: Tensor, msgs: Tensor) -> Tensor:
        added = torch.einsum("bm,mhw->bhw", 2 * msgs - 1, self.patterns)
        return (imgs + 0.004 * added[:, None]).clamp(0, 1)

    @torch.jit.export
    def detect(self, imgs: Tensor) -> Tensor:
        grey = imgs.mean(dim=1)
        bits = torch.einsum("bhw,mhw->bm", grey - grey.mean(), self.patterns)
        return torch.cat([bits[:, :1] * 0, bits], dim=1)

    def forward(self, imgs: Tensor) -> Tensor:
        return self.detect(imgs)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("videoseal") / "small.jit"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch would rather have it exported another way
        torch.jit.script(Small()).save(str(path))
    return path


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_marks_and_finds(checkpoint: Path) -> None:
    seal = VideoSeal.load(checkpoint)
    clip = moving(20, (64, 64))
    made = np.concatenate(list(seal.marked([clip[:12], clip[12:]], KEY, PAYLOAD)))
    assert made.shape == clip.shape and not np.array_equal(made, clip)
    found = seal.find([made], KEY)
    assert found.p_value < 1e-6 and found.payload == PAYLOAD
    for frames, key in ((clip, KEY), (made, bytes(32))):
        found = seal.find([frames], key)
        assert found.p_value > 1e-4 and found.payload is None


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_what_is_no_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "pickled.pth"
    torch.save({"weights": torch.zeros(2)}, path)
    with pytest.raises(UserError, match="pickled checkpoints are not read"):
        VideoSeal.load(path)
    with pytest.raises(UserError, match="no TorchScript"):
        VideoSeal.load(tmp_path / "nothing.jit")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.script(nn.Linear(2, 2)).save(str(path))
    with pytest.raises(UserError, match="another model"):
        VideoSeal.load(path)
