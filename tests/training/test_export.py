import json
from collections import Counter
from pathlib import Path
from typing import Any, Literal

import pytest
from builders import PERSONAS, SCRIPTED, assistant, config, grow, user

from aloe.agents.prompt import FOLDER, parse
from aloe.schema import AssistantNode, Fact, Node, Outcome, Persona, Tree, Verdict
from aloe.training.export import ROWS, Format, Skipped, dpo_rows, sft_rows, take_trainer_columns


def tree(*nodes: Node, verdicts: tuple[Verdict, ...] = ()) -> Tree:
    return Tree(
        id="t", persona=PERSONAS[0], seed=0, models={"user": SCRIPTED}, nodes=nodes,
        verdicts=verdicts,
    )  # fmt: skip


def verdict(first: AssistantNode, second: AssistantNode, outcome: Outcome) -> Verdict:
    return Verdict(
        node=first.parent, first=first.id, second=second.id, votes=(), outcome=outcome
    )  # fmt: skip


def rows(kind: Literal["sft", "dpo"], of: Tree) -> tuple[list[dict[str, Any]], Skipped]:
    skipped: Skipped = Counter()
    return [take_trainer_columns(row, kind) for row in ROWS[kind](of, skipped)], skipped


OPENING = user("Hello")
GOOD = assistant("Good.", OPENING, agent="a", hint="I am rich.")
BAD = assistant("Bad.", OPENING, agent="b")
NEXT = user("And now?", BAD.id, turn=2)  # the branch that was continued is the one not preferred
YES = assistant("Yes.", NEXT, agent="a")
NO = assistant("No.", NEXT, agent="b")


@pytest.mark.parametrize("row_format", sorted(ROWS))
def test_nothing_is_learnt_after_the_simulator_spoiled_a_talk(row_format: Format) -> None:
    spoilt = NEXT.model_copy(update={"faults": ("role_confusion",)})
    verdicts = (verdict(GOOD, BAD, "second"), verdict(YES, NO, "second"))
    skipped: Skipped = Counter()
    nodes = (OPENING, GOOD, BAD, spoilt, YES, NO)
    found = list(ROWS[row_format](tree(*nodes, verdicts=verdicts), skipped))
    assert found
    assert "And now?" not in json.dumps(found)
    assert skipped["simulator spoiled"] == 1


def test_rows_are_what_trl_calls_conversational() -> None:
    two = tree(
        OPENING, GOOD, BAD, NEXT, YES, NO,
        verdicts=(verdict(GOOD, BAD, "first"), verdict(YES, NO, "second")),
    )  # fmt: skip
    opening = {"role": "user", "content": "Hello"}
    history = [opening, {"role": "assistant", "content": "Bad."}]
    second = [*history, {"role": "user", "content": "And now?"}]

    def says(text: str) -> list[dict[str, str]]:
        return [{"role": "assistant", "content": text}]

    assert rows("dpo", two)[0] == [
        {"prompt": [opening], "chosen": says("Good."), "rejected": says("Bad.")},
        {"prompt": second, "chosen": says("No."), "rejected": says("Yes.")},
    ]
    assert rows("sft", two)[0] == [
        {"prompt": [opening], "completion": says("Good.")},
        {"prompt": second, "completion": says("No.")},
    ]


@pytest.mark.parametrize("kind", ["sft", "dpo"])
@pytest.mark.parametrize("outcome", ["tie", "abstain"])
def test_what_has_no_label_is_left_out_and_counted(
    kind: Literal["sft", "dpo"], outcome: Outcome
) -> None:
    found, skipped = rows(kind, tree(OPENING, GOOD, BAD, verdicts=(verdict(GOOD, BAD, outcome),)))
    assert (found, skipped) == ([], {outcome: 1})


