"""What a model thought before it answered, separated from the answer.

Reasoning models think before they answer, and servers return their thoughts in several ways:
between tags (`<think>`, `[THINK]`, `◁think▷`), as harmony channels, as a turn of their own (Solar
Open), with a tag missing because the template opened it or the reply was cut, or in separate fields
and content blocks. Only what follows the thoughts is the answer; if they never end there is none. A
tag in code or between quotation marks is one that somebody writes about.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_TAG = re.compile(
    r"(?:<|&lt;)(?P<end>/?)(?:\w+:)?(?:think(?:ing)?|thoughts?|reason(?:ing)?|scratchpad)"
    r"(?:\s+\w+=[^<>]*)?(?:>|&gt;)"
    r"|\[(?P<bracket_end>/?)think\]|◁(?P<arrow_end>/?)think▷"
    r"|<\|(?:start|begin_of|(?P<token_end>end(?:_of)?))_(?:thinking|thought)\|>"
    r"|<\|channel>thought\b|(?P<channel_end><channel\|>)"
    r"|<unused94>(?:thought\b)?|(?P<unused_end><unused95>)"
    r"|<\|inner_prefix\|>|(?P<inner_end><\|inner_suffix\|>)"
    r"|<\|think\|>|(?P<turn_end><\|end\|>\s*<\|begin\|>\s*assistant\s*<\|content\|>)",
    re.IGNORECASE,
)
_ENDS = (
    "end", "bracket_end", "arrow_end", "token_end", "channel_end", "unused_end", "inner_end",
    "turn_end",
)  # fmt: skip
_CHANNEL = re.compile(r"<\|channel\|>\s*(?P<name>\w+)(?:(?:(?!<\|channel\|>).)*?<\|message\|>)?")
_CONTROL = re.compile(r"<\|(?:start|end|return|call|channel|message|constrain)\|>")
_BARE = re.compile(
    r"\s*(?:analysis(?=[A-Z])(?P<harmony>.*?)(?:assistant\s*final(?P<final>.*)|$)"
    r"|analysis(?=[^\sA-Z])(?P<lower>.*?)assistant(?:final|\s+final(?![a-z]))(?P<said>.*)"
    r"|Here(?:'s| is) my thought process:(?P<granite>.*?)"
    r"(?:Here(?:'s| is) my response:(?P<response>.*)|$))",
    re.DOTALL,
)
"""Thoughts opened by words alone: harmony's channels where the server dropped the marks, and the
form that Granite 3.2 writes."""
_OPENERS = re.compile(r"[<\[◁&]")
"""What every tag and control token begins with."""
_SIGNS = (
    "think",
    "thought",
    "reason",
    "scratchpad",
    "<unused9",
    "<|channel",
    "<channel|",
    "<|inner_",
)
"""One of which stands, in lower case, in every text with thoughts; most texts have none."""

_FIELDS = ("reasoning_content", "reasoning", "thinking", "reasoning_details", "thinking_blocks")
"""Fields of a message with thoughts; a server that fills several says the same in each."""
_BLOCKS = ("thinking", "reasoning", "reasoning_content")
"""Types of content blocks that hold thoughts."""
TEXTS = (*_BLOCKS, "text", "summary", "content")
"""Fields of a block that hold its text, or blocks within it; the first that is filled counts."""


@dataclass(frozen=True, kw_only=True)
class Spoken:
    """A reply in its two parts."""

    thoughts: str
    """Stripped; empty if there are none."""
    answer: str
    """Stripped; empty if the model only thought."""
    unended: bool = False
    """Whether the last thoughts do not end: whatever stands before them, no answer came after."""


def split_thoughts(text: str) -> Spoken:
    """Part a reply into what was thought and what was answered."""
    lower = text.lower()
    if not any(sign in lower for sign in _SIGNS) and not _BARE.match(text):
        return Spoken(thoughts="", answer=text.strip())
    first = next(marks(_CHANNEL, text), None) if "<|channel" in text else None
    if first and not is_quoted(text, first.start(), first.end()):
        thoughts, answer = _by_channel(text)
    elif bare := _BARE.match(text):
        thoughts = [bare["harmony"] or bare["lower"] or bare["granite"] or ""]
        said = (bare[name] for name in ("final", "said", "response"))
        answer = next((each for each in said if each is not None), None)
    else:
        thoughts, answer = [], text
    if answer is None:
        return _spoken(thoughts, "", unended=True)
    return _by_tag(answer, thoughts)


def thoughts_before(lead: str) -> str:
    """Return what of the text in front of an answer is thoughts, up to where the rest begins.

    An empty block counts, and so does a mark that says that none come; blanks behind it as well.
    """
    probe = f"{lead}."
    answer = split_thoughts(probe).answer
    if answer == probe.strip():
        return ""
    if not probe.endswith(answer):  # something stands before or between them
        last = max((tag.end() for tag in marks(_TAG, probe)), default=0)
        answer = probe[last:].lstrip()
    return lead[: len(probe) - len(answer)]


def open_thoughts(prompt: str) -> tuple[str, str]:
    """Return the block of thoughts that a generation prompt ends with, and what is left to end it.

    `<think>` and a line break are ended by a line break, `</think>` and two more, as models do it.
    A block that the prompt ends itself leaves nothing; without any, both are empty.
    """
    tags = [*marks(_TAG, prompt)][-2:]
    if not tags or prompt[tags[-1].end() :].strip():
        return "", ""
    last, blanks = tags[-1], prompt[tags[-1].end() :]
    if not _ends(last):
        end = _end_of(last[0])
        return (prompt[last.start() :], blanks + end + 2 * blanks) if end else ("", "")
    if _ends(tags[0]) or prompt[tags[0].end() : last.start()].strip():
        return "", ""
    return prompt[tags[0].start() :], ""


def _ends(tag: re.Match[str]) -> bool:
    return any(tag.group(*_ENDS))


def _end_of(tag: str) -> str:
    """Return the tag that ends what `tag` opens; empty if it is not known."""
    for start in ("start", "begin", "START", "BEGIN"):
        if start in tag:
            return tag.replace(start, "END" if start.isupper() else "end")
    if "inner_prefix" in tag:
        return tag.replace("prefix", "suffix")
    end = tag[0] + "/" + tag[1:]
    return end if _TAG.fullmatch(end) else ""


def decoded(tokenizer: Any, ids: Sequence[int]) -> str:
    """Return what a reply's tokens say, with special ones only where those part its thoughts.

    Tokens that end a reply are left out; where no thoughts are lost by it, all special ones are.

    Args:
        tokenizer: a transformers tokenizer.
        ids: of the tokens.
    """
    kept = list(ids)
    plain: str = tokenizer.decode(kept, skip_special_tokens=True)
    whole: str = tokenizer.decode(kept, skip_special_tokens=False)
    spoken = split_thoughts(whole)
    if spoken.thoughts == split_thoughts(plain).thoughts:
        return plain
    special = set(tokenizer.all_special_ids)
    while kept and kept[-1] in special:
        shorter: str = tokenizer.decode(kept[:-1], skip_special_tokens=False)
        parted = split_thoughts(shorter)
        if (parted.thoughts, parted.unended) != (spoken.thoughts, spoken.unended):
            break
        kept, whole = kept[:-1], shorter
    return whole


def marks(pattern: re.Pattern[str], text: str, start: int = 0) -> Iterator[re.Match[str]]:
    """Yield what matches a pattern of tags or tokens, as `finditer` does but 10 times as fast."""
    for opener in _OPENERS.finditer(text, start):
        if opener.start() >= start and (mark := pattern.match(text, opener.start())):
            yield mark
            start = max(mark.end(), opener.end())


def joined_thoughts(apart: str, text: str) -> str:
    """Return all thoughts of a reply: those that a server gave apart, and those in its text."""
    return "\n".join(filter(None, (apart, split_thoughts(text).thoughts)))


def is_quoted(text: str, start: int, end: int) -> bool:
    """Whether a part of a text is in code, or directly between quotation marks."""
    return _is_in_line(text, start, end) or _is_fenced(text, start, end)


def _is_fenced(text: str, start: int, end: int) -> bool:
    return bool(text.count("```", 0, start) % 2) and "```" in text[end:]


def _is_in_line(text: str, start: int, end: int) -> bool:
    if _is_hugged(text, start, end):
        return True
    before = text[text.rfind("\n", 0, start) + 1 : start].replace("```", "")
    return before.count("`") % 2 == 1 and "`" in text[end:].partition("\n")[0]


def _is_hugged(text: str, start: int, end: int) -> bool:
    return text[max(0, start - 1) : start] in _OPENING and text[end : end + 1] in _CLOSING


_OPENING = frozenset("`\"'“\u2018«")
_CLOSING = frozenset("`\"'”\u2019»")


def thoughts_apart(fields: Mapping[str, Any], content: Any) -> str:
    """Return the thoughts that a server gave apart from the answer.

    Args:
        fields: those of its message, whatever they are.
        content: the message's content; of a text nothing is read.
    """
    if not fields and isinstance(content, str):
        return ""
    found = next(filter(None, (_joined(fields.get(name)) for name in _FIELDS)), "")
    blocks = content if isinstance(content, list) else []
    kinds = [each for each in blocks if isinstance(each, Mapping) and each.get("type") in _BLOCKS]
    return "\n".join(filter(None, (found, _joined(kinds))))


def fields_of_thoughts(message: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a server's message that hold thoughts, untouched."""
    return {name: message[name] for name in _FIELDS if message.get(name)}


