"""What is shown of a run, and where something is in it."""

from collections.abc import Sequence
from itertools import combinations
from types import SimpleNamespace

import pytest
from builders import PERSONAS, assistant, config, grow
from sample_tree import CUT, HINTED, MUTE, OPENING, OTHER, PLAIN, SECOND, SHORT, SORRY, TREE

from aloe.schema import Node, Outcome, Verdict
from aloe.views.grove import FILTERS, KINDS, Grove
from aloe.views.marks import preference

GROWN = grow(config(turns=2), persona=PERSONAS[1]).model_copy(update={"verdicts": ()})
GROVE = Grove(SimpleNamespace(trees=[GROWN, TREE], unfinished={GROWN.id}, running=True))


def test_everything_is_shown_in_the_order_of_the_screen() -> None:
    assert GROVE.places[0] == (0, None)
    assert len(GROVE.places) == len(GROWN.nodes) + len(TREE.nodes) + 2


@pytest.mark.parametrize(
    ("only", "kept"),
    [
        ("fault", [OPENING, HINTED, PLAIN, SECOND, SHORT, CUT, OTHER, SORRY, MUTE]),
        ("abstain", [OPENING, PLAIN, OTHER, SORRY, MUTE]),
        ("mind-reading", [OPENING, HINTED, PLAIN]),
        ("verdict", TREE.nodes),
    ],
)
def test_a_filter_keeps_what_leads_to_what_it_is_about(only: str, kept: Sequence[Node]) -> None:
    assert set(GROVE.narrow(only).shown(1)) == {node.id for node in kept}


def test_whole_trees_can_be_asked_for() -> None:
    assert GROVE.narrow("unfinished").numbers == [0]
    assert GROVE.narrow("persona", "BICYCLES").numbers == [1]
    assert GROVE.narrow("persona", "nobody").places == []
    assert GROVE.narrow("abstain").numbers == [1]
    assert KINDS.keys() <= FILTERS.keys()


def test_a_step_goes_round() -> None:
    found = GROVE.find_text("chain")
    assert found == [(1, node.id) for node in (OPENING, HINTED, SHORT, CUT)]
    assert GROVE.find_next(found, (1, OPENING.id), 1) == (1, HINTED.id)
    assert GROVE.find_next(found, (1, CUT.id), 1) == (1, OPENING.id)
    assert GROVE.find_next(found, (0, None), -1) == (1, CUT.id)
    assert GROVE.find_ids(CUT.id[:6]) == [(1, CUT.id)]
    assert GROVE.find_ids(TREE.id[:6]) == [(1, None)]


@pytest.mark.parametrize(
    ("outcomes", "marks", "unsure"),
    [
        (("first", "first", "first"), "★  ", ""),  # the second beat the third and lost to the first
        (("abstain", "first", "first"), "★★ ", "ab"),
        (("first", "second", "first"), "   ", ""),  # round in a circle
        (("tie", "first", "abstain"), "★??", "bc"),
    ],
)
def test_of_three_replies_a_star_is_for_who_lost_to_nobody(
    outcomes: tuple[Outcome, ...], marks: str, unsure: str
) -> None:
    replies = [assistant(f"Reply {name}.", OPENING, agent=name) for name in "abc"]
    verdicts = tuple(
        Verdict(node=OPENING.id, first=one.id, second=other.id, votes=(), outcome=outcome)
        for (one, other), outcome in zip(combinations(replies, 2), outcomes, strict=True)
    )
    update = {"nodes": (OPENING, *replies), "verdicts": verdicts}
    tree = TREE.model_copy(update=update)
    assert "".join(preference(tree, each) for each in replies) == marks
    grove = Grove(SimpleNamespace(trees=[tree], unfinished=set(), running=False))
    found = [tree.by_id[node or ""].agent for _, node in grove.find_kind("abstain")]
    assert found == list(unsure)
    assert grove.count("abstain") == bool(unsure)