@pytest.mark.parametrize("kind", ["sft", "dpo"])
@pytest.mark.parametrize("winner", [True, False])
def test_a_cut_reply_is_left_out_on_either_side(kind: Literal["sft", "dpo"], winner: bool) -> None:
    cut = assistant("Cut o", OPENING, agent="b", faults=("truncated",))
    judged = verdict(GOOD, cut, "second" if winner else "first")
    found, skipped = rows(kind, tree(OPENING, GOOD, cut, verdicts=(judged,)))
    assert (found, skipped) == ([], {"truncated reply": 1})


@pytest.mark.parametrize("row_format", sorted(set(ROWS) - {"grpo"}))
@pytest.mark.parametrize(
    ("one", "other", "reason"),
    [
        ("Caf\u00e9.", "Cafe\u0301.", "identical"),
        ("Ten km.", "Ten\u00a0km.\n", "identical"),
        ("\ufb01ne", "fi\u200bne", "identical"),
        ("Yes.", "\u200b\ufeff", "empty"),
    ],
)
def test_replies_that_look_alike_are_no_preference(
    row_format: Format, one: str, other: str, reason: str
) -> None:
    pair = assistant(one, OPENING, agent="a"), assistant(other, OPENING, agent="b")
    skipped: Skipped = Counter()
    found = ROWS[row_format](tree(OPENING, *pair, verdicts=(verdict(*pair, "first"),)), skipped)
    assert (list(found), skipped) == ([], {f"{reason} reply": 1})


def test_letter_case_is_a_preference() -> None:
    pair = assistant("YES.", OPENING, agent="a"), assistant("Yes.", OPENING, agent="b")
    found, skipped = rows("dpo", tree(OPENING, *pair, verdicts=(verdict(*pair, "second"),)))
    assert (len(found), skipped) == (1, {})


@pytest.mark.parametrize("kind", ["sft", "dpo"])
def test_a_reply_that_reads_minds_is_never_preferred(kind: Literal["sft", "dpo"]) -> None:
    knowing = GOOD.model_copy(update={"mind_reading": (PERSONAS[0].facts[0].id,)})
    found, skipped = rows(
        kind, tree(OPENING, knowing, BAD, verdicts=(verdict(knowing, BAD, "first"),))
    )
    assert found == []
    assert skipped == {"mind-reading reply": 1}
    found, skipped = rows(
        kind, tree(OPENING, knowing, BAD, verdicts=(verdict(knowing, BAD, "second"),))
    )
    assert len(found) == 1
    assert not skipped


@pytest.mark.parametrize(
    ("preferred", "rejected", "reason"),
    [
        ({"mind": True}, {"faults": ("truncated",)}, "truncated"),
        ({"text": ""}, {"faults": ("truncated",)}, "truncated"),
        ({"faults": ("echo",)}, {"faults": ("truncated",)}, "echo"),
        ({"mind": True}, {"text": ""}, "empty"),
        ({"text": "", "mind": True}, {}, "empty"),
        ({"text": ""}, {"text": ""}, "empty"),
        ({"text": "Bad.", "mind": True}, {}, "identical"),
        ({"mind": True}, {"mind": True}, "mind-reading"),
        ({}, {"text": "", "mind": True}, "empty"),
    ],
)
def test_a_pair_with_two_flaws_is_counted_once(
    preferred: dict[str, Any], rejected: dict[str, Any], reason: str
) -> None:
    def change(reply: AssistantNode, text: str | None = None, **flaws: Any) -> AssistantNode:
        reads = (PERSONAS[0].facts[0].id,) if flaws.pop("mind", False) else ()
        content = reply.content if text is None else text
        return reply.model_copy(update={"content": content, "mind_reading": reads, **flaws})

    good, bad = change(GOOD, **preferred), change(BAD, **rejected)
    found, skipped = rows("dpo", tree(OPENING, good, bad, verdicts=(verdict(good, bad, "first"),)))
    assert (found, skipped) == ([], {f"{reason} reply": 1})


