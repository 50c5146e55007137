"""The run folder: settings, finished trees, call events; one writer, append only.

The exceptions are a tree that a person grows turn by turn, whose line is replaced, and the trees
that are not finished, which are kept elsewhere for whoever looks on (`aloe.memory.growing_trees`).

`trees.jsonl` holds one finished tree a line, so what is there is done and what is not is to do:
resuming is a set difference over ids. Lines are written whole and flushed; a torn last line, left
by a kill, is cut off when the folder is opened for writing again. When a run is complete its lines
are put in the order of the run's plan, so that equal runs are equal files whatever finished first.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO

from aloe import config as settings
from aloe.config import Config
from aloe.errors import ConfigError, InputError, StoreError
from aloe.files.appending import append_lines, cut_torn_line
from aloe.files.lock import acquire_lock, is_locked
from aloe.files.records import read_models
from aloe.files.writing import replace_chunks, replace_text
from aloe.memory.growing_trees import GrowingTrees
from aloe.memory.run_inputs import RunInputs
from aloe.schema import SCHEMA_VERSION, Persona, Tree

MOST_NAMED = 8
"""Runs that an error names."""
_NO_TREE = f"not a tree of schema version {SCHEMA_VERSION}"


class RunFolder(RunInputs):
    """A folder that holds one run.

    Args:
        path: the folder; it need not exist yet.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.config = path / "config.toml"
        self.events = path / "events.jsonl"
        self.errors = path / "errors.log"
        self.growing = GrowingTrees(path)

    def check(
        self,
        config: Config,
        prompts: Mapping[str, str] | None = None,
        read: tuple[str, ...] = ("",),
    ) -> None:
        """Make sure that the folder can take this run, without changing anything.

        Args:
            config: settings of the run.
            prompts: content hash of every prompt by name; None: not to be compared.
            read: how the names of the settings begin that the run reads; by default, it reads all.

        Raises:
            ConfigError: it holds a run with other settings or prompts.
            InputError: what is written about its prompts is broken.
            StoreError: it is a file, or holds trees without settings.
        """
        if self.path.exists() and not self.path.is_dir():
            raise StoreError(f"{self.path} is a file; name a folder")
        if not self.config.exists():
            if self.trees.exists():
                raise StoreError(f"{self.path} holds trees but no config.toml; name another folder")
            return
        if changed := settings.differences(settings.read_stored(self.config), config, read):
            raise ConfigError(
                f"{self.path} holds a run with other settings ({'; '.join(changed[:3])}); "
                "name another folder, or use its settings"
            )
        if prompts is not None:
            self.check_prompts(prompts)

    @contextmanager
    def writing(
        self,
        config: Config,
        prompts: Mapping[str, str] | None = None,
        models: Mapping[str, str] | None = None,
    ) -> Iterator[None]:
        """Hold the folder for one writer and save the settings and, if given, what was hashed.

        Args:
            config: the settings.
            prompts: content hash of every prompt, by name.
            models: hash of the files of every model on this machine, by model string.

        Raises:
            StoreError: another process is writing, or the folder cannot be written.
        """
        with self.locked():
            settings.save(self.config, config)
            if prompts is not None:
                replace_text(self.prompts, json.dumps(prompts, indent=1) + "\n")
            if models:
                replace_text(self.models, json.dumps(models, indent=1) + "\n")
            for file in (self.trees, self.events):
                cut_torn_line(file)
            yield

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes from writing to the folder.

        Raises:
            StoreError: one is writing, or the folder cannot be written.
        """
        in_use = f"{self.path} is in use by another aloe process"
        with acquire_lock(self.path / ".lock", lambda _: in_use):
            yield

    def busy(self) -> bool:
        """Whether a process is writing to the folder now."""
        return is_locked(self.path / ".lock")

    def append(self, tree: Tree) -> None:
        """Add one finished tree.

        Raises:
            StoreError: the line could not be written (a full disk, say).
        """
        then = "finished trees are kept, the same command resumes from there"
        append_lines(self.trees, tree.model_dump_json() + "\n", then=then)
        self.growing.end(tree.id)

    def log_trace(self, tree: str, trace: str) -> None:
        """Keep the traceback of the user's code over which a tree was set aside.

        Raises:
            StoreError: it could not be written (a full disk, say).
        """
        append_lines(self.errors, f"tree {tree}\n{trace}\n", then="finished trees are kept")

    def replace(self, name: str, tree: Tree | None) -> None:
        """Write a tree that is still growing, in one step: readers see it as it was, or as it is.

        Args:
            name: id of the tree; it stands where its line stood, or last.
            tree: the tree; None takes its line out.

        Raises:
            StoreError: the file cannot be written; it is as it was.
        """
        lines: dict[str, bytes] = {}
        if places := self._places():
            with self.trees.open("rb") as file:
                lines = {each: _line_at(file, start) for each, start in places.items()}
        if tree:
            lines[name] = tree.model_dump_json().encode() + b"\n"
        else:
            lines.pop(name, None)
        replace_chunks(self.trees, lines.values())

    def planned(self) -> int | None:
        """Return how many trees the run is to have; None where nobody said, as in a chat.

        Raises:
            ConfigError: its settings cannot be read.
            InputError: what is written about its prompts is broken.
        """
        stored = self.config.exists() and self.prompts.exists()
        if not stored or self.read_prompts().keys() == {"inducer"}:
            return None  # a chat stores no prompt but the inducer's
        return settings.read_stored(self.config).simulation.trees

    def finished(self) -> set[str]:
        """Return the ids of the trees in the folder; a torn last line is passed over.

        Raises:
            InputError: a line is broken (with its number).
        """
        return set(self._places())

    def personas(self) -> Iterator[tuple[str, Persona]]:
        """Yield the id of each finished tree, and whose it is.

        Raises:
            InputError: a line is broken (with its number).
        """
        for number, _, tree in self._lines():
            try:
                yield tree["id"], Persona.model_validate(tree["persona"])
            except (ValueError, KeyError):
                raise InputError(self.trees, "not a tree", line=number) from None

    def sort(self, order: Sequence[str]) -> None:
        """Put the lines into the order of the tree ids in `order`; unknown ids go last.

        Lines are copied one by one, so memory does not grow with the file.
        """
        rank = {tree: position for position, tree in enumerate(order)}
        places = self._places()
        ids = sorted(places, key=lambda tree: rank.get(tree, len(rank)))
        if ids != list(places):
            with self.trees.open("rb") as file:
                replace_chunks(self.trees, (_line_at(file, places[tree]) for tree in ids))

    def _places(self) -> dict[str, int]:
        """Return where the line of each tree begins, in bytes."""
        return {tree["id"]: start for _, start, tree in self._lines()}

    def _lines(self) -> Iterator[tuple[int, int, dict[str, Any]]]:
        """Yield the number of each line, where it begins, in bytes, and what it holds.

        Raises:
            InputError: a line is broken (with its number).
        """
        if not self.trees.exists():
            return
        start = 0
        with self.trees.open("rb") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    try:
                        tree = json.loads(line)
                        hash(tree["id"])  # which names the line
                    except (ValueError, TypeError, KeyError, RecursionError):
                        if not line.endswith(b"\n"):
                            return
                        raise InputError(self.trees, "not a tree", line=number) from None
                    yield number, start, tree
                start += len(line)


def _line_at(file: BinaryIO, start: int) -> bytes:
    file.seek(start)
    return file.readline().rstrip(b"\n") + b"\n"


def find_home(trees: Path) -> Path:
    """Return the run folder of a file of trees if it is in one, and else what was named."""
    in_run = trees.name == "trees.jsonl" and (trees.parent / "config.toml").exists()
    return trees.parent if in_run else trees


def folder_of(trees: Path) -> Path:
    """Return the folder of what lies beside trees: the run folder, or that of a file of trees."""
    return trees if trees.is_dir() else trees.parent


def explain_lack(path: Path, file: str, otherwise: str) -> InputError:
    """Return the error about a folder without a file: it is not there, or runs lie below it.

    Args:
        path: what was named.
        file: name of the file, which tells a folder of the wanted kind.
        otherwise: what to say where neither is so.
    """
    if not path.exists():
        return InputError(path, "does not exist")
    below = chain(path.glob(f"*/{file}"), path.glob(f"*/*/{file}"))
    found = [each.parent.relative_to(path).as_posix() for each in below]
    if not found:
        return InputError(path, otherwise)
    named = ", ".join(sorted(found)[:MOST_NAMED]) + ", ..." * (len(found) > MOST_NAMED)
    return InputError(path, f"name one of the runs in this folder: {named}")


def read_trees(path: Path) -> Iterator[Tree]:
    """Yield the trees of a run folder, or of a JSONL file, one at a time.

    A torn last line, left by a kill, is passed over; the next run cuts it off.

    Raises:
        InputError: there are none, or a line is broken (with its number).
    """
    file = path / "trees.jsonl" if path.is_dir() else path
    if not file.exists():
        advice = "there are no trees here; run `aloe simulate --out DIR` first"
        raise explain_lack(path, "trees.jsonl", advice)
    seen = dict[str, int]()
    for number, tree in read_models(file, Tree, what=_NO_TREE, torn=True):
        if (before := seen.setdefault(tree.id, number)) != number:
            reason = f"tree {tree.id} is on line {before} already; delete one of the two lines"
            raise InputError(file, reason, line=number)
        yield tree


@dataclass(frozen=True, kw_only=True)
class RunTrees:
    """The trees of a run, as far as they are there."""

    trees: list[Tree]
    """Finished ones in the order of the file, then the others."""
    unfinished: frozenset[str]
    """Ids of the others; each has at least one exchange."""
    running: bool
    """Whether a process is working on the run, so that the others may still be finished."""


def read_run(path: Path) -> RunTrees:
    """Return all trees of a run folder, or of a JSONL file, the unfinished ones included.

    A run in which nothing was said yet has none.

    Raises:
        InputError: there is no run, or the line of a finished tree is broken (with its number).
    """
    if not path.is_dir():
        return RunTrees(trees=list(read_trees(path)), unfinished=frozenset(), running=False)
    folder = RunFolder(path)
    running = folder.busy()
    growing = list(folder.growing.read())  # first: a tree that is finished meanwhile is in both
    young = not folder.trees.exists() and (folder.config.exists() or folder.events.exists())
    finished = [] if young else list(read_trees(path))
    known = {tree.id for tree in finished}
    others = [tree for tree in growing if tree.id not in known]
    unfinished = frozenset(tree.id for tree in others)
    return RunTrees(trees=[*finished, *others], unfinished=unfinished, running=running)
