"""An experiment's trees: the graph of every simulation; its user, inducer and editors are rules.

Rules judge as well, so the only calls are those of the assistants: two a turn where a plain and a
hinted one answer, whatever the number of candidates.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from aloe.agents.assistant import Assistant
from aloe.agents.marker import RuleMarker
from aloe.agents.rule_user import RuleUser
from aloe.benchmark.experiment.people import choose_dimensions
from aloe.benchmark.experiment.players import (
    ASKER,
    REWRITER,
    STRANGER,
    AskedOnce,
    Asker,
    DeployedAssistant,
    Rewriter,
    Trimmed,
    strange_wishes,
    training_questions,
)
from aloe.calls.log import CallLog
from aloe.config import Config
from aloe.graphs.batch import RunProgress, finish_trees
from aloe.graphs.checks import require_assistant
from aloe.graphs.context import SimulationContext, make_context
from aloe.graphs.plan import PlannedTree, plan_trees
from aloe.graphs.tree import grow_tree
from aloe.memory.run_folder import RunFolder
from aloe.models.open import Model, closed_model, open_model
from aloe.schema import Persona, Tree
from aloe.telemetry import trace_calls


def open_assistants(config: Config) -> dict[str, Model]:
    """Build the models of the assistants; the other roles get stand-ins that must not be asked.

    Raises:
        ConfigError: a model string is wrong or its key or package is missing.
        ModelError: the embedded server cannot be started.
    """
    reason = "a persona without checkable wishes is among the personas of the experiment"
    asked = {each.name for each in config.models.assistants}
    return {
        name: open_model(each, config) if name in asked else closed_model(each, reason)
        for name, each in config.models.by_role().items()
    }


def experiment_context(
    config: Config, models: dict[str, Model], calls: CallLog, *, deployed: bool = False
) -> SimulationContext:
    """Build the agents.

    Args:
        config: settings of the trees.
        models: from `open_assistants`.
        calls: the log that every call passes.
        deployed: whether assistants get no instruction, as in the benchmark.

    Raises:
        ConfigError: a rewriter is to edit the replies of an assistant that is not there.
    """
    context = make_context(config, models, calls)
    questions = training_questions()
    return replace(
        context,
        user=RuleUser(questions=questions, config=config.user),
        inducer=RuleMarker(questions=frozenset(questions)),
        assistants=_deployed(config, models, calls)
        if deployed
        else _with_rewriters(context.assistants, config),
    )


def _deployed(config: Config, models: dict[str, Model], calls: CallLog) -> tuple[Assistant, ...]:
    names = [each.name for each in config.models.assistants]
    agents = (DeployedAssistant(name=name, model=models[name], calls=calls) for name in names)
    return tuple(Trimmed(source=agent) for agent in agents)


def find_edited(config: Config) -> dict[str, str]:
    """Return whose replies are edited, by name of the agent that edits them.

    Raises:
        ConfigError: they are to be those of an assistant that is not there, or a budget keeps the
            branches of one.
    """
    names = [each.name for each in config.models.assistants]
    given = config.experiment
    found = {REWRITER: given.rewriter, STRANGER: given.stranger, ASKER: given.asker}
    edited = {name: whose for name, whose in found.items() if whose}
    for name, whose in edited.items():
        require_assistant(f"experiment.{name}", whose, names)
    if kept := config.simulation.budget_keeps:
        require_assistant("simulation.budget_keeps", kept, [*names, *edited])
    return edited


def _with_rewriters(agents: Sequence[Assistant], config: Config) -> tuple[Assistant, ...]:
    """Return the assistants, and those that edit what they say."""
    trimmed: dict[str, Assistant] = {each.name: Trimmed(source=each) for each in agents}
    dimensions = sorted(choose_dimensions(config.experiment))
    whose = find_edited(config)
    for name in set(whose.values()):
        trimmed[name] = AskedOnce(source=trimmed[name])

    def make(name: str, source: Assistant) -> Assistant:
        if name == STRANGER:
            return Rewriter(source=source, name=name, wishes=strange_wishes(dimensions))
        rewriter = Rewriter(source=source)
        if name == REWRITER:
            return rewriter
        return Asker(
            source=rewriter,
            dimensions=dimensions,
            wishes=config.experiment.wishes,
            needless=config.experiment.needless_questions,
        )

    return (*trimmed.values(), *(make(name, trimmed[source]) for name, source in whose.items()))


async def grow(
    config: Config,
    personas: Sequence[Persona],
    folder: RunFolder,
    models: dict[str, Model],
    calls: CallLog,
    progress: RunProgress,
    on_change: Callable[[], None] = lambda: None,
    *,
    deployed: bool = False,
) -> None:
    """Grow the trees that `folder` does not hold yet; the folder must be held for writing.

    The arguments are those of `aloe.graphs.batch.grow_all` and of `experiment_context`. Calls are
    traced as the settings say (`aloe.telemetry`).

    Raises:
        ModelError: a model is refused or gone; what is finished is kept.
        StoreError: the folder cannot be written any more; what is finished is kept.
    """
    context = experiment_context(config, models, calls, deployed=deployed)
    names = {each.name: models[each.name].name for each in config.models.assistants}

    async def make(each: PlannedTree) -> Tree:
        return await grow_tree(each.persona, each.seed, names, context)

    wanted = {
        each.tree: each for each in plan_trees(personas, config.simulation.trees, config.seed)
    }
    width = config.simulation.concurrency
    with trace_calls(config.telemetry, calls, width=width):
        await finish_trees(wanted, make, folder, calls, progress, on_change, width=width)