def test_of_three_only_one_that_nobody_beats_is_imitated() -> None:
    third = assistant("Third.", OPENING, agent="c")
    clear = (verdict(GOOD, BAD, "first"), verdict(GOOD, third, "first"), verdict(BAD, third, "tie"))
    found, skipped = rows("sft", tree(OPENING, GOOD, BAD, third, verdicts=clear))
    assert [row["completion"][0]["content"] for row in found] == ["Good."]
    assert skipped == {"tie": 1}
    pairs, _ = rows("dpo", tree(OPENING, GOOD, BAD, third, verdicts=clear))
    assert [row["rejected"][0]["content"] for row in pairs] == ["Bad.", "Third."]
    chain = (
        verdict(GOOD, BAD, "first"), verdict(BAD, third, "first"), verdict(GOOD, third, "first"),
    )  # fmt: skip
    found, _ = rows("sft", tree(OPENING, GOOD, BAD, third, verdicts=chain))
    assert [row["completion"][0]["content"] for row in found] == ["Good."]
    cycle = (
        verdict(GOOD, BAD, "first"), verdict(BAD, third, "first"), verdict(third, GOOD, "first"),
    )  # fmt: skip
    assert rows("sft", tree(OPENING, GOOD, BAD, third, verdicts=cycle))[0] == []
    assert len(rows("dpo", tree(OPENING, GOOD, BAD, third, verdicts=cycle))[0]) == 3


def test_rows_for_grpo_say_what_users_depend_on() -> None:
    (row,) = [take_trainer_columns(row, "grpo") for row in ROWS["grpo"](tree(OPENING), Counter())]
    assert row["tree"] == "t"
    assert "facts" not in row
    fact = Fact.of("trait", "Shy.")
    other = tree(OPENING).model_copy(
        update={"persona": Persona.of("I sail.", "I am shy.", facts=(fact,))}
    )
    (row,) = [take_trainer_columns(row, "grpo") for row in ROWS["grpo"](other, Counter())]
    assert row["facts"] == [{"id": fact.id, "kind": "trait", "text": "Shy."}]


def test_rows_are_about_whom_the_user_played() -> None:
    other = Persona.of("I am 90.", "I want no emoji.", preferences={"emoji": "none"})
    held = grow(config(turns=2))
    nodes = tuple(
        node.model_copy(update={"played": other}) if node.role == "user" else node
        for node in held.nodes
    )
    played = held.model_copy(update={"nodes": nodes})
    for row_format in ("grpo", "aloe"):
        made = list(ROWS[row_format](played, Counter()))
        assert {row["profile"] for row in made} == {"I am 90."}
        assert {row["persona"] for row in made} == {held.persona.id}
    assert all(row["preferences"] == [["emoji", "none"]] for row in ROWS["grpo"](played, Counter()))


def test_pairs_without_a_place_in_the_original_layout_are_counted() -> None:
    third, last = assistant("So.", OPENING, agent="c"), user("Why?", YES.id, turn=3)
    because, why = assistant("Because.", last, agent="a"), assistant("Why not?", last, agent="b")
    nodes = (OPENING, GOOD, BAD, third, NEXT, YES, NO, last, because, why)
    on_third = verdict(because, why, "first")
    for middle, turns, lost in (("first", 3, 2), ("tie", 1, 3)):
        verdicts = (
            verdict(GOOD, BAD, "first"), verdict(GOOD, third, "first"),
            verdict(BAD, third, "first"), verdict(YES, NO, middle), on_third,
        )  # fmt: skip
        skipped: Skipped = Counter()
        (row,) = ROWS["aloe"](tree(*nodes, verdicts=verdicts), skipped)
        assert len(row["conversations"]) == turns
        assert skipped == {"no place in this layout": lost, **({"tie": 1} if lost == 3 else {})}


