from dataclasses import replace

import numpy as np
import pytest
from rows import table

from aloe.benchmark.compare import METRICS, Side, caveats, compare
from aloe.benchmark.scores import ReplyScores
from aloe.benchmark.statistics import holm
from aloe.benchmark.suite_result import compute_suite
from aloe.config import Config, validate
from aloe.errors import ConfigError

NAN = float("nan")
RNG = np.random.default_rng(7)
OWN = RNG.normal(3, 0.5, (20, 10))
SWAPPED = RNG.normal(3, 0.5, (20, 10))


def side(name: str, rows: list[ReplyScores]) -> Side:
    return Side(name=name, rows=rows)


def by_metric(base: Side, *others: Side):
    return {(line.other, line.metric): line for line in compare([base, *others])}


def test_a_difference_is_taken_cell_by_cell() -> None:
    base = side("base", table(OWN, SWAPPED))
    better = side("better", table(OWN + 0.3 + 0.02 * np.arange(10), SWAPPED))
    found = by_metric(base, better)
    assert found["better", "ir"].difference.value == pytest.approx(0.02)
    assert found["better", "gain"].difference.value == pytest.approx(0.39)
    assert 0.2 < found["better", "gain"].difference.low < 0.39
    assert found["better", "gain"].p_value < 0.002
    assert [line.metric for line in found.values()] == list(METRICS)


def test_no_difference_is_certain_of_none() -> None:
    base = side("base", table(OWN, SWAPPED))
    for line in compare([base, side("same", table(OWN, SWAPPED))]):
        assert line.difference.value == 0
        assert line.p_value == line.p_holm == 1


def test_only_what_both_have_counts() -> None:
    holes = OWN + 1
    holes[:5, 3] = NAN
    rows = table(holes, SWAPPED)
    fewer = [each for each in rows if each.case != "c19"]
    found = by_metric(side("base", table(OWN, SWAPPED)), side("fewer", fewer))
    assert found["fewer", "al_mean"].difference.value == pytest.approx(1)
    assert found["fewer", "al_mean"].difference.count == 19


def test_p_values_are_adjusted_over_the_whole_table() -> None:
    noisy = [side(f"n{i}", table(OWN + RNG.normal(0.1, 0.5, OWN.shape), SWAPPED)) for i in range(3)]
    lines = compare([side("base", table(OWN, SWAPPED)), *noisy])
    assert len(lines) == 3 * len(METRICS)
    expected = holm([line.p_value for line in lines])
    np.testing.assert_allclose([line.p_holm for line in lines], expected)


def test_length_is_levelled() -> None:
    rng = np.random.default_rng(3)
    words, longer = rng.integers(20, 40, OWN.shape), rng.integers(20, 120, OWN.shape)
    effect = 0.5 * (np.log2(longer) - np.log2(words))
    rows = [table(OWN), table(OWN + 0.2 + effect)]
    for each, lengths in zip(rows, (words, longer), strict=True):
        each[:] = [
            row.model_copy(update={"words": int(lengths[int(row.case[1:]), row.turn - 1])})
            for row in each
        ]
    found = by_metric(side("base", rows[0]), side("long", rows[1]))
    assert found["long", "al_at_equal_length"].difference.value == pytest.approx(0.2)
    assert found["long", "al_mean"].difference.value > 0.5
    assert found["long", "gain"].difference.value is None
    assert found["long", "gain"].p_holm is None


def test_nothing_in_common_is_refused() -> None:
    with pytest.raises(ConfigError, match="other and base have no case and seed in common"):
        compare([side("base", table(OWN)), side("other", table(OWN, suite="t"))])


