"""Our users as an environment of `verifiers`, for prime-rl and whatever else trains against those.

The model under training is the assistant of a dialogue: the user opens, each reply of the model
gets the user's next message, and the whole dialogue is one rollout with one reward. Users, rules
and judge are those of `aloe bench run`. Prescribed messages of a case are said here too; the
question for all that was told, after the last turn, is not. A dialogue whose user falls out of role
ends before that message: what answers it answers nobody.

Verifiers finds an environment by the name of a module that stands by itself, so
`examples/aloe_users.py` lends this one its name; `load_environment` needs no such file. The harness
talks to the model in this process: a reply is one call, and no program has to be started for it.

The phrases of users by rule are those of training unless others are asked for, and a model that was
trained on a suite knows its cases: measure it on another.
"""

import sys
from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean
from typing import Any, Literal, TypeAlias

import verifiers.v1 as vf
from openai import AsyncOpenAI, OpenAIError
from pydantic import ValidationError
from verifiers.v1.dialects.chat import message_to_wire

from aloe.agents.candidate import NAME
from aloe.agents.rating import PointwiseJudge
from aloe.agents.transcript import Turns
from aloe.agents.user import UserAgent
from aloe.benchmark.case import Case
from aloe.benchmark.cases import load_cases
from aloe.benchmark.conditions import load_candidate
from aloe.benchmark.dialogues import PlannedDialogue, check_cases, plan
from aloe.benchmark.run import open_player
from aloe.calls.log import CallLog
from aloe.errors import ConfigError
from aloe.files.records import describe
from aloe.graphs.dialogue import write_message
from aloe.memory.returns import ReturnRule
from aloe.memory.verifiable.scoring import measure_satisfaction
from aloe.models.markup import message_in
from aloe.schema import SPOILING, AssistantNode, Node, Persona, UserNode

MODULE = "aloe_users"
"""The name by which verifiers finds the environment."""

RewardName: TypeAlias = Literal["rules", "judge", "return"]


class UsersTasksetConfig(vf.TasksetConfig):
    """Which users there are."""

    id: str = MODULE
    suite: str = "verifiable"
    """A shipped suite, or a file of cases."""
    seeds: int = 1
    """Dialogues with each."""


class UsersTaskset(vf.Taskset[vf.Task, UsersTasksetConfig]):
    """One task for each dialogue; the user opens it, so there is no prompt."""

    def load(self) -> Iterable[vf.Task]:
        """Yield the tasks."""
        for each in _plan(self.config):
            name = f"{each.case.profile} x {each.case.personality}"
            yield vf.Task(vf.TaskData(id=each.dialogue.id, name=name), self.config.task)


class UsersEnvConfig(vf.EnvConfig):
    """How dialogues are held and rewarded."""

    taskset: UsersTasksetConfig = UsersTasksetConfig()
    assistant: vf.AgentConfig = vf.AgentConfig(runtime=vf.SubprocessConfig())
    """The model under training; its harness is that of this module."""
    user: str | None = None
    """Model string of the simulated user; None: that of the settings."""
    judge: str | None = None
    """Model string of the judge; None: that of the settings."""
    disclosure: str | None = None
    """When users tell something, where a case does not say."""
    phrases: Literal["train", "test"] = "train"
    """Which phrases users by rule speak with."""
    reward: RewardName = "rules"
    """`rules`: mean share of the user's wishes that a reply keeps. `judge`: mean rating. `return`:
    the same levels, later replies discounted as in labels by return. All in [0, 1]."""


