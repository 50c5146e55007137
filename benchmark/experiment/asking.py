"""What the experiment on asking does, in order.

    people -> paths of users who tell -> what the judge puts below no other -> sft
                                      -> pairs by the judge, for every dpo
    people -> trees, siblings continued -> labels by return beside the judge's
    sft -> dpo on pairs by return                                    dpo
    sft -> dpo on the same pairs, as the judge prefers                immediate
    shuffled rows -> sft -> dpo by return                            shuffled, the control
    sft, dpo -> validation, which settles the recipe
    dpo -> test, with base, sft, immediate, control and ceiling

SFT teaches to keep what the user has said, and has nothing to do with returns: the judge seldom
tells a reply from the same reply with a question, and then one of them is drawn. `dpo` and
`immediate` go on from it in the same way with the same pairs of replies: all that differs is which
of the two is preferred. Pairs of the paths keep both from forgetting what SFT taught.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from aloe.benchmark.experiment.pipeline import Experiment, Made, Validated
from aloe.benchmark.experiment.rows import (
    keep_unbeaten,
    of_first_trees,
    prefer_anew,
    read_rows,
)
from aloe.benchmark.experiment.steps import Label

IMMEDIATE = "immediate"


@dataclass(frozen=True, kw_only=True)
class MadeByAsking(Made):
    """What a whole experiment on asking left."""

    pairs: Mapping[str, Path]
    """Rows of DPO, by model: by return and by the judge."""


@dataclass(kw_only=True)
class AskingExperiment(Experiment):
    """The recipe of an experiment on asking."""

    base_controls: ClassVar[Sequence[str]] = ()

    def run(self) -> MadeByAsking:
        """Do all that is not there yet.

        Raises:
            AloeError: a command failed; what is finished is kept.
        """
        made = super().run()
        return MadeByAsking(
            **vars(made),
            pairs={"dpo": self.export_pairs(), IMMEDIATE: self.export_judged_pairs()},
        )

    def grow_trees(self) -> Path:
        """Return the run folder of the trees with both labels."""
        return self.relabel(super().grow_trees())

    def choose(self, before: Validated) -> str:  # noqa: ARG002
        """Return the model that learnt from returns, whatever the validation users say of it."""
        self.stages.log("the test is opened")
        return "dpo"

    def export_best(self) -> Path:
        """Return the rows of SFT, by the judge's labels."""
        seed = self.config.seed
        if count := self.config.experiment.sft_trees:
            compared = judged = self.export_paths(count)
        else:  # of all conversations that a label decides
            compared, judged = self._pairs_by("mixed"), self._pairs_by("judge")
        return self.change_rows(
            "unbeaten",
            compared,
            lambda found: keep_unbeaten(found, read_rows(judged), seed),
            judged.parent.name,
            seed,
        )

    def export_paths(self, count: int) -> Path:
        """Return the judge's preferences on single paths of users who tell their wishes."""
        simulation = {"trees": count, "expansion": "sample", "both_turns": 0,
                      "node_budget": None, "budget_keeps": ""}  # fmt: skip
        changes = {
            "user": {"disclosure": "answering"},
            "simulation": simulation,
            "experiment": {"needless_questions": 0.0},  # or SFT would learn to ask them
        }
        config = self.config.updated(changes, source="experiment.sft_trees")
        return self.export_rows(self.grow("telling-trees", config), "dpo")

    def export_all_pairs(self) -> Path:
        """Return the preferences by return of all trees but the answering ones."""
        return self.export_rows(self.grow_trees(), "dpo", "return")

    def export_pairs(self) -> Path:
        """Return the rows of DPO: preferences by return, and those of the judge on paths."""
        return self._with_paths(self._export_compared())

    def _export_compared(self) -> Path:
        """Return the preferences by return of the first trees, and of all answering ones."""
        return self._with_answering(super().export_pairs(), "return")

    def _with_paths(self, pairs: Path) -> Path:
        paths, count = self.config.experiment.sft_trees, self.config.experiment.dpo_paths
        if not paths or not count:
            return pairs
        judged = self.export_paths(paths)
        return self.change_rows(
            "pairs-with-paths",
            pairs,
            lambda found: [*found, *of_first_trees(read_rows(judged), count)],
            judged.parent.name,
            count,
        )

    def train_candidates(self) -> dict[str, Path]:
        """Return the models of which the best is chosen, by name."""
        made = self.stages.make_together(self.train_sft, self.train_dpo)
        return dict(zip(("sft", "dpo"), made, strict=True))

    def train_references(self, best: str) -> dict[str, Path]:
        """Return the control, and the model of the judge's labels, by name."""
        return {**super().train_references(best), IMMEDIATE: self.train_immediate()}

    def train_immediate(self) -> Path:
        """Return the SFT model after DPO on the same pairs, with the judge's preferences."""
        rows = self.export_judged_pairs()
        return self.train(IMMEDIATE, "dpo", rows, self.train_sft(), self.config.experiment.dpo)

    def export_judged_pairs(self) -> Path:
        """Return the same pairs of replies with the judge's preferences."""
        judged, seed = self._pairs_by("judge"), self.config.seed
        return self._with_paths(
            self.change_rows(
                "judged-pairs",
                self._export_compared(),
                lambda found: prefer_anew(found, read_rows(judged), seed),
                judged.parent.name,
                seed,
            )
        )

    def _pairs_by(self, label: Label) -> Path:
        return self._with_answering(self.export_rows(self.grow_trees(), "dpo", label), label)

    def _with_answering(self, pairs: Path, label: Label) -> Path:
        """Return pairs and those of the answering trees, whose ids are those of the others."""
        if not self.config.experiment.answering_trees:
            return pairs
        more = self.export_rows(self._grow_answering_trees(), "dpo", label)
        return self.change_rows(
            "pairs-of-both",
            pairs,
            lambda found: [*found, *read_rows(more)],
            more.parent.name,
        )

    def _grow_answering_trees(self) -> Path:
        changes = {
            "user": {"disclosure": "answering"},
            "simulation": {"trees": self.config.experiment.answering_trees},
        }
        config = self.config.updated(changes, source="experiment.answering_trees")
        return self.relabel(self.grow("answering-trees", config))
