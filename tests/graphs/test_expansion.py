import random
from collections.abc import Sequence

import pytest
from builders import assistant, user

from aloe.config import SimulationConfig
from aloe.schema import AssistantNode, Verdict
from graphs.expansion import EXPANSIONS, frontier

OPENING = user("Hello")
A, B, C = (assistant(f"Reply {name}", OPENING, agent=name) for name in "abc")
EMPTY = assistant("", OPENING, agent="d")


def beats(better: AssistantNode, worse: AssistantNode, *, flipped: bool = False) -> Verdict:
    first, second = (worse, better) if flipped else (better, worse)
    return Verdict(
        node=OPENING.id,
        first=first.id,
        second=second.id,
        votes=(),
        outcome="second" if flipped else "first",
    )


def continued(
    name: str,
    candidates: Sequence[AssistantNode],
    verdicts: Sequence[Verdict] = (),
    *,
    turn: int = 1,
    both_turns: int = 0,
) -> set[tuple[str, ...]]:
    """Return every frontier that some seed gives."""
    config = SimulationConfig.model_validate({"expansion": name, "both_turns": both_turns})
    return {
        tuple(frontier(config, turn, candidates, verdicts, random.Random(seed)))
        for seed in range(40)
    }


def test_sample_continues_one_at_random() -> None:
    assert continued("sample", [A, B]) == {(A.id,), (B.id,)}


def test_both_continues_all_in_order() -> None:
    assert continued("both", [A, B, C]) == {(A.id, B.id, C.id)}


@pytest.mark.parametrize("flipped", [True, False])
def test_preferred_follows_the_judge(flipped: bool) -> None:
    assert continued("preferred", [A, B], [beats(B, A, flipped=flipped)]) == {(B.id,)}


def test_preferred_counts_wins_and_draws_among_equals() -> None:
    verdicts = [beats(A, B), beats(C, A, flipped=True), beats(C, B)]
    assert continued("preferred", [A, B, C], verdicts) == {(C.id,)}
    cycle = [beats(A, B), beats(B, C), beats(C, A)]
    assert continued("preferred", [A, B, C], cycle) == {(A.id,), (B.id,), (C.id,)}
    undecided = beats(A, B).model_copy(update={"outcome": "abstain"})
    assert continued("preferred", [A, B], [undecided]) == {(A.id,), (B.id,)}


def test_the_first_turns_may_continue_all() -> None:
    assert continued("sample", [A, B], turn=2, both_turns=2) == {(A.id, B.id)}
    assert len(continued("sample", [A, B], turn=3, both_turns=2)) == 2


@pytest.mark.parametrize("name", EXPANSIONS)
def test_empty_replies_are_never_continued(name: str) -> None:
    assert continued(name, [EMPTY, B]) == {(B.id,)}
    assert continued(name, [EMPTY]) == {()}
