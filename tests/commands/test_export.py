import json
import re
import shutil
import sys
from pathlib import Path

import pytest
from builders import PERSONAS, config, grow
from command import RunAloe

from aloe.memory.run_folder import RunFolder, read_trees
from aloe.schema import Tree, UserNode
from aloe.training.sides import choose_split


@pytest.fixture
def run(tmp_path: Path) -> Path:
    settings = config(turns=2, both_turns=1)
    folder = RunFolder(tmp_path / "run")
    with folder.writing(settings):
        for persona in PERSONAS[:2]:
            folder.append(grow(settings, persona=persona))
    return folder.path


@pytest.mark.parametrize(
    ("kind", "keys"), [("sft", {"prompt", "completion"}), ("dpo", {"prompt", "chosen", "rejected"})]
)
def test_rows_into_a_folder_that_is_not_there_yet(
    aloe: RunAloe, run: Path, kind: str, keys: set[str]
) -> None:
    out = run / "datasets" / f"{kind}.jsonl"
    ran = aloe("export", run, "--format", kind, "--out", out, "--json")
    assert ran.code == 0, ran.err
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert ran.result == {"out": str(out), "rows": 6, "left_out": {}}
    assert len(rows) == 6
    for row in rows:
        assert set(row) == keys
        for messages in row.values():
            assert all(set(message) == {"role", "content"} for message in messages)
    assert ran.out.count("\n") == 1
    assert "6 " in ran.err


def test_again_is_the_same_file(aloe: RunAloe, run: Path, tmp_path: Path) -> None:
    texts = []
    for source in (run, run / "trees.jsonl"):
        out = tmp_path / "rows.jsonl"
        ran = aloe("export", source, "--format", "dpo", "--out", out)
        assert "left out: none" in ran.out
        texts.append(out.read_bytes())
    assert texts[0] == texts[1]


def test_what_is_wrong(aloe: RunAloe, run: Path, tmp_path: Path) -> None:
    out = tmp_path / "rows.jsonl"
    flags = ["--format", "sft", "--out", out]
    assert aloe("export", tmp_path / "none", *flags).is_one_line_about("none: does not exist")
    assert aloe("export", run, "--format", "sft", "--out", run).is_one_line_about(str(run))
    with (run / "trees.jsonl").open("a") as file:
        file.write('{"id": "x"}\n')
    assert aloe("export", run, *flags).is_one_line_about("trees.jsonl:3:")
    assert not out.exists()
    assert aloe("export", run, "--format", "ppo", "--out", out).code == 2


def test_a_tokenizer_that_is_none_stops_before_anything_is_written(
    aloe: RunAloe, run: Path, tmp_path: Path
) -> None:
    out = tmp_path / "rows.jsonl"
    flags = ["--out", out, "--tokenizer", tmp_path / "none"]
    assert aloe("export", run, "--format", "sft", *flags).is_one_line_about("is not a folder")
    assert aloe("export", run, "--format", "aloe", *flags).is_one_line_about("no prompts")
    assert not out.exists()


@pytest.mark.train
def test_a_trainers_limit_is_checked_with_its_own_tokenizer(
    aloe: RunAloe, run: Path, tmp_path: Path
) -> None:
    pytest.importorskip("transformers")
    import tiny

    tiny.tokenizer().save_pretrained(tmp_path / "tokens")
    found = []
    for limit in (10_000, 100, 1):
        ran = aloe(
            "export", run, "--format", "dpo", "--out", tmp_path / "rows.jsonl", "--json",
            "--tokenizer", tmp_path / "tokens", "--max-length", limit,
        )  # fmt: skip
        assert ran.code == 0, ran.err
        found.append(ran.result["preflight"])
    assert [each["rows"] for each in found] == [6] * 3
    assert (found[0]["cut"], found[0]["dropped"]) == (0, 0)
    assert found[1]["longest"] == found[0]["longest"] > 100
    assert found[1]["cut"] + found[1]["dropped"] > 0
    assert (found[2]["cut"], found[2]["dropped"]) == (0, 6)


