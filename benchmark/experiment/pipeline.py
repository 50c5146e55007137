"""What the experiment does, in order.

    people -> trees -> rows -> sft -> dpo
                               sft -> trees of its own -> rl
                       shuffled rows -> sft -> dpo, the control
    sft, dpo, rl -> validation -> the best -> test, with base, control, ceiling and concise
                                              test with other users, or in other phrases

The test personas are not looked at before the best model has been chosen on the validation
personas, and the log says when that was.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path
from typing import ClassVar, get_args

from aloe.benchmark.experiment.rows import of_first_trees, shuffle_wishes
from aloe.benchmark.experiment.steps import Steps, read_level
from aloe.config import Config, Disclosing, Phrases

BASE, CONTROL = "base", "shuffled"


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A cell of the matrix of transfer: bench folders with the same test users."""

    trained: Disclosing
    tested: Disclosing
    phrases: Phrases
    base: Path
    model: Path


@dataclass(frozen=True, kw_only=True)
class Validated:
    """What there is before the test is opened, by name of the model."""

    people: Path
    trees: Path
    models: Mapping[str, Path]
    validation: Mapping[str, Path]
    """Bench folders."""

    @property
    def stages(self) -> tuple[Path, ...]:
        """The stages from which figures are."""
        return self.people, self.trees, *self.models.values(), *self.validation.values()


@dataclass(frozen=True, kw_only=True)
class Made(Validated):
    """What a whole experiment left, by name of the model."""

    best: str
    """The tuned model that was best on the validation personas."""
    test: Mapping[str, Path]
    """Bench folders."""
    transfer: tuple[Cell, ...]

    @property
    def stages(self) -> tuple[Path, ...]:
        """The stages from which figures are."""
        cells = (folder for cell in self.transfer for folder in (cell.base, cell.model))
        return *super().stages, *self.test.values(), *cells


