"""What the experiment on asking does, in order.

    people -> trees, siblings continued -> labels by return beside the judge's
    what returns (else the judge) put below no other -> sft -> dpo by return
    the same conversations, by the judge's label: the recipe of the best      immediate
    shuffled rows by return: the recipe of the best                           shuffled, the control
    sft, dpo -> validation -> the best -> test, with base, immediate, control and ceiling

The best model and `immediate` learn from the same conversations of the same trees in the same way:
all that differs is the label. The judge's seldom tells a reply from the same reply with a question,
and then one of them is drawn.

Returns exist only for replies that were continued, so alone they say little of late turns, when
most is known. There the judge's label stands in, for both.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import ClassVar, get_args

from aloe.benchmark.experiment.pipeline import BASE, Experiment, Made
from aloe.benchmark.experiment.rows import Row, keep_unbeaten, of_first_trees, read_rows
from aloe.benchmark.experiment.steps import Label
from aloe.config import Disclosing, Phrases

IMMEDIATE = "immediate"


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A cell of the matrix of transfer: bench folders with the same validation users."""

    trained: Disclosing
    tested: Disclosing
    phrases: Phrases
    base: Path
    model: Path


@dataclass(frozen=True, kw_only=True)
class MadeByAsking(Made):
    """What a whole experiment on asking left."""

    transfer: tuple[Cell, ...]


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
        return MadeByAsking(**vars(made), transfer=tuple(self.measure_transfer()))

    def grow_trees(self) -> Path:
        """Return the run folder of the trees with both labels."""
        return self.relabel(super().grow_trees())

    def export_best(self) -> Path:
        """Return the rows of SFT on returns, and on the judge's labels where there are none."""
        return self._rows_by("mixed")

    def export_all_pairs(self) -> Path:
        """Return the preferences by return."""
        return self._pairs_by("return")

    def train_candidates(self) -> dict[str, Path]:
        """Return the models of which the best is chosen, by name."""
        made = self.stages.make_together(self.train_sft, self.train_dpo)
        return dict(zip(("sft", "dpo"), made, strict=True))

    def train_references(self, best: str) -> dict[str, Path]:
        """Return the control, and the recipe of the best on the judge's labels, by name."""
        return {**super().train_references(best), IMMEDIATE: self.train_immediate(best)}

    def train_immediate(self, best: str) -> Path:
        """Return what the recipe of the best makes of the judge's labels."""
        sft = self.fine_tune("immediate-sft", self._rows_by("judge"))
        if best == "sft":
            return sft
        pairs, judged = self.export_pairs(), self._pairs_by("judge")

        def change(rows: list[Row]) -> list[Row]:
            compared = set(map(_conversation, read_rows(pairs)))
            return [row for row in rows if _conversation(row) in compared]

        rows = self.change_rows("judged-pairs", judged, change, pairs.parent.name)
        return self.train("immediate-dpo", "dpo", rows, sft, self.config.experiment.dpo)

    def measure_transfer(self) -> Iterable[Cell]:
        """Yield what models trained on each kind of user gain with each, on validation users."""
        kinds = self.config.experiment.transfer
        for trained in kinds:
            name, model = self._train_on(trained)
            for tested in kinds:
                for phrases in get_args(Phrases):
                    users = {"disclosure": tested, "phrases": self._name_phrases(phrases)}
                    bench = partial(self.run_bench, part="validation", users=users)
                    yield Cell(
                        trained=trained,
                        tested=tested,
                        phrases=phrases,
                        base=bench(BASE, None),
                        model=bench(name, model),
                    )

    def _name_phrases(self, phrases: Phrases) -> Phrases | None:
        """Return what settings name phrases, so that benches made under those are found again."""
        given = self.config.user.phrases
        return given if phrases == (given or "test") else phrases

    def _train_on(self, disclosure: Disclosing) -> tuple[str, Path]:
        """Return name and folder of the SFT model of returns with these users."""
        if disclosure == self.config.user.disclosure:
            return "sft", self.train_sft()
        changes: Mapping[str, object] = {"user": {"disclosure": disclosure}}
        config = self.config.updated(changes, source="experiment.transfer")
        other = AskingExperiment(config=config, stages=self.stages, run_command=self.run_command)
        name = f"sft-{disclosure}"
        return name, other.fine_tune(name, other.export_best())

    def _rows_by(self, label: Label) -> Path:
        """Return the rows of SFT by a label; by whichever, they are of the same conversations."""
        compared, labelled = self._pairs_by("mixed"), self._pairs_by(label)
        seed, count = self.config.seed, self.config.experiment.sft_trees

        def change(rows: list[Row]) -> list[Row]:
            chosen = of_first_trees(rows, count) if count else rows
            return keep_unbeaten(chosen, read_rows(labelled), seed)

        inputs = (labelled.parent.name, seed, count)
        return self.change_rows(f"unbeaten-by-{label}", compared, change, *inputs)

    def _pairs_by(self, label: Label) -> Path:
        return self.export_rows(self.grow_trees(), "dpo", label)


def _conversation(row: Row) -> str:
    return json.dumps([row["tree"], row["prompt"]])
