"""Who is on which side of a split: personas that share anything word for word stay together.

A model that has learnt from one user knows a good deal of another with the same profile, the same
personality or the same first message. So personas who share one of these, directly or through
others, form a group, and a group goes to one side as a whole. The side follows from the hash of the
smallest id in the group: it stays when trees are added, unless they link groups of two sides or
bring a smaller id into one.
"""

from collections.abc import Iterator, Sequence

from aloe.clusters import find_clusters
from aloe.errors import ConfigError
from aloe.files.writing import row_lines
from aloe.number_format import counted
from aloe.schema import Tree, digest
from aloe.training.export import Row, take_trainer_columns
from aloe.training.release import Split
from aloe.training.usable import Skipped

REPEATED = "repeated word for word"
"""The reason where a row says what one before it says."""


def choose_split(group: str, test_share: float) -> Split:
    """Return the side of what has this id; `test_share` in [0, 1] is expected on `test`."""
    return "test" if int(digest("split", group), 16) / 16**16 < test_share else "train"


def choose_sides(trees: Sequence[Tree], test_share: float) -> dict[str, Split]:
    """Return the side of every persona by its id.

    Args:
        trees: all that are split.
        test_share: share of the groups that is expected on `test`, in [0, 1].
    """
    sides: dict[str, Split] = {}
    for group in _find_groups(trees):
        sides |= dict.fromkeys(group, choose_split(min(group), test_share))
    return sides


def split_rows(
    rows: Sequence[Row], trees: Sequence[Tree], test_share: float
) -> dict[Split, list[Row]]:
    """Return the rows by side.

    Raises:
        ConfigError: there is nothing left to train on.
    """
    sides = choose_sides(trees, test_share)
    found: dict[Split, list[Row]] = {"train": [], "test": []}
    for row in rows:
        found[sides[row["persona"]]].append(row)
    if rows and not found["train"]:
        groups = counted(len(_find_groups(trees)), "group")
        raise ConfigError(
            f"--test-share {test_share:g} leaves no row to train on: the {groups} of personas "
            "(who share profile, personality or first message) are all held out; give a smaller "
            "share or more trees"
        )
    return found


def drop_repeated(rows: Sequence[Row], method: str, skipped: Skipped) -> list[Row]:
    """Return the rows without those whose columns for the trainer an earlier one has; counts them.

    Args:
        rows: with all their columns.
        method: whose they are.
        skipped: gets the count.
    """
    first: dict[str, Row] = {}
    for row in rows:
        first.setdefault(row_lines([take_trainer_columns(row, method)]), row)
    if lost := len(rows) - len(first):
        skipped[REPEATED] += lost
    return list(first.values())


def _find_groups(trees: Sequence[Tree]) -> list[set[str]]:
    """Return the ids of the personas that stay together, group by group."""
    holders: dict[tuple[str, str], int] = {}
    pairs = []
    for place, tree in enumerate(trees):
        for key in _traits(tree):
            pairs.append((holders.setdefault(key, place), place))
    found = find_clusters(len(trees), pairs)
    return [{trees[place].persona.id for place in group} for group in found]


def _traits(tree: Tree) -> Iterator[tuple[str, str]]:
    """Yield what nobody on the other side may share; nothing of what an import left empty."""
    yield "id", tree.persona.id
    played = (node.played for node in tree.users if node.played)
    for persona in (tree.persona, *played):
        for kind in ("profile", "personality"):
            if text := getattr(persona, kind).strip():
                yield kind, text
    for user in tree.users:
        if user.parent is None and (text := user.content.strip()):
            yield "opening", text
