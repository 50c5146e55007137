"""Returns against arithmetic, and what holds of them whatever the tree."""

import random
from math import isclose, sqrt
from statistics import fmean, pvariance

import pytest
from branching import Levels, compared, drawn, follow, tree_of
from builders import assistant, user
from hypothesis import given, settings
from hypothesis import strategies as st

from aloe.errors import ConfigError
from aloe.memory.levels import find_levels
from aloe.memory.merge import merge
from aloe.memory.prune import prune
from aloe.memory.returns import Return, ReturnRule, find_returns, label_returns
from aloe.schema import (
    Asked,
    AssistantNode,
    Fault,
    Node,
    Persona,
    ReturnLabel,
    Telling,
    Tree,
)

OPENING = user("Hello")
ANSWER = assistant("Here is an answer.", OPENING, agent="a0")
QUESTION = assistant("Do you like lists?", OPENING, agent="a1")
PAIR = (OPENING, ANSWER, QUESTION)

SHAPES = st.randoms(use_true_random=False)


def returns(tree: Tree, levels: Levels, **rule: float) -> dict[str, Return]:
    return find_returns(tree, find_levels(tree, levels), ReturnRule(**rule))  # type: ignore[arg-type]


def label(tree: Tree, levels: Levels, **rule: float) -> ReturnLabel:
    """Return the label of the first comparison."""
    found = label_returns(tree, ReturnRule(**rule), levels).verdicts[0].by_return  # type: ignore[arg-type]
    assert found
    return found


def two_branches() -> tuple[Tree, Levels]:
    """Return ANSWER (0.5), followed by 0.5 and 0.25, and QUESTION (0.25), by 1 and 0.875."""
    after, known = follow(ANSWER, "And?", 0.5, 0.25)
    asked, more = follow(QUESTION, "Yes.", 1.0, 0.875)
    levels = {ANSWER.id: 0.5, QUESTION.id: 0.25, **known, **more}
    return tree_of([*PAIR, *after, *asked], compared(ANSWER, QUESTION)), levels


def error_of(*branches: list[float]) -> float:
    """Return the standard error between two replies with these branches."""
    one, other = map(len, branches)
    total = [each for held in branches for each in held]
    spread = pvariance(total) * len(total) / (len(total) - 2)
    return sqrt(spread * (1 / one + 1 / other))


def test_a_question_wins_by_what_came_of_it() -> None:
    tree, levels = two_branches()
    found = returns(tree, levels, horizon=2, discount=0.9)
    assert found[ANSWER.id].value == pytest.approx((0.5 + 0.9 * 0.375) / 1.9)
    assert found[QUESTION.id].value == pytest.approx((0.25 + 0.9 * 0.9375) / 1.9)
    branches = [(0.25 + 0.9 * 1.0) / 1.9, (0.25 + 0.9 * 0.875) / 1.9]
    assert found[QUESTION.id].branches == pytest.approx(branches)
    assert found[QUESTION.id].depth == 2
    said = label(tree, levels, horizon=2, discount=0.9)
    assert (said.outcome, said.reason, said.levels) == ("second", None, "rated")
    assert said.difference == pytest.approx((0.25 - 0.9 * 0.5625) / 1.9)
    error = error_of([0.95 / 1.9, 0.725 / 1.9], branches)
    assert said.error == pytest.approx(error)
    z = -(said.difference or 0.0) / error
    assert label(tree, levels, horizon=2, discount=0.9, z=z - 0.01).outcome == "second"
    close = label(tree, levels, horizon=2, discount=0.9, z=z + 0.01)
    assert (close.outcome, close.reason) == ("abstain", "not told apart")
    assert close.returns == said.returns


