"""Rows as people hand them in: read rightly, or refused with the place and the reason."""

import gzip
import json
import os
from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from builders import config, grow

from aloe.errors import InputError
from aloe.files.records import read_records
from aloe.training.dataset import (
    Method,
    Row,
    hash_rows,
    read_held_out_rows,
    read_rows,
    read_training_data,
)
from aloe.training.release import write_rows

Message = dict[str, Any]


def says(role: str, content: Any, **more: Any) -> Message:
    return {"role": role, "content": content, **more}


def pair(**changes: Any) -> dict[str, Any]:
    return {
        "prompt": [says("user", "Birds?")],
        "chosen": [says("assistant", "Yes!")],
        "rejected": [says("assistant", "No.")],
        **changes,
    }


def answer(**changes: Any) -> dict[str, Any]:
    whole = pair()
    return {"prompt": whole["prompt"], "completion": whole["chosen"], **changes}


def stored(folder: Path, *rows: Any, name: str = "rows.jsonl") -> Path:
    file = folder / name
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


def read(folder: Path, *rows: Any, method: Method = "dpo") -> list[Row]:
    return read_rows(stored(folder, *rows), method)


def refusal(folder: Path, *rows: Any, method: Method = "dpo") -> str:
    """Return why the last of `rows` is refused, which has to be said with its line."""
    with pytest.raises(InputError) as caught:
        read(folder, *rows, method=method)
    place, _, problem = str(caught.value).partition(": ")
    assert place == f"{folder / 'rows.jsonl'}:{len(rows)}"
    return problem


@pytest.mark.parametrize(
    ("confidences", "weights"),
    [
        ((0.0, 1.0), (0.0, 2.0)),  # 0.0 counted as 1.0
        ((0, 0.5), (0.0, 2.0)),
        ((0.5, None), (2 / 3, 4 / 3)),
        ((1, 1), (1.0, 1.0)),
    ],
)
def test_a_confidence_of_zero_is_zero(
    tmp_path: Path, confidences: tuple[Any, ...], weights: tuple[float, ...]
) -> None:
    prompts = ([says("user", text)] for text in ("Birds?", "Cats?"))
    rows = [pair(prompt=p, confidence=c) for p, c in zip(prompts, confidences, strict=True)]
    assert [row["weight"] for row in read(tmp_path, *rows)] == pytest.approx(weights)


def test_rows_that_all_count_nothing_can_be_read(tmp_path: Path) -> None:
    rows = read(tmp_path, pair(confidence=0), pair(confidence=0.0))
    assert [row["weight"] for row in rows] == [0, 0]


