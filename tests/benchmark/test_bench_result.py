"""result.json: one type that is written and read."""

import json
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError
from rows import table

from aloe.benchmark.bench_result import BenchResult
from aloe.benchmark.case import Case
from aloe.benchmark.cases import load_cases
from aloe.benchmark.scores import ReplyScores
from aloe.benchmark.suite_result import compute_suites
from aloe.errors import InputError


@pytest.fixture
def result() -> BenchResult:
    rows = table(np.random.default_rng(0).normal(3, 1, (7, 3)))
    return BenchResult.model_validate({
        "version": "0", "python": "3", "packages": {}, "complete": True,
        "conditions": {"candidate": {"model": "openai:ü", "about": "it"}},
        "user": "openai:u", "judges": ["openai:j"], "cases": "s", "cases_hash": "0", "seeds": 1,
        "seed": 0, "prompts": {"user": "1"}, "warnings": ["beware"],
        "spent": {"calls": 3, "input_tokens": 2, "output_tokens": 1, "cost": None},
        "suites": compute_suites(rows),
    })  # fmt: skip


def test_what_was_written_is_read_again(result: BenchResult, tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    result.write(path)
    assert BenchResult.read(path) == result
    text = path.read_text(encoding="utf-8")
    assert "openai:ü" in text
    assert text.startswith('{\n "version"')
    assert json.loads(text)["primary"] == "gain"


def test_a_script_is_told_the_figures_alone(result: BenchResult) -> None:
    told = result.summarise()
    assert list(told) == ["complete", "warnings", "spent", "figures", "ratings"]
    assert told["ratings"]["s"] == {
        "candidate": {"ratings": 21, "missing": {}, "incomplete": False}
    }
    assert told["figures"]["s"]["candidate"]["ir"]["count"] == 21
    assert result.candidate == "openai:ü"


def test_what_is_incomplete_is_named(result: BenchResult) -> None:
    assert result.describe_gaps() == ""
    one = result.suites["s"]["candidate"]
    lost = one.model_copy(update={"missing": {"unreadable": 5, "judge": 1}, "incomplete": True})
    suites = {"s": {"candidate": one, "ceiling": lost}}
    assert result.model_copy(update={"suites": suites, "complete": False}).describe_gaps() == (
        "more than 5% of the ratings are missing; s, ceiling: 6 of 21 (1 judge, 5 unreadable)"
    )


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"seeds": "many"}, "seeds"),
        ({"suites": {"s": {"candidate": {}}}}, "suites.s.candidate.scale"),
        ({"conditions": {"nobody": {"model": "m", "about": ""}}}, "conditions.nobody"),
    ],
)
def test_a_broken_result_is_refused_with_its_place(
    result: BenchResult, tmp_path: Path, change: dict, said: str
) -> None:
    path = tmp_path / "result.json"
    path.write_text(json.dumps(result.model_dump(mode="json") | change))
    with pytest.raises(InputError, match=f"not the result of a bench run: {said}"):
        BenchResult.read(path)
    path.write_text("{")
    with pytest.raises(InputError, match="not the result of a bench run: Invalid JSON"):
        BenchResult.read(path)
    path.write_bytes(b'{"version": "\xff"}')
    with pytest.raises(InputError, match="not the result of a bench run: "):
        BenchResult.read(path)
    path.unlink()
    with pytest.raises(InputError, match="the run has not finished"):
        BenchResult.read(path)


@pytest.mark.parametrize("name", ["../x", "/tmp/x", "a/b", "..", ".", "", "a\0b", "x" * 300])
def test_a_suite_is_called_after_what_can_be_a_file_in_its_folder(
    result: BenchResult, name: str
) -> None:
    case = load_cases("aloe-100")[0].model_dump(mode="json") | {"suite": name}
    score = table(np.ones((1, 1)))[0].model_dump(mode="json") | {"suite": name}
    suites = result.model_dump(mode="json") | {"suites": {name: {}}}
    for kind, raw in ((Case, case), (ReplyScores, score), (BenchResult, suites)):
        with pytest.raises(ValidationError, match="must do as the name of a file"):
            kind.model_validate(raw)
