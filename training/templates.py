"""From messages to token ids, as the deployed model will see them.

Training covers what a served model must write after the generation prompt: whatever the template
puts before the text that is not in the prompt, the text, and the token that ends the turn. Nothing
after that token is trained on. If a template writes no token after the last reply, the one that
opens the next turn ends it (GLM), provided it is a single token.

Thoughts are written and not learnt, unless asked for: an empty block as some templates put it
before every last reply, or what a reply of the data thought. Where the prompt opens thoughts and
the template then writes the reply without any (DeepSeek-R1), they are ended as the model ends them.
A reply is learnt as the last one of its conversation, on a history as the template writes that. So
a template may write a turn differently once the conversation goes on, without thoughts, say: what
is learnt and what later turns stand on are two branches then, and packing shares what they share.

Templates and tokenizers differ in more than their tokens, so both are tested on a small
conversation: where the reply is, what ends it, and whether everything said stays when the
conversation goes on. One that fails is refused with the reason: training on it would teach text
that never occurs.

Blanks around a text are learnt and read as the template writes them, which may strip them: a served
model gets what its template makes of the same messages.

A reply is tokenised together with what precedes it and cut where the prompt ends, because a
SentencePiece tokenizer encodes the same word differently at the beginning of a text. A served model
gets the prompt's own tokens; if one of them would change when the text continues, the reply is
tokenised as the continuation from there.
"""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from aloe.errors import ConfigError
from aloe.models.control_tokens import BREAK, ChatEncoder, break_tokens
from aloe.models.thoughts import Spoken, open_thoughts, split_thoughts, thoughts_before
from aloe.secrets import one_line
from aloe.training.export import ChatMessage
from aloe.training.packing import EncodedReply, common_prefix

_TRIAL: tuple[ChatMessage, ...] = (
    {"role": "user", "content": "Hello there."},
    {"role": "assistant", "content": "Good day to you."},
    {"role": "user", "content": "Do you like birds?"},
    {"role": "assistant", "content": "Owls above all."},
    {"role": "user", "content": "Why?"},
    {"role": "assistant", "content": "They listen."},
    {"role": "user", "content": "Do they?"},
)
_QUOTING = 'She said "no".\nTwice.'
"""A reply that JSON would have to escape."""


@dataclass(frozen=True, kw_only=True)
class _Layout:
    """How a template writes the last reply of a conversation."""

    opened: str
    """Thoughts that end the generation prompt and precede no reply; mostly none."""
    ending: str
    """What ends those at once."""
    silent: bool
    """Whether the generation prompt ends thoughts itself, so that a reply has none."""
    lead: str
    """What stands between the prompt (without `opened`) and the text."""
    close: str
    """The mark that ends the turn, and blanks before it."""
    closed: bool
    """Whether that stands behind the last reply as well."""


