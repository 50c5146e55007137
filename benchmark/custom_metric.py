"""A custom metric: one number per reply, averaged with an interval like any other figure.

The function gets a reply's row of scores and its dialogue, and returns a number (a truth value
counts as 1 or 0), or None where it does not apply. It only adds what is measured; suites,
conditions, clusters and intervals are those of every other figure.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from aloe.benchmark.figures import Figure, sample
from aloe.benchmark.folder import Bench
from aloe.benchmark.rare_events import FREE, SHARE
from aloe.benchmark.scores import ReplyScores
from aloe.benchmark.statistics import MOST, is_moderate, mean_cell
from aloe.errors import ConfigError, InputError
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
        InputError: the folder cannot be read, or lacks a dialogue that was rated.
    """
    metric: Metric = load_plugin("metrics", name)
    table: dict[str, dict[str, Figure]] = {}
    for condition in bench.conditions:
        trees = {tree.id: tree for tree in bench.trees(condition)}
        by_suite: dict[str, list[ReplyScores]] = {}
        for row in bench.rows(condition):
            if row.reply and row.dialogue not in trees:
                problem = f"dialogue {row.dialogue}, which scores.jsonl rates, is not here"
                raise InputError(bench.conditions[condition] / "trees.jsonl", problem)
            by_suite.setdefault(row.suite, []).append(row)
        for suite, rows in by_suite.items():
            table.setdefault(suite, {})[condition] = _measure(metric, name, trees, rows)
    return table


def _measure(
    metric: Metric, name: str, trees: Mapping[str, Tree], rows: Sequence[ReplyScores]
) -> Figure:
    """Return the mean over the replies; that of truth values is a share."""
    kinds = set[type]()

    def value(reply: ReplyScores) -> float | None:
        found = _value(metric, name, trees, reply) if reply.reply else None
        if found is None:
            return None
        kinds.add(type(found))
        return float(found)

    data = sample(rows)
    cells = data.measure(value)
    return data.figure(mean_cell, cells, bounds=SHARE if kinds <= {bool, np.bool_} else FREE)


def _value(
    metric: Metric, name: str, trees: Mapping[str, Tree], reply: ReplyScores
) -> float | None:
    """Return what the metric makes of a reply, a number or a truth value, as it is."""
    where = f"in dialogue {reply.dialogue}, turn {reply.turn}"
    try:
        value = metric(reply, trees[reply.dialogue])
        moderate = value is None or is_moderate(float(value))
    except Exception as error:
        problem = f"metric '{name}' failed {where}: {describe_error(error)}"
        raise ConfigError(problem) from None
    if not moderate:
        raise ConfigError(
            f"metric '{name}' gave {value} {where}; return a number within {MOST:g}, or None where "
            "it does not apply"
        )
    return value
