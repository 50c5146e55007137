"""Which parts of a tree can be trained on, and why the rest cannot.

The last check is of the text: whether a message contains thoughts, or chat-template tokens where a
turn begins or ends. Replies are cleaned of those before they become messages
(`aloe.models.markup`), but a tree may come from elsewhere or be older. A message that mentions such
tokens in a sentence or in code is fine, and is encoded as text (`aloe.models.control_tokens`).
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import wraps
from typing import Any

from aloe.flaws import describe_flaw
from aloe.models.markup import holds_marks
from aloe.schema import Tree, Verdict
from aloe.secrets import leaves
from aloe.wording import same_text, visible

Skipped = Counter[str]
"""What gave no row, by reason: comparisons, and messages or replies where the reason says so."""

NO_PLACE = "no place in this layout"
"""The reason where a row has place for one comparison a turn and ends before an undecided turn."""

NOT_BEST = "no single best reply"
"""The reason where replies to a message were compared, but several or none are never beaten."""

WON_AND_LOST = "won and lost"
"""The reason where a reply is neither good nor bad: it beats one sibling and loses to another."""

NOTHING = "nothing to compare"
"""The reason where no two replies to a message were compared, as in a chat that was imported."""

MARKUP = "control markup"
"""The reason where a message holds thoughts or marks of a chat template (`aloe.models.markup`)."""


def count_uncompared(tree: Tree, skipped: Skipped) -> None:
    """Count the messages that were replied to and on whose replies there is no verdict at all."""
    compared = {verdict.node for verdict in tree.verdicts}
    open_ones = (user.id for user in tree.users if user.id not in compared)
    if count := sum(bool(tree.children(user)) for user in open_ones):
        skipped[NOTHING] += count


def is_usable(tree: Tree, verdict: Verdict, skipped: Skipped) -> bool:
    """Return whether a verdict gives a label; counts it if not."""
    if reason := tree.lost(verdict.node):
        skipped[reason] += 1
        return False
    if not (verdict.preferred and verdict.rejected):
        skipped[verdict.outcome] += 1
        return False
    found = find_pair_flaw(tree, verdict.preferred, verdict.rejected)
    if found:
        skipped[found] += 1
    return found is None


def find_pair_flaw(tree: Tree, preferred: str, rejected: str) -> str | None:
    """Return what forbids to teach that one reply is better than another, None if nothing does.

    A reply that uses what its user had not told is never to be preferred, but good to reject.
    """
    pair = (tree.by_id[preferred], tree.by_id[rejected])
    faulty = [node for node in pair if node.faults]
    if flawed := faulty or [node for node in pair if not visible(node.content)]:
        return describe_flaw(flawed[0])
    if same_text(*(node.content for node in pair)):
        return "identical reply"
    return describe_flaw(pair[0])


def without_markup(
    make: Callable[[Tree, Skipped], Iterable[dict[str, Any]]],
) -> Callable[[Tree, Skipped], Iterator[dict[str, Any]]]:
    """Return an exporter that leaves out rows with control markup in a message, and counts them."""

    @wraps(make)
    def rows(tree: Tree, skipped: Skipped) -> Iterator[dict[str, Any]]:
        marked = {node.content for node in tree.nodes if holds_marks(node.content)}
        for row in make(tree, skipped):
            if marked and any(value in marked for _, value in leaves(row)):
                skipped[MARKUP] += 1
            else:
                yield row

    return rows