def test_the_example_of_the_documentation() -> None:
    """docs/returns.md, with and without rollouts."""
    levels = {ANSWER.id: 0.5, QUESTION.id: 0.25}
    nodes, more = list(PAIR), list(PAIR)
    for reply, after in ((ANSWER, (0.5, 0.5, 0.25)), (QUESTION, (1.0, 1.0, 0.75))):
        for number, level in enumerate(after):
            added, known = follow(reply, f"Go on {number}.", level)
            more += added
            nodes += added if number == 0 else ()
            levels |= known
    once = tree_of(nodes, compared(ANSWER, QUESTION))
    plain = label(once, levels, horizon=2, discount=0.9, z=0.0)
    assert plain.outcome == "second"
    assert plain.returns == pytest.approx((0.5, 0.605), abs=5e-4)
    assert label(once, levels, horizon=2, discount=0.9).reason == "one branch only"
    thrice = tree_of(more, compared(ANSWER, QUESTION))
    found = returns(thrice, levels, horizon=2, discount=0.9)
    assert found[ANSWER.id].value == pytest.approx(0.461, abs=5e-4)
    assert found[QUESTION.id].value == pytest.approx(0.566, abs=5e-4)
    told = label(thrice, levels, horizon=2, discount=0.9, z=1.0)
    assert (told.outcome, told.error) == ("second", pytest.approx(0.077, abs=5e-4))
    assert label(thrice, levels, horizon=2, discount=0.9, z=2.0).reason == "not told apart"


def test_each_message_counts_the_same_and_branches_are_those_of_the_first_fork() -> None:
    one, known = follow(ANSWER, "One.", 0.2, 0.4)
    other, more = follow(ANSWER, "Two.", 0.9)
    tree = tree_of([*PAIR, *one, *other], compared(ANSWER, QUESTION))
    levels = {ANSWER.id: 0.0, QUESTION.id: 0.0, **known, **more}
    found = returns(tree, levels, horizon=2, discount=1.0)[ANSWER.id]
    assert found.value == pytest.approx((0.3 + 0.9) / 2 / 2)
    assert found.branches == pytest.approx((0.3 / 2, 0.9 / 2))


def test_a_fork_further_down_counts_with_its_weight() -> None:
    second, known = follow(ANSWER, "One.", 0.5)
    third, more = follow(second[1], "Two.", 0.0, 1.0)
    tree = tree_of([*PAIR, *second, *third], compared(ANSWER, QUESTION))
    levels = {ANSWER.id: 1.0, QUESTION.id: 0.0, **known, **more}
    found = returns(tree, levels, horizon=3, discount=0.5)[ANSWER.id]
    assert found.value == pytest.approx((1.0 + 0.5 * 0.5 + 0.25 * 0.5) / 1.75)
    assert found.branches == pytest.approx(((1.25 + 0.0) / 1.75, (1.25 + 0.25) / 1.75))
    alone = returns(tree, levels, horizon=2, discount=0.5)[ANSWER.id]
    assert (alone.value, alone.branches) == (1.25 / 1.5, (1.25 / 1.5,))


def test_only_what_was_continued_deep_enough_is_averaged() -> None:
    second, known = follow(ANSWER, "One.", 0.0, 1.0)
    third, more = follow(second[2], "Two.", 0.5)
    levels = {ANSWER.id: 1.0, QUESTION.id: 0.0, **known, **more}
    found = returns(tree_of([*PAIR, *second, *third]), levels, horizon=3, discount=1.0)
    assert found[ANSWER.id].value == pytest.approx((1.0 + 1.0 + 0.5) / 3)


@pytest.mark.parametrize(
    ("depths", "z", "outcome", "reason"),
    [
        ((0, 0), 1.0, "abstain", "not continued"),
        ((1, 0), 0.0, "abstain", "not continued"),
        ((2, 1), 0.0, "abstain", "not as deep"),
        ((1, 1), 1.0, "abstain", "one branch only"),
        ((1, 1), 0.0, "first", None),
        ((2, 2), 0.0, "first", None),
    ],
)
def test_siblings_are_compared_where_both_were_continued_as_deep(
    depths: tuple[int, int], z: float, outcome: str, reason: str | None
) -> None:
    nodes, levels = list(PAIR), {ANSWER.id: 1.0, QUESTION.id: 0.0}
    for reply, depth in zip((ANSWER, QUESTION), depths, strict=True):
        for _ in range(depth):
            added, known = follow(reply, "More.", 0.5)
            nodes, levels, reply = [*nodes, *added], levels | known, added[1]  # type: ignore[assignment]
    said = label(tree_of(nodes, compared(ANSWER, QUESTION)), levels, horizon=3, z=z)
    assert (said.outcome, said.reason) == (outcome, reason)
    assert (said.returns is None) == (reason in ("not continued", "not as deep"))
    assert said.error is None


