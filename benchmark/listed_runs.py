"""The runs that `aloe view` shows: found in folders, told apart by name, and how each stands.

How a run stands is read from file sizes, line counts and settings, so that a list of many large
runs is there at once; pages read the trees.
"""

import re
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from hashlib import sha256
from os import DirEntry, scandir
from pathlib import Path

from aloe import config as settings
from aloe.benchmark.card import format_named
from aloe.benchmark.folder import CASES, CONFIG, RESULT, SCORES, Bench, find_parts, is_running
from aloe.config import Config
from aloe.errors import AloeError, InputError
from aloe.memory.run_folder import RunFolder
from aloe.number_format import counted
from aloe.schema import digest

MOST_FOLDERS = 10_000
"""How many folders are looked into for each that is named, the uppermost first."""


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
        return is_running(self.path) if self.is_bench else RunFolder(self.path).busy()

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


@dataclass(frozen=True, kw_only=True)
class FoundRuns:
    """What was found in some folders."""

    runs: dict[str, ListedRun]
    """By name."""
    unread: Sequence[Path]
    """Folders that were not looked into, because there are too many."""

    @property
    def caution(self) -> str:
        """What to say of the folders that were not looked into; empty if there are none."""
        if not self.unread:
            return ""
        count = counted(len(self.unread), "folder")
        return (
            f"Not looked into {count}, such as {self.unread[0]}, nor into what is in them: "
            f"only the first {MOST_FOLDERS:,} are. Name folders further down to see their runs."
        )


def find_runs(folders: Sequence[Path]) -> FoundRuns:
    """Return the runs in some folders, however deep; those inside another run as well.

    Args:
        folders: run folders, bench folders, or folders that hold such.

    Raises:
        InputError: one of them is no folder, or holds no run.
    """
    found: dict[str, ListedRun] = {}
    unread: list[Path] = []
    known: set[Path] = set()
    for folder in folders:
        if not folder.is_dir():
            raise InputError(folder, "there is no such folder; name run folders, or one with runs")
        runs, left = _look_through(folder)
        unread += left
        if not runs:
            problem = "holds no run of `aloe simulate` or `aloe bench run`"
            if left:
                problem += f" in the first {MOST_FOLDERS:,} folders; name one further down"
            raise InputError(folder, problem)
        for path in runs:
            if path.resolve() not in known:
                known.add(path.resolve())
                name = _name(folder, path, found)
                found[name] = ListedRun(name=name, path=path)
    return FoundRuns(runs=found, unread=unread)


def choose_pair(runs: Sequence[ListedRun]) -> tuple[int, int]:
    """Return the places of two runs to compare: of benchmarks with the same cases, if there are."""
    seen: dict[bytes, int] = {}
    sizes = Counter(map(_size_of_cases, runs))
    for place, run in enumerate(runs):
        size = _size_of_cases(run)
        if size and sizes[size] > 1:  # only then is a file read
            with suppress(OSError):
                cases = (run.path / CASES).read_bytes()
                if (before := seen.setdefault(sha256(cases).digest(), place)) != place:
                    return before, place
    return 0, 1


def _size_of_cases(run: ListedRun) -> int:
    stamp = _stamp(run.path / CASES)
    return stamp[2] if stamp else 0


def _look_through(top: Path) -> tuple[list[Path], list[Path]]:
    """Return the runs in a folder, in order, and the folders that were not looked into."""
    runs: list[Path] = []
    seen: set[tuple[int, int]] = set()  # a link may lead back up
    waiting = deque([top])
    while waiting and len(seen) < MOST_FOLDERS:
        folder = waiting.popleft()
        with suppress(OSError):  # what may not be looked into holds nothing to show
            found = folder.stat()
            if (place := (found.st_dev, found.st_ino)) in seen:
                continue
            seen.add(place)
            if _is_run(folder):
                runs.append(folder)
            waiting += _folders_in(folder)
    return sorted(runs), list(waiting)


def _folders_in(folder: Path) -> list[Path]:
    """Return what may hold runs of its own: no hidden folder, and no control of a benchmark."""
    parts = find_parts(folder)[1:] if (folder / CASES).is_file() else []
    with scandir(folder) as entries:
        inner = sorted(each.name for each in entries if each.name[0] != "." and _is_folder(each))
    return [path for name in inner if (path := folder / name) not in parts]


def _is_folder(entry: "DirEntry[str]") -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself, say
        return False


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
