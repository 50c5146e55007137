"""From messages to token ids, as the deployed model will see them.

Learnt is exactly what a served model has to write after the generation prompt: what the template
puts before the text and the prompt lacks (an empty think block, say), the text, and the mark that
ends the turn. What follows that mark is not learnt. Where a template writes no mark behind the last
reply, the one that opens the next turn ends it (GLM), provided it is a single token.

Templates and tokenizers differ in more than their marks, so both are tried out on a small
conversation: where the reply stands, what ends it, and whether a turn stays as it was when the
conversation goes on. One that fails is refused with the reason: training on it would teach text
that never occurs.

A reply is tokenised together with what precedes it and cut where the prompt ends, since a
SentencePiece tokenizer writes the same word differently at the beginning of a text. A served model
is given the prompt's own tokens; where one of them would be another if the text went on, the reply
is tokenised as what goes on from there.
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from aloe.errors import ConfigError
from aloe.models.control_tokens import BREAK, ChatEncoder, break_tokens
from aloe.training.export import ChatMessage
from aloe.training.packing import EncodedReply

_TRIAL: tuple[ChatMessage, ...] = (
    {"role": "user", "content": "Hello there."},
    {"role": "assistant", "content": "Good day to you."},
    {"role": "user", "content": "Do you like birds?"},
    {"role": "assistant", "content": "Owls above all."},
    {"role": "user", "content": "Why?"},
    {"role": "assistant", "content": "They listen."},
    {"role": "user", "content": "Do they?"},
)


class ChatTokens:
    """Turns conversations into token ids with a tokenizer's chat template.

    Args:
        tokenizer: a transformers tokenizer.

    Raises:
        ConfigError: it has no chat template, or one that cannot be trained on.
    """

    end: int
    """Id of the token that ends a reply: where generation has to stop."""

    def __init__(self, tokenizer: Any) -> None:
        if not tokenizer.chat_template:
            raise ConfigError(
                "the model's tokenizer has no chat template; train an instruct model, or set one"
            )
        self._tokenizer = tokenizer
        self._encoder = ChatEncoder(tokenizer)
        self._prompt_ids = lru_cache(maxsize=4)(self._encoder.ids)  # a pair shares its prompt
        self._lead, self._close, self._closed = self._layout()
        self.end = self._encoder.ids(self._close)[-1]
        self._try_out()

    def answer(self, prompt: Sequence[ChatMessage], reply: str) -> EncodedReply:
        """Return the ids of `prompt` and the `reply` to it.

        Raises:
            ConfigError: the template refuses the roles of this conversation, or writes this reply
                in another way than others.
        """
        before, written = self._texts(prompt, reply)
        start = self._prompt_ids(before)
        # Marks divide a text before anything else does, so what follows the last one will do.
        last = max((mark.start() for mark in self._encoder.control.finditer(before)), default=0)
        opening, ids = (self._encoder.ids(before[last:] + text) for text in ("", written))
        if not _begins(ids, opening) or not _begins(start[::-1], opening[::-1]):
            opening, ids = start, self._encoder.ids(before + written)
        if not _begins(ids, opening):
            opening, ids = start, self._continued(before, written, ids)
        return EncodedReply(ids=(*start, *ids[len(opening) :]), start=len(start))

    def prompt(self, prompt: Sequence[ChatMessage]) -> tuple[int, ...]:
        """Return the ids of `prompt`, ready for a reply."""
        return tuple(self._encoder.ids(self._render(prompt, open_turn=True)))

    def _texts(self, prompt: Sequence[ChatMessage], reply: str) -> tuple[str, str]:
        """Return the text before a reply, and what the model has to write after it."""
        before, after = self._divided(prompt, reply)
        written = self._lead + break_tokens(reply.strip(), self._encoder.control)
        rest = after.removeprefix(written)
        ended = rest.startswith(self._close) if self._closed else not rest.strip()
        if not after.startswith(written) or not ended:
            raise ConfigError(
                f"the chat template does not write this reply as it writes others: {reply[:60]!r}"
            )
        return before, written + self._close

    def _divided(self, prompt: Sequence[ChatMessage], reply: str) -> tuple[str, str]:
        """Return the text of `prompt`, and what the template writes after it for `reply`."""
        before = self._render(prompt, open_turn=True)
        whole = self._render([*prompt, {"role": "assistant", "content": reply}])
        if not whole.startswith(before):
            raise _unfit(
                f"a reply does not begin where the generation prompt ends (...{before[-40:]!r})"
            )
        return before, whole[len(before) :]

    def _render(self, messages: Sequence[ChatMessage], *, open_turn: bool = False) -> str:
        stripped = [{"role": m["role"], "content": m["content"].strip()} for m in messages]
        try:
            return self._encoder.render(stripped, open_turn=open_turn)
        except Exception as error:  # whatever a template raises
            raise ConfigError(f"the chat template refuses this conversation: {error}") from None

    def _continued(self, before: str, written: str, whole: list[int]) -> list[int]:
        """Return the prompt's own tokens and those of a reply that goes on from there."""
        ids = self._encoder.ids(before + BREAK + written)
        kept = _begins(ids, self._prompt_ids(before))
        if not kept or self._text(ids) != self._text(whole):
            raise ConfigError(
                f"the tokenizer cannot divide a prompt from its reply (...{before[-20:]!r} and "
                f"{written[:20]!r}...)"
            )
        return ids

    def _text(self, ids: Sequence[int]) -> str:
        return str(self._tokenizer.decode(list(ids), clean_up_tokenization_spaces=False))

    def _layout(self) -> tuple[str, str, bool]:
        """Return what stands before and behind a reply, and whether behind the last one as well."""
        reply = _TRIAL[1]["content"]
        before, after = self._divided(_TRIAL[:1], reply)
        lead, found, behind = after.partition(reply)
        if not found:
            raise _unfit(f"it does not write a reply as it is ({after[:60]!r} for {reply!r})")
        history, answered = self._render(_TRIAL[:3]), before + lead + reply
        if not history.startswith(answered):
            raise _changing(answered)
        close = self._mark(history[len(answered) :])
        if not close and not self._mark(behind):
            raise _endless()
        closed = behind.startswith(close)
        if not close or not (closed or not behind.strip()):
            raise _changing(answered + behind)
        return lead, close, closed

    def _mark(self, text: str) -> str:
        """Return the mark that `text` begins with, and blanks before it; empty without one.

        Of several marks in a row it is the first, or all up to the end-of-sequence token, at which
        every server stops.
        """
        added = (each.content for each in self._tokenizer.added_tokens_decoder.values())
        marks = sorted((each for each in added if each.strip()), key=len, reverse=True)
        row = re.match(rf"\s*((?:{'|'.join(map(re.escape, marks)) or '(?!)'})+)", text)
        if not row:
            return ""
        end = self._tokenizer.eos_token or ""
        first = next(each for each in marks if row[1].startswith(each))
        last = row[1].find(end) + len(end) if end and end in row[1] else len(first)
        return text[: row.start(1) + last]

    def _try_out(self) -> None:
        """Make sure that the trial's replies are learnt whole, ended once, and stay as they are."""
        whole = self._render(_TRIAL)
        for turn in range(1, len(_TRIAL), 2):
            reply = _TRIAL[turn]["content"]
            before, written = self._texts(_TRIAL[:turn], reply)
            if not whole.startswith(before + written):
                raise _changing(before + written)
            answer = self.answer(_TRIAL[:turn], reply)
            learnt = answer.ids[answer.start :]
            text, own = self._text(learnt), self._text(self._encoder.ids(reply)).strip()
            if learnt[-1] != self.end or self.end not in self._tokenizer.added_tokens_decoder:
                raise _endless()
            if own not in text or learnt.count(self.end) != 1:
                raise _unfit(f"what is learnt of {reply!r} would be {text!r}")


def _begins(ids: list[int], beginning: list[int]) -> bool:
    return ids[: len(beginning)] == beginning


def _unfit(reason: str) -> ConfigError:
    return ConfigError(f"the chat template cannot be trained on: {reason}")


def _endless() -> ConfigError:
    return _unfit("no special token ends a reply, so the model would not learn to stop")


def _changing(text: str) -> ConfigError:
    return _unfit(
        "it writes a turn differently once the conversation goes on "
        f"(...{text[-40:]!r} does not stay)"
    )
