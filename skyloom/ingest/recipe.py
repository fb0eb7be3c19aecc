"""What ingest keeps, and the limits under which it decodes: one strict recipe."""

from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True)
class Limits:
    """What a process may use on one file. A file that wants more is skipped, and listed.

    Attributes:
        memory: GiB of address space.
        seconds: wall time for one file, start to end.
        stall: wall time without one more frame.
    """

    memory: float = 4.0
    seconds: float = 3600.0
    stall: float = 60.0

    def __post_init__(self) -> None:
        for name in ("memory", "seconds", "stall"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} is {getattr(self, name)} and must be above 0")


@dataclass(frozen=True)
class IngestRecipe:
    """Thresholds of ingest. Changing those under "dropped" does not decode the films again.

    Attributes:
        cut: a cut changes the picture so many times as much as the frames around it do, see
            PySceneDetect's AdaptiveDetector.
        cut_least: the least change of a cut, 0 to 255, its mean over hue, saturation and luma.
        longest: seconds; longer shots are cut into pieces.
        largest: pixels of a frame; larger films are refused before a frame is decoded.
        shortest: dropped where it lasts less, in seconds.
        smallest: dropped where its shorter side has fewer pixels.
        blank: dropped where luma spreads less, a standard deviation of 0 to 255.
        still: dropped where a smaller share of the picture changes in a quarter of a second.
        blurred: dropped where the blur is more, 0 sharp to 1, see `measures.blur`.
        text: dropped where laid-over text, such as subtitles, covers more of the picture for a
            second, a share of it; 1 keeps it. See `lettering`.
        duplicate: dropped where it differs less from a shot that is kept, root mean square of
            0 to 255 over 8x8 colours at four moments; 0 keeps duplicates.
        side: pixels of the shorter side that clips are shrunk to, the aspect kept; none keeps the
            native size.
        format: "mp4", or "safetensors", which is lossless and large.
        crf: of the .mp4 files, 0 best to 51.
        limits: of the processes that decode.
    """

    cut: float = 3.0
    cut_least: float = 15.0
    longest: float = 10.0
    largest: int = 8192 * 4320
    shortest: float = 1.0
    smallest: int = 64
    blank: float = 4.0
    still: float = 0.002
    blurred: float = 0.6
    text: float = 0.002
    duplicate: float = 5.0
    side: int | None = None
    format: Literal["mp4", "safetensors"] = "mp4"
    crf: int = 17
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        for name in ("cut", "longest", "largest"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} is {getattr(self, name)} and must be above 0")
        if self.longest < self.shortest:
            raise ValueError(
                f"no shot is of {self.shortest} s (shortest) and {self.longest} s (longest) both"
            )
        if self.side is not None and self.side < 16:
            raise ValueError(f"side is {self.side}: 16 pixels or more work, or none")
        if not 0 <= self.crf <= 51:
            raise ValueError(f"crf is {self.crf} and must be 0 to 51")

    def survey_key(self) -> list:
        """What the survey of a film depends on; the rest is judged from it afterwards."""
        return [SURVEY_VERSION, self.cut, self.cut_least, self.longest, self.largest]


SURVEY_VERSION = 2
"""Counts the changes of what a survey measures, so that those of an older version are redone."""
