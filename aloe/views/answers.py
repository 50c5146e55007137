"""What agents answer, in words.

An inducer answers in JSON, a judge with a letter, a custom role with what it likes: none of it says
anything to a person. So views say what came of an answer; `--raw` shows it as it came.
"""

import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from math import exp, log
from typing import TYPE_CHECKING

from aloe.config import MIN_MASS
from aloe.disclosing import read_disclosures
from aloe.judge_names import is_judge
from aloe.models.reply import Reply
from aloe.models.words import COMPARISON, DOUBT, RATING, read_level
from aloe.record import digest

if TYPE_CHECKING:
    from aloe.calls.recorded_call import RecordedCall
    from aloe.models.words import Answer, Words
    from aloe.schema import Outcome, Tree, Verdict

UNKNOWN = {"A": "the reply shown first", "B": "the reply shown second"}
"""What a reply is called whose author is not known."""
Authors = defaultdict[str, set[tuple[str, str | None]]]
"""By text of a reply: who wrote it, and the id under which that is known."""
_NUMBERED = re.compile(r"^\d+\. (.*)$", re.MULTILINE)


class Interpreter:
    """Says in words what the calls of a log came to.

    It has to hear all calls of a tree in their order: who wrote the replies that a judge was shown
    is known from earlier calls that answered the same message, or from the tree.

    Args:
        trees: trees that are known already.
        tells: whether a sentence tells something though it is worded as a question; in `trees`,
            those that were counted as told do.
        min_mass: the probability from which the run reads judges' words as odds.
    """

    def __init__(
        self,
        trees: "Iterable[Tree]" = (),
        tells: Callable[[str], object] = lambda _: False,
        min_mass: float = MIN_MASS,
    ) -> None:
        trees = list(trees)
        self._known = {tree.id: _find_authors(tree) for tree in trees}
        self._told = {quote for tree in trees for quote in _find_told(tree)}
        self._tells = tells
        self._min_mass = min_mass
        self._heard: defaultdict[str | None, Authors] = defaultdict(_nobody)

    def interpret(self, call: "RecordedCall") -> str:
        """Return what a call came to: why it failed, or what was said."""
        role, text = call.event["role"], call.text
        if call.event["error"]:
            return str(call.event["error"])
        if is_judge(role):
            return self._judge(call)
        if role == "inducer":
            return self._induced(call)
        if role == "reader":
            return _doubted(call)
        self._heard[call.event["tree"]][text.strip()].add((role, call.event["node"]))
        return describe_json(text)

    def _induced(self, call: "RecordedCall") -> str:
        said = _NUMBERED.findall(call.messages[-1][1]) if call.messages else []
        telling = [text for text in said if text in self._told or self._tells(text)]
        if not said or (found := read_disclosures(call.text, said, telling)) is None:
            return describe_json(call.text)
        return describe_revealed(each.quote for each in found)

    def _judge(self, call: "RecordedCall") -> str:
        answer = _read(call, COMPARISON, self._min_mass)
        if answer is None or answer.word is None:
            return self._rated(call)
        said, odds = answer.word, answer.logprobs
        a, b = (self._shown(call, letter) for letter in "AB")
        if a == b:  # who wrote both is not told apart by name
            a = b = None
        first, second = a or UNKNOWN["A"], b or UNKNOWN["B"]
        outcome: dict[str, Outcome] = {"A": "first", "B": "second", "TIE": "tie"}
        margin = _log_odds(odds)
        words = describe_outcome(outcome[said], first, second, margin, beside=bool(a and b))
        known = {"A": a, "B": b}.get(said)
        return words + (f", shown {outcome[said]}" if known else "")

    def _rated(self, call: "RecordedCall") -> str:
        """Return what a judge said who may have been shown one reply, and was not if it was two."""
        sent = "\n".join(text for _, text in call.messages)
        two = all(f"[{each}] " in sent for each in "AB")
        answer = None if two else _read(call, RATING, self._min_mass)
        level = read_level(answer) if answer else None
        if level is None:
            return describe_json(call.text)
        return f"rates the reply {f'{level:.1f}'.removesuffix('.0')} of 5"

    def _shown(self, call: "RecordedCall", letter: str) -> str | None:
        """Return who wrote what a judge was shown as A or B, if the prompt says so as shipped.

        Only who answered the message that the call is about can have; None if that is not one.
        """
        _, found, after = "\n".join(text for _, text in call.messages).rpartition(f"[{letter}] ")
        tree, about = call.event["tree"], call.event["node"]
        authors = self._known.get(tree) or self._heard[tree]
        begun = [text for text in authors if text and after.startswith(text)] if found else []
        for text in sorted(begun, key=len, reverse=True):
            if names := {who for who, at in authors[text] if _answers(about, who, text, at)}:
                return names.pop() if len(names) == 1 else None
        return None


