"""`aloe experiment`: show from end to end whether training on trees makes a model adapt."""

import json
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aloe.console import finish, say, say_written, show
from aloe.errors import EXIT_CODE, ConfigError
from aloe.extras import TRAINING, require
from aloe.options import ConfigFile, Json, Quiet, Seed, refuse_unread
from aloe.resumable import resumable, within_budget

if TYPE_CHECKING:
    from aloe.benchmark.experiment.pipeline import Experiment
    from aloe.config import Config

Out = Annotated[
    Path, typer.Option("--out", metavar="DIR", help="Folder of all stages; resumed if it exists.")
]
Quick = Annotated[
    bool,
    typer.Option("--quick", help="Only train SFT and compare the reward on training users."),
]
Ablations = Annotated[
    list[str] | None,
    typer.Option("--ablation", metavar="NAME", help="Also run this ablation, or `all`."),
]
Test = Annotated[
    bool,
    typer.Option("--test/--no-test", help="With --no-test, run only what the ablations need."),
]
Report = Annotated[
    Path | None,
    typer.Option(
        "--report",
        metavar="FILE.md",
        help="Page of results [DIR/results.md, or ablations.md].",
    ),
]
Seeds = Annotated[
    int,
    typer.Option(
        "--seeds",
        metavar="N",
        min=1,
        help="Experiments, with this seed and the next ones.",
    ),
]


