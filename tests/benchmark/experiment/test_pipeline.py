"""The pipeline from end to end."""

import json
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from small_experiment import run_command, settings

from aloe.benchmark.cases import load_cases
from aloe.benchmark.experiment.ablations import choose_ablations
from aloe.benchmark.experiment.pipeline import Experiment
from aloe.benchmark.experiment.report import write_report
from aloe.benchmark.experiment.stage import Stages
from aloe.benchmark.experiment.steps import read_level
from aloe.config import load
from aloe.memory.personas import as_lines
from aloe.memory.verifiable.generation import generate


@pytest.mark.train
@pytest.mark.slow
def test_the_experiment_runs_from_end_to_end_and_finds_itself_again(tmp_path: Path) -> None:
    import tiny

    config = settings(tmp_path, tiny.save(tmp_path / "tiny"), transfer=["schedule"])
    lines: list[str] = []

    def run(page: Path) -> Any:
        stages = Stages(root=tmp_path / "experiment", on_line=lines.append)
        experiment = Experiment(config=config, stages=stages, run_command=run_command)
        made = experiment.run()
        measured = [each.measure(experiment) for each in choose_ablations(["trees-4"], config)]
        return made, write_report(page, config, made, measured)

    made, summary = run(tmp_path / "first" / "results.md")
    chosen_at = lines.index("best on validation: dpo")
    assert not any(line.startswith(("begin test", "test of")) for line in lines[:chosen_at])
    # Each once, and base and `dpo` again with phrases that training has heard.
    assert sum(line.startswith("test of") for line in lines) == 5 + 2

    assert made.best == "dpo"  # it keeps all that was voiced
    assert read_level(made.test["dpo"]) > read_level(made.test["base"])
    assert summary.result["goals"]["own - swapped above 0"]
    assert summary.result["goals"]["IR above the base's"]
    assert summary.result["goals"]["shuffled: IR not above the base's"]
    assert summary.result["goals"]["shuffled: own - swapped at most 0.05 from 0"]
    text = (tmp_path / "first" / "results.md").read_text(encoding="utf-8")
    wanted = (
        "rewriter", "| stranger |", "| dpo, ceiling |", "| base, concise |", "trees-4",
        "schedule, phrases of training", "| Own - swapped | schedule |",
    )  # fmt: skip
    for part in (*wanted, "### Median"):
        assert part in text, part
    cases = load_cases(str(made.people / "test.cases.jsonl"))
    assert f"near-copies as one ({len({case.profile for case in cases})} are left)" in text
    assert f"of {len(cases)} of {len(cases)} dialogues" in text

    stages_made = len(lines)
    run(tmp_path / "second" / "results.md")
    assert [line for line in lines[stages_made:] if not line.startswith("best")] == []
    again = (tmp_path / "second" / "results.md").read_text(encoding="utf-8")
    assert again == text
    for name in ("levels.svg", "adaptation.svg", "scaling.svg"):
        pictures = [tmp_path / each / "results" / name for each in ("first", "second")]
        assert pictures[0].read_bytes() == pictures[1].read_bytes()


def test_a_kill_after_a_merge_does_not_stop_the_next_experiment(tmp_path: Path) -> None:
    def killed(arguments: Sequence[str]) -> None:
        Path(arguments[-1]).mkdir()
        raise KeyboardInterrupt

    config, trained = settings(tmp_path, tmp_path), tmp_path / "sft-1"
    stages = Stages(root=tmp_path / "experiment")
    with pytest.raises(KeyboardInterrupt):
        Experiment(config=config, stages=stages, run_command=killed).merge("sft", trained)
    # The command refuses a folder that is there, so it must not be asked again.
    assert (
        Experiment(config=config, stages=stages, run_command=killed).merge("sft", trained).is_dir()
    )


