"""Rows as token ids, and which parts of their texts a tokenizer would not treat as text."""

import math
from collections.abc import Iterable
from functools import cache
from itertools import chain
from typing import Any

from aloe.errors import ConfigError
from aloe.models.control_tokens import ChatEncoder
from aloe.training.dataset import REPLY_COLUMNS, Method, Row, find_replies
from aloe.training.export import ChatMessage
from aloe.training.model_folder import Record
from aloe.training.packing import EncodedReply
from aloe.training.plan import Plan
from aloe.training.templates import ChatTokens


def make_chat_tokens(plan: Plan, tokenizer: Any) -> ChatTokens:
    """Return what encodes conversations as a plan wants them learnt.

    Raises:
        ConfigError: the template cannot be trained on.
    """
    learnt = plan.settings.thoughts == "trained"
    return ChatTokens(tokenizer, learn_thoughts=learnt, day=plan.day)


def find_max_length(plan: Plan, config: Any) -> float:
    """Return how many tokens a conversation may have: as set, else as many as the model knows."""
    known = getattr(config.get_text_config(), "max_position_embeddings", None)
    return plan.settings.max_length or known or math.inf


def encode_row(row: Row, method: Method, chat: ChatTokens, most: float) -> tuple[EncodedReply, ...]:
    """Return the token ids of a row's replies with its prompt; none for GRPO, which has no replies.

    Args:
        row: what to encode.
        method: what is trained on it.
        chat: encodes it.
        most: tokens that a conversation may have.

    Raises:
        InputError: the row is longer, or the chat template refuses it.
    """
    try:
        replies: list[list[ChatMessage]] = [row[name] for name in REPLY_COLUMNS[method]]  # type: ignore[literal-required]
        answers = tuple(chat.answer(row["prompt"], reply[0]["content"]) for reply in replies)
        length = max(len(a.ids) for a in answers) if answers else len(chat.prompt(row["prompt"]))
    except ConfigError as error:
        raise row["place"].error(str(error)) from None
    if length > most:
        raise row["place"].error(
            f"has {length} tokens and the limit is {most}; raise training.max_length, or leave out "
            "long conversations"
        )
    return answers


def find_control_tokens(rows: Iterable[Row], tokenizer: Any) -> Record:
    """Return how many texts of the rows hold control tokens, and which; empty for none."""
    texts = {
        m["content"] for row in rows for part in (row["prompt"], *find_replies(row)) for m in part
    }
    found = ChatEncoder(tokenizer).found(texts)
    if not found:
        return {}
    tokens = sorted(set(chain.from_iterable(found.values())))
    return {"control_tokens": {"texts": len(found), "tokens": tokens}}


def count_unread_system_messages(rows: Iterable[Row], tokenizer: Any) -> Record:
    """Return how many rows have a system message that the chat template leaves out; empty for none.

    It does if the conversation is written the same whatever that message says.
    """
    encoder = ChatEncoder(tokenizer)

    @cache
    def leaves_out(roles: tuple[str, ...]) -> bool:
        def written(changed: int) -> str:
            texts = (
                f"Text {'A' if place == changed else 'B'}{place}." for place in range(len(roles))
            )
            messages = [{"role": r, "content": t} for r, t in zip(roles, texts, strict=True)]
            return encoder.render(messages, open_turn=True)

        places = [place for place, role in enumerate(roles) if role == "system"]
        return any(written(place) == written(-1) for place in places)

    number = sum(leaves_out(tuple(m["role"] for m in row["prompt"])) for row in rows)
    return {"unread_system_messages": number} if number else {}
