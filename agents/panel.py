"""The judge that the settings describe: one model or several that vote, calibrated or not.

Judges err in different ways, and a model family tends to prefer its own words; a panel from
different families is better than a large judge asked twice (Verga et al. 2024, arXiv 2404.18796).
Every member is asked in both orders and decides independently; the majority of those that reached a
decision wins, and without a majority the panel abstains. All votes are kept. Margins of different
models are on different scales, so a panel has none.

A passport belongs to one judge: it is refused if models, prompts, criteria, thresholds or the
source of a custom judge differ, or if the model's files have been replaced. These files are only
looked at where models are to be asked: a replay needs none.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from aloe.agents.code_hashes import hash_own
from aloe.agents.custom_judge import CustomJudge
from aloe.agents.judge import Comparison, Judge, PreferenceJudge, Question, majority
from aloe.agents.registry import find_judge, judges_in_use
from aloe.agents.rules import RuleJudge
from aloe.calls.log import CallLog
from aloe.calls.together import ask_each
from aloe.config import Config
from aloe.console import say
from aloe.errors import ConfigError
from aloe.memory.run_inputs import find_changed
from aloe.models.model_string import ModelString
from aloe.models.open import Model
from aloe.models.weights import hash_models
from aloe.passport import JudgeIdentity, Passport, read_audit
from aloe.schema import Verdict


@dataclass(frozen=True, kw_only=True)
class Panel:
    """Lets several judges vote."""

    members: tuple[Judge, ...]
    at_once: bool = False
    """Whether they are asked at once."""

    async def compare(self, asked: Comparison) -> Verdict:
        """Return the majority's verdict with everybody's votes.

        Raises:
            CallError: a member's call failed.
        """
        asks = [partial(member.compare, asked) for member in self.members]
        verdicts = await ask_each(asks, at_once=self.at_once)
        votes = tuple(vote for verdict in verdicts for vote in verdict.votes)
        return asked.verdict(majority((verdict.outcome, 1.0) for verdict in verdicts), votes)


@dataclass(frozen=True, kw_only=True)
class CalibratedJudge:
    """Adds to another judge's verdicts how likely they are right."""

    judge: Judge
    passport: Passport

    async def compare(self, asked: Comparison) -> Verdict:
        """Return the judge's verdict with its confidence.

        Raises:
            CallError: a call failed.
        """
        verdict = await self.judge.compare(asked)
        return verdict.model_copy(update={"confidence": self.passport.confidence(verdict)})


def make_judge(config: Config, models: Mapping[str, Model], calls: CallLog) -> Judge:
    """Build the judge that `config` describes.

    Args:
        config: settings of the run.
        models: by agent name; those of `aloe.agents.registry.judges_in_use` are used.
        calls: the log that every call passes.

    Raises:
        InputError: the passport cannot be read.
        ConfigError: the passport is another judge's, or a custom judge or prompt cannot
            be used.
    """
    if own := find_judge(config):
        judge: Judge = CustomJudge(
            use=own.use,
            play=own.made(config.simulation.concurrency),
            prompt=own.prompt,
            model=models.get("judge"),
            calls=calls,
            min_margin=config.judge.min_margin,
            orders=own.orders,
        )
    else:
        judge = _models(config, models, calls)
    if passport := read_own_passport(config):
        judge = CalibratedJudge(judge=judge, passport=passport)
    return RuleJudge(other=judge) if config.rules_judge else judge


def _models(config: Config, models: Mapping[str, Model], calls: CallLog) -> Judge:
    """Return the judge that asks one model, or a panel of several."""
    members = tuple(
        PreferenceJudge(
            model=models[name],
            calls=calls,
            min_margin=config.judge.min_margin,
            min_mass=config.judge.min_mass,
            questions=Question.about(config.judge.criteria, config.prompts),
        )
        for name in config.models.judges()
    )
    at_once = calls.batches is not None
    return Panel(members=members, at_once=at_once) if len(members) > 1 else members[0]


def identity(config: Config, weights: Mapping[str, str] | None = None) -> JudgeIdentity:
    """Return what makes the judge of `config` the judge it is.

    Args:
        config: settings of the run.
        weights: hash of the files of each of its models, by model string; None: not known.

    Raises:
        ConfigError: a custom judge or prompt cannot be used.
        ModelError: a file that is named to a custom judge cannot be read.
    """
    own = find_judge(config)
    judges = judges_in_use(config).values()
    models = tuple(str(ModelString.parse(each.model, each.options)) for each in judges)
    if own:
        prompts = [own.prompt]
    else:
        questions = Question.about(config.judge.criteria, config.prompts)
        prompts = [question.prompt for question in questions]
    return JudgeIdentity(
        models=(own.identity, *models) if own else models,
        prompts={prompt.name: prompt.sha for prompt in prompts if prompt},
        criteria=dict(config.judge.criteria),
        min_margin=config.judge.min_margin,
        min_mass=config.judge.min_mass,
        weights=dict(weights or {}),
        code=hash_own(own.use, own.target, own.arguments) if own else {},
    )


def read_own_passport(config: Config) -> Passport | None:
    """Return the passport of the judge that `config` describes; None if it names none.

    Its weights are not looked at (`check_audited`).

    Raises:
        InputError: it cannot be read.
        ConfigError: it is another judge's, or of a custom judge whose source has changed since.
        ModelError: a file that is named to a custom judge cannot be read.
    """
    if config.judge.passport is None:
        return None
    passport = read_audit(config.judge.passport)
    own, files = identity(config), {"weights", "code"}
    now = own.model_dump(exclude=files)
    audited = passport.judge.model_dump(exclude=files)
    differ = [key for key, value in audited.items() if now[key] != value]
    if differ:
        raise ConfigError(
            f"{config.judge.passport} is another judge's passport ({', '.join(differ)} differ); "
            "run `aloe judge audit` with this run's settings"
        )
    _check_code(config, passport.judge.code, own.code)
    return passport


def _check_code(config: Config, audited: Mapping[str, str], now: Mapping[str, str]) -> None:
    """Make sure that a custom judge was audited as it is now."""
    file, again = config.judge.passport, "run `aloe judge audit` again"
    if now and not audited:
        raise ConfigError(
            f"{file} is of an earlier version, which asked {config.judge.use} in one order and "
            f"kept no hash of its source; {again}"
        )
    names = {**now, **audited}
    if changed := [name for name in names if now.get(name) != audited.get(name)]:
        what = "its source" if changed[0] == config.judge.use else changed[0]
        raise ConfigError(
            f"{file} is the passport of {config.judge.use} as it was before {what} changed; {again}"
        )


def check_audited(config: Config) -> None:
    """Make sure that the passport in use is of the weights that are here.

    One of an earlier version does not say, which is said.

    Raises:
        InputError: the passport cannot be read.
        ConfigError: it is another judge's, or the files of a model have changed since.
        ModelError: a file of a model cannot be read.
    """
    if (passport := read_own_passport(config)) is None:
        return
    file, known = config.judge.passport, passport.judge.weights
    here = hash_models(judges_in_use(config).values())
    if changed := find_changed(known, here):
        raise ConfigError(
            f"{file} is the passport of {changed[0]} as it was before its files changed; run "
            "`aloe judge audit` again"
        )
    if unknown := sorted(here.keys() - known.keys()):
        say(f"{file} does not say of which files of {unknown[0]} it is; a new audit would")