def test_nobody_is_on_both_sides_of_a_split(aloe: RunAloe, tmp_path: Path) -> None:
    settings = config(turns=2)
    folder = RunFolder(tmp_path / "many")
    with folder.writing(settings):
        for persona in PERSONAS:
            for seed in (1, 2):
                folder.append(grow(settings, persona=persona, seed=seed))
    ran = aloe(
        "export", folder.path, "--format", "dpo", "--out", tmp_path / "set", "--columns",
        "--test-share", 0.5, "--json",
    )  # fmt: skip
    assert ran.code == 0, ran.err
    sides = {}
    for side in ("train", "test"):
        lines = (tmp_path / "set" / f"{side}.jsonl").read_text().splitlines()
        sides[side] = [json.loads(line) for line in lines]
        assert len(lines) == ran.result["splits"][side] > 0
    for column in ("persona", "tree"):
        train, test = ({row[column] for row in rows} for rows in sides.values())
        assert not train & test


@pytest.mark.train
@pytest.mark.parametrize("columns", [True, False])
@pytest.mark.parametrize("kind", ["sft", "dpo", "kto", "grpo", "rm", "step", "aloe"])
def test_datasets_loads_the_folder_and_the_table_of_every_format(
    aloe: RunAloe, tmp_path: Path, kind: str, columns: bool
) -> None:
    """Margins are null and notes are empty in one split only; nothing was revealed in the other."""
    datasets = pytest.importorskip("datasets")
    trees = [grow(config(turns=2), persona=persona) for persona in PERSONAS]
    odd = [n for n, tree in enumerate(trees) if choose_split(tree.persona.id, 0.5) == "train"]
    changed = [bare(tree) if n in odd else with_notes(tree) for n, tree in enumerate(trees)]
    (run := tmp_path / "run.jsonl").write_text("".join(t.model_dump_json() + "\n" for t in changed))
    notes = [] if kind == "aloe" else ["--with", "safety"]
    export = ["export", run, "--format", kind, *notes, *["--columns"][:columns]]
    assert aloe(*export, "--test-share", 0.5, "--out", tmp_path / "set").code == 0
    found = datasets.load_dataset(str(tmp_path / "set"), cache_dir=str(tmp_path / "cache"))
    assert found["train"].features == found["test"].features
    rows = []
    for split in ("train", "test"):
        lines = (tmp_path / "set" / f"{split}.jsonl").read_text().splitlines()
        stored = [json.loads(line) for line in lines]
        assert found[split].to_list() == stored
        rows += stored
    assert rows
    assert aloe(*export, "--out", tmp_path / "rows.parquet").code == 0
    table = datasets.Dataset.from_parquet(
        str(tmp_path / "rows.parquet"), cache_dir=str(tmp_path / "cache")
    )
    assert sorted(table.to_list(), key=str) == sorted(rows, key=str)


def bare(tree: Tree) -> Tree:
    """Return a tree whose verdicts have no margin and in which nobody revealed anything."""
    nodes = (
        node.model_copy(update={"revealed": ()}) if isinstance(node, UserNode) else node
        for node in tree.nodes
    )
    verdicts = (v.model_copy(update={"margin": None, "votes": ()}) for v in tree.verdicts)
    return Tree(**{**dict(tree), "nodes": tuple(nodes), "verdicts": tuple(verdicts)})


def with_notes(tree: Tree) -> Tree:
    """Return a tree in which a role noted something on every message."""
    notes = {"safety": {"level": 1, "words": ["knife"]}}
    nodes = (node.model_copy(update={"notes": notes}) for node in tree.nodes)
    return Tree(**{**dict(tree), "nodes": tuple(nodes)})


OWN_EXPORTER = """
def openings(tree, skipped):
    opening = tree.nodes[0]
    if len(opening.content) > 1000:
        skipped["too long"] += 1
    yield {"text": opening.content, "who": tree.persona.id}


def breaks(tree, skipped):
    yield {"text": tree.nodes[99].content}
"""


