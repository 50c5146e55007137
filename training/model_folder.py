"""The folder of a trained model: its weights, what made it, and the way back after a kill.

`training.json` says what the training is (method, start, data hash, settings, versions); it is
written before the first step and completed after the last, so it also shows whether the model is
finished. The same command resumes from the latest complete checkpoint; those that a kill or a full
disk has torn (`aloe.training.damage`) are removed. A folder from a different training is refused.
"""

import json
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

from aloe.errors import ConfigError, StoreError
from aloe.files.json_objects import load_json
from aloe.files.lock import acquire_lock, is_locked
from aloe.files.writing import replace_text
from aloe.models.weights import (
    ADAPTER,
    adapter_base,
    find_loaded,
    hash_files,
    model_path,
    plain_name,
)
from aloe.number_format import counted
from aloe.schema import digest
from aloe.training.damage import find_damage, step_of
from aloe.training.processes import count_processes

Record = dict[str, Any]

PACKAGES = ("torch", "transformers", "trl", "peft")
LATER = frozenset((
    "start_hash", "held_out_hash", "users", "min_mass", "judge_model", "user_model",
    "user_messages", "reward_hash", "base_hash", "day",
))  # fmt: skip
"""What the records of earlier versions do not hold."""


TRIAL = ".trial-"
"""How the name of a folder begins to which a model is saved on trial."""

ONLY = {
    "reward": ("grpo",),
    "horizon": ("grpo",),
    "weighted": ("dpo",),
    "tree_packing": ("sft", "dpo"),
    "row_tokens": ("sft", "dpo"),
    "thoughts": ("sft", "dpo", "kto"),
    "label": ("sft", "dpo", "kto", "reward"),
}
"""The methods that read a setting, where not all do."""


def hash_model(start: str) -> str | None:
    """Return a hash of what a training starts from; None if it is nothing here that may change.

    A model that was trained here is told by its record, any other by its files.

    Args:
        start: model string, as `load_checkpoint` takes it.

    Raises:
        ModelError: a file cannot be read.
    """
    path = model_path(start)
    if (record := path / "training.json").is_file():
        return digest(record.read_text(encoding="utf-8"))
    files = find_loaded(plain_name(start))
    return hash_files(files) if files else None


def hash_base(start: str) -> str | None:
    """Return a hash of the base that an adapter sits on; None if `start` is no adapter's folder."""
    folder = model_path(start)
    return hash_model(adapter_base(folder)) if (folder / ADAPTER).is_file() else None


