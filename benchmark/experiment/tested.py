"""What was tested: each model under each condition, with the test users."""

from collections.abc import Iterator
from dataclasses import dataclass

from aloe.benchmark.compare import Side
from aloe.benchmark.experiment.pipeline import Made
from aloe.benchmark.folder import read_bench
from aloe.benchmark.scores import ReplyScores
from aloe.benchmark.suite_result import SuiteResult, compute_suite


@dataclass(frozen=True, kw_only=True)
class Tested:
    """A model under one condition, with the test users."""

    name: str
    rows: list[ReplyScores]
    result: SuiteResult

    @property
    def side(self) -> Side:
        """Its rows, to be compared."""
        return Side(name=self.name, rows=self.rows)


def read_tested(made: Made) -> Iterator[Tested]:
    """Yield what was tested: each model, and base and best under other conditions."""
    for name, folder in made.test.items():
        bench = read_bench(folder)
        for condition in bench.conditions:
            label = name if condition == "candidate" else f"{name}, {condition}"
            rows = bench.rows(condition)
            # All figures of a page are computed now, by the same statistics.
            yield Tested(name=label, rows=rows, result=compute_suite(rows))
