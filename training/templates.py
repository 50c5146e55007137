"""From messages to token ids, as the deployed model will see them.

A prompt is rendered with the template's own generation prompt; the answer is what the template
writes after it, up to and including the token that ends the turn, since that is all a served model
writes itself. What a template puts behind that token is not learnt. Templates differ in more than
their markers, so each is tried out once on a small conversation: it must keep earlier turns as they
were when a turn is added (some drop past reasoning, some close the whole text differently), must
let a reply begin where its generation prompt ends, and must mark where a reply ends. A template
that does not is refused with the reason: training on it would teach text that never occurs.
"""

from collections.abc import Sequence
from typing import Any

from aloe.errors import ConfigError
from training.export import ChatMessage
from training.packing import Answer

_TRIAL: tuple[ChatMessage, ...] = (
    {"role": "user", "content": "Hello there."},
    {"role": "assistant", "content": "Good day to you."},
    {"role": "user", "content": "Do you like birds?"},
    {"role": "assistant", "content": "Owls above all."},
    {"role": "user", "content": "Why?"},
    {"role": "assistant", "content": "They listen."},
)


class ChatTokens:
    """Turns conversations into token ids with a tokenizer's chat template.

    Args:
        tokenizer: a transformers tokenizer.

    Raises:
        ConfigError: it has no chat template, or one that cannot be trained on.
    """

    def __init__(self, tokenizer: Any) -> None:
        if not tokenizer.chat_template:
            raise ConfigError(
                "the model's tokenizer has no chat template; train an instruct model, or set one"
            )
        self._tokenizer = tokenizer
        self._marks = set(tokenizer.all_special_ids) | set(tokenizer.added_tokens_decoder)
        self._try_out()

    def answer(self, prompt: Sequence[ChatMessage], reply: str) -> Answer:
        """Return the ids of `prompt` and the `reply` to it.

        Raises:
            ConfigError: the template refuses the roles of this conversation.
        """
        before, after = self._texts(prompt, reply)
        start = self._ids(before)
        written = self._ids(after)
        return Answer(ids=(*start, *written[: self._end(written)]), start=len(start))

    def prompt(self, prompt: Sequence[ChatMessage]) -> tuple[int, ...]:
        """Return the ids of `prompt`, ready for a reply."""
        return tuple(self._ids(self._render(prompt, open_turn=True)))

    def _texts(self, prompt: Sequence[ChatMessage], reply: str) -> tuple[str, str]:
        before = self._render(prompt, open_turn=True)
        whole = self._render([*prompt, {"role": "assistant", "content": reply}])
        if not whole.startswith(before):
            raise ConfigError(
                "the chat template cannot be trained on: a reply does not begin where the "
                f"generation prompt ends (...{before[-40:]!r})"
            )
        return before, whole[len(before) :]

    def _render(self, messages: Sequence[ChatMessage], *, open_turn: bool = False) -> str:
        stripped = [{"role": m["role"], "content": m["content"].strip()} for m in messages]
        try:
            return str(
                self._tokenizer.apply_chat_template(
                    stripped, tokenize=False, add_generation_prompt=open_turn
                )
            )
        except Exception as error:  # whatever a template raises
            raise ConfigError(f"the chat template refuses this conversation: {error}") from None

    def _ids(self, text: str) -> list[int]:
        ids: list[int] = self._tokenizer(text, add_special_tokens=False)["input_ids"]
        return ids

    def _end(self, written: list[int]) -> int:
        """Return one past the last mark in `written`, 0 if it holds none."""
        return next((i for i in range(len(written), 0, -1) if written[i - 1] in self._marks), 0)

    def _try_out(self) -> None:
        whole = self._render(_TRIAL)
        for turn in range(1, len(_TRIAL), 2):
            before, after = self._texts(_TRIAL[:turn], _TRIAL[turn]["content"])
            written = self._ids(after)
            if not (end := self._end(written)):
                raise ConfigError(
                    "the chat template cannot be trained on: no special token ends a reply, "
                    "so the model would not learn to stop"
                )
            answered = before + self._tokenizer.decode(written[:end])
            if not whole.startswith(answered):
                raise ConfigError(
                    "the chat template cannot be trained on: it writes a turn differently once "
                    f"the conversation goes on (...{answered[-40:]!r} does not stay)"
                )
