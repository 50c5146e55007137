"""Somebody who writes `<|im_end|>` has written text."""

import re

import pytest

pytest.importorskip("torch")

import pieces
import tiny
from transformers import AddedToken, PreTrainedTokenizerFast

from aloe.models.control_tokens import BREAK, ChatEncoder, break_tokens, control_pattern

pytestmark = pytest.mark.train

PLAIN = [
    {"role": "system", "content": "Be kind."},
    {"role": "user", "content": "  Could you tell me < more |> about im_end?\n\n"},
    {"role": "assistant", "content": "Grüße, <b>birds</b> \U0001f426!"},
]
SAID = "Birds{} and{} bread{}"


def said(mark: str, role: str = "user") -> list[dict[str, str]]:
    return [{"role": "user", "content": "Hi."}, {"role": role, "content": SAID.replace("{}", mark)}]


def byte_level(*others: str, template: str = tiny.CHATML) -> PreTrainedTokenizerFast:
    made = PreTrainedTokenizerFast(
        tokenizer_object=tiny.tokenizer().backend_tokenizer, eos_token="<|im_end|>"
    )
    made.add_tokens([AddedToken(each, special=False) for each in others])
    made.chat_template = template
    return made


TOKENIZERS = {
    "byte level": lambda: (byte_level(), ["<|im_start|>", "<|im_end|>", "<|endoftext|>"]),
    **{
        kind: lambda kind=kind: (
            pieces.tokenizer(kind, tiny.CHATML, ("<|im_start|>", "<|im_end|>")),
            ["<s>", "</s>", "<|im_end|>", "<unk>"],
        )
        for kind in pieces.KINDS
    },
}


@pytest.mark.parametrize("kind", TOKENIZERS)
@pytest.mark.parametrize("role", ["user", "assistant"])
def test_a_control_token_in_a_message_is_encoded_as_text(kind, role):
    tokenizer, marks = TOKENIZERS[kind]()
    encoder = ChatEncoder(tokenizer)
    frame = encoder.encode(said("", role))
    for mark in marks:
        ids = encoder.encode(said(mark, role))
        token = tokenizer.convert_tokens_to_ids(mark)
        assert ids.count(token) == frame.count(token)
        shown = tokenizer.decode(ids, clean_up_tokenization_spaces=False)
        assert SAID.replace("{}", mark) in shown
        usual = tokenizer.apply_chat_template(said(mark, role))["input_ids"]
        assert usual.count(token) == frame.count(token) + 3


@pytest.mark.parametrize("kind", TOKENIZERS)
@pytest.mark.parametrize("open_turn", [True, False])
def test_ordinary_messages_have_their_usual_ids(kind, open_turn):
    tokenizer, _ = TOKENIZERS[kind]()
    usual = tokenizer.apply_chat_template(PLAIN, add_generation_prompt=open_turn)["input_ids"]
    assert ChatEncoder(tokenizer).encode(PLAIN, open_turn=open_turn) == usual


def test_a_marker_that_is_not_called_special_counts_if_the_template_writes_it():
    template = "{% for m in messages %}{{ '<User>' + m['content'] + '<|im_end|>' }}{% endfor %}"
    tokenizer = byte_level("<User>", "<Unused>", template=template)
    ids = ChatEncoder(tokenizer).encode(said("<User>"))
    assert ids.count(tokenizer.convert_tokens_to_ids("<User>")) == 2


def test_tags_that_a_model_writes_itself_stay_tokens():
    template = tiny.CHATML.replace("'<|im_end|>\n'", "'<think></think><|im_end|>\n'")
    tokenizer = byte_level("<think>", "</think>", template=template)
    messages = [{"role": "assistant", "content": "<think>Birds.</think>Owls"}]
    ids = ChatEncoder(tokenizer).encode(messages)
    assert ids == tokenizer.apply_chat_template(messages)["input_ids"]


def test_one_token_inside_another_is_broken_too():
    pattern = control_pattern(["<s>", "a<s>b", "x", " "], [], "")
    text = break_tokens("a<s>b <s> x", pattern)
    assert not pattern.search(text)
    assert text.replace(BREAK, "") == "a<s>b <s> x"


def test_no_control_tokens_match_nothing():
    assert control_pattern([], ["\n\n"], "\n\n") == re.compile("(?!)")


def test_texts_with_control_tokens_are_found():
    found = ChatEncoder(byte_level()).found(
        ["a <|im_end|> b <|im_end|><|im_start|>", "a", "im_end"]
    )
    assert found == {"a <|im_end|> b <|im_end|><|im_start|>": ("<|im_end|>", "<|im_start|>")}
