"""`aloe train`: rows in, a model out."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table

from aloe.commands.options import ConfigFile, Json, Quiet, Seed
from aloe.console import Display, finish, show, stderr
from aloe.errors import INTERRUPTED, ConfigError
from aloe.views.figures import duration

if TYPE_CHECKING:
    from aloe.config import Config
    from training.dataset import Method
    from training.run import Progress

app = typer.Typer(help="Train a model on trees or rows.", no_args_is_help=True)

Data = Annotated[
    Path,
    typer.Option("--data", metavar="PATH", help="Run folder, dataset folder or JSONL of rows."),
]
Out = Annotated[
    Path, typer.Option("--out", metavar="DIR", help="Model folder; resumed if it is one.")
]
Base = Annotated[
    str | None,
    typer.Option("--model", metavar="STR", help="Base: a folder, GGUF file or embedded model."),
]
Start = Annotated[
    Path | None,
    typer.Option("--start", metavar="DIR", help="Checkpoint to go on from, such as SFT's."),
]
Full = Annotated[bool, typer.Option("--full", help="Train all weights instead of adapters.")]
Packing = Annotated[
    bool | None,
    typer.Option("--tree-packing/--no-tree-packing", help="Compute shared prefixes once."),
]
Epochs = Annotated[float | None, typer.Option("--epochs", help="Passes over the data.")]
MaxSteps = Annotated[int | None, typer.Option("--max-steps", help="Optimizer steps; wins.")]
Rate = Annotated[float | None, typer.Option("--learning-rate", help="Peak learning rate.")]
ReportTo = Annotated[
    str, typer.Option("--report-to", help="trackio, wandb or tensorboard, if installed.")
]


@app.command("sft")
def sft(
    data: Data,
    out: Out,
    model: Base = None,
    start: Start = None,
    full: Full = False,
    tree_packing: Packing = None,
    epochs: Epochs = None,
    max_steps: MaxSteps = None,
    learning_rate: Rate = None,
    report_to: ReportTo = "none",
    seed: Seed = None,
    config: ConfigFile = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Imitate the preferred reply of every turn.

    Example: `aloe train sft --data runs/first --out runs/first/models/sft`
    """
    settings = _settings(config, seed, model, full, tree_packing, epochs, max_steps, learning_rate)
    begin = str(start) if start else settings.training.model
    _check_start(begin, model)
    _run("sft", settings, data, out, begin, report_to, as_json=as_json, quiet=quiet)


