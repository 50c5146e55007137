"""The agents that a graph's nodes use, built from settings.

They enter a graph through its context, never through its state: the state is what a tree is made
of.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from aloe.agents.assistant import Assistant, AssistantAgent
from aloe.agents.inducer import Inducer
from aloe.agents.judge import Judge
from aloe.agents.marker import Marker, MarkerByAuthor, RuleMarker
from aloe.agents.panel import check_audited, make_judge
from aloe.agents.player import User, UserByPersona
from aloe.agents.prompt_size import prompt_for
from aloe.agents.registry import models_in_use
from aloe.agents.role_agent import RoleAgent, RoleAssistant, make_roles
from aloe.agents.rule_user import RuleUser
from aloe.agents.user import UserAgent
from aloe.calls.log import CallLog
from aloe.config import Config, Disclosing, Place, Schedule, SimulationConfig
from aloe.memory.disclosures import DisclosureChecker, default_checker
from aloe.models.open import Model, open_model
from aloe.models.providers import check_urls
from aloe.schema import Node, Verdict


@dataclass(frozen=True, kw_only=True)
class FinishedExchange:
    """An exchange of a tree that is still growing: a user message, the replies and the verdicts."""

    tree: str
    nodes: Sequence[Node]
    verdicts: Sequence[Verdict]


OnExchange = Callable[[FinishedExchange], None]


def ignore_exchange(_exchange: FinishedExchange) -> None:
    """Take no notice."""


@dataclass(frozen=True, kw_only=True)
class SimulationContext:
    """What the nodes of both graphs work with."""

    user: User
    inducer: Marker
    assistants: tuple[Assistant, ...]
    judge: Judge
    checker: DisclosureChecker
    config: SimulationConfig
    schedule: Schedule = "round_robin"
    """Which of more than two candidates are compared."""
    disclosure: Disclosing = "schedule"
    """When users tell something."""
    at_once: bool = False
    """Whether calls that do not depend on each other are made at once, as in batches."""
    roles: tuple[RoleAgent, ...] = ()
    """Custom roles beside the assistants; see `aloe.agents.roles`."""

    on_exchange: OnExchange = ignore_exchange
    """Called with each exchange when it is complete."""

    @property
    def places(self) -> frozenset[Place]:
        """Where in a turn they work."""
        return frozenset(role.place for role in self.roles)


def open_models(config: Config, *, share: float = 1.0, checked: bool = False) -> dict[str, Model]:
    """Build the model of every agent, by agent name.

    Args:
        config: settings of the run.
        share: part of the limits of a server that this process may use.
        checked: whether another process has made sure that the passport is of these weights.

    Raises:
        InputError: the judge's passport cannot be read.
        ConfigError: a model string is wrong or its key or package is missing, a base URL would not
            be asked, a role of the user's own cannot be used, or the judge's passport is of other
            weights.
        ModelError: the embedded server cannot be started.
    """
    used = models_in_use(config)
    check_urls(used)
    if not checked:
        check_audited(config)
    return {name: open_model(each, config, share=share) for name, each in used.items()}


def make_context(config: Config, models: dict[str, Model], calls: CallLog) -> SimulationContext:
    """Build the agents that `config` describes.

    Raises:
        ConfigError: a custom role, judge or prompt cannot be used.
    """
    roles = make_roles(config, models, calls)
    return SimulationContext(
        user=UserByPersona(
            model=UserAgent.of(config, models["user"], calls, reader=models.get("reader")),
            rule=RuleUser(config=config.user, most_words=config.simulation.user_words),
            disclosure=config.user.disclosure,
        ),
        inducer=MarkerByAuthor(
            model=Inducer(
                model=models["inducer"],
                calls=calls,
                prompt=prompt_for("inducer", config, config.models.inducer),
            ),
            rule=RuleMarker(),
        ),
        assistants=(
            *(
                AssistantAgent(
                    name=each.name,
                    model=models[each.name],
                    calls=calls,
                    hinted=each.hint,
                    style=each.style,
                    window=each.window,
                    prompt=prompt_for("assistant", config, each),
                    hint_prompt=prompt_for("hint", config, each),
                )
                for each in config.models.assistants
            ),
            *(RoleAssistant(agent=role) for role in roles if role.place == "among assistants"),
        ),
        judge=make_judge(config, models, calls),
        checker=default_checker(),
        config=config.simulation,
        schedule=config.judge.schedule,
        disclosure=config.user.disclosure,
        at_once=calls.batches is not None,
        roles=tuple(role for role in roles if role.place != "among assistants"),
    )
