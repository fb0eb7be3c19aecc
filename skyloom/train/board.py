"""A run's figures as TensorBoard reads them, beside the JSON lines, which stay the source."""

from collections.abc import Mapping
from pathlib import Path

from skyloom.extras import need

FOLDER = "tensorboard"
"""Below a run's folder."""


class Board:
    """Writes event files; `tensorboard --logdir FOLDER` shows them.

    Args:
        folder: of the run.
        step: which step the run goes on from; TensorBoard drops what an earlier process wrote of
            later ones.

    Raises:
        UserError: tensorboardX is not installed.
    """

    def __init__(self, folder: Path, step: int) -> None:
        writer = need("tensorboardX", "tensorboard").SummaryWriter
        purge = step + 1 if step else None
        self._writer = writer(str(folder / FOLDER), purge_step=purge, flush_secs=10)

    def add(self, kind: str, row: Mapping[str, float]) -> None:
        """The figures of a row, each as "kind/name" over its step."""
        for name, value in row.items():
            if f"{name}_share" in row:  # what part of the loss it is: over its share, the mean
                value = value / row[f"{name}_share"] if row[f"{name}_share"] else float("nan")
            if name != "step" and not name.endswith("_share"):
                self._writer.add_scalar(f"{kind}/{name}", value, int(row["step"]))

    def close(self) -> None:
        """Write what is left."""
        self._writer.close()
