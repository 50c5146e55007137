"""Stages: made once, found again by what decides their content, side by side if allowed."""

import subprocess
import threading
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from aloe.benchmark.experiment import report
from aloe.benchmark.experiment.ablations import MeasuredAblation, choose_ablations
from aloe.benchmark.experiment.asking_report import _users
from aloe.benchmark.experiment.pipeline import Validated
from aloe.benchmark.experiment.pooled import _head
from aloe.benchmark.experiment.report import describe
from aloe.benchmark.experiment.stage import Stages, _code, hash_sources, read_sources
from aloe.benchmark.experiment.steps import Steps
from aloe.config import Config, load
from aloe.errors import ConfigError, StoreError


def test_a_stage_is_made_once_and_found_by_its_inputs(tmp_path: Path) -> None:
    lines: list[str] = []
    stages = Stages(root=tmp_path, on_line=lines.append)
    made: list[Path] = []

    def make(path: Path) -> None:
        made.append(path)
        path.mkdir(exist_ok=True)

    one = stages.make("one", [1, {"a": 2}], make)
    assert stages.make("one", [1, {"a": 2}], make) == one
    assert stages.make("one", [1, {"a": 3}], make) != one
    assert len(made) == 2
    assert [line.split()[0] for line in lines] == ["begin", "end", "begin", "end"]
    assert (tmp_path / "experiment.log").read_text(encoding="utf-8").count("begin") == 2


def test_a_page_of_stages_that_other_sources_made_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stages = Stages(root=tmp_path)
    one = stages.make("one", [1], Path.mkdir)
    assert read_sources([one]) == {hash_sources()}
    made = Validated(people=one, trees=one, models={"sft": one}, validation={})
    assert "was changed" not in describe(Config(), made)
    monkeypatch.setattr("aloe.benchmark.experiment.stage.hash_sources", lambda: "other")
    two = stages.make("two", [1], Path.mkdir)
    assert stages.make("one", [1], Path.mkdir) == one  # found again all the same
    assert "was changed" not in describe(Config(), replace(made, people=two, trees=two, models={}))
    assert "of 2 states" in describe(Config(), replace(made, models={"sft": two}))
    three = stages.make("three", [two.name, {"made": "of two"}], Path.mkdir)
    four = stages.make("four", [three.name, 1, "no stage", "", "a/b", "x" * 999], Path.mkdir)
    monkeypatch.undo()
    five = Stages(root=tmp_path).make("five", [four.name], Path.mkdir)
    assert read_sources([five]) == {hash_sources(), "other"}  # what it was made from counts too


def test_nothing_but_stages_of_the_same_folder_counts_as_what_one_was_made_from(
    tmp_path: Path,
) -> None:
    root = tmp_path / "proof"
    inputs = ["", "../proof", str(tmp_path / "other"), "a/../b", "timings"]
    one = Stages(root=root).make("one", inputs, Path.mkdir)
    for file in ("proof.json", "other.json", "proof/b.json"):
        (tmp_path / file).write_text('{"report": "x", "sources": ["strange"]}', encoding="utf-8")
    (root / "timings.json").write_text('{"one": 1.5}', encoding="utf-8")
    (root / "a").mkdir()
    assert read_sources([one]) == {hash_sources()}


def test_a_page_says_so_of_its_ablations_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in vars(report):
        if name.startswith(("tabulate_", "draw_", "pack_")):
            monkeypatch.setattr(report, name, lambda *_: "")
    stages, page = Stages(root=tmp_path), tmp_path / "page.md"
    one = stages.make("one", [], Path.mkdir)
    made = Validated(people=one, trees=one, models={}, validation={})
    ablation = choose_ablations(["weights"], Config())[0]
    for sources, changed in ((hash_sources(), False), ("other", True)):
        monkeypatch.setattr("aloe.benchmark.experiment.stage.hash_sources", lambda at=sources: at)
        bench = stages.make("bench", [sources], Path.mkdir)
        measured = MeasuredAblation(ablation=ablation, bench=bench)
        report.write_ablations(page, Config(), made, [measured])
        assert ("of 2 states" in page.read_text(encoding="utf-8")) == changed


@pytest.mark.parametrize(
    ("base", "trained", "said"),
    [
        ("local:smollm2-135m", "local:smollm2-135m", False),
        ("hf:smollm2-135m", "local:smollm2-135m", False),
        (
            "openai:Qwen/Qwen2.5-7B-Instruct@http://127.0.0.1:1/v1",
            "Qwen/Qwen2.5-7B-Instruct",
            False,
        ),
        ("local:./qwen.gguf", "local:smollm2-135m", True),
    ],
)
def test_a_page_says_so_if_another_model_than_the_base_is_trained(
    tmp_path: Path, base: str, trained: str, said: bool
) -> None:
    changes = {"benchmark.candidate.model": base, "training.model": trained}
    made = Validated(people=tmp_path, trees=tmp_path, models={}, validation={})
    text = describe(Config().updated(changes, source="test"), made)
    assert (f"trained is another: {trained}" in text) is said


