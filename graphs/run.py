"""Drive many trees: bounded concurrency, append as finished, resume, count what went wrong.

One graph run per tree, never one graph over all personas: a graph's supersteps are barriers, and
one failure would end them all. Workers draw from one plan, so the number in flight is the number
of workers and memory does not depend on how many trees are asked for. A tree whose calls fail for
good is set aside with its reason and the run goes on; a refused key or a missing model stops it.
"""

from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from aloe.agents.assistant import AssistantAgent
from aloe.agents.inducer import Inducer
from aloe.agents.panel import make_judge
from aloe.agents.prompt_size import prompt_for
from aloe.agents.registry import models_in_use
from aloe.agents.role_agent import RoleAssistant, make_roles
from aloe.agents.user import UserAgent
from aloe.calls.log import CallLog, iter_events
from aloe.config import AssistantConfig, Config
from aloe.errors import CallError, ConfigError
from aloe.graphs.checkpoints import Checkpoints
from aloe.graphs.tree import SimulationContext, grow_tree
from aloe.graphs.workers import work_through
from aloe.memory.disclosures import Tally, default_ledger
from aloe.memory.run_folder import RunFolder
from aloe.models.open import Model, open_model
from aloe.schema import SPOILING, Persona, Tree, derived_seed

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class PlannedTree:
    """A tree that is wanted."""

    tree: str
    persona: Persona
    seed: int
    start: Tree | None = None
    """The tree as far as it is there; None for one that is new."""


@dataclass(kw_only=True)
class RunProgress:
    """How far a run is; changed in place while it goes on."""

    wanted: int
    finished_before: int = 0
    finished: int = 0
    running: int = 0
    failures: dict[str, str] = field(default_factory=dict)
    """Reason by tree set aside."""
    nodes: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    """Verdicts by outcome, over the trees finished in this process."""
    ledger: Tally = field(default_factory=Tally)
    """What the check of the ledger found in them."""
    severity: Counter[str] = field(default_factory=Counter)
    """User messages in them that were `repaired`, stayed `blemished` or `spoiled` what follows."""

    spoiled: int = 0
    """Trees in which the simulated user spoiled a conversation."""

    def add(self, tree: Tree) -> None:
        """Count a finished tree."""
        self.finished += 1
        self.nodes += len(tree.nodes)
        self.outcomes.update(verdict.outcome for verdict in tree.verdicts)
        self.ledger.add(tree)
        found = list(_severities(tree))
        self.severity.update(found)
        self.spoiled += "spoiled" in found


def _severities(tree: Tree) -> Iterator[str]:
    """Yield how bad it is, for each user message in which the simulator erred."""
    for node in tree.nodes:
        if node.role == "user" and node.faults:
            yield "spoiled" if SPOILING & set(node.faults) else "blemished"
        elif node.role == "user" and node.repaired:
            yield "repaired"