@app.command("dpo")
def dpo(
    data: Data,
    out: Out,
    model: Base = None,
    start: Start = None,
    from_base: Annotated[
        bool, typer.Option("--from-base", help="Start from the base, without SFT before.")
    ] = False,
    weighted: Annotated[
        bool | None,
        typer.Option("--weighted/--unweighted", help="Count pairs by the judge's agreement."),
    ] = None,
    full: Full = False,
    tree_packing: Packing = None,
    epochs: Epochs = None,
    max_steps: MaxSteps = None,
    learning_rate: Rate = None,
    report_to: ReportTo = "none",
    seed: Seed = None,
    config: ConfigFile = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Prefer the better reply of each pair; starts from the SFT model beside --out.

    Example: `aloe train dpo --data runs/first --out runs/first/models/dpo`
    """
    settings = _settings(
        config,
        seed,
        model,
        full,
        tree_packing,
        epochs,
        max_steps,
        learning_rate,
        weighted=weighted,
    )
    begin = _after_sft(out, start, settings.training.model, from_base=from_base)
    _check_start(begin, model)
    _run("dpo", settings, data, out, begin, report_to, as_json=as_json, quiet=quiet)


@app.command("kto")
def kto(
    data: Data,
    out: Out,
    model: Base = None,
    start: Start = None,
    full: Full = False,
    epochs: Epochs = None,
    max_steps: MaxSteps = None,
    learning_rate: Rate = None,
    report_to: ReportTo = "none",
    seed: Seed = None,
    config: ConfigFile = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Learn from single replies marked good or bad (TRL's KTO).

    Example: `aloe train kto --data runs/first --out runs/first/models/kto`
    """
    settings = _settings(config, seed, model, full, None, epochs, max_steps, learning_rate)
    begin = str(start) if start else settings.training.model
    _check_start(begin, model)
    _run("kto", settings, data, out, begin, report_to, as_json=as_json, quiet=quiet)


@app.command("reward")
def reward(
    data: Data,
    out: Out,
    model: Base = None,
    full: Full = False,
    epochs: Epochs = None,
    max_steps: MaxSteps = None,
    learning_rate: Rate = None,
    report_to: ReportTo = "none",
    seed: Seed = None,
    config: ConfigFile = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Train a reward model: one score for a conversation (TRL's RewardTrainer).

    Example: `aloe train reward --data runs/first --out runs/first/models/reward`
    """
    settings = _settings(config, seed, model, full, None, epochs, max_steps, learning_rate)
    _check_start(settings.training.model, model)
    begin = settings.training.model
    _run("reward", settings, data, out, begin, report_to, as_json=as_json, quiet=quiet)


@app.command("grpo")
def grpo(
    data: Data,
    out: Out,
    reward_of: Annotated[
        str | None,
        typer.Option(
            "--reward", metavar="STR", help="MODULE:FUNCTION, or a reward model's folder."
        ),
    ] = None,
    model: Base = None,
    start: Start = None,
    full: Full = False,
    epochs: Epochs = None,
    max_steps: MaxSteps = None,
    learning_rate: Rate = None,
    report_to: ReportTo = "none",
    seed: Seed = None,
    config: ConfigFile = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Sample replies to every user message and reinforce what is rewarded (TRL's GRPO).

    Example: `aloe train grpo --data runs/first --reward mine:brevity --out runs/first/models/grpo`
    """
    settings = _settings(
        config, seed, model, full, None, epochs, max_steps, learning_rate, reward=reward_of
    )
    begin = str(start) if start else settings.training.model
    _check_start(begin, model)
    _run("grpo", settings, data, out, begin, report_to, as_json=as_json, quiet=quiet)


@app.command("merge")
def merge(
    adapter: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of a trained adapter.")],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder to make.")],
    as_json: Json = False,
) -> None:
    """Put an adapter into its base: one plain model for hf:, vLLM and local:.

    Example: `aloe train merge runs/first/models/dpo --out runs/first/models/merged`
    """
    _need_train_extra()
    from training.merge import merge as merged

    files = [str(file) for file in merged(adapter, out)]
    show(f"{out}: {', '.join(files)}", as_json=as_json)
    finish({"out": str(out), "files": files}, as_json=as_json)


def _settings(
    config: Path | None,
    seed: int | None,
    model: str | None,
    full: bool,
    tree_packing: bool | None,
    epochs: float | None,
    max_steps: int | None,
    learning_rate: float | None,
    **more: Any,
) -> "Config":
    from aloe import config as settings

    return settings.load(
        config,
        {
            "seed": seed,
            "training.model": model,
            "training.lora": False if full else None,
            "training.tree_packing": tree_packing,
            "training.arguments.num_train_epochs": epochs,
            "training.arguments.max_steps": max_steps,
            "training.arguments.learning_rate": learning_rate,
            **{f"training.{key}": value for key, value in more.items()},
        },
    )


def _after_sft(out: Path, start: Path | None, model: str, *, from_base: bool) -> str:
    """Return what DPO starts from: what was named, the base if told so, else SFT's model."""
    if start and from_base:
        raise ConfigError("--start and --from-base contradict each other; give one of them")
    if start or from_base:
        return str(start) if start else model
    if (beside := out.parent / "sft" / "training.json").exists():
        return str(beside.parent)
    raise ConfigError(
        f"DPO starts from an SFT model and there is none at {beside.parent}; run `aloe train sft` "
        "first, name one with --start DIR, or say --from-base"
    )


def _check_start(start: str, model: str | None) -> None:
    _need_train_extra()
    if model:
        from training.start import check_base

        check_base(start, model)


def _need_train_extra() -> None:
    import importlib.util

    missing = [name for name in ("torch", "transformers", "trl", "peft", "datasets") if not
               importlib.util.find_spec(name)]  # fmt: skip
    if missing:
        raise ConfigError(f"training needs {missing[0]}: pip install 'aloe-align[train]'")


def _run(
    method: "Method",
    settings: "Config",
    data: Path,
    out: Path,
    start: str,
    report_to: str,
    *,
    as_json: bool,
    quiet: bool,
) -> None:
    from training.run import Plan, Progress, is_main_process, train

    plan = Plan(
        method=method,
        settings=settings.training,
        data=data,
        out=out,
        start=start,
        seed=settings.seed,
        report_to=report_to,
    )
    main = is_main_process()
    display = _TrainingDisplay(Progress(method=method), quiet=quiet or not main)
    try:
        with display.running():
            record = train(plan, display.follow)
    except KeyboardInterrupt:
        stderr().print(f"stopped; run the same command again to go on in {out}")
        raise typer.Exit(INTERRUPTED) from None
    if not main:
        return
    show(_summary(out, record), as_json=as_json)
    finish({"out": str(out), **record}, as_json=as_json)


class _TrainingDisplay(Display):
    """Steps done, and the curves worth watching."""

    def __init__(self, progress: "Progress", *, quiet: bool) -> None:
        super().__init__(quiet=quiet)
        self.progress = progress
        self._began: tuple[float, int] | None = None

    def follow(self, progress: "Progress") -> None:
        """Take notice of how far the training is."""
        self.progress = progress
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
        from training.curves import series, sparkline

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
        from training.curves import CURVES

        return CURVES[self.progress.method]


def _summary(out: Path, record: dict[str, Any]) -> str:
    saved = record["flat_tokens"] / record["tokens"] if record["tokens"] else 0
    packed = f", {saved:.1f}x fewer tokens by tree packing" if saved else ""
    return (
        f"{out}: {record['method']} on {record['rows']} rows, {record['steps']} steps, loss "
        f"{record['first_loss']:.4g} to {record['last']['loss']:.4g}{packed}"
    )
