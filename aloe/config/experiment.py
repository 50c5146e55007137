"""How the experiment is made."""

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from aloe.config.settings import Settings
from aloe.config.user import Disclosing

Recipe = Literal["adapt", "ask"]
"""What the models are to learn; see `ExperimentConfig.recipe`."""


class ExperimentConfig(Settings):
    """How the experiment is made (`aloe experiment`; see docs/proof.md)."""

    recipe: Recipe = "adapt"
    """`adapt`: to do what the user has said (docs/proof.md). `ask`: to find out what it has not
    said, from labels by what came of each reply (docs/asking.md)."""
    train: int = Field(default=200, ge=1)
    validation: int = Field(default=16, ge=2)
    test: int = Field(default=24, ge=2)
    """Personas on each side."""
    dialogue_turns: int = Field(default=6, ge=2)
    """User messages per dialogue in validation and test."""
    wishes: int = Field(default=4, ge=2)
    """Checkable wishes per persona."""
    dimensions: tuple[str, ...] = ()
    """Dimensions of the wishes; empty: all that edits can serve. The fewer there are, the more
    often each wish occurs in the same number of trees."""
    reserved: float = Field(default=0.12, gt=0, lt=1)
    """Share of the pairs of wishes that only test personas have."""
    rewriter: str = "plain"
    """Assistant whose replies a rule rewrites as an additional candidate; empty: none."""
    stranger: str = ""
    """Assistant whose replies a rule rewrites, for wishes that nobody stated, into another; empty:
    no such candidate."""
    asker: str = ""
    """Assistant whose replies a rule rewrites as the rewriter does and ends with one question about
    what the user has not said, for another candidate; empty: no such candidate."""
    needless_questions: float = Field(default=0.0, ge=0, le=1)
    """Share of the messages to which the asker asks something though it knows all wishes. Without
    such questions in the trees, labels cannot teach when to stop."""
    answering_trees: int = Field(default=0, ge=0)
    """Trees of users who tell one wish after the other, beside those of `simulation.trees`: with
    reticent users there are few messages after which nothing is left to ask."""
    served: str = "local:{folder}"
    """Model string of a trained model, for no two the same; filled in are `{folder}`, `{stage}`,
    its last part, which tells a model from those of other settings, and `{name}`, which does
    not."""
    merged: bool = False
    """Whether adapters are merged into their base (in 8 bits if that is a GGUF file) and served as
    whole models, which is faster than an adapter beside its base."""
    at_once: int = Field(default=1, ge=1)
    """Stages that run in parallel, each with its own models; more than one pays off if a GPU or
    cores would otherwise be idle."""
    sft: dict[str, Any] = Field(default_factory=dict)
    dpo: dict[str, Any] = Field(default_factory=dict)
    rl: dict[str, Any] = Field(default_factory=dict)
    """Arguments of each training, over those in `training.arguments`."""
    dpo_trees: int | None = Field(default=None, ge=1)
    """DPO learns from this many trees, the first ones; None for all. Its reference reads every row
    before the first step, so fewer steps alone would save little."""
    rl_method: Literal["rejection", "grpo"] = "rejection"
    """`rejection`: the SFT model writes the candidates of new trees and learns from the best of
    them, one round. `grpo`: TRL's GRPO with the rule as its reward."""
    rl_trees: int = Field(default=40, ge=1)
    """Trees of the rejection round."""
    rl_candidates: int = Field(default=3, ge=2)
    """Replies that the SFT model writes in each turn of them."""
    sft_trees: int | None = Field(default=None, ge=1)
    """Trees from which SFT of the recipe `ask` learns to keep what it is told: single paths, with
    users who tell one wish after the other. None: it learns from the trees of DPO."""
    dpo_paths: int = Field(default=0, ge=0)
    """Of these single paths, the first ones from which DPO of the recipe `ask` learns too, as the
    judge prefers, so that it does not forget to keep what it is told."""
    horizon: int = Field(default=2, ge=1)
    """Turns that labels by return look at, the reply's own included."""
    discount: float = Field(default=0.9, ge=0, le=1)
    """Weight of each further turn."""
    z: float = Field(default=0.0, ge=0)
    """Standard errors that a difference between returns has to exceed."""
    question_cost: float = Field(default=0.0, ge=0)
    """Taken off the level of a reply for each of its questions that brought nothing."""
    transfer: tuple[Disclosing, ...] = ()
    """Users of the matrix of transfer: each is trained on, and all are tested on, with phrases that
    training has heard and with those it has not. Empty: no matrix."""
    ablation_trees: tuple[Annotated[int, Field(ge=1)], ...] = (25, 50, 100)
    """Numbers of trees for the scaling curve. For fewer than the experiment has, its first ones are
    taken; for more, trees are grown anew."""
    ablation_turns: tuple[Annotated[int, Field(ge=1)], ...] = (1, 3)
    """Numbers of first turns whose rows are kept."""
    ablation_judged: int | None = Field(default=None, ge=1)
    """A model judges this many trees again, the first ones; None for all. It reads a dozen prompts
    per turn."""

    @field_validator("served")
    @classmethod
    def _served_tells_models_apart(cls, served: str) -> str:
        try:
            one, other = (_fill_in(served, name, Path(f"{name}-{name}")) for name in ("sft", "dpo"))
        except Exception as error:  # whatever a format looks up in what is filled in
            raise ValueError(
                f"cannot be filled in ({error}); write {{folder}}, {{stage}} or {{name}} where "
                "models differ, and no other braces"
            ) from None
        if one == other:
            raise ValueError(
                "is the same for every trained model; write {folder}, {stage} or {name} where they "
                "differ"
            )
        return served

    @field_validator("transfer")
    @classmethod
    def _users_of_transfer_differ(cls, transfer: tuple[Disclosing, ...]) -> tuple[Disclosing, ...]:
        if twice := {each for each in transfer if transfer.count(each) > 1}:
            raise ValueError(f"names '{min(twice)}' twice; name all users once")
        return transfer

    def name_model(self, name: str, folder: Path) -> str:
        """Return the model string of a trained model in a folder."""
        return _fill_in(self.served, name, folder)

    @model_validator(mode="after")
    def _paths_of_dpo_are_those_of_sft(self) -> Self:
        if self.dpo_paths > (self.sft_trees or 0):
            raise ValueError(
                f"dpo_paths = {self.dpo_paths} takes from the {self.sft_trees or 0} of sft_trees"
            )
        return self


def _fill_in(served: str, name: str, folder: Path) -> str:
    return served.format(name=name, stage=folder.name, folder=folder)
