"""In what the settings of two runs differ, as far as that matters for what a run contains."""

import re
from collections.abc import Iterator
from typing import Any

from aloe.config.config import Config

FREE_ON_RESUME = (
    "simulation.trees",
    "simulation.concurrency",
    "simulation.workers",
    "simulation.engine",
    "simulation.ray_address",
    "simulation.checkpoints",
    "personas.",
    "models.writer.",
    "prices.",
    "training.",
    "benchmark.",
    "experiment.",
    "limits.",
    "local.",
    "budget.",
    "telemetry.",
    "judge.passport",
)
"""Settings that may differ when a run is resumed, because they cannot change any tree; what counts
of a passport is what is in it (`aloe.memory.run_folder.RunFolder.check_passport`)."""

UNSHAPING = frozenset({"timeout", "max_reply_bytes", "api_key_env"})
"""Settings of a model that no reply depends on."""

_IDLE = re.compile(rf"(?:models\.[^.]+|roles\.[^.]+\.model)\.(?:{'|'.join(UNSHAPING)})")

_ARGUMENT = re.compile(r"roles\.[^.]+\.(?!model\b)|.+\.options[.\[]")
"""Begins the name of an argument of the user's own code, to which an empty list is not none."""


def differences(old: Config, new: Config, read: tuple[str, ...] = ("",)) -> list[str]:
    """Return one line for each setting that differs and matters for what a run contains.

    Args:
        old: settings of the run.
        new: those of now.
        read: how the names of the settings begin that the run reads; by default, it reads all.
    """
    found = find_differing(old, new, read)
    return [f"{key}: {there!r} there, {now!r} now" for key, (there, now) in found.items()]


def find_differing(
    old: Config, new: Config, read: tuple[str, ...] = ("",)
) -> dict[str, tuple[Any, Any]]:
    """Return what both say of each setting that differs, by its dotted name; see `differences`."""
    before, after = shaping(old), shaping(new)
    return {
        key: (before.get(key), after.get(key))
        for key in sorted(before.keys() | after.keys())
        if key.startswith(read) and _differ(before.get(key), after.get(key))
    }


def _differ(there: Any, now: Any) -> bool:
    """Whether two values differ; code of the user's own may tell true from 1."""
    return bool(there != now) or isinstance(there, bool) != isinstance(now, bool)


def shaping(config: Config) -> dict[str, Any]:
    """Return the settings that matter for what a run contains, by dotted name."""
    flat = _flat(config.model_dump(mode="json"))
    found = {
        key: value
        for key, value in flat
        if not key.startswith(FREE_ON_RESUME) and not _IDLE.fullmatch(key)
    }
    found["judge.rules"] = config.rules_judge  # as runs store it that say nothing of it, or did
    return found | ({"roles": list(config.roles)} if config.roles else {})  # their order counts


def _flat(value: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield what is in settings by dotted name; what is empty counts only for the user's code."""
    if isinstance(value, dict | list) and not value and _ARGUMENT.match(prefix):
        yield prefix, value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _flat(inner, f"{prefix}.{key}" if prefix else key)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _flat(inner, f"{prefix}[{index}]")
    else:
        yield prefix, value