def test_pages_count_the_users_that_trees_are_with(tmp_path: Path) -> None:
    made = Validated(people=tmp_path, trees=tmp_path, models={}, validation={})
    for trees, train, users in ((30, 150, 30), (300, 150, 150)):
        changes = {"simulation.trees": trees, "experiment.train": train}
        config = Config().updated(changes, source="test")
        text = describe(config, made)
        assert f"{trees} trees of {config.simulation.turns} turns with {users} users;" in text
        assert f"{trees} trees with {users} users," in _head(tmp_path, [(config, made)])
    told = config.updated({"experiment.sft_trees": 200}, source="test")
    assert "with 150 training users, who answer here" in _users(told)


def test_sources_that_change_while_a_stage_is_made_are_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = "aloe.benchmark.experiment.stage.hash_sources"

    def edit(path: Path) -> None:
        path.mkdir()
        monkeypatch.setattr(state, lambda: "edited")

    def stop(_: Path) -> None:
        raise KeyboardInterrupt

    stages = Stages(root=tmp_path)
    assert read_sources([stages.make("one", [], edit)]) == {hash_sources(), "edited"}
    with pytest.raises(KeyboardInterrupt):
        stages.make("two", [], stop)
    monkeypatch.setattr(state, lambda: "edited again")
    assert read_sources([stages.make("two", [], Path.mkdir)]) == {"edited", "edited again"}
    (tmp_path / "old.json").write_text('{"sources": "before", "inputs": [], "finished": true}')
    assert read_sources([tmp_path / "old"]) == {"before"}