def test_what_else_differs_is_said() -> None:
    def config(**models: object) -> Config:
        return validate(Config, {"models": models}, source="test")

    rows = table(OWN)
    sides = [side("a", rows), side("b", rows)]
    assert caveats(sides, [config(), config()]) == []
    (other,) = caveats(sides, [config(), config(user="openai:x")])
    assert "models.user.model" in other
    reticent = config().updated({"user.disclosure": "reticent"}, source="test")
    (other,) = caveats(sides, [config(), reticent])
    assert "differ in settings: user.disclosure ('schedule' in a, 'reticent' in b)" in other
    for name, value in (("user_words", 15), ("user_window", 1)):
        changed = config().updated({f"simulation.{name}": value}, source="test")
        (other,) = caveats(sides, [config(), changed])
        assert f"simulation.{name}" in other
    assert caveats(sides, [config(), config().updated({"seed": 8}, source="test")]) == []
    models = [replace(each, models={"local:u": each.name, "x:c": each.name}) for each in sides]
    assert caveats(models, [config(), config()]) == []
    (files,) = caveats(models, [config(user="local:u"), config(user="local:u")])
    assert "the files of the models" in files
    (judges,) = caveats(sides, [config(), config(panel=["openai:x"])])
    assert "models.panel" in judges
    (mass,) = caveats(sides, [config(), config().updated({"judge.min_mass": 0.1}, source="test")])
    assert "judge.min_mass" in mass
    other = replace(sides[1], prompts={"judge_score": "b", "user": "u"})
    for prompts, words in (({"judge_score": "a"}, "differ in prompts"), ({"user": "u"}, "")):
        found = caveats([replace(sides[0], prompts=prompts), other], [config(), config()])
        assert words in " ".join(found)
        assert bool(words) == bool(found)
    swaps = [side(name, table(OWN, SWAPPED, stand_ins=(name,))) for name in "ab"]
    assert "differ in swapped users" in caveats(swaps, [config(), config()])[0]
    for label in ("profile", "personality"):
        corrected = [row.model_copy(update={label: f"new {getattr(row, label)}"}) for row in rows]
        for two in ([sides[0], side("b", corrected)], [side("a", corrected), sides[1]]):
            (said,) = caveats(two, [config(), config()])
            assert "a and b have other profiles or personalities for the same cases" in said
            assert "intervals go by those of b" in said
    unfinished = replace(sides[1], finished=False)
    assert caveats([sides[0], unfinished], [config(), config()]) == ["b is not finished"]
    broken = side("c", table(np.where(OWN > 3, NAN, OWN)))
    assert "c is incomplete" in caveats([sides[0], broken], [config(), config()])[0]


def test_models_that_were_not_asked_are_no_reason() -> None:
    rows = table(OWN / 5, judges={"rule": 0.0})
    sides = [replace(side(name, rows), models={"local:u": name}) for name in "ab"]
    settings = {"models": {"user": "local:u", "judge": "local:u", "panel": ["local:v"]}}
    named = validate(Config, {**settings, "judge": {"min_mass": 0.1}}, source="test")
    assert caveats(sides, [named, validate(Config, {}, source="test")]) == []
    words = named.updated({"simulation.user_words": 15}, source="test")
    (said,) = caveats(sides, [named, words])
    assert "settings: simulation.user_words" in said


def test_one_incomplete_suite_among_several_is_said() -> None:
    holes = np.where(np.arange(20)[:, None] < 3, NAN, OWN[:, :2])
    whole, broken = (table(own, suite=name) for own, name in ((OWN, "whole"), (holes, "broken")))
    sides = [side("a", whole), side("b", [*whole, *broken])]
    config = validate(Config, {}, source="test")
    (said,) = caveats(sides, [config, config])
    assert said == "b is incomplete: more than 5% of the ratings of broken are missing"


def test_what_nobody_has_is_no_difference_and_a_dialogue_without_a_cell_does_not_count() -> None:
    first, last = np.where(np.arange(20)[:, None] < 4, OWN, NAN), OWN + 1
    found = by_metric(side("base", table(first, SWAPPED)), side("other", table(last, SWAPPED)))
    assert {line.difference.count for line in found.values()} == {4}
    assert found["other", "al_mean"].difference.value == pytest.approx(1)
    last[:4] = NAN
    found = by_metric(side("base", table(first)), side("other", table(last)))
    assert {line.difference.value for line in found.values()} == {None}
    assert {line.difference.count for line in found.values()} == {0}


def test_a_difference_has_one_value_whichever_way_it_is_computed() -> None:
    rows, zeros = table(OWN, SWAPPED), table(OWN - OWN)
    found = by_metric(side("none", zeros), side("own", rows))["own", "al_mean"].difference
    alone = compute_suite(rows).figures["al_mean"]
    assert (found.value, found.low, found.high) == (alone.value, alone.low, alone.high)
