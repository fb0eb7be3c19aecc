"""What a guard says: one value for prompts and frames."""

from dataclasses import dataclass
from typing import Any, Literal

Category = Literal["minors", "sexual", "violence", "hate", "self_harm", "celebrity", "ip",
                   "flashing", "guard"]  # fmt: skip

CATEGORIES: dict[str, tuple[str, str]] = {
    "minors": ("sexual content with minors", "this is never made"),
    "sexual": ("sexual content", "leave out nudity and sexual acts"),
    "violence": ("extreme violence", "show the moment before or after, without injuries"),
    "hate": ("hateful imagery", "leave out symbols of hate and what degrades a group"),
    "self_harm": ("harm to oneself", "show help or hope instead; if this is about you, please "
                  "talk to somebody: findahelpline.com lists whom to call"),
    "celebrity": ("the likeness of a real person", "describe somebody without a name"),
    "ip": ("characters or brands of others", "describe a character of your own"),
    "flashing": ("flashes that can cause seizures", "ask for calmer light"),
    "guard": ("a guard that could not do its work", "see that the guard can run"),
}  # fmt: skip
"""What each category is called, and what would help."""


@dataclass(frozen=True)
class Finding:
    """Something that a guard found.

    Attributes:
        category: a key of CATEGORIES.
        score: 0 to 1; a rule says 1.
        what: which rule, label or measure said so; never the prompt's words.
    """

    category: Category
    score: float
    what: str


@dataclass(frozen=True)
class Ran:
    """A guard that ran to its end.

    Attributes:
        name: of the guard.
        version: of its lists and weights, or of the model in a folder.
        seconds: that it took.
    """

    name: str
    version: str
    seconds: float = 0.0


@dataclass(frozen=True)
class Verdict:
    """What one guard or a chain of them says.

    Attributes:
        allowed: whether it may be made, or shown.
        findings: what speaks against it; empty when allowed.
        ran: the guards that ran to their end, and no others.
        failed: the guard that did not, and why; None if all did. What failed blocks.
    """

    allowed: bool
    findings: tuple[Finding, ...] = ()
    ran: tuple[Ran, ...] = ()
    failed: str | None = None

    @property
    def reason(self) -> str:
        """One sentence for the person who asked: which category, and what would help."""
        if self.allowed:
            return "nothing speaks against it"
        if self.failed is not None:
            return self.failed
        kinds = list(dict.fromkeys(finding.category for finding in self.findings))
        named = [CATEGORIES[kind][0] for kind in kinds]
        joined = " and ".join([", ".join(named[:-1]), named[-1]] if len(named) > 1 else named)
        return f"it asks for {joined}: {CATEGORIES[kinds[0]][1]}"

    def record(self) -> dict[str, Any]:
        """The verdict for a result, a log or a manifest: plain values, nothing of the prompt."""
        return {
            "allowed": self.allowed,
            "findings": [
                {"category": f.category, "score": round(f.score, 4), "what": f.what}
                for f in self.findings
            ],
            "guards": [{"name": ran.name, "version": ran.version} for ran in self.ran],
            "failed": self.failed,
        }
