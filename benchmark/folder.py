"""A bench folder: the candidate's run, and one folder like it inside for each control.

    DIR/  config.toml  cases.jsonl  trees.jsonl  scores.jsonl  events.jsonl  result.json
    DIR/ceiling/  config.toml  trees.jsonl  scores.jsonl  events.jsonl

So a control is resumed, read and compared like any run, and a forgotten control can be added later.
`result.json` holds the figures computed from all of them.
"""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import get_args

from aloe import config as settings
from aloe.benchmark.bench_result import BenchResult
from aloe.benchmark.case import Case
from aloe.benchmark.cut_off import note_cut_off
from aloe.benchmark.scores import RETRIED, ReplyScores, is_by_rule, read_scores, read_whole_scores
from aloe.config import Condition, Config
from aloe.config.differences import UNSHAPING
from aloe.errors import ConfigError, InputError
from aloe.files.lock import acquire_lock, is_locked
from aloe.files.records import read_models
from aloe.files.writing import model_lines, replace_text
from aloe.memory.run_folder import RunFolder, explain_lack, read_trees
from aloe.memory.run_inputs import CASES as CASES
from aloe.memory.run_inputs import SCORES as SCORES
from aloe.passport import Passport, read_audit
from aloe.schema import Tree

CONFIG, RESULT = "config.toml", "result.json"
LOCK = ".bench.lock"
"""Held from the first condition until the result is written; each condition's own, `.lock`, only
while it is played."""


@dataclass(frozen=True, kw_only=True)
class Bench:
    """A bench folder, read."""

    path: Path

    @cached_property
    def conditions(self) -> dict[Condition, Path]:
        """Folders by condition, the candidate's first."""
        own = self.config.benchmark.condition
        inner = {name: self.path / name for name in sorted(get_args(Condition)) if name != own}
        return {own: self.path} | {
            name: path
            for name, path in inner.items()
            if (path / SCORES).exists()
            and settings.read_stored(path / CONFIG).benchmark.condition == name
        }

    @cached_property
    def config(self) -> Config:
        """Settings of the folder itself."""
        return settings.read_stored(self.path / CONFIG)

    @cached_property
    def cases(self) -> list[Case]:
        """The cases that were played."""
        return [case for _, case in read_models(self.path / CASES, Case)]

    def rows(self, condition: Condition = "candidate") -> list[ReplyScores]:
        """Return the scores of one condition, for the cases and repetitions of this bench.

        A control may have more, from a time when the bench had, and clusters that were corrected.
        """
        every = _read_rows(self.conditions[condition])
        if not (self.path / CASES).exists():  # the folder of a control
            return every
        cases, seeds = {case.id: case for case in self.cases}, self.config.benchmark.seeds
        kept = (row for row in every if row.case in cases and row.seed < seeds)
        return [label_row(row, cases[row.case]) for row in kept]

    @property
    def own_rows(self) -> list[ReplyScores]:
        """The scores of the folder itself, whatever its condition, with the clusters of its cases.

        Those of a control are corrected in the bench around it only.
        """
        whole = Bench(path=self._around)
        known = (whole.path / SCORES).exists() and (whole.path / CASES).exists()
        cases = {each.id: each for each in whole.cases} if known else {}
        rows = _read_rows(self.path)
        return [label_row(row, cases[row.case]) if row.case in cases else row for row in rows]

    @cached_property
    def by_rule(self) -> bool:
        """Whether rules played the users and rated, and not the models that the settings name."""
        return is_by_rule(read_whole_scores(self.path / SCORES))

    @property
    def passports(self) -> list[Passport]:
        """The judge's passport beside the scores; none where there is none, or rules rated.

        Raises:
            InputError: it is broken.
        """
        file = self.path / "passport.json"
        return [read_audit(file)] if file.exists() and not self.by_rule else []

    def trees(self, condition: Condition = "candidate") -> Iterator[Tree]:
        """Yield the dialogues of one condition."""
        return read_trees(self.conditions[condition])

    @property
    def finished(self) -> bool:
        """Whether its figures are computed; those of a control stand in the bench around it."""
        return (self._around / RESULT).is_file()

    @property
    def _around(self) -> Path:
        """The folder of the whole bench, where this is the folder of a control."""
        return self.path if self.config.benchmark.condition == "candidate" else self.path.parent

    @property
    def running(self) -> bool:
        """Whether a process is working on it, or on one of its controls."""
        return is_running(self.path)

    @property
    def prompts(self) -> dict[str, str]:
        """Content hash of every prompt that was sent, by name; empty where it is not recorded.

        Raises:
            InputError: what is written about them is broken.
        """
        return RunFolder(self.path).read_prompts()

    @property
    def models(self) -> dict[str, str]:
        """Hash of the files of every model on this machine, by model string, if recorded.

        Raises:
            InputError: what is written about them is broken.
        """
        return RunFolder(self.path).read_models()

    @cached_property
    def result(self) -> BenchResult:
        """What was computed.

        Raises:
            InputError: it is not there, or broken.
        """
        return BenchResult.read(self.path / RESULT)

    @property
    def warnings(self) -> list[str]:
        """What its result warns of, and of which conditions the folder holds figures only.

        Raises:
            InputError: there is no result, or it is broken.
        """
        absent = self.result.conditions.keys() - self.conditions.keys()
        found = [
            f"the dialogues of the condition {name} are not in this folder, only their figures"
            for name in sorted(absent)
        ]
        return [*self.result.warnings, *found]


