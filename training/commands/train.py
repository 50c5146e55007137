"""`aloe train`: rows in, a model out."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aloe.console import finish, show
from aloe.extras import TRAINING, require
from aloe.options import (
    ConfigFile,
    Disclosure,
    DryRun,
    Json,
    Public,
    PushToHub,
    Quiet,
    Seed,
    with_flags,
)
from aloe.resumable import resumable

if TYPE_CHECKING:
    from aloe.config import Config
    from aloe.training.dataset import Method

app = typer.Typer(help="Train a model on trees or rows.", no_args_is_help=True)

Start = Annotated[
    Path | None,
    typer.Option("--start", metavar="DIR", help="Checkpoint to start from, such as SFT's."),
]
Packing = Annotated[
    bool | None,
    typer.Option("--tree-packing/--no-tree-packing", help="Compute shared prefixes once."),
]


@dataclass(frozen=True, kw_only=True)
class TrainOptions:
    """What every method takes; each field is a flag."""

    data: Annotated[
        Path,
        typer.Option("--data", metavar="PATH", help="Run folder, dataset folder or file of rows."),
    ]
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="Model folder; resumed if it exists.")
    ]
    model: Annotated[
        str | None,
        typer.Option("--model", metavar="STR", help="Base: a folder, GGUF file or embedded model."),
    ] = None
    label: Annotated[
        str | None,
        typer.Option(
            "--label",
            metavar="judge|return|mixed|people",
            help="Whose labels of trees: see `aloe relabel` and `aloe label`.",
        ),
    ] = None
    full: Annotated[bool, typer.Option("--full", help="Train all weights instead of adapters.")] = (
        False
    )
    epochs: Annotated[float | None, typer.Option("--epochs", help="Passes over the data.")] = None
    max_steps: Annotated[
        int | None, typer.Option("--max-steps", min=1, help="Optimizer steps, not epochs.")
    ] = None
    learning_rate: Annotated[
        float | None, typer.Option("--learning-rate", help="Peak learning rate.")
    ] = None
    report_to: Annotated[
        str, typer.Option("--report-to", help="trackio, wandb or tensorboard, if installed.")
    ] = "none"
    seed: Seed = None
    push_to_hub: PushToHub = None
    public: Public = False
    config: ConfigFile = None
    as_json: Json = False
    quiet: Quiet = False

    def settings(self, **more: Any) -> "Config":
        """Return the settings: file, then flags; `more` are further ones of `[training]`."""
        from aloe import config as settings

        flags = {
            "model": self.model,
            "label": self.label,
            "lora": False if self.full else None,
            "arguments.num_train_epochs": self.epochs,
            "arguments.max_steps": self.max_steps,
            "arguments.learning_rate": self.learning_rate,
            **more,
        }
        named = {f"training.{name}": value for name, value in flags.items()}
        return settings.load(self.config, {"seed": self.seed, **named})


@app.command("sft")
@with_flags
def sft(options: TrainOptions, start: Start = None, tree_packing: Packing = None) -> None:
    """Imitate the preferred reply of every turn.

    Example: `aloe train sft --data runs/first --out runs/first/models/sft`
    """
    _train("sft", options, options.settings(tree_packing=tree_packing), start)


@app.command("dpo")
@with_flags
def dpo(
    options: TrainOptions,
    start: Start = None,
    from_base: Annotated[
        bool, typer.Option("--from-base", help="Start from the base instead of an SFT model.")
    ] = False,
    weighted: Annotated[
        bool | None,
        typer.Option("--weighted/--unweighted", help="Weight pairs by the judge's agreement."),
    ] = None,
    tree_packing: Packing = None,
) -> None:
    """Prefer the better reply of each pair; starts from the SFT model beside --out.

    Example: `aloe train dpo --data runs/first --out runs/first/models/dpo`
    """
    settings = options.settings(tree_packing=tree_packing, weighted=weighted)
    _train("dpo", options, settings, start, from_base=from_base)


@app.command("kto")
@with_flags
def kto(options: TrainOptions, start: Start = None) -> None:
    """Learn from single replies marked good or bad (TRL's KTO).

    Example: `aloe train kto --data runs/first --out runs/first/models/kto`
    """
    _train("kto", options, options.settings(), start)


@app.command("reward")
@with_flags
def reward(options: TrainOptions) -> None:
    """Train a reward model: one score for a conversation (TRL's RewardTrainer).

    Example: `aloe train reward --data runs/first --out runs/first/models/reward`
    """
    _train("reward", options, options.settings(), None)


@app.command("grpo")
@with_flags
def grpo(
    options: TrainOptions,
    reward_name: Annotated[
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
    disclosure: Disclosure = None,
    start: Start = None,
) -> None:
    """Sample replies to every user message and reinforce rewarded ones (TRL's GRPO).

    Example: `aloe train grpo --data runs/first --reward judge --out runs/first/models/grpo`
    """
    from aloe.config import COMMAND_LINE

    settings = options.settings(reward=reward_name, horizon=horizon)
    if disclosure:
        settings = settings.updated({"user.disclosure": disclosure}, source=COMMAND_LINE)
    _train("grpo", options, settings, start, disclosure=disclosure)


@app.command("merge")
def merge(
    adapter: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of a trained adapter.")],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder to write.")],
    eight_bit: Annotated[
        bool,
        typer.Option("--8-bit", help="If the base is a GGUF file, write 8 bits instead of 16."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Merge an adapter into its base: one plain model for hf:, vLLM and local:.

    Example: `aloe train merge runs/first/models/dpo --out runs/first/models/merged`
    """
    require("training", *TRAINING)
    from aloe.training.merge import merge as merge_adapter

    files = [str(file) for file in merge_adapter(adapter, out, bits=8 if eight_bit else 16)]
    show(f"{out}: {', '.join(files)}", as_json=as_json, lines=True, cut=False)
    finish({"out": str(out), "files": files}, as_json=as_json)


@app.command("push")
def push(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of a trained model.")],
    repo: Annotated[str, typer.Argument(metavar="ORG/NAME", help="Repository on the hub.")],
    public: Public = False,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Send a trained model with its card to the hub, with the token in HF_TOKEN.

    Checkpoints stay here. What has arrived is not sent again.

    Example: `aloe train push runs/first/models/dpo me/aloe-dpo --dry-run`
    """
    from aloe.training.commands.push import plan_push, push_or_show
    from aloe.training.model_folder import ModelFolder

    ModelFolder(folder).check_finished()
    planned = plan_push(repo, "model", public=public, dry_run=dry_run)
    assert planned
    finish(push_or_show(folder, planned, dry_run=dry_run, as_json=as_json), as_json=as_json)


def _train(
    method: "Method",
    options: TrainOptions,
    settings: "Config",
    start: Path | None,
    *,
    from_base: bool = False,
    **flags: Any,
) -> None:
    """Train, from the checkpoint `start` or else from where the method starts.

    `flags` are those that some trainings would not read.
    """
    from aloe.training.commands.push import plan_push, push_or_show
    from aloe.training.plan import make_plan

    pushed = plan_push(options.push_to_hub, "model", public=options.public)
    plan = make_plan(
        method,
        settings,
        options.data,
        options.out,
        start,
        from_base=from_base,
        named={"model": options.model, "label": options.label, **flags},
        report_to=options.report_to,
    )
    from aloe.training.display import TrainingDisplay, summarise
    from aloe.training.processes import is_main_process, leave_processes
    from aloe.training.progress import TrainingProgress
    from aloe.training.rollout_agents import open_agents
    from aloe.training.run import train

    main = is_main_process()
    display = TrainingDisplay(TrainingProgress(method=method), quiet=options.quiet or not main)
    with resumable(options.out), open_agents(settings, plan) as make_agents, display.running():
        record = train(plan, display.follow, make_agents)
    leave_processes()
    if not main:
        return
    show(summarise(options.out, record), as_json=options.as_json, lines=True, cut=False)
    result = {"out": str(options.out), **record}
    if pushed:
        result |= push_or_show(options.out, pushed, dry_run=False, as_json=options.as_json)
    finish(result, as_json=options.as_json)
