"""Experiments with one seed or several, made side by side, and the page that comes of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from aloe.benchmark.experiment.ablations import Ablation, train_compared
from aloe.benchmark.experiment.asking import AskingExperiment
from aloe.benchmark.experiment.asking_report import write_asking_report
from aloe.benchmark.experiment.pipeline import Experiment
from aloe.benchmark.experiment.pooled import write_pooled
from aloe.benchmark.experiment.report import Summary, write_ablations, write_report
from aloe.benchmark.experiment.stage import Stages
from aloe.benchmark.experiment.steps import RunCommand
from aloe.config import Config


@dataclass(frozen=True, kw_only=True)
class Series:
    """What is to be made."""

    configs: Sequence[Config]
    """One for each seed."""
    stages: Stages
    ablations: Sequence[Ablation]
    """Made with the first seed."""
    test: bool
    """Whether the test is opened; without it only what the ablations need is made."""

    def make(self, page: Path, run_command: RunCommand) -> Summary:
        """Make all that is not there yet, and write the page.

        Args:
            page: where the results go.
            run_command: what runs a command of the program.

        Raises:
            AloeError: a command failed; what is finished is kept.
        """
        if self.configs[0].experiment.recipe == "ask":
            (config,) = self.configs
            asking = AskingExperiment(config=config, stages=self.stages, run_command=run_command)
            return write_asking_report(page, config, asking.run())
        experiments = [
            Experiment(config=each, stages=self.stages, run_command=run_command)
            for each in self.configs
        ]
        first, config = experiments[0], self.configs[0]
        if not self.test:
            before = first.validate(train_compared(first, self.ablations))
            measured = [each.measure(first) for each in self.ablations]
            return write_ablations(page, config, before, measured)
        made = self.stages.make_together(*(each.run for each in experiments))
        measured = [each.measure(first) for each in self.ablations]
        if len(made) > 1:
            return write_pooled(page, list(zip(self.configs, made, strict=True)))
        return write_report(page, config, made[0], measured)