def _nobody() -> Authors:
    return defaultdict(set)


def _find_authors(tree: "Tree") -> Authors:
    """Return who wrote the replies of a tree, to messages by any id that they ever had."""
    found = _nobody()
    for node in tree.nodes:
        if node.role == "user":
            for reply in tree.children(node.id):
                found[reply.content] |= {(reply.agent, each) for each in (*node.former, node.id)}
    return found


def _find_told(tree: "Tree") -> "Iterator[str]":
    """Yield what was counted as told in a tree, sentence by sentence."""
    for node in tree.nodes:
        if node.role == "user":
            yield from (each.quote for each in node.revealed)


def _answers(message: str | None, agent: str, text: str, at: str | None) -> bool:
    """Whether a text that is known `at` an id answers a message.

    Agents log a reply under its own id, which follows from the message's; custom roles under the
    message's.
    """
    return at is not None and at in (message, digest(message, "assistant", agent, text))


def _read(call: "RecordedCall", words: "Words", min_mass: float = MIN_MASS) -> "Answer | None":
    """Return an answer as whoever asked for it read it; None if it was of no use to them."""
    reply = call.event["reply"]
    used = reply and call.event["outcome"] == "ok"
    return words.read(Reply.of(reply), min_mass) if used else None


def _log_odds(odds: "Mapping[str, float]") -> float | None:
    """Return the log-odds of A, a tie counted half for either; None if one is not known."""
    if not {"A", "B"} <= odds.keys():
        return None
    half = exp(odds["TIE"]) / 2 if "TIE" in odds else 0.0
    return log((exp(odds["A"]) + half) / (exp(odds["B"]) + half))


def _doubted(call: "RecordedCall") -> str:
    answer = _read(call, DOUBT)
    words = {"YES": "takes the message for the user's", "NO": "doubts that the user wrote that"}
    if answer is None or answer.hesitant or answer.word is None:
        return describe_json(call.text)
    odds = answer.logprobs
    by = f", by {abs(odds['YES'] - odds['NO']):.1f}" if {"YES", "NO"} <= odds.keys() else ""
    return words[answer.word] + by


def describe_revealed(quotes: Iterable[str]) -> str:
    """Return what a message brought to light."""
    return f"revealed: {' '.join(' '.join(quote.split()) for quote in quotes) or 'nothing'}"


def describe_outcome(
    outcome: "Outcome", first: str, second: str, margin: float | None, *, beside: bool = True
) -> str:
    """Return what a judge said of two replies.

    Args:
        outcome: what it came to.
        first: what the first reply is called.
        second: the same of the second.
        margin: log-odds for the first; None if there are none.
        beside: whether to name the reply that is not preferred.
    """
    if outcome == "tie":
        return f"finds {first} and {second} equal"
    if outcome == "abstain":
        return f"cannot tell {first} from {second}"
    better, worse = (first, second) if outcome == "first" else (second, first)
    by = "" if margin is None else f" by {abs(margin):.1f}"
    return f"prefers {better}{f' to {worse}' if beside else ''}{by}"


def describe_verdict(verdict: "Verdict", agents: "Mapping[str, str]") -> str:
    """Return what a judge said of two replies, whose agents are given by id."""
    first, second = (agents.get(each, each[:8]) for each in (verdict.first, verdict.second))
    among = len(agents) > 2
    return describe_outcome(verdict.outcome, first, second, verdict.margin, beside=among)


def describe_json(text: str) -> str:
    """Return an answer in words if it is JSON, else as it is."""
    try:
        found = json.loads(text) if text.lstrip()[:1] in ("{", "[") else None
    except (ValueError, RecursionError):
        return text
    return describe_note(found) if isinstance(found, dict | list) else text


def describe_note(note: object) -> str:
    """Return a note of a custom role in words."""
    if isinstance(note, dict):
        return ", ".join(f"{key}: {describe_note(value)}" for key, value in note.items())
    if isinstance(note, list):
        return ", ".join(map(describe_note, note))
    if isinstance(note, bool):
        return "yes" if note else "no"
    return "nothing" if note is None else str(note)
