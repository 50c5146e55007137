"""The swap: the other users for whom every reply is rated as well.

A generic good answer suits everybody. So each reply is also rated as if it had been written to
another case's user, and the difference is what is personal. The other user has a different profile
and personality, every case is the swap of equally many, and the assignment follows from the suite
alone: a part of the suite, another seed or another model does not change it. Where a model judges,
there is one, as each costs a call a reply; a program judges for several, of which the mean counts,
because a single one may happen to want what this user wants.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

from aloe.benchmark.case import Case
from aloe.errors import ConfigError

RULED = 8
"""Most swaps of a user whose wishes a program can check."""


def assign_stand_ins(cases: Sequence[Case]) -> dict[str, tuple[Case, ...]]:
    """Return each case's swaps by id, which are always from the same suite.

    Args:
        cases: whole suites, in their order; a case that differs from no other has no swap.

    Raises:
        ConfigError: rules judge some cases of a suite and models others.
    """
    suites: dict[str, list[Case]] = {}
    for case in cases:
        suites.setdefault(case.suite, []).append(case)
    for name, each in suites.items():
        if len({case.by_rule for case in each}) > 1:
            raise ConfigError(
                f"suite '{name}' mixes users whose wishes a program can check with others, "
                "whose levels are on another scale; put them into two files"
            )
    return {
        cases[number].id: tuple(cases[other] for other in others)
        for cases in suites.values()
        for number, others in _assign(cases).items()
    }


def _assign(cases: Sequence[Case]) -> dict[int, list[int]]:
    """Return the swaps of each case of one suite that has any, as numbers of cases.

    A round gives each case one more, and each to one more. There are as many as serve the same
    cases by the same others.
    """
    rounds = RULED if cases[0].by_rule else 1
    first = _match(cases, {})
    found = {number: [other] for number, other in first.items()}
    for _ in range(rounds - 1):
        more = _match(cases, found)
        if more.keys() != first.keys() or {*more.values()} != {*first.values()}:
            break
        for number, other in more.items():
            found[number].append(other)
    return found


def _match(cases: Sequence[Case], taken: Mapping[int, Sequence[int]]) -> dict[int, int]:
    """Return for as many cases as possible another one each, and no other twice.

    Args:
        cases: of one suite.
        taken: others that each case has already.
    """
    owner: dict[int, int] = {}
    for case in range(len(cases)):
        _give(case, owner, lambda each: _choices(each, cases, taken.get(each, ())))
    return {case: other for other, case in owner.items()}


def _give(case: int, owner: dict[int, int], choices: Callable[[int], Iterator[int]]) -> None:
    """Find `case` another one, moving others to their next choice if need be (Kuhn 1955).

    In a loop, since as many may have to move as there are cases.
    """
    asked: set[int] = set()
    moving, wanted, left = [case], list[int](), [choices(case)]
    while moving:
        other = next((each for each in left[-1] if each not in asked), None)
        if other is None:
            moving.pop()
            left.pop()
            del wanted[-1:]
            continue
        asked.add(other)
        wanted.append(other)
        if other not in owner:
            owner.update(zip(wanted, moving, strict=True))
            return
        moving.append(owner[other])
        left.append(choices(owner[other]))


def _choices(case: int, cases: Sequence[Case], taken: Collection[int]) -> Iterator[int]:
    """Yield who may stand in for a case, the best first."""
    for step in range(len(cases)):
        other = (case + len(cases) // 2 + step) % len(cases)
        if other not in taken and _differ(cases[case], cases[other]):
            yield other


def _differ(case: Case, other: Case) -> bool:
    return case.profile != other.profile and case.personality != other.personality
