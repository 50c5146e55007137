from collections import Counter
from itertools import chain

from hypothesis import given, settings
from hypothesis import strategies as st
from learners import cases

from aloe.benchmark.cases import load_cases
from aloe.benchmark.swaps import RULED, assign_stand_ins

USER = cases()[0]


def test_all_stand_in_equally_often_for_users_of_another_life_and_temper() -> None:
    for suite, count in (
        ("aloe-100", 1),
        ("none", 1),
        ("long", 1),
        ("verifiable", RULED),
        ("ask", RULED),
    ):
        whole = load_cases(suite)
        found = assign_stand_ins(whole)
        assert found.keys() == {case.id for case in whole}
        served = Counter(other.id for other in chain.from_iterable(found.values()))
        assert served == dict.fromkeys(found, count), suite
        for case in whole:
            assert len({other.id for other in found[case.id]}) == count
            for other in found[case.id]:
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
    assert found[lonely.id] == (other,)
    assert found[other.id] == (lonely,)
    assert third.id not in found  # it shares its life with one and its temper with the other


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from("wxyz")), max_size=12))
@settings(max_examples=60, deadline=None)
def test_however_users_are_alike_nobody_stands_in_more_often_than_others(
    kinds: list[tuple[str, str]],
) -> None:
    suite = [
        USER.model_copy(update={"id": f"{number}", "profile": life, "personality": temper})
        for number, (life, temper) in enumerate(kinds)
    ]
    found = assign_stand_ins(suite)
    served = Counter(other.id for other in chain.from_iterable(found.values()))
    assert len(set(served.values())) <= 1
    assert len({len(each) for each in found.values()}) <= 1
    for case in suite:
        for other in found.get(case.id, ()):
            assert other.profile != case.profile
            assert other.personality != case.personality


def test_a_file_of_thousands_is_no_deeper_than_one_of_ten() -> None:
    """One who has to be passed over can move all that come after."""
    lives = [str(number) for number in range(1500)]
    lives[850] = lives[100]
    suite = [
        USER.model_copy(update={"id": each, "profile": life, "personality": each})
        for each, life in zip(map(str, range(1500)), lives, strict=True)
    ]
    found = assign_stand_ins(suite)
    assert {len(each) for each in found.values()} == {RULED}
    assert len(found) == 1500
