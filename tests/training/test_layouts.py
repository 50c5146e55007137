"""The rows of other trainers, layout by layout, as those read them.

The golden files were also read by the readers of LLaMA-Factory, axolotl, OpenRLHF and verl
(docs/exporting.md says which); here each is held against the fields that those readers ask for.
"""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from builders import PERSONAS, assistant, user

from aloe.errors import ConfigError
from aloe.memory.run_folder import read_trees
from aloe.schema import Persona, Tree, Verdict
from aloe.training.dataset_export import ExportPlan, export_trees
from aloe.training.export import ROWS, Row, Skipped
from aloe.training.layouts import LAYOUTS, NOT_PREFERRED, find_format, keep_learnt_whole

ROOT = Path(__file__).parent.parent.parent
GOLDEN = ROOT / "tests" / "golden"
(TREE,) = read_trees(GOLDEN / "trees.jsonl")


def laid_out(name: str, tree: Tree = TREE) -> list[Row]:
    layout = LAYOUTS[name]
    make = ROWS[find_format(name).method]  # type: ignore[index]
    rows = keep_learnt_whole(make) if layout.whole else make
    return [layout.render(row) for row in rows(tree, Skipped())]


@pytest.mark.parametrize("name", LAYOUTS)
def test_the_rows_are_the_golden_ones(name: str) -> None:
    found = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in laid_out(name))
    assert found
    assert found == (GOLDEN / "layouts" / f"{name}.jsonl").read_text()


OPENING = user("Hello")
GOOD = assistant("Good.", OPENING, agent="a")
BAD = assistant("Bad.", OPENING, agent="b")
AFTER_GOOD = user("More?", GOOD.id, turn=2)
AFTER_BAD = user("And now?", BAD.id, turn=2)
BEST = assistant("Yes.", AFTER_GOOD, agent="a")
WORST = assistant("No.", AFTER_GOOD, agent="b")
SAD = assistant("Oh.", AFTER_BAD, agent="a")
SADDER = assistant("Ah.", AFTER_BAD, agent="b")


def branched() -> Tree:
    pairs = ((GOOD, BAD), (BEST, WORST), (SAD, SADDER))
    return Tree(
        id="t",
        persona=PERSONAS[0].model_copy(update={"preferences": {"length": "brief"}}),
        seed=0,
        models={},
        nodes=(OPENING, GOOD, BAD, AFTER_GOOD, AFTER_BAD, BEST, WORST, SAD, SADDER),
        verdicts=tuple(
            Verdict(node=a.parent, first=a.id, second=b.id, votes=(), outcome="first")
            for a, b in pairs
        ),
    )


@pytest.mark.parametrize("name", [name for name in LAYOUTS if LAYOUTS[name].whole])
def test_who_learns_every_reply_gets_only_the_best_and_each_once(name: str) -> None:
    (row,) = laid_out(name, branched())
    (messages,) = row.values()
    assert [list(each.values())[1] for each in messages] == ["Hello", "Good.", "More?", "Yes."]
    skipped = Skipped()
    list(keep_learnt_whole(ROWS["sft"])(branched(), skipped))
    assert skipped == {NOT_PREFERRED: 1}


@pytest.mark.parametrize("name", ["messages-sft", "axolotl-sft"])
def test_a_reply_that_lost_is_read_and_not_learnt(name: str) -> None:
    found = [each for row in laid_out(name, branched()) for each in row["messages"]]
    assert {"Bad."} == {each["content"] for each in found if each.get("weight") == 0} - {"Good."}
    learnt = [each["content"] for each in found if each.get("weight") == 1]
    assert learnt == ["Good.", "Yes.", "Oh."]
    assert not [each for each in found if each["role"] == "user" and "weight" in each]


@pytest.mark.parametrize("name", ["llamafactory-sft", "llamafactory-dpo", "llamafactory-kto"])
def test_llamafactory_learns_no_message_of_the_user(name: str) -> None:
    """Its converter learns the last turn, where replies of a pair are lists instead of messages."""
    ranked = name.endswith("dpo")
    for row in laid_out(name, branched()):
        speakers = [turn["from"] for turn in row["conversations"]]
        assert speakers == (["human", "gpt"] * 3)[: len(speakers)]
        assert len(speakers) % 2 == ranked
        assert not [name for name, held in row.items() if ranked and name in ("chosen", "rejected")
                    and not isinstance(held, dict)]  # fmt: skip
        learnt = [row["chosen"], row["rejected"]] if ranked else row["conversations"][-1:]
        assert {turn["from"] for turn in learnt} == {"gpt"}


def test_a_reward_function_gets_the_wishes_of_the_user() -> None:
    row = laid_out("verl-grpo", branched())[0]
    assert row["reward_model"] == {"style": "rule", "ground_truth": '{"length": "brief"}'}
    assert dict(row["extra_info"]["preferences"]) == {"length": "brief"}
    label = json.loads(laid_out("openrlhf-grpo", branched())[0]["label"])
    assert dict(label["preferences"]) == {"length": "brief"}
    assert label["profile"] == PERSONAS[0].profile


