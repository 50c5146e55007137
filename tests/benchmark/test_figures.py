import numpy as np
import pytest
from rows import row, table

from aloe.benchmark.figures import length_terms, sample
from aloe.benchmark.scores import Score
from aloe.benchmark.statistics import summarise
from aloe.benchmark.suite_result import compute_agreement, compute_suite, compute_suites

NAN = float("nan")


def test_a_cell_is_the_mean_of_all_judges_or_missing() -> None:
    both, other = [("a", "own", 2.0), ("b", "own", 4.0)], [("a", "own", 1.0), ("b", "own", 1.0)]
    data = sample([row(scores=both), row(turn=2, scores=other)])
    np.testing.assert_array_equal(data.cells("own"), [[3, 1]])
    data = sample([row(scores=[("a", "own", 2), ("b", "own", None)])])
    assert np.isnan(data.cells("own")).all()


def test_rows_may_come_in_any_order() -> None:
    rows = table(np.arange(60.0).reshape(6, 10))
    assert compute_suite(rows) == compute_suite(rows[::-1])


def test_figures_are_the_metrics_of_the_mean_curve() -> None:
    own = np.random.default_rng(1).normal(3, 1, (12, 10)) + np.linspace(0, 1, 10)
    own[3, 4] = own[5, 7] = NAN
    found = compute_suite(table(own)).figures
    expected = summarise(np.nanmean(own, axis=0))
    for name, value in expected.items():
        assert found[name].value == pytest.approx(value, abs=1e-12)
    turns = np.arange(1, 11)
    slope, _ = np.polyfit(turns, np.nanmean(own, axis=0), 1)
    assert found["ir"].value == pytest.approx(slope)
    for name in ("al_mean", "ir"):
        assert found[name].low < found[name].value < found[name].high


def test_the_gain_is_own_minus_swapped_cell_by_cell() -> None:
    own, swapped = np.full((4, 3), 4.0), np.full((4, 3), 3.0)
    own[0, 0], swapped[1, 1] = NAN, NAN
    found = compute_suite(table(own, swapped))
    assert found.figures["gain"].value == 1
    assert found.figures["gain"].count == 10
    assert found.missing == {"judge": 2}
    assert found.ratings == 24
    assert found.incomplete  # 2 of 24
    assert found.by_seed == (1,)


def test_five_in_a_hundred_may_be_missing() -> None:
    own, swapped = np.full((10, 10), 3.0), np.full((10, 10), 3.0)
    own[0, :] = NAN
    assert not compute_suite(table(own, swapped)).incomplete  # 10 of 200
    own[1, 0] = NAN
    assert compute_suite(table(own, swapped)).incomplete


def test_no_swapped_persona_is_no_gain_and_not_a_missing_one() -> None:
    found = compute_suite(table(np.full((4, 3), 4.0)))
    assert "gain" not in found.figures
    assert (found.missing, found.incomplete) == ({}, False)
    assert found.figures["ir"].value == 0
    assert "r2" not in found.figures or found.figures["r2"].value is None


def test_one_user_has_numbers_and_no_intervals() -> None:
    found = compute_suite(table(np.array([[1.0, 2.0, 3.0]]))).figures
    assert (found["ir"].value, found["ir"].low, found["ir"].high) == (1, None, None)


def test_length_terms_are_those_of_least_squares() -> None:
    rng = np.random.default_rng(4)
    words = rng.integers(5, 200, (9, 10)).astype(float)
    cells = rng.normal(3, 1, (9, 1)) + 0.1 * np.arange(10) + 0.4 * np.log2(words)
    cells += rng.normal(0, 0.2, cells.shape)
    cells[2, 3] = cells[4, :5] = NAN
    known = ~np.isnan(cells)
    dialogue, turn = np.nonzero(known)
    design = np.column_stack([turn, np.log2(words[known]), np.eye(9)[dialogue]])
    (slope, effect), *_ = np.split(np.linalg.lstsq(design, cells[known], rcond=None)[0], [2])
    length, at_equal_length = length_terms(cells, words)
    ones = np.ones((1, 9))
    assert length(cells, ones)[0] == pytest.approx(effect)
    assert at_equal_length(cells, ones)[0] == pytest.approx(slope)
    # A draw counts a case as often as it was drawn.
    doubled = length_terms(cells[[0, 0, 1]], words[[0, 0, 1]])[0](cells, np.ones((1, 3)))
    weighted = length_terms(cells[:2], words[:2])[0](cells, np.array([[2.0, 1.0]]))
    assert doubled == pytest.approx(weighted)


