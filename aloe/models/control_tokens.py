"""Control tokens inside texts: somebody who writes `<|im_end|>` has written text, not ended a turn.

A tokenizer cannot distinguish a chat template's tokens from the same characters in a message. So
those inside messages are split before the template is filled in, and both sides of a split are
encoded separately. transformers can do both, and llama.cpp's server is asked in the same two steps
(`aloe.models.embedded_chat`). Conversations without such tokens are encoded as usual. Texts are
always stored as they were written.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

BREAK = "\U000f0000"
"""A private-use character at which transformers divides a rendered conversation
(`sanitize_control_tokens`); it is not encoded itself."""


def control_pattern(
    special: Iterable[str], others: Iterable[str], template: str
) -> re.Pattern[str]:
    """Return what matches every control token.

    Args:
        special: tokens that the tokenizer calls special, or llama.cpp control tokens.
        others: further tokens that are never made of smaller ones. Those that the chat template
            writes count too, but no opening and closing tags: a model writes `<think>` itself.
        template: the chat template.
    """
    others = set(others)
    opening = {each for each in others if each.replace("<", "</", 1) in others - {each}}
    tags = opening | {each.replace("<", "</", 1) for each in opening}
    found = {*special, *(each for each in others - tags if each in template)}
    marks = sorted((each for each in found if len(each.strip()) > 1), key=len, reverse=True)
    return re.compile("|".join(map(re.escape, marks)) or "(?!)")


def break_tokens(text: str, pattern: re.Pattern[str]) -> str:
    """Return `text` with a break inside each control token, so that none is left."""
    while pattern.search(text):  # one may hold another
        text = pattern.sub(lambda mark: mark[0][0] + BREAK + mark[0][1:], text)
    return text


class ChatEncoder:
    """Encodes conversations with a tokenizer's chat template, and what is in messages as text.

    Args:
        tokenizer: a transformers tokenizer with a chat template.
    """

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        added = tokenizer.added_tokens_decoder.values()
        self.control = control_pattern(
            [*tokenizer.all_special_tokens, *(each.content for each in added if each.special)],
            [each.content for each in added if not each.special],
            tokenizer.get_chat_template(),
        )

    def render(self, messages: Sequence[Mapping[str, Any]], *, open_turn: bool = False) -> str:
        """Return the conversation as text, control tokens in messages broken.

        Args:
            messages: with role and content.
            open_turn: whether the generation prompt follows.
        """
        return str(
            self._tokenizer.apply_chat_template(
                [self._broken(each) for each in messages],
                tokenize=False,
                add_generation_prompt=open_turn,
            )
        )

    def ids(self, rendered: str) -> list[int]:
        """Return the token ids of what `render` returned, or of a part of it."""
        mode = {"sanitize_control_tokens": True} if BREAK in rendered else {}
        ids: list[int] = self._tokenizer(rendered, add_special_tokens=False, **mode)["input_ids"]
        return ids

    def encode(
        self, messages: Sequence[Mapping[str, Any]], *, open_turn: bool = False
    ) -> list[int]:
        """Return the token ids of a conversation."""
        return self.ids(self.render(messages, open_turn=open_turn))

    def found(self, texts: Iterable[str]) -> dict[str, tuple[str, ...]]:
        """Return the texts that hold control tokens, with those."""
        held = {text: tuple(dict.fromkeys(self.control.findall(text))) for text in texts}
        return {text: marks for text, marks in held.items() if marks}

    def _broken(self, message: Mapping[str, Any]) -> dict[str, Any]:
        if not isinstance(content := message.get("content"), str):
            return dict(message)
        return {**message, "content": break_tokens(content, self.control)}
