"""Why a reply ended, in the words of many servers."""

from typing import Any

import pytest

from aloe.finish import Finish, ends, fold_finish

WORDS: dict[Finish, list[str]] = {
    "stop": ["stop", "STOP", "end_turn", "stop_sequence", "eos", "COMPLETE", "eos_token"],
    "length": [
        "length", "MAX_TOKENS", "max_tokens", "max_output_tokens", "model_length", "max-tokens",
        "model_context_window_exceeded", "Limit",
    ],
    "content_filter": [
        "content_filter", "SAFETY", "RECITATION", "PROHIBITED_CONTENT", "refusal", "BLOCKLIST",
        "guardrail_intervened", "sensitive", "SPII",
    ],
    "error": [
        "error", "abort", "insufficient_system_resource", "tool_calls", "function_call", "OTHER",
        "network_error", "FINISH_REASON_UNSPECIFIED", "cancelled", "", "unheard of",
    ],
}  # fmt: skip


@pytest.mark.parametrize(("finish", "word"), [(f, w) for f, words in WORDS.items() for w in words])
def test_every_servers_word_is_folded(finish: Finish, word: str) -> None:
    assert fold_finish({"finish_reason": word}, "Whole.") == finish


@pytest.mark.parametrize(
    "metadata",
    [{"stop_reason": "max_tokens"}, {"done_reason": "length"}, {"stopReason": "max_tokens"},
     {"finish_reason": None, "stop_reason": "max_tokens"}],
    ids=str,
)  # fmt: skip
def test_apis_that_call_it_otherwise(metadata: dict[str, Any]) -> None:
    assert fold_finish(metadata, "Whole.") == "length"


@pytest.mark.parametrize("odd", [7, ["stop"], {"type": "stop"}, True])
def test_what_is_no_word_is_no_end(odd: Any) -> None:
    assert fold_finish({"finish_reason": odd}, "Whole.") == "error"


WHOLE = [
    "Hi!",
    "Really?)",
    'He said "no."',
    "Good 😊",
    "好。",
    "क्या।",
    "*Sure.*",
    "(yes)",
    '{"1": 2}',
    "Lovely ❤️",
    "Lovely ☀️ 👍🏽",
    "A family 👨‍👩‍👧",
    "Er sagte: „Ja.“",
    "",
]
HALF = [
    "I was goi",
    "and then,",
    "see: ",
    "It's 5",
    "she said “",
    'It stopped. "',
    "नमस्ते",
    "„Ja“ sagte sie „",
    "well -",
    "**bold**",
    "a (",
    "好",
]


@pytest.mark.parametrize("text", WHOLE + HALF)
def test_without_a_word_the_text_tells(text: str) -> None:
    assert ends(text) == (text in WHOLE)
    assert fold_finish({}, text) == ("stop" if text in WHOLE else "length")
