"""Is one model better than another? Paired by case and seed, and corrected.

Both models met the same users with the same facts in the same order, so only cells that both have
are compared, and the effect of a user on both cancels out. With many differences, some look
significant by luck, so p-values are adjusted over all lines of the table (Holm 1979).
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from aloe.benchmark.bench_plan import READ
from aloe.benchmark.elicitation_figures import (
    depends_on_replies,
    measure_each,
    measure_known,
    take_last,
)
from aloe.benchmark.figures import Figure, Sample, sample
from aloe.benchmark.inference import paired_difference
from aloe.benchmark.scores import ReplyScores, is_by_rule
from aloe.benchmark.statistics import (
    Array,
    Statistic,
    average_level,
    divide,
    holm,
    level_slope,
    mean_cell,
)
from aloe.benchmark.suite_result import MOST_MISSING, is_incomplete
from aloe.config import Config, find_differing
from aloe.errors import ConfigError
from aloe.models.model_string import ModelString
from aloe.schema import Record

METRICS: dict[str, str] = {
    "gain": "own minus swapped, averaged over the turns",
    "gain_ir": "its slope",
    "al_mean": "AL, averaged over the turns",
    "ir": "its slope",
    "al_at_equal_length": "AL, had both replies been as long",
}
"""What is compared, the primary metric first."""

ASKING_METRICS: dict[str, str] = {
    "known": "share of what there is to find out that the user has told at the end",
    "al_last": "AL in the last two turns",
    "gain_last": "own minus swapped there",
    "questions": "questions a reply",
    "needless": "the same once all is known",
}
"""What is compared beside where what users tell depends on the replies; elsewhere there is no line
of it, for each line makes all others less certain."""
COMPARED = tuple(name for name in READ if name != "seed")
"""How the names of the settings begin that two benches should share, beside their cases."""
PLAYING = (
    "models.user.",
    "models.judge.",
    "models.panel",
    "simulation.user_window",
    "judge.min_mass",
)
"""Of these, those on which nothing depends where rules play and rate."""

MOST_NAMED = 3
"""Settings that a warning names."""

COUNTS = ("questions", "needless")
"""Those that are no levels: numbers of each reply."""


class ComparisonRow(Record):
    """One line of the table: by how much `other` exceeds `base`."""

    suite: str
    metric: str
    base: str
    other: str
    difference: Figure
    """`count`: the dialogues of which both have a cell."""
    p_value: float | None
    """Two-sided; None where all dialogues share one profile and one personality."""
    p_holm: float | None
    """Adjusted for all lines of the table."""


@dataclass(frozen=True, kw_only=True)
class Side:
    """The rows of one bench folder."""

    name: str
    rows: Sequence[ReplyScores]
    prompts: Mapping[str, str] = field(default_factory=dict)
    """Content hash by name; empty where none are recorded."""
    models: Mapping[str, str] = field(default_factory=dict)
    """Hash of the files by model string; empty where none are recorded."""
    finished: bool = True


def compare(sides: Sequence[Side]) -> list[ComparisonRow]:
    """Compare every side with the first one, suite by suite.

    Raises:
        ConfigError: a side has no dialogue in common with the first.
    """
    base, *others = sides
    found = [line for other in others for line in _lines(base, other)]
    tested = [line for line in found if line.p_value is not None]
    p_values = np.array([line.p_value for line in tested], dtype=np.float64)
    adjusted = holm(p_values).tolist() if tested else []
    by_line = dict(zip(map(id, tested), adjusted, strict=True))
    return [line.model_copy(update={"p_holm": by_line.get(id(line))}) for line in found]


def _lines(base: Side, other: Side) -> list[ComparisonRow]:
    common = _keys(base.rows) & _keys(other.rows)
    if not common:
        raise ConfigError(f"{other.name} and {base.name} have no case and seed in common")
    lines = []
    for suite in sorted({suite for suite, *_ in common}):
        a, b = (
            sample([r for r in side.rows if r.suite == suite and _key(r) in common])
            for side in (other, base)
        )
        asking = depends_on_replies(a) or depends_on_replies(b)
        for metric in (*METRICS, *(ASKING_METRICS if asking else ())):
            figure, p_value = _difference(metric, a, b)
            lines.append(
                ComparisonRow(
                    suite=suite,
                    metric=metric,
                    base=base.name,
                    other=other.name,
                    difference=figure,
                    p_value=p_value,
                    p_holm=None,
                )
            )
    return lines


def _key(row: ReplyScores) -> tuple[str, str, int]:
    return row.suite, row.case, row.seed


def _keys(rows: Sequence[ReplyScores]) -> set[tuple[str, str, int]]:
    return {_key(row) for row in rows}


def _difference(metric: str, a: Sample, b: Sample) -> tuple[Figure, float | None]:
    left, right = _cells(metric, a), _cells(metric, b)
    statistic: Statistic = level_slope if metric.endswith("ir") else average_level
    if metric in COUNTS:
        statistic = mean_cell
    if metric == "al_at_equal_length":
        left, right, statistic = _adjusted(left, right, a.each("words"), b.each("words"))
    count = int((~np.isnan(left) & ~np.isnan(right)).any(axis=1).sum())
    try:
        found = paired_difference(left, right, a.profiles, a.personalities, statistic)
    except ValueError:  # one cluster only, or undefined without one of the dialogues
        plain = _plain(left, right, statistic)
        return Figure(value=plain, count=count), None
    return Figure.of(found.interval, count), found.p_value


def _cells(metric: str, side: Sample) -> Array:
    """Return what a metric is a statistic of, shape (dialogues, turns)."""
    if metric == "known":
        return take_last(side, measure_known(side), 1)
    if metric in COUNTS:
        return measure_each(side, lambda found: getattr(found, metric))
    cells = side.gain if metric.startswith("gain") else side.cells("own")
    return take_last(side, cells) if metric.endswith("_last") else cells


def _plain(left: Array, right: Array, statistic: Statistic) -> float | None:
    missing = np.isnan(left) | np.isnan(right)
    ones = np.ones((1, len(left)))
    a, b = (statistic(np.where(missing, np.nan, each), ones)[0] for each in (left, right))
    difference = float(a - b)
    return None if np.isnan(difference) else difference


def _adjusted(
    left: Array, right: Array, left_words: Array, right_words: Array
) -> tuple[Array, Array, Statistic]:
    """Return the differences as one table against zeros, and a statistic that levels length.

    The difference in score is regressed on the difference in log2 of the length over all cells;
    what the line gives where the lengths are equal is the difference that length does not explain.
    """
    longer = np.log2(np.maximum(left_words, 1.0)) - np.log2(np.maximum(right_words, 1.0))
    score = left - right
    known = ~np.isnan(score) & ~np.isnan(longer)
    x, y = np.where(known, longer, 0.0), np.where(known, score, 0.0)
    sums = np.stack([known.sum(axis=1), x.sum(axis=1), y.sum(axis=1)]).astype(np.float64)
    products = np.stack([(x * x).sum(axis=1), (x * y).sum(axis=1)])

    def intercept(table: Array, weights: Array) -> Array:
        if np.isnan(table).all():
            return np.full(len(weights), np.nan)
        if not np.nan_to_num(table).any():
            return np.zeros(len(weights))
        count, sum_x, sum_y = sums @ weights.T
        xx, xy = products @ weights.T
        spread = xx - divide(sum_x * sum_x, count)
        slope = divide(xy - divide(sum_x * sum_y, count), spread * (spread > 1e-9 * count))
        return divide(sum_y - np.nan_to_num(slope) * sum_x, count)

    return score, np.zeros_like(score), intercept


def caveats(sides: Sequence[Side], configs: Sequence[Config]) -> list[str]:
    """Return what makes the sides hard to compare with the first: other users, judges, cases."""
    found = [f"{side.name} is not finished" for side in sides if not side.finished]
    base = sides[0]
    for side, config in zip(sides[1:], configs[1:], strict=True):
        by_rule = is_by_rule(base.rows) and is_by_rule(side.rows)
        asked = set() if by_rule else _find_asked(configs[0])
        recorded = (
            ("prompts", base.prompts, side.prompts),
            (
                "the files of the models that play users or judge",
                _among(base.models, asked),
                _among(side.models, asked),
            ),
            ("swapped users", _swaps(base), _swaps(side)),
        )
        differing = [
            *_differing_settings(base, side, configs[0], config, by_rule=by_rule),
            *(what for what, there, here in recorded if _differs(there, here)),
        ]
        found += [
            f"{base.name} and {side.name} differ in {what}, which may be the reason"
            for what in differing
        ]
        if _differs(_clusters(base), _clusters(side)):
            found.append(
                f"{base.name} and {side.name} have other profiles or personalities for the same "
                f"cases; intervals go by those of {side.name}: correct the file of cases, then run "
                "both benches again"
            )
    for side in sides:
        if suites := _find_incomplete(side.rows):
            found.append(
                f"{side.name} is incomplete: more than {MOST_MISSING:.0%} of the ratings "
                f"of {', '.join(suites)} are missing"
            )
    return found


def _find_incomplete(rows: Iterable[ReplyScores]) -> list[str]:
    """Return the suites that lack too many ratings, each by itself."""
    by_suite: dict[str, list[ReplyScores]] = {}
    for row in rows:
        by_suite.setdefault(row.suite, []).append(row)
    return [suite for suite, each in by_suite.items() if is_incomplete(each)]


def _differing_settings(
    base: Side, side: Side, there: Config, here: Config, *, by_rule: bool
) -> Iterator[str]:
    """Yield the settings that differ of those that dialogues and ratings depend on."""
    unread = PLAYING if by_rule else ()
    found = find_differing(there, here, tuple(name for name in COMPARED if name not in unread))
    if there.benchmark.cases != here.benchmark.cases:
        found = {"benchmark.cases": (there.benchmark.cases, here.benchmark.cases), **found}
    named = [
        f"{name} ({old!r} in {base.name}, {new!r} in {side.name})"
        for name, (old, new) in sorted(found.items(), key=_which_model_first)[:MOST_NAMED]
    ]
    if more := len(found) - len(named):
        named.append(f"{more} more")
    if named:
        yield f"settings: {', '.join(named)}"


def _which_model_first(setting: tuple[str, object]) -> bool:
    return not setting[0].endswith(".model")


def _find_asked(config: Config) -> set[str]:
    """Return the model strings of the user and the judges; the candidate is to differ."""
    asked = (config.models.user, *config.models.judges().values())
    return {str(ModelString.parse(each.model)) for each in asked}


def _among(hashes: Mapping[str, str], names: Collection[str]) -> dict[str, str]:
    return {name: found for name, found in hashes.items() if name in names}


def _differs(there: Mapping[str, object], here: Mapping[str, object]) -> bool:
    """Whether something that both have recorded is not the same."""
    return any(there[name] != here[name] for name in there.keys() & here.keys())


def _swaps(side: Side) -> dict[str, tuple[str, ...]]:
    """Return for whom else the replies to each case were rated, as far as it is recorded."""
    return {row.case: row.stand_ins for row in side.rows if row.stand_ins}


def _clusters(side: Side) -> dict[str, tuple[str, str]]:
    """Return the labels of each case's life and personality."""
    return {row.case: (row.profile, row.personality) for row in side.rows}
