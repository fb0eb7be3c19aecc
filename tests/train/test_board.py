"""What TensorBoard reads, read back from the files."""

import math
import struct
from pathlib import Path

import pytest

from skyloom.train.board import FOLDER, Board

event_pb2 = pytest.importorskip("tensorboardX.proto.event_pb2")


def scalars(folder: Path) -> dict[tuple[str, int], float]:
    """(name, step) to value; records are a length, its checksum, an event, its checksum."""
    found = {}
    for file in sorted((folder / FOLDER).glob("events.*")):
        content, at = file.read_bytes(), 0
        while at < len(content):
            (length,) = struct.unpack_from("<Q", content, at)
            event = event_pb2.Event.FromString(content[at + 12 : at + 12 + length])
            for value in event.summary.value:
                found[value.tag, event.step] = value.simple_value
            at += length + 16
    return found


def test_figures_come_back(tmp_path: Path) -> None:
    board = Board(tmp_path, 0)
    row = {"step": 4, "loss": 0.5, "sigma_0_25": 0.1, "sigma_0_25_share": 0.4}
    board.add("metrics", row)
    board.add("evaluations", {"step": 4, "adherence": 0.25})
    board.close()
    found = scalars(tmp_path)
    assert found["metrics/loss", 4] == 0.5
    assert found["evaluations/adherence", 4] == 0.25
    assert math.isclose(found["metrics/sigma_0_25", 4], 0.25, rel_tol=1e-6)
    assert not [tag for tag, _ in found if tag.endswith(("_share", "/step"))]
