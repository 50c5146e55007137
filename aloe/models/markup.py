"""The message in a reply, without anything around it.

Models and servers put more into a reply than the message: thoughts, chat-template tokens, the next
turn, a fence or quotation marks around the whole. A model would be trained on all of it. It is
removed in one step before any agent reads a reply (see `aloe.models.reply`). What belongs to the
message stays: tokens that somebody writes about, in code or quoted, quotations inside a sentence,
program code.
"""

import re

from aloe.models.thoughts import is_quoted, marks, split_thoughts

_BLANK = " \t\r\n\f\v\u200b\u200c\u2060\ufeff"
"""What shows nothing at the edges of a message."""
_LAYERS = 8
"""How many wrappings are taken off at most."""

_ROLE = r"(?:system|developer|user|human|assistant|model|bot|chatbot|tool|function|ipython)"
_END = (
    r"(?:<\|(?:im_end|eot_id|eom_id|eot|end|endoftext|end_of_text|return|end_of_turn_token|eos)\|>"
    r"|<(?:end_of_turn|end_of_utterance|turn\||eos)>|</s>|<[|\uff5c]end[▁_]of[▁_]sentence[|\uff5c]>)"
)
_BARE = rf"(?:<[|\uff5c]{_ROLE}[|\uff5c]>|\[/?INST\]|<</?SYS>>|\[/?SYSTEM_PROMPT\])"
_START = (
    r"(?:<\|?(?:im_start|start|start_header_id|header_start|start_of_role|start_of_turn"
    r"|start_of_turn_token|turn)\|?>\s*(?:<\|)?" + _ROLE + r"(?:_token\|>)?"
    r"(?:\s*<\|(?:end_header_id|header_end|end_of_role|im_sep|message)\|>|[^\S\n]*(?:\n|\Z))"
    rf"|{_BARE})"
)
_TURN = re.compile(
    rf"(?P<bare>{_BARE})|{_START}|{_END}(?=\s*(?:\n|\Z|{_START}|{_END}))", re.IGNORECASE
)
"""Where a turn begins or ends; a bare mark within a line only where a sentence has ended, and so an
end that more text follows (`_LATER_END`)."""
_SIGNS = ("<|", "|>", "<\uff5c", "</s>", "_turn>", "<end_of_", "<eos>", "INST]", "SYS>", "_PROMPT]")
"""Every text with a turn's token contains one of these."""
_SENTENCE_END = re.compile(r"(?:[.!?…。\uff01\uff1f)\]}*\"'”\u2019>\n]|\A)[^\S\n]*\Z")
_LATER_END = re.compile(_END, re.IGNORECASE)

_MARK = re.compile(
    rf"{_START}|{_END}|<\|[^\s<>|]{{1,40}}\|>|<\|\w{{1,20}}>|<\w{{1,20}}\|>|<[\uff5c][^<>\uff5c]{{1,40}}[\uff5c]>"
    r"|</?s>|<(?:bos|pad|unk|sep|sop|eod|start_of_turn)>|\[(?:BOS|EOS|PAD|gMASK)\]",
    re.IGNORECASE,
)
"""A control token of any tokenizer in use."""
_THINKS = re.compile(r"<\|(?:channel|inner_prefix|think\|>|(?:start|begin_of)_th)", re.IGNORECASE)
"""Such a token opens thoughts, which are parted from the rest as a whole."""
_ROLE_LINE = re.compile(r"(?:assistant|user|model)[^\S\n]*\n+(?=\s*\S)")
"""A header of which the server dropped the marks."""


def message_in(text: str) -> str:
    """Return the message in what a model said; empty if it only thought."""
    text = _without_marks(text)
    for _ in range(_LAYERS):
        inner = _unwrapped(text)
        if inner == text:
            break
        text = _without_marks(inner)
    return text


def holds_marks(text: str) -> bool:
    """Whether a text holds thoughts, or marks of a chat template where those stand.

    A text that only mentions them, in a sentence or in code, does not.
    """
    return _without_marks(text) != text.strip(_BLANK)


def _without_marks(text: str) -> str:
    """Take away thoughts, other turns, and control tokens at the edges."""
    text = _without_edges(text)
    spoken = split_thoughts(text)
    if spoken.unended and spoken.thoughts:
        return ""
    said = spoken.answer if spoken.thoughts or spoken.answer != text else text
    return _without_edges(_first_turn(said))


def _without_edges(text: str) -> str:
    text = text.strip(_BLANK)
    while (mark := _MARK.match(text)) and not (
        _THINKS.match(text) or _is_html(mark[0], text[mark.end() :])
    ):
        text = text[mark.end() :].lstrip(_BLANK)
    while text.endswith((">", "]")):
        at = max(text.rfind("<"), text.rfind("["))
        if at < 0 or not _MARK.fullmatch(text, at) or _is_html(text[at:], text[:at]):
            break
        text = text[:at].rstrip(_BLANK)
    if line := _ROLE_LINE.match(text):
        text = text[line.end() :].lstrip(_BLANK)
    return text


