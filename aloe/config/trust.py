"""Settings that are found in a run folder act only if this user's aloe wrote them, or was told to.

A run folder may come from anybody, and its `config.toml` can name code to import and a server to
send a key to. A file that the user passes is the user's own; one that stands beside records of a
run is trusted by its content: a file named after its hash in the user's state folder, made when
this program writes the settings or by `aloe trust DIR`. Settings that reach nothing need no trust.
"""

import hashlib
import os
import shlex
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aloe.config.model_change import find_models
from aloe.config.sent_key import find_url, named_key
from aloe.config.simulation import EXPANSION_NAMES
from aloe.errors import ConfigError, StoreError
from aloe.files.writing import replace_text
from aloe.kept import KEPT
from aloe.models.model_string import ModelString
from aloe.secrets import leaves, redact

if TYPE_CHECKING:
    from aloe.config.config import Config

RECORDS = ("trees.jsonl", "events.jsonl", "scores.jsonl", "prompts.json", "batches.jsonl")
"""Files of a run, by which a `config.toml` beside them is known to be that run's."""

HUB = ("push_to_hub", "hub_", "trust_remote_code")
"""How arguments of a training begin that write to the hub, or run code from it."""

IMPORTED = ("scripted", "langchain", "community")
"""Providers of models whose name is imported."""


def reach(config: "Config") -> list[str]:
    """Return what acting on settings would reach: "import m:f", "send the key in A to B"."""
    models = list(find_models(config))
    names = [*map(_imported, (each.model for each in models)), *_plugins(config)]
    found = [f"import {name}" for name in names if name and not name.startswith(KEPT)]
    found += [f"send {key}" for each in models if (key := named_key(each))]
    return list(dict.fromkeys([*found, *_connections(config)]))


def find_stored(path: Path) -> Path | None:
    """Return the settings of a run that a path names, itself or by way of links; None for others.

    Any link may be the one that stands beside the records, so each is looked at.
    """
    if path.name == "config.toml" and any((path.parent / each).exists() for each in RECORDS):
        return path
    return find_stored(path.parent / path.readlink()) if path.is_symlink() else None


def check_trust(path: Path, text: str, config: "Config") -> None:
    """Make sure that the settings of a run may act.

    Args:
        path: their file.
        text: what it holds.
        config: the same, read.

    Raises:
        ConfigError: they reach something and came from elsewhere.
    """
    reached = reach(config)
    if not reached or is_trusted(text):
        return
    more = f" and {len(reached) - 3} more" if len(reached) > 3 else ""
    raise ConfigError(
        f"{path} was not written by your aloe, or was changed since, and would "
        f"{', '.join(reached[:3])}{more}; read it, and if you agree: "
        f"aloe trust {shlex.quote(str(path.parent))}"
    )


def is_trusted(text: str) -> bool:
    """Whether the user has agreed to settings, or this program wrote them."""
    with suppress(OSError, RuntimeError):
        return _mark(text).is_file()
    return False


def trust(text: str, config: "Config") -> None:
    """Remember that settings may act.

    Raises:
        StoreError: the state folder cannot be written.
    """
    try:
        replace_text(_mark(text), "".join(f"{each}\n" for each in reach(config)))
    except RuntimeError:
        raise StoreError("there is no home to remember it in; set XDG_STATE_HOME") from None


def remember_own(text: str, config: "Config") -> None:
    """Remember settings that this program is about to write, where they need it and that can be."""
    if reach(config) and not is_trusted(text):
        with suppress(StoreError):
            trust(text, config)


def _mark(text: str) -> Path:
    given = Path(os.environ.get("XDG_STATE_HOME", ""))
    state = given if given.is_absolute() else Path.home() / ".local" / "state"
    return state / "aloe" / "trusted" / hashlib.sha256(text.encode()).hexdigest()


def _imported(model: str) -> str | None:
    """Return what a model string has imported; None if nothing."""
    found = ModelString.parse(model)
    if found.provider not in IMPORTED:
        return None
    return f"community:{found.name}" if found.provider == "community" else found.name


def _plugins(config: "Config") -> Iterator[str | None]:
    """Yield what is imported beside models; None for what is not."""
    yield from (role.use for role in config.roles.values())
    yield config.judge.use
    yield from config.personas.validators
    expansion, reward = config.simulation.expansion, config.training.reward
    yield expansion if expansion not in EXPANSION_NAMES else None
    yield reward if reward and ":" in reward else None
    yield _imported(config.personas.embedder)
    yield _imported(config.experiment.served)


def _connections(config: "Config") -> Iterator[str]:
    """Yield what would get credentials, or code, that no setting of a model names."""
    if config.local.server not in (None, "auto"):
        yield f"run {config.local.server}"
    if config.telemetry.langsmith:
        yield "send traces to LangSmith"
    if config.telemetry.spans:
        yield "send spans to the endpoint in the environment"
    if config.simulation.checkpoints:
        yield "keep checkpoints in the Postgres of the environment"
    if config.personas.store:
        yield f"keep personas at {redact(config.personas.store)}"
    if config.simulation.ray_address:
        yield f"run on the Ray cluster at {redact(config.simulation.ray_address)}"
    training = config.training.arguments, *_stages(config)
    names = {name for name, _ in leaves(training)}
    if hub := sorted(name for name in names if name.startswith(HUB)):
        yield f"use the hub's token ({', '.join(hub)})"
    if server := find_url(training):
        yield f"connect the training to {redact(server)}"


def _stages(config: "Config") -> tuple[dict[str, Any], ...]:
    """Return the arguments of the experiment's trainings."""
    return config.experiment.sft, config.experiment.dpo, config.experiment.rl
