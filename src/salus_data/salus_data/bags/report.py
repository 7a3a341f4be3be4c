"""What an import did: which episodes came in, which did not and why."""

from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class LostEpisode:
    """An episode that is in a bag and not in the store.

    Attributes:
        bag: path of the bag.
        episode: its id.
        reason: why, in one line.
    """

    bag: str
    episode: str
    reason: str


@dataclass
class ImportReport:
    """The result of an import.

    Attributes:
        store: what was written; it does not exist where no episode could be imported.
        imported: ids, in the order of writing.
        outcomes: of the imported episodes.
        lost: episodes that were not imported.
        problems: (bag, line) of damage and of messages that were refused.
        rows: imported.
        messages: that were read and joined.
        duplicated: messages that came twice with the same content; harmless.
        bytes: of the bags' files.
    """

    store: Path
    imported: list[str] = field(default_factory=list)
    outcomes: Counter[str] = field(default_factory=Counter)
    lost: list[LostEpisode] = field(default_factory=list)
    problems: list[tuple[str, str]] = field(default_factory=list)
    rows: int = 0
    messages: int = 0
    duplicated: int = 0
    bytes: int = 0

    @property
    def complete(self) -> bool:
        """Whether every episode of the bags is in the store and nothing was damaged."""
        return not self.lost and not self.problems

    def lose(self, bag: Path, episode: str, reason: str) -> None:
        """Note an episode that was not imported."""
        self.lost.append(LostEpisode(str(bag), episode, reason))

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self) | {"store": str(self.store), "outcomes": dict(self.outcomes)}
