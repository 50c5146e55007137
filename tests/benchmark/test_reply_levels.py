"""A reply that a judge did not rate is in no mean, wherever means are taken."""

from rows import row

from aloe.benchmark.dialogue_pair import measure_changes
from aloe.benchmark.figures import sample
from aloe.benchmark.reply_levels import mean_gain, mean_level, reply_level
from aloe.benchmark.statistics import mean_cell
from aloe.benchmark.suite_result import compute_suite

BOTH = row(scores=[("strict", "own", 2.0), ("mild", "own", 4.0)])
ONE = row(scores=[("strict", "own", 1.0), ("mild", "own", None)], turn=2)


def test_a_missing_judge_takes_the_reply_out() -> None:
    assert reply_level(ONE, "own") is None
    assert mean_level([BOTH, ONE]) == 3.0
    assert mean_level([ONE]) is None
    assert mean_gain([BOTH, ONE]) is None
    assert sample([BOTH, ONE]).figure(mean_cell).value == 3.0
    assert compute_suite([BOTH, ONE]).figures["al_mean"].value == 3.0


def test_changes_of_dialogues_are_those_of_the_pages() -> None:
    better = row(scores=[("strict", "own", 3.0), ("mild", "own", 5.0)])
    assert measure_changes([BOTH, ONE], [better]) == {"d": 1.0}
    assert measure_changes([ONE], [better]) == {}
