"""Simulations from Python: what `aloe simulate` does, in one call that returns the trees.

`simulate` works in a script and in a notebook; there, where a loop is already running, it runs in a
thread with its own loop. Asynchronous code awaits `simulate_async`. Both write a run folder like
the command line's, in `out` or, without it, in a temporary folder. `graph` is one conversation tree
as a LangGraph graph, to be streamed or built into another.
"""

import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from typing_extensions import TypedDict

from aloe.calls.log import CallLog
from aloe.config import Config, Disclosing
from aloe.errors import CallError, ConfigError
from aloe.graphs.batch import RunProgress
from aloe.graphs.checks import check_rollouts, check_simulation
from aloe.graphs.context import open_models
from aloe.graphs.given import AnyModel, Assistants, Given, ModelOfRole, Personas, check_persona
from aloe.graphs.plan import PlannedTree
from aloe.graphs.simulation import prepare
from aloe.graphs.worker import make_grower
from aloe.loop import run_anywhere
from aloe.memory.run_folder import RunFolder, read_trees
from aloe.number_format import counted
from aloe.schema import Persona, Tree

if TYPE_CHECKING:
    from langgraph.graph.state import CompiledStateGraph

Watch = Callable[[RunProgress], None]
"""Called now and then while trees grow."""


def simulate(
    personas: Personas,
    *,
    model: AnyModel | None = None,
    base_url: str | None = None,
    user: ModelOfRole | None = None,
    inducer: ModelOfRole | None = None,
    judge: ModelOfRole | None = None,
    assistants: Assistants | None = None,
    disclosure: Disclosing | None = None,
    config: str | Path | None = None,
    settings: Mapping[str, Any] | None = None,
    out: str | Path | None = None,
    progress: Watch | bool | None = None,
    **simulation: Any,
) -> list[Tree]:
    """Grow conversation trees and return them.

    Args:
        personas: who the users play; see `Personas`.
        model: plays every role for which `settings` name no other: a model string, a LangChain chat
            model, or a function (async or not) that takes the messages and the call's arguments and
            returns the reply; None: the models in the settings, which may be any of these.
        base_url: server of that model.
        user: plays the user in place of `model`; may be the role's settings as well, by name.
        inducer: the same, for the inducer.
        judge: the same, for the judge; a model judges alone, without rules, unless `settings` ask
            for `judge.rules` or a panel.
        assistants: the candidates, at least two: by name, `{"mine": f, "plain": None}` (None: the
            model of all roles), or a list of functions, or of mappings as in the settings.
        disclosure: when users tell something: `schedule`, `answering` or `reticent`.
        config: settings, a TOML file; None: defaults.
        settings: values over those of `config`, by dotted key, such as `{"roles.safety": {...}}`; a
            mapping for a section leaves what it does not name, and None switches off.
        out: run folder, resumed if it exists; None keeps no record.
        progress: a function to call with a `RunProgress` after every model call, or whether to show
            a bar; None shows one in notebooks and at a terminal.
        simulation: values of `[simulation]`, such as `turns=5` or `expansion="both"`; `trees`
            defaults to one per persona.

    Raises:
        ConfigError: an argument, a setting, a model or a role cannot be used.
        InputError: a file cannot be read.
        ModelError: a model cannot be reached or refuses; with `out`, finished work is kept.
        BudgetError: the budget in the settings is spent; the same.
        CallError: every tree was set aside; if only some were, a warning says why.
    """
    given = Given(
        personas, model, base_url, config, settings, simulation, disclosure,
        {"user": user, "inducer": inducer, "judge": judge}, assistants,
    )  # fmt: skip
    begun = _noted(run_anywhere(_begun(given)))
    with _watching(progress) as watch:
        return _told(*run_anywhere(_grown(begun, out, watch)))


async def simulate_async(
    personas: Personas,
    *,
    model: AnyModel | None = None,
    base_url: str | None = None,
    user: ModelOfRole | None = None,
    inducer: ModelOfRole | None = None,
    judge: ModelOfRole | None = None,
    assistants: Assistants | None = None,
    disclosure: Disclosing | None = None,
    config: str | Path | None = None,
    settings: Mapping[str, Any] | None = None,
    out: str | Path | None = None,
    progress: Watch | bool | None = None,
    **simulation: Any,
) -> list[Tree]:
    """Do what `simulate` does, as a coroutine."""
    given = Given(
        personas, model, base_url, config, settings, simulation, disclosure,
        {"user": user, "inducer": inducer, "judge": judge}, assistants,
    )  # fmt: skip
    begun = _noted(await _begun(given))
    with _watching(progress) as watch:
        return _told(*await _grown(begun, out, watch))


class GraphInput(TypedDict):
    """What `graph` takes."""

    persona: Persona
    """Who the user plays."""
    seed: int
    """Tells the trees of one persona apart."""


class GraphState(GraphInput):
    """What `graph` works with, and what it returns."""

    tree: Tree


