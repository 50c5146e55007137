"""The runs that `aloe view` shows: found in folders, told apart by name, and how each stands.

How a run stands is read from file sizes, line counts and settings, so that a list of many large
runs is there at once; pages read the trees.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path

from aloe import config as settings
from aloe.benchmark.card import format_named
from aloe.benchmark.folder import CASES, CONFIG, RESULT, SCORES, Bench, find_parts
from aloe.config import Config
from aloe.errors import AloeError, InputError
from aloe.memory.run_folder import RunFolder
from aloe.schema import digest
from aloe.views.figures import counted

DEPTH = 3
"""How far below a folder runs are looked for."""


@dataclass(frozen=True, kw_only=True)
class ListedRun:
    """A run folder with the name by which its page is asked for."""

    name: str
    path: Path

    @property
    def is_bench(self) -> bool:
        """Whether it is a benchmark; else it is a simulation."""
        return (self.path / CASES).is_file()

    @property
    def parts(self) -> list[Path]:
        """Folders with trees: its own, and those of the controls of a benchmark."""
        return find_parts(self.path) if self.is_bench else [self.path]

    @property
    def running(self) -> bool:
        """Whether a process is working on it."""
        return any(RunFolder(part).busy() for part in self.parts)

    @property
    def files(self) -> Iterator[Path]:
        """Everything that its page is made of, but the calls, which come without pause."""
        for part in self.parts:
            yield from (part / "trees.jsonl", part / SCORES)
            yield from sorted(part.glob("growing/*.jsonl"))
        yield from (self.path / RESULT, self.path / "passport.json")

    @property
    def version(self) -> str:
        """What changes whenever its page would."""
        return digest(self.running, *(_stamp(file) for file in self.files))

    @property
    def changed(self) -> datetime | None:
        """When something was written last, in local time."""
        times = [stamp[1] for file in self.files if (stamp := _stamp(file)) is not None]
        return datetime.fromtimestamp(max(times) / 1e9).astimezone() if times else None

    def describe(self) -> dict[str, str]:
        """Return its line in the list; of a folder that cannot be read, the reason."""
        line = {
            "name": self.name,
            "kind": "benchmark" if self.is_bench else "simulation",
            "changed": f"{self.changed:%Y-%m-%d %H:%M}" if self.changed else "",
        }
        try:
            return {**line, **(self._describe_bench() if self.is_bench else self._describe_run())}
        except AloeError as error:
            return {**line, "state": "broken", "size": "", "models": "", "figure": str(error)}

    @cached_property
    def _config(self) -> Config:
        return settings.read_stored(self.path / CONFIG)

    def _describe_run(self) -> dict[str, str]:
        done, unfinished = _count_lines(self.path / "trees.jsonl"), _count_growing(self.path)
        unfinished = max(unfinished, (RunFolder(self.path).planned() or 0) - done)
        models: dict[str, list[str]] = {}
        for each in self._config.models.assistants:
            models.setdefault(each.model, []).append(each.name)
        return {
            "state": self._state(whole=done > 0 and not unfinished),
            "size": counted(done, "tree") + (f", {unfinished:,} unfinished" if unfinished else ""),
            "models": "; ".join(f"{', '.join(names)}: {name}" for name, names in models.items()),
            "figure": "",
        }

    def _state(self, *, whole: bool) -> str:
        return "running" if self.running else "" if whole else "unfinished"

    def _describe_bench(self) -> dict[str, str]:
        bench = Bench(path=self.path)
        held, figure = _count_lines(self.path / "trees.jsonl"), ""
        if bench.finished:
            suites = bench.result.by_suite().items()
            figure = "; ".join(
                f"{suite} gain {format_named('gain', found.figures.get('gain'))}"
                for suite, found in suites
            )
        return {
            "state": self._state(whole=bench.finished),
            "size": counted(held, "dialogue"),
            "models": self._config.benchmark.candidate.model,
            "figure": figure,
        }


def find_runs(folders: Sequence[Path]) -> dict[str, ListedRun]:
    """Return the runs in some folders, by name.

    Args:
        folders: run folders, bench folders, or folders that hold such.

    Raises:
        InputError: one of them is no folder, or holds no run.
    """
    found: dict[str, ListedRun] = {}
    known: set[Path] = set()
    for folder in folders:
        if not folder.is_dir():
            raise InputError(folder, "there is no such folder; name run folders, or one with runs")
        runs = list(_runs_in(folder, DEPTH))
        if not runs:
            problem = "holds no run of `aloe simulate` or `aloe bench run`"
            raise InputError(folder, problem)
        for path in runs:
            if path.resolve() not in known:
                known.add(path.resolve())
                name = _name(folder, path, found)
                found[name] = ListedRun(name=name, path=path)
    return found


def _runs_in(folder: Path, depth: int) -> Iterator[Path]:
    if _is_run(folder):
        yield folder
    elif depth:
        with suppress(OSError):  # what may not be looked into holds nothing to show
            for each in sorted(folder.iterdir()):
                if each.is_dir() and each.name[0] != ".":
                    yield from _runs_in(each, depth - 1)


def _is_run(folder: Path) -> bool:
    """Whether a folder holds a run: settings beside trees, calls or cases."""
    files = ("trees.jsonl", "events.jsonl", CASES)
    return (folder / CONFIG).is_file() and any((folder / file).is_file() for file in files)


def _name(folder: Path, path: Path, taken: Iterable[str]) -> str:
    """Return a name that is fit for an address and that no other run has."""
    whole = path.resolve()
    inner = "/".join(path.relative_to(folder).parts) or whole.name
    name = wanted = re.sub(r"[^\w.+/-]+", "-", inner).strip("/.") or "run"
    number = 1
    while name in taken:
        number += 1
        name = f"{wanted}-{number}"
    return name


def _stamp(file: Path) -> tuple[str, int, int] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return str(file), found.st_mtime_ns, found.st_size


def _count_lines(file: Path) -> int:
    try:
        with file.open("rb") as data:
            return sum(block.count(b"\n") for block in iter(lambda: data.read(1 << 20), b""))
    except OSError:
        return 0


def _count_growing(run: Path) -> int:
    return sum(1 for _ in run.glob("growing/*.jsonl"))
