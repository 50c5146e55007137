"""`aloe train`: rows in, a model out."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table

from aloe.console import Display, finish, say, show
from aloe.errors import INTERRUPTED, ConfigError
from aloe.options import ConfigFile, Json, Quiet, Seed, with_flags
from aloe.views.figures import duration

if TYPE_CHECKING:
    from aloe.config import Config
    from aloe.training.dataset import Method
    from aloe.training.plan import TrainingProgress

app = typer.Typer(help="Train a model on trees or rows.", no_args_is_help=True)

Start = Annotated[
    Path | None,
    typer.Option("--start", metavar="DIR", help="Checkpoint to go on from, such as SFT's."),
]
Packing = Annotated[
    bool | None,
    typer.Option("--tree-packing/--no-tree-packing", help="Compute shared prefixes once."),
]


@dataclass(frozen=True, kw_only=True)
class Options:
    """What every method takes; each field is a flag."""

    data: Annotated[
        Path,
        typer.Option("--data", metavar="PATH", help="Run folder, dataset folder or file of rows."),
    ]
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="Model folder; resumed if it is one.")
    ]
    model: Annotated[
        str | None,
        typer.Option("--model", metavar="STR", help="Base: a folder, GGUF file or embedded model."),
    ] = None
    full: Annotated[bool, typer.Option("--full", help="Train all weights instead of adapters.")] = (
        False
    )
    epochs: Annotated[float | None, typer.Option("--epochs", help="Passes over the data.")] = None
    max_steps: Annotated[int | None, typer.Option("--max-steps", help="Optimizer steps; wins.")] = (
        None
    )
    learning_rate: Annotated[
        float | None, typer.Option("--learning-rate", help="Peak learning rate.")
    ] = None
    report_to: Annotated[
        str, typer.Option("--report-to", help="trackio, wandb or tensorboard, if installed.")
    ] = "none"
    seed: Seed = None
    config: ConfigFile = None
    as_json: Json = False
    quiet: Quiet = False

    def settings(self, **own: Any) -> "Config":
        """Return the settings: file, then flags; `own` are further ones of `[training]`."""
        from aloe import config as settings

        flags = {
            "model": self.model,
            "lora": False if self.full else None,
            "arguments.num_train_epochs": self.epochs,
            "arguments.max_steps": self.max_steps,
            "arguments.learning_rate": self.learning_rate,
            **own,
        }
        named = {f"training.{name}": value for name, value in flags.items()}
        return settings.load(self.config, {"seed": self.seed, **named})


@app.command("sft")
@with_flags
def sft(options: Options, start: Start = None, tree_packing: Packing = None) -> None:
    """Imitate the preferred reply of every turn.

    Example: `aloe train sft --data runs/first --out runs/first/models/sft`
    """
    _train("sft", options, options.settings(tree_packing=tree_packing), start)


@app.command("dpo")
@with_flags
def dpo(
    options: Options,
    start: Start = None,
    from_base: Annotated[
        bool, typer.Option("--from-base", help="Start from the base, without SFT before.")
    ] = False,
    weighted: Annotated[
        bool | None,
        typer.Option("--weighted/--unweighted", help="Count pairs by the judge's agreement."),
    ] = None,
    tree_packing: Packing = None,
) -> None:
    """Prefer the better reply of each pair; starts from the SFT model beside --out.

    Example: `aloe train dpo --data runs/first --out runs/first/models/dpo`
    """
    settings = options.settings(tree_packing=tree_packing, weighted=weighted)
    _train("dpo", options, settings, _after_sft(options.out, start, from_base=from_base))


@app.command("kto")
@with_flags
def kto(options: Options, start: Start = None) -> None:
    """Learn from single replies marked good or bad (TRL's KTO).

    Example: `aloe train kto --data runs/first --out runs/first/models/kto`
    """
    _train("kto", options, options.settings(), start)


@app.command("reward")
@with_flags
def reward(options: Options) -> None:
    """Train a reward model: one score for a conversation (TRL's RewardTrainer).

    Example: `aloe train reward --data runs/first --out runs/first/models/reward`
    """
    _train("reward", options, options.settings(), None)


@app.command("grpo")
@with_flags
def grpo(
    options: Options,
    reward_of: Annotated[
        str | None,
        typer.Option(
            "--reward",
            metavar="STR",
            help="rules, judge, MODULE:FUNCTION, or a reward model's folder.",
        ),
    ] = None,
    horizon: Annotated[
        int | None,
        typer.Option("--horizon", min=0, help="Turns played out with the user before rewarding."),
    ] = None,
    start: Start = None,
) -> None:
    """Sample replies to every user message and reinforce what is rewarded (TRL's GRPO).

    Example: `aloe train grpo --data runs/first --reward judge --out runs/first/models/grpo`
    """
    _train("grpo", options, options.settings(reward=reward_of, horizon=horizon), start)


@app.command("merge")
def merge(
    adapter: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of a trained adapter.")],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder to make.")],
    eight_bit: Annotated[
        bool,
        typer.Option("--8-bit", help="Write the GGUF file, if the base is one, in 8 bits, not 16."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Put an adapter into its base: one plain model for hf:, vLLM and local:.

    Example: `aloe train merge runs/first/models/dpo --out runs/first/models/merged`
    """
    _need_train_extra()
    from aloe.training.merge import merge as merged

    files = [str(file) for file in merged(adapter, out, bits=8 if eight_bit else 16)]
    show(f"{out}: {', '.join(files)}", as_json=as_json)
    finish({"out": str(out), "files": files}, as_json=as_json)


def _after_sft(out: Path, start: Path | None, *, from_base: bool) -> Path | None:
    """Return the checkpoint that DPO starts from: as named, else SFT's; None for the base."""
    if start and from_base:
        raise ConfigError("--start and --from-base contradict each other; give one of them")
    if start or from_base:
        return start
    if (beside := out.parent / "sft" / "training.json").exists():
        return beside.parent
    raise ConfigError(
        f"DPO starts from an SFT model and there is none at {beside.parent}; run `aloe train sft` "
        "first, name one with --start DIR, or say --from-base"
    )


def _need_train_extra() -> None:
    import importlib.util

    missing = [name for name in ("torch", "transformers", "trl", "peft", "datasets") if not
               importlib.util.find_spec(name)]  # fmt: skip
    if missing:
        raise ConfigError(f"training needs {missing[0]}: pip install 'aloe-align[train]'")


def _train(method: "Method", options: Options, settings: "Config", start: Path | None) -> None:
    """Train, from the checkpoint `start` or else from the base."""
    _need_train_extra()
    from aloe.training.plan import Plan, TrainingProgress
    from aloe.training.rollout_agents import casting
    from aloe.training.run import is_main_process, train
    from aloe.training.start import check_base

    plan = Plan(
        method=method,
        settings=settings.training,
        data=options.data,
        out=options.out,
        start=str(start or settings.training.model),
        seed=settings.seed,
        report_to=options.report_to,
    )
    if options.model:
        check_base(plan.start, options.model)
    main = is_main_process()
    display = _TrainingDisplay(TrainingProgress(method=method), quiet=options.quiet or not main)
    try:
        with casting(settings) as cast, display.running():
            record = train(plan, display.follow, cast if method == "grpo" else None)
    except KeyboardInterrupt:
        say(f"stopped; run the same command again to go on in {options.out}")
        raise typer.Exit(INTERRUPTED) from None
    if not main:
        return
    show(_summary(options.out, record), as_json=options.as_json)
    finish({"out": str(options.out), **record}, as_json=options.as_json)


class _TrainingDisplay(Display):
    """Steps done, and the curves worth watching."""

    def __init__(self, progress: "TrainingProgress", *, quiet: bool) -> None:
        super().__init__(quiet=quiet)
        self.progress = progress
        self._began: tuple[float, int] | None = None
        self._noted = 0

    def follow(self, progress: "TrainingProgress") -> None:
        """Take notice of how far the training is."""
        self.progress = progress
        for note in progress.notes[self._noted :]:
            say(note)
        self._noted = len(progress.notes)
        if self._began is None and progress.step:
            self._began = time.monotonic(), progress.step
        self.update()

    def to_go(self) -> str:
        """Say how long the rest takes at the pace so far; empty if that is not known."""
        p = self.progress
        if self._began is None or not p.steps or not self._began[1] < p.step < p.steps:
            return ""
        started, step = self._began
        seconds = (time.monotonic() - started) / (p.step - step) * (p.steps - p.step)
        return f"about {duration(seconds)} to go"

    def line(self) -> str:
        """Return phase, step and newest figures in one line."""
        p = self.progress
        newest = p.history[-1] if p.history else {}
        figures = [f"{name} {value:.4g}" for name, value in newest.items() if name in self._names()]
        figures += filter(None, [self.to_go()])
        return ", ".join([f"train {p.method}: {p.phase} {p.step}/{p.steps or '?'}", *figures])

    def panel(self) -> RenderableType:
        """Return a bar and a sparkline for each curve."""
        from aloe.training.curves import series, sparkline

        p = self.progress
        bar = Table.grid(padding=(0, 1))
        bar.add_row(
            p.phase, ProgressBar(total=p.steps or None, completed=p.step, width=30),
            f"{p.step}/{p.steps or '?'}", self.to_go(),
        )  # fmt: skip
        curves = Table.grid(padding=(0, 1))
        for name in self._names():
            if values := series(p.history, name):
                curves.add_row(name, sparkline(values), f"{values[-1]:.4g}")
        return Group(bar, curves)

    def _names(self) -> tuple[str, ...]:
        from aloe.training.curves import CURVES

        return CURVES[self.progress.method]


def _summary(out: Path, record: dict[str, Any]) -> str:
    from aloe.training.curves import first_and_last
    from aloe.training.release import counted

    saved = record["flat_tokens"] / record["tokens"] if record["tokens"] else 0
    packed = f", {saved:.1f}x fewer tokens by tree packing" if saved else ""
    name, first, last = first_and_last(record)
    held_out = "".join(
        f", {each} {before:.4g} to {after:.4g}"
        for each, (before, after) in record.get("held_out_figures", {}).items()
    )
    left_out = f"; left out: {counted(record['left_out'])}" if "left_out" in record else ""
    return (
        f"{out}: {record['method']} on {record['rows']} rows, {record['steps']} steps, {name} "
        f"{first:.4g} to {last:.4g}{held_out}{packed}{left_out}{_control_tokens(record)}"
    )


def _control_tokens(record: dict[str, Any]) -> str:
    """Return a line about texts that hold control tokens; empty if none do."""
    if not (held := record.get("control_tokens")):
        return ""
    number, tokens = held["texts"], ", ".join(held["tokens"])
    subject = "1 text holds" if number == 1 else f"{number} texts hold"
    return f"\n{subject} control tokens ({tokens}): encoded as plain text"