class UsersEnv(vf.Env[UsersEnvConfig]):
    """Holds the dialogues.

    Raises:
        ConfigError: there is no such suite or model, or its users cannot be played or rewarded so.
    """

    def __init__(self, config: UsersEnvConfig) -> None:
        self._planned = {each.dialogue.id: each for each in _plan(config.taskset)}
        cases = [each.case for each in self._planned.values()]
        _refuse_histories(config.taskset.suite, cases)
        self._settings = load_candidate(
            None,
            {"user.disclosure": config.disclosure, "user.phrases": config.phrases},
            model=None,
            user=config.user,
            judges=[config.judge] if config.judge else [],
            source="load_environment",
        )
        check_cases(cases, self._settings)
        wishes = all(case.by_rule for case in cases)
        if config.reward == "rules" and not wishes:
            raise ConfigError(
                f"reward 'rules' needs users whose wishes a program can check, and "
                f"{config.taskset.suite} has others; take 'judge', or the suite 'verifiable'"
            )
        super().__init__(config)
        self._open(by_rule=wishes)

    def _open(self, *, by_rule: bool) -> None:
        models, calls = self._settings.models, CallLog()
        self._user = UserAgent.of(self._settings, open_player(models.user, closed=by_rule), calls)
        closed = by_rule and self.config.reward != "judge"
        judge = open_player(models.judge, closed=closed)
        self._judge = PointwiseJudge.of(self._settings, judge, calls)

    async def run(self, task: vf.Task, agents: vf.Agents) -> None:
        """Hold one dialogue and reward it, as far as its user stays a user.

        Raises:
            CallError: the user or the judge cannot be asked.
            ValueError: there is nothing to reward.
        """
        planned = self._planned[task.data.id]
        path: list[Node] = []
        levels: dict[int, float] = {}
        spoiled = False
        async with agents.assistant.interaction(task) as talk:
            for turn in range(1, planned.case.turns + 1):
                user = await write_message(planned.dialogue, path, self._user)
                if spoiled := bool(SPOILING & set(user.faults)):
                    break  # before it answers nobody
                segment = await talk.turn(user.content)
                if segment.terminated:
                    break
                text = message_in(segment.last_reply)
                reply = AssistantNode.of(user.id, text, agent=NAME, turn=turn)
                level = await self._measure(planned, path, user, reply)
                levels |= {} if level is None else {turn: level}
                path += [user, reply]
        if not talk.trace.ok:
            return  # what broke it off is on the trace
        talk.trace.record_metric("spoiled", float(spoiled))
        if not levels:
            told = "the user fell out of role at the first message" if not path else None
            raise ValueError(told or "no reply has a readable rating")
        talk.trace.record_reward(self.config.reward, self._sum_up(levels))
        talk.trace.record_metric("turns", len(path) // 2)
        talk.trace.record_metric("unreadable", len(path) // 2 - len(levels))

    async def _measure(
        self, planned: PlannedDialogue, path: Turns, user: UserNode, reply: AssistantNode
    ) -> float | None:
        """Return how good a reply is, in [0, 1]; None if the judge's rating cannot be read."""
        persona: Persona = planned.case.persona_at(user.turn)
        if self.config.reward != "judge" and persona.preferences:
            return measure_satisfaction(persona.preferences, reply.content)
        return await self._judge.share(persona, planned.dialogue.id, path, user, reply)

    def _sum_up(self, levels: Mapping[int, float]) -> float:
        """Return the reward of a dialogue whose replies have these levels, by turn."""
        if self.config.reward != "return":
            return fmean(levels.values())
        return fmean(levels.values(), [ReturnRule().discount ** turn for turn in levels])


class TalkHarness(vf.Harness[vf.HarnessConfig]):
    """Asks the model for one reply, in this process."""

    APPENDS_SYSTEM_PROMPT = True
    SUPPORTS_RESUME = True
    EXECUTES_CODE = False
    NEEDS_CONTAINER = False

    async def launch(
        self,
        ctx: vf.ModelContext,
        trace: vf.Trace,  # noqa: ARG002
        runtime: vf.Runtime,  # noqa: ARG002
        endpoint: str,
        secret: str,
        mcp_urls: dict[str, str],  # noqa: ARG002
        data: vf.TaskData,
    ) -> vf.ProgramResult:
        """Send the conversation to where verifiers records it; what comes back is on the trace."""
        system, prompt = self.resolve_prompt(data)
        messages: list[Any] = [{"role": "system", "content": system}] if system else []
        messages += [message_to_wire(message) for message in prompt or ()]
        try:
            async with AsyncOpenAI(base_url=endpoint, api_key=secret) as client:
                await client.chat.completions.create(model=ctx.model, messages=messages)
        except OpenAIError as error:
            return vf.ProgramResult(1, "", str(error))
        return vf.ProgramResult(0, "", "")


def load_environment(
    suite: str = "verifiable",
    user: str | None = None,
    disclosure: str | None = None,
    reward: RewardName = "rules",
    judge: str | None = None,
    seeds: int = 1,
    phrases: Literal["train", "test"] = "train",
) -> UsersEnv:
    """Return the environment.

    Args:
        suite: a shipped suite, or a file of cases.
        user: model string of the simulated user; None: that of the settings.
        disclosure: when users tell something (see `aloe.config.user`), where a case does not say.
        reward: `rules`, `judge` or `return`; see `UsersEnvConfig`.
        judge: model string of the judge; None: that of the settings.
        seeds: dialogues with each user.
        phrases: which phrases users by rule speak with.

    Raises:
        ConfigError: an argument is wrong, or the suite's users cannot be played or rewarded so.
    """
    sys.modules.setdefault(MODULE, sys.modules[__name__])
    try:
        config = UsersEnvConfig(
            taskset=UsersTasksetConfig(suite=suite, seeds=seeds),
            user=user,
            judge=judge,
            disclosure=disclosure,
            phrases=phrases,
            reward=reward,
        )
    except ValidationError as error:
        raise ConfigError(describe(error, "not an environment")) from None
    return UsersEnv(config)


def _refuse_histories(suite: str, cases: Sequence[Case]) -> None:
    if past := sum(bool(case.history) for case in cases):
        raise ConfigError(
            f"{past} of {len(cases)} cases of {suite} begin with a past conversation, which this "
            "environment cannot show to the model; use `aloe bench run` or the Inspect task"
        )


def _plan(config: UsersTasksetConfig) -> list[PlannedDialogue]:
    cases: list[Case] = load_cases(config.suite)
    return plan(cases, {}, config.seeds, "candidate")


__all__ = ["TalkHarness", "UsersEnv", "UsersTaskset"]