def test_equal_returns_are_a_tie_however_they_are_summed() -> None:
    after, known = follow(ANSWER, "And?", 0.1, 0.2, 0.3)
    asked, more = follow(QUESTION, "Yes.", 0.2, 0.2, 0.2)
    tree = tree_of([*PAIR, *after, *asked], compared(ANSWER, QUESTION))
    levels = {ANSWER.id: 0.5, QUESTION.id: 0.5, **known, **more}
    assert label(tree, levels, horizon=2, z=0.0).outcome == "tie"
    assert label(tree, levels, horizon=2, z=1.0).reason == "not told apart"
    same = dict.fromkeys(levels, 0.3)
    assert label(tree, same, horizon=2, z=1.0).outcome == "tie"


@pytest.mark.parametrize(
    ("count", "z", "decided"), [(2, 1, True), (2, 2, False), (3, 2, False), (4, 2, True),
                                (5, 3, False), (6, 3, True), (6, 100, False)],
)  # fmt: skip
@pytest.mark.parametrize("levels", [(0.5, 0.75), (0.0, 1.0), (2.0, 5.0)])
def test_equal_branches_are_no_certainty(
    count: int, z: float, decided: bool, levels: tuple[float, float]
) -> None:
    """However large the difference: a few branches fall on two sides by chance."""
    nodes, known = list(PAIR), {ANSWER.id: 0.5, QUESTION.id: 0.5}
    for reply, level in zip((ANSWER, QUESTION), levels, strict=True):
        for branch in range(count):
            added, more = follow(reply, f"Go on {branch}.", level)
            nodes, known = [*nodes, *added], known | more
    said = label(tree_of(nodes, compared(ANSWER, QUESTION)), known, horizon=2, z=z)
    assert (said.outcome, said.reason) == (
        ("second", None) if decided else ("abstain", "not told apart")
    )


@settings(max_examples=50)
@given(chance=SHAPES, horizon=st.integers(2, 4), z=st.sampled_from((0.5, 1.0, 2.0)))
def test_what_is_told_apart_is_told_apart_at_any_smaller_z_and_either_way_round(
    chance: random.Random, horizon: int, z: float
) -> None:
    tree, levels = drawn(chance)
    found = returns(tree, levels, horizon=horizon)
    turned = [v.model_copy(update={"first": v.second, "second": v.first}) for v in tree.verdicts]
    other = tree.model_copy(update={"verdicts": tuple(turned)})
    rules = [ReturnRule(horizon=horizon, z=each) for each in (0.0, z / 2, z)]
    labels = [label_returns(tree, rule, levels).verdicts for rule in rules]
    mirror = {"first": "second", "second": "first"}
    backwards = label_returns(other, rules[-1], levels).verdicts
    for face, looser, strict, back in zip(*labels, backwards, strict=True):
        assert face.by_return
        assert looser.by_return
        assert strict.by_return
        assert back.by_return
        outcome = strict.by_return.outcome
        assert back.by_return.outcome == mirror.get(outcome, outcome)
        if outcome in mirror:
            assert outcome == looser.by_return.outcome == face.by_return.outcome
            n = sum(len(found[each].branches) for each in (strict.first, strict.second))
            assert n - 2 > z**2


