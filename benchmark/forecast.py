"""What a run will cost and what it could show at best, before anything is spent.

The number of calls is exact unless something is asked twice. Tokens are estimated from the
constants below. What could be shown depends on how much users differ, which is assumed or taken
from an earlier run: a difference smaller than the minimum detectable one will most likely be
missed, and finding it takes more users, not more seeds.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from math import ceil

from aloe.benchmark.dialogues import PlannedDialogue
from aloe.benchmark.figures import SCALES
from aloe.benchmark.inference import count_clusters
from aloe.benchmark.statistics import minimum_detectable_difference
from aloe.benchmark.suite_result import SuiteResult
from aloe.calls.batch_rounds import BatchOffer, is_batchable, offer_batches
from aloe.calls.prices import cost_of, total_cost
from aloe.config import Condition, Config, ModelConfig
from aloe.intervals import LEAST_CLUSTERS
from aloe.models.model_string import ModelString
from aloe.models.providers import parse_model

MESSAGE_TOKENS, REPLY_TOKENS = 30, 120
"""What a message of the user and a reply of the candidate are taken to have."""
PERSONA_TOKENS = 150
USER_PROMPT_TOKENS, JUDGE_PROMPT_TOKENS = 280, 180
"""The fixed parts of the prompts."""
JUDGE_REPLY_TOKENS = 2
TOKEN_CHARACTERS = 4
"""Characters of a token, where a text is there to be counted."""

Needed = tuple[int, int, int]
"""Calls, tokens read and tokens written."""

PRIOR_SPREAD = 0.15
"""Standard deviation of the gain between users, as a share of the judge's scale, where no earlier
run says better: 0.6 levels from 1 to 5."""


@dataclass(frozen=True, kw_only=True)
class BenchForecast:
    """What a run is going to need beside what its folder holds already."""

    dialogues: int
    calls: dict[str, int]
    """By agent."""
    input_tokens: int
    output_tokens: int
    cost: float | None
    """US dollars; None if a price is not known."""
    batched: float | None
    """The same where calls go in batches."""
    rounds: int
    """Batches that have to follow each other then."""
    batch: BatchOffer
    """Whether calls go in batches, or could."""
    detectable: dict[str, float]
    """By suite: the smallest true gain that is found with a probability of 80%; not there where
    fewer than six profiles and personalities let none be significant."""
    clusters: dict[str, int]
    """By suite: profiles or personalities, whichever are fewer."""
    prior: str
    """Where the spread between users comes from."""


@dataclass(frozen=True, kw_only=True)
class PlayedPart:
    """What the folder of a condition holds already."""

    finished: Collection[str] = ()
    """Ids of the dialogues that are held and rated."""
    answered: Mapping[tuple[str, str, str], int] = field(default_factory=dict)
    """Calls by dialogue, role and model string."""
    _used: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    """Those of them that an agent has had: judges share a role, and may share a model string."""

    def afresh(self) -> "PlayedPart":
        """Return the same of which nothing is used yet."""
        return PlayedPart(finished=self.finished, answered=self.answered)

    def leave(self, dialogue: str, role: str, model: str, needed: Needed) -> Needed:
        """Return what is still to come of what one agent needs in a dialogue, and use the rest."""
        calls, read, written = needed
        if dialogue in self.finished or not calls:
            return 0, 0, 0
        key = dialogue, role, model
        had = min(calls, self.answered.get(key, 0) - self._used[key])
        self._used[key] += had
        left = calls - had
        return left, round(read * left / calls), round(written * left / calls)


def forecast(
    config: Config,
    planned: Mapping[Condition, Sequence[PlannedDialogue]],
    floor: ModelConfig | None = None,
    earlier: Mapping[str, SuiteResult] | None = None,
    played: Mapping[Condition, PlayedPart] | None = None,
) -> BenchForecast:
    """Return what the dialogues in `planned` still need, and what all of them could show.

    Args:
        config: settings of the candidate's run.
        planned: dialogues by condition.
        floor: model of the condition `floor`.
        earlier: what an earlier run found about its candidate, by suite.
        played: what is there already, by condition.
    """
    needs: Counter[tuple[str, str, str]] = Counter()
    judges = config.models.judges()
    ahead: dict[Condition, list[PlannedDialogue]] = {}
    for condition, dialogues in planned.items():
        there = (played or {}).get(condition, PlayedPart()).afresh()
        ahead[condition] = [each for each in dialogues if each.dialogue.id not in there.finished]
        candidate = floor if condition == "floor" and floor else config.benchmark.candidate
        for each in dialogues:
            add = partial(_add, needs, there, each.dialogue.id)
            add("candidate", candidate, _candidate(each))
            if each.case.by_rule:
                continue
            add("user", config.models.user, _user(each))
            for judge, model in judges.items():
                add(judge, model, _judge(each), role="judge")
    suites: dict[str, list[PlannedDialogue]] = {}
    for each in next(iter(planned.values()), []):
        suites.setdefault(each.case.suite, []).append(each)
    clusters = {suite: count_clusters(*_labels(each)) for suite, each in suites.items()}
    return BenchForecast(
        dialogues=sum(map(len, ahead.values())),
        calls={
            role: sum(n for (who, _, kind), n in needs.items() if who == role and kind == "calls")
            for role in dict.fromkeys(who for who, _, _ in needs)
        },
        input_tokens=sum(n for (*_, kind), n in needs.items() if kind == "input"),
        output_tokens=sum(n for (*_, kind), n in needs.items() if kind == "output"),
        cost=_cost(config, needs),
        batched=_cost(config, needs, batch=True),
        rounds=sum(_rounds(config, dialogues) for dialogues in ahead.values() if dialogues),
        batch=offer_batches(
            config, [config.benchmark.candidate, config.models.user, *judges.values()]
        ),
        detectable={
            suite: _detectable(each, clusters[suite], (earlier or {}).get(suite))
            for suite, each in suites.items()
            if max(map(len, _labels(each))) >= LEAST_CLUSTERS
        },
        clusters=clusters,
        prior=_name_prior(suites, earlier or {}),
    )


def _add(
    needs: Counter[tuple[str, str, str]],
    there: PlayedPart,
    dialogue: str,
    agent: str,
    model: ModelConfig,
    needed: Needed,
    *,
    role: str = "",
) -> None:
    name = str(parse_model(model))
    left = there.leave(dialogue, role or agent, name, needed)
    for kind, count in zip(("calls", "input", "output"), left, strict=True):
        needs[agent, name, kind] += count


def _history(turns: int) -> int:
    """Return the tokens of all that was said before each of the turns, summed over them."""
    return (MESSAGE_TOKENS + REPLY_TOKENS) * turns * (turns - 1) // 2


def _candidate(planned: PlannedDialogue) -> Needed:
    turns = planned.dialogue.turns
    told = PERSONA_TOKENS if planned.dialogue.told else 0
    past = sum(len(text) for _, text in planned.dialogue.history) // TOKEN_CHARACTERS
    read = _history(turns) + turns * (MESSAGE_TOKENS + told + past)
    return turns, read, turns * REPLY_TOKENS


def _user(planned: PlannedDialogue) -> Needed:
    turns = planned.dialogue.turns - len(planned.dialogue.prescribed)
    read = _history(turns) + turns * (USER_PROMPT_TOKENS + MESSAGE_TOKENS)
    return turns, read, turns * MESSAGE_TOKENS


def _judge(planned: PlannedDialogue) -> Needed:
    turns, shown = planned.case.turns, 2 if planned.stand_ins else 1
    fixed = JUDGE_PROMPT_TOKENS + PERSONA_TOKENS + MESSAGE_TOKENS + REPLY_TOKENS
    return (
        turns * shown,
        shown * (_history(turns) + turns * fixed),
        turns * shown * JUDGE_REPLY_TOKENS,
    )


def _rounds(config: Config, planned: Sequence[PlannedDialogue]) -> int:
    """Return the batches of a condition: user and candidate take turns, then all is judged."""
    speaks, replies = map(is_batchable, (config.models.user, config.benchmark.candidate))
    longest = max(
        turns * replies + (turns - len(each.dialogue.prescribed)) * speaks
        for each in planned
        if (turns := each.dialogue.turns)
    )
    judged = any(map(is_batchable, config.models.judges().values()))
    return ceil(len(planned) / config.limits.batch_trees) * (longest + judged)


def _cost(
    config: Config, needs: Mapping[tuple[str, str, str], int], *, batch: bool = False
) -> float | None:
    return total_cost(
        [
            cost_of(
                config.prices,
                model,
                read=needs[agent, model, "input"],
                wrote=needs[agent, model, "output"],
                batched=batch and is_batchable(ModelString.parse(model)),
            )
            for agent, model, kind in needs
            if kind == "calls"
        ]
    )


def _labels(planned: Sequence[PlannedDialogue]) -> tuple[set[str], set[str]]:
    """Return the profiles and the personalities that are played."""
    cases = [each.case for each in planned]
    return {case.profile for case in cases}, {case.personality for case in cases}


def _detectable(
    planned: Sequence[PlannedDialogue], clusters: int, earlier: SuiteResult | None
) -> float:
    if earlier and (spread := _spread(earlier)):
        return minimum_detectable_difference(spread, clusters)
    low, high = SCALES["rule" if planned[0].case.by_rule else "model"]
    return minimum_detectable_difference(PRIOR_SPREAD * (high - low), clusters)


def _spread(earlier: SuiteResult) -> float | None:
    """Return the standard deviation of the gain between users; None if it cannot be told."""
    gain = earlier.figures.get("gain")
    if not gain or gain.low is None or gain.high is None:
        return None
    return (gain.high - gain.low) / (2 * 1.96) * float(earlier.clusters**0.5)


def _name_prior(suites: Iterable[str], earlier: Mapping[str, SuiteResult]) -> str:
    """Say where the spread between users comes from, which may differ between suites."""
    assumed = f"an assumed spread between users of {PRIOR_SPREAD:.0%} of the scale"
    told = [bool((found := earlier.get(suite)) and _spread(found)) for suite in suites]
    if not any(told):
        return assumed
    return "an earlier run" if all(told) else f"an earlier run or, where that lacks it, {assumed}"