@pytest.mark.parametrize("first", ["bfloat16", "float32", ""])
def test_all_trainings_compute_in_the_numbers_of_the_first(tmp_path: Path, first: str) -> None:
    told: list[dict[str, Any]] = []

    def trained(arguments: Sequence[str]) -> None:
        given = {name: arguments[arguments.index(name) + 1] for name in ("--config", "--out")}
        asked = load(Path(given["--config"])).training.arguments
        told.append({key: value for key, value in asked.items() if key == "bf16"})
        record = {"settings": {"arguments": asked}, **({"frozen_in": first} if first else {})}
        Path(given["--out"]).mkdir(exist_ok=True)
        (Path(given["--out"]) / "training.json").write_text(json.dumps(record))
        if killed:
            raise KeyboardInterrupt

    stages = Stages(root=tmp_path / "experiment")
    made = Experiment(config=settings(tmp_path, tmp_path), stages=stages, run_command=trained)
    rows, expected = tmp_path / "rows.jsonl", {"bf16": first == "bfloat16"} if first else {}
    for killed in (True, False):  # the first one goes on as it began
        with pytest.raises(KeyboardInterrupt) if killed else nullcontext():
            made.train("sft", "sft", rows, None, {})
    assert told == [{}, {}]
    for killed in (True, False):
        with pytest.raises(KeyboardInterrupt) if killed else nullcontext():
            made.train("shuffled-sft", "sft", rows, None, {})
    made.train("dpo", "dpo", rows, None, {"beta": 0.2})
    made.train("grpo", "grpo", rows, None, {})  # which packs no trees
    assert told[2:] == [expected, expected, expected, {}]
    made.train("half", "dpo", rows, None, {"bf16": True})
    assert told[-1] == {"bf16": True}


@pytest.mark.train
@pytest.mark.slow
def test_the_quick_form_fails_unless_the_reward_rises(ran_experiment: Any, tmp_path: Path) -> None:
    for name, code in (("{name}", 0), ("idle-{name}", 2)):
        ran = ran_experiment(tmp_path / str(code), "--quick", served=f"scripted:taught:{name}")
        assert ran.code == code, ran.err
        reward = ran.result["reward"]
        assert (reward["sft"] > reward["base"]) == (code == 0)
        assert ("did not rise" in ran.err) == (code == 2)


def test_trees_are_not_resumed_by_a_model_whose_files_were_replaced(
    aloe: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = settings(tmp_path, tmp_path / "tiny").updated({"simulation.trees": 1}, source="test")
    (tmp_path / "small.toml").write_text(small.toml(), encoding="utf-8")
    (tmp_path / "people.jsonl").write_text(as_lines([generate(0)]), encoding="utf-8")
    given = ("--config", tmp_path / "small.toml", "--personas", tmp_path / "people.jsonl")
    name = small.models.assistants[0].model
    for weights, code in (("one", 0), ("one", 0), ("two", 2)):
        monkeypatch.setattr("aloe.models.weights.hash_models", lambda _, w=weights: {name: w})
        ran = aloe("experiment-trees", *given, "--out", tmp_path / "trees", "--quiet")
        assert ran.code == code, ran.err
    assert ran.is_one_line_about(name, "before its files changed")


def test_calls_of_trees_are_traced(
    aloe: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(provider, "shutdown", lambda: None)
    monkeypatch.setattr("aloe.telemetry._provider", lambda: provider)
    changes = {"simulation.trees": 1, "telemetry.spans": True}
    traced = settings(tmp_path, tmp_path / "tiny").updated(changes, source="test")
    (tmp_path / "traced.toml").write_text(traced.toml(), encoding="utf-8")
    (tmp_path / "people.jsonl").write_text(as_lines([generate(0)]), encoding="utf-8")
    given = ("--config", tmp_path / "traced.toml", "--personas", tmp_path / "people.jsonl")
    ran = aloe("experiment-trees", *given, "--out", tmp_path / "trees", "--quiet")
    assert ran.code == 0, ran.err
    assert sum(each.name.startswith("chat ") for each in exporter.get_finished_spans()) == 4


def test_trees_keep_to_the_budget_over_all_parts(aloe: Any, tmp_path: Path) -> None:
    capped = settings(tmp_path, tmp_path / "tiny").updated({"budget.max_calls": 3}, source="test")
    (tmp_path / "capped.toml").write_text(capped.toml(), encoding="utf-8")
    people = [generate(seed) for seed in range(8)]
    (tmp_path / "people.jsonl").write_text(as_lines(people), encoding="utf-8")
    given = ("--config", tmp_path / "capped.toml", "--personas", tmp_path / "people.jsonl")
    for _ in range(2):
        ran = aloe("experiment-trees", *given, "--out", tmp_path / "trees", "--quiet")
        assert ran.code == 3, ran.err
        assert "raise the cap and run the same command again" in " ".join(ran.err.split())
        assert len((tmp_path / "trees" / "events.jsonl").read_text().splitlines()) == 3
