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
    """Whether the thoughts do not end, so that there can be no answer."""


def split_thoughts(text: str) -> Spoken:
    """Part a reply into what was thought and what was answered."""
    if _CHANNEL.search(text):
        return _by_channel(text)
    if bare := _BARE.match(text):
        answer = bare["answer"]
        return _spoken([bare["thoughts"]], answer or "", unended=answer is None)
    return _by_tag(text)


def _by_tag(text: str) -> Spoken:
    """Part at tags; a lone end ends thoughts that began before the reply did."""
    thoughts: list[str] = []
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


def _by_channel(text: str) -> Spoken:
    """Part at harmony's channels, of which `final` is the answer."""
    marks = list(_CHANNEL.finditer(text))
    thoughts, answer = [_CONTROL.sub("", text[: marks[0].start()])], None
    ends = [*(mark.start() for mark in marks[1:]), len(text)]
    for mark, end in zip(marks, ends, strict=True):
        piece = _CONTROL.split(text[mark.end() : end])[0]
        if mark["name"] == "final":
            answer = piece
        else:
            thoughts.append(piece)
    return _spoken(thoughts, answer or "", unended=answer is None)


def _spoken(thoughts: list[str], answer: str, *, unended: bool) -> Spoken:
    thought = "\n".join(filter(None, map(str.strip, thoughts)))
    return Spoken(thoughts=thought, answer=answer.strip(), unended=unended)
