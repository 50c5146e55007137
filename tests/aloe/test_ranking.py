from itertools import combinations

from builders import assistant, user
from hypothesis import given
from hypothesis import strategies as st

from aloe.ranking import beaten
from aloe.schema import Outcome, Verdict

OPENING = user("Hello")
A, B, C, D = (assistant(name, OPENING, agent=name).id for name in "abcd")


def verdict(first: str, second: str, outcome: Outcome = "first") -> Verdict:
    return Verdict(node=OPENING.id, first=first, second=second, votes=(), outcome=outcome)


def test_a_chain_ranks_what_was_not_compared() -> None:
    chain = [verdict(A, B), verdict(C, B, "second"), verdict(C, D)]
    assert beaten(chain) == {A: {B, C, D}, B: {C, D}, C: {D}, D: set()}


def test_neither_a_tie_nor_an_abstention_is_a_link() -> None:
    for outcome in ("tie", "abstain"):
        assert beaten([verdict(A, B, outcome), verdict(B, C)]) == {A: set(), B: {C}, C: set()}


def test_a_chain_never_overrules_a_verdict() -> None:
    circle = [verdict(A, B), verdict(B, C), verdict(C, A)]
    assert beaten(circle) == {A: {B}, B: {C}, C: {A}}
    tied = [verdict(A, B), verdict(B, C), verdict(A, C, "tie")]
    assert beaten(tied) == {A: {B}, B: {C}, C: set()}


def test_chains_that_contradict_each_other_say_nothing() -> None:
    circle = [verdict(A, B), verdict(B, C), verdict(C, D), verdict(D, A)]
    assert beaten(circle) == {A: {B}, B: {C}, C: {D}, D: {A}}


def test_nothing_compared_is_nothing_ranked() -> None:
    assert beaten([]) == {}


OUTCOMES = st.sampled_from(["first", "second", "tie", "abstain", None])


@given(st.lists(OUTCOMES, min_size=6, max_size=6))
def test_of_two_replies_at_most_one_beats_the_other(outcomes: list[Outcome | None]) -> None:
    pairs = zip(combinations((A, B, C, D), 2), outcomes, strict=True)
    verdicts = [verdict(*pair, outcome) for pair, outcome in pairs if outcome]
    found = beaten(verdicts)
    for node, others in found.items():
        assert node not in others
        assert all(node not in found[other] for other in others)
    for each in verdicts:
        if each.preferred and each.rejected:
            assert each.rejected in found[each.preferred]
        else:
            assert each.first not in found[each.second]
            assert each.second not in found[each.first]
