"""`import aloe`: a few names, each imported when it is used, that do what the commands do."""

import asyncio
import json
import re
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from builders import PERSONAS, SCRIPTED
from command import RunAloe
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.graph import START, StateGraph

import aloe as library
from aloe.agents.scripted import reply
from aloe.benchmark.bench_result import BenchResult
from aloe.config import ModelConfig
from aloe.errors import AloeError, CallError, ConfigError, InputError
from aloe.graphs.api import GraphInput, GraphState
from aloe.graphs.checkpoints import record_types
from aloe.memory.personas import read_personas
from aloe.memory.run_folder import RunFolder
from aloe.models.open import open_model
from aloe.schema import Tree

ROOT = Path(__file__).parent.parent
EXAMPLE = ROOT / "examples/subgraph.py"
DOCS = ROOT / "docs"


@pytest.fixture(scope="module")
def trees() -> list[Tree]:
    return library.simulate(PERSONAS[:2], model=SCRIPTED, turns=2)


@pytest.fixture
def run(trees: list[Tree], tmp_path: Path) -> Path:
    lines = "".join(tree.model_dump_json() + "\n" for tree in trees)
    (tmp_path / "trees.jsonl").write_text(lines)
    return tmp_path


def test_every_public_name_is_there_and_no_other_is() -> None:
    assert all(getattr(library, name) for name in library.__all__)
    assert set(library.__all__) <= set(dir(library))
    with pytest.raises(AttributeError, match="no attribute 'simulated'"):
        library.simulated  # noqa: B018


def test_importing_it_imports_nothing_heavy() -> None:
    code = "import sys, aloe; print([m for m in sys.modules if m.startswith(('aloe.', 'langch'))])"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


def test_trees_are_read_as_they_were_grown(trees: list[Tree], run: Path) -> None:
    assert library.read_trees(str(run)) == trees
    assert set(RunFolder(run).finished()) == {tree.id for tree in trees}
    with pytest.raises(InputError):
        library.read_trees(run / "nowhere")


def test_a_frame_has_a_row_for_each_message(trees: list[Tree]) -> None:
    frame = library.to_frame(trees)
    assert len(frame) == sum(len(tree.nodes) for tree in trees)
    assert list(frame.content) == [node.content for tree in trees for node in tree.nodes]
    labelled = sum(verdict.preferred is not None for tree in trees for verdict in tree.verdicts)
    assert labelled > 0
    assert frame.won.sum() == frame.lost.sum() == labelled
    assert list(library.to_frame([]).columns) == list(frame.columns)


@pytest.mark.parametrize("row_format", ["sft", "dpo", "kto", "grpo", "rm", "step", "aloe"])
def test_a_dataset_holds_what_an_export_writes(
    aloe: RunAloe, trees: list[Tree], run: Path, row_format: str
) -> None:
    pytest.importorskip("datasets")
    assert aloe("export", run, "--format", row_format, "--out", run / "rows.jsonl").code == 0
    written = [json.loads(line) for line in (run / "rows.jsonl").read_text().splitlines()]
    made = library.to_dataset(trees, row_format)
    assert made.to_list() == written
    empty = library.to_dataset([], row_format)
    assert (len(empty), set(empty.features)) == (0, set(made.features))
    assert {"tree", "turn"} <= set(library.to_dataset(trees, row_format, origin=True).features)


def test_trees_that_give_no_row_say_why(trees: list[Tree]) -> None:
    pytest.importorskip("datasets")
    ties = [
        tree.model_copy(
            update={
                "verdicts": tuple(v.model_copy(update={"outcome": "tie"}) for v in tree.verdicts)
            }
        )
        for tree in trees
    ]
    with pytest.warns(UserWarning, match=r"no row from 8 replies in 2 trees: tie: 4$") as seen:
        assert len(library.to_dataset(ties, "dpo")) == 0
    assert seen[0].filename == __file__


def test_personas_with_checkable_wishes_are_drawn(aloe: RunAloe, tmp_path: Path) -> None:
    drawn = library.draw_personas(2, wishes=3, about=["emoji", "lists", "length"], seed=3)
    assert {frozenset(each.preferences) for each in drawn} == {
        frozenset(("emoji", "lists", "length"))
    }
    out = tmp_path / "personas.jsonl"
    told = ("--wishes", 3, "--about", "emoji,lists,length", "--seed", 3)
    assert aloe("personas", "verifiable", "--count", 2, *told, "--out", out).code == 0
    assert read_personas(out) == drawn
    for given, told in (
        ({"about": ["emojis"]}, "about: 'emojis' is none of .*; did you mean 'emoji'"),
        ({"wishes": 99}, "wishes: 99 is more than the number of dimensions"),
        ({"count": 0}, "count: 0 is less than 1"),
    ):
        with pytest.raises(ConfigError, match=rf"^{told}"):
            library.draw_personas(**{"count": 1, **given})


