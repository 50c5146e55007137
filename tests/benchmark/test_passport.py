import math
import random
from dataclasses import replace
from typing import Any

import pytest
from builders import config
from hypothesis import given
from hypothesis import strategies as st

from aloe.agents.judge import ORDERS
from aloe.agents.panel import identity
from aloe.benchmark.agreement import wilson
from aloe.benchmark.gold_pairs import GoldPair, read_gold
from aloe.benchmark.passport import JudgedPair, brier, fit_slope, issue, thresholds
from aloe.passport import Passport, read_passport
from aloe.schema import Verdict

PAIRS = read_gold()
JUDGE = identity(config())


def judged(
    pair: GoldPair,
    outcome: str,
    *,
    margin: float | None = None,
    shown: str | None = None,
    own: str | None = None,
) -> JudgedPair:
    """Return a verdict that is right, wrong ...; `shown`: what each order said, A or B."""
    label = "first" if pair.better_is_first else "second"
    other = "second" if pair.better_is_first else "first"
    said = {"right": label, "wrong": other}.get(outcome, outcome)
    comparison = pair.comparison
    votes = []
    for order, letter in zip(ORDERS, shown or "", strict=False):
        choice = {"A": order.split("-")[0], "B": order.split("-")[1], "T": "tie"}.get(letter)
        votes.append({"judge": "j", "order": order, "raw": letter, "choice": choice})
    raw = {
        "node": comparison.user.id,
        "first": comparison.first.id,
        "second": comparison.second.id,
        "votes": votes,
        "outcome": said,
        "margin": margin if margin is None or pair.better_is_first else -margin,
    }
    mine = Verdict.model_validate({**raw, "outcome": own, "margin": None}) if own else None
    return JudgedPair(pair=pair, verdict=Verdict.model_validate(raw), own=mine)


def passport(found: list[JudgedPair]) -> Passport:
    return issue(JUDGE, found)


def test_a_perfect_judge() -> None:
    found = passport([judged(pair, "right", margin=1.0) for pair in PAIRS])
    assert (found.accuracy.value, found.coverage.value, found.mirrored.value) == (1, 1, 1)
    assert found.accuracy.low > 0.97
    assert (found.kappa, found.length_effect.value) == (1, 0)
    assert found.alpha == pytest.approx(1)
    assert found.outcomes == {"right": len(PAIRS)}
    assert found.slope is not None
    assert 4 < found.slope < 10  # finite, since nobody is known to be without fault
    assert found.brier is not None
    assert found.brier < 0.001
    assert {t.accuracy for t in found.thresholds} == {1}


def test_a_judge_that_likes_a_reply_whoever_asks_has_half_of_the_mirrored_pairs() -> None:
    mirrored = [pair for pair in PAIRS if pair.mirror]
    found = passport(
        [
            judged(p, "right", margin=0.5)
            if p.better < p.worse
            else judged(p, "wrong", margin=-0.5)
            for p in mirrored
        ]
    )
    assert found.accuracy.value == 0.5
    assert found.mirrored.value == 0
    assert found.mirrored.count == len(mirrored) / 2
    assert found.slope == pytest.approx(0, abs=0.1)


def test_a_judge_that_likes_length_is_found_out() -> None:
    def longer(pair: GoldPair) -> str:
        return "right" if len(pair.better) > len(pair.worse) else "wrong"

    long = passport([judged(pair, longer(pair)) for pair in PAIRS])
    share = sum(len(p.better) > len(p.worse) for p in PAIRS) / len(PAIRS)
    assert long.length_effect.value == pytest.approx(1 - share)
    assert long.length_effect.low > 0.4
    flip = {"right": "wrong", "wrong": "right"}
    short = passport([judged(pair, flip[longer(pair)]) for pair in PAIRS])
    assert short.length_effect.value == pytest.approx(-share)
    assert short.length_effect.high < -0.3


