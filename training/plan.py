"""What is to be trained."""

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from aloe.config import Config, TrainingConfig
from aloe.errors import ConfigError
from aloe.training.dataset import Method


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is to be trained."""

    method: Method
    settings: TrainingConfig
    """Those of the run; of an adapter that is trained further, what it has."""
    data: Path
    out: Path
    start: str
    """Model string or checkpoint folder that training starts from."""
    seed: int = 0
    report_to: str = "none"

    @property
    def packed(self) -> bool:
        """Whether trees are packed; only SFT and DPO can be."""
        return self.settings.tree_packing and self.method in ("sft", "dpo")


def make_plan(
    method: Method,
    config: Config,
    data: Path,
    out: Path,
    start: str | Path | None = None,
    model: str | None = None,
    report_to: str = "none",
) -> Plan:
    """Return what is to be trained under these settings.

    Args:
        method: how.
        config: settings of the run.
        data: run folder, dataset folder or file of rows.
        out: model folder.
        start: checkpoint to go on from; None: the base of the settings.
        model: the base that was asked for, on which an adapter in `start` has to sit.
        report_to: where curves go.

    Raises:
        ConfigError: a package is missing, `start` sits on another base, or the label has no say.
    """
    check_extra()
    if method == "grpo" and config.training.label != "judge":
        raise ConfigError("grpo rates its own replies and uses no labels; leave out --label "
                          "(label under [training])")  # fmt: skip
    from aloe.training.start import check_base, with_adapter_of

    begin = str(start or config.training.model)
    plan = Plan(
        method=method,
        settings=with_adapter_of(begin, config.training),
        data=data,
        out=out,
        start=begin,
        seed=config.seed,
        report_to=report_to,
    )
    if model:
        check_base(plan.start, model)
    return plan


def check_extra() -> None:
    """Make sure that what training needs is installed.

    Raises:
        ConfigError: a package is missing.
    """
    packages = ("torch", "transformers", "trl", "peft", "datasets")
    if missing := next((name for name in packages if not find_spec(name)), None):
        raise ConfigError(f"training needs {missing}: pip install 'aloe-align[train]'")