def test_a_tree_and_a_persona_print_in_a_few_lines(trees: list[Tree]) -> None:
    head, who, *said = str(trees[0]).splitlines()
    assert head.startswith(f"Tree {trees[0].id}: turns 2, messages 6, paths 1, labels ")
    assert who == str(trees[0].persona)
    assert [line[4:].partition(":")[0] for line in said][::2] == ["user", "user"]
    assert sum(line.startswith("  * ") for line in said) <= 2
    (drawn,) = library.draw_personas(1, wishes=1, about=["emoji"])
    assert "wishes: emoji " in str(drawn)
    assert len(str(drawn).splitlines()) == 2


def test_a_format_that_is_not_there_is_named(trees: list[Tree]) -> None:
    with pytest.raises(ConfigError, match=r"row_format: 'ppo' is none of sft, dpo"):
        library.to_dataset(trees, "ppo")
    with pytest.raises(ConfigError, match=r"method: 'ppo' is none of sft, dpo"):
        library.train("ppo", trees, "nowhere")


@pytest.mark.train
def test_a_model_is_trained_on_trees(trees: list[Tree], tmp_path: Path) -> None:
    pytest.importorskip("torch")
    import tiny

    base = tiny.save(tmp_path / "base")
    seen: list[str] = []
    given = {
        "model": str(base),
        "settings": {"training.arguments.max_steps": 1},
        "progress": lambda state: seen.append(state.phase),
        "tree_packing": False,
    }
    record = library.train("sft", trees, tmp_path / "sft", **given)
    assert (record["method"], record["steps"], record["finished"]) == ("sft", 1, True)
    assert "saving" in seen
    assert library.train("sft", trees, tmp_path / "sft", **given) == record


@pytest.mark.train
@pytest.mark.parametrize("kind", ["dataset", "rows", "tree"])
def test_a_model_is_trained_on_what_a_program_holds(
    trees: list[Tree], tmp_path: Path, kind: str
) -> None:
    pytest.importorskip("torch")
    import tiny

    dataset = library.to_dataset(trees[:1], "dpo", origin=True)
    held = {"dataset": dataset, "rows": [dict(row) for row in dataset], "tree": trees[0]}[kind]
    given = {"model": str(tiny.save(tmp_path / "base")), "from_base": True, "max_steps": 1}
    record = library.train("dpo", held, tmp_path / "dpo", **given, learning_rate=1e-3)
    assert (record["rows"], record["steps"]) == (len(dataset), 1)
    assert record["settings"]["arguments"] == {"max_steps": 1, "learning_rate": 1e-3}
    assert library.train("dpo", held, tmp_path / "dpo", **given, learning_rate=1e-3) == record


@pytest.mark.train
def test_data_that_a_program_holds_are_named_as_it_holds_them(
    trees: list[Tree], tmp_path: Path
) -> None:
    pytest.importorskip("torch")
    import tiny

    given = {"model": str(tiny.save(tmp_path / "base"))}
    row = {"prompt": [{"role": "user", "content": "Hm."}]}
    whole = {**row, "completion": [{"role": "assistant", "content": "Yes."}]}
    people = "labels by people are stored with a run's trees; give its folder as data"
    for data, more, said in (
        ([whole, row], {}, "row 2: has no 'completion', which sft needs"),
        ([whole, {**whole, "prompt": 7j}], {}, "row 2: holds what JSON cannot hold"),
        ([whole, trees[0]], {}, "data: takes trees, rows .* or a path, not dict"),
        ([whole, None], {}, "data: takes .*, not NoneType"),
        ([0], {}, "data: takes .*, not int"),
        (7, {}, "data: takes .*, not int"),
        ({"train": [whole]}, {}, "data: takes .*, not dict; give one of its splits"),
        ([], {}, "data: holds no rows to train sft on"),
        (trees[:1], {"max_length": 20}, r"tree 1: has \d+ tokens and the limit is 20"),
        ([whole], {"label": "return"}, "data: holds rows, whose labels are chosen"),
        (trees[:1], {"label": "people"}, people),
        ([whole], {"epochs": 1, "max_steps": 1}, "give one of them"),
        ([whole], {"report_to": "no.log"}, "not installed"),
        ([whole], {"arguments": {"report_to": "x"}}, r"in Python: report_to"),
    ):
        with pytest.raises(AloeError, match=said) as raised:
            library.train("sft", data, tmp_path / "sft", **given, **more)
        assert "/tmp" not in str(raised.value).replace(str(tmp_path), "")
    assert not (tmp_path / "sft").exists()


