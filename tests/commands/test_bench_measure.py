import sys
from pathlib import Path

import pytest
from command import RunAloe

from aloe.benchmark.cases import load_cases
from aloe.benchmark.folder import read_bench

S = "scripted:aloe.agents.scripted:reply"

METRICS = """
def words(row, tree):
    return len(tree.by_id[row.reply].content.split())


def asks(row, tree):
    return tree.by_id[row.reply].content.endswith("?") if row.turn > 1 else None


def breaks(row, tree):
    return tree.weather


def number(text):
    return lambda row, tree: eval(text) if row.turn == 1 else None


inf, nan = number("float('inf')"), number("float('nan')")
minus, huge = number("-1e308"), number("9**999")


def never(row, tree):
    return False if row.profile != "{profile}" else row.turn == 1


def turn_of_few(row, tree):
    return row.turn if row.turn == 1 or row.profile == "{profile}" else None
"""


def test_a_metric_of_ones_own_gets_its_interval(
    tmp_path: Path, aloe: RunAloe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    chosen = load_cases("aloe-100")[:42:7]
    (tmp_path / "own_metrics.py").write_text(METRICS.format(profile=chosen[0].profile))
    cases = [
        case.model_copy(update={"turns": 2}).model_dump_json(exclude={"id"}) + "\n"
        for case in chosen
    ]
    (tmp_path / "cases.jsonl").write_text("".join(cases), encoding="utf-8")
    models = ["--model", S, "--user", S, "--judge", S]
    ran = aloe("bench", "run", *models, "--cases", "cases.jsonl", "--seeds", 1, "--out", "b")
    assert ran.code == 0, ran.err
    measure = ("bench", "measure", "b")
    found = aloe(*measure, "own_metrics:words", "own_metrics:asks", "--json").result["metrics"]
    bench = read_bench(tmp_path / "b")
    (suite,) = {row.suite for row in bench.own_rows}
    words = found["own_metrics:words"][suite]["candidate"]
    assert words["value"] == pytest.approx(sum(r.words for r in bench.own_rows) / 12)
    assert words["low"] <= words["value"] <= words["high"]
    assert words["count"] == 12
    assert found["own_metrics:asks"][suite]["candidate"]["count"] == 6
    few = aloe(*measure, "own_metrics:turn_of_few", "--json").result["metrics"]
    replies = [r.turn for r in bench.own_rows if r.turn == 1 or r.profile == chosen[0].profile]
    mean = few["own_metrics:turn_of_few"][suite]["candidate"]
    assert 6 < len(replies) < 12
    assert mean["count"] == len(replies)
    assert mean["value"] == pytest.approx(sum(replies) / len(replies))
    share = aloe(*measure, "own_metrics:never", "--json").result["metrics"]
    never = share["own_metrics:never"][suite]["candidate"]
    assert 0 <= never["low"] <= never["value"] <= never["high"] <= 1
    for name in ("inf", "nan", "minus", "huge"):
        strange = aloe(*measure, f"own_metrics:{name}")
        assert strange.is_one_line_about(f"metric 'own_metrics:{name}' ", "turn 1")
    broken = aloe(*measure, "own_metrics:breaks")
    assert broken.is_one_line_about("own_metrics.py:11: AttributeError", "turn 1")
    assert aloe(*measure, "own_metrics:none").is_one_line_about("has no attribute 'none'")
    assert aloe("bench", "measure", tmp_path, "x:y").is_one_line_about(
        "name one of the runs in this folder: b"
    )
    assert aloe(*measure, "own_metrics:words", "--json").result["warnings"] == []
    (tmp_path / "b" / "result.json").unlink()
    unfinished = aloe(*measure, "own_metrics:words", "--json")
    assert unfinished.result["warnings"] == ["b is not finished"]
    assert "b is not finished" in unfinished.err
    trees = (tmp_path / "b" / "trees.jsonl").read_text().splitlines(keepends=True)
    (tmp_path / "b" / "trees.jsonl").write_text("".join(trees[:-1]))
    gone = aloe(*measure, "own_metrics:words")
    assert gone.is_one_line_about("b/trees.jsonl", bench.own_rows[-1].dialogue, "is not here")
