"""Which checkable wishes a person states, in whatever words: topic, yes or no, clause by clause.

Simulated users speak the sentences of `phrases.toml`, which nothing here changes. A person says "No
bullet points, please." or "Keep it short and don't use emojis.". A wish is heard only in a clause
that is one from its first word to its last: who wants it ("I like", "please use", "can you stop"),
what (`topics`), and words that add nothing ("from now on"). "I like lists of pubs" has words left
over, "My boss hates emojis" is somebody else's, and what stands in quotation marks or behind a
colon is quoted. So wishes are missed rather than invented; docs/chat.md has the figures.
"""

import re
from collections.abc import Iterable, Iterator
from functools import cache
from typing import NamedTuple

from aloe.memory.verifiable.catalogue import find_opposite
from aloe.memory.verifiable.phrases import find_stated
from aloe.memory.verifiable.plain_speech import simplify
from aloe.memory.verifiable.topics import (
    DEEDS,
    ENDURED,
    OBJECT,
    PATTERN,
    REPLY,
    THINGS,
    Wanted,
    name_topic,
)
from aloe.sentences import sentences

LONGEST = 400
"""Characters of the longest sentence that is listened to."""


def find_heard(text: str) -> dict[str, str]:
    """Return the wishes that a person states, by `find_stated` or in other words.

    Of two wishes about one dimension the one stated last counts.

    Args:
        text: a message of a person.

    Returns:
        Value by dimension.
    """
    heard: dict[str, str] = {}
    for sentence in sentences(text):
        heard |= {**_hear(sentence), **find_stated(sentence)}
        if sentence.endswith(":"):  # what follows is somebody's text
            break
    return {**find_stated(text), **heard}


def find_all_heard(texts: Iterable[str]) -> dict[str, str]:
    """Return the wishes that a person's messages state; the latest counts.

    Args:
        texts: the messages so far, in order.
    """
    return {name: value for text in texts for name, value in find_heard(text).items()}


class _Clause(NamedTuple):
    """A clause that states wishes."""

    wishes: dict[str, str]
    end: int
    denied: bool
    """Whether it asks for something not to be done."""
    bare: bool
    """Whether it has no verb, so that what stands before it decides what it is."""


_STARTS = re.compile(
    r"(?:[,;:(\u2013\u2014]| -+ )\s*(?:(?:and|but|so|or|because|then)\s+)?"
    r"|\s(?:and|but|so|or|because|then)\s+"
)
_NEXT = (
    r"(?:i|i'd|i'm|you|your|we|it|don't|never|stop|no|not|more|fewer|less|avoid|skip|drop|leave|keep|use|write|give"
    r"|add|include|put|ask|tell|explain|make|be|what|how|which|where|why|who|can|could|would|will"
    r"|do|is|are|help|show|answer|reply|thank|say|start|end|begin)\b"
)
_END = (
    r"(?=\Z|\s*[,;:()\u2013\u2014]|\s-+\s|\s(?:but|so|because|since|though)\s"
    rf"|\s(?:and|or|then|nor)\s{_NEXT})"
)

_TAIL = (
    r"(?:\s(?:from (?:now|here) on|at all|any ?more|any longer|again|next time|(?:every|each) time"
    r"|all the time|too|as well|either|instead|only|thanks|thank you|cheers|ok|okay|whatsoever"
    r"|so (?:much|often)|very much|that much|a lot|a (?:bit|little)|the (?:most|best)|best|better"
    r"|in general|if (?:possible|you (?:can|could|don't mind|like))|where (?:possible|you can)"
    r"|(?:when|whenever|if) you (?:answer|reply|write|respond|talk)(?: to)?(?: me)?|when answering"
    r"|for me|with me|to me|sometimes|occasionally|often|now and (?:then|again)|in (?:the )?future"
    r"|(?:every )?now and then|here and there|once in a while|from time to time|when(?:ever)?"
    r" possible|first|everywhere|mate|will you|would you|today|for now|like that"
    r"|(?:like|such as|as in) (?:don't|it's|can't|i'm)(?: (?:and|or) (?:don't|it's|can't|i'm))*"
    r"|(?P<about>(?:in|to|at|from|for|on|of|into) (?:(?:the|your|each|every|all|all of|any|each of)"
    rf" )*(?:(?:end|start|beginning|top)(?: of (?:(?:your|each|every|all|the|an?) )*{REPLY})?"
    rf"|{REPLY}|you|there|here))))*"
)
"""Words that add nothing; `about` says that replies are spoken of."""

