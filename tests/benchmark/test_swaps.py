from learners import cases

from aloe.benchmark.cases import load_cases
from aloe.benchmark.swaps import assign_stand_ins


def test_everybody_stands_in_once_for_somebody_of_another_life_and_temper() -> None:
    for suite in ("aloe-100", "verifiable", "long", "none"):
        whole = load_cases(suite)
        found = assign_stand_ins(whole)
        assert found.keys() == {case.id for case in whole}
        assert {case.id for case in found.values()} == found.keys()
        for case in whole:
            other = found[case.id]
            assert other.profile != case.profile
            assert other.personality != case.personality


def test_who_stands_in_follows_from_the_suite_alone() -> None:
    whole = cases()
    assert assign_stand_ins(whole) == assign_stand_ins(whole)
    assert len(assign_stand_ins(whole)) == 9


def test_nobody_stands_in_where_nobody_differs() -> None:
    one_life = [case for case in cases() if case.profile == cases()[0].profile]
    assert assign_stand_ins(one_life) == {}
    assert assign_stand_ins([]) == {}


def test_a_case_that_cannot_be_served_is_left_out() -> None:
    lonely, other, third = cases()[0], cases()[4], cases()[3]
    found = assign_stand_ins([lonely, other, third])
    assert found[lonely.id] == other
    assert found[other.id] == lonely
    assert third.id not in found  # it shares its life with one and its temper with the other
