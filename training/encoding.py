"""Rows as token ids, and what of their texts a tokenizer would take for more than text."""

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any

from aloe.control_tokens import ChatEncoder
from aloe.errors import ConfigError
from training.dataset import ANSWERS, Method, Row
from training.export import ChatMessage
from training.packing import Answer, Example
from training.plan import Plan
from training.record import Record
from training.templates import ChatTokens


def encode_rows(plan: Plan, rows: Sequence[Row], tokenizer: Any, config: Any) -> list[Example]:
    """Return the rows as token ids.

    Raises:
        InputError: a conversation is longer than the limit, or the template refuses it.
        ConfigError: the template cannot be trained on.
    """
    chat = ChatTokens(tokenizer)
    limit = plan.settings.max_length or config.max_position_embeddings
    examples = []
    for row in rows:
        answers = encode_row(row, plan.method, chat)
        longest = max(len(answer.ids) for answer in answers)
        if longest > limit:
            raise row["place"].error(
                f"has {longest} tokens and the limit is {limit}; raise training.max_length, or "
                "leave out long conversations"
            )
        examples.append(Example(answers=answers, tree=row["tree"], weight=row["weight"]))
    return examples


def encode_row(row: Row, method: Method, chat: ChatTokens) -> tuple[Answer, ...]:
    """Return the token ids of a row's replies with its prompt; none for GRPO, which has no replies.

    Raises:
        InputError: the chat template refuses the row.
    """
    try:
        if not ANSWERS[method]:
            chat.prompt(row["prompt"])
        replies: list[list[ChatMessage]] = [row[name] for name in ANSWERS[method]]  # type: ignore[literal-required]
        return tuple(chat.answer(row["prompt"], reply[0]["content"]) for reply in replies)
    except ConfigError as error:
        raise row["place"].error(str(error)) from None


def control_tokens_inside(rows: Iterable[Row], tokenizer: Any) -> Record:
    """Return how many texts of the rows hold control tokens, and which; empty for none."""
    columns = {"prompt", *chain.from_iterable(ANSWERS.values())}
    texts = {m["content"] for row in rows for c in columns for m in row.get(c, ())}  # type: ignore[attr-defined]
    found = ChatEncoder(tokenizer).found(texts)
    if not found:
        return {}
    tokens = sorted(set(chain.from_iterable(found.values())))
    return {"control_tokens": {"texts": len(found), "tokens": tokens}}
