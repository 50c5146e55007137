"""How often labels by return take a difference for real that is none, simulated.

    python tests/label_error_rates.py            print the table
    python tests/label_error_rates.py --write    put it into docs/returns.md

Two replies lead to the same: the levels of what follows below both are drawn alike. A rule that
takes a difference of z standard errors for real should decide between them as often as a normal
variable exceeds z. Beside them stand two replies of which one leads to more, so that a rule which
never decides does not look good, and the rule that was used before, which took the error from each
reply's own branches.
"""

import random
from collections import Counter
from collections.abc import Callable, Mapping
from math import erfc, hypot, sqrt
from statistics import stdev

import simulated_rates
from branching import compared, follow, tree_of
from builders import assistant, user

from aloe.benchmark.markdown import format_table
from aloe.memory.levels import find_levels
from aloe.memory.returns import Return, ReturnRule, find_returns, label_returns
from aloe.schema import Tree

RUNS = 2000
"""Simulated pairs a cell: a rate of 5% then has a standard error of 0.5%."""

ROLLOUTS, ERRORS = (2, 3, 5), (1, 2, 3)

PAGE = simulated_rates.DOCS / "returns.md"

Draw = Callable[[random.Random, int], float]
"""Draws the level of what follows the first reply (0) or the second (1)."""

Decides = Callable[[Tree, Mapping[str, float], float], bool]
"""Whether a rule with so many standard errors names a winner."""


def _kept(*shares: float) -> Draw:
    """Four wishes, of which two are kept and each other with the share of the reply."""
    return lambda rng, reply: 0.5 + 0.25 * sum(rng.random() < shares[reply] for _ in range(2))


DRAWN: Mapping[str, Draw] = {
    "same: one wish more or not": lambda rng, _: rng.choice((0.5, 0.75)),
    "same: none to two more": _kept(0.5, 0.5),
    "same: one more, seldom": lambda rng, _: rng.choice((0.5, 0.5, 0.5, 0.5, 0.75)),
    "same: any level": lambda rng, _: rng.gauss(0.5, 0.1),
    "second better: 0.4 wishes more or 1.6": _kept(0.2, 0.8),
    "second better: always one more": lambda _, reply: 0.5 + 0.25 * reply,
}
"""Ways for two replies to go on; of the first ones none is the better."""


def pair(rng: random.Random, draw: Draw, rollouts: int) -> tuple[Tree, dict[str, float]]:
    """Return two replies that were continued so often, and the levels of all replies."""
    opening = user("Hello")
    replies = [assistant(text, opening, agent=text) for text in ("One.", "Two.")]
    nodes, levels = [opening, *replies], {each.id: 0.5 for each in replies}
    for number, reply in enumerate(replies):
        for branch in range(rollouts):
            added, known = follow(reply, f"Go on {branch}.", draw(rng, number))
            nodes += added  # type: ignore[arg-type]
            levels |= known
    return tree_of(nodes, compared(replies[0], replies[1])), levels


def by_all_branches(tree: Tree, levels: Mapping[str, float], z: float) -> bool:
    """The rule."""
    label = label_returns(tree, ReturnRule(horizon=2, z=z), levels).verdicts[0].by_return
    return label is not None and label.outcome in ("first", "second")


def by_own_branches(tree: Tree, levels: Mapping[str, float], z: float) -> bool:
    """The rule before: the error of each reply is that of its own branches, 0 if they are equal."""
    verdict = tree.verdicts[0]
    found = find_returns(tree, find_levels(tree, levels), ReturnRule(horizon=2))
    first, second = found[verdict.first], found[verdict.second]
    error = hypot(*(_own_error(each) for each in (first, second)))
    difference = abs(first.value - second.value)
    return difference > 1e-9 and difference >= z * error - 1e-9


def _own_error(found: Return) -> float:
    return stdev(found.branches) / sqrt(len(found.branches))


RULES: Mapping[str, Decides] = {"now": by_all_branches, "before": by_own_branches}


def decided(draw: Draw, rollouts: int, runs: int, seed: int = 1) -> dict[tuple[str, int], float]:
    """Return how often a rule names a winner, by rule and standard errors."""
    rng, found = random.Random(seed), Counter[tuple[str, int]]()
    for _ in range(runs):
        drawn = pair(rng, draw, rollouts)
        found.update((name, z) for name, rule in RULES.items() for z in ERRORS if rule(*drawn, z))
    return {(name, z): found[name, z] / runs for name in RULES for z in ERRORS}


def table(runs: int) -> str:
    """Return the table in Markdown."""
    head = ["", *(f"{rollouts} rollouts, z {z}" for rollouts in ROLLOUTS for z in ERRORS)]
    normal = [f"{erfc(z / sqrt(2)):.1%}" for _ in ROLLOUTS for z in ERRORS]
    rows = [["normal", *normal]]
    for case, draw in DRAWN.items():
        rates = [decided(draw, rollouts, runs) for rollouts in ROLLOUTS]
        for name in RULES:
            cells = (f"{rate[name, z]:.1%}" for rate in rates for z in ERRORS)
            rows.append([f"{case}, {name}", *cells])
    text = f"How often a label by return names a winner, {runs} simulated pairs a cell:"
    return f"{text}\n\n{format_table(head, rows, numeric=True)}"


if __name__ == "__main__":
    simulated_rates.run(__doc__, table, PAGE, RUNS, "pairs")
