import json
from pathlib import Path

import pytest
from builders import PERSONAS, config, grow
from command import RunAloe

from memory.trees import RunFolder


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
    assert aloe("export", tmp_path / "none", *flags).is_one_line_about("aloe simulate")
    assert aloe("export", run, "--format", "sft", "--out", run).is_one_line_about(str(run))
    with (run / "trees.jsonl").open("a") as file:
        file.write('{"id": "x"}\n')
    assert aloe("export", run, *flags).is_one_line_about("trees.jsonl:3:")
    assert not out.exists()
    assert aloe("export", run, "--format", "ppo", "--out", out).code == 2
