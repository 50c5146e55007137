"""Whether words before a phrase turn what it says around, as in "Don't give me an example".

Phrases are found inside of what people write, so a phrase may be the end of a sentence that says
something else. Only the clause that ends in the phrase tells. A request that it forbids is the
opposite wish; one with any other "not" before it, and a statement that it denies, are no wish:
nothing is guessed. A "not" that asks for something, as in "Don't forget to", changes nothing.
"""

import re
from typing import Literal

_REACH = 300
"""Characters before a phrase that are looked at."""

Lead = Literal["states", "forbids", "unclear"]
"""What the words before a phrase make of it."""

_BREAK = re.compile(
    r"[.!?;:,\u2026\u2013\u2014()\"\n]+(?=\s|\Z)|\n|\s-+(?=\s)"
    r"|\b(?:but|so|because|then)\b(?! that\b)"
)
"""Ends a clause."""
_ADVERBS = (
    r"(?:(?:ever|please|just|even|again|always|you dare|you|any ?more|under any circumstances"
    r"|bother to|try to|attempt to|dare to|dare) )*"
)
_BARE = r"(?:do not|don't|dont|never)"
_BARE_ASIDE = re.compile(rf"(?:\A|[^\w\s]|\b(?:please|and|but)) ?{_BARE},[^.!?;:]*,\s*\Z")
"""As in "Don't, whatever you do, "."""
_BEFORE = (
    r"(?:(?:please|just|and|also|now|really|ok|okay|hey|well|oh|no|yes|kindly"
    r"|in future|next time|from now on"
    r"|(?:as )?i (?:said|told you|have said)|i (?:beg|ask) you|you can|you know|this time|again"
    r"|try to|remember to|be careful to|the next time|better|you'd better|you had better) )*"
)
_WANT = r"(?:want|need|ask|asked|expect|wanted|like|require|wish|tell|told|prefer|care for)"
_GLAD = r"(?:glad|grateful|happy|happier|happiest|better|best|nice|nicer|prefer it|like it|love it)"
_YOU_NOT = (
    r"you (?:do not|don't|did not|didn't|will not|won't|would not|wouldn't|never|could not"
    r"|couldn't)"
)
_FORBIDS = re.compile(
    rf"(?:\A{_BEFORE}(?:{_BARE}|not) {_ADVERBS}"
    r"|\byou (?:\w+ly )?(?:(?:should|must|need|may|ought|had better) (?:not|never)"
    r"|(?:should|must|need|ought)n't|'?d better (?:not|never)|are not|aren't"
    rf"|(?:do not|don't) (?:need|have)) {_ADVERBS}(?:to )?"
    rf"|\bi (?:do not|don't|did not|didn't|never|would not|wouldn't) (?:\w+ly |ever )?{_WANT}"
    r" (?:for )?(?:you|it|them|anyone|anybody|replies|answers) to "
    r"|\b(?:you|\A(?:please )?(?:try|remember|be careful|take care))"
    r" (?:please )?(?:not to|to not|to never|never to) "
    rf"|\b(?:rather|sure(?: that)?|hope(?: that)?|see to it(?: that)?|wish|prefer(?: that)?"
    rf"|{_GLAD} (?:if|when)) {_YOU_NOT} {_ADVERBS}"
    r"|\bbetter not (?:to )?|\b(?:prefer|ask|request|insist) that you not "
    r"|\b(?:under no circumstances|on no account|in no case|by no means) "
    r"|\bno need (?:for you )?to |\brather than )\Z"
)
_ASKS = re.compile(
    r"(?:\b(?:do not|don't|dont|never|not) (?:\w+ )?(?:forget|fail|hesitate|neglect|omit|be afraid"
    r"|be shy) to"
    r"|\bwhy (?:not|(?:do|did|would|can|could)n't you|do you not|did you not)"
    r"|\b(?:ca|could|would|wo|should)n't you|\Ano"
    r"|\A(?:and |again |\w+ly |still |yet )*(?:once more )?you (?:still |again |\w+ly )*"
    r"(?:did not|didn't|do not|don't|never|have not|haven't|forgot)(?: ever| even| yet)*) ?\Z"
)
_DENIES = re.compile(
    r"(?:\b(?:say|said|saying|think|thought|mean|meant|meaning|claim|claimed|believe|true|case|sure"
    r"|pretend|assume|suppose|suggest|suggesting|imply|told you|tell you|as if|like|not|that)"
    r"(?: that)?) ?\Z"
)
_NOT = re.compile(
    r"\b(?:not|never|no|nor|neither|none|nobody|nothing|cannot|without|hardly|dont|stop|refuse"
    r"|refrain|avoid|instead)\b|n't\b"
)
_SUBJECT = re.compile(r"(?:i|i'[a-z]+|my|it|it's|that|that's|we|we've|you|you're|nobody|all)\b")
"""Begins a phrase that is a statement of its own, which only a verb of saying can deny."""


def read_lead(before: str, phrase: str) -> Lead:
    """Return what the words before a phrase make of it.

    Args:
        before: all that stands before it, in small letters and with straight apostrophes; line
            breaks are kept.
        phrase: in small letters.
    """
    before = before[-_REACH:]
    flat = before.replace("\n", " ")
    if _BARE_ASIDE.search(flat):
        return "forbids"
    clause = _last_clause(flat)
    if not _NOT.search(clause):
        return "states"
    if _SUBJECT.match(phrase):
        return "unclear" if _DENIES.search(clause) else "states"
    if _ASKS.search(clause):
        return "states"
    if _FORBIDS.search(clause):
        return "forbids"
    return "unclear" if _NOT.search(_last_clause(before)) else "states"


def _last_clause(text: str) -> str:
    """Return the words behind the last end of a clause."""
    end = 0
    for found in _BREAK.finditer(text):
        end = found.end()
    return text[end:].lstrip(" ")
