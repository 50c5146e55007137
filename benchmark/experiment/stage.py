"""Stages that are found again by content.

A stage's folder is named after the digest of all that decides what is in it: its settings, the
folders it reads (whose names are digests again), the versions of the packages at work and the
sources of the rules. So a run that was killed goes on, a changed setting makes anew what depends on
it and nothing else, and two runs with the same settings are the same folders. A stage that was
begun and not finished is given its folder again, because every command takes up its own work.
"""

import json
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from threading import Lock, Semaphore
from typing import Any, TypeVar

import aloe
from aloe.errors import StoreError
from aloe.files.appending import append_lines
from aloe.files.json_objects import load_json
from aloe.files.lock import acquire_lock
from aloe.files.writing import explain_failure, replace_text
from aloe.models.hub import is_hub_name
from aloe.models.model_string import ModelString
from aloe.models.weights import hash_weights, model_path
from aloe.schema import digest

PACKAGES = ("torch", "transformers", "trl", "peft", "xllamacpp")
ROOT = Path(__file__).parent.parent.parent
RULES = ("memory/verifiable/catalogue.py", "memory/verifiable/generation.py",
         "memory/verifiable/scoring.py", "memory/verifiable/talk.py", "agents/rewriter.py",
         "memory/verifiable/manners.py", "memory/verifiable/phrases.py",
         "memory/verifiable/phrases.toml", "memory/verifiable/asking.py",
         "memory/verifiable/rules.py", "memory/questions.py", "memory/unsaid.py",
         "memory/returns.py", "memory/levels.py", "agents/rules.py", "agents/rule_user.py",
         "agents/disclosing.py", "agents/marker.py", "agents/player.py", "flaws.py",
         "sentences.py", "emoji.py", "memory/verifiable/forms.py", "memory/verifiable/negation.py",
         "benchmark/experiment/players.py", "benchmark/experiment/people.py",
         "benchmark/experiment/rows.py", "benchmark/experiment/questions.txt")  # fmt: skip
"""Sources that decide who is played, what is said and what is kept."""

LOG, LOCK = "experiment.log", ".lock"

T = TypeVar("T")


@dataclass(kw_only=True)
class Stages:
    """The stages of one folder."""

    root: Path
    on_line: Callable[[str], None] = lambda _: None
    """Is told each line of the log."""
    seconds: dict[str, float] = field(default_factory=dict)
    """What each stage took, by folder name; the sum over its parts if it was interrupted."""
    at_once: int = 1
    """Most stages that are made at a time."""
    weights: dict[str, str | None] = field(default_factory=dict)
    """Hash of the files of each model that was looked at, by model string: all stages of a run are
    named by the same."""

    def __post_init__(self) -> None:
        self._slots = Semaphore(self.at_once)
        self._locks: dict[str, Lock] = {}

    def make_together(self, *each: Callable[[], T]) -> list[T]:
        """Return what each makes; at the same time if more than one stage may be made at a time.

        Raises:
            AloeError: what the first that failed has raised, when the others are done.
        """
        if self.at_once == 1:
            return [make() for make in each]
        with ThreadPoolExecutor(len(each)) as threads:
            begun = [threads.submit(make) for make in each]
        return [one.result() for one in begun]

    @contextmanager
    def hold(self) -> Iterator[int]:
        """Hold the folder for one experiment; give the file that holds it.

        Processes that inherit the file hold the folder as well, so one that outlives a killed
        experiment keeps the next one out until it has ended.

        Raises:
            StoreError: another experiment is at work, the folder cannot be written, or it is a file
                or holds something else.
        """
        self._check_root()
        problem = (
            f"{self.root} is in use by another experiment, or a stage of one that was killed has "
            "not ended yet"
        )
        with acquire_lock(self.root / LOCK, lambda _: problem) as lock:
            yield lock.fileno()

    def _check_root(self) -> None:
        """Make sure that nothing but an experiment is there; a lock may be, of one just begun."""
        if self.root.exists() and not self.root.is_dir():
            raise StoreError(f"{self.root} is a file; name a folder")
        if not (self.root / LOG).exists() and any(
            path.name != LOCK for path in self.root.glob("*")
        ):
            raise StoreError(f"{self.root} is not empty and holds no experiment; name another")

    def hash_models(self, *models: str) -> Iterator[dict[str, str]]:
        """Yield the hashes of models whose files are here, by model string, if there are any.

        Where there are none there is nothing, so that stages from before they counted are found
        again. Of a name from the hub that is a folder in its cache nothing counts: its revision
        appears with the download, and changes with the page about the model.

        Raises:
            ConfigError: an adapter does not name its base.
            ModelError: a file cannot be read.
        """
        found = {}
        for name in sorted({str(ModelString.parse(each)) for each in models}):
            if name not in self.weights:
                self.weights[name] = None if _is_from_hub(name) else hash_weights(name)
            if weights := self.weights[name]:
                found[name] = weights
        if found:
            yield found

    def make(self, name: str, inputs: Sequence[object], make: Callable[[Path], None]) -> Path:
        """Return the path of a stage, made first if it is not there.

        Args:
            name: what people call it.
            inputs: all that decides its content, as JSON.
            make: is given the path, which may hold what an interrupted run left.

        Raises:
            StoreError: nothing can be written there, or the rules are no longer those by which
                stages are named.
        """
        path = self.root / f"{name}-{digest(name, *inputs, _code())}"
        with self._locks.setdefault(path.name, Lock()):
            self._finish(path, inputs, make)
        return path

    def _finish(self, path: Path, inputs: Sequence[object], make: Callable[[Path], None]) -> None:
        marker = self.root / f"{path.name}.json"
        state = _read(marker)
        if not state.get("finished"):
            with self._slots:
                _require_same_rules()
                self.log(f"{'go on with' if state else 'begin'} {path.name}")
                began, before = time.monotonic(), state.get("seconds", 0.0)
                state = {"seconds": before, "inputs": list(inputs),
                         "sources": sorted({*_sources_of(state), hash_sources()})}  # fmt: skip
                self._note(marker, state)
                try:
                    make(path)
                finally:
                    state["seconds"] = round(before + time.monotonic() - began, 1)
                    state["sources"] = sorted({*state["sources"], hash_sources()})
                    self._note(marker, state)
                _require_same_rules()
                self._note(marker, state := {**state, "finished": True})
                self.log(f"end {path.name} after {state['seconds']:.0f} s")
        self.seconds[path.name] = state["seconds"]

    def log(self, text: str) -> None:
        """Add a line to the log of the experiment.

        Raises:
            StoreError: it cannot be written.
        """
        now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S")
        with explain_failure(self.root):
            self.root.mkdir(parents=True, exist_ok=True)
        append_lines(self.root / LOG, f"{now} {text}\n")
        self.on_line(text)

    def _note(self, marker: Path, state: dict[str, object]) -> None:
        replace_text(marker, json.dumps(state, indent=1, sort_keys=True) + "\n")


