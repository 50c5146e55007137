"""A simulation in its run folder: prepared, grown, resumed, extended, forked, replayed.

Every reason to refuse a run is found in `prepare`, before anything is written.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TextIO

from aloe import config as settings
from aloe.agents.disclosing import check_users
from aloe.agents.panel import read_own_passport
from aloe.agents.registry import find_cast, models_in_use, prompts_of
from aloe.agents.who_judges import describe_judges
from aloe.calls.batch_request import check_batches
from aloe.calls.batches import open_batches
from aloe.calls.budget import Budget
from aloe.calls.event import appending
from aloe.calls.exchanges import Start
from aloe.calls.forecast import Forecast, forecast
from aloe.calls.history import History
from aloe.calls.log import CallLog
from aloe.calls.prices import check_prices
from aloe.calls.replay import carry, find_plain_models
from aloe.config import Config
from aloe.errors import ConfigError, InputError, StoreError
from aloe.graphs.batch import RunProgress, grow_all
from aloe.graphs.checks import check_rollouts, check_simulation
from aloe.graphs.concurrency import width_of
from aloe.graphs.context import open_models
from aloe.graphs.own_code import hash_code, hash_scripts
from aloe.graphs.plan import (
    PlannedTree,
    check_starts,
    last_turn,
    names_of,
    plan_extension,
    plan_trees,
    read_extended,
)
from aloe.graphs.rollouts import plan_rollouts
from aloe.memory.run_folder import RunFolder
from aloe.models.open import Model, check_reachable, closed_model
from aloe.models.weights import hash_models
from aloe.number_format import counted
from aloe.passport import Passport
from aloe.schema import Persona, Tree
from aloe.telemetry import trace_calls


@dataclass(frozen=True, kw_only=True)
class Simulation:
    """A run that can begin: nothing of it is written yet, and all of it is checked."""

    config: Config
    folder: RunFolder
    models: dict[str, Model]
    """By agent name."""
    wanted: list[PlannedTree]
    history: History
    """What earlier parts of the run left in the folder."""
    prompts: Mapping[str, str]
    """Content hash of every prompt by name."""
    weights: Mapping[str, str]
    """Hash of the files of every model on this machine, by model string, but none in a replay; of
    the user's own code, by its name in the settings."""
    passport: Passport | None
    """The judge's, if settings name one."""
    replayed: Path | None = None
    """Recording that holds every answer; None: the models are asked."""
    forked: RunFolder | None = None
    """Run whose answers are used again where they fit."""

    async def check_servers(self) -> None:
        """Make sure that every server answers, unless none will be asked.

        Raises:
            ModelError: one does not.
        """
        if not self.replayed:
            await check_reachable(list(self.models.values()))

    @contextmanager
    def writing(self) -> Iterator[TextIO]:
        """Hold the folder for writing, and yield its open events file.

        Raises:
            InputError: the recording cannot be read.
            StoreError: another process is writing, or the folder cannot be written.
        """
        with self.folder.writing(self._stored(), self.prompts, self.weights):
            if not self.folder.events.exists():
                self._carry_over()
            with appending(self.folder.events) as events:
                self.folder.keep_passport(self.passport)
                yield events

    def _stored(self) -> Config:
        """Return the settings with the number of trees that the run will have.

        One that extends an unfinished run has fewer than that was to have; one in a folder for
        more trees, of which fewer are wanted now, still has those that are there.
        """
        trees = max(len(self.wanted), self.folder.planned() or 0)
        if trees in (0, self.config.simulation.trees):
            return self.config
        return self.config.updated({"simulation.trees": trees}, source="the trees of the run")

    def _carry_over(self) -> None:
        """Put answers of another run where this one looks for its own."""
        if self.replayed:
            carry(self.replayed, self.folder.events)
        elif self.forked and self.forked.events.exists():
            finished, changed = self.forked.finished(), self.forked.find_changed(self.weights)

            def stands(line: Mapping[str, Any]) -> bool:
                """Whether a call need not be made: what failed or was empty gets another chance."""
                reply = None if line.get("model") in changed else line["reply"]
                return bool(reply and (reply["text"].strip() or line["tree"] in finished))

            carry(self.forked.events, self.folder.events, stands)

    def open_log(self, events: TextIO) -> CallLog:
        """Return the log of the run's calls, with what is left of its budget."""
        budget = Budget(self.config.budget, self.history.spent)
        batches = None if self.replayed else open_batches(self.config.limits, self.folder.events)
        return CallLog(
            events,
            prices=self.config.prices,
            budget=budget,
            batches=batches,
            replayed=self.replayed is not None,
        )

    async def grow(
        self, calls: CallLog, progress: RunProgress, on_change: Callable[[], None] = lambda: None
    ) -> None:
        """Grow the trees that the folder does not hold yet; see `aloe.graphs.batch.grow_all`.

        Its calls are traced as the settings say (`aloe.telemetry`).
        """
        with trace_calls(self.config.telemetry, calls, width=width_of(self.config)):
            await grow_all(
                self.wanted, self.config, self.folder, self.models, calls, progress, on_change
            )

    def forecast(self) -> Forecast:
        """Return what the trees that are not there yet will take."""
        done = self.folder.finished()
        todo = [each for each in self.wanted if each.tree not in done]
        starts = [each.start for each in todo if each.start]
        settings = self.config.simulation
        rollouts = [each for start in starts for each in plan_rollouts(start, settings)]
        return forecast(
            self.config,
            [each.persona for each in todo],
            len(todo),
            self.history.usage,
            starts=[Start.of(each) for each in starts],
            answered=sum(self.history.trees[each.tree] for each in todo),
            single=sum(rollout.exchanges for rollout in rollouts),
            cast=find_cast(self.config),
        )

    def unfinished(self) -> int:
        """Return the number of trees that are not there yet."""
        done = self.folder.finished()
        return sum(each.tree not in done for each in self.wanted)

    def missing(self) -> str | None:
        """Say how many trees of an unfinished run are not grown further; None if all are."""
        there, trees = len(self.wanted), self.config.simulation.trees
        if not any(each.start for each in self.wanted) or there >= trees:
            return None
        return f"{there} of {trees} trees are there; the others are left out"

    def judges(self) -> str | None:
        """Say whose replies rules judge; None if nobody's."""
        return describe_judges(self.config, [each.persona for each in self.wanted])

    def changes(self) -> list[str]:
        """Return the settings in which a fork differs from the run that it is forked from."""
        if not self.forked:
            return []
        return settings.differences(settings.read_stored(self.forked.config), self.config)


