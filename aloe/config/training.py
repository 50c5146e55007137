"""How a model is trained on trees."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from aloe.config.models import DEFAULT_MODEL
from aloe.config.settings import Settings

LENGTHS = ("max_steps", "num_train_epochs")
"""Arguments that say how long is trained, of which TRL reads the first if both are there."""


def without_length(arguments: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return `arguments` without how long is trained if `changes`, which go over them, say that."""
    said = any(changes.get(name) not in (None, -1) for name in LENGTHS)  # -1: TRL's word for none
    return {key: value for key, value in arguments.items() if not (said and key in LENGTHS)}


class TrainingConfig(Settings):
    """How a model is trained on trees."""

    model: str = DEFAULT_MODEL
    """The base: a folder, a GGUF file, an embedded model or a name in the local hub cache."""
    lora: bool = True
    """Whether low-rank adapters are trained instead of all weights."""
    rank: int = Field(default=16, ge=1)
    alpha: int = Field(default=32, ge=1)
    """Scale of the adapter: its output is multiplied by alpha/rank."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    target_modules: Literal["all-linear"] | Annotated[tuple[str, ...], Field(min_length=1)] = (
        "all-linear"
    )
    """Which layers get adapters, by the last part of their name, such as `["q_proj", "v_proj"]`;
    `all-linear`: all linear layers but the output's."""
    tree_packing: bool = True
    """Whether SFT and DPO compute shared prefixes once; the other methods never do."""
    row_tokens: int | None = Field(default=None, ge=1)
    """Tokens per packed row, which is one micro-batch; memory grows with it. None: 2048, and on a
    single GPU what its free memory takes, with as many rows in a step as make up the same step."""
    max_length: int | None = Field(default=None, ge=2)
    """Longest conversation in tokens; a longer one is an error. None: the model's own limit."""
    thoughts: Literal["masked", "trained"] = "masked"
    """Whether what stands before an answer as thoughts, an empty block included, is learnt too."""
    label: Literal["judge", "return", "mixed", "people"] = "judge"
    """Whose labels of trees are learnt: the judge's, those by return (`aloe relabel`), those by
    return where both replies were continued as deep, and else the judge's, or those of people
    (`aloe label`)."""
    weighted: bool = False
    """Whether DPO pairs are weighted by the judge's agreement, over the pairs sharing their
    prompt."""
    reward: str | None = None
    """What GRPO maximises: `rules` (wishes that a program can check), `judge` (the model of that
    role rates), `MODULE:FUNCTION`, or the folder of a reward model."""
    horizon: int = Field(default=0, ge=0)
    """Turns that GRPO plays out with the simulated user after each reply; the reward is the mean
    over the reply and these."""
    arguments: dict[str, Any] = Field(default_factory=dict)
    """Further arguments, passed unchanged to TRL's config class for the method."""