@pytest.mark.parametrize(
    ("flaw", "reason"),
    [
        ({"faults": ("truncated",)}, "truncated reply"),
        ({"faults": ("refusal",)}, "refusal reply"),
        ({"content": "\u200b"}, "empty reply"),
        ({"mind_reading": ("f",)}, "mind-reading reply"),
    ],
)
def test_a_faulty_reply_is_no_level(flaw: dict[str, object], reason: str) -> None:
    tree, levels = two_branches()
    for bad in (QUESTION, *tree.children(tree.children(QUESTION.id)[0].id)):
        nodes = [n.model_copy(update=flaw) if n.id == bad.id else n for n in tree.nodes]
        spoilt = tree_of(nodes, *tree.verdicts)
        found = find_levels(spoilt, levels)
        assert (found.missing, bad.id in found.by_reply) == ({bad.id: reason}, False)
        said = label(spoilt, levels, horizon=2, z=0.0)
        if bad.id == QUESTION.id:
            assert (said.outcome, said.reason) == ("abstain", reason)
        else:  # the other of two branches is left
            left = next(levels[n.id] for n in tree.children(bad.parent or "") if n.id != bad.id)
            assert said.returns
            assert said.returns[1] == pytest.approx((0.25 + 0.9 * left) / 1.9)


@pytest.mark.parametrize("fault", ["role_confusion", "echo", "truncated"])
def test_nothing_counts_behind_a_user_who_spoiled_the_talk(fault: Fault) -> None:
    tree, levels = two_branches()
    spoilt_by = tree.children(QUESTION.id)[0].id
    nodes = [
        n.model_copy(update={"faults": (fault,)}) if n.id == spoilt_by else n for n in tree.nodes
    ]
    said = label(tree_of(nodes, *tree.verdicts), levels, horizon=2)
    assert (said.outcome, said.reason) == ("abstain", "no level below")
    opening = [n.model_copy(update={"faults": (fault,)}) if n == OPENING else n for n in tree.nodes]
    assert label(tree_of(opening, *tree.verdicts), levels).reason == "simulator spoiled"


def test_wishes_kept_are_levels_before_anything_given() -> None:
    persona = Persona.of("I sell tea.", "I am brief.", preferences={"question": "none"})
    tree = tree_of(PAIR, compared(ANSWER, QUESTION, "second"), persona=persona)
    found = find_levels(tree, {ANSWER.id: 5.0})
    assert (found.source, found.by_reply) == ("wishes", {ANSWER.id: 1.0, QUESTION.id: 0.0})
    said = label(tree, {}, horizon=1)
    assert (said.outcome, said.levels, said.error) == ("first", "wishes", 0.0)


def test_levels_are_those_of_whom_the_user_played() -> None:
    other = Persona.of("I sell tea.", "I am curious.", preferences={"question": "asked"})
    tree = tree_of(PAIR, compared(ANSWER, QUESTION, "second"))
    nodes = tuple(
        node.model_copy(update={"played": other}) if node.role == "user" else node
        for node in tree.nodes
    )
    found = find_levels(tree.model_copy(update={"nodes": nodes}))
    assert (found.source, found.by_reply) == ("wishes", {ANSWER.id: 0.0, QUESTION.id: 1.0})


def test_without_wishes_and_ratings_levels_are_shares_of_siblings_beaten() -> None:
    third, fourth = (assistant(text, OPENING, agent=text) for text in ("Third.", "Fourth."))
    verdicts = (  # a chain: ANSWER over QUESTION over third; the fourth ties with the third
        compared(ANSWER, QUESTION), compared(QUESTION, third), compared(third, fourth, "tie"),
    )  # fmt: skip
    found = find_levels(tree_of((*PAIR, third, fourth), *verdicts))
    assert found.source == "siblings"
    assert found.by_reply == {ANSWER.id: 1.0, QUESTION.id: 0.5, third.id: 0.5 / 3, fourth.id: 0.5}
    alone = assistant("Alone.", OPENING, agent="x")
    lonely = find_levels(tree_of((*PAIR, alone), compared(ANSWER, QUESTION)))
    assert lonely.missing == {alone.id: "reply without a level"}


