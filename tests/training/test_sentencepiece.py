"""SentencePiece tokenizers write a word differently where a text begins."""

import json
from pathlib import Path

import pytest

pytest.importorskip("torch")

import pieces
import tiny
from transformers import AddedToken

from aloe.config import TrainingConfig
from aloe.errors import ConfigError
from aloe.training.arguments import make_arguments
from aloe.training.plan import Plan
from aloe.training.run import train
from aloe.training.templates import ChatTokens

pytestmark = pytest.mark.train

ZEPHYR = (
    "{% for m in messages %}{{ '<|' + m['role'] + '|>\n' + m['content'] + eos_token + '\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %}"
)
MISTRAL = (
    "{{ bos_token }}{% for m in messages %}{% if m['role'] == 'user' %}"
    "{{ '[INST] ' + m['content'] + ' [/INST]' }}{% else %}"
    "{{ m['content'] + eos_token }}{% endif %}{% endfor %}"
)
SPACED = MISTRAL.replace("{{ m['content'] + eos", "{{ ' ' + m['content'] + ' ' + eos")
CHATML = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
BLANK_BEFORE = (
    "{% for m in messages %}{% if m['role'] == 'user' %}{{ 'USER: ' + m['content'] + ' ' }}"
    "{% else %}{{ 'ASSISTANT: ' + m['content'] + eos_token }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'ASSISTANT: ' }}{% endif %}"
)
PHI3 = (
    "{% for m in messages %}{{ '<|' + m['role'] + '|>\n' + m['content'] + '<|end|>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>\n' }}"
    "{% else %}{{ eos_token }}{% endif %}"
)
PHI3_MARKS = ("<|user|>", "<|assistant|>", "<|end|>")
INST = ("[INST]", "[/INST]")

TEMPLATES = {
    "Zephyr, TinyLlama": (ZEPHYR, ()),
    "Mistral v1": (MISTRAL, ()),
    "Mistral v3": (MISTRAL, INST),
    "Llama 2": (SPACED, ()),
    "Mistral v3, spaced": (SPACED, INST),
    "Phi-3": (
        PHI3,
        tuple(AddedToken(each, rstrip=True, special=True, normalized=False) for each in PHI3_MARKS),
    ),
    "ChatML": (CHATML, ("<|im_start|>", "<|im_end|>")),
}

TALK = [
    {"role": "user", "content": "Birds?"},
    {"role": "assistant", "content": "Bread, with rye."},
    {"role": "user", "content": "And the dog?"},
    {"role": "assistant", "content": "Any time, I like to help.\n\n  Birds"},
]


@pytest.mark.parametrize("kind", pieces.KINDS)
@pytest.mark.parametrize("family", TEMPLATES)
def test_tokens_are_those_of_the_whole_conversation(kind, family):
    made = pieces.tokenizer(kind, *TEMPLATES[family])
    chat = ChatTokens(made)
    for turn in (1, 3):
        answer = chat.answer(TALK[:turn], TALK[turn]["content"])
        served = made.apply_chat_template(TALK[:turn], add_generation_prompt=True)["input_ids"]
        whole = made.apply_chat_template(TALK[: turn + 1])["input_ids"]
        assert list(answer.ids[: answer.start]) == served
        assert list(answer.ids) == whole[: len(answer.ids)]
        assert made.decode(whole[len(answer.ids) :]).strip() in ("", made.eos_token)
        assert answer.ids[-1] == chat.end


def test_an_end_mark_that_the_tokenizer_does_not_find_in_its_place_is_refused():
    marks = tuple(AddedToken(each, normalized=True) for each in PHI3_MARKS)
    with pytest.raises(ConfigError, match="no special token ends a reply"):
        ChatTokens(pieces.tokenizer("BPE, legacy", PHI3, marks))


@pytest.mark.parametrize("kind", pieces.KINDS)
def test_behind_a_prompt_that_ends_with_a_blank_the_reply_goes_on_from_it(kind):
    made = pieces.tokenizer(kind, BLANK_BEFORE)
    answer = ChatTokens(made).answer(TALK[:1], "Bread, with rye.")
    served = made.apply_chat_template(TALK[:1], add_generation_prompt=True)["input_ids"]
    assert list(answer.ids[: answer.start]) == served
    assert made.convert_ids_to_tokens(served)[-1] == "▁"
    assert not made.convert_ids_to_tokens(answer.ids[answer.start]).startswith("▁")
    assert made.decode(answer.ids[answer.start :]) == "Bread, with rye.</s>"


@pytest.mark.parametrize("kind", pieces.KINDS)
def test_trl_by_itself_learns_the_same_tokens(kind, tmp_path):
    from datasets import Dataset
    from trl import SFTTrainer

    made = pieces.tokenizer(kind, *TEMPLATES["Mistral v3"])
    trainer = SFTTrainer(
        model=tiny.model(vocab_size=len(made)),
        args=make_arguments(
            "sft", TrainingConfig(lora=False), checkpoints=tmp_path, seed=0, packed=False
        ),
        train_dataset=Dataset.from_list([{"prompt": TALK[:3], "completion": TALK[3:]}]),
        processing_class=made,
    )
    (theirs,) = trainer.train_dataset
    ours = ChatTokens(made).answer(TALK[:3], TALK[3]["content"])
    assert theirs["input_ids"] == list(ours.ids)
    assert [label for label in theirs["labels"] if label != -100] == list(ours.ids[ours.start :])


@pytest.mark.parametrize("family", ["Zephyr, TinyLlama", "Mistral v1"])
def test_packed_and_plain_training_begin_with_the_same_loss(family, tmp_path: Path):
    made = pieces.tokenizer("BPE, legacy", *TEMPLATES[family])
    tiny.model(vocab_size=len(made)).save_pretrained(tmp_path / "base")
    made.save_pretrained(tmp_path / "base")
    rows = [{"prompt": TALK[:t], "completion": TALK[t : t + 1]} for t in (1, 3)]
    data = tmp_path / "rows.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    losses = []
    for packing, batch in ((True, {}), (False, {"per_device_train_batch_size": 2})):
        settings = TrainingConfig(
            model=str(tmp_path / "base"), lora=False, tree_packing=packing,
            arguments={"max_steps": 1, "gradient_accumulation_steps": 1, **batch},
        )  # fmt: skip
        plan = Plan(method="sft", settings=settings, data=data, start=settings.model,
                    out=tmp_path / str(packing))  # fmt: skip
        losses.append(train(plan, lambda _: None)["first_loss"])
    assert losses[0] == pytest.approx(losses[1], abs=1e-5)
