"""The agents that GRPO trains with: the judge and the user in the settings."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aloe.errors import ConfigError
from aloe.training.dataset import Row
from aloe.training.plan import Plan
from aloe.training.processes import count_processes
from aloe.training.reward import READY, Reward, Speak

if TYPE_CHECKING:
    from aloe.agents.rewards import Wait
    from aloe.calls.log import CallLog
    from aloe.config import Config
    from aloe.models.open import Model


@dataclass(frozen=True, kw_only=True)
class RolloutAgents:
    """What simulated users and judges contribute to a training."""

    reward: Reward | None = None
    """A ready reward; None where the settings name none."""
    speak: Speak | None = None
    """The users; None without a horizon."""
    about: Mapping[str, str] = field(default_factory=dict)
    """Who they are, for the record."""
    shaped_by: Mapping[str, Any] = field(default_factory=dict)
    """Settings, beside those of the training, on which rewards depend."""
    spent: Callable[[], dict[str, Any]] = dict
    """What their calls have come to so far."""


AgentFactory = Callable[[Sequence[Row]], RolloutAgents]
"""Makes the agents that the rows need; raises InputError where a row does not say enough."""


@contextmanager
def open_agents(config: "Config", plan: Plan) -> Iterator[AgentFactory | None]:
    """Yield what makes the agents once the rows are known; None if the training needs none.

    Raises:
        ConfigError: a custom judge is to rate, which compares, or there is no such prompt.
    """
    training = config.training
    wanted = training.reward in READY or training.horizon
    if plan.method != "grpo" or not wanted:
        yield None
        return
    if training.reward == "judge" and config.judge.use:
        raise ConfigError(
            "judge.use names a judge that compares two replies, and a reward is about one; name a "
            "custom reward with --reward MODULE:FUNCTION"
        )
    from aloe.agents.registry import check_prompt_names
    from aloe.calls.log import CallLog
    from aloe.calls.prices import check_prices
    from aloe.loop import LoopThread
    from aloe.models.open import check_reachable
    from aloe.telemetry import trace_calls
    from aloe.training.spending import SpendingFile, open_budget

    check_prompt_names(config)
    spending = SpendingFile(plan.out)
    budget = open_budget(config.budget, spending.read(config.prices), count_processes())
    calls = CallLog(prices=config.prices, budget=budget, on_event=spending.add)
    # One loop for all: a client's connections belong to the loop that opened them.
    with LoopThread() as loop, trace_calls(config.telemetry, calls):

        def make_agents(rows: Sequence[Row]) -> RolloutAgents:
            _check_rows(rows, by_rule=training.reward == "rules")
            if training.horizon:
                _check_users(config, rows)
            models = _open(config, rows)
            check_prices(config, (model.name for model in models.values()))
            loop.run(check_reachable(list(models.values())))
            return _agents(config, models, calls, loop.run)

        yield make_agents


def _check_rows(rows: Sequence[Row], *, by_rule: bool) -> None:
    from aloe.agents.rewards import check_columns

    for row in rows:
        try:
            check_columns(row["extra"], by_rule=by_rule)
        except ConfigError as error:
            raise row["place"].error(str(error)) from None


def _check_users(config: "Config", rows: Sequence[Row]) -> None:
    from aloe.agents.disclosing import check_users
    from aloe.agents.rewards import read_persona

    personas = (read_persona(row["extra"]) for row in rows)
    check_users(personas, config.user.disclosure, config.personas.embedder)


def _open(config: "Config", rows: Sequence[Row]) -> dict[str, "Model"]:
    """Open the models that will be asked: wishes that a program can check need none."""
    from aloe.models.open import open_model

    asked = {"judge": config.models.judge} if config.training.reward == "judge" else {}
    if config.training.horizon and not all(row["extra"].get("preferences") for row in rows):
        asked["user"] = config.models.user
    share = 1 / count_processes()
    return {name: open_model(each, config, share=share) for name, each in asked.items()}


def _agents(
    config: "Config", models: Mapping[str, "Model"], calls: "CallLog", wait: "Wait[Any]"
) -> RolloutAgents:
    from aloe.agents.rating import PointwiseJudge
    from aloe.agents.rewards import JudgeReward, Users, rules
    from aloe.agents.user import UserAgent

    reward: Reward | None = rules if config.training.reward == "rules" else None
    about = {name: model.name for name, model in models.items()}
    if "judge" in models:
        judge = PointwiseJudge.of(config, models["judge"], calls)
        reward = JudgeReward(judge=judge, wait=wait)
        about["judge prompt"] = judge.prompt.sha
    user = None
    if "user" in models:
        user = UserAgent.of(config, models["user"], calls)
        about["user prompt"] = user.prompt.sha

    def spent() -> dict[str, Any]:
        totals = calls.totals
        return {
            "calls": totals.calls,
            "failed_calls": totals.errors,
            "unreadable": totals.outcomes["judge", "unreadable"],
            "cost": totals.known_cost,
        }

    return RolloutAgents(
        reward=reward,
        speak=Users(model=user, wait=wait, config=config.user) if config.training.horizon else None,
        about=about,
        shaped_by=_shaping(config, models),
        spent=spent if models else dict,
    )


def _shaping(config: "Config", models: Mapping[str, "Model"]) -> dict[str, Any]:
    """Return the settings on which what the agents say depends, by their names in the record."""
    from aloe.config.differences import UNSHAPING

    found: dict[str, Any] = {
        f"{name}_model": model.config.model_dump(mode="json", exclude=set(UNSHAPING))
        for name, model in models.items()
    }
    if config.training.horizon:
        found["users"] = config.user.model_dump(mode="json")
    if "judge" in models:
        found["min_mass"] = config.judge.min_mass
    if "user" in models:
        simulation = {"user_window", "user_words", "moods"}
        found["user_messages"] = {
            **config.simulation.model_dump(mode="json", include=simulation),
            "embedder": config.personas.embedder,
        }
    return found
