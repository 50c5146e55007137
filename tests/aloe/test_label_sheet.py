"""Which pairs people are asked about."""

import pytest
from builders import PERSONAS, assistant, user

from aloe.label_sheet import can_be_asked
from aloe.schema import Tree, Verdict

OPENING = user("Hello")


@pytest.mark.parametrize(
    ("first", "second", "asked"),
    [
        ("Yes.", "No.", True),
        ("Yes.", "yes.", True),
        ("Yes, please.", "Yes,  please.\u200b", False),
        ("Yes.", " \u200b", False),
    ],
)
def test_replies_that_look_alike_are_no_pair(first: str, second: str, asked: bool) -> None:
    pair = [assistant(text, OPENING, agent=agent) for agent, text in (("a", first), ("b", second))]
    verdict = Verdict(node=OPENING.id, first=pair[0].id, second=pair[1].id, votes=(), outcome="tie")
    tree = Tree(id="t", persona=PERSONAS[0], seed=0, models={}, nodes=(OPENING, *pair),
                verdicts=(verdict,))  # fmt: skip
    assert can_be_asked(tree, verdict) is asked