def read_sources(stages: Iterable[Path]) -> set[str]:
    """Return the hashes of the program's sources by which finished stages were made.

    Those that they were made from count as well: inputs that are stages are folder names.
    """
    left, seen, found = list(stages), set[Path](), set[str]()
    while left:
        path = left.pop()
        if path in seen or not (marker := _read(path.with_name(f"{path.name}.json"))):
            continue
        seen.add(path)
        found |= _sources_of(marker)
        given = (each for each in marker.get("inputs", ()) if isinstance(each, str))
        left += [path.parent / each for each in given if Path(each).name == each != ""]
    return found


def _sources_of(marker: Mapping[str, Any]) -> set[str]:
    """Return the states of the sources that a stage was made by; once there was room for one."""
    found = marker.get("sources", [])
    return {found} if isinstance(found, str) else {*found}


def hash_sources() -> str:
    """Return the hash of the whole program's sources as they are now: commands read them anew.

    It decides nothing: a stage is found again though the program has changed elsewhere than in its
    rules. But a page whose stages are of several states says so.
    """
    found = sha256()
    for folder, _, names in sorted(os.walk(Path(aloe.__file__).parent, followlinks=True)):
        for name in sorted(names):
            if name.endswith((".py", ".toml", ".md", ".txt")):
                found.update((Path(folder) / name).read_bytes())
    return found.hexdigest()[:16]


def _is_from_hub(model: str) -> bool:
    """Whether transformers reads a model from the hub's cache."""
    found = ModelString.parse(model)
    return found.provider == "hf" and is_hub_name(found.name) and not model_path(model).exists()


def _read(marker: Path) -> dict[str, Any]:
    try:
        found = load_json(marker)
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


@cache
def _code() -> dict[str, str]:
    """Return what of the program decides a stage's content, beside its inputs."""
    return _hash_rules() | {name: _version(name) for name in PACKAGES}


def _hash_rules() -> dict[str, str]:
    return {name: sha256((ROOT / name).read_bytes()).hexdigest()[:16] for name in RULES}


def _require_same_rules() -> None:
    """Make sure that commands, which read the rules anew, follow those that stages are named by."""
    named = _code()
    if changed := [name for name, found in _hash_rules().items() if found != named[name]]:
        raise StoreError(
            f"{', '.join(changed)} changed since this experiment began; the same command goes on "
            "and makes anew what depends on it"
        )


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "none"