class ModelFolder:
    """A folder that holds one trained model.

    Args:
        path: the folder; it need not exist yet.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.file = path / "training.json"
        self.checkpoints = path / "checkpoints"
        self.lock = self.checkpoints / ".lock"
        self.reference = self.checkpoints / "reference.safetensors"

    def check(self, wanted: Record) -> Record | None:
        """Return the finished record if this very training is done, None if it is still to do.

        Raises:
            ConfigError: the folder holds another training.
            StoreError: it is a file, or holds something else.
        """
        if self.path.exists() and not self.path.is_dir():
            raise StoreError(f"{self.path} is a file; name a folder")
        if not self.file.exists():
            if any(self._foreign()):
                raise StoreError(f"{self.path} is not empty and holds no training; name another")
            return None
        there = self._there()
        for key, value in wanted.items():
            if key in LATER and key not in there:
                continue
            old, new = there.get(key), json.loads(json.dumps(value))
            if key == "settings":
                old, new = (_read_by(wanted.get("method"), each) for each in (old, new))
            if old != new:
                raise ConfigError(
                    f"{self.path} holds another training ({_difference(key, old, new)}); name "
                    "another folder"
                )
        if there.get("finished"):
            return there
        begun, now = there.get("processes", count_processes()), count_processes()
        if begun != now:
            raise ConfigError(
                f"{self.path} was begun with {counted(begun, 'process')}, and now there would be "
                f"{now}: its steps would be others; go on with as many, or name another folder"
            )
        return None

    def _foreign(self) -> Iterator[Path]:
        """Yield the files that no training left which was killed before it had begun."""
        for path in self.path.rglob("*"):
            inside = path.relative_to(self.path).parts
            if path.is_file() and path != self.lock and not inside[0].startswith(TRIAL):
                yield path

    def begun(self) -> Record:
        """Return what is known of the training that was begun here, empty if none was.

        Raises:
            StoreError: its record is broken.
        """
        return self._there() if self.file.exists() else {}

    def check_finished(self) -> None:
        """Make sure that a training here, if there is any, has come to its end.

        Raises:
            ConfigError: it has not.
            StoreError: its record is broken.
        """
        if self.file.exists() and not self._there().get("finished"):
            raise ConfigError(f"{self.path} holds an unfinished training; resume it first")

    def _there(self) -> Record:
        try:
            found = load_json(self.file)
        except (OSError, ValueError):
            found = None
        if not isinstance(found, dict):
            raise StoreError(f"{self.file} is broken; name another folder")
        return found

    def begin(self, record: Record) -> None:
        """Write what this training is.

        Raises:
            StoreError: the folder cannot be written.
        """
        replace_text(self.file, json.dumps(record, indent=2) + "\n")

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes from training into the folder.

        A training that fails in here before it has begun leaves nothing behind.

        Raises:
            StoreError: another process trains into it, or the folder cannot be written.
        """
        new = [p for p in (self.path, *self.path.absolute().parents) if not p.exists()]
        with acquire_lock(self.lock, lambda _: self._in_use):
            for spent in self.path.glob(f"{TRIAL}*"):
                shutil.rmtree(spent, ignore_errors=True)
            try:
                yield
            except BaseException:
                if not self.file.exists():
                    self.abandon()
                    _remove_empty(new)
                raise

    def check_free(self) -> None:
        """Make sure, before anything is loaded, that no other process trains into the folder.

        Raises:
            StoreError: one does.
        """
        if is_locked(self.lock):
            raise StoreError(self._in_use)

    @property
    def _in_use(self) -> str:
        return f"{self.path} is in use by another aloe process"

    def abandon(self) -> None:
        """Remove what a training left that took no step; one that took some is left alone.

        The folder itself stays; who made it removes it.
        """
        if self.newest_checkpoint():
            return
        self.file.unlink(missing_ok=True)
        self.lock.unlink(missing_ok=True)
        for spent in self.checkpoints.glob("calls-*.jsonl"):
            spent.unlink(missing_ok=True)
        self.reference.unlink(missing_ok=True)
        _remove_empty([self.checkpoints])

    def finish(self, record: Record, results: Record) -> Record:
        """Write the results; from now on the model counts as finished."""
        done = {**record, "finished": True, **results}
        replace_text(self.file, json.dumps(done, indent=2) + "\n")
        self.reference.unlink(missing_ok=True)
        return done

    def newest_checkpoint(self, on_damaged: Callable[[str], None] = lambda _: None) -> Path | None:
        """Return the newest whole checkpoint, after removing damaged ones; None without any.

        Args:
            on_damaged: told what was removed, and where the training goes on.
        """
        steps = {step: each for each in self.checkpoints.glob("checkpoint-*")
                 if (step := step_of(each)) is not None and each.is_dir()}  # fmt: skip
        found = None
        removed: dict[str, str] = {}
        for _, checkpoint in sorted(steps.items(), reverse=True):
            if (damage := find_damage(checkpoint)) is None:
                found = checkpoint
                break
            removed[checkpoint.name] = damage
            shutil.rmtree(checkpoint, ignore_errors=True)
        then = f"going on from {found.name}" if found else "starting anew"
        for name, damage in removed.items():
            on_damaged(f"{name} was left incomplete ({damage}) and is removed; {then}")
        return found


def _remove_empty(folders: Iterable[Path]) -> None:
    for folder in folders:
        with suppress(OSError):  # it is not there, or something is in it
            folder.rmdir()


def _read_by(method: Any, settings: Any) -> Any:
    """Return the settings of a training without those that its method does not read."""
    if not isinstance(settings, dict):
        return settings
    return {k: v for k, v in settings.items() if k not in ONLY or method in ONLY[k]}


def _difference(key: str, there: Any, now: Any) -> str:
    if isinstance(there, dict) and isinstance(now, dict):
        parts = [k for k in there.keys() | now.keys() if there.get(k) != now.get(k)]
        inner = min(parts)
        return f"{key}.{inner}: {there.get(inner)!r} there, {now.get(inner)!r} now"
    return f"{key}: {there!r} there, {now!r} now"


def read_versions() -> dict[str, str]:
    """Return the versions of the packages that decide what a training does."""
    return {package: version(package) for package in PACKAGES}
