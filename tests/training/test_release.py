import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from builders import PERSONAS, assistant, config, grow, user

from aloe.errors import StoreError
from aloe.memory.conversations import IMPORTED, verdict_of
from aloe.schema import Tree
from aloe.training.dataset import find_replies
from aloe.training.export import COLUMNS, ROWS, Format, Row, Skipped, take_trainer_columns
from aloe.training.features import KINDS, infer_features, render_features
from aloe.training.preflight import Preflight, make_token_counter, preflight
from aloe.training.release import (
    describe_makers,
    render_dataset_card,
    write_folder,
    write_rows,
)


@pytest.mark.parametrize("failing", ["train.jsonl", "test.jsonl", "README.md"])
def test_an_export_that_fails_leaves_the_earlier_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    rows = [{"prompt": "a"}, {"prompt": "b"}, {"prompt": "c"}]
    write_folder(tmp_path / "d", {"train": rows[:1], "test": rows[1:2]}, "old card")
    before = {file.name: file.read_bytes() for file in (tmp_path / "d").iterdir()}

    def fail(path: Path, *_: Any) -> None:
        if path.name == failing:
            raise StoreError("disk full")
        path.parent.mkdir(exist_ok=True)
        path.write_text("new", encoding="utf-8")

    with monkeypatch.context() as patch:
        patch.setattr("aloe.training.release.write_rows", fail)
        patch.setattr("aloe.training.release.replace_text", fail)
        with pytest.raises(StoreError, match="disk full"):
            write_folder(tmp_path / "d", {"train": rows[:2], "test": rows[2:]}, "new card")
    assert {file.name: file.read_bytes() for file in (tmp_path / "d").iterdir()} == before


@pytest.mark.parametrize("killed_at", range(11))
def test_an_export_that_is_killed_leaves_no_card_of_other_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, killed_at: int
) -> None:
    rows = [{"prompt": "a"}, {"prompt": "b"}, {"prompt": "c"}]
    out, left = tmp_path / "d", iter(range(killed_at))
    write_folder(out, {"train": rows[:1], "test": rows[1:2]}, "old card")

    def until_killed(method: Any) -> Any:
        def call(path: Path, *given: Any, **named: Any) -> Any:
            if path.is_relative_to(out) and next(left, None) is None:
                raise KeyboardInterrupt
            return method(path, *given, **named)

        return call

    with monkeypatch.context() as patch:
        for name in ("unlink", "rename", "replace"):
            patch.setattr(Path, name, until_killed(getattr(Path, name)))
        with pytest.raises(KeyboardInterrupt):
            write_folder(out, {"train": rows[:2], "test": rows[2:]}, "new card")
    held = {file.name: set(file.read_text().splitlines()) for file in out.glob("*.jsonl")}
    assert not held.get("train.jsonl", set()) & held.get("test.jsonl", set())
    if (out / "README.md").exists():
        assert (out / "README.md").read_text() == "old card"
        assert held == {"train.jsonl": {'{"prompt": "a"}'}, "test.jsonl": {'{"prompt": "b"}'}}
    write_folder(out, {"train": rows[:2], "test": rows[2:]}, "new card")
    assert sorted(f.name for f in out.iterdir()) == ["README.md", "test.jsonl", "train.jsonl"]


@pytest.fixture(scope="module")
def grown() -> Tree:
    return grow(config(turns=3, expansion="both"))


@pytest.mark.parametrize("kind", list(ROWS))
def test_every_format_has_its_trainers_columns(kind: Format, grown: Tree) -> None:
    rows = list(ROWS[kind](grown, Skipped()))
    assert rows
    for row in rows:
        assert tuple(take_trainer_columns(row, kind)) == COLUMNS[kind]
        assert (row["tree"], row["persona"]) == (grown.id, grown.persona.id)


def test_kto_labels_are_what_the_pairs_say(grown: Tree) -> None:
    pairs = list(ROWS["dpo"](grown, Skipped()))
    good = {(str(row["prompt"]), str(row["chosen"])) for row in pairs}
    bad = {(str(row["prompt"]), str(row["rejected"])) for row in pairs}
    for row in ROWS["kto"](grown, Skipped()):
        key = str(row["prompt"]), str(row["completion"])
        assert key in (good if row["label"] else bad)


def test_paper_layout_follows_the_path(grown: Tree) -> None:
    paths = [row["conversations"] for row in ROWS["aloe"](grown, Skipped())]
    assert {len(turns) for turns in paths} == {3}
    for turns in paths:
        assert turns[-1]["chosen"] == "preferred"
        for turn, following in pairwise(turns):
            reply = turn["assistant"][turn["chosen"]]
            assert any(
                grown.by_id[node.parent or ""].content == reply
                for node in grown.nodes
                if node.role == "user" and node.content == following["user"] and node.parent
            )


