"""Training from Python: rows as a `datasets.Dataset`, and a model trained on them."""

import warnings
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from aloe.config import Config, load, without_length
from aloe.errors import ConfigError
from aloe.extras import needs
from aloe.number_format import counted
from aloe.schema import Tree
from aloe.training.dataset import Method
from aloe.training.export import COLUMNS, ROWS, Format, take_all_columns, take_trainer_columns
from aloe.training.features import KINDS, infer_features, make_table
from aloe.training.given import Data, store
from aloe.training.labels import (
    Label,
    check_label,
    check_relabelled,
    check_rewards,
    label_rows,
)
from aloe.training.plan import make_plan
from aloe.training.progress import Watch
from aloe.training.release import format_left_out
from aloe.training.spreading import spread_prompts

if TYPE_CHECKING:
    import datasets


PEOPLE_APART = "labels by people are stored with a run's trees"


def to_dataset(
    trees: Iterable[Tree], row_format: Format, *, label: Label = "judge", origin: bool = False
) -> "datasets.Dataset":
    """Return the rows of `trees` as `aloe export` writes them, ready for TRL.

    If trees with replies give no row, a warning counts what was left out, and why.

    Args:
        trees: finished trees, such as those of `aloe.simulate` or `aloe.read_trees`.
        row_format: `sft`, `dpo`, `kto`, `grpo`, `rm` (reward model), `step` (rewards in [0, 1]) or
            `aloe` (the paper's layout); `aloe.training.export` says what the columns are.
        label: whose labels rows are made from: `judge`, `return` (see `aloe.relabel`), or `mixed`,
            which is by return where both replies were continued as deep, and else the judge's.
            Labels by `people` are those of a run's folder, so `aloe export` alone has them.
        origin: whether to keep the columns that say where a row comes from.

    Raises:
        ConfigError: there is no such format or label, the trees have no labels by return, step rows
            would have rewards on two scales, or `datasets` is not installed.
    """
    if row_format not in ROWS:
        raise ConfigError(f"row_format: '{row_format}' is none of {', '.join(ROWS)}")
    check_label(label)
    if label == "people":
        raise ConfigError(f"{PEOPLE_APART}; use `aloe export`")
    trees = list(trees)
    check_relabelled(trees, label, "none of these trees")
    check_rewards(trees, row_format, label)
    try:
        import datasets
    except ImportError:
        raise ConfigError(needs("to_dataset", "datasets")) from None
    skipped: Counter[str] = Counter()
    make = label_rows(row_format, ROWS[row_format], label)
    made = [row for tree in trees for row in make(tree, skipped)]
    made = spread_prompts(made) if row_format == "kto" else made
    if not made and (replies := sum(len(tree.replies) for tree in trees)):
        why = format_left_out(skipped) or "nothing in them was compared"
        said = f"no row from {counted(replies, 'reply')}"
        warnings.warn(f"{said} in {counted(len(trees), 'tree')}: {why}", stacklevel=2)
    rows = [
        take_all_columns(row, row_format) if origin else take_trainer_columns(row, row_format)
        for row in made
    ]
    features = infer_features(rows, KINDS) or {name: KINDS[name] for name in COLUMNS[row_format]}
    columns = {name: [row.get(name) for row in rows] for name in features}
    schema = make_table(rows, features).schema
    return datasets.Dataset.from_dict(columns, datasets.Features.from_arrow_schema(schema))


def train(
    method: Method,
    data: Data,
    out: str | Path,
    *,
    model: str | None = None,
    start: str | Path | None = None,
    from_base: bool = False,
    epochs: float | None = None,
    max_steps: int | None = None,
    learning_rate: float | None = None,
    report_to: str = "none",
    config: str | Path | None = None,
    settings: Mapping[str, Any] | None = None,
    progress: Watch | None = None,
    **training: Any,
) -> dict[str, Any]:
    """Train a model, as `aloe train` does, and return what its `training.json` says.

    Args:
        method: `sft`, `dpo`, `kto`, `reward` or `grpo`.
        data: trees, one tree, rows (dicts with the columns of an export, or a `datasets.Dataset`),
            or a run folder, dataset folder or file of rows.
        out: folder of the model; a training that was stopped is resumed.
        model: base, as a model string; None: that of the settings.
        start: checkpoint to start from; None: for `dpo` the SFT model in `sft` beside `out`, else
            the base.
        from_base: whether `dpo` starts from the base as well.
        epochs: passes over the data.
        max_steps: optimizer steps, not epochs.
        learning_rate: at its peak.
        report_to: `trackio`, `wandb` or `tensorboard`, if installed.
        config: settings, a TOML file; None: defaults.
        settings: values over those of `config`, by dotted key; a mapping for a section leaves what
            it does not name, and None switches off.
        progress: called frequently with a `TrainingProgress`.
        training: values of `[training]`, such as `tree_packing=False`; None values count as absent,
            and `arguments` change those of the settings that they name. `reward` may be a function.

    Raises:
        AloeError: something is wrong with the arguments, the data, the folder or the model.
    """
    if method not in get_args(Method):
        raise ConfigError(f"method: '{method}' is none of {', '.join(get_args(Method))}")
    flags = {"num_train_epochs": epochs, "max_steps": max_steps, "learning_rate": learning_rate}
    given = {"model": model, **_with_arguments(training, flags)}
    if callable(reward := given.get("reward")):
        name = getattr(reward, "__qualname__", type(reward).__qualname__)
        given["reward"] = f"{reward.__module__}:{name}"
    named = {key: value for key, value in given.items() if value is not None}
    resolved = _resolve(Path(config) if config else None, settings or {}, named)
    with store(data) as stored:
        plan = make_plan(
            method,
            resolved,
            stored,
            Path(out),
            start,
            from_base=from_base,
            named=named,
            report_to=report_to,
        )
        if plan.settings.label == "people" and not isinstance(data, str | Path):
            raise ConfigError(f"{PEOPLE_APART}; give its folder as data")
        plan = replace(plan, reward=reward if callable(reward) else None)
        from aloe.training.rollout_agents import open_agents
        from aloe.training.run import train as train_plan

        with open_agents(resolved, plan) as make_agents:
            return train_plan(plan, progress or (lambda _: None), make_agents)


def _with_arguments(training: Mapping[str, Any], flags: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return values of `[training]` with those of `flags` that are given among the arguments."""
    given = {name: value for name, value in flags.items() if value is not None}
    before = training.get("arguments") or {}
    if not given or not isinstance(before, Mapping):
        return training
    return {**training, "arguments": {**before, **given}}


def _resolve(config: Path | None, settings: Mapping[str, Any], named: Mapping[str, Any]) -> Config:
    """Return the settings of a file, with `settings` over them and those of `[training]` over both.

    A mapping of arguments changes those that it names and leaves the others.
    """
    over = {f"training.{key}": value for key, value in named.items()}
    more = named.get("arguments")
    if isinstance(more, Mapping):
        del over["training.arguments"]
    found = load(config, over, written=settings, source="arguments")
    if not isinstance(more, Mapping):
        return found
    arguments = {**without_length(found.training.arguments, more), **more}
    return found.updated({"training.arguments": arguments}, source="arguments")