def prepare(
    config: Config,
    folder: RunFolder,
    *,
    personas: Sequence[Persona] = (),
    extended: Path | None = None,
    replayed: Path | None = None,
    forked: RunFolder | None = None,
) -> Simulation:
    """Check everything that a run can be refused for, and open its models.

    Args:
        config: settings of the run.
        folder: where its trees go.
        personas: who is simulated, in order; none where `extended` is given.
        extended: finished run whose trees are grown further; None: new trees.
        replayed: recording to take all answers from.
        forked: run whose answers are used again.

    Raises:
        ConfigError: a setting, a model or a role cannot be used, or the folder holds another run.
        InputError: a file cannot be read.
        ModelError: the embedded server cannot be started.
        StoreError: the folder cannot be used.
    """
    held = read_extended(extended) if extended else []
    check_simulation(config)
    prompts = prompts_of(config)
    folder.check(config, prompts)
    asked = () if replayed else models_in_use(config).values()
    weights = hash_models(asked)
    folder.check_models(weights)
    passport = read_own_passport(config)
    folder.check_passport(passport)
    code = {**hash_code(config), **hash_scripts(asked)}
    other = "name another folder"
    folder.check_code(code, other if extended else f"{other} (--fork DIR keeps the answers)")
    weights |= code
    if extended:
        _check_extended(RunFolder(extended), config, prompts, weights, passport)
    if not extended:
        check_rollouts(config)
    models = _close_models(config, replayed) if replayed else open_models(config)
    if extended:
        wanted = _plan_extension(extended, held, config, models)
    else:
        wanted = list(plan_trees(personas, config.simulation.trees, config.seed))
    people = [each.persona for each in wanted]
    check_users(people, config.user.disclosure, config.personas.embedder)
    history = History.of(folder.events, config.prices)
    _check_same_trees(folder, wanted, personas, config, history)
    check_starts(wanted, folder)
    check_prices(config, (model.name for model in models.values()))
    Budget(config.budget, history.spent)  # refuses a cap that cannot be kept
    if config.limits.batch and not replayed:
        check_batches(list(models.values()))
    return Simulation(
        config=config,
        folder=folder,
        models=models,
        wanted=wanted,
        history=history,
        prompts=prompts,
        weights=weights,
        passport=passport,
        replayed=replayed,
        forked=forked,
    )


