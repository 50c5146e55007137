"""Our users as an environment of verifiers: the rewards are those of the benchmark."""

import json
import os
import subprocess
from pathlib import Path
from statistics import fmean

import pytest
from conftest import ROOT

from aloe.benchmark.case import Case, Past
from aloe.benchmark.cases import load_cases
from aloe.memory.verifiable.scoring import measure_satisfaction

PYTHON = ROOT / ".venv-verifiers" / "bin" / "python"

pytestmark = pytest.mark.skipif(not PYTHON.exists(), reason="make test installs verifiers")


def write_cases(path: Path) -> list[Case]:
    cases = [case.model_copy(update={"turns": 3}) for case in load_cases("verifiable")[:2]]
    path.write_text("".join(each.model_dump_json(exclude={"id"}) + "\n" for each in cases))
    return cases


@pytest.mark.slow
def test_users_reward_as_in_the_benchmark_and_failures_reward_nothing(tmp_path: Path) -> None:
    cases = write_cases(tmp_path / "cases.jsonl")
    past = [Past(role="user", content="Hi."), Past(role="assistant", content="Hello.")]
    after = cases[0].model_copy(update={"history": tuple(past)})
    (tmp_path / "past.jsonl").write_text(after.model_dump_json(exclude={"id"}) + "\n")
    free = load_cases("aloe-100")[0].model_copy(update={"turns": 4})
    (tmp_path / "free.jsonl").write_text(free.model_dump_json(exclude={"id"}) + "\n")
    ran = subprocess.run(
        [
            PYTHON,
            ROOT / "tests" / "verified.py",
            tmp_path / "cases.jsonl",
            tmp_path / "past.jsonl",
            tmp_path / "free.jsonl",
            tmp_path / "out",
        ],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert ran.returncode == 0, ran.stderr[-2000:]
    found = json.loads(ran.stdout.splitlines()[-1])
    for at, case in enumerate(cases):
        held = found["rules"][at]
        assert [text for role, text in held["said"] if role == "assistant"] == found["replies"]
        assert [role for role, _ in held["said"]] == ["user", "assistant"] * 3
        wishes = case.persona.preferences
        levels = [measure_satisfaction(wishes, text) for text in found["replies"]]
        assert held["rewards"] == {"rules": pytest.approx(fmean(levels))}
        discounted = fmean(levels, (1, 0.9, 0.81))
        assert discounted != pytest.approx(fmean(levels))
        assert found["return"][at]["rewards"] == {"return": pytest.approx(discounted)}
        assert found["judge"][at]["rewards"] == {"judge": 0.75}
        assert held["metrics"]["turns"] == 3
        assert found["silent"][at]["rewards"] == {"rules": 0.0}
        assert found["silent"][at]["ok"]
    assert found["asked"] == 2 * 3  # every reply is rated once; rules ask no judge
    (spoiled,) = found["spoiled 3"]  # at the third of four messages
    assert [role for role, _ in spoiled["said"]] == ["user", "assistant"] * 2
    assert spoiled["rewards"] == {"judge": 0.75}
    assert (spoiled["metrics"]["turns"], spoiled["metrics"]["spoiled"]) == (2, 1)
    assert found["rules"][0]["metrics"]["spoiled"] == 0
    (spoiled,) = found["spoiled 1"]
    assert (spoiled["ok"], spoiled["rewards"]) == (False, {})
    assert "the user fell out of role at the first message" in spoiled["errors"][0]
    for name, words in (("unreadable", "no reply has a readable rating"), ("broken", "400")):
        for held in found[name]:
            assert (held["ok"], held["rewards"]) == (False, {})
            assert words in held["errors"][0]
    assert {temperature for temperature, _ in found["sampling"]} == {0.0}
    assert all(1 <= tokens <= 8 for _, tokens in found["sampling"])  # as the settings' judge
    rules, suite, reward, past_talk = found["refused"]
    assert "1 of 1 cases" in past_talk
    assert "begin with a past conversation" in past_talk
    assert "whose wishes a program can check" in rules
    assert "aloe-1000" in suite
    assert "reward" in reward
    assert "'rules', 'judge' or 'return'" in reward
    traces = (tmp_path / "out" / "a" / "traces.jsonl").read_text().splitlines()
    assert len(traces) == 2
