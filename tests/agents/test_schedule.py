"""The comparisons of a turn: which are made, and what the ranking they give is worth."""

import asyncio
from itertools import combinations, permutations
from math import ceil, log2
from typing import get_args

import pytest
from builders import assistant, user
from hypothesis import given
from hypothesis import strategies as st

from aloe.agents.schedule import compare_all
from aloe.config import Schedule
from aloe.ranking import beaten
from aloe.schema import AssistantNode, Outcome, Verdict

OPENING = user("Hello")
REPLIES = [assistant(f"Reply {i}", OPENING, agent=f"a{i}") for i in range(8)]
NAMES = {reply.id: i for i, reply in enumerate(REPLIES)}


def judged(
    count: int, outcomes: dict[tuple[int, int], Outcome], schedule: Schedule = "tournament"
) -> list[Verdict]:
    """Compare the first `count` replies with a judge that answers from a table."""

    async def compare(first: AssistantNode, second: AssistantNode) -> Verdict:
        outcome = outcomes[NAMES[first.id], NAMES[second.id]]
        return Verdict(
            node=OPENING.id, first=first.id, second=second.id, votes=(), outcome=outcome
        )  # fmt: skip

    return asyncio.run(compare_all(REPLIES[:count], compare, schedule))


def in_line(order: tuple[int, ...]) -> dict[tuple[int, int], Outcome]:
    """Return the outcomes of a judge who likes replies in this order and never hesitates."""
    rank = {name: place for place, name in enumerate(order)}
    pairs = combinations(range(len(order)), 2)
    return {(a, b): "first" if rank[a] < rank[b] else "second" for a, b in pairs}


@st.composite
def tables(draw: st.DrawFn) -> tuple[int, dict[tuple[int, int], Outcome]]:
    """Return any judge at all: hesitant, in circles, whatever."""
    count = draw(st.integers(2, 6))
    outcome = st.sampled_from(["first", "second", "tie", "abstain"])
    return count, {pair: draw(outcome) for pair in combinations(range(count), 2)}


def test_a_round_robin_asks_about_every_pair_in_order() -> None:
    found = judged(4, in_line((2, 0, 3, 1)), "round_robin")
    assert [(NAMES[v.first], NAMES[v.second]) for v in found] == list(combinations(range(4), 2))


@pytest.mark.parametrize(("count", "most"), [(2, 1), (3, 3), (4, 5), (5, 8), (6, 11)])
def test_a_tournament_finds_every_order_with_few_calls(count: int, most: int) -> None:
    asked = []
    for order in permutations(range(count)):
        verdicts = judged(count, in_line(order))
        asked.append(len(verdicts))
        ranking = beaten(verdicts)
        assert sorted(ranking, key=lambda node: -len(ranking[node])) == [
            REPLIES[name].id for name in order
        ]
    assert max(asked) == most
    least = log2(len(asked))
    assert ceil(least) <= most <= ceil(least) + 1
    assert sum(asked) / len(asked) < least + 0.2 * count


def test_eight_in_line_take_at_most_seventeen_of_twenty_eight() -> None:
    for shift in range(8):
        order = tuple((3 * place + shift) % 8 for place in range(8))
        assert len(judged(8, in_line(order))) <= 17


@given(tables())
def test_two_are_left_uncompared_only_if_their_order_follows(
    table: tuple[int, dict[tuple[int, int], Outcome]],
) -> None:
    count, outcomes = table
    verdicts = judged(count, outcomes)
    pairs = [(NAMES[v.first], NAMES[v.second]) for v in verdicts]
    assert len(set(pairs)) == len(pairs) <= count * (count - 1) // 2
    assert set(pairs) <= set(outcomes)
    ranking = beaten(verdicts)
    for a, b in set(outcomes) - set(pairs):
        one, other = REPLIES[a].id, REPLIES[b].id
        assert (other in ranking[one]) != (one in ranking[other])


@given(tables())
def test_what_was_asked_never_goes_in_circles(
    table: tuple[int, dict[tuple[int, int], Outcome]],
) -> None:
    ranking = beaten(judged(*table))
    for node, others in ranking.items():
        assert node not in others
        for other in others:
            assert node not in ranking[other]


@given(st.integers(2, 6), st.sampled_from(["tie", "abstain"]))
def test_a_judge_that_prefers_nothing_is_asked_about_every_pair(
    count: int, outcome: Outcome
) -> None:
    outcomes = dict.fromkeys(combinations(range(count), 2), outcome)
    assert len(judged(count, outcomes)) == len(outcomes)


@given(st.integers(2, 6).flatmap(lambda count: st.permutations(range(count))))
def test_a_judge_in_line_ranks_alike_under_both_schedules(order: list[int]) -> None:
    outcomes = in_line(tuple(order))
    one, other = (judged(len(order), outcomes, name) for name in get_args(Schedule))
    assert beaten(one) == beaten(other)
