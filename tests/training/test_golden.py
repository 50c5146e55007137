"""The rows of one stored tree, format by format, as they are to stay.

The tree in golden/trees.jsonl has what can go wrong with a row: a preferred reply that reads minds,
one that was cut off, a tie, an abstention, a pair that a tournament spared, a branch that went on
with the reply that was not preferred, and characters beyond ASCII.
"""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from aloe.memory.run_folder import read_trees
from aloe.training.export import (
    COLUMNS,
    ROWS,
    Format,
    Row,
    Skipped,
    take_all_columns,
    take_trainer_columns,
)
from aloe.training.release import write_rows

GOLDEN = Path(__file__).parent.parent / "golden"
(TREE,) = read_trees(GOLDEN / "trees.jsonl")
KINDS = pytest.mark.parametrize("kind", list(ROWS))


def golden(kind: Format) -> list[Row]:
    return [json.loads(line) for line in (GOLDEN / f"{kind}.jsonl").read_text().splitlines()]


@KINDS
def test_the_rows_are_the_golden_ones(kind: Format, tmp_path: Path) -> None:
    rows = [take_all_columns(row, kind) for row in ROWS[kind](TREE, Skipped())]
    assert rows == golden(kind)
    write_rows(tmp_path / "rows.jsonl", rows)
    assert (tmp_path / "rows.jsonl").read_bytes() == (GOLDEN / f"{kind}.jsonl").read_bytes()


def test_what_is_left_out_is_counted_alike_in_every_format() -> None:
    expected = {"mind-reading reply": 1, "truncated reply": 1, "tie": 1, "abstain": 1}
    for kind, rows in ROWS.items():
        skipped: Skipped = Counter()
        assert list(rows(TREE, skipped))
        own = {"aloe": {"no place in this layout": 2}, "kto": {"won and lost": 1}}.get(kind, {})
        assert skipped == ({} if kind == "grpo" else expected | own), kind


def test_no_pair_rests_on_a_conclusion() -> None:
    compared = {
        frozenset((TREE.by_id[v.first].content, TREE.by_id[v.second].content))
        for v in TREE.verdicts
        if v.preferred
    }
    for row in golden("dpo"):
        texts = (row["chosen"][0]["content"], row["rejected"][0]["content"])
        assert frozenset(texts) in compared
    rewards = {row["completion"][0]["content"]: row["reward"] for row in golden("step")}
    assert rewards["Check the pads every month."] == 1.0
    assert rewards["Brakes rarely fail."] == 0.5
    assert rewards["New pads."] == 0.0


def loaded(kind: Format, tmp_path: Path) -> Any:
    """Load the rows as `aloe export` writes them with `datasets`."""
    datasets = pytest.importorskip("datasets")
    file = tmp_path / f"{kind}.jsonl"
    write_rows(file, [take_trainer_columns(row, kind) for row in golden(kind)])
    return datasets.load_dataset(
        "json", data_files=str(file), split="train", cache_dir=str(tmp_path / "cache")
    )


@pytest.mark.train
@KINDS
def test_datasets_loads_them_as_they_are(kind: Format, tmp_path: Path) -> None:
    data = loaded(kind, tmp_path)
    assert tuple(data.column_names) == COLUMNS[kind]
    assert data.to_list() == [take_trainer_columns(row, kind) for row in golden(kind)]


@pytest.mark.train
@pytest.mark.parametrize("kind", ["sft", "dpo", "kto", "rm", "grpo", "step"])
def test_trls_own_processing_takes_them(kind: Format, tmp_path: Path) -> None:
    pytest.importorskip("trl")
    from tiny import tokenizer
    from trl.data_utils import apply_chat_template, is_conversational

    for row, example in zip(golden(kind), loaded(kind, tmp_path), strict=True):
        assert is_conversational(example)
        done = apply_chat_template(example, tokenizer())
        asked = "".join(
            f"<|im_start|>{m['role']}\n{m['content']}<|im_end|>\n" for m in row["prompt"]
        )
        assert done["prompt"] == f"{asked}<|im_start|>assistant\n"
        for name in {"completion", "chosen", "rejected"} & row.keys():
            assert done[name] == f"{row[name][0]['content']}<|im_end|>\n"
        for name in {"label", "reward", "margin"} & done.keys():
            assert done[name] == row[name]


@pytest.mark.train
@pytest.mark.parametrize("kind", ["sft", "dpo", "kto", "rm", "grpo"])
def test_trls_trainers_prepare_them(kind: Format, tmp_path: Path) -> None:
    trl = pytest.importorskip("trl")
    import tiny

    name = {"rm": "Reward"}.get(kind, kind.upper())
    arguments: dict[str, Any] = {
        "output_dir": str(tmp_path), "use_cpu": True, "bf16": False, "report_to": "none",
        "activation_checkpointing": False,
        "disable_tqdm": True, "per_device_train_batch_size": 8,
    }  # fmt: skip
    extra = {"reward_funcs": lambda completions, **_: [0.0] * len(completions)}
    base = tiny.save(tmp_path / "base")
    trainer = getattr(trl, f"{name}Trainer")(
        model=str(base),
        args=getattr(trl, f"{name}Config")(**arguments),
        train_dataset=loaded(kind, tmp_path),
        processing_class=tiny.tokenizer(),
        **(extra if kind == "grpo" else {}),
    )
    assert len(trainer.train_dataset) == len(golden(kind))