def noted_run(tmp_path: Path) -> Path:
    """Write a run in which a role noted something on every other message."""
    tree = grow(config(turns=2))
    nodes = [
        node.model_copy(update={"notes": {"safety": {"level": i}}} if i % 2 else {})
        for i, node in enumerate(tree.nodes)
    ]
    file = tmp_path / "noted.jsonl"
    file.write_text(tree.model_copy(update={"nodes": tuple(nodes)}).model_dump_json() + "\n")
    return file


def test_what_a_role_noted_is_exported_when_asked(tmp_path: Path, aloe: RunAloe) -> None:
    run, out = noted_run(tmp_path), tmp_path / "rows.jsonl"
    (tree,) = read_trees(run)
    level = {node.content: node.notes.get("safety") for node in tree.nodes}
    assert aloe("export", run, "--format", "dpo", "--with", "safety", "--out", out).code == 0
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert rows
    for row in rows:
        assert set(row) == {"prompt", "chosen", "rejected", "safety"}
        said = {"user": row["prompt"], "chosen": row["chosen"], "rejected": row["rejected"]}
        assert row["safety"] == {part: level[text[-1]["content"]] for part, text in said.items()}
    for kind, parts in (("sft", ["user", "completion"]), ("grpo", ["user"])):
        assert aloe("export", run, "--format", kind, "--with", "safety", "--out", out).code == 0
        assert list(json.loads(out.read_text().splitlines()[0])["safety"]) == parts
    parquet = aloe("export", run, "--format", "dpo", "--with", "safety", "--out", tmp_path / "x")
    assert parquet.code == 0
    plain = aloe("export", run, "--format", "dpo", "--columns", "--out", out)
    assert plain.code == 0
    assert "nodes" not in json.loads(out.read_text().splitlines()[0])
    whole = aloe("export", run, "--format", "aloe", "--with", "safety", "--out", out)
    assert whole.is_one_line_about("--with safety", "aloe")
    unknown = aloe("export", run, "--format", "dpo", "--with", "saftey", "--out", out)
    assert unknown.is_one_line_about("--with saftey", "there are safety")
    taken = aloe("export", run, "--format", "dpo", "--with", "prompt", "--out", out)
    assert taken.is_one_line_about("rename the role")


def test_an_exporter_of_ones_own(
    tmp_path: Path, aloe: RunAloe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    (tmp_path / "own_exporter.py").write_text(OWN_EXPORTER)
    run, out = noted_run(tmp_path), tmp_path / "rows.jsonl"
    (tree,) = read_trees(run)
    export = ("export", run, "--out", out, "--format")
    assert aloe(*export, "own_exporter:openings").code == 0
    row = {"text": tree.nodes[0].content, "who": tree.persona.id}
    assert json.loads(out.read_text()) == row
    assert aloe(*export, "own_exporter:openings", "--columns").code == 0
    assert json.loads(out.read_text()).items() >= {**row, "tree": tree.id}.items()
    split = aloe("export", run, "--out", "folder", "--format", "own_exporter:openings", "--json")
    assert split.result["splits"]["train"] == 1
    broken = aloe(*export, "own_exporter:breaks")
    assert broken.is_one_line_about("own_exporter.py:10: IndexError", tree.id)
    assert aloe(*export, "own_exporter:no").is_one_line_about("has no attribute 'no'")
    assert aloe(*export, "csv").is_one_line_about("'csv' is none of sft, dpo")


@pytest.mark.parametrize("name", ["d.csv", "d.json", "d.JSONL", "d.parquet.gz", "d.zip"])
def test_a_folder_is_not_called_like_a_file(
    aloe: RunAloe, run: Path, tmp_path: Path, name: str
) -> None:
    ran = aloe("export", run, "--format", "dpo", "--out", tmp_path / name)
    assert ran.code == 2
    assert "looks like a file" in ran.err
    assert not (tmp_path / name).exists()


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--max-length", 10), "--max-length would not be read without --tokenizer"),
        (("--licence", "cc0-1.0"), "--licence would not be read beside a file"),
    ],
)
def test_flags_that_would_not_be_read_are_refused(
    aloe: RunAloe, run: Path, tmp_path: Path, flags: tuple[object, ...], words: str
) -> None:
    out = tmp_path / "rows.jsonl"
    ran = aloe("export", run, "--format", "dpo", "--out", out, *flags)
    assert ran.is_one_line_about(words)
    assert not out.exists()


