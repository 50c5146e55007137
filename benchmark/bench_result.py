"""The result of a bench run: result.json, written once and read everywhere."""

import json
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import ValidationError, model_validator

from aloe.benchmark.suite_result import MOST_MISSING, SuiteResult
from aloe.config import Condition
from aloe.errors import InputError
from aloe.files.records import describe
from aloe.files.writing import replace_text
from aloe.record import FileName
from aloe.schema import Record


class PlayedCondition(Record):
    """One condition of a run."""

    model: str
    """Model string of the candidate."""
    about: str


class BenchSpending(Record):
    """What all conditions of a bench folder have cost, earlier parts of the run included."""

    calls: int
    input_tokens: int
    output_tokens: int
    cost: float | None
    """US dollars; None if a price is not known."""


class BenchResult(Record):
    """The numbers of a bench run, and all that repeating it takes."""

    version: str
    """Of this program."""
    python: str
    packages: dict[str, str]
    """Versions of what the numbers may depend on, as far as it is installed."""
    primary: Literal["gain"] = "gain"
    complete: bool
    """Whether no suite lacks too many ratings under any condition, and no control dialogues that
    the candidate has."""
    conditions: dict[Condition, PlayedCondition]
    """The candidate's first."""
    user: str
    """Model string, or `rule`; earlier versions named a model that was not asked."""
    judges: tuple[str, ...]
    """The same of whoever judged."""
    cases: str
    """Suite or file."""
    cases_hash: str
    seeds: int
    """Dialogues with each case."""
    seed: int
    prompts: dict[str, str]
    """Hashes by name."""
    warnings: tuple[str, ...]
    spent: BenchSpending
    suites: dict[FileName, dict[Condition, SuiteResult]]
    """The numbers by suite and condition."""

    @model_validator(mode="after")
    def _conditions_are_known(self) -> Self:
        played = self.conditions.keys()
        for suite, each in self.suites.items():
            if not each or each.keys() - played:
                raise ValueError(f"suites.{suite}: has no condition, or one that was not played")
        if not self.suites:
            raise ValueError("suites: there are none")
        return self

    @property
    def candidate(self) -> str:
        """Model string of the candidate."""
        return next(iter(self.conditions.values())).model

    def describe_gaps(self) -> str:
        """Return why the result is incomplete, in words; empty if it is not."""
        found = [
            f"{suite}, {condition}: {each.describe_missing()}"
            for suite, by_condition in self.suites.items()
            for condition, each in by_condition.items()
            if each.incomplete
        ]
        if found:
            return f"more than {MOST_MISSING:.0%} of the ratings are missing; {'; '.join(found)}"
        return "" if self.complete else "a control lacks dialogues"

    def by_suite(self) -> dict[str, SuiteResult]:
        """Return the candidate's numbers by suite."""
        return {suite: next(iter(each.values())) for suite, each in self.suites.items()}

    def summarise(self) -> dict[str, Any]:
        """Return what a script wants to know: figures and what they lack by suite and condition."""
        whole = self.model_dump(mode="json")
        figures: dict[str, dict[str, Any]] = {}
        ratings: dict[str, dict[str, Any]] = {}
        for suite, by_condition in whole["suites"].items():
            figures[suite] = {name: result["figures"] for name, result in by_condition.items()}
            ratings[suite] = {
                name: {each: result[each] for each in ("ratings", "missing", "incomplete")}
                for name, result in by_condition.items()
            }
        told = {name: whole[name] for name in ("complete", "warnings", "spent")}
        return {**told, "figures": figures, "ratings": ratings}

    def write(self, path: Path) -> None:
        """Write the result to a file.

        Raises:
            StoreError: it cannot be written.
        """
        whole = self.model_dump(mode="json")
        replace_text(path, json.dumps(whole, indent=1, ensure_ascii=False) + "\n")

    @classmethod
    def read(cls, path: Path) -> "BenchResult":
        """Return the result in a file.

        Raises:
            InputError: it is not there, or broken.
        """
        try:
            return cls.model_validate_json(path.read_bytes())
        except OSError:
            raise InputError(path, "is missing; the run has not finished") from None
        except ValidationError as error:
            problem = describe(error, "is not the result of a bench run")
            raise InputError(path, problem) from None
