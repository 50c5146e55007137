"""How often the statistics of the benchmark err, simulated on the designs that it has.

    python tests/error_rates.py            print the tables
    python tests/error_rates.py --write    put them into docs/benchmark.md

Scores are made up so that the truth is known: two models between which there is no difference,
however their scores scatter, and single models of known level and slope. A test at 5% should find a
difference between the former 5 times in 100, or never where too few users differ for any test to
tell; a 95% interval should hold the latter's truth 95 times in 100. The same is asked of shares and
counts of what hardly any user does, where it may hold it more often: counts come in whole steps.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import simulated_rates

from aloe.benchmark.cases import load_cases
from aloe.benchmark.inference import LEVEL, Interval, confidence_interval, paired_difference
from aloe.benchmark.markdown import format_table
from aloe.benchmark.rare_events import COUNT, SHARE
from aloe.benchmark.statistics import Array, Statistic, average_level, divide, level_slope

RUNS = 2000
"""Simulated benchmarks a cell of the tables: a rate of 5% then has a standard error of 0.5%."""

FLIPS = 499
"""Fewer than in earnest, for speed; fewer flips do not make the test err more."""

RARE_RUNS = 4
"""Into this many parts the runs are divided for a cell of the rare events."""

TURNS = 10

PAGE = simulated_rates.DOCS / "benchmark.md"

Rng = np.random.Generator


@dataclass(frozen=True, kw_only=True)
class Design:
    """Which profile and personality each user of a benchmark has."""

    name: str
    profiles: npt.NDArray[np.intp]
    """Shape (users,): numbers from 0, like `personalities`."""
    personalities: npt.NDArray[np.intp]

    @classmethod
    def of(cls, name: str, profiles: Sequence[object], personalities: Sequence[object]) -> "Design":
        """A design from any labels."""
        one, other = (list(dict.fromkeys(each)) for each in (profiles, personalities))
        return cls(
            name=name,
            profiles=np.array([one.index(each) for each in profiles]),
            personalities=np.array([other.index(each) for each in personalities]),
        )

    @classmethod
    def clustered(cls, name: str, sizes: Sequence[int]) -> "Design":
        """Users with personalities of their own whose profiles are near-copies in groups."""
        return cls.of(name, np.repeat(np.arange(len(sizes)), sizes).tolist(), range(sum(sizes)))

    @property
    def users(self) -> int:
        """How many there are."""
        return len(self.profiles)

    def effects(self, rng: Rng, size: float) -> Array:
        """What users owe to profile and personality, shape (users, 1), each within +-`size`."""
        total = np.zeros(self.users)
        for labels in (self.profiles, self.personalities):
            total += rng.uniform(-size, size, labels.max() + 1)[labels]
        return total[:, None]


def designs() -> Iterator[Design]:
    """Yield the designs of the suites, of the proof, and of other people's data."""
    for suite in ("aloe-100", "verifiable"):
        cases = load_cases(suite)
        yield Design.of(suite, [c.profile for c in cases], [c.personality for c in cases])
    yield Design.of("20 x 5 crossed", np.repeat(np.arange(20), 5).tolist(), list(range(5)) * 20)
    yield Design.clustered("72 users", [1] * 72)
    yield Design.clustered("72 users in 24 lives", [12, 9, 7, 6, 5, 4, 4, 3, 3, 3, 2, 2] + [1] * 12)
    yield Design.clustered("24 users", [1] * 24)
    yield Design.clustered("24 users in 8 lives", [17] + [1] * 7)
    yield Design.clustered("8 users", [1] * 8)


Pair = Callable[[Design, Rng], tuple[Array, Array]]
"""Draws the scores of two models, each of shape (users, turns), that are equally good."""


def _rated(levels: Array, rng: Rng) -> Array:
    """Whole ratings of 1 to 5 around the level of each user, shape (users, turns)."""
    return np.clip(np.round(levels + rng.normal(0, 0.9, (len(levels), TURNS))), 1, 5)


def same(design: Design, rng: Rng) -> tuple[Array, Array]:
    """Two runs of one model: noise alone."""
    levels = 3 + design.effects(rng, 0.5)
    return _rated(levels, rng), _rated(levels, rng)


def suited(design: Design, rng: Rng) -> tuple[Array, Array]:
    """Each model suits other profiles and personalities, to the same degree."""
    one, other = (3 + design.effects(rng, 0.5) for _ in range(2))
    return _rated(one, rng), _rated(other, rng)


