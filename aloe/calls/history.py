"""What earlier parts of a run left in its events file, read once when it is resumed."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from aloe.calls.budget import Spent
from aloe.calls.event import read_events
from aloe.calls.forecast import RoleUsage
from aloe.config import Price


@dataclass(kw_only=True)
class History:
    """The earlier parts of a run."""

    spent: Spent = field(default_factory=Spent)
    usage: defaultdict[str, RoleUsage] = field(default_factory=lambda: defaultdict(RoleUsage))
    """What calls took, by role."""
    trees: Counter[str] = field(default_factory=Counter)
    """Calls that were answered, by the id of their tree; those of another run do not count."""

    @classmethod
    def of(cls, events: Path, prices: Mapping[str, Price]) -> "History":
        """Read an events file; one that is not there yet says nothing.

        Args:
            events: the file.
            prices: of the current settings, for calls of which the cost was not known.
        """
        earlier = cls()
        for line in read_events(events):
            earlier.spent.add_earlier(line, prices)
            earlier.usage[line["role"]].add_earlier(line)
            if line["tree"] and not line.get("carried"):
                earlier.trees[line["tree"]] += bool(line["reply"])
        return earlier