@pytest.mark.train
def test_a_function_is_a_reward_also_where_a_loop_is_running(
    trees: list[Tree], tmp_path: Path
) -> None:
    pytest.importorskip("torch")
    import tiny

    asked: list[int] = []

    def places(completions: list[Any], **columns: Any) -> list[float]:
        asked.append(len(columns["preferences"]))
        return [float(place) for place in range(len(completions))]

    given: dict[str, Any] = {
        "model": str(tiny.save(tmp_path / "base")),
        "max_steps": 1,
        "arguments": {"max_completion_length": 4, "mask_truncated_completions": False},
    }

    async def train(reward: Any, out: str, **more: Any) -> dict[str, Any]:
        return library.train("grpo", trees, tmp_path / out, reward=reward, **given, **more)

    record = asyncio.run(train(places, "one"))
    assert record["settings"]["reward"].endswith(".<locals>.places")
    assert asked == [8]
    asyncio.run(train(places, "two", horizon=1, settings={"models.user.model": SCRIPTED}))
    assert len(asked) == 3
    with pytest.raises(ConfigError, match="is a class"):
        asyncio.run(train(Tree, "three"))


def test_a_simulation_is_a_node_of_a_graph_of_ones_own(capsys: pytest.CaptureFixture[str]) -> None:
    example = runpy.run_path(str(EXAMPLE))
    asyncio.run(example["main"](SCRIPTED))
    steps = capsys.readouterr().out.splitlines()
    assert steps[-1] == "count"
    assert {"expand", "turn", "simulate"} <= set(steps)
    graph = example["build"](SCRIPTED)
    (grown,) = library.simulate(PERSONAS[:1], model=SCRIPTED, turns=2)
    state = asyncio.run(graph.ainvoke({"persona": PERSONAS[0], "seed": grown.seed}))
    assert state["told"]
    assert state["tree"] == grown


def test_a_bench_gives_what_the_command_writes(tmp_path: Path) -> None:
    phases: list[int] = []
    given = {"model": SCRIPTED, "user": SCRIPTED, "judges": [SCRIPTED], "limit": 2, "seeds": 1}
    result = library.bench(
        tmp_path / "bench", **given, progress=lambda state: phases.append(state.judged)
    )
    assert result == BenchResult.read(tmp_path / "bench/result.json")
    assert result.complete
    assert phases
    assert library.bench(tmp_path / "bench", **given).suites == result.suites
    with pytest.raises(ConfigError, match="model: name the model under test"):
        library.bench(tmp_path / "other")


def test_a_bench_warns_of_roles_before_it_asks_anybody(tmp_path: Path) -> None:
    asked: list[object] = []
    settings = {"roles.mine": {"use": "m:r", "after": "user"}, "benchmark.cases": "verifiable"}
    with pytest.warns(UserWarning, match=r"^roles\.mine takes no part in a benchmark$"):
        library.bench(
            tmp_path / "bench",
            model=SCRIPTED,
            limit=1,
            seeds=1,
            settings=settings,
            progress=asked.append,
        )
    assert asked
    with pytest.raises(UserWarning, match="takes no part"):  # an error in tests
        library.bench(tmp_path / "other", model=SCRIPTED, settings=settings)
    assert not (tmp_path / "other").exists()


