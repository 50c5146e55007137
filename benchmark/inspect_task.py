"""The suites as an Inspect AI task, for those who have its log viewer and its providers.

    make inspect     # once: an environment of its own, for Inspect wants older packages
    .venv-inspect/bin/inspect eval benchmark/inspect_task.py --model openai/gpt-4o-mini \
        -T suite=aloe-100 -T user=openai:gpt-4o-mini -T judge=openai:gpt-4o -T seeds=3

Inspect's model is the candidate; whatever else speaks or judges is named by our model strings. The
solver holds the very dialogue that `aloe bench run` holds, the scorer is the same code, and the
metric computes the same numbers from the same rows, so they agree to the last digit. Repetitions
are samples of their own (`-T seeds=3`): Inspect's epochs would repeat a dialogue with its seed.
"""

from typing import Any

from inspect_ai import Task, task
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.model import (
    ChatMessageAssistant,
    ChatMessageSystem,
    ChatMessageUser,
    GenerateConfig,
    get_model,
)
from inspect_ai.model._generate_config import active_generate_config
from inspect_ai.scorer import SampleScore, Score, Target, metric, scorer
from inspect_ai.solver import Generate, TaskState, solver
from langchain_core.callbacks import (
    AsyncCallbackManagerForLLMRun,
    CallbackManagerForLLMRun,
)
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult

from aloe.agents.candidate import NAME, CandidateAgent
from aloe.agents.rating import PointwiseJudge
from aloe.agents.user import UserAgent
from aloe.benchmark.cases import load_cases
from aloe.benchmark.conditions import load_candidate, split_models
from aloe.benchmark.dialogues import PlannedDialogue, check_cases, plan
from aloe.benchmark.judging import judge_dialogue, missing_dialogue
from aloe.benchmark.reply_levels import mean_level
from aloe.benchmark.run import make_checker, open_player
from aloe.benchmark.scores import Missing, ReplyScores
from aloe.benchmark.suite_result import compute_suite
from aloe.benchmark.swaps import assign_stand_ins
from aloe.calls.event import Event
from aloe.calls.log import CallLog
from aloe.config import Config, ModelConfig
from aloe.config.models import CANDIDATE_DEFAULTS
from aloe.errors import CallError, ConfigError
from aloe.graphs.dialogue import DialogueContext, hold
from aloe.memory.disclosures import DisclosureChecker
from aloe.models.open import Model
from aloe.schema import Tree

CUT_SHORT = "Inspect ended the sample before its dialogue was whole, as at one of its limits"
"""Why the ratings of a dialogue are missing where no call has failed."""

PATIENCE = 3600.0
"""Seconds that a call may take: Inspect has its own timeouts and retries."""

FINISHES = {"max_tokens": "length", "model_length": "length", "content_filter": "content_filter"}
"""Inspect's reasons why a reply ended, in the words of the OpenAI API; all others: `stop`."""

MESSAGES = {"system": ChatMessageSystem, "human": ChatMessageUser, "ai": ChatMessageAssistant}


class InspectChat(BaseChatModel):
    """Inspect's model of the running task, as the rest of the program knows models."""

    @property
    def _llm_type(self) -> str:
        return "inspect"

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        raise NotImplementedError("Inspect's models answer asynchronously only")

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,  # noqa: ARG002
        run_manager: AsyncCallbackManagerForLLMRun | None = None,  # noqa: ARG002
        **kwargs: Any,
    ) -> ChatResult:
        asked = [MESSAGES[message.type](content=message.text) for message in messages]
        output = await get_model().generate(asked, config=GenerateConfig(**kwargs))
        finish = FINISHES.get(output.stop_reason, "stop")
        answer = AIMessage(output.completion, response_metadata={"finish_reason": finish})
        if usage := output.usage:
            answer.usage_metadata = {
                "input_tokens": usage.input_tokens,
                "output_tokens": usage.output_tokens,
                "total_tokens": usage.total_tokens,
            }
        return ChatResult(generations=[ChatGeneration(message=answer)])