class ChatTokens:
    """Turns conversations into token ids with a tokenizer's chat template.

    Args:
        tokenizer: a transformers tokenizer.
        learn_thoughts: whether an answer begins with its thoughts, not behind them.
        day: see `ChatEncoder`.

    Raises:
        ConfigError: it has no chat template, or one that cannot be trained on.
    """

    end: int
    """Id of the token that ends a reply: where generation has to stop."""

    def __init__(self, tokenizer: Any, *, learn_thoughts: bool = False, day: str = "") -> None:
        if not tokenizer.chat_template:
            raise ConfigError(
                "the model's tokenizer has no chat template; train an instruct model, or set one"
            )
        self._tokenizer = tokenizer
        self._learn_thoughts = learn_thoughts
        self.encoder = ChatEncoder(tokenizer, day)
        self._prompt_ids = lru_cache(maxsize=4)(self.encoder.ids)  # a pair shares its prompt
        self._layout = self._find_layout()
        self.end = self.encoder.ids(self._layout.close)[-1]
        self._try_out()

    def answer(self, prompt: Sequence[ChatMessage], reply: str) -> EncodedReply:
        """Return the ids of `prompt` and the `reply` to it.

        Raises:
            ConfigError: the template refuses the roles of this conversation, or writes this reply
                in another way than others, or the reply holds thoughts and no answer.
        """
        before, thoughts, rest = self._texts(prompt, reply)
        written = thoughts + rest
        start = self._prompt_ids(before)
        # Marks divide a text before anything else does, so what follows the last one will do.
        last = max((mark.start() for mark in self.encoder.control.finditer(before)), default=0)
        stem = before[last:]
        opening, ids = (self.encoder.ids(stem + text) for text in ("", written))
        if not _begins(ids, opening) or not _begins(start[::-1], opening[::-1]):
            stem, opening, ids = before, start, self.encoder.ids(before + written)
        if not _begins(ids, opening):
            stem, opening, ids = before + BREAK, start, self._continued(before, written, ids)
        masked = 0
        if thoughts and not self._learn_thoughts:
            masked = common_prefix(ids, self.encoder.ids(stem + thoughts)) - len(opening)
        return EncodedReply(ids=(*start, *ids[len(opening) :]), start=len(start) + max(0, masked))

    def prompt(self, prompt: Sequence[ChatMessage]) -> tuple[int, ...]:
        """Return the ids of `prompt`, ready for a reply."""
        return tuple(self.encoder.ids(self._render(prompt, open_turn=True)))

    def _texts(self, prompt: Sequence[ChatMessage], reply: str) -> tuple[str, str, str]:
        """Return the text before a reply, its thoughts, and what else the model has to write."""
        layout, said = self._layout, self._parted(reply)
        plain = said.answer == reply.strip()
        reply = said.answer if layout.silent and not plain else reply
        before = self._render(prompt, open_turn=True)
        after = self._behind(before, prompt, reply, layout.opened)
        answer = break_tokens(said.answer, self.encoder.control)
        close = layout.close if layout.closed else ""
        blanks = reply[len(reply.rstrip()) :]
        answer += next((e for e in _beginnings(blanks) if answer + e + close in after), "")
        if plain:
            blanks = reply[: len(reply) - len(reply.lstrip())][::-1]
            heads = (each[::-1] for each in _beginnings(blanks))
            lead = layout.lead
            answer = next((h for h in heads if after.startswith(lead + h + answer)), "") + answer
        else:
            lead = after.rpartition(answer + close)[0]
        ended = answer + close
        rest = after.removeprefix(lead + ended)
        if not after.startswith(lead + ended) or not (layout.closed or not rest.strip()):
            raise ConfigError(
                f"the chat template does not write this reply as it writes others: {reply[:60]!r}"
            )
        thoughts = thoughts_before(lead)
        if layout.opened:  # which the template leaves out of replies
            lead, thoughts = layout.lead, thoughts_before(layout.lead)
        rest = lead.removeprefix(thoughts) + answer + layout.close
        if layout.opened:
            thoughts = break_tokens(said.thoughts, self.encoder.control) + layout.ending
        return before, thoughts, rest

    def _parted(self, reply: str) -> Spoken:
        """Return what a reply thought, and the answer behind that."""
        whole = reply.strip()
        said = split_thoughts(whole)
        if said.answer and not said.unended and whole.endswith(said.answer):
            if said.thoughts and self._layout.silent and self._learn_thoughts:
                raise ConfigError(
                    "the generation prompt ends thoughts itself, so those of this reply cannot be "
                    f"learnt: {whole[:60]!r}"
                )
            return replace(said, thoughts="") if self._layout.silent else said
        if self._learn_thoughts:
            return Spoken(thoughts="", answer=whole)
        raise ConfigError(
            f"the reply holds thoughts and no answer after them ({whole[:60]!r}); leave it out, "
            "or (sft, dpo, kto) learn thoughts too: training.thoughts = 'trained'"
        )

    def _behind(self, before: str, prompt: Sequence[ChatMessage], reply: str, opened: str) -> str:
        """Return what the template writes for `reply` behind a prompt without what it `opened`."""
        whole = self._render([*prompt, {"role": "assistant", "content": reply}])
        base = before.removesuffix(opened)
        if not whole.startswith(base):
            raise _unfit(
                f"a reply does not begin where the generation prompt ends (...{before[-40:]!r})"
            )
        return whole[len(base) :]

    def _render(self, messages: Sequence[ChatMessage], *, open_turn: bool = False) -> str:
        try:
            return self.encoder.render(messages, open_turn=open_turn)
        except Exception as error:  # whatever a template raises
            raise ConfigError(
                f"the chat template refuses this conversation: {one_line(error)}"
            ) from None

    def _continued(self, before: str, written: str, whole: list[int]) -> list[int]:
        """Return the prompt's own tokens and those of a reply that goes on from there."""
        ids = self.encoder.ids(before + BREAK + written)
        kept = _begins(ids, self._prompt_ids(before))
        if not kept or self._text(ids) != self._text(whole):
            raise ConfigError(
                f"the tokenizer cannot separate a prompt from its reply (...{before[-20:]!r} and "
                f"{written[:20]!r}...)"
            )
        return ids

    def _text(self, ids: Sequence[int]) -> str:
        return str(self._tokenizer.decode(list(ids), clean_up_tokenization_spaces=False))

    def _find_layout(self) -> _Layout:
        """Return how the template writes replies, as it does in the trial."""
        prompt, reply = _TRIAL[:1], _TRIAL[1]["content"]
        before, whole = self._render(prompt, open_turn=True), self._render(_TRIAL[:2])
        opened, ending = open_thoughts(before)
        silent = bool(opened) and not ending
        if whole.startswith(before):
            opened, ending = "", ""
        after = self._behind(before, prompt, reply, opened)
        lead, found, behind = after.partition(reply)
        if not found:
            raise _unfit(f"it does not write a reply as it is ({after[:60]!r} for {reply!r})")
        quoted = self._behind(before, prompt, _QUOTING, opened)
        if _QUOTING not in quoted and json.dumps(_QUOTING)[1:-1] in quoted:
            raise _unfit(
                f"it writes replies as JSON ({quoted[:60]!r}), so the model would learn to quote "
                "and escape what it says"
            )
        close, closed = self._ending(behind, self._render(_TRIAL[:3]).partition(reply)[2])
        return _Layout(
            opened=opened, ending=ending, silent=silent, lead=lead, close=close, closed=closed
        )

    def _ending(self, behind: str, later: str) -> tuple[str, bool]:
        """Return the mark that ends a reply, and whether it stands behind the last one as well.

        Args:
            behind: what the template writes behind the last reply.
            later: what it writes behind that reply once the conversation goes on.
        """
        usual, last = self._mark(later), self._mark(behind)
        if usual and (behind.startswith(usual) or not behind.strip()):
            return usual, behind.startswith(usual)
        if not last:
            raise _endless()
        return last, True

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
        """Make sure that the trial's replies are learnt whole, ended once, and do not get lost."""
        rest = self._render(_TRIAL)
        for message in _TRIAL:
            _, found, rest = rest.partition(message["content"])
            if not found:
                raise _unfit(f"it drops {message['content']!r} once the conversation goes on")
        for turn in range(1, len(_TRIAL), 2):
            reply = _TRIAL[turn]["content"]
            answer = self.answer(_TRIAL[:turn], reply)
            learnt = answer.ids[answer.start :]
            text, own = self._text(learnt), self._text(self.encoder.ids(reply)).strip()
            if learnt[-1] != self.end or self.end not in self._tokenizer.added_tokens_decoder:
                raise _endless()
            if own not in text or learnt.count(self.end) != 1:
                raise _unfit(f"training on {reply!r} would learn {text!r}")


def _beginnings(text: str) -> Iterator[str]:
    """Yield all that `text` begins with, the longest first."""
    return (text[:end] for end in range(len(text), -1, -1))


def _begins(ids: list[int], beginning: list[int]) -> bool:
    return ids[: len(beginning)] == beginning


def _unfit(reason: str) -> ConfigError:
    return ConfigError(f"the chat template cannot be trained on: {reason}")


def _endless() -> ConfigError:
    return _unfit("no special token ends a reply, so the model would not learn to stop")
