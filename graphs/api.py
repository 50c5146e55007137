"""Simulations from Python: what `aloe simulate` does, in one call that returns the trees.

`simulate` works in a script and in a notebook, where a loop is running already: there it runs in a
thread with a loop of its own. Code that is asynchronous itself awaits `simulate_async`. Both keep a
run folder like the command line's, in `out` or, without it, in a folder that goes when they return.
"""

import asyncio
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aloe.agents.registry import prompts_of
from aloe.calls.budget import Budget, Spent
from aloe.calls.event import appending, read_events
from aloe.calls.log import CallLog
from aloe.config import Config, load
from aloe.errors import CallError
from aloe.graphs.batch import RunProgress, grow_all
from aloe.graphs.context import open_models
from aloe.graphs.expansion import check_expansion
from aloe.graphs.plan import plan_trees
from aloe.memory.personas import read_personas
from aloe.memory.run_folder import RunFolder, read_trees
from aloe.models.open import check_reachable
from aloe.schema import Persona, Tree

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel


def simulate(
    personas: Sequence[Persona] | str | Path,
    *,
    model: "str | BaseChatModel | None" = None,
    base_url: str | None = None,
    config: str | Path | None = None,
    settings: Mapping[str, Any] | None = None,
    out: str | Path | None = None,
    **simulation: Any,
) -> list[Tree]:
    """Grow conversation trees and return them.

    Args:
        personas: whom the users play, or a personas.jsonl.
        model: model string for every role, or a chat model of LangChain's; None: what the settings
            say, where either may stand too.
        base_url: server of that model.
        config: settings, a TOML file; None: defaults.
        settings: values over those of `config`, by dotted key, such as `{"roles.safety": {...}}`.
        out: run folder, which is resumed if it is there; None keeps no record.
        simulation: values of `[simulation]`, such as `turns=5` or `expansion="both"`; `trees` is
            one for each persona if it is left out here and in `config`.

    Raises:
        ConfigError: a setting, a model or a role cannot be used.
        InputError: a file cannot be read.
        ModelError: a model cannot be reached or refuses; with `out`, what is finished is kept.
        BudgetError: the budget in the settings is spent; the same.
        CallError: every tree was set aside; if only some were, a warning says why.
    """
    work = _grown(personas, model, base_url, config, settings, out, simulation)
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return _told(*asyncio.run(work))
    with ThreadPoolExecutor(max_workers=1) as thread:
        return _told(*thread.submit(asyncio.run, work).result())


async def simulate_async(
    personas: Sequence[Persona] | str | Path,
    *,
    model: "str | BaseChatModel | None" = None,
    base_url: str | None = None,
    config: str | Path | None = None,
    settings: Mapping[str, Any] | None = None,
    out: str | Path | None = None,
    **simulation: Any,
) -> list[Tree]:
    """Do what `simulate` does, to be awaited."""
    return _told(*await _grown(personas, model, base_url, config, settings, out, simulation))


def _told(trees: list[Tree], progress: RunProgress) -> list[Tree]:
    """Return the trees, and say in the caller's caller what became of the others."""
    if reason := next(iter(progress.failures.values()), None):
        if not trees:
            raise CallError(reason)
        set_aside = f"{len(progress.failures)} of {progress.wanted} trees were set aside"
        warnings.warn(f"{set_aside}; the first reason: {reason}", stacklevel=3)
    return trees


async def _grown(
    personas: Sequence[Persona] | str | Path,
    model: "str | BaseChatModel | None",
    base_url: str | None,
    config: str | Path | None,
    settings: Mapping[str, Any] | None,
    out: str | Path | None,
    simulation: Mapping[str, Any],
) -> tuple[list[Tree], RunProgress]:
    """Return the trees of a run and how it went; the arguments are those of `simulate`."""
    whom = read_personas(Path(personas)) if isinstance(personas, str | Path) else list(personas)
    trees = {} if config else {"trees": len(whom)}
    changes = {f"simulation.{name}": value for name, value in {**trees, **simulation}.items()}
    resolved = load(Path(config) if config else None, {**(settings or {}), **changes})
    resolved = resolved.with_model(model, base_url)
    if out is not None:
        return await _run(resolved, whom, RunFolder(Path(out)))
    with tempfile.TemporaryDirectory() as folder:
        return await _run(resolved, whom, RunFolder(Path(folder)))


async def _run(
    config: Config, personas: Sequence[Persona], folder: RunFolder
) -> tuple[list[Tree], RunProgress]:
    prompts = prompts_of(config)
    folder.check(config, prompts)
    check_expansion(config.simulation)
    models = open_models(config)
    await check_reachable(list(models.values()))
    wanted = list(plan_trees(personas, config.simulation.trees, config.seed))
    progress = RunProgress(wanted=len(wanted))
    with folder.writing(config, prompts), appending(folder.events) as events:
        budget = Budget(config.budget, Spent.before(read_events(folder.events)))
        calls = CallLog(events, prices=config.prices, budget=budget)
        await grow_all(wanted, config, folder, models, calls, progress)
    return list(read_trees(folder.path)) if folder.trees.exists() else [], progress