WRONG: dict[str, tuple[Method, dict[str, Any], str]] = {
    "text": ("dpo", {"confidence": "high"}, "'confidence' is 'high', not a number"),
    "number as text": ("dpo", {"confidence": "0.5"}, "'confidence' is '0.5', not a number"),
    "empty text": ("dpo", {"confidence": ""}, "'confidence' is '', not a number"),
    "false": ("dpo", {"confidence": False}, "'confidence' is False, not a number"),
    "empty list": ("dpo", {"confidence": []}, "'confidence' is [], not a number"),
    "nan": ("dpo", {"confidence": float("nan")}, "'confidence' is nan; it must be 0 to 1"),
    "inf": ("dpo", {"confidence": float("inf")}, "'confidence' is inf; it must be 0 to 1"),
    "negative": ("dpo", {"confidence": -0.5}, "'confidence' is -0.5; it must be 0 to 1"),
    "percent": ("dpo", {"confidence": 95}, "'confidence' is 95; it must be 0 to 1"),
    "margin text": ("reward", {"margin": "large"}, "'margin' is 'large', not a number"),
    "margin nan": ("reward", {"margin": float("nan")}, "'margin' is nan; it must be finite"),
    "margin beyond": ("reward", {"margin": 10**400}, "it must be finite and not below 0"),
    "confidence beyond": ("dpo", {"confidence": 10**400}, "it must be 0 to 1"),
    "margin below": ("reward", {"margin": -1}, "'margin' is -1; it must be finite and not below 0"),
    "tree empty": ("dpo", {"tree": ""}, "'tree' is '', neither a name nor a whole number"),
    "tree list": ("dpo", {"tree": [1]}, "'tree' is [1], neither a name nor a whole number"),
    "tree false": ("dpo", {"tree": False}, "'tree' is False, neither"),
    "version text": ("dpo", {"schema_version": "1"}, "'schema_version' is '1', not a whole"),
    "version true": ("dpo", {"schema_version": True}, "'schema_version' is True, not a whole"),
    "version 0": ("dpo", {"schema_version": 0}, "is of schema version 0, this program reads 1"),
    "profile": ("grpo", {"profile": 3}, "'profile' is 3, not a text"),
    "revealed": ("grpo", {"revealed": "tea"}, "'revealed' is 'tea', not a list of texts"),
    "preferences": ("grpo", {"preferences": {"a": "b"}}, "not a list of pairs of texts"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_column_of_another_type_is_refused(tmp_path: Path, case: str) -> None:
    method, columns, problem = WRONG[case]
    assert problem in refusal(tmp_path, pair(), pair(**columns), method=method)


@pytest.mark.parametrize("label", ["yes", 1, 0, "", [], 1.0])
def test_a_label_is_true_or_false(tmp_path: Path, label: Any) -> None:
    problem = refusal(tmp_path, answer(label=True), answer(label=label), method="kto")
    assert problem == f"'label' is {label!r}, neither true nor false"
    assert "has no 'label'" in refusal(tmp_path, answer(label=None), method="kto")


@pytest.mark.parametrize(
    ("row_format", "marks"),
    [("kto", {"label": False}), ("kto", {"label": True}), ("step", {"reward": 0.0})],
)
@pytest.mark.parametrize("talk", [False, True])
def test_sft_does_not_imitate_rows_that_are_marked_good_or_bad(
    tmp_path: Path, row_format: str, marks: dict[str, Any], talk: bool
) -> None:
    good = {"messages": TALK} if talk else answer()
    problem = refusal(tmp_path, good, {**good, **marks}, method="sft")
    assert problem.startswith(f"has '{next(iter(marks))}', as rows of the format {row_format} do")
    assert read(tmp_path, {**good, **dict.fromkeys(marks)}, method="sft")


def test_null_counts_as_absent_and_zero_does_not(tmp_path: Path) -> None:
    bare = dict.fromkeys(("confidence", "tree", "margin", "schema_version", "messages"))
    first, second = read(tmp_path, pair(), pair(**bare), method="reward")
    assert {**first, "place": 0} == {**second, "place": 0}
    assert first["extra"] == {"margin": 0.0}  # for every row, as TRL's trainer needs it
    (row,) = read(tmp_path, pair(tree=0))
    assert row["tree"] == "0"


BAD_MESSAGES: dict[str, tuple[dict[str, Any], str]] = {
    "several": (
        {"chosen": [says("assistant", "A"), says("user", "B"), says("assistant", "C")]},
        "'chosen' has 3 messages and a reply is one",
    ),
    "whole talk": ({"rejected": [says("user", "Birds?"), says("assistant", "No")]}, "2 messages"),
    "role user": ({"chosen": [says("user", "Yes!")]}, "'chosen' has the role 'user'"),
    "role system": ({"rejected": [says("system", "No")]}, "'rejected' has the role 'system'"),
    "tool": (
        {"prompt": [says("tool", "4"), says("user", "So?")]},
        "message 1 of 'prompt' has the role 'tool'; known are system, user, assistant",
    ),
    "no role": ({"prompt": [{"content": "Hi"}]}, "message 1 of 'prompt' has the role None"),
    "tool call": (
        {"prompt": [says("assistant", "", tool_calls=[{"id": 1}]), says("user", "So?")]},
        "message 1 of 'prompt' has 'tool_calls'; only role and content are trained on",
    ),
    "reasoning": (
        {"chosen": [says("assistant", "Yes!", reasoning_content="Hm.")]},
        "message 1 of 'chosen' has 'reasoning_content'",
    ),
    "picture": (
        {"prompt": [says("user", [{"type": "image_url", "image_url": {"url": "x"}}])]},
        "message 1 of 'prompt' has a part of type 'image_url'; only text is trained on",
    ),
    "no text": ({"prompt": [says("user", None)]}, "message 1 of 'prompt' has no text"),
    "no message": ({"prompt": ["Birds?"]}, "message 1 of 'prompt' is not an object"),
    "unseen": ({"chosen": [says("assistant", "\u200b")]}, "'chosen' is empty"),
    "unicode": (
        {"chosen": [says("assistant", "Caf\u00e9")], "rejected": [says("assistant", "Cafe\u0301")]},
        "'chosen' and 'rejected' are identical",
    ),
    "blanks": ({"rejected": [says("assistant", "Y\u00a0es\n!")]}, "are identical"),
    "implicit prompt": ({"prompt": "Birds?"}, "'prompt' is not a list of messages"),
}


@pytest.mark.parametrize("case", BAD_MESSAGES)
def test_what_would_be_cut_or_lost_is_refused(tmp_path: Path, case: str) -> None:
    columns, problem = BAD_MESSAGES[case]
    assert problem in refusal(tmp_path, pair(), pair(**columns))


def test_only_role_and_text_of_a_message_are_kept(tmp_path: Path) -> None:
    parts = [{"type": "text", "text": "One.", "image_url": None}, {"type": "text", "text": "Two?"}]
    (row,) = read(tmp_path, pair(prompt=[says("user", parts, name=None, tool_calls=[])]))
    assert row["prompt"] == [says("user", "One.\nTwo?")]


TALK = [
    says("system", "Be kind."),
    says("user", "Hello"),
    says("assistant", "Good day."),
    says("user", "Birds?"),
    says("assistant", "Owls."),
    says("user", "Why?"),
    says("assistant", "They listen."),
]


def test_every_reply_of_a_conversation_is_learnt(tmp_path: Path) -> None:
    rows = read(tmp_path, {"messages": TALK}, method="sft")
    assert [(row["prompt"], row["completion"]) for row in rows] == [
        (TALK[:2], TALK[2:3]),
        (TALK[:4], TALK[4:5]),
        (TALK[:6], TALK[6:]),
    ]
    assert len({row["tree"] for row in rows}) == 1
    assert [row["weight"] for row in rows] == [1.0] * 3
    assert {row["place"].line for row in rows} == {1}


def test_a_reply_of_weight_zero_is_said_and_not_learnt(tmp_path: Path) -> None:
    talk = [{**m, "weight": 0} if m["content"] == "Owls." else m for m in TALK]
    rows = read(tmp_path, {"messages": talk}, method="sft")
    assert [row["completion"][0]["content"] for row in rows] == ["Good day.", "They listen."]
    assert rows[1]["prompt"] == TALK[:6]


def test_the_prompt_beside_a_conversation_is_part_of_it(tmp_path: Path) -> None:
    rows = read(tmp_path, {"prompt": "Hello", "messages": TALK}, method="sft")
    assert len(rows) == 3


BAD_TALKS: dict[str, tuple[Any, str]] = {
    "no list": ("Hello", "'messages' is not a list of messages"),
    "empty": ([], "holds no reply to learn"),
    "no reply": (TALK[:2], "does not end with a reply of the assistant"),
    "left without a reply": (TALK[:-1], "does not end with a reply of the assistant"),
    "none to learn": ([TALK[1], {**TALK[2], "weight": 0}], "holds no reply to learn"),
    "replies to nothing": ([TALK[2], *TALK[1:]], "message 1 of 'messages' replies to no user"),
    "twice": ([*TALK[:3], TALK[2]], "message 4 of 'messages' replies to no user"),
    "empty reply": ([*TALK[:4], says("assistant", " "), *TALK[5:]], "message 5 of 'messages' is e"),
    "empty user": ([says("user", ""), TALK[2]], "message 1 of 'messages' is empty"),
    "half": ([TALK[1], {**TALK[2], "weight": 0.5}], "has the weight 0.5, not 0 or 1"),
    "text": ([TALK[1], {**TALK[2], "weight": "1"}], "has the weight '1', not 0 or 1"),
    "of the user": ([{**TALK[1], "weight": 1}, TALK[2]], "has a weight, which only replies have"),
    "tool": ([TALK[1], says("tool", "4"), TALK[2]], "message 2 of 'messages' has the role 'tool'"),
    "no message": ([3], "message 1 of 'messages' is not an object"),
}


@pytest.mark.parametrize("case", BAD_TALKS)
def test_a_conversation_that_cannot_be_learnt_is_refused(tmp_path: Path, case: str) -> None:
    messages, problem = BAD_TALKS[case]
    given = ({"messages": TALK}, {"messages": messages})
    assert problem in refusal(tmp_path, *given, method="sft")


@pytest.mark.parametrize("method", ["sft", "dpo"])
def test_sharegpt_is_refused_with_what_to_rename(tmp_path: Path, method: Method) -> None:
    talk = [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}]
    problem = refusal(tmp_path, {"conversations": talk}, method=method)
    assert "rename 'from' and 'value' to 'role'" in problem


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a small run."""
    folder = tmp_path_factory.mktemp("run")
    tree = grow(config(turns=3, expansion="both"))
    (folder / "trees.jsonl").write_text(tree.model_dump_json() + "\n")
    return folder


FORMATS: dict[Method, str] = {
    "sft": "sft", "dpo": "dpo", "kto": "kto", "reward": "rm", "grpo": "grpo"
}  # fmt: skip


def told(rows: list[Row]) -> list[dict[str, Any]]:
    return [{**row, "place": None} for row in rows]


@pytest.mark.train
@pytest.mark.parametrize("name", ["rows.jsonl", "rows.jsonl.gz", "rows.parquet"])
@pytest.mark.parametrize("method", FORMATS)
def test_training_reads_what_export_writes(
    aloe: Any, folder: Path, tmp_path: Path, name: str, method: Method
) -> None:
    pytest.importorskip("pyarrow")
    out = tmp_path / name
    made = aloe("export", folder, "--format", FORMATS[method], "--columns", "--out", out)
    assert made.code == 0, made.err
    assert out.is_file()
    assert told(read_rows(out, method)) == told(read_rows(folder, method))
    assert hash_rows(read_rows(out, method)) == hash_rows(read_rows(folder, method))


@pytest.mark.train
def test_a_parquet_file_says_the_row_that_is_wrong(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    file = tmp_path / "rows.parquet"
    write_rows(file, [pair(confidence="high")])
    with pytest.raises(InputError, match=r"rows.parquet, row 1: 'confidence' is 'high'"):
        read_rows(file, "dpo")


@pytest.mark.train
def test_columns_for_a_reward_are_values_of_json(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    row = {"prompt": [says("user", "Hello")], "until": date(2026, 1, 1)}
    parquet.write_table(pyarrow.Table.from_pylist([row]), file := tmp_path / "rows.parquet")
    assert read_training_data(file, "grpo").rows[0]["extra"] == {}
    with pytest.raises(InputError, match=r"row 1: has datetime.date\(2026, 1, 1\) as 'until'"):
        read_training_data(file, "grpo", every_column=True)


ENCODED = json.dumps(pair(chosen=[says("assistant", "Grüße!")]), ensure_ascii=False)


@pytest.mark.parametrize(
    "data",
    [
        ENCODED.encode("utf-8-sig"),
        ENCODED.encode("utf-16"),
        gzip.compress(ENCODED.encode()),
        f"[{ENCODED}]".encode(),
    ],
    ids=["bom", "utf-16", "gzip", "array"],
)
def test_encodings_that_can_be_told_are_read(tmp_path: Path, data: bytes) -> None:
    (file := tmp_path / "rows.jsonl").write_bytes(data)
    (row,) = read_rows(file, "dpo")
    assert row["chosen"][0]["content"] == "Grüße!"


@pytest.mark.parametrize("kind", ["rows", "aloe"])
def test_a_file_is_opened_once(
    aloe: Any, folder: Path, tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "data.jsonl"
    row_format = "dpo" if kind == "rows" else kind
    assert aloe("export", folder, "--format", row_format, "--out", file).code == 0
    opened: list[Path] = []

    def read(path: Path, *given: Any) -> Any:
        opened.append(path)
        return read_records(path, *given)

    for module in ("aloe.training.source", "aloe.memory.conversations"):
        monkeypatch.setattr(f"{module}.read_records", read)
    assert read_training_data(file, "dpo").rows
    assert opened == [file]


@pytest.mark.parametrize(
    "data",
    [
        ENCODED.encode("latin-1"),
        ENCODED.encode("utf-16-le"),
        gzip.compress(ENCODED.encode())[:-9],
        b"PK\x03\x04 and more",
        b'{"prompt": \n',
        b"PAR1 and more",
    ],
    ids=["latin-1", "utf-16 without a mark", "torn gzip", "zip", "torn", "no parquet"],
)
def test_what_cannot_be_read_is_said_in_one_line(tmp_path: Path, data: bytes) -> None:
    (file := tmp_path / "rows.jsonl").write_bytes(data)
    with pytest.raises(InputError, match=r"rows.jsonl") as caught:
        read_rows(file, "dpo")
    assert "\n" not in str(caught.value)


@pytest.mark.train
@pytest.mark.parametrize("suffix", ["jsonl", "jsonl.gz", "parquet"])
def test_splits_are_found_whatever_their_type(tmp_path: Path, suffix: str) -> None:
    pytest.importorskip("pyarrow")
    write_rows(tmp_path / f"train.{suffix}", [pair()])
    write_rows(tmp_path / f"test.{suffix}", [pair(), pair()])
    assert len(read_rows(tmp_path, "dpo")) == 1
    assert len(read_held_out_rows(tmp_path, "dpo")) == 2


def test_what_trees_leave_out_is_counted(tmp_path: Path) -> None:
    tree = grow(config(turns=2))
    alike = [
        node.model_copy(update={"content": ["Caf\u00e9", "Cafe\u0301 "][n % 2]})
        if node.role == "assistant" and node.turn == 1 else node
        for n, node in enumerate(tree.nodes)
    ]  # fmt: skip
    changed = tree.model_copy(update={"nodes": tuple(alike)})
    (tmp_path / "trees.jsonl").write_text(changed.model_dump_json() + "\n")
    skipped: Counter[str] = Counter()
    assert len(read_rows(tmp_path, "dpo", skipped)) == 1
    assert skipped == {"identical reply": 1}


@pytest.mark.parametrize("method", FORMATS)
def test_the_layout_of_the_paper_trains_like_the_trees(
    aloe: Any, folder: Path, tmp_path: Path, method: Method
) -> None:
    out = tmp_path / "talks.jsonl"
    assert aloe("export", folder, "--format", "aloe", "--out", out).code == 0

    def learnt(rows: list[Row]) -> list[Any]:
        parts = ("prompt", "completion", "chosen", "rejected", "label")
        return sorted(([row.get(part) for part in parts] for row in rows), key=str)

    assert learnt(read_rows(out, method)) == learnt(read_rows(folder, method))


def test_a_pipe_is_named(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "rows")
    with pytest.raises(InputError, match="is a pipe or a device"):
        read_rows(tmp_path / "rows", "dpo")