def _read_rows(path: Path) -> list[ReplyScores]:
    """Return the scores in a folder; what earlier versions left out is read from its dialogues."""
    rows = read_whole_scores(path / SCORES)
    if all(row.cut_off is not None for row in rows if row.reply):
        return rows
    try:
        return note_cut_off(rows, read_trees(path))
    except InputError:  # missing or broken: it stays unknown
        return rows


def label_row(row: ReplyScores, case: Case) -> ReplyScores:
    """Return a row with the clusters of its case as they are now; they are no part of its id."""
    return row.model_copy(update={"profile": case.profile, "personality": case.personality})


def finished_rows(path: Path, cases: Mapping[str, Case]) -> dict[str, list[ReplyScores]]:
    """Return the rows of the dialogues that need no more rating, by dialogue.

    Args:
        path: a file of scores, which need not be there; a torn last line is passed over.
        cases: by the id of the dialogues wanted.

    Raises:
        InputError: a line is broken (with its number).
    """
    found: dict[str, list[ReplyScores]] = {}
    for row in read_scores(path, torn=True) if path.exists() else ():
        found.setdefault(row.dialogue, []).append(row)
    return {
        id_: [label_row(row, cases[id_]) for row in rows]
        for id_, rows in found.items()
        if id_ in cases
        and len(rows) == cases[id_].turns
        and not any(score.missing in RETRIED for row in rows for score in row.scores)
    }


def holding(path: Path) -> AbstractContextManager[object]:
    """Keep other processes from working on any condition of a bench, and from its result.

    Raises:
        StoreError: one is working on it, or the folder cannot be written.
    """
    return acquire_lock(path / LOCK, lambda _: f"{path} is in use by another aloe process")


def is_running(path: Path) -> bool:
    """Whether a process is working on a bench folder, or on one of its controls."""
    return is_locked(path / LOCK) or any(RunFolder(part).busy() for part in find_parts(path))


def find_parts(path: Path) -> list[Path]:
    """Return a bench folder and those of its controls, also of one that is not rated yet."""
    inner = (path / name for name in sorted(get_args(Condition)))
    return [path, *(part for part in inner if (part / CONFIG).is_file())]


def read_bench(path: Path) -> Bench:
    """Return the bench folder at `path`.

    Raises:
        InputError: it is none.
    """
    if not (path / SCORES).is_file() or not (path / CONFIG).is_file():
        advice = "holds no benchmark; run `aloe bench run --out DIR` first"
        raise explain_lack(path, SCORES, advice)
    return Bench(path=path)


def check_same(path: Path, config: Config) -> None:
    """Make sure that a folder was made with the same candidate, condition and cases.

    Raises:
        ConfigError: it was not.
    """
    if not (path / CONFIG).exists():
        return
    old, new = settings.read_stored(path / CONFIG).benchmark, config.benchmark
    for name in ("condition", "cases"):
        if (there := getattr(old, name)) != (now := getattr(new, name)):
            raise ConfigError(
                f"{path} holds a benchmark with another {name} ({there} there, {now} now); "
                "name another folder"
            )
    before, after = (each.candidate.model_dump(exclude=set(UNSHAPING)) for each in (old, new))
    if changed := [key for key in before if before[key] != after[key]]:
        key = "model" if "model" in changed else changed[0]
        raise ConfigError(
            f"{path} holds a benchmark with another candidate ({key}: {before[key]!r} there, "
            f"{after[key]!r} now); name another folder"
        )


def write_cases(path: Path, cases: list[Case]) -> None:
    """Write the cases that are played.

    Raises:
        StoreError: the file cannot be written.
    """
    replace_text(path / CASES, model_lines(cases))
