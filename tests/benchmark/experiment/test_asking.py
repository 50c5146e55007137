"""The experiment on asking from end to end, with scripted models and trainings of two steps."""

import json
from pathlib import Path
from zipfile import ZipFile

import pytest
import taught
from small_experiment import run_command, settings

from aloe.benchmark.experiment.asking import IMMEDIATE, AskingExperiment
from aloe.benchmark.experiment.asking_report import write_asking_report
from aloe.benchmark.experiment.rows import of_first_trees, read_rows, write_rows
from aloe.benchmark.experiment.stage import Stages

ASKING = {
    "recipe": "ask",
    "asker": "plain",
    "stranger": "",
    "transfer": ["reticent"],
    "sft_trees": 4,
    "dpo_paths": 2,
    "question_cost": 0.1,
    "needless_questions": 1.0,
    "answering_trees": 2,
    "test": 6,
    "dialogue_turns": 5,
}


@pytest.fixture
def taught_to_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the models be what their trainings are to have made of them."""
    names = {"immediate": taught.dpo, "sft": taught.asking, "dpo": taught.asking}
    for name, script in names.items():
        monkeypatch.setattr(taught, name, script, raising=False)


@pytest.mark.train
@pytest.mark.slow
@pytest.mark.usefixtures("taught_to_ask")
def test_the_experiment_on_asking_runs_and_finds_itself_again(tmp_path: Path) -> None:
    import tiny

    config = settings(tmp_path, tiny.save(tmp_path / "tiny"), **ASKING).updated(
        {
            "user": {"disclosure": "reticent"},
            "simulation": {"trees": 4, "turns": 3, "both_turns": 2, "expansion": "both",
                           "node_budget": 45},
        },
        source="test",
    )  # fmt: skip
    lines: list[str] = []
    stages = Stages(root=tmp_path / "experiment", on_line=lines.append)
    experiment = AskingExperiment(config=config, stages=stages, run_command=run_command)
    made = experiment.run()
    opened_at = lines.index("the test is opened")
    assert not any(line.startswith(("begin test", "test of")) for line in lines[:opened_at])
    # Each once, and base and `dpo` again with phrases that training has heard.
    assert sum(line.startswith("test of") for line in lines) == 5 + 2
    assert made.best == "dpo"
    assert set(made.test) == {"base", IMMEDIATE, "sft", "dpo", "shuffled"}

    page = tmp_path / "ask.md"
    summary = write_asking_report(page, config, made)
    goals = summary.result["goals"]
    reached = {name for name, found in goals.items() if found}
    assert {name for name in goals if "known" in name and "sure" not in name} <= reached
    assert "at most 1 question a reply at every turn" in reached
    text = page.read_text(encoding="utf-8")
    assert "Best on the validation" not in text
    assert "choose no model" in text
    for part in (
        "| asker |",
        "| rewriter |",
        "## Transfer",
        "also come from 2 trees of users who answer; those below are of the reticent ones",
        "By return: horizon 2, discount 0.9, z 0, question cost 0.1",
        "| asker | 0 |",
        "| while not all is known |",
        "| once all is known |",
        "; pairs: the same ",
        f"{made.best}, ceiling",
    ):
        assert part in text, part
    benches = [*made.test.values(), *made.validation.values(), *(c.model for c in made.transfer)]
    with ZipFile(page.with_suffix("") / "scores.zip") as archive:
        names = archive.namelist()
        assert {f"{bench.name}/scores.jsonl" for bench in benches} <= {*names}
        assert f"{made.test['dpo'].name}/ceiling/scores.jsonl" in names
        first = names[0]
        assert archive.read(first) == (made.people.parent / first).read_bytes()
    before = len(lines)
    assert experiment.run() == made
    assert [line for line in lines[before:] if not line.startswith("the test is opened")] == []

    of_trees = read_rows(experiment.export_rows(experiment.grow_trees(), "dpo", "return"))
    both = read_rows(experiment.export_pairs())
    assert both[: len(of_trees)] == of_trees  # dpo_trees takes all
    assert len(both) > len(of_trees)

    returns, judged = experiment.export_pairs(), experiment.export_judged_pairs()
    assert compared(judged) == compared(returns)
    rows, others, kept = map(read_rows, (returns, judged, experiment.export_paths(4)))
    learnt = [row for row in rows if row in kept]
    assert learnt == of_first_trees(kept, 2) == [row for row in others if row in kept]
    assert len(learnt) < len(kept)
    assert [row for row in rows if row not in others]  # where the labels differ


@pytest.mark.parametrize("count", [1, 2, None])
def test_dpo_learns_from_its_first_trees_and_all_answering_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int | None
) -> None:
    given = {**ASKING, "dpo_paths": 0, "dpo_trees": count}
    experiment = AskingExperiment(
        config=settings(tmp_path, tmp_path, **given),
        stages=Stages(root=tmp_path / "experiment"),
        run_command=pytest.fail,
    )

    def export_rows(trees: Path, kind: str, label: str = "judge") -> Path:
        rows = [
            {"tree": tree, "persona": trees.name, "turn": 1, "prompt": [trees.name],
             "chosen": [tree], "rejected": ["-"]}
            for tree in ("a", "b", "c")
        ]  # fmt: skip
        path = tmp_path / f"{trees.name}-{label}" / "rows.jsonl"
        write_rows(path, rows)
        return path

    monkeypatch.setattr(experiment, "grow_trees", lambda: tmp_path / "reticent")
    monkeypatch.setattr(experiment, "_grow_answering_trees", lambda: tmp_path / "answering")
    monkeypatch.setattr(experiment, "export_rows", export_rows)
    wanted = [("reticent", each) for each in "abc"[:count]]
    wanted += [("answering", each) for each in "abc"]
    for rows in (experiment.export_pairs(), experiment.export_judged_pairs()):
        assert [(row["persona"], row["tree"]) for row in read_rows(rows)] == wanted


def compared(rows: Path) -> list[set[str]]:
    """Return the replies that the pairs in a file are of, whichever is preferred."""
    return [{json.dumps(row["chosen"]), json.dumps(row["rejected"])} for row in read_rows(rows)]
