"""Control tokens inside texts: somebody who writes `<|im_end|>` has written text, not ended a turn.

A tokenizer cannot distinguish a chat template's tokens from the same characters in a message. So
those inside messages are split before the template is filled in, and both sides of a split are
encoded separately. transformers can do both, and llama.cpp's server is asked in the same two steps
(`aloe.models.embedded_chat`). Conversations without such tokens are encoded as usual. Texts are
always stored as they were written.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
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


DIRECTIVES = "aAbBcdDeFGHIjmMpRSTuUVwWxXyY"
"""The letters of `strftime` that templates may ask a date with."""


def _fix_day(template: str, day: str) -> str:
    """Return a template in which it is always this day.

    transformers gives templates the clock and lets nothing callable take its place.
    """
    moment = datetime.fromisoformat(day)
    asked = [f"%{sign}{letter}" for sign in ("-", "") for letter in DIRECTIVES]
    known = "".join(f" | replace({each!r}, {moment.strftime(each)!r})" for each in asked)
    return (
        f"{{%- macro strftime_now(format) -%}}{{{{ format{known} }}}}{{%- endmacro -%}}{template}"
    )


class ChatEncoder:
    """Encodes conversations with a tokenizer's chat template, and what is in messages as text.

    Args:
        tokenizer: a transformers tokenizer with a chat template.
        day: the day that is today for a template that writes it, as YYYY-MM-DD; empty: that of the
            clock.
    """

    def __init__(self, tokenizer: Any, day: str = "") -> None:
        self._tokenizer = tokenizer
        template = str(tokenizer.get_chat_template())
        dated = day and "strftime_now" in template
        self._given = {"chat_template": _fix_day(template, day)} if dated else {}
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
                **self._given,
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
