"""Counting: which words were asked for, and which of them were seen."""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from skyloom.bench.judges.attributes import ATTRIBUTES


class Tally:
    """Right answers by attribute, and clips of which everything that was asked for is right."""

    def __init__(self) -> None:
        self.asked: dict[str, int] = defaultdict(int)
        self.right: dict[str, int] = defaultdict(int)
        self.clips = self.whole = 0

    def add(self, asked: Mapping[str, str], seen: Mapping[str, str]) -> dict[str, bool]:
        """Score one clip: an attribute is right where the word seen is the word asked for.

        What `seen` has no word for is not scored.
        """
        verdict = {name: seen[name] == word for name, word in asked.items() if name in seen}
        for name, right in verdict.items():
            self.asked[name] += 1
            self.right[name] += right
        self.clips += 1
        self.whole += all(verdict.values())
        return verdict

    def figures(self) -> dict[str, Any]:
        """Shares of right answers: by attribute, the mean over attributes, and all at once."""
        names = [name for name in ATTRIBUTES if self.asked[name]]
        shares = {name: self.right[name] / self.asked[name] for name in names}
        return {
            "clips": self.clips,
            "attributes": {
                name: {"accuracy": round(shares[name], 4), "asked": self.asked[name]}
                for name in names
            },
            "mean": round(sum(shares.values()) / len(shares), 4) if shares else None,
            "all at once": round(self.whole / self.clips, 4) if self.clips else None,
        }