_MORE = _TAIL.replace("?P<about>", "?:")
_DET = (
    r"(?:(?:any|some|a|an|the|your|my|these|those|this|all|more|such|few|lots|plenty|so|many|much"
    r"|other|another|of|couple|occasional|odd|little|bit|extra|too|silly|stupid|annoying|endless"
    r"|constant|concrete|good|nice|friendly|simple|practical|short|small|clear|one) )*?"
)
_THING_NAMED = rf"{_DET}(?:{PATTERN})"
_ONE_MORE = (
    rf"(?:no )?{_DET.replace('|more', '')}(?:{PATTERN})(?={_MORE}{_END}|,| and | or | nor | with )"
)
_LIST = (
    rf"(?P<things>{_THING_NAMED}"
    rf"(?:, (?=no ){_ONE_MORE})*(?:(?:, {_ONE_MORE})*,? (?:and|or|nor|with) {_ONE_MORE})*)"
)
_OTHERS = (
    r"(?:,? (?:without|with no|not|not in|rather than|instead of|over|to)"
    rf" (?P<others>{_THING_NAMED}))?"
)
_WITH = r"(?:with|in|as|into|using|to)"
_WITHOUT = r"(?:without(?: use)?|with no|not (?:in|as|with)|not use)"

_I_WANT = (
    r"i(?: want| need| prefer| expect| ask for|'d (?:like|love|prefer|appreciate|welcome"
    r"|rather have|rather see)| could use| insist on)(?: to (?:have|see|read|get|know))?"
)
_I_WANT_NOT = (
    r"i(?: (?:don't (?:want|need|expect|require)(?: to (?:have|see|read|get|hear))?"
    r"|(?:want|need|prefer|like) (?:no|fewer|less)|can do without|could do without"
    r"|have no (?:need|use|time|patience) for|don't have (?:the )?(?:time|patience) for)"
    r"|'d (?:like|prefer|rather have) (?:no|fewer|less)"
    r"|'d (?:rather|prefer) not(?: to)? (?:have|see|read|get))"
)
_I_LIKE = (
    r"i(?: like| love| adore| enjoy|'m fond of|'m a (?:big |great )?fan of)"
    r"(?: (?:to (?:see|read|have|get|know)|seeing|reading|having|getting))?"
)
_I_DISLIKE = (
    r"i(?: (?:don't (?:like|love|enjoy|care for|appreciate)|hate|dislike|detest|loathe|despise"
    r"|can't (?:stand|bear|abide|take|read|follow))|'m (?:so |very )?(?:tired|sick) of"
    r"|'m (?:not (?:a (?:big |great )?fan of|fond of|keen on|into)|no fan of))"
    r"(?: (?:to (?:see|read|have|get)|seeing|reading|having|getting))?"
)
_ASKS = (
    r"(?:(?:can|could|would|will|can't|couldn't|won't) you|would you mind"
    r"|i(?: (?:want|need|expect)|'d (?:like|love|prefer)) (?:you to|it if you)"
    r"|(?:i like|i love|i prefer) it (?:if|when) you|i'd (?:rather|prefer(?: that)?) you"
    r"|i'd (?:appreciate it|be (?:glad|happy|grateful)) if you(?: could| would)?"
    r"|it'd (?:be (?:nice|good|great|better|helpful)|help(?: me)?) if you(?: could| would)?"
    r"|you (?:should|must|need to|have to|ought to)|(?:make|be) sure (?:to|you|that you)"
    r"|try to|remember to|don't forget to)"
)
_ASKS_NOT = (
    r"(?:i don't (?:want|need) you to|i (?:hate|dislike|don't like) it (?:if|when) you"
    r"|you (?:shouldn't|mustn't)|try not to|(?:make|be) sure not to|no need to)"
)
_NOT = r"(?:don't|never|not|not to|didn't|wouldn't)"
_STOP = r"(?:stop|quit|avoid|refrain from)"