def test_names_of_formats() -> None:
    assert find_format("trl-dpo") == find_format("dpo")
    assert find_format("llamafactory").layout is LAYOUTS["llamafactory-sft"]
    assert find_format("verl") == find_format("verl-grpo")
    assert find_format("own_module:rows").method == "own_module:rows"
    for name, there in (("axolotl-kto", "axolotl-sft"), ("verl-dpo", "verl-grpo")):
        with pytest.raises(ConfigError, match=f"'{name}' is none of .*{there}"):
            find_format(name)


def test_the_page_has_the_settings_of_every_layout() -> None:
    page = (ROOT / "docs" / "exporting.md").read_text()
    for name, layout in LAYOUTS.items():
        assert f"`{name}`" in page
        file = f"rows{layout.suffix}"
        for line in layout.explain(file):
            assert line in page, name


def greeted(persona: Persona) -> Tree:
    """Return the tree as that of another persona, who opens it in words of its own."""
    hello = TREE.nodes[0].model_copy(update={"content": f"Hello from {persona.profile}"})
    nodes = (hello, *TREE.nodes[1:])
    return TREE.model_copy(update={"persona": persona, "id": persona.id, "nodes": nodes})


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("layouts")
    trees = [greeted(each) for each in PERSONAS]
    lines = "".join(tree.model_dump_json() + "\n" for tree in trees)
    (folder / "trees.jsonl").write_text(lines)
    return folder


def plan(run: Path, name: str, out: str, **given: Any) -> ExportPlan:
    return ExportPlan(run=run, row_format=name, out=run / out, **given)


def test_a_trainer_that_reads_parquet_gets_parquet(run: Path) -> None:
    pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    asked = plan(run, "verl", "verl", test_share=0.5)
    done = export_trees(asked)
    sides = {s: pq.read_table(asked.out / f"{s}.parquet") for s in ("train", "test")}
    assert {s: len(t) for s, t in sides.items()} == done.splits
    assert sides["train"].schema.remove_metadata() == sides["test"].schema.remove_metadata()
    row = sides["train"].to_pylist()[0]
    assert set(row) == {"data_source", "prompt", "ability", "reward_model", "extra_info"}
    card = (asked.out / "README.md").read_text()
    assert "path: train.parquet" in card
    assert "data.train_files=train.parquet" in card  # no path of this machine is shared
    assert f"data.train_files={asked.out / 'train.parquet'}" in asked.settings[0]
    with pytest.raises(ConfigError, match=r"verl-grpo is read from \.parquet files only"):
        export_trees(plan(run, "verl-grpo", "rows.jsonl"))
    assert not (run / "rows.jsonl").exists()
    export_trees(replace(asked, row_format="openrlhf-dpo"))
    assert {file.name for file in asked.out.iterdir()} == {"README.md", "train.jsonl", "test.jsonl"}


def test_a_persona_is_in_one_split_whatever_an_exporter_calls_its_columns(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def turns(tree: Tree, _: Skipped) -> list[Row]:
        users = [node for node in tree.nodes if node.role == "user"]
        return [
            {"who": tree.persona.id, "persona": f"turn {node.turn}", "margin": "wide", **extra}
            for node, extra in zip(users, ({"prompt": "Hi"}, {"prompt": [{}]}, {}), strict=False)
        ]

    monkeypatch.setattr("aloe.training.dataset_export.load_plugin", lambda *_: turns)
    asked = plan(run, "mine:turns", "mine", test_share=0.5)
    assert len(export_trees(asked).rows) > len(PERSONAS)
    files = {side: (asked.out / f"{side}.jsonl").read_text() for side in ("train", "test")}
    sides = {side: list(map(json.loads, text.splitlines())) for side, text in files.items()}
    train, test = ({row["who"] for row in rows} for rows in sides.values())
    assert train
    assert test
    assert not train & test
    assert "turn 1" in {row["persona"] for row in sides["train"]}
    with pytest.raises(ConfigError, match="no row here has a margin"):
        export_trees(replace(asked, min_margin=0.5))


@pytest.mark.parametrize("name", ["llamafactory-dpo", "verl-grpo", "messages"])
def test_columns_of_origin_come_along_where_asked(run: Path, name: str) -> None:
    asked = plan(run, name, "rows.parquet" if name == "verl-grpo" else "rows.jsonl", columns=True)
    rows = export_trees(asked).rows
    assert rows
    found = asked.shape(rows[0])
    assert (found["tree"], found["turn"]) == (rows[0]["tree"], 1)
    assert "nodes" not in found


@pytest.mark.parametrize("name", ["aloe", "own_rows:turns"])
def test_notes_are_refused_where_rows_do_not_say_their_messages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    (tmp_path / "own_rows.py").write_text("def turns(tree, skipped):\n    yield {'id': tree.id}\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    noted = tuple(n.model_copy(update={"notes": {"safety": 2}}) for n in TREE.nodes)
    file = tmp_path / "trees.jsonl"
    file.write_text(TREE.model_copy(update={"nodes": noted}).model_dump_json() + "\n")
    asked = ExportPlan(run=file, row_format=name, out=tmp_path / "o.jsonl", roles=["safety"])
    with pytest.raises(ConfigError, match=rf"--with safety: rows of {name} do not say"):
        export_trees(asked)
    assert not asked.out.exists()