def test_what_is_read_is_not_written_over(aloe: RunAloe, run: Path) -> None:
    before = (run / "trees.jsonl").read_bytes()
    for source in (run, run / "trees.jsonl"):
        ran = aloe("export", source, "--format", "dpo", "--out", run / "trees.jsonl")
        assert ran.code == 2
        assert "is also the input" in ran.err
    assert (run / "trees.jsonl").read_bytes() == before


def test_no_rows_are_written_over_the_trees_of_another_run(
    aloe: RunAloe, run: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    shutil.copytree(run, other)
    (other / "config.toml").touch()
    before = (other / "trees.jsonl").read_bytes()
    ran = aloe("export", run, "--format", "dpo", "--out", other / "trees.jsonl")
    assert ran.code == 2
    assert "holds the trees of a run" in " ".join(ran.err.split())
    assert (other / "trees.jsonl").read_bytes() == before


def test_a_dataset_without_rows_is_refused(aloe: RunAloe, run: Path, tmp_path: Path) -> None:
    out = tmp_path / "d"
    ran = aloe("export", run, "--format", "dpo", "--out", out, "--min-margin", "1e9")
    assert ran.code == 2
    assert "gives no dpo rows; left out: below the margin: 6" in ran.err.replace("\n", " ")
    assert not out.exists()


def test_links_go_on_pointing_where_they_did(aloe: RunAloe, run: Path, tmp_path: Path) -> None:
    for target, link in (("f.jsonl", "l.jsonl"), ("folder", "link")):
        (tmp_path / link).symlink_to(tmp_path / target)
        assert aloe("export", run, "--format", "dpo", "--out", tmp_path / link).code == 0
        assert (tmp_path / link).is_symlink()
        assert (tmp_path / target).exists()


@pytest.mark.parametrize("content", [None, "{", "[]", "null"])
def test_a_folder_without_a_tokenizer_is_named_in_one_line(
    aloe: RunAloe, run: Path, tmp_path: Path, content: str | None
) -> None:
    pytest.importorskip("transformers")
    (tmp_path / "t").mkdir()
    if content is not None:
        (tmp_path / "t" / "tokenizer.json").write_text(content)
    out = tmp_path / "rows.jsonl"
    ran = aloe("export", run, "--format", "dpo", "--out", out, "--tokenizer", tmp_path / "t")
    assert ran.is_one_line_about("not a folder with a tokenizer")
    assert not out.exists()


def test_a_margin_that_is_not_there_is_not_below(aloe: RunAloe, run: Path, tmp_path: Path) -> None:
    flags = ("export", run, "--min-margin", 0.01, "--out", tmp_path / "x.jsonl", "--format")
    assert aloe(*flags, "sft").is_one_line_about("no row here has a margin")
    trees = (run / "trees.jsonl").read_text()
    (run / "trees.jsonl").write_text(re.sub(r'"margin":[-+.e0-9]+', '"margin":null', trees))
    for kind in ("dpo", "rm", "openrlhf-rm"):
        assert aloe(*flags, kind).is_one_line_about("no row here has a margin")
    assert not (tmp_path / "x.jsonl").exists()
    for more in ((), ("--columns",)):
        assert aloe("export", run, "--format", "rm", "--out", tmp_path / "y.jsonl", *more).code == 0
        rows = map(json.loads, (tmp_path / "y.jsonl").read_text().splitlines())
        assert {row["margin"] for row in rows} == {0.0}, "which is what the trainer's column needs"
