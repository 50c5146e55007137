"""Ask a judge about the gold pairs, and test whether it prefers its own words.

For self-preference the judge's model answers some of the messages itself, without the persona,
which the worse reply of a pair ignores too. If the judge lets its own reply beat the better one
more often than the worse reply does, on the same pairs, it favours its own words (or they are
better than the worse reply: an indication, not a proof).
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from aloe.agents.faults import silence
from aloe.agents.panel import identity, make_judge
from aloe.agents.registry import check_panel, check_prompt_names, judges_in_use
from aloe.agents.transcript import chat_messages
from aloe.benchmark.gold_pairs import AuditPair, pick_pairs
from aloe.benchmark.passport import JudgedPair, issue
from aloe.benchmark.people_pairs import PeopleGold, count_agreement
from aloe.calls.event import appending, read_events
from aloe.calls.log import CallLog
from aloe.calls.prices import check_prices
from aloe.config import Config
from aloe.files.appending import cut_torn_line
from aloe.files.lock import acquire_lock
from aloe.graphs.concurrency import work_through
from aloe.memory.known_weights import keep_weights
from aloe.models.open import Model, check_reachable, open_model
from aloe.models.weights import hash_models
from aloe.passport import Passport, PeopleChoices
from aloe.schema import Verdict, derive_seed
from aloe.telemetry import trace_calls

OWN_TOKENS = 80
"""Longest reply, in tokens, that the judge writes itself."""


@dataclass(kw_only=True)
class AuditProgress:
    """How far an audit is; changed in place while it goes on."""

    wanted: int
    done: int = 0
    right: int = 0
    decided: int = 0

    def add(self, judged: JudgedPair) -> None:
        """Count a pair."""
        self.done += 1
        self.right += judged.outcome == "right"
        self.decided += judged.decided


Around = Callable[[AuditProgress, CallLog], AbstractContextManager[Callable[[], None]]]
"""Stands around an audit, and gives what is called at every change."""


def open_judges(config: Config, events: Path) -> dict[str, Model]:
    """Return the models of the judges, by agent name, that may go on with what `events` holds.

    Raises:
        ConfigError: a setting or a model cannot be used, the files of one have changed since, or a
            cap in dollars cannot be kept.
        InputError: what is written about the models of earlier calls is broken.
        ModelError: the embedded server cannot be started.
        StoreError: the hashes of their files cannot be written.
    """
    check_prompt_names(config)
    check_panel(config)
    judges = judges_in_use(config)
    keep_weights(events, hash_models(judges.values()))
    models = {name: open_model(each, config) for name, each in judges.items()}
    check_prices(config, (model.name for model in models.values()))
    return models


async def run_audit(
    config: Config,
    pairs: Sequence[AuditPair],
    models: Mapping[str, Model],
    events: Path,
    *,
    own: int,
    people: PeopleGold | None,
    around: Around,
) -> Passport:
    """Audit the judge that `config` describes, and ask nothing that `events` answers.

    Args:
        config: settings.
        pairs: what the judge is asked.
        models: as of `open_judges`.
        events: keeps the calls.
        own: as of `audit`.
        people: as of `audit`.
        around: stands around the audit.

    Raises:
        InputError: what is written about earlier calls is broken.
        StoreError: another process is writing, or the file cannot be written.
        ModelError: a model is refused or gone; what is answered is kept.
        CallError: a call failed for good; the same.
        BudgetError: the budget is spent; the same.
    """
    await check_reachable(list(models.values()))
    progress = AuditProgress(wanted=len(pairs))
    taken = f"{events} is in use by another aloe process"
    with acquire_lock(events, lambda _: taken), appending(events) as file:
        cut_torn_line(events)
        calls = CallLog.resumed(file, config, patient=True)
        calls.remember(read_events(events))
        with around(progress, calls) as on_change, trace_calls(config.telemetry, calls):
            return await audit(
                config, pairs, models, calls, progress, own=own, people=people, on_change=on_change
            )


async def audit(
    config: Config,
    pairs: Sequence[AuditPair],
    models: Mapping[str, Model],
    calls: CallLog,
    progress: AuditProgress,
    *,
    own: int,
    people: PeopleGold | None = None,
    on_change: Callable[[], None] = lambda: None,
) -> Passport:
    """Return the passport of the judge that `config` describes.

    Args:
        config: settings; a passport that they name is not looked at, nor do rules judge in the
            judge's place: what they said would be no verdict of it.
        pairs: what the judge is asked.
        models: those of the judges, by agent name.
        calls: the log that every call passes.
        progress: counted up while the audit goes on.
        own: pairs for which the judge, if it is a model, also writes a reply; 0 for none.
        people: whose choices the pairs' labels are; None if they were constructed.
        on_change: called whenever `progress` changed.

    Raises:
        ModelError: a model is refused or gone.
        CallError: a call failed for good.
    """
    alone = config.judge.model_copy(update={"passport": None, "rules": False})
    plain = config.model_copy(update={"judge": alone})
    judge = make_judge(plain, models, calls)
    weights = hash_models(judges_in_use(plain).values())
    with_own = {pair.id for pair in pick_pairs(pairs, own if "judge" in models else 0)}
    judged: dict[str, JudgedPair] = {}

    async def own_verdict(pair: AuditPair) -> Verdict | None:
        if pair.id not in with_own or not (text := await _answer(pair, models["judge"], calls)):
            return None
        return await judge.compare(pair.compared(pair.better, text))

    async def work(pair: AuditPair) -> None:
        verdict = await judge.compare(pair.comparison)
        judged[pair.id] = JudgedPair(pair=pair, verdict=verdict, own=await own_verdict(pair))
        progress.add(judged[pair.id])
        on_change()

    await work_through(pairs, min(config.simulation.concurrency, len(pairs)), work)
    found = [judged[pair.id] for pair in pairs]
    return issue(identity(plain, weights), found, _choices(people, judged))


def _choices(people: PeopleGold | None, judged: Mapping[str, JudgedPair]) -> PeopleChoices | None:
    """Return whose choices the labels are, and how far the judge agrees with single people."""
    if people is None:
        return None
    verdicts = [judged[pair.id].verdict for pair in people.pairs]
    agreement = count_agreement(people.pairs, verdicts)
    return people.choices.model_copy(update={"agreement": agreement})


async def _answer(pair: AuditPair, model: Model, calls: CallLog) -> str:
    """Let the judge's model answer as any assistant would; empty if it says nothing."""
    comparison = pair.comparison
    messages = chat_messages([*comparison.path, comparison.user])
    async with calls.call("judge's own reply", model, tree=pair.id) as call:
        seed = derive_seed("own", pair.id)
        reply = await call.ask(messages, seed=seed, max_tokens=OWN_TOKENS)
        call.event.outcome = "ok" if reply.text else silence(reply)
    return reply.text
