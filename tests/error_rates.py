"""How often the statistics of the benchmark err, simulated on the designs that it has.

    python tests/error_rates.py            print the tables
    python tests/error_rates.py --write    put them into docs/benchmark.md

Scores are made up so that the truth is known: two models between which there is no difference,
however their scores scatter, and single models of known level and slope. A test at 5% should find a
difference between the former 5 times in 100, or never where too few users differ for any test to
tell; a 95% interval should hold the latter's truth 95 times in 100.
"""

import argparse
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from aloe.benchmark.cases import load_cases
from aloe.benchmark.inference import LEVEL, confidence_interval, paired_difference
from aloe.benchmark.markdown import format_table
from aloe.benchmark.statistics import Array, Statistic, average_level, level_slope

RUNS = 2000
"""Simulated benchmarks a cell of the tables: a rate of 5% then has a standard error of 0.5%."""

FLIPS = 499
"""Fewer than in earnest, for speed; fewer flips do not make the test err more."""

TURNS = 10

PAGE = Path(__file__).resolve().parent.parent / "docs" / "benchmark.md"
BEGIN, END = "<!-- error rates: begin -->", "<!-- error rates: end -->"

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


def tables(runs: int) -> str:
    """Return both tables in Markdown."""
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
    return "\n\n".join(
        [
            f"False positives of `aloe bench compare` at 5%, {runs} simulated benchmarks a cell:",
            format_table(head, rates, numeric=True),
            f"95% intervals that hold the truth, {runs} a cell:",
            format_table(head, held, numeric=True),
        ]
    )


def main() -> None:
    """Print the tables or write them into the page."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--runs", type=int, default=RUNS, help="simulated benchmarks a cell")
    parser.add_argument("--write", action="store_true", help=f"write them into {PAGE.name}")
    given = parser.parse_args()
    text = tables(given.runs)
    if not given.write:
        sys.stdout.write(text + "\n")
        return
    page = PAGE.read_text(encoding="utf-8")
    before, rest = page.split(BEGIN)
    _, after = rest.split(END)
    PAGE.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