def test_abstentions_cost_coverage_and_kappa_but_not_accuracy_or_alpha() -> None:
    half = len(PAIRS) // 2
    found = passport(
        [judged(p, "right") for p in PAIRS[:half]] + [judged(p, "abstain") for p in PAIRS[half:]]
    )
    assert (found.accuracy.value, found.accuracy.count) == (1, half)
    assert found.coverage.value == 0.5
    assert found.alpha == pytest.approx(1)
    assert found.kappa is not None
    assert found.kappa < 0.5
    assert (found.slope, found.brier, found.thresholds) == (None, None, ())


def test_votes_tell_flips_first_place_and_what_cannot_be_read() -> None:
    letters = ["AA"] * 6 + ["AB"] * 2 + ["BA"] * 1 + ["A?"] * 1
    found = passport([judged(p, "abstain", shown=s) for p, s in zip(PAIRS, letters, strict=False)])
    assert (found.flips.value, found.flips.count) == (6 / 9, 9)
    assert (found.unreadable.value, found.unreadable.count) == (1 / 20, 20)
    assert (found.first_slot.value, found.first_slot.count) == (16 / 19, 19)


def test_votes_on_one_pair_make_intervals_no_narrower_than_one_of_them() -> None:
    letters = ["??" if number % 5 == 0 else "AA" for number in range(100)]
    once = [judged(p, "abstain", shown=s) for p, s in zip(PAIRS, letters, strict=False)]
    thrice = [
        replace(each, verdict=each.verdict.model_copy(update={"votes": each.verdict.votes * 3}))
        for each in once
    ]
    for found in (passport(once), passport(thrice)):
        apart = wilson(20, 100)
        assert found.unreadable.value == apart.value
        assert found.unreadable.low == pytest.approx(apart.low)
        assert found.unreadable.high == pytest.approx(apart.high)
    single = [judged(p, "abstain", shown=s[0]) for p, s in zip(PAIRS, letters, strict=False)]
    assert passport(single).unreadable == wilson(20, 100)


def test_ties_are_readable_and_choose_no_place() -> None:
    found = passport([judged(PAIRS[0], "tie", shown="TT"), judged(PAIRS[1], "right", shown="AB")])
    assert (found.unreadable.value, found.first_slot.value, found.flips.value) == (0, 0.5, 0)
    assert found.outcomes == {"right": 1, "tie": 1}


def test_votes_tell_how_probable_an_answer_was() -> None:
    def with_masses(each: JudgedPair, *masses: float | None) -> JudgedPair:
        votes = [
            vote.model_copy(update={"mass": mass, "logprobs": (-0.1, -3.0) if mass == 1 else None})
            for vote, mass in zip(each.verdict.votes, masses, strict=True)
        ]
        return replace(each, verdict=each.verdict.model_copy(update={"votes": tuple(votes)}))

    pairs = [judged(pair, "abstain", shown="AA") for pair in PAIRS[:3]]
    found = passport(
        [
            with_masses(pairs[0], 1, 1),
            with_masses(pairs[1], 0.1, 1),
            with_masses(pairs[2], 0.3, None),
        ]
    )
    assert found.mass == pytest.approx(3.4 / 5)
    assert found.odds is not None
    assert (found.odds.value, found.odds.count) == (3 / 6, 6)
    assert found.summary()["probability of an answer"] == "68%"
    assert found.summary()["votes read as odds"].startswith("50%")
    text = passport(pairs)
    assert (text.mass, text.odds and text.odds.value) == (None, 0)
    old = text.model_dump(exclude={"mass", "odds"})
    assert Passport.model_validate(old).odds is None


def test_a_tie_is_no_label_at_any_threshold() -> None:
    found = passport(
        [judged(p, "tie", margin=0.9) for p in PAIRS[:10]]
        + [judged(p, "right", margin=0.5) for p in PAIRS[10:20]]
    )
    assert [(t.min_margin, t.coverage) for t in found.thresholds] == [(0.5, 0.5)]
    assert found.outcomes == {"right": 10, "tie": 10}
    assert passport([judged(p, "tie", margin=0.9) for p in PAIRS[:10]]).slope is None


