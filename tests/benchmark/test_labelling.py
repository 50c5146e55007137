from collections import Counter

import pytest
from builders import PERSONAS, config, grow
from sample_tree import TREE

from aloe.benchmark.labelling import ReplyPair, by_turn, compare, list_pairs, sample_pairs
from aloe.labels import Answer, Label
from aloe.passport import Share
from aloe.schema import Verdict

TREES = [grow(config(turns=3, both_turns=2), persona=persona, seed=3) for persona in PERSONAS]
PAIRS = list(list_pairs(TREES))


def label(pair: ReplyPair, answer: Answer, *, rater: str = "me") -> Label:
    verdict = pair.verdict
    return Label(
        pair=pair.id,
        tree=pair.tree.id,
        node=verdict.node,
        first=verdict.first,
        second=verdict.second,
        rater=rater,
        answer=answer,
        shown="first-second",
        seconds=1.0,
    )


def with_outcome(pair: ReplyPair, outcome: str) -> ReplyPair:
    verdict = Verdict.model_validate({**pair.verdict.model_dump(), "outcome": outcome})
    return ReplyPair(tree=pair.tree, verdict=verdict)


def test_only_replies_that_say_something_and_differ() -> None:
    found = list(list_pairs([TREE]))
    assert [pair.verdict for pair in found] == list(
        TREE.verdicts[:2]
    )  # one reply of the third is empty
    one = TREE.verdicts[0]
    said = TREE.by_id[one.first].content
    alike = [node.model_copy(update={"content": said}) if node.id == one.second else node
             for node in TREE.nodes]  # fmt: skip
    again = TREE.model_copy(update={"nodes": tuple(alike), "verdicts": (one,)})
    assert list(list_pairs([again])) == []


def test_every_stratum_is_asked_alike() -> None:
    counts = Counter(pair.stratum for pair in PAIRS)
    chosen = sample_pairs(PAIRS, 3 * len(counts), seed=0)
    found = Counter(pair.stratum for pair in chosen)
    assert set(found) == set(counts)
    small = min(counts.values())
    assert all(found[stratum] >= min(small, 3) for stratum in counts)
    assert len({pair.id for pair in chosen}) == len(chosen)


def test_a_sample_that_is_smaller_than_a_round_favours_no_outcome() -> None:
    outcomes = ("first", "tie", "abstain")
    asked = [
        with_outcome(pair, outcome) for outcome in outcomes for pair in PAIRS if pair.turn <= 3
    ]
    strata = {pair.stratum for pair in asked}
    drawn = [sample_pairs(asked, 3, seed) for seed in range(40)]
    found = Counter(pair.stratum[0] for each in drawn for pair in each)
    assert len(strata) == 9
    assert min(found[outcome] for outcome in ("preferred", "tie", "abstain")) > 20
    assert all(len({pair.stratum for pair in each}) == 3 for each in drawn)


def test_the_sample_depends_on_the_pairs_and_the_seed_alone() -> None:
    chosen = [pair.id for pair in sample_pairs(PAIRS, 6, seed=0)]
    assert [pair.id for pair in sample_pairs(reversed(PAIRS), 6, seed=0)] == chosen
    assert [pair.id for pair in sample_pairs(PAIRS, 9, seed=0)][
        :6
    ] == chosen  # more: the same and more
    assert [pair.id for pair in sample_pairs(PAIRS, 6, seed=1)] != chosen
    assert len(sample_pairs(PAIRS, 10_000, seed=0)) == len(PAIRS)


def test_agreement() -> None:
    outcomes = ("first", "second", "first", "tie", "abstain")
    asked = [with_outcome(pair, outcome) for pair, outcome in zip(PAIRS, outcomes, strict=False)]
    verdicts = {pair.id: pair.verdict for pair in asked}
    answers: tuple[Answer, ...] = ("first", "second", "second", "tie", "first")
    given = [label(pair, answer) for pair, answer in zip(asked, answers, strict=True)]
    given.append(label(asked[0], "skip", rater="you"))
    found = compare(given, verdicts)
    assert (found.raters, found.labels) == (1, 5)
    assert (found.agreement.value, found.agreement.count) == (pytest.approx(2 / 3), 3)
    assert found.kappa == pytest.approx((3 / 5 - 7 / 25) / (1 - 7 / 25))
    assert found.between is None
    assert sum(share.count for share in by_turn(given, asked).values()) == 3


def test_people_among_themselves() -> None:
    asked = [with_outcome(pair, "first") for pair in PAIRS[:4]]
    verdicts = {pair.id: pair.verdict for pair in asked}
    answers: tuple[Answer, ...] = ("first", "second", "first", "second")
    given = [
        label(pair, answer, rater=rater)
        for rater in ("me", "you")
        for pair, answer in zip(asked, answers, strict=True)
    ]
    found = compare(given, verdicts)
    assert (found.raters, found.labels, found.between) == (2, 8, 1.0)
    assert found.agreement.value == 0.5
    assert (found.alpha or 9) < 0.5


def test_people_who_say_the_same_of_a_pair_make_nothing_surer() -> None:
    asked = [with_outcome(pair, "first") for pair in PAIRS[:12]]
    verdicts = {pair.id: pair.verdict for pair in asked}

    def found(raters: int) -> list[Share]:
        given = [
            label(pair, "first" if number % 3 else "second", rater=f"r{rater}")
            for rater in range(raters)
            for number, pair in enumerate(asked)
        ]
        return [compare(given, verdicts).agreement, *by_turn(given, asked).values()]

    for one, five in zip(found(1), found(5), strict=True):
        assert (five.low, five.high) == pytest.approx((one.low, one.high))
        assert five.count == 5 * one.count


def test_pairs_on_one_message_make_nothing_surer() -> None:
    asked = [with_outcome(pair, "first") for pair in PAIRS[:12]]
    verdicts = [pair.verdict.model_copy(update={"second": "third"}) for pair in asked]
    others = [ReplyPair(tree=p.tree, verdict=v) for p, v in zip(asked, verdicts, strict=True)]

    def found(pairs: list[ReplyPair]) -> list[Share]:
        known = {pair.id: pair.verdict for pair in pairs}
        given = [
            label(pair, "first" if number % 12 % 3 else "second")
            for number, pair in enumerate(pairs)
        ]
        return [compare(given, known).agreement, *by_turn(given, pairs).values()]

    for one, two in zip(found(asked), found([*asked, *others]), strict=True):
        assert (two.low, two.high) == pytest.approx((one.low, one.high))
        assert two.count == 2 * one.count


def test_labels_of_other_pairs_do_not_count() -> None:
    assert compare([label(PAIRS[0], "first")], {}).labels == 0
    assert by_turn([label(PAIRS[0], "first")], []) == {}
