"""Commands of an experiment, as the command line takes them."""

import pytest
from command import RunAloe

from aloe.benchmark.experiment.processes import is_silent


@pytest.mark.parametrize(
    "command",
    [("experiment-trees",), ("relabel",), ("export",), ("train", "sft"), ("train", "merge"),
     ("bench", "run"), ("rejudge",)],
)  # fmt: skip
def test_a_command_is_told_to_be_quiet_only_if_it_can(
    aloe: RunAloe, command: tuple[str, ...]
) -> None:
    assert ("--quiet" in aloe(*command, "--help").out) is not is_silent(command)