def coarse(design: Design, rng: Rng) -> tuple[Array, Array]:
    """One turn, kept or not: differences are -1, 0 or 1."""
    share = 0.5 + design.effects(rng, 0.2)
    one, other = (rng.binomial(1, share).astype(np.float64) for _ in range(2))
    return one, other


def differing(share: float) -> Pair:
    """All users get the same from both, but for a share with one wish more or less at one turn."""

    def pair(design: Design, rng: Rng) -> tuple[Array, Array]:
        base: Array = rng.integers(2, 7, (design.users, TURNS)) / 8
        step = rng.choice([-0.125, 0.125], design.users) * (rng.random(design.users) < share)
        other = base.copy()
        other[np.arange(design.users), rng.integers(TURNS, size=design.users)] += step
        return other, base

    return pair


NULLS: Mapping[str, Pair] = {
    "noise alone": same,
    "each suits other users": suited,
    "one turn, kept or not": coarse,
    "50% of users differ": differing(0.5),
    "5% of users differ": differing(0.05),
    "1% of users differ": differing(0.01),
}
"""Ways for two equally good models to differ."""


@dataclass(frozen=True, kw_only=True)
class ScoreModel:
    """Scores of known level and slope."""

    draw: Callable[[Design, Rng], Array]
    statistic: Statistic
    truth: float


def _ignorant(design: Design, rng: Rng) -> Array:
    return 3 + design.effects(rng, 0.7) + rng.normal(0, 0.9, (design.users, TURNS))


def _learning(design: Design, rng: Rng) -> Array:
    slopes = 0.1 + design.effects(rng, 0.05)
    return _ignorant(design, rng) + slopes * np.arange(1, TURNS + 1)


def _keeping(design: Design, rng: Rng) -> Array:
    return rng.binomial(8, 0.7 + design.effects(rng, 0.14), (design.users, TURNS)) / 8


MODELS: Mapping[str, ScoreModel] = {
    "level, ignores the user": ScoreModel(draw=_ignorant, statistic=average_level, truth=3.0),
    "slope, ignores the user": ScoreModel(draw=_ignorant, statistic=level_slope, truth=0.0),
    "level, gains 0.1 a turn": ScoreModel(draw=_learning, statistic=average_level, truth=3.55),
    "slope, gains 0.1 a turn": ScoreModel(draw=_learning, statistic=level_slope, truth=0.1),
    "level, keeps 70% of 8 wishes": ScoreModel(draw=_keeping, statistic=average_level, truth=0.7),
}
"""What intervals should hold."""


def false_positives(pair: Pair, design: Design, runs: int, seed: int = 1) -> float:
    """Return how often the test at 5% finds a difference that is none."""
    rng, found = np.random.default_rng(seed), 0
    for run in range(runs):
        a, b = pair(design, rng)
        difference = paired_difference(
            a, b, design.profiles, design.personalities, average_level, flips=FLIPS, seed=run
        )
        found += difference.p_value <= LEVEL
    return found / runs


def coverage(model: ScoreModel, design: Design, runs: int, seed: int = 1) -> float:
    """Return how often the 95% interval holds the truth."""
    rng, held = np.random.default_rng(seed), 0
    for run in range(runs):
        found = confidence_interval(
            model.draw(design, rng),
            design.profiles,
            design.personalities,
            model.statistic,
            flips=FLIPS,
            seed=run,
        )
        held += found.low <= model.truth <= found.high
    return held / runs


Rare = Callable[[Design, Rng, dict[str, Any]], Interval]
"""Draws a benchmark in which something is rare, and returns its interval; is given the clusters and
the flips."""


def _hits(design: Design, rng: Rng, share: float) -> Array:
    """How likely a hit is for each user, `share` on average, shape (users, 1)."""
    return share + design.effects(rng, min(share, 1 - share) / 2)


def of_questions(count: int, share: float) -> Rare:
    """Which share of few questions brought something; users ask none, one or several."""

    def drawn(design: Design, rng: Rng, how: dict[str, Any]) -> Interval:
        asked = rng.poisson(count / design.users, design.users)
        hits = rng.binomial(asked, _hits(design, rng, share)[:, 0])

        def statistic(_: Array, weights: Array) -> Array:
            return divide(weights @ hits, weights @ asked)

        return confidence_interval(
            asked[:, None], statistic=statistic, mass=asked, bounds=SHARE, **how
        )

    return drawn