@pytest.mark.parametrize("flaw", [{"faults": ("truncated",)}, {"mind_reading": ("x",)}])
@pytest.mark.parametrize("outcome", ["first", "second", "tie"])
def test_a_faulty_sibling_gives_no_level(outcome: str, flaw: dict[str, tuple[str]]) -> None:
    bad = assistant("A reply that", OPENING, agent="bad").model_copy(update=flaw)
    verdicts = (
        compared(ANSWER, QUESTION), compared(ANSWER, bad, outcome), compared(QUESTION, bad, outcome)
    )  # fmt: skip
    found = find_levels(tree_of((*PAIR, bad), *verdicts))
    assert found.by_reply == {ANSWER.id: 1.0, QUESTION.id: 0.0}
    only = find_levels(tree_of((OPENING, ANSWER, bad), compared(ANSWER, bad, outcome)))
    assert only.by_reply == {}
    assert only.missing[ANSWER.id] == "reply without a level"


@pytest.mark.parametrize(
    ("horizon", "discount", "z", "cost", "what"),
    [(0, 0.5, 1.0, 0.0, "horizon"), (1, 1.1, 1.0, 0.0, "discount"),
     (1, float("nan"), 1.0, 0.0, "discount"), (1, 1.0, -1.0, 0.0, "z"),
     (1, 1.0, float("inf"), 0.0, "z"), (1, 1.0, 1.0, -0.1, "question_cost"),
     (1, 1.0, 1.0, float("nan"), "question_cost")],
)  # fmt: skip
def test_numbers_out_of_range_are_refused(
    horizon: int, discount: float, z: float, cost: float, what: str
) -> None:
    with pytest.raises(ConfigError, match=what):
        ReturnRule.checked(horizon, discount, z, cost)


def answered(
    reply: AssistantNode, *came_to: Asked | None, level: float = 0.5
) -> tuple[list[Node], Levels]:
    """Return for each of `came_to` a message that says what a question came to, and a reply."""
    nodes: list[Node] = []
    levels: Levels = {}
    for number, asked in enumerate(came_to):
        (said, *replies), known = follow(reply, f"Well {number}.", level)
        nodes += [said.model_copy(update={"asked": asked}), *replies]
        levels |= known
    return nodes, levels


@pytest.mark.parametrize(
    ("text", "came_to", "cost"),
    [
        ("Do you like lists?", ["told"], 0.0),
        ("Do you like lists?", ["again"], 0.1),
        ("Do you like lists?", ["indifferent"], 0.1),
        ("What day is it?", [None], 0.1),
        ("Do you like lists? Or emoji?", ["told"], 0.1),
        ("Do you like lists? Or emoji?", ["indifferent"], 0.2),
        ("Do you like lists?", ["told", "again"], 0.05),  # two rollouts
        ("You asked: How are you? I am well.", ["indifferent"], 0.0),
        ("Here you are.", [None], 0.0),
        ("Tell me how you like it.", ["told"], 0.0),
        ("Do you like lists?", [], 0.0),  # nobody knows yet
    ],
)
def test_a_question_that_brought_nothing_costs(
    text: str, came_to: list[Asked | None], cost: float
) -> None:
    opening = user("How are you?")
    reply = assistant(text, opening)
    nodes, levels = answered(reply, *came_to)
    levels[reply.id] = 0.5
    tree = tree_of([opening, reply, *nodes]).model_copy(update={"disclosure": "reticent"})
    depth = 1 + bool(came_to)
    found = returns(tree, levels, horizon=2, discount=0.9, question_cost=0.1)[reply.id]
    weight = 1 + 0.9 * (depth - 1)
    assert found.value == pytest.approx(0.5 - cost / weight)
    assert returns(tree, levels, horizon=2)[reply.id].value == pytest.approx(0.5)
    scheduled = tree.model_copy(update={"disclosure": None})
    assert returns(scheduled, levels, horizon=2, question_cost=0.1)[reply.id].value == 0.5


def test_whoever_wants_to_be_asked_is_asked_once_for_nothing() -> None:
    reply = assistant("Shall I go on? Or stop?", OPENING)
    nodes, _ = answered(reply, "indifferent")
    for wish, cost in (("asked", 0.1), ("none", 0.2)):
        persona = Persona.of("I sell tea.", "I like it so.", preferences={"question": wish})
        tree = tree_of([OPENING, reply, *nodes], persona=persona)
        tree = tree.model_copy(update={"disclosure": "answering"})
        with_cost, without = (
            returns(tree, {}, horizon=1, question_cost=each)[reply.id].value for each in (0.1, 0)
        )
        assert without - with_cost == pytest.approx(cost)