_USE = (
    r"(?:use|write(?: me)?|include|add|put in|insert|throw in|provide|work in|sprinkle in|stick to"
    r"|put)"
)
_GIVE = r"(?:give(?: me)?|show(?: me)?|make)"
_IN = (
    rf"(?:answer|reply|respond|write|speak|talk|explain|format|put|structure|keep|make|do|give"
    rf"|split|break|divide|end|close|finish|start|begin|open)(?: to)?(?: me)? {OBJECT}(?:up )?"
)
_SKIP = (
    r"(?:avoid|skip|drop|leave (?:out|off)|omit|cut(?: out| down on)?|lose|ditch|remove|spare me"
    r"|go easy (?:on|with)|do without|stay away from|steer clear of|get rid of"
    r"|(?:stop|quit)(?: it)?(?: with)?|enough (?:with|of)|lay off)"
)
_AWFUL = (
    r"(?:(?:so |very |too |rather )*(?:annoying|distracting|irritating|silly|childish|ugly|tiresome"
    r"|unnecessary|pointless|confusing|hard to (?:read|follow)))"
)
_BETTER = r"easier|better|best|helpful|useful|clearer|welcome|appreciated"
_FINE = (
    rf"(?:(?:is |are )?(?:so |very |much |more )*(?:{_BETTER})|(?:would|'d) be (?:so |very )?"
    rf"(?:{_BETTER}|good|great|nice))(?: for me)?(?: to read| to follow)?"
)
_FRAMES = (
    # name, pattern, whether it is wanted
    ("want", rf"{_I_WANT} {_LIST}{_OTHERS}", True),
    ("want", rf"{_I_WANT_NOT} {_LIST}", False),
    ("like", rf"{_I_LIKE} {_LIST}{_OTHERS}", True),
    ("like", rf"{_I_DISLIKE} {_LIST}", False),
    ("in", rf"(?:{_I_WANT}|{_I_LIKE}) {OBJECT}(?:with|in|as) {_LIST}", True),
    ("in", rf"(?:{_I_WANT}|{_I_LIKE}) {OBJECT}{_WITHOUT} {_LIST}", False),
    ("like", rf"i find {_LIST} {_AWFUL}", False),
    ("like", rf"i find {_LIST} {_FINE}", True),
    ("like", rf"{_LIST} (?:(?:is|are) {_AWFUL}|(?:annoy|bother|irritate|distract|confuse)s? me)",
     False),
    ("like", rf"{_LIST} (?:{_FINE}|(?:would )?helps?(?: me)?)", True),
    ("many", rf"(?:you (?:use|ask(?: me)?|write|put in|add|give(?: me)?|make) (?:(?:way|far) )?"
             rf"too many|too many|why (?:so|all the) many) {_LIST}", False),
    ("no", r"(?:no|no more|fewer|less|without|with no|nothing|not so many|zero) (?:in )?"
           rf"{_LIST}(?!, no )", False),
    ("more", rf"more {_LIST}", True),
    ("bare", rf"(?:with |in |as |only )?{_LIST}", True),
    ("use", rf"(?:can|could|may|might) i (?:have|get|see) {_LIST}", True),
)  # fmt: skip
_DOING = (
    ("use", rf"{_USE} {_LIST}{_OTHERS}", True),
    ("use", rf"(?:{_USE}|{_GIVE}) (?:no|fewer|less) {_LIST}", False),
    ("give", rf"{_GIVE} {_LIST}", True),
    ("in", rf"{_IN}{_WITH} {_LIST}{_OTHERS}", True),
    ("in", rf"{_IN}{_WITHOUT} {_LIST}", False),
    ("use", rf"{_SKIP} {_LIST}", False),
    ("use", rf"(?:leave|keep|cut|take) {_LIST} (?:out|away|off)(?: of it)?", False),
    ("deed", rf"(?P<deed>{'|'.join(each.words for each in DEEDS)})", True),
)
_LEAD = rf"(?:(?P<asks>{_ASKS}) |(?P<asks_not>{_ASKS_NOT}) )?(?P<not>{_NOT} )?(?P<stop>{_STOP} )?"
_SUFFER = (
    ("endured", rf"(?:{_I_WANT}|{_I_LIKE}) (?:to be|being|to get) (?P<endured>{{}})", True),
    ("endured", rf"(?:{_I_WANT_NOT}|{_I_DISLIKE}) (?:to be|being|to get) (?P<endured>{{}})", False),
)
_TOO = re.compile(
    rf"(?:(?:(?:your (?:last )?(?:{REPLY}|(?P<sentences>sentences))|that (?:answer|reply))"
    rf" (?:is|are|was|were)|you're) (?:(?:much|way|far|a bit|a little|all) )*too"
    rf" (?:(?P<long>long|wordy|detailed|long-winded)|short|brief|choppy)){_TAIL}{_END}"
)

_REPORTS = re.compile(
    r"\b(?:say|says|said|told|tells|tell (?:him|her|them|my)|asked|asks|wrote|writes|thinks?"
    r"|thought|claims?|if|when|whenever|unless|whether|who|which|rules?|signs?|motto|advice|imagine|suppose"
    r"|he|she|they|his|her|their|boss|teacher|mother|father|wife|husband)\b|:|\u00b6"
)
"""Signs before a clause that it is somebody else's, a condition or a quotation."""
_ORDERS = re.compile(
    r"(?:tell|explain|give|write|describe|suggest|help|recommend|show|list|name|answer|compare|plan"
    r"|summari[sz]e|teach|keep|make|be|(?:can|could|would|will) you)\b"
)
_QUESTION = re.compile(r"(?:(?:can|could|would|will|can't|couldn't|won't) you|why (?:so|all)|"
                       r"(?:can|could|may|might) i)\b")  # fmt: skip
_POLITE = re.compile(r"\b(?:please|pls|plz)\b", re.IGNORECASE)