def _is_html(mark: str, rest: str) -> bool:
    """Whether a mark is half of a struck-through passage: `<s>20</s> 15`."""
    other = {"<s>": "</s>", "</s>": "<s>"}.get(mark)
    return other is not None and other in rest.removesuffix("</s>").strip(_BLANK)


def _first_turn(text: str) -> str:
    """Return the first turn of a text that goes on after its end."""
    if not any(sign in text for sign in _SIGNS):
        return text
    start = 0
    for mark in marks(_TURN, text):
        if _is_mention(text, mark):
            continue
        if said := text[start : mark.start()].strip(_BLANK):
            return said
        start = mark.end()
    for mark in marks(_LATER_END, text, start):  # the model went on behind its end of text
        said = text[start : mark.start()]
        if _SENTENCE_END.search(said) and not _is_mention(text, mark):
            return said.strip(_BLANK)
    return text[start:].strip(_BLANK) if start else text


def _is_mention(text: str, mark: re.Match[str]) -> bool:
    before = text[: mark.start()]
    struck = mark[0] == "</s>" and "<s>" in before
    within = mark.lastgroup == "bare" and not _SENTENCE_END.search(before)
    return struck or within or is_quoted(text, mark.start(), mark.end())


_FENCE = re.compile(r"(?P<fence>`{3,}|~{3,})[^\S\n]*(?P<language>[\w+-]*)[^\S\n]*(?:\n|\Z)")
_PROSE = frozenset({"", "text", "txt", "plaintext", "plain", "markdown", "md", "message", "json"})
"""What a fence around a message names as its language; in others stands a program."""
_ELEMENT = re.compile(
    r"<(?P<name>answer|final_answer|final|response|reply|message|output)>(?P<inner>.*?)"
    r"(?:</(?P=name)>)?",
    re.DOTALL | re.IGNORECASE,
)


def _unwrapped(text: str) -> str:
    """Take away what stands around the whole text: an element, a fence, quotation marks."""
    if not text or text[0] not in _WRAPPERS:
        return text
    if text[0] == "<":
        found = _ELEMENT.fullmatch(text)
        inner = found["inner"] if found and f"</{found['name']}>" not in found["inner"] else text
    elif text[0] in "`~":
        inner = _unfenced(text)
    else:
        inner = _unquoted(text)
    return inner.strip(_BLANK) or text


def _unfenced(text: str) -> str:
    """Return what a fence around the text holds; the text if that is a program, or not all."""
    if re.fullmatch(r"```[^`\n]+```", text):
        return text[3:-3]
    opening = _FENCE.match(text)
    if opening is None or opening["language"].lower() not in _PROSE:
        return text
    *lines, last = text[opening.end() :].split("\n")
    inside = False
    for line in lines:
        if fence := _FENCE.match(line.strip()):
            if not inside and not fence["language"]:
                return text  # it ends here already, and more follows
            inside = not inside
    closed = not inside and last.strip() == opening["fence"]
    open_only = opening["fence"] not in text[opening.end() :]  # cut before its end
    return "\n".join(lines if closed else [*lines, last]) if closed or open_only else text


_DOUBLE = frozenset('"“”„‟')
_PAIRS = {"«": "»", "\u2039": "\u203a", "「": "」", "『": "』", "“": "”", "„": "“"}
_SINGLE = {"'": "'", "\u2018": "\u2019", "\u201a": "\u2018"}
_WRAPPERS = frozenset("<`~") | _DOUBLE | _PAIRS.keys() | _SINGLE.keys()
_APOSTROPHE = re.compile(r"(?<=\w)['\u2019](?=\w)")
_ELIDED = re.compile(
    r"['\u2019\u2018](?:tis|twas|em|cause|til|till|bout|round|n|\d)", re.IGNORECASE
)


def _unquoted(text: str) -> str:
    """Return what quotation marks around the text hold; the text if they stand inside it only."""
    first, last, inner = text[0], text[-1], text[1:-1]
    if first in _SINGLE:
        return inner if last == _SINGLE[first] and _is_one_quotation(text) else text
    if last == _PAIRS.get(first) and _closes_last(text):
        return inner
    if first in _DOUBLE and not any(mark in inner for mark in _DOUBLE):
        return inner if last in _DOUBLE else text[1:] if first != "„" else text
    return text


def _is_one_quotation(text: str) -> bool:
    """Whether the single marks at both ends belong together, and are no apostrophes."""
    inner = _APOSTROPHE.sub("", text[1:-1])
    if any(mark in inner for mark in "'\u2018\u2019\u201a"):
        return False
    return not _ELIDED.match(text) or inner[-1:] in ".!?…"


def _closes_last(text: str) -> bool:
    """Whether the mark that closes the first one is the last."""
    opening, closing = text[0], _PAIRS[text[0]]
    depth = 0
    for at, char in enumerate(text):
        depth += (char == opening) - (char == closing)
        if depth == 0:
            return at == len(text) - 1
    return False