def test_margin_confidence_and_length_come_with_a_pair(grown: Tree) -> None:
    by_node = {verdict.node: verdict for verdict in grown.verdicts}
    users = {str(row["prompt"]): row for row in ROWS["dpo"](grown, Skipped())}
    for node, verdict in by_node.items():
        prompt = [{"role": n.role, "content": n.content} for n in grown.path(node)]
        row = users.get(str(prompt))
        if row is None:
            assert verdict.preferred is None
            continue
        assert row["margin"] == abs(verdict.margin or 0)
        assert row["length_difference"] == len(row["chosen"][0]["content"]) - len(
            row["rejected"][0]["content"]
        )
        assert 0.5 <= row["confidence"] <= 1


def test_a_folder_holds_rows_and_a_card_that_counts_them(tmp_path: Path, grown: Tree) -> None:
    skipped = Skipped({"abstain": 3})
    rows = list(ROWS["dpo"](grown, skipped))
    card = render_dataset_card(
        [grown], {"train": rows, "test": []}, skipped, "dpo", features=infer_features(rows, KINDS),
        passport=None, licence="cc0-1.0",
    )  # fmt: skip
    counts = write_folder(tmp_path / "d", {"train": rows}, card)
    assert counts == {"train": len(rows), "test": 0}
    assert not (tmp_path / "d" / "test.jsonl").exists()
    lines = (tmp_path / "d" / "train.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == rows
    text = (tmp_path / "d" / "README.md").read_text()
    assert f"| train | {len(rows)} | 1 |" in text
    assert "license: cc0-1.0" in text
    assert "abstain: 3" in text
    assert "path: test.jsonl" not in text
    assert "both splits" not in text, "there is one only"


@pytest.mark.parametrize("imported", [True, False])
def test_a_card_claims_no_more_than_the_trees_say(grown: Tree, imported: bool) -> None:
    trees = [grown, grown.model_copy(update={"models": {}} if imported else {})]
    card = render_dataset_card(
        trees, {}, Skipped(), "dpo", features={}, passport=None, licence="mit"
    )
    assert ("no human took part" in card) is not imported
    assert ("not known\nhere who spoke" in card) is imported
    assert ("- not known (1 tree)" in card) is imported


@pytest.mark.parametrize(
    ("models", "agent", "judge", "label", "said"),
    [
        ({"user": "m", "judge": "m"}, "user", "m", "judge", "Users are language models, "),
        ({"plain": "m"}, "rule", "rule", "judge", "Users are rules, "),
        ({"user": "human", "a": "m"}, "human", "human", "judge", "Users are people, "),
        ({"user": "m", "a": "m"}, "user", "my:judge", "judge", "judges custom code; no human"),
        ({"user": "m", "judge": "m"}, "user", "m", "people", "judges people."),
    ],
)
def test_a_card_says_who_played_and_who_judged(
    grown: Tree, models: dict[str, str], agent: str, judge: str, label: Any, said: str
) -> None:
    nodes = tuple(
        node.model_copy(update={"agent": agent}) if node.role == "user" else node
        for node in grown.nodes
    )
    verdicts = tuple(
        each.model_copy(
            update={"votes": tuple(v.model_copy(update={"judge": judge}) for v in each.votes)}
        )
        for each in grown.verdicts
    )
    changes = {"models": models, "nodes": nodes, "verdicts": verdicts}
    found = describe_makers([grown.model_copy(update=changes)], label)
    assert said in found
    assert ("no human took part" in found) == ("people" not in found)


@pytest.mark.parametrize(
    ("models", "speaker", "who"),
    [
        ({"a1": "m"}, "rule", "rules"),
        ({"user": "m", "a1": "m"}, "rule", "custom code"),
        ({"user": "m", "a1": "m"}, "user", "custom code"),
        ({"user": "m", "a1": "m", "a0": "m"}, "rule", None),
        ({"judge": "m"}, "human", None),
        ({}, "human", None),
    ],
)
@pytest.mark.parametrize("kind", ["dpo", "sft", "kto"])
def test_a_card_says_which_assistants_no_model_played(
    grown: Tree, models: dict[str, str], speaker: str, who: str | None, kind: Format
) -> None:
    nodes = tuple(
        node.model_copy(update={"agent": speaker}) if node.role == "user" else node
        for node in grown.nodes
    )
    tree = grown.model_copy(update={"models": models, "nodes": nodes})
    rows = list(ROWS[kind](tree, Skipped()))
    part = "chosen" if kind == "dpo" else "completion"
    taught = [
        row for row in rows
        if row.get("label", True) and tree.by_id[row["nodes"][part]].agent == "a0"
    ]  # fmt: skip
    assert len(taught) == 7
    card = render_dataset_card(
        [tree], {"train": rows[:1], "test": rows[1:]}, Skipped(), kind,
        features=infer_features(rows, KINDS), passport=None, licence="mit",
    )  # fmt: skip
    line = f"- a0: {who} (its replies are taught in {len(taught)} row"
    assert (line in card) == bool(who)
    assert ("are taught in" in card) == bool(who)
    assert f"assistants {who} and language models" in card or not who or who == "rules"
    assert "assistants language models and rules" in card or who != "rules"


@pytest.mark.parametrize(
    ("agents", "judge", "rejudged", "said"),
    [
        ((IMPORTED, IMPORTED), IMPORTED, False, "here who spoke in them and who judged."),
        ((IMPORTED, IMPORTED), "m", True, "here who spoke in them. Judges are language models."),
        (("user", IMPORTED), "m", True, "here who spoke in them. Judges are language models."),
        (("human", "gpt-4"), IMPORTED, False, "here who judged. Users are people, assistants lang"),
        (("human", "gpt-4"), "m", True, "Users are people, assistants language models, judges la"),
        (("human", "gpt-4"), "human:1", False, "judges people."),
    ],
)
def test_a_card_says_what_is_known_of_imported_conversations(
    agents: tuple[str, str], judge: str, rejudged: bool, said: str
) -> None:
    asked = user("Hi", agent=agents[0])
    pair = [assistant(text, asked, agent=agents[1]) for text in ("Yo", "No")]
    verdict = verdict_of(asked.id, pair[0].id, pair[1].id, judge=judge)
    tree = Tree(
        id="t", persona=PERSONAS[0], seed=0, models={"judge": "m"} if rejudged else {},
        nodes=(asked, *pair), verdicts=(verdict,),
    )  # fmt: skip
    card = render_dataset_card(
        [tree], {}, Skipped(), "dpo", features={}, passport=None, licence="mit"
    )
    assert said in card
    assert "no human took part" not in card
    assert ("not known (1 tree)" in card) == (not rejudged or IMPORTED in agents)


def test_a_split_of_an_earlier_export_does_not_stay(tmp_path: Path) -> None:
    rows: list[Row] = [{"text": "one"}, {"text": "two"}]
    write_folder(tmp_path / "d", {"train": rows[:1], "test": rows[1:]}, "card")
    assert (tmp_path / "d" / "test.jsonl").exists()
    assert write_folder(tmp_path / "d", {"train": rows[:1]}, "card") == {"train": 1, "test": 0}
    assert not (tmp_path / "d" / "test.jsonl").exists()


SPLITS: dict[str, tuple[Any, Any]] = {
    "null in one": (None, 1.5),
    "null in both": (None, None),
    "no list items in one": ([], ["said"]),
    "no list items in both": ([], []),
    "lists in lists": ([[]], [["a"], []]),
    "no object in one": (None, {"level": 1, "why": None}),
    "null inside": ({"user": None}, {"user": {"level": 1}}),
    "no keys": ({}, {}),
    "no keys in one": ({}, {"level": 1}),
    "whole and not": (1, 1.5),
    "two kinds": ("high", 1),
    "two kinds inside": ({"level": [1]}, {"level": "high"}),
    "object and list": ({"level": 1}, [1]),
}


def full_of(row: Any, other: Any) -> Any:
    """Return a row with the keys that its objects have in another: readers see them as null."""
    if not (isinstance(row, dict) and isinstance(other, dict)):
        return row
    return {key: full_of(row.get(key), other.get(key)) for key in row | other}


@pytest.mark.train
@pytest.mark.parametrize("case", SPLITS)
def test_a_column_loads_whatever_a_split_has_of_it(tmp_path: Path, case: str) -> None:
    datasets = pytest.importorskip("datasets")
    train, test = ({"a 'name': [": "x", "column": value} for value in SPLITS[case])
    files = [{"split": split, "path": f"{split}.jsonl"} for split in ("train", "test")]
    names = f"configs:\n- config_name: default\n  data_files: {json.dumps(files)}\n"
    card = f"---\n{names}{render_features(infer_features([train, test], {}))}---\n"
    write_folder(tmp_path / "d", {"train": [train], "test": [test]}, card)
    found = datasets.load_dataset(str(tmp_path / "d"), cache_dir=str(tmp_path / "cache"))
    expected = [full_of(train, test), full_of(test, train)]
    assert [found["train"][0], found["test"][0]] == expected
    assert found["train"].features == found["test"].features
    write_rows(tmp_path / "rows.parquet", [train, test])
    table = datasets.Dataset.from_parquet(
        str(tmp_path / "rows.parquet"), cache_dir=str(tmp_path / "cache")
    )
    assert table.to_list() == expected


@pytest.mark.train
def test_parquet_holds_the_same_rows(tmp_path: Path, grown: Tree) -> None:
    pyarrow = pytest.importorskip("pyarrow.parquet")
    rows = [take_trainer_columns(row, "dpo") for row in ROWS["dpo"](grown, Skipped())]
    write_rows(tmp_path / "rows.parquet", rows)
    assert pyarrow.read_table(tmp_path / "rows.parquet").to_pylist() == rows


def test_rows_for_an_impossible_place_are_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be written"):
        write_rows(tmp_path / "file" / "rows.jsonl", [])


def row(prompt: int, answer: int) -> Row:
    def words(role: str, count: int) -> list[dict[str, str]]:
        return [{"role": role, "content": "word " * count}]

    return {"prompt": words("user", prompt), "completion": words("assistant", answer)}


def test_preflight_counts_what_would_be_cut_and_dropped() -> None:
    def count(messages: object) -> int:
        assert isinstance(messages, list)
        return sum(len(m["content"].split()) for m in messages)

    rows = [row(5, 5), row(5, 6), row(10, 1), row(9, 1), row(30, 1)]
    for method in ("sft", "dpo", "kto", "llamafactory-sft"):
        expected = Preflight(rows=5, longest=31, cut=1, dropped=2)
        assert preflight(rows, count, 10, method) == expected
    assert preflight([], count, 10, "sft") == Preflight(rows=0, longest=0, cut=0, dropped=0)
    prompts = [{"prompt": each["prompt"]} for each in rows]
    assert preflight(prompts, count, 10, "grpo") == Preflight(rows=5, longest=30, cut=0, dropped=0)


@pytest.mark.train
@pytest.mark.parametrize("method", ["sft", "dpo", "kto", "rm"])
def test_preflight_counts_what_trls_trainer_drops(tmp_path: Path, method: str) -> None:
    trl = pytest.importorskip("trl")
    datasets = pytest.importorskip("datasets")
    import tiny
    import transformers

    folder = tiny.save(tmp_path / "base")
    count = make_token_counter(folder)
    pairs = [
        {"prompt": row(long, 1)["prompt"], "chosen": row(0, good)["completion"],
         "rejected": row(0, bad)["completion"]}
        for long, good, bad in ((2, 2, 3), (2, 2, 30), (2, 30, 2), (30, 1, 2), (60, 1, 2))
    ]  # fmt: skip
    replies = [{"prompt": p["prompt"], "completion": p["chosen"]} for p in pairs]
    marked = [{**each, "label": bool(n % 2)} for n, each in enumerate(replies)]
    rows = {"dpo": pairs, "rm": pairs, "sft": replies, "kto": marked}[method]
    limit = max(count([*rows[0]["prompt"], *reply]) for reply in find_replies(rows[0])) + 3
    name = {"rm": "Reward"}.get(method, method.upper())
    kind = "SequenceClassification" if method == "rm" else "CausalLM"
    model = getattr(transformers, f"AutoModelFor{kind}").from_pretrained(
        folder, **({"num_labels": 1} if method == "rm" else {})
    )
    given = {"output_dir": str(tmp_path / "out"), "max_length": limit, "use_cpu": True,
             "bf16": False, "report_to": "none", "activation_checkpointing": False}  # fmt: skip
    trainer = getattr(trl, f"{name}Trainer")(
        model=model, args=getattr(trl, f"{name}Config")(**given),
        train_dataset=datasets.Dataset.from_list(rows),
        processing_class=transformers.AutoTokenizer.from_pretrained(folder),
    )  # fmt: skip
    found = preflight(rows, count, limit, method)
    assert found.dropped == len(rows) - len(trainer.train_dataset) > 0
    assert (found.cut > 0) == (method != "rm")


def test_parquet_has_the_keys_that_json_has(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow.parquet")
    rows = [{"by": {1: "user", None: [{True: 1.5}]}, 2: "x"}, {"by": {"1": "again"}, 2: None}]
    for name in ("rows.parquet", "rows.jsonl"):
        write_rows(tmp_path / name, rows)
    found = pyarrow.read_table(tmp_path / "rows.parquet").to_pylist()
    first, second = map(json.loads, (tmp_path / "rows.jsonl").read_text().splitlines())
    assert found[0] == first
    assert found[1] == {"by": {**second["by"], "null": None}, "2": None}
