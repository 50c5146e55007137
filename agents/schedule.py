"""Which candidates of a turn are compared, when there are more than two.

`round_robin` compares every pair. `tournament` inserts candidates one by one into the ranking so
far and asks only what the verdicts do not imply yet, the most informative comparison first; in a
linear ranking that is binary insertion. If every comparison yields a preference, 4 candidates take
at most 5 comparisons instead of 6, 5 take 8 (10), 6 take 11 (15), 8 take 17 (28); the theoretical
minima are 5, 7, 10 and 16.

The ranking stays sound: two candidates are left uncompared only if a chain of preferences already
says which is better. Ties and abstentions imply nothing, so they cost further comparisons, up to
the full round robin, rather than a guess. The price is redundancy: circular preferences go
unnoticed, because the comparison that would close the circle is the one that is skipped.
"""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from itertools import combinations

from aloe.calls.together import ask_each
from aloe.config import Schedule
from aloe.ranking import Beaten, beaten
from aloe.schema import AssistantNode, Verdict

Compare = Callable[[AssistantNode, AssistantNode], Awaitable[Verdict]]
Pair = tuple[AssistantNode, AssistantNode]


async def compare_all(
    candidates: Sequence[AssistantNode],
    compare: Compare,
    schedule: Schedule,
    *,
    at_once: bool = False,
) -> list[Verdict]:
    """Compare candidates until they are ranked as far as the judge can tell.

    Args:
        candidates: the replies to one message.
        compare: asks the judge about two of them.
        schedule: `round_robin` or `tournament`.
        at_once: whether comparisons that do not depend on each other are made at once.

    Raises:
        CallError: a call of the judge failed.
    """
    if schedule == "round_robin":
        asks = [partial(compare, *pair) for pair in combinations(candidates, 2)]
        return await ask_each(asks, at_once=at_once)
    verdicts: list[Verdict] = []
    for count in range(2, len(candidates) + 1):
        while pair := _most_telling(candidates[:count], verdicts):
            verdicts.append(await compare(*pair))
    return verdicts


def _most_telling(candidates: Sequence[AssistantNode], verdicts: Sequence[Verdict]) -> Pair | None:
    """Return the pair whose verdict settles most, None if all pairs of the last are settled."""
    *ranked, new = candidates
    order = beaten(verdicts)
    asked = {frozenset((verdict.first, verdict.second)) for verdict in verdicts}
    unsettled = {
        other.id
        for other in ranked
        if frozenset((other.id, new.id)) not in asked and not _related(order, other.id, new.id)
    }

    def least_settled(other: AssistantNode) -> int:
        above = {node for node in order if other.id in order[node]}
        below = order.get(other.id, set())
        return min(len(unsettled & above), len(unsettled & below))

    pivots = [other for other in ranked if other.id in unsettled]
    return (max(pivots, key=least_settled), new) if pivots else None


def _related(order: Beaten, one: str, other: str) -> bool:
    return other in order.get(one, ()) or one in order.get(other, ())