def test_a_model_that_was_replaced_does_not_go_on_with_a_bench(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    import tiny

    model = tiny.save(tmp_path / "model")
    given = {
        "model": f"hf:{model}",
        "settings": {
            "benchmark": {"cases": "verifiable", "seeds": 1, "limit": 1},
            "benchmark.candidate.max_tokens": 4,
        },
    }
    result = library.bench(tmp_path / "a", **given)
    assert library.bench(tmp_path / "a", **given) == result
    tiny.save(model, 7)
    with pytest.raises(ConfigError, match=r"/a holds a run with hf:.* before its files changed"):
        library.bench(tmp_path / "a", **given)
    library.bench(tmp_path / "b", **given)
    said = [[n.content for n in library.read_trees(tmp_path / name)[0].nodes] for name in "ab"]
    assert said[0] != said[1]
    (tmp_path / "a/models.json").unlink()  # as in folders of earlier versions
    assert library.bench(tmp_path / "a", **given).suites == result.suites


def test_arguments_that_are_not_given_leave_the_settings(tmp_path: Path) -> None:
    named = {"benchmark.cases": "verifiable", "benchmark.seeds": 1, "benchmark.limit": 2}
    result = library.bench(tmp_path / "bench", model=SCRIPTED, settings=named)
    assert (result.cases, result.seeds) == ("verifiable", 1)
    assert result.suites["verifiable"]["candidate"].dialogues == 2
    nested = {"benchmark": {"cases": "verifiable", "seeds": 1, "limit": 2}}
    assert library.bench(tmp_path / "bench", model=SCRIPTED, settings=nested) == result
    (tree,) = library.simulate(
        PERSONAS[:1], model=SCRIPTED, settings={"simulation.turns": 1}, turns=None
    )
    assert {node.turn for node in tree.nodes} == {1}


def run_page(name: str) -> dict[str, Any]:
    """Run the blocks of Python on a page, one after the other; return the names they leave."""
    page = (DOCS / name).read_text(encoding="utf-8")
    names: dict[str, Any] = {"__name__": "__page__"}
    for block in re.findall(r"```python\n(.*?)```", page, re.DOTALL):
        exec(compile(block, f"docs/{name}", "exec"), names)
    return names


def test_the_lines_of_python_on_its_page_run(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("datasets")
    names = run_page("library.md")
    (shown,) = re.findall(r"```\n(Tree .*?)```", (DOCS / "library.md").read_text(), re.DOTALL)
    assert capsys.readouterr().out.startswith(shown)
    assert len(names["trees"]) == 1
    assert {"simulate", "count"} <= names["graph"].nodes.keys()


def test_a_langchain_model_plays_the_role_that_its_page_gives_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tree,) = run_page("langchain-model.md")["trees"]
    said = {node.agent: node.content for node in tree.nodes if node.role == "assistant"}
    assert said.keys() == {"mine", "other"}
    assert said["mine"] == "Oil the chain." != said["other"]
    page = (DOCS / "langchain-model.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```python\n(.*?)scripted = ", page, re.DOTALL)
    (tmp_path / "model_of_mine.py").write_text(block)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    opened = open_model(ModelConfig(model="langchain:model_of_mine:Terse"))
    assert type(opened.chat).__name__ == "Terse"
    assert not opened.gives_logprobs


def test_a_graph_is_embedded_as_its_page_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    roles = (DOCS / "extending.md").read_text(encoding="utf-8")
    (length,) = re.findall(r"```python\n([^`]*async def length[^`]*)```", roles)
    (tmp_path / "my_roles.py").write_text(length)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.delitem(sys.modules, "my_roles", raising=False)
    names = run_page("embedding-graphs.md")
    steps = capsys.readouterr().out.split()
    assert {"user", "inducer", "assistant", "judge", "check", "talk"} <= set(steps)
    assert set(names["tree"].nodes[0].notes) == {"length"}
    kept = asyncio.run(names["graph"].aget_state(names["thread"]))
    assert kept.values["talk"].persona.profile == "I keep bees."


@pytest.mark.parametrize("as_node", [True, False], ids=["a node", "called in a node"])
def test_an_embedded_graph_resumes_with_the_calls_it_lacks(
    as_node: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """With the records that the page on embedding lets the serializer restore."""
    asked: list[str] = []

    def script(messages: Any, arguments: Any) -> Any:
        asked.append(messages[-1].text)
        if len(asked) == 8:
            raise ValueError("out of order")
        return reply(messages, arguments)

    simulation = library.graph(model=script, turns=3, settings={"limits.tries": 1})

    async def called(state: GraphInput) -> dict[str, Any]:
        return {"tree": (await simulation.ainvoke(state))["tree"]}

    builder = StateGraph(GraphState, input_schema=GraphInput)
    builder.add_node("simulate", simulation if as_node else called)
    builder.add_edge(START, "simulate")
    serializer = JsonPlusSerializer(allowed_msgpack_modules=record_types())
    graph = builder.compile(checkpointer=InMemorySaver(serde=serializer))
    thread: RunnableConfig = {"configurable": {"thread_id": "first"}}
    given: GraphInput = {"persona": PERSONAS[0], "seed": 0}
    with pytest.raises(CallError, match="out of order"):
        asyncio.run(graph.ainvoke(given, thread))
    resumed = asyncio.run(graph.ainvoke(None, thread))["tree"]
    after = len(asked)
    whole = asyncio.run(simulation.ainvoke(given))["tree"]
    assert resumed == whole
    assert after == len(asked) - after + 1  # the one that failed
    assert not caplog.records
