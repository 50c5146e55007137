"""The agents that GRPO trains with: whoever the settings name as judge and as user."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from aloe.errors import ConfigError

if TYPE_CHECKING:
    from aloe.agents.rewards import Wait
    from aloe.calls.log import CallLog
    from aloe.config import Config
    from aloe.models.open import Model
    from aloe.training.dataset import Row
    from aloe.training.reward import Agents, Cast, Reward


@contextmanager
def casting(config: "Config") -> Iterator["Cast | None"]:
    """Yield what makes the agents once the rows are known; None if the settings need none.

    Raises:
        ConfigError: a judge of the user's own is to rate, which compares.
    """
    training = config.training
    if training.reward not in ("rules", "judge") and not training.horizon:
        yield None
        return
    if training.reward == "judge" and config.judge.use:
        raise ConfigError(
            "judge.use names a judge that compares two replies, and a reward is about one; name a "
            "reward of your own with --reward MODULE:FUNCTION"
        )
    from aloe.calls.budget import Budget
    from aloe.calls.log import CallLog
    from aloe.loop import runner
    from aloe.models.open import check_reachable
    from aloe.telemetry import traced

    calls = CallLog(prices=config.prices, budget=Budget(config.budget))
    # One loop for all: a client's connections belong to the loop that opened them.
    with runner() as loop, traced(config.telemetry, calls):

        def cast(rows: Sequence["Row"]) -> "Agents":
            _check_rows(rows, by_rule=training.reward == "rules")
            models = _open(config, rows)
            loop.run(check_reachable(list(models.values())))
            return _agents(config, models, calls, loop.run)

        yield cast


def _check_rows(rows: Sequence["Row"], *, by_rule: bool) -> None:
    from aloe.agents.rewards import check_columns

    for row in rows:
        try:
            check_columns(row["extra"], by_rule=by_rule)
        except ConfigError as error:
            raise row["place"].error(str(error)) from None


def _open(config: "Config", rows: Sequence["Row"]) -> dict[str, "Model"]:
    """Open the models that will be asked: wishes that a program can check need none."""
    from aloe.models.open import open_model

    asked = {"judge": config.models.judge} if config.training.reward == "judge" else {}
    if config.training.horizon and not all(row["extra"].get("preferences") for row in rows):
        asked["user"] = config.models.user
    share = 1 / int(os.environ.get("WORLD_SIZE", "1"))
    return {name: open_model(each, config.limits, share=share) for name, each in asked.items()}


def _agents(
    config: "Config", models: Mapping[str, "Model"], calls: "CallLog", wait: "Wait[Any]"
) -> "Agents":
    from aloe.agents.prompt import chosen
    from aloe.agents.prompt_size import prompt_for
    from aloe.agents.rating import PointwiseJudge
    from aloe.agents.rewards import JudgeReward, Users, rules
    from aloe.agents.user import UserAgent
    from aloe.training.reward import Agents

    reward: Reward | None = rules if config.training.reward == "rules" else None
    about = {name: model.name for name, model in models.items()}
    if "judge" in models:
        prompt = chosen("judge_score", config.prompts)
        judge = PointwiseJudge(
            model=models["judge"], calls=calls, prompt=prompt, min_mass=config.judge.min_mass
        )
        reward = JudgeReward(judge=judge, wait=wait)
        about["judge prompt"] = prompt.sha
    user = None
    if "user" in models:
        prompt = prompt_for("user", config, config.models.user)
        user = UserAgent(
            model=models["user"],
            calls=calls,
            prompt=prompt,
            window=config.simulation.user_window,
            most_words=config.simulation.user_words,
            moods=config.simulation.moods,
        )
        about["user prompt"] = prompt.sha

    def spent() -> dict[str, Any]:
        totals = calls.totals
        return {
            "calls": totals.calls,
            "failed_calls": totals.errors,
            "unreadable": totals.outcomes["judge", "unreadable"],
            "cost": None if totals.unpriced else round(totals.cost, 6),
        }

    return Agents(
        reward=reward,
        speak=Users(model=user, wait=wait) if config.training.horizon else None,
        about=about,
        spent=spent if models else dict,
    )