def experiment(
    out: Out,
    quick: Quick = False,
    ablation: Ablations = None,
    test: Test = True,
    report: Report = None,
    seed: Seed = None,
    seeds: Seeds = 1,
    config: ConfigFile = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Grow trees, train on them, and measure whether the models adapt to users they never met.

    Stages are addressed by what determines their content, so the same command resumes where it
    stopped, and changing a setting reruns only what depends on it. DIR/experiment.log records
    every step, and when the test personas were first used.

    Example: `aloe experiment --config examples/proof.toml --out runs/proof`
    """
    from aloe import config as settings
    from aloe.benchmark.experiment.ablations import choose_ablations
    from aloe.benchmark.experiment.pipeline import Experiment
    from aloe.benchmark.experiment.processes import make_command_runner
    from aloe.benchmark.experiment.series import Series
    from aloe.benchmark.experiment.stage import Stages
    from aloe.files.writing import replace_text

    if config is None:
        raise ConfigError("name the settings: --config examples/proof.toml, or proof-quick.toml")
    _check_quick(quick, {"--ablation": ablation, "--report": report, "--no-test": not test})
    if seeds > 1 and (quick or ablation):
        raise ConfigError("--seeds makes whole experiments; leave out --quick and --ablation")
    if report and report.suffix != ".md":
        raise ConfigError(f"--report {report}: a page of Markdown; name a file that ends in .md")
    if not (test or quick or ablation):
        raise ConfigError("--no-test leaves nothing to make without --ablation NAME")
    resolved = settings.load(config, {"seed": seed})
    _check(resolved, plain=not (quick or ablation or seeds > 1))
    _check_served(resolved, seeds)
    wanted = choose_ablations(ablation or [], resolved)
    stages = Stages(
        root=out,
        on_line=lambda text: None if quiet else say(f"experiment: {text}"),
        at_once=resolved.experiment.at_once,
    )
    with resumable(out), stages.hold() as lock:
        run_command = make_command_runner(lock, quiet=quiet or stages.at_once > 1)
        if quick:
            one = Experiment(config=resolved, stages=stages, run_command=run_command)
            _compare_rewards(one, as_json=as_json)
            return
        configs = [resolved.model_copy(update={"seed": resolved.seed + n}) for n in range(seeds)]
        series = Series(configs=configs, stages=stages, ablations=wanted, test=test)
        page = report or out / ("results.md" if test else "ablations.md")
        summary = series.make(page, run_command)
    replace_text(out / "timings.json", json.dumps(stages.seconds, indent=1) + "\n")
    show("\n".join(summary.lines), as_json=as_json, lines=True, cut=False)
    say_written(out)
    finish({"out": str(out), **summary.result}, as_json=as_json)


def experiment_trees(
    personas: Annotated[Path, typer.Option("--personas", metavar="FILE", help="Who is played.")],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Run folder.")],
    deployed: Annotated[
        bool, typer.Option("--deployed", help="Give the assistants no instruction.")
    ] = False,
    config: ConfigFile = None,
    seed: Seed = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Grow trees with rules as user, inducer, rewriter and judge; a stage of `aloe experiment`.

    Example: `aloe experiment-trees --config F.toml --personas personas.jsonl --out runs/trees`
    """
    from aloe import config as settings
    from aloe.benchmark.experiment.trees import grow, open_assistants
    from aloe.calls.event import appending
    from aloe.calls.log import CallLog
    from aloe.calls.prices import check_prices
    from aloe.graphs.batch import RunProgress
    from aloe.graphs.commands.dashboard import RunDisplay, exit_on_failures
    from aloe.loop import make_runner
    from aloe.memory.personas import read_personas
    from aloe.memory.run_folder import RunFolder
    from aloe.models.open import check_reachable
    from aloe.models.weights import hash_models

    resolved = settings.load(config, {"seed": seed})
    people = read_personas(personas)
    folder = RunFolder(out)
    folder.check(resolved)
    weights = hash_models(resolved.models.assistants)
    folder.check_models(weights)
    models = open_assistants(resolved)
    progress = RunProgress(wanted=resolved.simulation.trees)
    asked = [models[each.name] for each in resolved.models.assistants]
    check_prices(resolved, (model.name for model in asked))
    with make_runner() as loop:
        loop.run(check_reachable(asked))
        with folder.writing(resolved, models=weights), appending(folder.events) as events:
            calls = CallLog.resumed(events, resolved)
            display = RunDisplay(progress, calls, quiet=quiet, name="experiment-trees")
            calls.listen(display.follow)
            work = grow(
                resolved, people, folder, models, calls, progress, display.update, deployed=deployed
            )
            with resumable(out), within_budget(out), display.running():
                loop.run(work)
    say_written(out)
    finish({"out": str(out), "trees": len(folder.finished())}, as_json=as_json)
    exit_on_failures(progress)


def _check_quick(quick: bool, more: dict[str, object]) -> None:
    """Make sure that nothing is asked for that the quick form does not make."""
    if quick:
        refuse_unread(more, "beside --quick")


def _check(config: "Config", *, plain: bool) -> None:
    """Make sure before anything is made that it can be.

    Args:
        config: settings of the experiment.
        plain: whether it has its usual form, and one seed.
    """
    from aloe.benchmark.experiment.trees import find_edited

    require("the experiment trains and", *TRAINING)
    import_module("aloe.training.checks").check_settings(config)  # it stands beside this package
    find_edited(config)
    _check_unread(config)
    if config.experiment.recipe == "ask":
        _check_asking(config, plain=plain)


def _check_served(config: "Config", seeds: int) -> None:
    """Make sure that trained models can be asked, and that no two have the same model string."""
    from aloe.config import ModelConfig
    from aloe.models.providers import parse_model

    given = config.experiment
    one, other = (given.name_model("sft", Path(f"sft-{number}")) for number in range(2))
    try:
        parse_model(ModelConfig(model=one))
    except ConfigError as error:
        raise ConfigError(f"experiment.served: {error}") from None
    own_trees = given.recipe == "adapt" and given.rl_method == "rejection"  # an SFT model's
    several = {
        "--seeds": seeds > 1,
        "experiment.transfer": own_trees and {*given.transfer} - {config.user.disclosure},
    }
    if one == other and (asked := [name for name, found in several.items() if found]):
        raise ConfigError(
            f"experiment.served: {{name}} is the same for several models with {asked[0]}; write "
            "{stage} or {folder} in its place"
        )


def _check_unread(config: "Config") -> None:
    """Make sure that nothing is asked for that an experiment does not make."""
    if config.limits.batch:
        raise ConfigError(
            "limits.batch: an experiment makes every call at once, for what it trains is at no "
            "server with a batch API; leave it out"
        )
    if not config.rules_judge:
        raise ConfigError(
            "judge: rules judge the trees of an experiment; set judge.rules = true (a judge that "
            "settings name is asked by --ablation model-judge alone)"
        )
    if config.simulation.moods:
        raise ConfigError(
            "simulation.moods: rules play the users of an experiment, and know no moods; leave "
            "it out"
        )


def _check_asking(config: "Config", *, plain: bool) -> None:
    if not plain:
        raise ConfigError(
            '[experiment] recipe = "ask" has no quick form, no ablations and one seed; leave out '
            "--quick, --ablation and --seeds"
        )
    if not config.experiment.asker:
        raise ConfigError(
            '[experiment] recipe = "ask" has nobody to learn asking from: name an assistant, as in '
            f'asker = "{config.models.assistants[0].name}"'
        )
    if config.experiment.horizon > config.simulation.turns:
        raise ConfigError(
            f"experiment.horizon = {config.experiment.horizon} looks further ahead than trees of "
            f"simulation.turns = {config.simulation.turns} go"
        )
    if config.user.disclosure == "schedule":
        raise ConfigError(
            '[experiment] recipe = "ask": users who tell everything by schedule need not be asked; '
            'set user.disclosure = "reticent"'
        )


def _compare_rewards(made: "Experiment", *, as_json: bool) -> None:
    """Compare the reward of base and SFT on training users; fail if it did not rise."""
    from aloe.benchmark.experiment.steps import read_level

    base, sft = map(read_level, made.run_quick())
    show(f"rule-judged reward on training users: base {base:.3f}, sft {sft:.3f}", as_json=as_json)
    say_written(made.stages.root)
    finish({"reward": {"base": base, "sft": sft}}, as_json=as_json)
    if sft <= base:
        say("aloe: the reward did not rise", style="red")
        raise typer.Exit(EXIT_CODE)