@pytest.mark.parametrize(("told", "cost"), [(("lists",), 0.0), (("lists", "emoji"), 0.1)])
def test_whoever_has_told_everything_is_asked_for_nothing(
    told: tuple[str, ...], cost: float
) -> None:
    """Also where nobody went on to answer; before that, nobody knows what it would have brought."""
    persona = Persona.of("I sell tea.", "So.", preferences={"lists": "prose", "emoji": "none"})
    notes = tuple(Telling(about=name, why="volunteered") for name in told)
    opening = OPENING.model_copy(update={"told": notes})
    tree = tree_of((opening, ANSWER, QUESTION), compared(ANSWER, QUESTION), persona=persona)
    tree = tree.model_copy(update={"disclosure": "answering"})
    said = label(tree, {}, horizon=1, z=0.0, question_cost=0.1)
    assert said.returns == pytest.approx((1.0, 1.0 - cost))
    assert said.outcome == ("first" if cost else "tie")


def test_where_all_is_known_the_reply_that_does_not_ask_wins() -> None:
    """Otherwise both are equally good, so nothing would teach a model to stop."""
    after, known = answered(ANSWER, None)
    asked, more = answered(QUESTION, "indifferent")
    tree = tree_of([*PAIR, *after, *asked], compared(ANSWER, QUESTION))
    tree = tree.model_copy(update={"disclosure": "reticent"})
    levels = {ANSWER.id: 0.5, QUESTION.id: 0.5, **known, **more}
    assert label(tree, levels, horizon=2, z=0.0).outcome == "tie"
    said = label(tree, levels, horizon=2, z=0.0, question_cost=0.1)
    assert (said.outcome, said.question_cost) == ("first", 0.1)
    assert said.rule == "horizon 2, discount 0.9, z 0, question cost 0.1"
    told = label(
        tree_of([*PAIR, *after, *answered(QUESTION, "told", level=0.6)[0]],
                compared(ANSWER, QUESTION)).model_copy(update={"disclosure": "reticent"}),
        levels | answered(QUESTION, "told", level=0.6)[1], horizon=2, z=0.0, question_cost=0.1,
    )  # fmt: skip
    assert told.outcome == "second"


def paths(tree: Tree, levels: Levels, reply: str, turns: int) -> list[tuple[float, list[float]]]:
    """Return chance and levels of all walks of so many turns from `reply`, step by step."""
    if turns == 1:
        return [(1.0, [levels[reply]])]
    below = [
        [paths(tree, levels, each.id, turns - 1) for each in tree.children(message.id)]
        for message in tree.children(reply)
    ]
    ways = [walks for found in below if (walks := [walk for walk in found if walk])]
    return [
        (chance / len(ways) / len(walks), [levels[reply], *further])
        for walks in ways
        for walk in walks
        for chance, further in walk
    ]


@settings(max_examples=25)
@given(chance=SHAPES, horizon=st.integers(1, 4), discount=st.sampled_from((0.25, 0.9, 1.0)))
def test_a_return_is_the_mean_over_walks_down_the_tree(
    chance: random.Random, horizon: int, discount: float
) -> None:
    tree, levels = drawn(chance)
    for reply, found in returns(tree, levels, horizon=horizon, discount=discount).items():
        walks = paths(tree, levels, reply, found.depth)
        assert found.depth == horizon or not paths(tree, levels, reply, found.depth + 1)
        assert isclose(sum(share for share, _ in walks), 1.0)
        weight = sum(discount**k for k in range(found.depth))
        means = [sum(discount**k * v for k, v in enumerate(way)) / weight for _, way in walks]
        value = sum(share * mean for (share, _), mean in zip(walks, means, strict=True))
        assert isclose(found.value, value, abs_tol=1e-12)
        assert min(means) - 1e-9 <= found.value <= max(means) + 1e-9
        assert min(means) - 1e-9 <= min(found.branches) <= max(found.branches) <= max(means) + 1e-9
        assert isclose(found.value, fmean(found.branches), abs_tol=1e-12)
        assert (len(found.branches) == 1) == (len(walks) == 1)
        if len(walks) == 2:
            assert sorted(found.branches) == pytest.approx(sorted(means))


