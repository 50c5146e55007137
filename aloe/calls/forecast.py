"""What a run will take, forecast before its first call: calls, tokens, money and time.

The number of calls follows from the settings, as a range if a policy decides along the way how many
replies are continued. The cost of a call is measured if the run folder has calls of that role, and
otherwise guessed from the lengths that the settings allow; the forecast says which.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Any

from aloe.calls.batch_rounds import (
    BatchOffer,
    Cast,
    count_rounds,
    is_batchable,
    offer_batches,
)
from aloe.calls.budget import Spent
from aloe.calls.exchanges import Start, add_exchanges
from aloe.calls.expected import ExpectedCalls
from aloe.calls.prices import cost_of, total_cost
from aloe.config import BudgetConfig, Config, ModelConfig, Price
from aloe.judge_names import is_judge
from aloe.models.providers import parse_model
from aloe.number_format import dollars, duration, say_count, span
from aloe.schema import Persona

CHARACTERS = 4
"""Of English in a token, as a rule of thumb."""

LENGTH = 0.7
"""Part of its limit that a reply is taken to fill."""

PROMPT = 150
"""Tokens of an agent's own prompt."""

OVERHEAD, SPEED = 0.3, 50.0
"""Seconds before a model begins, and tokens a second after that, where none were measured."""


ROUNDS = "rounds of at most 24 h each, usually minutes to an hour"

Means = tuple[float, float, float]
"""Tokens read, tokens written and seconds of one call."""


@dataclass(kw_only=True)
class RoleUsage:
    """What calls of one role took."""

    calls: float = 0
    input_tokens: float = 0
    output_tokens: float = 0
    seconds: float = 0

    def add_earlier(self, line: Mapping[str, Any]) -> None:
        """Count a call of an earlier part of the run."""
        if line.get("reply"):
            wrote = line["output_tokens"]
            seconds = OVERHEAD + wrote / SPEED if line.get("batch") else line["latency"]
            self.add(1, line["input_tokens"], wrote, seconds)

    def add(self, calls: float, read: float, wrote: float, seconds: float) -> None:
        """Count calls that took so much each."""
        self.calls += calls
        self.input_tokens += calls * read
        self.output_tokens += calls * wrote
        self.seconds += calls * seconds


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """What a run takes."""

    calls: int
    input_tokens: int
    output_tokens: int
    cost: float | None
    """US dollars; None if a price is not known."""
    seconds: float
    batched: float | None = None
    """US dollars where calls go in batches as far as they can; None as for `cost`."""
    rounds: int = 0
    """Batches that it then takes one after the other."""

    def without(self, calls: int) -> "Estimate":
        """Return what is left when so many of the calls are made."""
        left = 1 - min(calls / self.calls, 1) if self.calls else 0
        return Estimate(
            calls=round(self.calls * left),
            input_tokens=round(self.input_tokens * left),
            output_tokens=round(self.output_tokens * left),
            cost=None if self.cost is None else self.cost * left,
            seconds=self.seconds * left,
            batched=None if self.batched is None else self.batched * left,
            rounds=self.rounds,
        )


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """What a run takes at least and at most."""

    least: Estimate
    most: Estimate
    measured: bool
    """Whether the cost of a call comes from earlier calls of the run."""
    exchanges: float = 1.0
    """Exchanges that a tree still gets, in the middle between least and most."""
    batch: BatchOffer = "none"
    """Whether calls go in batches, or could."""

    def expected(self, trees: int) -> ExpectedCalls:
        """Return the calls to come, for so many trees: the middle between least and most."""
        return ExpectedCalls(
            forecast=(self.least.calls + self.most.calls) / 2,
            seconds=(self.least.seconds + self.most.seconds) / 2,
            trees=trees,
            exchanges=self.exchanges,
        )

    def exceeds(self, budget: BudgetConfig, spent: Spent) -> bool:
        """Whether the run will come to the end of its budget before its own."""
        least = self.least
        cost = least.batched if self.batch == "used" else least.cost
        return (
            _over(budget.max_calls, spent.calls + least.calls)
            or _over(budget.max_tokens, spent.tokens + least.input_tokens + least.output_tokens)
            or _over(budget.max_cost, spent.cost + (cost or 0.0))
        )

    def line(self) -> str:
        """Return it as a sentence for a person."""
        low, high = self.least, self.most
        cost = dollars(low.cost, high.cost) or "unknown cost (no price given)"
        time = span(low.seconds, high.seconds, duration)
        rounds = high.rounds and f"{span(low.rounds, high.rounds, say_count)} {ROUNDS}"
        half = dollars(low.batched, high.batched)
        if rounds and self.batch == "used":
            cost = f"{half} in batches ({cost} without)" if half else cost
            time = f"{rounds} ({time} without batches)"
        basis = "at the rates of this run so far" if self.measured else "a guess from the settings"
        if rounds and half and self.batch == "offered":
            basis += f"; with --batch {half}, {rounds}"
        return (
            f"forecast: {span(low.calls, high.calls, say_count)} calls, "
            f"{span(low.input_tokens, high.input_tokens, say_count)} tokens read, "
            f"{span(low.output_tokens, high.output_tokens, say_count)} written, {cost}, "
            f"{time} ({basis})"
        )


