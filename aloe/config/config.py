"""All settings of a run."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

import tomli_w
from pydantic import Field, model_validator

from aloe.config.benchmark import BenchmarkConfig
from aloe.config.experiment import ExperimentConfig
from aloe.config.judge import JudgeConfig
from aloe.config.limits import LimitsConfig
from aloe.config.local import LocalConfig
from aloe.config.model_change import change_model, find_models
from aloe.config.models import ROLE_DEFAULTS, ModelsConfig
from aloe.config.personas import PersonasConfig
from aloe.config.roles import RoleConfig
from aloe.config.settings import COMMAND_LINE, Settings
from aloe.config.simulation import SimulationConfig
from aloe.config.spending import BudgetConfig, Price
from aloe.config.stored_values import refuse_unstorable
from aloe.config.telemetry import TelemetryConfig
from aloe.config.training import TrainingConfig
from aloe.config.user import UserConfig
from aloe.errors import ConfigError
from aloe.judge_names import is_judge
from aloe.secrets import check_base_url

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

    from aloe.models.scripted import Script

Size = Literal["small", "full"]
"""For which models a prompt is written."""
RoleName = Annotated[str, Field(pattern="^[a-z][a-z0-9_]*$")]


class Config(Settings):
    """All settings of one run."""

    seed: int = 0
    models: ModelsConfig = Field(default_factory=lambda: ModelsConfig.model_validate({}))
    personas: PersonasConfig = PersonasConfig()
    user: UserConfig = UserConfig()
    simulation: SimulationConfig = SimulationConfig()
    judge: JudgeConfig = JudgeConfig()
    training: TrainingConfig = TrainingConfig()
    experiment: ExperimentConfig = ExperimentConfig()
    telemetry: TelemetryConfig = TelemetryConfig()
    benchmark: BenchmarkConfig = BenchmarkConfig()
    limits: LimitsConfig = LimitsConfig()
    local: LocalConfig = LocalConfig()
    budget: BudgetConfig = BudgetConfig()
    roles: dict[RoleName, RoleConfig] = Field(default_factory=dict)
    """Custom roles by name; those at the same place run in this order."""
    prompts: dict[str, Path] = Field(default_factory=dict)
    """Custom files that replace shipped prompts, or a role's, by the prompt's name."""
    prompt_size: Literal["auto"] | Size = "auto"
    """Which shipped prompts are used, where there are two sizes: `small` for models that can do
    little more than continue an example, `full` for all others; `auto`: by each agent's model
    (`aloe.agents.prompt_size`)."""
    prices: dict[str, Price] = Field(default_factory=dict)
    """By the provider's model name; of a LangChain class by `CLASS:MODEL`, or by the class for all
    of its models. Embedded models are free; a model that is not listed has an unknown cost, and is
    shown that way."""

    @model_validator(mode="after")
    def _roles_have_names_of_their_own(self) -> Self:
        taken = {*ROLE_DEFAULTS, "reader", *self.models.by_role()}
        for name in self.roles:
            if name in taken or is_judge(name):
                raise ValueError(f"a role cannot be called '{name}': another agent is")
        return self

    @model_validator(mode="after")
    def _batches_gather_in_one_process(self) -> Self:
        workers, engine = self.simulation.workers, self.simulation.engine
        if self.limits.batch and ((workers or 1) > 1 or engine != "local"):
            raise ValueError(
                "limits.batch (--batch) gathers all calls in one process; leave out "
                "simulation.workers and simulation.engine"
            )
        return self

    @model_validator(mode="after")
    def _can_be_stored(self) -> Self:
        refuse_unstorable(self)
        return self

    def with_model(
        self,
        model: "str | BaseChatModel | Script | None",
        base_url: str | None,
        *,
        source: str = COMMAND_LINE,
    ) -> Self:
        """Return a copy in which every role uses `model` at `base_url`, None keeping its own.

        Server, key and options are those that the settings have for `model`, if they name it (see
        `aloe.config.model_change`). A panel is dismissed: one model in all its seats would only
        repeat itself.

        Raises:
            ConfigError: one of them is wrong; `source` says where they come from.
        """
        if model is None and base_url is None:
            return self
        _check_server(base_url, source)
        change = partial(change_model, model=model, base_url=base_url, known=[*find_models(self)])
        source = "--model" if source == COMMAND_LINE else "model"
        models = self.models
        roles = {name: getattr(models, name) for name in ("user", "inducer", "judge", "writer")}
        roles |= {"reader": models.reader} if models.reader else {}
        changes: dict[str, Any] = {f"models.{name}": change(each) for name, each in roles.items()}
        changes |= {f"roles.{n}.model": change(role.model) for n, role in self.roles.items()}
        changes["models.assistants"] = [
            each.updated(change(each), source=source) for each in models.assistants
        ]
        return self.updated({**changes, "models.panel": []}, source=source)

    def with_judge(self, model: str | None, base_url: str | None) -> Self:
        """Return a copy judged by `model` alone, no rules, at `base_url`; None keeps what is.

        Another judge has no passport yet; after a custom one, whose margins are on a scale of their
        own and whose prompt has fields of its own, it has the usual `min_margin` and prompt.
        """
        _check_server(base_url, COMMAND_LINE)
        known = find_models(self)
        changes: dict[str, Any] = {
            "models.judge": change_model(self.models.judge, model, base_url, known=known)
        }
        if model:
            changes["models.panel"] = []
            judge: dict[str, Any] = {"rules": False, "use": None, "options": {}}
            if self.judge.use:
                judge["min_margin"] = JudgeConfig().min_margin
                changes["prompts"] = {n: p for n, p in self.prompts.items() if n != "judge"}
            if self.judge.use or self.models.panel or model != self.models.judge.model:
                judge["passport"] = None
            changes["judge"] = judge
        return self.updated(changes, source=COMMAND_LINE)

    @property
    def rules_judge(self) -> bool:
        """Whether rules judge the replies to personas whose wishes a program can check.

        If settings do not say, they do unless settings name a judge beside the model that every run
        has for one.
        """
        if self.judge.rules is not None:
            return self.judge.rules
        return not (self.judge.use or self.judge.criteria or self.models.panel)

    def toml(self) -> str:
        """Return the settings as TOML; keys whose value is None are left out."""
        return tomli_w.dumps(self.model_dump(mode="json", exclude_none=True))


def _check_server(base_url: str | None, source: str) -> None:
    """Make sure that a base URL is one before it is every role's, whose settings are not to blame.

    Raises:
        ConfigError: it is not.
    """
    try:
        check_base_url(base_url)
    except ValueError as error:
        name = "--base-url" if source == COMMAND_LINE else "base_url"
        raise ConfigError(f"{name}: {error}") from None