def _check_extended(
    extended: RunFolder,
    config: Config,
    prompts: Mapping[str, str],
    weights: Mapping[str, str],
    passport: Passport | None,
) -> None:
    """Make sure that new turns are made and judged like those of the run that is extended."""
    extended.check_prompts(prompts)
    extended.check_models(weights, "put those files back, or simulate anew with the present ones")
    named = config.judge.passport
    if named is None:
        other = f"name {extended.passport} as judge.passport in {extended.config}"
    elif extended.passport.exists():
        other = f"copy {extended.passport} to {named}"
    else:
        other = f"leave judge.passport out of {extended.config}"
    again = f"`aloe rejudge {extended.path} --config FILE --out NEWDIR`"
    extended.check_passport(passport, f"{other}, or judge them again ({again}) and extend NEWDIR")


def _close_models(config: Config, recording: Path) -> dict[str, Model]:
    """Return stand-ins for the models of a run whose answers are all in `recording`."""
    if not recording.is_file():
        raise InputError(recording, "there is no such recording")
    reason = (
        f"{recording} holds no answer to a call that this run makes; replay it with the personas, "
        "settings and number of trees that it was recorded with"
    )
    closed = {name: closed_model(each, reason) for name, each in models_in_use(config).items()}
    plain = find_plain_models(recording)
    return {
        name: replace(model, openai_compatible=False)
        if names_of(model) & plain and "seed" not in model.config.omit
        else model
        for name, model in closed.items()
    }


def _plan_extension(
    extended: Path, trees: Sequence[Tree], config: Config, models: Mapping[str, Model]
) -> list[PlannedTree]:
    """Return the trees of a finished run, to be grown to more turns than they have."""
    if RunFolder(extended).busy():
        raise StoreError(
            f"{extended} is in use by another aloe process; extend it when that has ended"
        )
    deepest = max(map(last_turn, trees), default=0)
    if config.simulation.turns <= deepest and not config.simulation.rollouts.count:
        raise ConfigError(
            f"{extended} already has {counted(deepest, 'turn')}; give more with --turns, or "
            "continue its replies more often with --rollouts"
        )
    return plan_extension(trees, models)


def _check_same_trees(
    folder: RunFolder,
    wanted: Sequence[PlannedTree],
    personas: Sequence[Persona],
    config: Config,
    history: History,
) -> None:
    """Make sure that what the folder holds was begun from the same personas."""
    there = history.trees.keys() | folder.finished()
    known = {each.tree for each in wanted}
    if personas and there - known:  # of a run for more trees, perhaps
        before = settings.read_stored(folder.config).simulation.trees
        most = max(before, len(there))  # earlier versions stored a smaller number than is there
        known |= {each.tree for each in plan_trees(personas, most, config.seed)}
    if strangers := sorted(there - known):
        raise ConfigError(
            f"{folder.path} holds {counted(len(strangers), 'tree')} not grown from these personas "
            f"({strangers[0]} is the first); name the file it was started with, or another folder"
        )
    played = {each.tree: each.persona for each in wanted}
    for tree, persona in folder.personas():
        if not persona.plays_like(played.get(tree, persona)):
            raise ConfigError(
                f"{folder.path} holds tree {tree} of persona {persona.id}, who has changed since; "
                "name the file it was started with, or another folder"
            )