def forecast(
    config: Config,
    personas: Sequence[Persona],
    trees: int,
    measured: Mapping[str, RoleUsage] | None = None,
    *,
    starts: Sequence[Start] = (),
    answered: int = 0,
    single: int = 0,
    cast: Cast | None = None,
) -> Forecast:
    """Return what it takes to grow `trees` trees.

    Args:
        config: settings of the run.
        personas: those of the trees.
        trees: how many are still to be grown.
        measured: what calls of each role have taken so far.
        starts: where each tree goes on; none for new trees.
        answered: calls for them that need not be made again.
        single: exchanges beside these, with one reply and nothing to judge.
        cast: who takes part; None: whom the settings name.
    """
    cast = cast or Cast.named_in(config)
    means = {role: _means(usage) for role, usage in (measured or {}).items() if usage.calls}
    if "judge" in means:  # all judges of a panel are one role in the events
        means |= dict.fromkeys(cast.judges, means["judge"])
    levels = add_exchanges(config.simulation, len(cast.writers), starts or [None] * trees)
    there = min((each.turn for each in starts), default=0)
    whole = (
        _estimate(config, cast, personas, trees, means, levels, there, single, at) for at in (0, 1)
    )
    least, most = (estimate.without(answered) for estimate in whole)
    exchanges = sum(low + high for low, high in levels.values()) / 2
    asked = [model for _, model, calls in _calls(config, cast, personas, 1) if calls > 0]
    return Forecast(
        least=least,
        most=most,
        measured=means.keys() >= {role for role, _, n in _calls(config, cast, personas, 0) if n},
        exchanges=max(exchanges / max(trees, 1), 1.0),
        batch=offer_batches(config, asked),
    )


def _estimate(
    config: Config,
    cast: Cast,
    personas: Sequence[Persona],
    trees: int,
    means: Mapping[str, Means],
    levels: Mapping[int, tuple[int, int]],
    there: int,
    single: int,
    at: int,
) -> Estimate:
    usage: defaultdict[str, RoleUsage] = defaultdict(RoleUsage)
    part = list(_calls(config, cast, personas, at))
    for turn, numbers in levels.items():
        for role, each, calls in part:
            took = means.get(role) or _guess(config, personas, role, each, turn)
            usage[role].add(numbers[at] * calls, *took)
    for role, each, calls in part if single else ():
        if not is_judge(role):
            took = means.get(role) or _guess(config, personas, role, each, there)
            share = _share_of_rollouts(config, cast, role)
            usage[role].add(single * calls * share, *took)
    costs = [_cost(cast.models[role], used, config.prices) for role, used in usage.items()]
    batched = [
        _cost(cast.models[role], used, config.prices, batch=True) for role, used in usage.items()
    ]
    turns = sum(numbers[at] > 0 for numbers in levels.values())
    asking = replace(cast, models={role: model for role, model, calls in part if calls > 0})
    return Estimate(
        calls=round(sum(used.calls for used in usage.values())),
        input_tokens=round(sum(used.input_tokens for used in usage.values())),
        output_tokens=round(sum(used.output_tokens for used in usage.values())),
        cost=total_cost(costs),
        seconds=_seconds(config, cast, trees, usage),
        batched=total_cost(batched),
        rounds=count_rounds(config, asking, trees, turns, at, rollouts=single > 0),
    )


