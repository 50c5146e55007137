"""Replies as servers were seen to send them: the message, and what was thought."""

from typing import Any

import pytest
from builders import scripted_model
from openai.types.chat import ChatCompletion

from aloe.models.http_chat import message_of
from aloe.models.open import _reply
from aloe.models.openai_chat import ChatOpenAI
from aloe.models.reply import Reply

BLOCKS = [
    {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]},
    {"type": "text", "text": "Hello."},
]
HARMONY = "<|channel|>analysis<|message|>hm<|end|><|start|>assistant<|channel|>final<|message|>"
PLAIN = {"content": "Hello."}

SHAPES: dict[str, tuple[dict[str, Any], str, str]] = {
    "no thoughts": (PLAIN, "Hello.", ""),
    "vLLM, with a parser": ({**PLAIN, "reasoning_content": "hm"}, "Hello.", "hm"),
    "vLLM, the field's later name": ({**PLAIN, "reasoning": "hm"}, "Hello.", "hm"),
    "vLLM, both names": ({**PLAIN, "reasoning": "hm", "reasoning_content": "hm"}, "Hello.", "hm"),
    "vLLM, cut in the thoughts": ({"content": None, "reasoning_content": "hm"}, "", "hm"),
    "vLLM, without a parser": ({"content": "<think>\nhm\n</think>\n\nHello."}, "Hello.", "hm"),
    "SGLang, fields empty": ({**PLAIN, "reasoning_content": None}, "Hello.", ""),
    "SGLang, blanks before the answer": (
        {"content": "\n\nHello.", "reasoning_content": "\nhm\n"}, "Hello.", "hm"),
    "Ollama": ({**PLAIN, "reasoning": "hm"}, "Hello.", "hm"),
    "Ollama, native field": ({**PLAIN, "thinking": "hm"}, "Hello.", "hm"),
    "Ollama, an old template": ({"content": "<think>hm</think>\nHello.<|im_end|>"}, "Hello.", "hm"),
    "LM Studio": ({"content": "<think>\nhm</think>\nHello.\n"}, "Hello.", "hm"),
    "LiteLLM": (
        {**PLAIN, "reasoning_content": "hm",
         "thinking_blocks": [{"type": "thinking", "thinking": "hm", "signature": "x"}]},
        "Hello.", "hm"),
    "LiteLLM, blocks alone": (
        {**PLAIN, "thinking_blocks": [{"type": "thinking", "thinking": "hm"}]}, "Hello.", "hm"),
    "OpenRouter": (
        {**PLAIN, "reasoning": "hm",
         "reasoning_details": [{"type": "reasoning.text", "text": "hm"}]},
        "Hello.", "hm"),
    "OpenRouter, summaries": (
        {**PLAIN, "reasoning": None,
         "reasoning_details": [{"type": "reasoning.summary", "summary": "hm"},
                               {"type": "reasoning.encrypted", "data": "x"}]},
        "Hello.", "hm"),
    "DeepSeek": ({**PLAIN, "reasoning_content": "hm"}, "Hello.", "hm"),
    "DeepSeek-R1, its template opens the thoughts": (
        {"content": "hm\n</think>\n\nHello."}, "Hello.", "hm"),
    "DeepSeek, tokens left": (
        {"content": "<\uff5cAssistant\uff5c><think>hm</think>Hello."
                    "<\uff5cend\u2581of\u2581sentence\uff5c>"}, "Hello.", "hm"),
    "Qwen3, thinking off": ({"content": "<think>\n\n</think>\n\nHello."}, "Hello.", ""),
    "Qwen3, cut": ({"content": "<think>\nhm"}, "", "hm"),
    "Qwen3, ran on": (
        {"content": "<think>hm</think>\nHello.<|im_end|>\n<|im_start|>user\nAnd?"}, "Hello.", "hm"),
    "QwQ, a lone end": ({"content": "hm</think>Hello."}, "Hello.", "hm"),
    "gpt-oss": ({"content": HARMONY + "Hello.<|return|>"}, "Hello.", "hm"),
    "gpt-oss, tokens dropped": ({"content": "analysisHm.assistantfinalHello."}, "Hello.", "Hm."),
    "gpt-oss, cut": ({"content": "<|channel|>analysis<|message|>hm"}, "", "hm"),
    "gpt-oss, begun with its role": (
        {"content": f"<|start|>assistant{HARMONY}Hello."}, "Hello.", "hm"),
    "gpt-oss, a comment between": (
        {"content": HARMONY.replace("final", "commentary") + "soon<|end|><|start|>assistant"
                    "<|channel|>final<|message|>Hello."}, "Hello.", "hm\nsoon"),
    "Magistral, blocks": ({"content": BLOCKS}, "Hello.", "hm"),
    "Magistral, marks": ({"content": "[THINK]hm[/THINK]Hello.</s>"}, "Hello.", "hm"),
    "Gemini": ({"content": "<thought>hm</thought>Hello."}, "Hello.", "hm"),
    "Claude": (
        {"content": [{"type": "thinking", "thinking": "hm", "signature": "x"},
                     {"type": "text", "text": "Hello."}]}, "Hello.", "hm"),
    "Kimi": ({"content": "\u25c1think\u25b7hm\u25c1/think\u25b7Hello."}, "Hello.", "hm"),
    "Seed-OSS": ({"content": "<seed:think>hm</seed:think>Hello."}, "Hello.", "hm"),
    "Command A": (
        {"content": "<|START_THINKING|>hm<|END_THINKING|><|START_RESPONSE|>Hello."
                    "<|END_RESPONSE|>"}, "Hello.", "hm"),
    "Granite 3.2": (
        {"content": "Here is my thought process:\nhm\n\nHere is my response:\nHello."},
        "Hello.", "hm"),
    "Hunyuan": ({"content": "<think>\nhm\n</think>\n<answer>\nHello.\n</answer>"}, "Hello.", "hm"),
    "Llama 3, its header without marks": ({"content": "assistant\n\nHello."}, "Hello.", ""),
    "a field of another type": ({**PLAIN, "reasoning": {"effort": 3}}, "Hello.", ""),
}  # fmt: skip


