"""What is to be trained."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from aloe.config import Config, TrainingConfig
from aloe.errors import ConfigError
from aloe.extras import TRAINING, require
from aloe.models.weights import model_path
from aloe.training.dataset import Method
from aloe.training.model_folder import ONLY, ModelFolder

ADAPTERS = "lora", "all weights are trained (lora = false, --full)"

NEEDS = {
    "row_tokens": ("tree_packing", "no trees are packed (tree_packing = false)"),
    **dict.fromkeys(("rank", "alpha", "dropout", "target_modules"), ADAPTERS),
    "disclosure": ("horizon", "no user speaks without a --horizon"),
}
"""Settings that are read only where another is on, with that one and why they are not."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is to be trained."""

    method: Method
    settings: TrainingConfig
    """Those that the method reads; of an adapter that is trained further, what it has. `model` is
    the one that was there before all trainings."""
    data: Path
    out: Path
    start: str
    """Model string or checkpoint folder that training starts from."""
    seed: int = 0
    report_to: str = "none"
    day: str = ""
    """The day on which it was begun, as YYYY-MM-DD, for chat templates that write the date."""
    reward: Callable[..., Any] | None = None
    """A function that a program gives in place of its name."""

    @property
    def packed(self) -> bool:
        """Whether trees are packed; only SFT and DPO can be."""
        return self.settings.tree_packing and self.method in ("sft", "dpo")

    @property
    def own_reward(self) -> bool:
        """Whether a function of the user's own is the reward (`MODULE:FUNCTION`)."""
        reward = self.settings.reward or ""
        return self.method == "grpo" and ":" in reward and not Path(reward).is_dir()


def make_plan(
    method: Method,
    config: Config,
    data: Path,
    out: Path,
    start: str | Path | None = None,
    *,
    from_base: bool = False,
    named: Mapping[str, Any] | None = None,
    report_to: str = "none",
) -> Plan:
    """Return what is to be trained under these settings.

    Args:
        method: how.
        config: settings of the run.
        data: run folder, dataset folder or file of rows.
        out: model folder.
        start: checkpoint to go on from; None: for DPO the SFT model beside `out`, else the base of
            the settings.
        from_base: whether DPO starts from the base as well.
        named: values of `[training]` (and `disclosure` of `[user]`) given for this training itself,
            not by a file that serves several; `start` has to come from the `model` among them. None
            values count as absent.
        report_to: where curves go.

    Raises:
        ConfigError: a package is missing, there is nothing to start from, `start` comes from
            another base or is not finished, or a setting that is named would not be read.
        StoreError: a record of a training is broken.
    """
    require("training", *TRAINING)
    given = {key: value for key, value in (named or {}).items() if value is not None}
    _check_read(method, given, config.training)
    from aloe.training.start import check_base, find_base, with_adapter_of

    begin = str(_find_start(method, out, start, from_base=from_base) or config.training.model)
    ModelFolder(model_path(begin)).check_finished()
    settings = with_adapter_of(begin, _keep_read(method, config.training))
    plan = Plan(
        method=method,
        settings=settings.model_copy(update={"model": find_base(begin)}),
        data=data,
        out=out,
        start=begin,
        seed=config.seed,
        report_to=report_to,
        day=ModelFolder(out).begun().get("day") or date.today().isoformat(),
    )
    if model := given.get("model"):
        check_base(plan.start, model)
    return plan


def _check_read(method: Method, named: Mapping[str, Any], settings: TrainingConfig) -> None:
    """Make sure that the settings that are named for a training are read."""
    if key := next((key for key in named if method not in ONLY.get(key, (method,))), None):
        why = " (it rates its own replies)" if key == "label" else ""
        raise ConfigError(
            f"{key}: {method} does not read it{why}, only {', '.join(ONLY[key])}; leave it out"
        )
    for key in named:
        switch, why = NEEDS.get(key, ("", ""))
        if switch and not getattr(settings, switch):
            raise ConfigError(f"{key}: it would have no effect, because {why}; leave it out")


def _keep_read(method: Method, settings: TrainingConfig) -> TrainingConfig:
    """Return the settings with the defaults of those that the method does not read."""
    others = {key for key, methods in ONLY.items() if method not in methods}
    return TrainingConfig.model_validate(settings.model_dump(exclude=others))


def _find_start(
    method: Method, out: Path, start: str | Path | None, *, from_base: bool
) -> str | Path | None:
    """Return the checkpoint that is trained further; None for the base."""
    if start and from_base:
        raise ConfigError("--start and --from-base contradict each other; give one of them")
    if start or from_base or method != "dpo":
        return start
    if (beside := out.parent / "sft" / "training.json").exists():
        return beside.parent
    raise ConfigError(
        f"DPO starts from an SFT model and there is none at {beside.parent}; run `aloe train sft` "
        "first, name one with --start DIR, or say --from-base (in Python: start, from_base)"
    )