def plan(personas: Sequence[Persona], trees: int, seed: int) -> Iterator[PlannedTree]:
    """Yield `trees` trees, going round the personas; a persona's returns have other seeds."""
    for index in range(trees):
        persona = personas[index % len(personas)]
        tree_seed = derived_seed(seed, persona.id, index // len(personas))
        yield PlannedTree(tree=Tree.id_for(persona, tree_seed), persona=persona, seed=tree_seed)


def open_models(config: Config, *, share: float = 1.0) -> dict[str, Model]:
    """Build the model of every agent, by agent name.

    Args:
        config: settings of the run.
        share: part of the limits of a server that this process may use.

    Raises:
        ConfigError: a model string is wrong or its key or package is missing, or a role of the
            user's own cannot be used.
        ModelError: the embedded server cannot be started.
    """
    return {
        name: open_model(each, config.limits, share=share)
        for name, each in models_in_use(config).items()
    }


def make_context(config: Config, models: dict[str, Model], calls: CallLog) -> SimulationContext:
    """Build the agents that `config` describes.

    Raises:
        ConfigError: a role, a judge or a prompt of the user's own cannot be used.
    """
    roles = make_roles(config, models, calls)
    return SimulationContext(
        user=UserAgent(
            model=models["user"],
            calls=calls,
            prompt=prompt_for("user", config, config.models.user),
            window=config.simulation.user_window,
            most_words=config.simulation.user_words,
            moods=config.simulation.moods,
        ),
        inducer=Inducer(
            model=models["inducer"],
            calls=calls,
            prompt=prompt_for("inducer", config, config.models.inducer),
        ),
        assistants=(
            *(_assistant(each, config, models, calls) for each in config.models.assistants),
            *(RoleAssistant(agent=role) for role in roles if role.place == "among assistants"),
        ),
        judge=make_judge(config, models, calls),
        ledger=default_ledger(),
        config=config.simulation,
        schedule=config.judge.schedule,
        roles=tuple(role for role in roles if role.place != "among assistants"),
    )


def _assistant(
    each: AssistantConfig, config: Config, models: dict[str, Model], calls: CallLog
) -> AssistantAgent:
    return AssistantAgent(
        name=each.name,
        model=models[each.name],
        calls=calls,
        hinted=each.hint,
        style=each.style,
        window=each.window,
        prompt=prompt_for("assistant", config, each),
        hint_prompt=prompt_for("hint", config, each),
    )


async def simulate(
    config: Config,
    personas: Sequence[Persona],
    folder: RunFolder,
    models: dict[str, Model],
    calls: CallLog,
    progress: RunProgress,
    on_change: Callable[[], None] = lambda: None,
) -> None:
    """Grow the trees that `folder` does not hold yet; the folder must be held for writing.

    Args:
        config: settings of the run.
        personas: who is simulated, in order.
        folder: where finished trees go.
        models: by agent name, from `open_models`.
        calls: the log that every call passes.
        progress: counted up while the run goes on.
        on_change: called whenever `progress` changed.

    Raises:
        ModelError: a model is refused or gone; what is finished is kept.
        StoreError: the folder cannot be written any more; what is finished is kept.
    """
    wanted = list(plan(personas, config.simulation.trees, config.seed))
    await grow_all(wanted, config, folder, models, calls, progress, on_change)


def further(trees: Iterable[Tree], models: dict[str, Model]) -> list[PlannedTree]:
    """Return a plan that grows finished trees further.

    Raises:
        ConfigError: they were grown with other models.
    """
    names = {name: model.name for name, model in models.items()}
    found = []
    for tree in trees:
        if tree.models != names:
            raise ConfigError(f"tree {tree.id} was grown with other models; go back to those")
        found.append(PlannedTree(tree=tree.id, persona=tree.persona, seed=tree.seed, start=tree))
    return found


async def grow_all(
    wanted: Sequence[PlannedTree],
    config: Config,
    folder: RunFolder,
    models: dict[str, Model],
    calls: CallLog,
    progress: RunProgress,
    on_change: Callable[[], None] = lambda: None,
) -> None:
    """Grow those of the trees in `wanted` that `folder` does not hold yet; see `simulate`."""
    from aloe.graphs.engine import open_engine  # which is made of what is here

    by_id = {each.tree: each for each in wanted}
    width = config.simulation.concurrency
    async with open_engine(config, models, calls, trees=len(wanted)) as engine:
        await finish_trees(by_id, engine.grow, folder, engine, progress, on_change, width=width)


Grow = Callable[[PlannedTree], Awaitable[Tree]]


def growing(
    config: Config,
    models: dict[str, Model],
    calls: CallLog,
    checkpoints: Checkpoints | None = None,
) -> Grow:
    """Return what grows one tree in this process."""
    context = make_context(config, models, calls)
    names = {name: model.name for name, model in models.items()}

    async def grow(each: PlannedTree) -> Tree:
        return await grow_tree(each.persona, each.seed, names, context, each.start, checkpoints)

    return grow


class Rememberer(Protocol):
    """What answers calls from earlier events, such as a `CallLog`."""

    def remember(self, lines: Iterable[dict[str, Any]]) -> None:
        """Take earlier events."""


async def finish_trees(
    wanted: Mapping[str, T],
    make: Callable[[T], Awaitable[Tree]],
    folder: RunFolder,
    calls: Rememberer,
    progress: RunProgress,
    on_change: Callable[[], None],
    *,
    width: int,
) -> None:
    """Make those of the trees in `wanted`, by id, that `folder` does not hold yet.

    A finished tree is appended at once. One whose calls fail for good is set aside. Calls that an
    interrupted run had answered are not made again.

    Raises:
        ModelError: a model is refused or gone; what is finished is kept.
        StoreError: the folder cannot be written any more; what is finished is kept.
    """
    done = folder.finished()
    todo = {tree: each for tree, each in wanted.items() if tree not in done}
    progress.finished_before = len(wanted) - len(todo)
    calls.remember(event for event in iter_events(folder.events) if event["tree"] in todo)

    async def work(item: tuple[str, T]) -> None:
        tree, each = item
        progress.running += 1
        on_change()
        try:
            made = await make(each)
            folder.append(made)
            progress.add(made)
        except CallError as error:
            progress.failures[tree] = str(error)
        finally:
            progress.running -= 1
            on_change()

    await work_through(todo.items(), min(width, len(todo)), work)
    folder.sort(list(wanted))