def a_reply(share: float, turns: int = 1, often: float = 1.0) -> Rare:
    """Questions a reply, of a share of the users, who ask one in this share of their turns."""

    def drawn(design: Design, rng: Rng, how: dict[str, Any]) -> Interval:
        asks = rng.binomial(1, _hits(design, rng, share))
        table = asks * rng.binomial(1, often, (design.users, turns))
        return confidence_interval(table, statistic=average_level, bounds=COUNT, **how)

    return drawn


def below_top(share: float) -> Rare:
    """The level at one turn, 1 but for a share of the users, who get from 0 to 7 eighths."""

    def drawn(design: Design, rng: Rng, how: dict[str, Any]) -> Interval:
        lost = rng.integers(1, 9, (design.users, 1)) / 8
        table = 1 - lost * rng.binomial(1, _hits(design, rng, share))
        return confidence_interval(table, statistic=average_level, bounds=SHARE, **how)

    return drawn


def between(share: float, base: float) -> Rare:
    """By how much two models differ that do something with these shares of the users."""

    def drawn(design: Design, rng: Rng, how: dict[str, Any]) -> Interval:
        one, other = (rng.binomial(1, _hits(design, rng, each)) for each in (share, base))
        return paired_difference(one, other, statistic=average_level, **how).interval

    return drawn


RARE: Mapping[str, tuple[Rare, float]] = {
    "share: 10% of 15 questions": (of_questions(15, 0.1), 0.1),
    "share: 90% of 15 questions": (of_questions(15, 0.9), 0.9),
    "share: 5% of 36 questions": (of_questions(36, 0.05), 0.05),
    "one turn: 1 user in 72 asks": (a_reply(1 / 72), 1 / 72),
    "one turn: 3 in 72": (a_reply(3 / 72), 3 / 72),
    "one turn: 5 in 72": (a_reply(5 / 72), 5 / 72),
    "all turns: 3 in 72 ask at every other": (a_reply(3 / 72, TURNS, 0.5), 1.5 / 72),
    "level of one turn: 3 in 72 below 1": (below_top(3 / 72), 1 - 3 / 72 * 4.5 / 8),
    "difference: 1 in 72 to none": (between(1 / 72, 0), 1 / 72),
    "difference: 3 in 72 to 1": (between(3 / 72, 1 / 72), 2 / 72),
}
"""What is rare, with the truth."""


def rare_coverage(drawn: Rare, truth: float, design: Design, runs: int, seed: int = 1) -> float:
    """Return how often the 95% interval, where there is one, holds the truth."""
    rng, held, given = np.random.default_rng(seed), 0, 0
    labels = {"profiles": design.profiles, "personalities": design.personalities}
    for run in range(runs):
        try:
            found = drawn(design, rng, {**labels, "flips": FLIPS, "seed": run})
        except ValueError:  # too few users asked
            continue
        given += found.bounded
        held += found.bounded and found.low - 1e-9 <= truth <= found.high + 1e-9
    return held / given if given else float("nan")


def tables(runs: int) -> str:
    """Return the tables in Markdown."""
    columns = list(designs())
    head = ["", *(each.name for each in columns)]
    rates = [
        [name, *(f"{false_positives(pair, each, runs):.1%}" for each in columns)]
        for name, pair in NULLS.items()
    ]
    held = [
        [name, *(f"{coverage(model, each, runs):.1%}" for each in columns)]
        for name, model in MODELS.items()
    ]
    seldom = [
        [
            name,
            *(f"{rare_coverage(*drawn, each, runs // RARE_RUNS):.1%}" for each in columns),
        ]
        for name, drawn in RARE.items()
    ]
    return "\n\n".join(
        [
            f"False positives of `aloe bench compare` at 5%, {runs} simulated benchmarks a cell:",
            format_table(head, rates, numeric=True),
            f"95% intervals that hold the truth, {runs} a cell:",
            format_table(head, held, numeric=True),
            f"The same for rare events, {runs // RARE_RUNS} a cell:",
            format_table(head, seldom, numeric=True),
        ]
    )


if __name__ == "__main__":
    simulated_rates.run(__doc__, tables, PAGE, RUNS, "benchmarks")