def _share_of_rollouts(config: Config, cast: Cast, role: str) -> float:
    """Return in what share of the exchanges of rollouts a role has a part."""
    if role not in cast.writers:
        return 1
    policy = config.simulation.rollouts.policy
    return float(role == policy) if policy else 1 / len(cast.writers)


def _calls(
    config: Config, cast: Cast, personas: Sequence[Persona], at: int
) -> Iterator[tuple[str, ModelConfig, float]]:
    """Yield who asks a model, that model, and the mean number of calls in one exchange.

    A tournament asks for no more than what it needs, at least a chain of all candidates. Nobody
    knows how often custom roles and judges ask: one call is assumed, of a judge in each order of a
    pair.
    """
    checked = fmean(bool(p.preferences) for p in personas) if personas else 0
    written = 1 - checked * (config.user.disclosure != "schedule")
    candidates = len(cast.writers)
    chain = candidates - 1
    tournament = config.judge.schedule == "tournament" and at == 0
    pairs = chain if tournament else chain * candidates / 2
    questions = cast.orders * max(1, len(config.judge.criteria))
    judged = pairs * questions * (1 - checked * config.rules_judge)
    for name, model in cast.models.items():
        if name in ("user", "inducer"):
            yield name, model, written
        elif name == "reader":  # of messages in which rules find no fault: none, or all
            yield name, model, at * written
        else:
            yield name, model, judged if is_judge(name) else 1


def _guess(
    config: Config, personas: Sequence[Persona], role: str, model: ModelConfig, turn: int
) -> Means:
    """Return what a call takes at `turn`, from 0."""
    user = _reply(config.models.user)
    answer = fmean(_reply(each) for each in config.models.assistants)
    history = turn * (user + answer)
    persona = fmean([len(p.profile) + len(p.personality) for p in personas] or [0]) / CHARACTERS
    wrote = _reply(model)
    if role == "inducer":
        read = PROMPT + user
    elif is_judge(role):
        read, wrote = PROMPT + persona + history + user + 2 * answer, 1 if model.logprobs else wrote
    else:
        read = PROMPT + history + (persona if role == "user" else user)
    return read, wrote, OVERHEAD + wrote / SPEED


def _reply(model: ModelConfig) -> float:
    return LENGTH * (model.max_tokens or 256)


def _means(usage: RoleUsage) -> Means:
    n = usage.calls
    return usage.input_tokens / n, usage.output_tokens / n, usage.seconds / n


def _cost(
    model: ModelConfig, usage: RoleUsage, prices: Mapping[str, Price], *, batch: bool = False
) -> float | None:
    """Return US dollars; None if the model has to be paid and its price is not known."""
    return cost_of(
        prices,
        str(parse_model(model)),
        read=usage.input_tokens,
        wrote=usage.output_tokens,
        batched=batch and is_batchable(model),
    )


def _seconds(config: Config, cast: Cast, trees: int, usage: Mapping[str, RoleUsage]) -> float:
    """Return the length of the run: trees side by side, within the caps a minute if any is set."""
    writers = [used.seconds for name, used in usage.items() if name in cast.writers]
    others = sum(u.seconds for u in usage.values()) - sum(writers)
    side_by_side = max(1, min(config.simulation.concurrency, trees))
    seconds = (others + max(writers, default=0)) / side_by_side
    if cap := config.limits.requests_per_minute:
        seconds = max(seconds, 60 * sum(u.calls for u in usage.values()) / cap)
    if cap := config.limits.tokens_per_minute:
        tokens = sum(u.input_tokens + u.output_tokens for u in usage.values())
        seconds = max(seconds, 60 * tokens / cap)
    return seconds


def _over(cap: float | None, amount: float) -> bool:
    return cap is not None and amount > cap