@settings(max_examples=20)
@given(chance=SHAPES)
def test_a_leafs_return_is_its_level_and_without_discount_all_are(chance: random.Random) -> None:
    tree, levels = drawn(chance)
    continued = {node.parent for node in tree.nodes}
    for reply, found in returns(tree, levels, horizon=4).items():
        if reply not in continued:
            assert found == Return(value=levels[reply], branches=(levels[reply],), depth=1)
    for rule in ({"horizon": 4, "discount": 0.0}, {"horizon": 1, "discount": 0.9}):
        assert {k: r.value for k, r in returns(tree, levels, **rule).items()} == levels
        labelled = label_returns(tree, ReturnRule(**rule), levels)  # type: ignore[arg-type]
        for verdict in labelled.verdicts:
            first, second = levels[verdict.first], levels[verdict.second]
            expected = "tie" if first == second else "first" if first > second else "second"
            assert verdict.by_return
            assert (verdict.by_return.outcome, verdict.by_return.reason) == (expected, None)


@settings(max_examples=20)
@given(chance=SHAPES, horizon=st.integers(1, 4), z=st.sampled_from((0.0, 1.0)))
def test_relabelling_twice_changes_nothing_and_keeps_the_judges_label(
    chance: random.Random, horizon: int, z: float
) -> None:
    tree, levels = drawn(chance)
    once = label_returns(tree, ReturnRule(horizon=horizon, z=z), levels)
    twice = label_returns(once, ReturnRule(horizon=horizon, z=z), levels)
    assert twice.model_dump_json() == once.model_dump_json()
    assert Tree.model_validate_json(once.model_dump_json()) == once
    assert [v.outcome for v in once.verdicts] == [v.outcome for v in tree.verdicts]
    other = label_returns(once, ReturnRule(horizon=1), levels)
    assert label_returns(other, ReturnRule(horizon=horizon, z=z), levels) == once


@settings(max_examples=25)
@given(chance=SHAPES, horizon=st.integers(1, 4))
def test_an_extended_tree_changes_only_returns_above_what_was_added(
    chance: random.Random, horizon: int
) -> None:
    tree, levels = drawn(chance)
    below = chance.choice([node for node in tree.nodes if isinstance(node, AssistantNode)])
    added, more = follow(below, "A new one.", 0.75)
    grown = tree_of([*tree.nodes, *added], *tree.verdicts)
    before = returns(tree, levels, horizon=horizon)
    after = returns(grown, levels | more, horizon=horizon)
    above = {node.id for node in tree.path(below.id)}
    assert {r: v for r, v in before.items() if r not in above} == {
        r: v for r, v in after.items() if r in before and r not in above
    }
    far = [n for n in tree.path(below.id)[::-1] if isinstance(n, AssistantNode)][horizon - 1 :]
    assert all(before[node.id] == after[node.id] for node in far)


def test_labels_do_not_outlive_the_tree_they_are_about() -> None:
    tree, levels = two_branches()
    labelled = label_returns(tree, ReturnRule(horizon=2), levels)
    assert merge([labelled, tree]) == [labelled]
    assert prune(labelled) == labelled
    added, _ = follow(ANSWER, "More.", 0.5)
    (larger,) = merge([labelled, tree_of([*tree.nodes, *added], *tree.verdicts)])
    shorter = prune(labelled, turns=1)
    assert shorter
    assert [v.by_return for each in (larger, shorter) for v in each.verdicts] == [None, None]


def test_trees_without_labels_are_written_as_before() -> None:
    tree, levels = two_branches()
    assert "by_return" not in tree.model_dump_json()
    labelled = label_returns(tree, ReturnRule(horizon=2), levels)
    assert '"by_return":{"outcome":"second"' in labelled.model_dump_json()
