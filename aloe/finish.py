"""Why a reply ended, in one vocabulary for all servers.

Each API has its own words for it, and new ones appear. A reply counts as complete only if its
server says so: known words for an end become `stop`, those for a limit or a filter `length` or
`content_filter`, and anything else `error`, so that half a sentence is never mistaken for a whole
one. If a server says nothing, only the text can tell.
"""

import re
import unicodedata
from typing import Any, Literal

Finish = Literal["stop", "length", "content_filter", "error"]
"""`stop`: the model ended its reply. `length`: cut at a limit. `content_filter`: cut or refused by
a filter. `error`: anything else, such as an abort or a call of a tool."""

FIELDS = ("finish_reason", "stop_reason", "done_reason", "stopReason")
"""Where OpenAI and most others, Anthropic, Ollama and Bedrock put it."""

_ENDS = re.compile(r"stop|stop_sequence|end|end_turn|ended|eos|eos_token|completed?|finish(?:ed)?")
_LIMITS = re.compile(r"length|max_|max\b|limit|too_long|context_window")
_FILTERS = re.compile(
    r"filter|safety|refus|blocked|blocklist|prohibited|recitation|moderat|guardrail|sensitive|spii"
)
_CLOSING = "\"'*_`“"
"""What closes a quotation (in German too) or an emphasis, beside marks that do nothing else."""


def fold_finish(metadata: dict[str, Any], text: str) -> Finish:
    """Return why a reply ended.

    Args:
        metadata: what came with it, in any API's words.
        text: the reply, which decides if its server gives no reason.
    """
    given = next((metadata[name] for name in FIELDS if metadata.get(name) is not None), None)
    if given is None:
        return "stop" if ends(text) else "length"
    word = re.sub(r"[\s-]+", "_", str(given).strip().lower())
    if _ENDS.fullmatch(word):
        return "stop"
    if _FILTERS.search(word):
        return "content_filter"
    return "length" if _LIMITS.search(word) else "error"


def ends(text: str) -> bool:
    """Whether a text ends as a message does: with a mark, an emoji or a bracket, or is empty."""
    for mark in reversed(text.rstrip()):
        kind = unicodedata.category(mark)
        if kind[0] == "M" or kind in ("Pf", "Cf") or mark in _CLOSING:
            continue  # behind the mark that counts, or a part of it
        return kind[0] not in "LNZ" and kind not in ("Ps", "Pi", "Pd") and mark not in ",;:/&+="
    return True