@cache
def _frames() -> tuple[tuple[str, bool, re.Pattern[str]], ...]:
    endured = "|".join(each.words for each in ENDURED)
    done = ((name, rf"{_LEAD}(?:{pattern})", wanted) for name, pattern, wanted in _DOING)
    suffered = ((name, pattern.format(endured), wanted) for name, pattern, wanted in _SUFFER)
    every = (*_FRAMES, *done, *suffered)
    return tuple((name, wanted, re.compile(p + _TAIL + _END)) for name, p, wanted in every)


def _hear(sentence: str) -> dict[str, str]:
    """Return the wishes of one sentence, as its clauses state them."""
    if len(sentence) > LONGEST:
        return {}
    plain, polite = simplify(sentence), bool(_POLITE.search(sentence))
    asked = sentence.rstrip().endswith("?")
    heard: dict[str, str] = {}
    at, before = 0, None
    for start in _starts(plain):
        if start < at:
            continue
        if start > at and _REPORTS.search(plain, at, start):
            break
        linked = re.search(r"\b(?:and|or|then|because)\s+\Z", plain[:start])
        clause = _read(plain, start, polite or before is not None, before if linked else None)
        if clause is None:
            if start:
                before = None
            continue
        if asked and clause.end == len(plain) and not _QUESTION.match(plain, start):
            continue
        own = re.match(r"i\b|i'", plain[start:]) or polite or start == 0 or before
        if not own and (clause.bare or (linked and not _ORDERS.match(plain))):
            continue
        heard |= clause.wishes
        at, before = clause.end, clause
    return heard


def _starts(plain: str) -> Iterator[int]:
    """Yield where clauses may begin."""
    yield 0
    for mark in _STARTS.finditer(plain):
        yield mark.end()


def _read(plain: str, start: int, polite: bool, before: _Clause | None) -> _Clause | None:
    """Return the wishes of the clause that begins at `start`, if it is one about replies."""
    if found := _TOO.match(plain, start):
        dimension = "sentences" if found["sentences"] else "length"
        values = {"length": ("brief", "thorough"), "sentences": ("short", "long")}[dimension]
        wishes = {dimension: values[not found["long"]]}
        return _Clause(wishes=wishes, end=found.end(), denied=True, bare=False)
    for name, wanted, pattern in _frames():
        found = pattern.match(plain, start)
        if found and (clause := _weigh(name, wanted, found, polite, before)):
            return clause
    return None


def _weigh(
    name: str, wanted: bool, found: re.Match[str], polite: bool, before: _Clause | None
) -> _Clause | None:
    """Return what a clause of a known form comes to; None if it is about something else."""
    parts = found.groupdict()
    turns = (parts.get("asks_not"), parts.get("not"), parts.get("stop"))
    turned = sum(map(bool, turns)) % 2 == 1
    if before and before.denied and not any(turns) and not parts.get("asks") and name == "deed":
        turned = True  # "don't apologise or thank me"
    meant = wanted != turned
    if deed := parts.get("deed") or parts.get("endured"):
        topics = [(name_topic(deed, DEEDS if name == "deed" else ENDURED), meant)]
    else:
        topics = [(each, meant and not no) for each, no in _name_things(found["things"])]
        topics += [(each, not meant) for each, _ in _name_things(parts.get("others") or "")]
    plainly = (not topic.shy and topic.disliked for topic, _ in topics)
    near = bool(parts.get("about")) or (len(topics) > 1 and any(plainly))
    if not all(_fits(topic, name, yes, polite, near) for topic, yes in topics):
        return None
    if not meant and len(topics) > 1 and any(each.dimension in _GRADED for each, _ in topics):
        return None  # "no lists and short answers" wants those
    wishes = {
        topic.dimension: topic.value if yes else find_opposite(topic.dimension, topic.value)
        for topic, yes in topics
    }
    bare = name in ("no", "more", "bare")
    return _Clause(wishes=wishes, end=found.end(), denied=turned, bare=bare)


_GRADED = ("length", "sentences")
"""Dimensions of which one value is seldom meant by denying the other."""
_THING = re.compile(rf"(?P<no>\bno )?(?:{_DET})\b(?P<thing>{PATTERN})(?=,|\s|\Z)")


def _name_things(text: str) -> list[tuple[Wanted, bool]]:
    """Return the things that a list names, and whether a "no" stands before them."""
    return [(name_topic(each["thing"], THINGS), bool(each["no"])) for each in _THING.finditer(text)]


def _fits(topic: Wanted, name: str, yes: bool, polite: bool, near: bool) -> bool:
    """Whether a topic is spoken of as something about replies."""
    if topic.only_denied and yes:
        return False
    if topic.shy and not (near or name in ("in", "many") or (polite and name != "give")):
        return name == "use" and topic.dimension != "question"
    if name == "like" and not topic.disliked:
        return near
    if name == "bare":
        return topic.bare and polite
    return topic.bare or name != "no"