def _joined(value: Any) -> str:
    return "\n".join(each.strip() for each in _texts(value) if each.strip())


def _texts(value: Any, depth: int = 0) -> Iterator[str]:
    """Yield the texts in a field or block of thoughts, however they are nested."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list) and depth < 8:
        for each in value:
            yield from _texts(each, depth + 1)
    elif isinstance(value, Mapping) and depth < 8:
        for name in TEXTS:
            if value.get(name):
                yield from _texts(value[name], depth + 1)
                return


def _by_tag(text: str, before: list[str]) -> Spoken:
    """Part at tags; a lone end ends thoughts that began before the reply did."""
    thoughts = [*before]
    answer: list[str] = []
    start, thinking, shown = 0, False, False
    for tag in marks(_TAG, text):
        ends = _ends(tag)
        is_shown = _is_hugged if thinking else _is_in_line if ends and not shown else is_quoted
        if is_shown(text[start:], tag.start() - start, tag.end() - start):
            shown = True
            continue
        (thoughts if thinking else answer).append(text[start : tag.start()])
        if ends and not thinking:
            thoughts, answer = [*thoughts, *answer], []
        start, thinking = tag.end(), not ends
    (thoughts if thinking else answer).append(text[start:])
    return _spoken(thoughts, "".join(answer), unended=thinking)


def _by_channel(text: str) -> tuple[list[str], str | None]:
    """Part at harmony's channels, of which `final` is the answer; None without it."""
    found = list(marks(_CHANNEL, text))
    opening = map(str.strip, _CONTROL.split(text[: found[0].start()]))
    begun = (each for each in opening if each not in ("", "assistant"))  # opened by a template
    thoughts, answer = [next(begun, "")], None
    ends = [*(mark.start() for mark in found[1:]), len(text)]
    for mark, end in zip(found, ends, strict=True):
        piece = _CONTROL.split(text[mark.end() : end])[0]
        if mark["name"] == "final":
            answer = piece
        else:
            thoughts.append(piece)
    return thoughts, answer


def _spoken(thoughts: list[str], answer: str, *, unended: bool) -> Spoken:
    thought = "\n".join(filter(None, map(str.strip, thoughts)))
    return Spoken(thoughts=thought, answer=answer.strip(), unended=unended)