def test_no_word_of_ours_reaches_a_prompt() -> None:
    ours = {
        line.strip()
        for file in FOLDER.rglob("*.md")
        for _, text in parse(file).messages
        for line in text.replace("{", "\n").replace("}", "\n").split("\n")
        if len(line.strip()) > 20
    }
    assert any("What this user has told about themselves" in line for line in ours)
    assert any("What I told you about myself" in line for line in ours)
    found = grow(config(turns=3, expansion="both"))
    said = {node.content for node in found.nodes}
    for row in [*sft_rows(found, Counter()), *dpo_rows(found, Counter())]:
        assert [message["role"] for message in row["prompt"]][::2] == ["user"] * (
            len(row["prompt"]) // 2 + 1
        )
        for message in row["prompt"]:
            assert message["content"] in said
            assert not any(line in message["content"] for line in ours)


def tiny_llama(folder: Path) -> Any:
    """Save a tiny random Llama in `folder` and return its tokenizer, which knows single bytes."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: i for i, token in enumerate(["<pad>", "<end>", *letters])}
    raw = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=raw, pad_token="<pad>", eos_token="<end>", model_max_length=4096
    )
    tokenizer.chat_template = (
        "{% for m in messages %}{{ m['role'] }}:{{ m['content'] }}<end>{% endfor %}"
        "{% if add_generation_prompt %}assistant:{% endif %}"
    )
    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1}
    heads = {"num_attention_heads": 2, "num_key_value_heads": 1}
    shape = LlamaConfig(
        vocab_size=len(vocabulary), pad_token_id=0, eos_token_id=1, **sizes, **heads
    )
    LlamaForCausalLM(shape).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return tokenizer


@pytest.mark.train
@pytest.mark.parametrize("kind", ["sft", "dpo"])
def test_trl_trains_on_the_rows_as_they_are(kind: Literal["sft", "dpo"], tmp_path: Path) -> None:
    pytest.importorskip("trl")
    import torch
    from datasets import load_dataset
    from trl import DPOConfig, DPOTrainer, SFTConfig, SFTTrainer

    file = tmp_path / "rows.jsonl"
    found, _ = rows(kind, grow(config(turns=2, expansion="both")))
    file.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in found))
    data = load_dataset("json", data_files=str(file), split="train", cache_dir=str(tmp_path))
    assert len(data) == len(found) >= 3

    torch.manual_seed(0)
    tokenizer = tiny_llama(tmp_path / "tiny")
    model = str(tmp_path / "tiny")
    arguments = {
        "output_dir": str(tmp_path), "use_cpu": True, "bf16": False, "max_steps": 1,
        "activation_checkpointing": False, "report_to": "none", "max_length": None,
        "per_device_train_batch_size": 2, "save_strategy": "no", "learning_rate": 0.1,
        "disable_tqdm": True,
    }  # fmt: skip
    trainer = (
        SFTTrainer(model, SFTConfig(**arguments), train_dataset=data, processing_class=tokenizer)
        if kind == "sft"
        else DPOTrainer(
            model, args=DPOConfig(**arguments), train_dataset=data, processing_class=tokenizer
        )
    )
    before = {name: value.clone() for name, value in trainer.model.named_parameters()}
    seen = trainer.train_dataset[0]
    text = tokenizer.decode(seen["input_ids"] if kind == "sft" else seen["prompt_ids"])
    assert text.startswith(f"user:{found[0]['prompt'][0]['content']}<end>assistant:")
    if kind == "sft":  # loss on the completion, and on all of it
        answer = [label for label in seen["labels"] if label != -100]
        assert found[0]["completion"][0]["content"] in tokenizer.decode(answer)
        assert "user:" not in tokenizer.decode(answer)
    else:
        assert found[0]["chosen"][0]["content"] in tokenizer.decode(seen["chosen_ids"])
        assert found[0]["rejected"][0]["content"] in tokenizer.decode(seen["rejected_ids"])
    result = trainer.train()
    assert result.global_step == 1
    assert result.training_loss > 0
    assert any((value != before[name]).any() for name, value in trainer.model.named_parameters())