def test_own_words_are_measured_against_the_worse_reply() -> None:
    own_wins = [judged(p, "right", own="second") for p in PAIRS[:30]]
    own_loses = [judged(p, "wrong", own="first") for p in PAIRS[30:40]]
    undecided = [judged(p, "abstain", own="second") for p in PAIRS[40:50]]
    found = passport([*own_wins, *own_loses, *undecided]).self_preference
    assert found is not None
    assert (found.value, found.count) == (30 / 40 - 10 / 40, 40)
    assert found.low < found.value < found.high
    assert passport([judged(p, "right") for p in PAIRS]).self_preference is None


def test_kinds_are_told_apart() -> None:
    found = passport([judged(p, "right" if p.kind == "length" else "wrong") for p in PAIRS])
    assert {kind: share.value for kind, share in found.by_kind.items()} == {
        kind: float(kind == "length") for kind in {p.kind for p in PAIRS}
    }


@pytest.mark.parametrize("truth", [0.5, 2.0])
def test_the_slope_is_found_again_in_what_it_made(truth: float) -> None:
    rng = random.Random(1)
    margins = []
    for _ in range(4000):
        size = rng.expovariate(1.0)
        right = rng.random() < 1 / (1 + math.exp(-truth * size))
        margins.append(size if right else -size)
    assert fit_slope(margins) == pytest.approx(truth, rel=0.1)


def test_a_judge_that_is_mostly_wrong_gets_no_confidence() -> None:
    assert fit_slope([-1.0, -0.5, 0.2]) == 0


@given(st.lists(st.floats(-30, 30), min_size=1, max_size=40))
def test_a_slope_is_finite_and_never_negative(margins: list[float]) -> None:
    assert 0 <= fit_slope(margins) < 1e12 or max(map(abs, margins)) < 1e-9


@given(st.floats(0, 20), st.floats(0, 20), st.floats(0, 5))
def test_confidence_rises_with_the_margin_from_one_half(a: float, b: float, k: float) -> None:
    low, high = sorted((a, b))
    base = passport([judged(PAIRS[0], "right", margin=1.0)]).model_copy(update={"slope": k})
    first, second = (
        base.confidence(judged(PAIRS[0], "right", margin=m).verdict) for m in (low, high)
    )
    assert first is not None
    assert second is not None
    assert 0.5 <= first <= second <= 1


def test_brier_of_margins_that_say_nothing_is_a_coins() -> None:
    rng = random.Random(2)
    noise = [(str(i), rng.choice((-1.0, 1.0))) for i in range(400)]
    assert brier(noise) == pytest.approx(0.25, abs=0.01)


def test_thresholds_trade_coverage_for_accuracy() -> None:
    margins = [float(i) if i > 20 else (-1.0) ** i * i for i in range(1, 101)]
    found = list(thresholds(margins, 200))
    assert len(found) == 10
    assert [t.min_margin for t in found] == sorted(t.min_margin for t in found)
    assert [t.coverage for t in found] == sorted((t.coverage for t in found), reverse=True)
    assert found[0].coverage == 0.5  # of 200 pairs only 100 had a margin
    assert found[0].accuracy == 0.9
    assert found[-1].accuracy == 1


def test_a_passport_survives_its_file(tmp_path: Any) -> None:
    found = passport([judged(pair, "right", margin=0.3, shown="AB") for pair in PAIRS])
    file = tmp_path / "passport.json"
    file.write_text(found.json_text())
    assert read_passport(file) == found


def test_a_summary_for_cards_gives_intervals_and_admits_gaps() -> None:
    found = passport([judged(pair, "right", margin=1.0) for pair in PAIRS[:50]]).summary()
    assert found["accuracy where it decides"] == "100% (93% to 100%) of 50"
    assert found["length bias"].startswith("0% (")
    assert found["unreadable votes"] == "no cases"
    assert found["judge"] == JUDGE.models[0]