def completion(message: dict[str, Any]) -> dict[str, Any]:
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", **message}}
    usage = {"prompt_tokens": 3, "completion_tokens": 9, "total_tokens": 12,
             "completion_tokens_details": {"reasoning_tokens": 5}}  # fmt: skip
    made = {"id": "1", "object": "chat.completion", "created": 1, "model": "m"}
    return {**made, "choices": [choice], "usage": usage}


def by_http_chat(message: dict[str, Any]) -> Reply:
    return _reply(message_of(completion(message)), [], None)


def by_chat_openai(message: dict[str, Any]) -> Reply:
    chat = ChatOpenAI(model="m", api_key="none", base_url="http://127.0.0.1:9/v1")
    answer = ChatCompletion.model_construct(**completion(message))
    result = chat._create_chat_result(answer)
    return _reply(result.generations[0].message, [], None)  # type: ignore[arg-type]


@pytest.mark.parametrize("client", [by_http_chat, by_chat_openai])
@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_gives_its_message_and_its_thoughts(shape: str, client: Any) -> None:
    message, text, thoughts = SHAPES[shape]
    reply = client(message)
    assert (reply.text, reply.thoughts, reply.reasoning_tokens) == (text, thoughts, 5)
    assert reply.only_reasoned == (not text)
    assert Reply(**vars(reply)) == reply  # as a journal gives it back
    assert reply.said == (message["content"] if isinstance(message["content"], str) else text)


@pytest.mark.parametrize(
    ("text", "given", "only", "crowded"),
    [
        ("Hello.", {}, False, False),
        ("Hello.", {"finish": "length"}, False, False),
        ("Hello.", {"finish": "length", "reasoning": "hm"}, False, True),
        ("Hello.", {"finish": "length", "reasoning_tokens": 9}, False, True),
        ("", {}, False, False),
        ("", {"finish": "length"}, True, True),
        ("", {"reasoning_tokens": 9}, True, True),
        ("<think>hm</think>", {}, True, True),
        ("Hello. <think>hm", {"finish": "length"}, True, True),
    ],
)
def test_a_reply_says_whether_its_thoughts_left_room(
    text: str, given: dict[str, Any], only: bool, crowded: bool
) -> None:
    tokens = {"input_tokens": 1, "cached_tokens": 0, "output_tokens": 1}
    reply = Reply(**{"text": text, "finish": "stop", **tokens, **given})
    assert (reply.only_reasoned, reply.crowded_out) == (only, crowded)


def test_a_key_that_is_echoed_in_thoughts_is_struck_out() -> None:
    answer = message_of(completion({"content": "sk-a", "reasoning": "sk-a?"}))
    assert "sk-a" not in str(_reply(answer, [], "sk-a"))


def test_thoughts_are_counted_where_a_server_counts_nothing() -> None:
    silent = {**completion({"content": "Hello.", "reasoning": "hm " * 400}), "usage": None}
    reply = _reply(message_of(silent), [("user", "Hi")], None)
    assert reply.estimated
    assert reply.output_tokens > 300


def test_room_to_think_is_what_the_settings_lack() -> None:
    assert scripted_model(max_tokens=80).thinking_room == 2048
    assert scripted_model(max_tokens=4096).thinking_room is None