@task
def aloe(
    suite: str = "aloe-100",
    user: str | None = None,
    judge: str | list[str] | None = None,
    seeds: int = 1,
    disclosure: str | None = None,
) -> Task:
    """Return the benchmark as a task.

    Args:
        suite: a shipped suite, or a file of cases.
        user: model string of the simulated user; the default of the settings if not given.
        judge: model strings of the judges, separated by commas or as a list.
        seeds: dialogues for each case.
        disclosure: when users tell something (see `aloe.config.user`), where a case does not say.

    Raises:
        ConfigError: an argument is wrong, or users who are to answer questions cannot.
    """
    cases = load_cases(suite)
    if len(suites := {case.suite for case in cases}) > 1:
        raise ConfigError(f"{suite} holds {', '.join(sorted(suites))}; give a file for each suite")
    given, judges = {"user.disclosure": disclosure}, split_models(judge)
    config = load_candidate(None, given, model=None, user=user, judges=judges, source="-T")
    check_cases(cases, config)
    planned = {
        each.dialogue.id: each for each in plan(cases, assign_stand_ins(cases), seeds, "candidate")
    }
    by_rule = all(case.by_rule for case in cases)
    checker = make_checker()
    return Task(
        dataset=MemoryDataset(
            [
                Sample(
                    id=each.dialogue.id,
                    input=f"{each.case.profile} x {each.case.personality}",
                    metadata={
                        "case": each.case.id,
                        "why": each.case.why,
                        "seed": each.dialogue.seed,
                    },
                )
                for each in planned.values()
            ],
            name=suite,
        ),
        solver=dialogue(planned, open_player(config.models.user, closed=by_rule), checker, config),
        scorer=alignment(
            planned,
            [open_player(each, closed=by_rule) for each in config.models.judges().values()],
            checker,
            config,
        ),
    )


@solver
def dialogue(
    planned: dict[str, PlannedDialogue], user: Model, checker: DisclosureChecker, config: Config
) -> Any:
    """Hold the dialogue of a sample with Inspect's model as the candidate."""

    async def solve(state: TaskState, generate: Generate) -> TaskState:  # noqa: ARG001
        roles: list[str] = []

        def heard(event: Event) -> None:
            roles.append(event.role)

        calls = CallLog(on_event=heard)
        context = DialogueContext(
            user=UserAgent.of(config, user, calls),
            candidate=CandidateAgent(model=_candidate(), calls=calls),
            checker=checker,
        )
        names = {"user": user.name, NAME: str(get_model())}
        try:
            tree = await hold(planned[str(state.sample_id)].dialogue, names, context)
        except CallError as error:
            state.metadata["failed"] = str(error)
            state.metadata["failed_role"] = roles[-1] if roles else "user"
            return state
        kinds = {"user": ChatMessageUser, "assistant": ChatMessageAssistant}
        state.messages = [kinds[node.role](content=node.content) for node in tree.nodes]
        state.metadata["tree"] = tree.model_dump(mode="json")
        return state

    return solve


def _candidate() -> Model:
    """Return Inspect's model, sampled as by `aloe bench run` where Inspect's settings are open."""
    model = get_model()
    given = model.config.merge(active_generate_config())  # as its `generate` does
    sampling = {n: value for n, value in CANDIDATE_DEFAULTS.items() if getattr(given, n) is None}
    config = ModelConfig(model=f"inspect:{model}", timeout=PATIENCE, **sampling)
    return Model(
        name=config.model,
        config=config,
        chat=InspectChat(),
        openai_compatible=True,
        sampling=sampling,
    )


@metric(scores="unreduced")
def figures() -> Any:
    """Compute the numbers of `aloe bench run`, with intervals, from the rows of all samples."""

    def compute(scores: list[SampleScore]) -> dict[str, float]:
        kept = [(score.score.metadata or {}).get("rows", []) for score in scores]
        rows = [ReplyScores.model_validate(row) for each in kept for row in each]
        found = {"missing": float(sum(s.value is None for row in rows for s in row.scores))}
        for name, figure in compute_suite(rows).figures.items():
            edges = {"": figure.value, "_low": figure.low, "_high": figure.high}
            found |= {f"{name}{end}": v for end, v in edges.items() if v is not None}
        return found

    return compute


def alignment(
    planned: dict[str, PlannedDialogue],
    judges: list[Model],
    checker: DisclosureChecker,
    config: Config,
) -> Any:
    """Rate every reply of a dialogue, as `aloe bench run` does."""

    @scorer(metrics=[figures()], name="alignment")
    def rated() -> Any:
        async def score(state: TaskState, target: Target) -> Score:  # noqa: ARG001
            wanted = planned[str(state.sample_id)]
            if held := "tree" in state.metadata:
                tree = Tree.model_validate(state.metadata["tree"])
                asked = [PointwiseJudge.of(config, judge, CallLog()) for judge in judges]
                rows = await judge_dialogue(wanted, tree, asked, checker, "candidate")
            else:
                role = state.metadata.get("failed_role", NAME)  # whose are the limits
                reason: Missing = "candidate" if role == NAME else "user"
                names = [judge.name for judge in judges]
                rows = missing_dialogue(wanted, names, "candidate", reason)
            return Score(
                value=_mean(rows),
                explanation=None if held else state.metadata.get("failed", CUT_SHORT),
                metadata={"rows": [row.model_dump(mode="json") for row in rows]},
            )

        return score

    return rated()


def _mean(rows: list[ReplyScores]) -> float | str:
    """Return the mean level; a word where there is none, so that Inspect keeps the sample."""
    level = mean_level(rows)
    return "missing" if level is None else level