@dataclass(kw_only=True)
class Experiment(Steps):
    """The recipe of an experiment."""

    base_controls: ClassVar[Sequence[str]] = ("ceiling", "concise")
    """Conditions that the base is tested under beside the plain one."""

    def run(self) -> Made:
        """Do all that is not there yet.

        Raises:
            AloeError: a command failed; what is finished is kept.
        """
        before = self.validate(self._train_all())
        best = self.choose(before)
        models = {**before.models, **self.train_references(best)}
        test = {BASE: partial(self.run_bench, BASE, None, "test", self.base_controls)}
        for name, path in models.items():
            controls = ("ceiling",) if name == best else ()
            test[name] = partial(self.run_bench, name, path, "test", controls)
        tested = dict(zip(test, self.stages.make_together(*test.values()), strict=True))
        return Made(
            people=self.draw_people(),
            trees=self.grow_trees(),
            models=models,
            best=best,
            validation=before.validation,
            test=tested,
            transfer=tuple(self.measure_transfer(best, tested)),
        )

    def train_references(self, best: str) -> dict[str, Path]:
        """Return what the best model is held against, made by its recipe, by name."""
        return {CONTROL: self.train_control(best)}

    def choose(self, before: Validated) -> str:
        """Return the model that does best with the validation users."""
        best = max(before.models, key=lambda name: read_level(before.validation[name]))
        self.stages.log(f"best on validation: {best}")
        return best

    def measure_transfer(self, best: str, tested: Mapping[str, Path]) -> Iterable[Cell]:
        """Yield what the best model's recipe gains from each kind of user with each, on test users.

        Args:
            best: name of the model.
            tested: bench folders of the test, by model: nobody is tested twice in the same way.
        """
        kinds, own = self.config.experiment.transfer, self.config.user
        heard: tuple[Phrases, ...] = get_args(Phrases)
        for trained, users, phrases in product(kinds, kinds, heard):
            name, model = self._train_on(trained, best)
            as_tested = users == own.disclosure and phrases == (own.phrases or "test")
            found = tested if as_tested else {}
            changes = {"disclosure": users, "phrases": phrases}
            base, tuned = (
                found.get(each) or self.run_bench(each, folder, "test", users=changes)
                for each, folder in ((BASE, None), (name, model))
            )
            yield Cell(trained=trained, tested=users, phrases=phrases, base=base, model=tuned)

    def _train_on(self, disclosure: Disclosing, best: str) -> tuple[str, Path]:
        """Return name and folder of the model of this recipe that has learnt from these users."""
        if disclosure == self.config.user.disclosure:
            return best, self.train_candidates()[best]
        changes: Mapping[str, object] = {"user": {"disclosure": disclosure}}
        config = self.config.updated(changes, source="experiment.transfer")
        other = type(self)(config=config, stages=self.stages, run_command=self.run_command)
        return f"{best}-{disclosure}", other.train_candidates()[best]

    def _train_all(self) -> dict[str, Path]:
        """Make the tuned models, and what the control may need where that keeps nothing waiting."""
        if self.stages.at_once == 1:
            return self.train_candidates()
        return self.stages.make_together(
            self.train_candidates, lambda: {CONTROL: self.train_control("dpo")}
        )[0]

    def validate(self, models: Mapping[str, Path]) -> Validated:
        """Let these models and the base meet the validation personas.

        Raises:
            AloeError: a command failed; what is finished is kept.
        """
        whom = {**models, BASE: None}
        benches = (partial(self.run_bench, name, path, "validation") for name, path in whom.items())
        validation = dict(zip(whom, self.stages.make_together(*benches), strict=True))
        return Validated(
            people=self.draw_people(),
            trees=self.grow_trees(),
            models=models,
            validation=validation,
        )

    def run_quick(self) -> tuple[Path, Path]:
        """Make the SFT model only; return bench folders of base and SFT with training personas.

        Raises:
            AloeError: a command failed; what is finished is kept.
        """
        return self.run_bench(BASE, None, "train"), self.run_bench("sft", self.train_sft(), "train")

    def train_sft(self) -> Path:
        """Return the SFT model."""
        return self.fine_tune("sft", self.export_best())

    def export_best(self) -> Path:
        """Return the rows of SFT."""
        return self.export_rows(self.grow_trees(), "sft")

    def fine_tune(self, name: str, rows: Path) -> Path:
        """Return the base after SFT on these rows."""
        return self.train(name, "sft", rows, None, self.config.experiment.sft)

    def train_dpo(self) -> Path:
        """Return the DPO model, from the SFT model."""
        pairs, start = self.export_pairs(), self.train_sft()
        return self.train("dpo", "dpo", pairs, start, self.config.experiment.dpo)

    def export_pairs(self) -> Path:
        """Return the rows of DPO."""
        rows, count = self.export_all_pairs(), self.config.experiment.dpo_trees
        if count is None:
            return rows
        return self.change_rows("pairs", rows, partial(of_first_trees, count=count), count)

    def export_all_pairs(self) -> Path:
        """Return the preferences of all trees."""
        return self.export_rows(self.grow_trees(), "dpo")

    def train_rl(self) -> Path:
        """Return the model that learnt from its own replies, from the SFT model."""
        experiment = self.config.experiment
        if experiment.rl_method == "grpo":
            return self.train("grpo", "grpo", self.grow_trees(), self.train_sft(), experiment.rl)
        sft = self.train_sft()
        writer = self.merge("sft", sft)
        trees = self.grow("own-trees", self._own_writers(writer), writer.name, deployed=True)
        return self.train("rejection", "sft", self.export_rows(trees, "sft"), sft, experiment.rl)

    def _own_writers(self, sft: Path) -> Config:
        """Return settings under which the SFT model, served from a folder, writes all."""
        config, source = self.config, "experiment.rl"
        writer = {
            "model": self.model_string("sft", sft),
            "temperature": 1.0,
            "max_tokens": config.benchmark.candidate.max_tokens,
            "hint": False,
            "style": None,
            "window": None,
        }
        changes = {
            "models.assistants": [
                config.models.assistants[0].updated(
                    {**writer, "name": f"sample{number}"}, source=source
                )
                for number in range(1, config.experiment.rl_candidates + 1)
            ],
            "experiment": {"rewriter": "", "stranger": "", "asker": ""},
            "simulation.trees": config.experiment.rl_trees,
            "simulation.budget_keeps": "",
            "seed": config.seed + 1,
        }
        return config.updated(changes, source=source)

    def train_candidates(self) -> dict[str, Path]:
        """Return the models that are candidates for the best, by name."""
        made = self.stages.make_together(self.train_sft, self.train_dpo, self.train_rl)
        return dict(zip(("sft", "dpo", self.config.experiment.rl_method), made, strict=True))

    def train_control(self, best: str) -> Path:
        """Return the control of the best model: the same recipe on shuffled rows.

        What a model writes itself cannot be shuffled, so the control of RL is that of DPO, which
        had as much to learn from.
        """
        rows = self._shuffle("sft-rows", self.export_best())
        sft = self.fine_tune("shuffled-sft", rows)
        if best == "sft":
            return sft
        rows = self._shuffle("pairs", self.export_pairs())
        return self.train("shuffled-dpo", "dpo", rows, sft, self.config.experiment.dpo)

    def _shuffle(self, name: str, rows: Path) -> Path:
        personas, seed = self.read_personas("train"), self.config.seed
        return self.change_rows(
            f"shuffled-{name}", rows, lambda found: shuffle_wishes(found, personas, seed), seed
        )
