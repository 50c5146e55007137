import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from builders import assistant, config, user

from aloe.config import EXPANSION_NAMES, SimulationConfig
from aloe.errors import ConfigError, RoleError
from aloe.graphs.expansion import Siblings, beam, choose_frontier
from aloe.schema import AssistantNode, Verdict, Vote

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
    **settings: Any,
) -> set[tuple[str, ...]]:
    """Return every frontier that some tree gives."""
    config = SimulationConfig.model_validate({"expansion": name, "turns": 5, **settings})
    level = [Siblings(user=OPENING.id, candidates=candidates, verdicts=verdicts)]
    return {
        tuple(choose_frontier(config, str(tree), turn, level, 1 + len(candidates)))
        for tree in range(60)
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


@pytest.mark.parametrize("name", EXPANSION_NAMES)
def test_empty_replies_are_never_continued(name: str) -> None:
    assert continued(name, [EMPTY, B]) == {(B.id,)}
    assert continued(name, [EMPTY]) == {()}


def abstains(first: AssistantNode, second: AssistantNode) -> Verdict:
    return beats(first, second).model_copy(update={"outcome": "abstain"})


def votes(*choices: str) -> tuple[Vote, ...]:
    raw = {"judge": "j", "order": "first-second", "raw": "A"}
    return tuple(Vote.model_validate({**raw, "choice": choice}) for choice in choices)


def test_disagreement_continues_what_the_judge_is_divided_about() -> None:
    assert continued("disagreement", [A, B], [abstains(A, B)]) == {(A.id, B.id)}
    assert continued("disagreement", [A, B], [beats(A, B)]) == {(A.id,), (B.id,)}
    split = beats(A, B).model_copy(update={"votes": votes("first", "second")})
    assert continued("disagreement", [A, B], [split]) == {(A.id, B.id)}
    agreed = beats(A, B).model_copy(update={"votes": votes("first", "first")})
    assert continued("disagreement", [A, B], [agreed]) == {(A.id,), (B.id,)}
    of_three = [beats(A, B), abstains(A, C), beats(B, C)]
    assert continued("disagreement", [A, B, C], of_three) == {(A.id, C.id)}


def test_beam_takes_the_best_of_the_turn_whatever_their_branch() -> None:
    other = user("Elsewhere")
    d, e = (assistant(f"Reply {name}", other, agent=name) for name in "de")
    strong = beats(d, e).model_copy(update={"node": other.id, "margin": 2.0})
    weak = beats(A, B).model_copy(update={"margin": 0.5})
    level = [
        Siblings(user=OPENING.id, candidates=[A, B], verdicts=[weak]),
        Siblings(user=other.id, candidates=[d, e], verdicts=[strong]),
    ]
    assert beam(level, 1, random.Random(0)) == [d.id]
    assert beam(level, 2, random.Random(0)) == [A.id, d.id]
    assert beam(level, 3, random.Random(0)) == [A.id, B.id, d.id]
    assert beam(level, 9, random.Random(0)) == [A.id, B.id, d.id, e.id]


def test_beam_of_one_branch_draws_among_equals() -> None:
    assert len(continued("beam", [A, B, C], [], beam_width=2)) == 3
    assert continued("beam", [A, B, C], [beats(C, A), beats(C, B)], beam_width=1) == {(C.id,)}


def test_a_budget_keeps_as_many_branches_as_can_reach_the_end() -> None:
    # 5 turns of 1 + 3 nodes; one is played, so a path to the end costs 4 * 4 more
    assert {len(each) for each in continued("both", [A, B, C], node_budget=4 + 47)} == {2}
    assert {len(each) for each in continued("both", [A, B, C], node_budget=4 + 48)} == {3}
    assert continued("both", [A, B, C], node_budget=4 + 16) == {(A.id,), (B.id,), (C.id,)}
    assert {len(each) for each in continued("both", [A, B, C], node_budget=4 + 4)} == {1}
    assert continued("both", [A, B, C], node_budget=4 + 3) == {()}


@pytest.mark.parametrize(("room", "whole"), [(2, 1), (4, 2), (3, 1), (1, 0)])
def test_a_budget_keeps_siblings_together(room: int, whole: int) -> None:
    level = []
    for name in "xyz":
        message = user(name)
        pair = [assistant(f"Reply {n}", message, agent=n) for n in "ab"]
        level.append(Siblings(user=message.id, candidates=pair, verdicts=[]))
    parents = {c.id: each.user for each in level for c in each.candidates}
    config = SimulationConfig(expansion="both", turns=5, node_budget=9 + 3 * 3 * room)
    met = set()
    for tree in map(str, range(40)):
        kept = choose_frontier(config, tree, 2, level, 9)
        together = Counter(parents[node] for node in kept)
        assert len(kept) == room
        assert sum(count == 2 for count in together.values()) == whole
        met |= set(kept)
    assert met == set(parents)  # whoever is cut is drawn


def level_after(*agents: str) -> list[Siblings]:
    """Return two candidates for each message that reacts to a reply of one of `agents`."""
    level = []
    for number, agent in enumerate(agents):
        message = user(str(number))
        pair = [assistant(f"Reply {n}", message, agent=n) for n in "ab"]
        level.append(Siblings(user=message.id, candidates=pair, verdicts=[], reacts_to=agent))
    return level


@pytest.mark.parametrize(("room", "met"), [(1, "y"), (2, "y"), (4, "xyz"), (6, "xyz")])
def test_a_budget_can_keep_the_branches_of_one_assistant_first(room: int, met: str) -> None:
    level = level_after(*"xyz")
    nodes = 1 + sum(1 + 2 for _ in level)
    config = SimulationConfig(
        expansion="both", turns=5, node_budget=nodes + 3 * 3 * room, budget_keeps="y"
    )
    agent_of = {c.id: each.reacts_to for each in level for c in each.candidates}
    kept = [choose_frontier(config, str(tree), 2, level, nodes) for tree in range(40)]
    assert {len(each) for each in kept} == {room}
    assert {agent_of[node] for each in kept for node in each} == set(met)
    if room >= 2:  # both replies to that message
        assert all([agent_of[node] for node in each].count("y") == 2 for each in kept)


def test_a_role_among_the_assistants_may_come_first() -> None:
    changes = {"simulation": {"node_budget": 20, "budget_keeps": "mine"}}
    given = config().updated({"roles.mine": {"use": "x:Y", "among": "assistants"}}, source="test")
    assert given.updated(changes, source="test").simulation.budget_keeps == "mine"


def test_nobody_comes_first_where_no_reply_came_before() -> None:
    kept = continued("both", [A, B], node_budget=3 + 12, budget_keeps="a")
    assert kept == {(A.id,), (B.id,)}


OWN = """
def last(candidates, verdicts, rng):
    return [candidates[-1].id]


def wrong(candidates, verdicts, rng):
    return ["nobody"]


def broken(candidates, verdicts, rng):
    return [1 / 0]
"""


def test_a_policy_may_come_from_outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_policy.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    assert continued("own_policy:last", [A, B, C]) == {(C.id,)}
    with pytest.raises(RoleError, match="not among the candidates"):
        continued("own_policy:wrong", [A, B])
    with pytest.raises(RoleError, match=r"own_policy\.py:11: ZeroDivisionError"):
        continued("own_policy:broken", [A, B])
    for missing in ("own_policy:none", "no_such_module:last"):
        with pytest.raises(ConfigError, match="cannot be found"):
            continued(missing, [A, B])
