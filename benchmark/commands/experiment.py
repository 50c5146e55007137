"""`aloe experiment`: show from end to end whether training on trees makes a model adapt."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aloe.console import finish, say, show
from aloe.errors import EXIT_CODE, INTERRUPTED, AloeError, ConfigError
from aloe.options import ConfigFile, Json, Quiet, Seed

if TYPE_CHECKING:
    from aloe.benchmark.experiment.pipeline import Verb
    from aloe.config import Config


def experiment(
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="Folder of all stages; resumed if it is.")
    ],
    quick: Annotated[
        bool,
        typer.Option("--quick", help="Only train by SFT and compare the reward on training users."),
    ] = False,
    ablation: Annotated[
        list[str] | None,
        typer.Option("--ablation", metavar="NAME", help="Also make this ablation; or `all`."),
    ] = None,
    test: Annotated[
        bool,
        typer.Option("--test/--no-test", help="Without it, make only what the ablations need."),
    ] = True,
    report: Annotated[
        Path | None,
        typer.Option(
            "--report",
            metavar="FILE.md",
            help="Where the results go [DIR/results.md, or ablations.md].",
        ),
    ] = None,
    seed: Seed = None,
    seeds: Annotated[
        int,
        typer.Option(
            "--seeds", metavar="N", min=1, help="Experiments with this seed and the next ones."
        ),
    ] = 1,
    config: ConfigFile = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Grow trees, train on them, and measure whether the models adapt to users they never met.

    Every stage is found again by what decides its content, so the same command goes on where it
    was stopped, and a changed setting makes anew only what depends on it. DIR/experiment.log says
    what was done when, and when the test personas were first used.

    Example: `aloe experiment --config examples/proof.toml --out runs/proof`
    """
    from aloe import config as settings
    from aloe.benchmark.experiment.ablations import chosen, compared
    from aloe.benchmark.experiment.pipeline import Experiment
    from aloe.benchmark.experiment.pooled import write_pooled
    from aloe.benchmark.experiment.report import Ablated, write_ablations, write_report
    from aloe.benchmark.experiment.stage import Stages
    from aloe.files.writing import replace_text

    if config is None:
        raise ConfigError("name the settings: --config examples/proof.toml, or proof-quick.toml")
    if quick and (ablation or report):
        raise ConfigError("--quick makes neither ablations nor a report; leave out --quick")
    if seeds > 1 and (quick or ablation):
        raise ConfigError("--seeds makes whole experiments; leave out --quick and --ablation")
    if not (test or quick or ablation):
        raise ConfigError("--no-test leaves nothing to make without --ablation NAME")
    resolved = settings.load(config, {"seed": seed})
    _check(resolved)
    wanted = chosen(ablation or [], resolved)

    def on_line(text: str) -> None:
        if not quiet:
            say(f"experiment: {text}")

    stages = Stages(root=out, on_line=on_line, at_once=resolved.experiment.at_once)
    configs = [
        resolved.model_copy(update={"seed": resolved.seed + number}) for number in range(seeds)
    ]
    try:
        with stages.held() as lock:
            verb = _verb(lock, quiet=quiet or stages.at_once > 1)
            experiments = [Experiment(config=each, stages=stages, verb=verb) for each in configs]
            first = experiments[0]
            if quick:
                _quick(first, as_json=as_json)
                return
            made = stages.together(*(each.run for each in experiments)) if test else []
            before = made[0] if test else first.validated(compared(first, wanted))
            ablated = [
                Ablated(
                    name=each.name, about=each.about, against=each.against, bench=each.bench(first)
                )
                for each in wanted
            ]
    except KeyboardInterrupt:
        say(f"stopped; run the same command again to go on in {out}")
        raise typer.Exit(INTERRUPTED) from None
    page = report or out / ("results.md" if test else "ablations.md")
    if not test:
        summary = write_ablations(page, resolved, before, ablated)
    elif seeds == 1:
        summary = write_report(page, resolved, made[0], ablated)
    else:
        summary = write_pooled(page, list(zip(configs, made, strict=True)))
    replace_text(out / "timings.json", json.dumps(stages.seconds, indent=1) + "\n")
    show("\n".join(summary.lines), as_json=as_json)
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
    from aloe.graphs.batch import RunProgress
    from aloe.graphs.commands.dashboard import RunDisplay, exit_on_failures
    from aloe.loop import make_runner
    from aloe.memory.personas import read_personas
    from aloe.memory.run_folder import RunFolder
    from aloe.models.open import check_reachable

    resolved = settings.load(config, {"seed": seed})
    people = read_personas(personas)
    folder = RunFolder(out)
    folder.check(resolved)
    models = open_assistants(resolved)
    progress = RunProgress(wanted=resolved.simulation.trees)
    asked = [models[each.name] for each in resolved.models.assistants]
    with make_runner() as loop:
        loop.run(check_reachable(asked))
        with folder.writing(resolved), appending(folder.events) as events:
            calls = CallLog(events, prices=resolved.prices, on_event=lambda e: display.follow(e))
            display = RunDisplay(progress, calls, quiet=quiet, name="experiment-trees")
            try:
                with display.running():
                    loop.run(
                        grow(
                            resolved, people, folder, models, calls, progress, display.update,
                            deployed=deployed,
                        )
                    )  # fmt: skip
            except KeyboardInterrupt:
                say(f"stopped; run the same command again to go on in {out}")
                raise typer.Exit(INTERRUPTED) from None
    finish({"out": str(out), "trees": len(folder.finished())}, as_json=as_json)
    exit_on_failures(progress)


def _check(config: "Config") -> None:
    """Make sure before anything is made that it can be."""
    import importlib.util

    from aloe.benchmark.experiment.trees import edited

    missing = [name for name in ("torch", "trl", "peft") if not importlib.util.find_spec(name)]
    if missing:
        raise ConfigError(
            f"the experiment trains and needs {missing[0]}: pip install 'aloe-align[train]'"
        )
    edited(config)


def _verb(lock: int, *, quiet: bool) -> "Verb":
    """Return what runs a verb in a process of its own, which holds the folder too."""

    def run(arguments: Sequence[str]) -> None:
        command = [sys.executable, "-m", "aloe", *arguments]
        if quiet and arguments[0] != "export":
            command.append("--quiet")
        ended = subprocess.run(command, stdout=subprocess.DEVNULL, pass_fds=(lock,), check=False)
        if ended.returncode == INTERRUPTED:
            raise KeyboardInterrupt
        if ended.returncode:
            raise AloeError(
                f"`aloe {' '.join(arguments)}` ended with exit code {ended.returncode}; its reason "
                "stands above; the same command again goes on from there"
            )

    return run


def _quick(made: Any, *, as_json: bool) -> None:
    """Compare the reward of base and SFT on training users; fail if it did not rise."""
    from aloe.benchmark.experiment.pipeline import level

    base, sft = (level(bench) for bench in made.quick())
    show(f"rule-judged reward on training users: base {base:.3f}, sft {sft:.3f}", as_json=as_json)
    finish({"reward": {"base": base, "sft": sft}}, as_json=as_json)
    if sft <= base:
        say("aloe: the reward did not rise", style="red")
        raise typer.Exit(EXIT_CODE)
