"""Preference data: `chosen` and `rejected` (UltraFeedback binarized, TRL), or scored `completions`.

What was said before the compared replies is one path. `chosen` and `rejected` may be whole
conversations, as UltraFeedback has them, or replies beside a `prompt`; a `system` message may stand
beside either. Where both have the same score somebody had to pick one, so that is a tie. Whoever
judged, the data do not say it here: the judge is called `imported`.
"""

from typing import Any

from aloe.files.lines import Place
from aloe.memory.formats.chats import Said, add_system, read_messages, take_turns
from aloe.memory.formats.conversation import Conversation, ConversationTurn, ScoredReply, unknown
from aloe.memory.formats.fields import Fields, read_list, read_name, read_number, read_text
from aloe.schema import digest

SIDES = ("chosen", "rejected")


def convert_pair(record: Fields, place: Place) -> Conversation:
    """Return a record of either layout."""
    if "completions" in record:
        return _completions(record, place)
    before = _messages(record, "prompt", place, role="user") if "prompt" in record else []
    sides = {side: _messages(record, side, place, role="assistant") for side in SIDES}
    for side, said in sides.items():
        if said[-1][0] != "assistant":
            raise place.error(f"'{side}' ends with the {said[-1][0]}, not with a reply")
    paths = {side: said[:-1] for side, said in sides.items()}
    if paths["chosen"] != paths["rejected"]:
        raise place.error(
            "'chosen' and 'rejected' differ before their last message; only two replies to the "
            "same conversation can be compared"
        )
    history = add_system(record, paths["chosen"] or before, place)
    exchanges, system = take_turns(history, place, what="'prompt'")
    if exchanges[-1].replies:
        raise place.error("'prompt' ends with the assistant; a reply must answer the user")
    replies = _scored(record, place, [sides[side][-1][1] for side in SIDES])
    name = read_name(record, "prompt_id", place) or digest(history)
    return Conversation(
        id=name,
        exchanges=(
            *exchanges[:-1],
            ConversationTurn(message=exchanges[-1].message, replies=replies),
        ),
        persona=unknown(name),
        system=system,
    )


def _messages(record: Fields, name: str, place: Place, *, role: str) -> list[Said]:
    """Return a field that holds messages, or the text of a single one by `role`."""
    if isinstance(record.get(name), str):
        return [(role, read_text(record, name, place, empty=role == "assistant"))]
    return read_messages(record, name, place)


def _scored(record: Fields, place: Place, texts: list[str]) -> tuple[ScoredReply, ...]:
    """Return the two replies with their scores, or 1 and 0 where only the choice is known."""
    names = [f"score_{side}" for side in SIDES]
    scores = [1.0, 0.0]
    if any(record.get(name) is not None for name in names):
        scores = [read_number(record, name, place) for name in names]
    if scores[0] < scores[1]:
        raise place.error(
            f"'score_chosen' is {scores[0]:g} and 'score_rejected' {scores[1]:g}; expected is that "
            "the chosen reply has no lower score"
        )
    return tuple(
        ScoredReply(text=text, score=score) for text, score in zip(texts, scores, strict=True)
    )


def _completions(record: Fields, place: Place) -> Conversation:
    """Return a row of the original UltraFeedback: an `instruction` and what several models said."""
    message = read_text(record, "instruction", place)
    found = read_list(record, "completions", place)
    history: list[Said] = add_system(record, [("user", message)], place)
    for each in reversed(found):
        history = add_system(each, history, place, ["custom_system_prompt"])
    replies = tuple(_completion(each, place, number) for number, each in enumerate(found, 1))
    name = digest(history)
    exchange = ConversationTurn(message=message, replies=replies)
    system = len(history) > 1
    return Conversation(id=name, exchanges=(exchange,), persona=unknown(name), system=system)


def _completion(fields: Fields, place: Place, number: int) -> ScoredReply:
    where = f"item {number} of 'completions': "
    score: Any = fields.get("overall_score")
    return ScoredReply(
        text=read_text(fields, "response", place, where, empty=True),
        agent=read_text(fields, "model", place, where),
        score=None if score is None else read_number(fields, "overall_score", place, where),
    )
