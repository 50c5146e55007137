"""A custom metric: one number per reply, averaged with an interval like any other figure.

The function gets a reply's row of scores and its dialogue, and returns a number (a truth value
counts as 1 or 0), or None where it does not apply. It only adds what is measured; suites,
conditions, clusters and intervals are those of every other figure.
"""

from collections.abc import Callable, Mapping
from functools import partial

from aloe.benchmark.figures import Figure, sample
from aloe.benchmark.folder import Bench
from aloe.benchmark.scores import ReplyScores
from aloe.benchmark.statistics import mean_cell
from aloe.errors import ConfigError
from aloe.plugins import describe_error, load_plugin
from aloe.schema import Tree

Metric = Callable[[ReplyScores, Tree], float | None]


def measure_metric(bench: Bench, name: str) -> dict[str, dict[str, Figure]]:
    """Return the mean over the replies of the metric that `name` names, by suite and condition.

    Args:
        bench: a finished bench folder.
        name: `MODULE:FUNCTION`, or an entry point of the group `aloe.metrics`.

    Raises:
        ConfigError: it cannot be found, or fails (with file and line).
        InputError: the folder cannot be read.
    """
    metric: Metric = load_plugin("metrics", name)
    table: dict[str, dict[str, Figure]] = {}
    for condition in bench.conditions:
        trees = {tree.id: tree for tree in bench.trees(condition)}
        by_suite: dict[str, list[ReplyScores]] = {}
        for row in bench.rows(condition):
            by_suite.setdefault(row.suite, []).append(row)
        for suite, rows in by_suite.items():
            data = sample(rows)
            cells = data.measure(partial(_value, metric, name, trees))
            table.setdefault(suite, {})[condition] = data.figure(mean_cell, cells)
    return table


def _value(
    metric: Metric, name: str, trees: Mapping[str, Tree], reply: ReplyScores
) -> float | None:
    if reply.reply is None or reply.dialogue not in trees:
        return None
    try:
        value = metric(reply, trees[reply.dialogue])
        return None if value is None else float(value)
    except Exception as error:
        problem = f"metric '{name}' failed in dialogue {reply.dialogue}, turn {reply.turn}"
        raise ConfigError(f"{problem}: {describe_error(error)}") from None