def test_length_that_never_varies_has_no_effect() -> None:
    length, _ = length_terms(np.arange(6.0).reshape(2, 3), np.full((2, 3), 9.0))
    assert np.isnan(length(np.zeros((2, 3)), np.ones((1, 2)))).all()


def test_recall_precision_and_f1_are_over_all_dialogues() -> None:
    recalls = [{"listed": 4, "right": 3, "found": 2, "stated": 5}, None]
    recalls += [{"listed": 1, "right": 1, "found": 1, "stated": 5}] * 2
    rows = [row(case=f"c{i}", profile=f"p{i}", recall=each) for i, each in enumerate(recalls)]
    found = compute_suite(rows).figures
    recall, precision = 4 / 15, 5 / 6
    assert found["recall"].value == pytest.approx(recall)
    assert found["precision"].value == pytest.approx(precision)
    assert found["f1"].value == pytest.approx(2 * recall * precision / (recall + precision))
    assert found["recall"].count == 15


def test_rates_are_over_the_replies_that_are_there() -> None:
    rows = [
        row(
            case="a", mind_reading=("x",), parroting=True, personal=True, right=False, cut_off=True
        ),
        row(case="b", profile="q", personal=False, right=True, cut_off=False),
        row(case="c", profile="r", missing="user"),
        row(case="d", profile="s", user_faults=("echo",)),
    ]
    found = compute_suite(rows)
    rates = {name: (f.value, f.count) for name, f in found.figures.items()}
    assert rates["mind_reading"] == (pytest.approx(1 / 3), 3)
    assert rates["parroting"] == (pytest.approx(1 / 3), 3)
    assert rates["over_personalisation"] == (0.5, 2)
    assert rates["probes_right"] == (0.5, 2)
    assert rates["cut_off"] == (0.5, 2)
    assert "cut_off" not in compute_suite(rows[2:]).figures, "it is not recorded, and not 0"
    assert rates["spoiled"] == (pytest.approx(1 / 3), 3)
    assert (found.spoiled_cases, found.user_faults) == (1, {"echo": 1})


def test_low_levels_that_answer_a_faulty_message_are_blamed_on_it() -> None:
    low, fine = [("a", "own", 2.0)], [("a", "own", 3.0)]
    rows = [
        row(case="a", scores=low, user_faults=("over_long",)),
        row(case="b", profile="q", scores=low),
        row(case="c", profile="r", scores=low),
        row(case="d", profile="s", scores=fine, user_faults=("over_long",)),
    ]
    blamed = compute_suite(rows).figures["blamed"]
    assert (blamed.value, blamed.count) == (pytest.approx(1 / 3), 3)


def test_judges_that_agree_in_all_but_level() -> None:
    own = np.random.default_rng(2).normal(3, 1, (6, 5))
    rows = table(own, own - 1, judges={"mild": 1.0, "strict": 0.0})
    found = compute_agreement(sample(rows))
    assert found.judges["mild"] - found.judges["strict"] == pytest.approx(1)
    assert found.gains == {"mild": pytest.approx(1), "strict": pytest.approx(1)}
    assert 0.5 < found.single < found.average < 1
    alone = compute_agreement(sample(table(own)))
    assert (alone.single, alone.average) == (None, None)


def test_suites_and_conditions_are_kept_apart() -> None:
    rows = [row(suite=suite, control=name) for suite in "ab" for name in ("candidate", "floor")]
    found = compute_suites(rows)
    assert {suite: list(each) for suite, each in found.items()} == {
        "a": ["candidate", "floor"],
        "b": ["candidate", "floor"],
    }


def test_the_scale_is_that_of_the_judge() -> None:
    assert compute_suite([row()]).scale == (1, 5)
    by_rule = row().model_copy(update={"scores": (Score(judge="rule", shown="own", value=0.5),)})
    assert compute_suite([by_rule]).scale == (0, 1)


@pytest.mark.parametrize("known", [3, 12, 40])
def test_a_point_of_a_curve_rests_on_those_who_have_that_turn(known: int) -> None:
    own = np.random.default_rng(5).normal(3, 1, (40, 3))
    own[known:, 2] = NAN
    found = compute_suite(table(own)).curves["own"]
    alone = compute_suite(table(own[:known, 2:])).figures["al_mean"]
    for name in ("value", "low", "high"):
        assert getattr(found[2], name) == pytest.approx(getattr(alone, name))
    assert [figure.count for figure in found] == [40, 40, known]
    assert (alone.low is None) == (known < 6)


def test_where_all_share_a_personality_lives_are_the_clusters() -> None:
    alike = table(np.full((7, 2), 3.0), personality="q")
    assert compute_suite(alike).clusters == 7
    assert compute_suite(table(np.full((7, 2), 3.0))).clusters == 7
