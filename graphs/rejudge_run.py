"""A run over stored trees with another judge, in its folder: prepared, judged, resumed.

Every reason to refuse it is found in `prepare`, before anything is written.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aloe import config as settings
from aloe.agents.panel import check_audited, read_own_passport
from aloe.agents.registry import (
    check_panel,
    check_prompt_names,
    judges_in_use,
    models_in_use,
    prompts_of,
)
from aloe.calls.batch_request import check_batches
from aloe.calls.batches import open_batches
from aloe.calls.event import appending
from aloe.calls.expected import ExpectedCalls
from aloe.calls.log import CallLog
from aloe.calls.prices import check_prices
from aloe.config import Config
from aloe.graphs.batch import RunProgress
from aloe.graphs.concurrency import width_of
from aloe.graphs.own_code import hash_judge, hash_scripts
from aloe.graphs.rejudge import check_comparable, check_same, keep_hashes, rejudge
from aloe.memory.run_folder import RunFolder
from aloe.models.model_string import ModelString
from aloe.models.open import Model, check_reachable, open_model
from aloe.models.weights import hash_models
from aloe.passport import Passport
from aloe.schema import Tree
from aloe.telemetry import trace_calls

CALLS = ("limits", "budget", "local", "telemetry")
"""Sections about how calls are made: of the new settings as far as these have them."""


@dataclass(frozen=True, kw_only=True)
class RejudgeRun:
    """A run that can begin: nothing of it is written yet, and all of it is checked."""

    config: Config
    trees: Sequence[Tree]
    """What is judged again."""
    folder: RunFolder
    models: Mapping[str, Model]
    """Those of the judges, by agent name."""
    prompts: Mapping[str, str]
    """Content hash of every prompt by name."""
    weights: Mapping[str, str]
    """Hash of the files of every model on this machine, by model string, and of the user's own
    code, by its name in the settings."""
    passport: Passport | None
    """The judge's, if settings name one."""

    progress: RunProgress

    async def check_servers(self) -> None:
        """Make sure that every server answers.

        Raises:
            ModelError: one does not.
        """
        await check_reachable(list(self.models.values()))

    @contextmanager
    def writing(self) -> Iterator[CallLog]:
        """Hold the folder for writing, and yield the log of the run's calls.

        Raises:
            StoreError: another process is writing, or the folder cannot be written.
        """
        config, folder = self.config, self.folder
        held = folder.writing(config, self.prompts, self.weights)
        with held, appending(folder.events) as events:
            folder.keep_passport(self.passport)
            self.progress.expected = expect_calls(config, self.trees, folder.finished())
            batches = open_batches(config.limits, folder.events)
            yield CallLog.resumed(events, config, batches=batches)

    async def judge(self, calls: CallLog, on_change: Callable[[], None]) -> None:
        """Judge the trees that the folder does not hold yet; see `aloe.graphs.rejudge.rejudge`.

        Its calls are traced as the settings say (`aloe.telemetry`).
        """
        with trace_calls(self.config.telemetry, calls, width=width_of(self.config)):
            await rejudge(
                self.config, self.trees, self.folder, self.models, calls, self.progress, on_change
            )


def prepare(run: Path, trees: Sequence[Tree], folder: RunFolder, config: Config) -> RejudgeRun:
    """Check everything that a run can be refused for, and open its models.

    Args:
        run: where the trees come from.
        trees: what is judged again.
        folder: where judged trees go.
        config: settings of the new run, as of `resolve_settings`.

    Raises:
        ConfigError: a setting or a model cannot be used, the folder holds another run, or there is
            nothing to judge.
        InputError: a file cannot be read.
        ModelError: the embedded server cannot be started.
        StoreError: the folder cannot be used.
    """
    check_comparable(trees)
    # What is judged may be some of what the old run was to have.
    config = config.updated({"simulation.trees": len(trees)}, source=run)
    prompts = prompts_of(config)
    check_panel(config)
    folder.check(config, prompts)
    passport = read_own_passport(config)
    folder.check_passport(passport)
    check_same(trees, folder)
    code = {**hash_judge(config), **hash_scripts(judges_in_use(config).values())}
    weights = _hash_models(config, RunFolder(run), code)
    folder.check_code(code)
    folder.check_models({name: found for name, found in weights.items() if name not in code})
    check_audited(config)
    models = {name: open_model(each, config) for name, each in judges_in_use(config).items()}
    check_prices(config, (model.name for model in models.values()))
    if config.limits.batch:
        check_batches(list(models.values()))
    return RejudgeRun(
        config=config,
        trees=trees,
        folder=folder,
        models=models,
        prompts=prompts,
        weights=weights,
        passport=passport,
        progress=RunProgress(wanted=len(trees)),
    )


def _hash_models(config: Config, run: RunFolder, code: Mapping[str, str]) -> dict[str, str]:
    """Return the hashes of the judges' models and code and of what made the trees of `run`."""
    judges = judges_in_use(config)
    others = [each for name, each in models_in_use(config).items() if name not in judges]
    players = {str(ModelString.parse(each.model)) for each in others}
    players |= {role.use for role in config.roles.values()} | {config.simulation.expansion}
    return keep_hashes(run, players, {**hash_models(judges.values()), **code})


def expect_calls(config: Config, trees: Sequence[Tree], done: set[str]) -> ExpectedCalls | None:
    """Return the calls to come, both orders of each comparison to each judge; None: not known."""
    todo = [tree for tree in trees if tree.id not in done]
    compared = sum(bool(verdict.votes) for tree in todo for verdict in tree.verdicts)
    questions = max(1, len(config.judge.criteria)) * len(config.models.judges())
    if config.judge.use or not compared:
        return None
    calls, each = 2 * compared * questions, compared / len(todo)
    return ExpectedCalls(forecast=calls, seconds=0.0, trees=len(todo), exchanges=each)


def resolve_settings(
    run: Path,
    config: Path | None,
    judge: str | None,
    base_url: str | None,
    concurrency: int | None,
    *,
    batch: bool,
) -> Config:
    """Return the settings of `run` with the judge of `config` or, before it, of the flags.

    Raises:
        ConfigError: a setting cannot be used.
        InputError: a file cannot be read.
    """
    stored = run / "config.toml"
    asked = {"simulation.concurrency": concurrency}
    old = settings.load(stored if stored.exists() else None, asked)
    new = settings.load(config) if config else old
    check_prompt_names(new)
    batch = batch or bool(config and new.limits.batch)
    changes: dict[str, Any] = {
        "judge": new.judge,
        "prices": {**old.prices, **new.prices},
        "prompts": _prompts(old, new),
        **{name: getattr(new, name) for name in CALLS if name in new.model_fields_set},
        "models": {"judge": new.models.judge, "panel": new.models.panel},
    }
    if batch:
        changes["simulation"] = {"workers": None, "engine": "local", "ray_address": None}
    merged = old.updated(changes, source=config or stored)
    merged = merged.updated({"limits.batch": batch}, source=settings.COMMAND_LINE)
    judged = merged.with_judge(judge, base_url)
    if config and not new.judge.use:  # a passport beside no judge may be that of --judge
        return judged.updated({"judge.passport": new.judge.passport}, source=config)
    return judged


def _prompts(old: Config, new: Config) -> dict[str, Path]:
    """Return the judge's prompts of the new settings and all others of the old."""

    def judges(name: str) -> bool:
        return name.startswith("judge") and name not in old.roles

    others = {name: path for name, path in old.prompts.items() if not judges(name)}
    return others | {name: path for name, path in new.prompts.items() if judges(name)}
