"""The swap: the other user for whom every reply is rated as well.

A generic good answer suits everybody. So each reply is also rated as if it had been written to
another case's user, and the difference is what is personal. The other user has a different profile
and personality, every case is the swap of exactly one, and the assignment follows from the suite
alone: a part of the suite, another seed or another model does not change it.
"""

from collections.abc import Sequence

from aloe.benchmark.cases import Case
from aloe.errors import ConfigError


def assign_stand_ins(cases: Sequence[Case]) -> dict[str, Case]:
    """Return each case's swap by id, which is always from the same suite.

    Args:
        cases: whole suites, in their order; a case that differs from no other has no swap.

    Raises:
        ConfigError: rules judge some cases of a suite and models others.
    """
    suites: dict[str, list[Case]] = {}
    for case in cases:
        suites.setdefault(case.suite, []).append(case)
    for name, each in suites.items():
        if len({bool(case.persona.preferences) for case in each}) > 1:
            raise ConfigError(
                f"suite '{name}' mixes users whose wishes a program can check with others, "
                "whose levels are on another scale; put them into two files"
            )
    return {id_: other for each in suites.values() for id_, other in _assign(each).items()}


def _assign(cases: Sequence[Case]) -> dict[str, Case]:
    """Return the swaps of one suite."""
    owner: dict[int, int] = {}

    def give(case: int, asked: set[int]) -> bool:
        """Find `case` a stand-in, moving others to their next choice if need be (Kuhn 1955)."""
        for step in range(len(cases)):
            other = (case + len(cases) // 2 + step) % len(cases)
            if other in asked or not _differ(cases[case], cases[other]):
                continue
            asked.add(other)
            if other not in owner or give(owner[other], asked):
                owner[other] = case
                return True
        return False

    for case in range(len(cases)):
        give(case, set())
    return {cases[case].id: cases[other] for other, case in owner.items()}


def _differ(case: Case, other: Case) -> bool:
    return case.profile != other.profile and case.personality != other.personality