def graph(
    *,
    model: AnyModel | None = None,
    base_url: str | None = None,
    user: ModelOfRole | None = None,
    inducer: ModelOfRole | None = None,
    judge: ModelOfRole | None = None,
    assistants: Assistants | None = None,
    disclosure: Disclosing | None = None,
    config: str | Path | None = None,
    settings: Mapping[str, Any] | None = None,
    **simulation: Any,
) -> "CompiledStateGraph[Any, Any, Any, Any]":
    """Return the simulation of one tree as a compiled LangGraph graph.

    It takes `persona` and `seed` and returns `tree`. Invoke it with `ainvoke`, stream its inner
    steps with `astream(..., subgraphs=True)`, add it as a node to a graph whose state has these
    keys, or extend its `.builder` and compile that. Its calls are not logged.

    Args:
        model: as in `simulate`, like the other arguments.
        base_url: as in `simulate`.
        user: as in `simulate`.
        inducer: as in `simulate`.
        judge: as in `simulate`.
        assistants: as in `simulate`.
        disclosure: as in `simulate`.
        config: as in `simulate`.
        settings: as in `simulate`.
        simulation: as in `simulate`.

    Raises:
        ConfigError: an argument, a setting, a model or a role cannot be used.
        InputError: the file of settings cannot be read.
    """
    from langgraph.graph import END, START, StateGraph

    given = Given(
        [], model, base_url, config, settings, simulation, disclosure,
        {"user": user, "inducer": inducer, "judge": judge}, assistants,
    )  # fmt: skip
    resolved = given.settings(trees=1)
    check_simulation(resolved)
    check_rollouts(resolved)
    grow = make_grower(resolved, open_models(resolved), CallLog(prices=resolved.prices))

    async def simulate(state: GraphInput) -> dict[str, Tree]:
        persona = check_persona(state["persona"], "persona")
        for each in given.find_unasked(resolved, [persona])[0]:  # others may come
            warnings.warn(each, stacklevel=1)
        return {"tree": await grow(PlannedTree(persona=persona, seed=state["seed"]))}

    built = StateGraph(GraphState, input_schema=GraphInput)
    built.add_node("simulate", simulate)
    built.add_edge(START, "simulate")
    built.add_edge("simulate", END)
    return built.compile(name="simulation")


class Begun(NamedTuple):
    """What the arguments of a simulation come to."""

    config: Config
    users: Sequence[Persona]
    warnings: Sequence[str]


async def _begun(given: Given) -> Begun:
    users = given.users()
    if not users:
        raise ConfigError("personas: give at least one")
    resolved = given.settings(len(users))
    unasked, partly = given.find_unasked(resolved, users)
    if unasked:
        raise ConfigError(unasked[0])
    return Begun(resolved, users, partly)


def _noted(begun: Begun) -> Begun:
    """Return it, and warn in the caller's caller."""
    for each in begun.warnings:
        warnings.warn(each, stacklevel=3)
    return begun


def _told(trees: list[Tree], progress: RunProgress) -> list[Tree]:
    """Return the trees, and say in the caller's caller what became of the others."""
    if reason := next(iter(progress.failures.values()), None):
        if not trees:
            raise CallError(reason) from progress.cause
        set_aside = f"set aside {len(progress.failures)} of {counted(progress.wanted, 'tree')}"
        warnings.warn(f"{set_aside}; the first reason: {reason}", stacklevel=3)
    return trees


@contextmanager
def _watching(progress: Watch | bool | None) -> Iterator[Watch]:
    """Give what is told of progress: the caller's function, a bar, or nothing."""
    if callable(progress):
        yield progress
        return
    if not (_is_watched() if progress is None else progress):
        yield lambda _: None
        return
    from tqdm.auto import tqdm

    with tqdm(unit="tree") as bar:

        def show(state: RunProgress) -> None:
            bar.total = state.wanted
            bar.n = state.finished_before + state.finished + len(state.failures)
            messages = sum(
                len(one.nodes) for tree in state.growing.values() for one in tree.values()
            )
            bar.set_postfix(growing=state.running, messages=state.nodes + messages, refresh=False)
            bar.refresh()

        yield show


def _is_watched() -> bool:
    """Whether somebody sees a bar: in a notebook or at a terminal."""
    return "ipykernel" in sys.modules or (sys.stderr is not None and sys.stderr.isatty())


async def _grown(
    begun: Begun, out: str | Path | None, watch: Watch
) -> tuple[list[Tree], RunProgress]:
    """Return the trees of a run and how it went."""
    if out is not None:
        return await _run(begun.config, begun.users, RunFolder(Path(out)), watch)
    with tempfile.TemporaryDirectory() as folder:
        return await _run(begun.config, begun.users, RunFolder(Path(folder)), watch)


async def _run(
    config: Config, personas: Sequence[Persona], folder: RunFolder, watch: Watch
) -> tuple[list[Tree], RunProgress]:
    simulation = prepare(config, folder, personas=personas)
    progress = RunProgress(wanted=len(simulation.wanted))
    await simulation.check_servers()
    with simulation.writing() as events:
        calls = simulation.open_log(events)
        calls.listen(lambda _: watch(progress))
        await simulation.grow(calls, progress, lambda: watch(progress))
    return list(read_trees(folder.path)) if folder.trees.exists() else [], progress