def test_no_stage_is_finished_by_other_rules_than_it_is_named_by(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stages, rule = Stages(root=tmp_path), Path("rule.py")
    monkeypatch.setattr("aloe.benchmark.experiment.stage.RULES", (rule.name,))
    monkeypatch.setattr("aloe.benchmark.experiment.stage.ROOT", tmp_path)
    (tmp_path / rule).write_text("one")
    _code.cache_clear()
    try:
        stages.make("before", [], Path.mkdir)
        with pytest.raises(StoreError, match=r"rule\.py changed since"):
            stages.make("meanwhile", [], lambda _: (tmp_path / rule).write_text("two"))
        with pytest.raises(StoreError, match=r"rule\.py changed since"):
            stages.make("after", [], Path.mkdir)
        stages.make("before", [], Path.mkdir)  # is there
        _code.cache_clear()  # as in another process
        stages.make("meanwhile", [], Path.mkdir)
    finally:
        _code.cache_clear()


def test_a_stage_that_was_interrupted_goes_on_in_its_folder(tmp_path: Path) -> None:
    lines: list[str] = []
    stages = Stages(root=tmp_path, on_line=lines.append)
    paths: list[Path] = []

    def stopped(path: Path) -> None:
        paths.append(path)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stages.make("one", [], stopped)
    assert stages.make("one", [], paths.append) == paths[0] == paths[1]
    assert lines[-2].startswith("go on with one-")


def test_stages_are_made_side_by_side_and_each_of_them_once(tmp_path: Path) -> None:
    met = threading.Barrier(2, timeout=60)  # none is done before both are at work
    made: list[str] = []

    def stage(name: str) -> Path:
        def make(path: Path) -> None:
            met.wait()
            made.append(path.name)

        return stages.make(name, [], make)

    stages = Stages(root=tmp_path, at_once=2)
    one, other, again = stages.make_together(*(partial(stage, name) for name in ("a", "b", "a")))
    assert one == again != other
    assert sorted(made) == sorted({one.name, other.name})


def test_no_more_stages_are_made_at_a_time_than_there_may_be(tmp_path: Path) -> None:
    at_work: list[str] = []
    most: list[int] = []

    def make(path: Path) -> None:
        at_work.append(path.name)
        most.append(len(at_work))
        time.sleep(0.02)
        at_work.remove(path.name)

    stages = Stages(root=tmp_path, at_once=2)
    stages.make_together(*(partial(stages.make, name, [], make) for name in "abcdef"))
    assert max(most) == 2


def test_what_one_stage_raises_is_raised_when_the_others_are_done(tmp_path: Path) -> None:
    def fail(path: Path) -> None:
        raise ConfigError("no such thing")

    stages = Stages(root=tmp_path, at_once=2)
    good = partial(stages.make, "good", [], Path.mkdir)
    with pytest.raises(ConfigError, match="no such thing"):
        stages.make_together(partial(stages.make, "bad", [], fail), good)
    assert good().is_dir()


def test_an_experiment_that_outlives_its_parent_keeps_the_next_one_out(tmp_path: Path) -> None:
    with Stages(root=tmp_path).hold() as lock:
        child = subprocess.Popen(["sleep", "60"], pass_fds=(lock,))
    try:
        with pytest.raises(StoreError, match="in use"), Stages(root=tmp_path).hold():
            pass
    finally:
        child.kill()
        child.wait()
    with Stages(root=tmp_path).hold():
        pass


def test_a_folder_of_another_kind_is_left_alone(tmp_path: Path) -> None:
    for name in ("trees.jsonl", "training.json", "pages/index.html"):
        folder = tmp_path / name.replace("/", "-")
        (folder / name).parent.mkdir(parents=True)
        (folder / name).write_text("other")
        with pytest.raises(StoreError, match="holds no experiment"), Stages(root=folder).hold():
            pass
        assert [path for path in folder.rglob("*") if path.is_file()] == [folder / name]
    file = tmp_path / "README.md"
    file.write_text("a page")
    with pytest.raises(StoreError, match=r"README.md is a file; name a folder"):
        Stages(root=file).hold().__enter__()
    assert file.read_text() == "a page"


def test_a_folder_that_was_begun_is_gone_on_with(tmp_path: Path) -> None:
    for _ in "ab":  # only its lock is there, after a kill
        with Stages(root=tmp_path).hold():
            pass
    stages = Stages(root=tmp_path)
    stages.make("one", [], Path.mkdir)
    with stages.hold():
        pass


def test_a_model_whose_files_were_replaced_is_another(tmp_path: Path) -> None:
    file = tmp_path / "base.gguf"
    model = f"local:{file}"
    config = Config().updated(
        {
            "training.model": str(file),
            "benchmark.candidate.model": model,
            "models.assistants": [{"name": name, "model": model} for name in ("a", "b")],
        },
        source="test",
    )

    def names(weights: bytes) -> set[str]:
        file.write_bytes(weights)
        stages = Named(root=tmp_path / "p")
        steps = Steps(config=config, stages=stages, run_command=lambda _: None)
        made = {
            steps.grow_trees().name,
            steps.run_bench("base", None, "test").name,
            steps.train("sft", "sft", tmp_path / "rows-1" / "rows.jsonl", None, {}).name,
        }
        file.write_bytes(b"replaced meanwhile")  # all stages of a run are named alike
        assert steps.grow_trees().name in made
        return made

    assert names(b"one") == names(b"one")
    assert not names(b"one") & names(b"two")
    hub = ["hf:owner/name", "local:smollm2-135m", "openai:x@http://h/v1"]
    assert not list(Stages(root=tmp_path).hash_models(*hub))


def test_how_a_trained_model_is_served_names_what_it_does(tmp_path: Path) -> None:
    stages, sft = Named(root=tmp_path), tmp_path / "sft-1"

    def names(served: str) -> set[str]:
        config = Config().updated({"experiment.served": served}, source="test")
        steps = Steps(config=config, stages=stages, run_command=lambda _: None)
        own = steps.grow("own-trees", config, sft.name, deployed=True)
        return {own.name, steps.run_bench("sft", sft, "test").name}

    one = names("openai:{stage}@http://one/v1")
    assert one == names("openai:{stage}@http://two/v1")  # the same, elsewhere
    assert len(one | names("hf:{folder}") | names("local:{folder}")) == 6


class Named(Stages):
    """Stages that are named and never made."""

    def _finish(self, path: Path, inputs: object, make: object) -> None:
        """Leave it at the name."""


@pytest.mark.parametrize(
    ("change", "changed"),
    [
        ({"judge.schedule": "tournament"}, {"trees", "rejudged"}),
        ({"judge.min_margin": 0.4}, {"trees", "rejudged"}),
        ({"user.complains": 0.4}, {"trees", "base"}),
        ({"simulation.turns": 4}, {"trees"}),
        (
            {"roles.critic": {"use": "my_roles:length", "after": "judge"}},
            {"trees"},
        ),
        ({"benchmark.candidate.temperature": 0.1}, {"base"}),
        ({"benchmark.limit": 4}, set()),  # a part is played whole
        ({"benchmark.condition": "floor"}, set()),  # controls are named on the command line
        ({"prompts.candidate_told": "told.md"}, {"base"}),
        (
            {"models.panel": [{"model": "scripted:my_roles:length"}], "judge.rules": True},
            {"rejudged"},
        ),
        ({"limits.tries": 9}, set()),
        ({"simulation.concurrency": 1}, set()),
    ],
)
def test_a_stage_is_named_after_what_decides_it(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    change: dict[str, object],
    changed: set[str],
) -> None:
    (tmp_path / "my_roles.py").write_text("async def length(exchange, model):\n    return {}\n")
    (tmp_path / "told.md").write_text("## system\n\nYou know: {persona}\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)

    def names(config: Config) -> dict[str, str]:
        steps = Steps(config=config, stages=Named(root=tmp_path), run_command=lambda _: None)
        made = {
            "trees": steps.grow_trees(),
            "base": steps.run_bench("base", None, "test"),
            "rejudged": steps.rejudge(tmp_path / "trees", config),
        }
        return {name: path.name for name, path in made.items()}

    config = load(Path(__file__).parents[3] / "examples" / "ask.toml")
    before, after = names(config), names(config.updated(change, source="test"))
    assert {name for name in before if before[name] != after[name]} == changed
