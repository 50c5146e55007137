"""What a model thought before it answered, told from the answer.

Reasoning models think aloud in front of their answer, and servers hand that on in several ways:
between tags (`<think>`, `[THINK]`, `◁think▷`), as the harmony format's channels, or with a tag
missing, because the template had opened it or the reply was cut. Only what stands behind the
thoughts is the answer; where they never end there is none.
"""

import re
from dataclasses import dataclass

_TAG = re.compile(
    r"<(?P<end>/?)(?:seed:)?(?:think(?:ing)?|thoughts?|reason(?:ing)?|scratchpad)>"
    r"|\[(?P<bracket_end>/?)think\]|◁(?P<arrow_end>/?)think▷",
    re.IGNORECASE,
)
_CHANNEL = re.compile(r"<\|channel\|>\s*(?P<name>\w+)(?:[^<]*<\|message\|>)?")
_CONTROL = re.compile(r"<\|\w+\|>")
_BARE = re.compile(
    r"\s*analysis(?=[A-Z])(?P<thoughts>.*?)(?:assistant\s*final(?P<answer>.*)|$)", re.S
)
"""Harmony's channels where the server dropped the marks and kept the words."""


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
    if _CHANNEL.search(text):
        thoughts, answer = _by_channel(text)
    elif bare := _BARE.match(text):
        thoughts, answer = [bare["thoughts"]], bare["answer"]
    else:
        thoughts, answer = [], text
    if answer is None:
        return _spoken(thoughts, "", unended=True)
    return _by_tag(answer, thoughts)


def _by_tag(text: str, before: list[str]) -> Spoken:
    """Part at tags; a lone end ends thoughts that began before the reply did."""
    thoughts = [*before]
    answer: list[str] = []
    start, thinking = 0, False
    for tag in _TAG.finditer(text):
        (thoughts if thinking else answer).append(text[start : tag.start()])
        ends = any(tag.group("end", "bracket_end", "arrow_end"))
        if ends and not thinking:
            thoughts, answer = [*thoughts, *answer], []
        start, thinking = tag.end(), not ends
    (thoughts if thinking else answer).append(text[start:])
    return _spoken(thoughts, "".join(answer), unended=thinking)


def _by_channel(text: str) -> tuple[list[str], str | None]:
    """Part at harmony's channels, of which `final` is the answer; None without it."""
    marks = list(_CHANNEL.finditer(text))
    opening = _CONTROL.split(text[: marks[0].start()])  # where a template had opened a channel
    thoughts, answer = [next(filter(str.strip, opening), "")], None
    ends = [*(mark.start() for mark in marks[1:]), len(text)]
    for mark, end in zip(marks, ends, strict=True):
        piece = _CONTROL.split(text[mark.end() : end])[0]
        if mark["name"] == "final":
            answer = piece
        else:
            thoughts.append(piece)
    return thoughts, answer


def _spoken(thoughts: list[str], answer: str, *, unended: bool) -> Spoken:
    thought = "\n".join(filter(None, map(str.strip, thoughts)))
    return Spoken(thoughts=thought, answer=answer.strip(), unended=unended)
