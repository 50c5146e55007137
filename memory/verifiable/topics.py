"""What a person's wishes about replies are about, in the words of everyday speech.

The phrases of simulated users are whole sentences, one by one. People put the same wishes in any
words, so here stand the names of what a program can check and the verbs for it; `hearing` has the
sentences around them. All is in lower case, as `hearing` reads it.
"""

import re
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """A thing that a reply can contain, or something that it can do."""

    dimension: str
    value: str
    """The wish of who wants it; who does not want it has the other."""
    words: str
    """Pattern of how it is called."""
    shy: bool = False
    """Whether it is often something else: it counts only where replies are spoken of."""
    general: bool = False
    """Whether one can like or dislike it in general and not speak of replies, as numbers."""
    only_denied: bool = False
    """Whether nobody asks for it in such words."""
    bare: bool = True
    """Whether "no ..." alone speaks of it, as "no thanks" does not."""


def _topic(wish: str, words: str, **more: bool) -> Wanted:
    dimension, value = wish.split("=")
    return Wanted(dimension=dimension, value=value, words=words, **more)


REPLY = r"(?:answers?|repl(?:y|ies)|responses?|explanations?|messages)"
_PLAIN_WORDS = r"(?:(?:,| and|, and)? (?:simple|clear|plain|crisp|choppy|snappy|sweet|direct))*"
_BRIEF = rf"(?:short(?:er)?|brief(?:er)?|concise|succinct){_PLAIN_WORDS}"
_SHORT = rf"(?:very )?(?:{_BRIEF}|(?:quick|one-sentence){_PLAIN_WORDS})"
_LONG = r"(?:very )?(?:long(?:er)?|detailed|thorough|in-depth|comprehensive|extensive|elaborate)"
_DOUBT = r"(?:perhaps|maybe|might|possibly|probably)"
_KEY = (
    r"(?:the |any |all |all the |some )?(?:(?:key|important|main|most important|central) )?"
    r"(?:words?|terms?|points?|bits?|parts?|phrases?|things?|ideas?|anything|text)"
)

THINGS = (
    _topic("length=brief", rf"{_SHORT} {REPLY}|less text|fewer words|few words"),
    _topic("length=thorough", rf"(?:{_LONG}(?:,| and|, and)? )*{_LONG} {REPLY}"),
    _topic("length=thorough", r"more details?|(?:lots|plenty) of details?"),
    _topic("length=thorough", r"walls? of text", only_denied=True),
    _topic("length=thorough", r"essays?|novels?|long texts", only_denied=True, shy=True),
    _topic("sentences=short", rf"{_SHORT} sentences"),
    _topic("sentences=long", r"(?:very )?(?:long(?:er)?|flowing|winding)(?:,? flowing)? sentences"),
    _topic("lists=list", r"(?:bullet(?:ed)?|numbered|bullet[- ]point(?:ed)?)[- ]lists?"),
    _topic("lists=list", r"bullet[- ]?points?|itemi[sz]ed lists?|enumerations?|lists"),
    _topic("lists=list", r"bullets|list", shy=True),
    _topic("lists=prose", r"(?:running|flowing|continuous) text"),
    _topic("lists=prose", r"(?:(?:plain|flowing) )?prose", general=True),
    _topic("emoji=some", r"emojis?|emoticons?|smileys?(?: faces)?|smilies"),
    _topic("exclamation=some", r"exclamation[- ](?:marks?|points?)|exclamations"),
    _topic(
        "question=asked",
        r"(?:follow[- ]?up|counter)[- ]?questions?"
        r"|questions? (?:back|in return|from you|(?:at|in) the end)",
    ),
    _topic("question=asked", r"questions?", shy=True),
    _topic("contractions=relaxed", r"contractions|contracted (?:forms|words)"),
    _topic("numbers=figures", r"numbers|digits|numerals", general=True),
    _topic("numbers=figures", r"figures", shy=True),
    _topic("spelling=British", r"(?:british|uk) spellings?"),
    _topic("spelling=British", r"(?:british|uk) english", general=True),
    _topic("spelling=American", r"(?:american|us) spellings?"),
    _topic("spelling=American", r"(?:american|us) english", general=True),
    _topic("greeting=greeted", r"greetings?|salutations?", general=True),
    _topic("closing=next step", r"next steps", general=True),
    _topic("closing=next step", r"next step", shy=True),
    _topic("emphasis=bold", r"bold (?:text|type|print|words?|letters|face|terms)|boldface|bolding"),
    _topic("emphasis=bold", rf"{_KEY} in bold(?: (?:type|print|letters))?"),
    _topic("emphasis=bold", r"bold", general=True),
    _topic(
        "paragraphs=one",
        r"(?:just |only )?(?:one|a single|1)(?: (?:single|long|solid))? (?:paragraph|block)"
        r"(?: of text)?",
    ),
    _topic("paragraphs=several", r"(?:(?:several|multiple|separate) )?paragraphs"),
    _topic("paragraphs=several", r"paragraph breaks|(?:blank|empty) lines"),
    _topic("hedging=hedged", r"hedge[- ]words|hedging|hedges|maybes"),
    _topic(
        "hedging=hedged",
        rf"(?:the )?(?:words?|phrases?|expressions?|things)(?: like| such as)? {_DOUBT}"
        rf"(?:(?:,| and| or|, or) {_DOUBT})*",
    ),
    _topic("apology=given", r"apolog(?:y|ies)|sorrys|sorries"),
    _topic("example=given", r"examples?"),
    _topic("thanks=given", r"thanks|thank[- ]yous?", bare=False),
)
"""What replies can contain. Of two that fit, the first counts."""

_OBJECT = (
    r"(?:it|this|that|them|things|everything|all of (?:it|them)|yourself"
    rf"|(?:all |all of |each of |each |every )?(?:your |the )?(?:{REPLY}|texts?|points))"
)
_YOURS = rf"(?:your |the ){REPLY}"
OBJECT = rf"(?:{_OBJECT} )?"
"""What is written, where it is named."""
_ANSWER = rf"(?:answer|reply|respond|write|explain|speak|talk)(?: to me| me)?(?: {_OBJECT})?"
_UNSURE = r"(?: (?:when|if|where) you(?:'re| are)? (?:not sure|unsure|uncertain|in doubt))?"
_MANY = r"(?:(?:any|some|a|another|more|lots of|all|all these|so many|too many|follow-up) )*"
_ASKED = rf"(?:{_MANY}(?:questions?|something)(?: back| in return)?|back)"
_BRIEFLY = rf"(?:a (?:bit|little) )?(?:very |more |so |too )*{_BRIEF}(?: and to the point)?"
_HELLO = r"(?:a |an )?(?:hello|hi|greeting|salutation|good (?:morning|day))"

DEEDS = (
    _topic("length=brief", rf"(?:be|stay) (?:{_BRIEFLY}|to the point)"),
    _topic("length=brief", rf"(?:keep {_OBJECT}|make {_YOURS}) (?:{_BRIEFLY}|to the point)"),
    _topic("length=brief", rf"{_ANSWER} (?:briefly|concisely|in brief|in (?:a )?few words)"),
    _topic("length=brief", r"get to the point|cut to the chase|write less"),
    _topic(
        "length=thorough", rf"be (?:more |very |so |too )*(?:{_LONG}|long-winded|wordy|verbose)"
    ),
    _topic("length=thorough", rf"(?:keep {_OBJECT}|make {_YOURS}) (?:more |very )*{_LONG}"),
    _topic("length=thorough", r"go (?:deeper )?into (?:more |some |great |full )?(?:detail|depth)"),
    _topic(
        "length=thorough",
        rf"{_ANSWER} (?:in (?:more |great |full )?(?:detail|depth)|at length|thoroughly)",
    ),
    _topic(
        "length=thorough",
        r"ramble|waffle|drone on|go on and on|write (?:so|too|that) much",
        only_denied=True,
    ),
    _topic("sentences=short", rf"(?:keep|make) (?:your |the )?sentences (?:very )?{_SHORT}"),
    _topic("sentences=long", r"make (?:your |the )?sentences longer"),
    _topic("question=asked", rf"ask (?:me )?{_ASKED}"),
    _topic("question=asked", r"ask (?:me )?(?:anything|things)(?: back)?", only_denied=True),
    _topic("contractions=formal", r"write (?:(?:all|the|your|every) )*words? out(?: in full)?"),
    _topic("contractions=formal", r"write out (?:(?:all|the|your|every) )*words?(?: in full)?"),
    _topic("contractions=formal", r"write (?:(?:all|the|your|every) )*words? in full"),
    _topic("contractions=relaxed", r"(?:contract|shorten) (?:your |the )?words"),
    _topic(
        "numbers=none",
        r"spell (?:out )?(?:(?:all|the|any|your) )*numbers(?: out)?"
        r"|write (?:out )?(?:(?:all|the|any|your) )*numbers (?:out|(?:as|in|out as|out in) words)",
    ),
    _topic(
        "numbers=figures",
        r"write (?:(?:all|the|any|your) )*numbers (?:as|in) (?:figures|digits|numerals)"
        r"|use (?:figures|digits|numerals) for (?:all )?numbers",
    ),
    _topic("greeting=greeted", r"greet me|say (?:hello|hi)(?: to me| first| every time| again)?"),
    _topic("greeting=greeted", rf"(?:start|begin|open) {OBJECT}(?:off )?with {_HELLO}"),
    _topic(
        "closing=next step",
        r"(?:tell|show|give|suggest|propose|offer|name|mention)(?: to)?(?: me)?"
        r"(?: (?:a|the|any|some|possible|what the))* next steps?(?: is| are)?",
    ),
    _topic("emphasis=bold", rf"(?:bold|highlight) {_KEY}"),
    _topic("emphasis=bold", rf"make {_KEY} bold"),
    _topic("hedging=hedged", rf"hedge(?: (?:more|a (?:little|bit)(?: more)?))?{_UNSURE}"),
    _topic(
        "hedging=hedged",
        rf"say (?:things like |words like )?{_DOUBT}(?:(?:,| and| or) {_DOUBT})*{_UNSURE}",
    ),
    _topic(
        "hedging=hedged", r"(?:show|express|admit)(?: (?:some|your|any))? (?:doubts?|uncertainty)"
    ),
    _topic(
        "apology=given",
        r"(?:apologi[sz]e|say (?:that )?(?:you're )?sorry)(?: to me| first)?"
        r"(?: for (?:it|that|this|(?:your |the )?(?:mistakes?|errors?)|(?:my|the) trouble))?"
        r"(?: (?:when|if|whenever) you (?:get|got|make|made|are|were|can't)(?: \w+){0,4})?",
    ),
    _topic("thanks=given", r"thank me(?: for (?:asking|(?:my|the|every) (?:question|message)s?))?"),
)  # fmt: skip
"""What replies can do, in the form of a request; a request for it may have words around it."""

ENDURED = (
    _topic("question=asked", rf"asked (?:{_ASKED}|anything|things)"),
    _topic("greeting=greeted", r"greeted"),
    _topic("thanks=given", r"thanked(?: for asking)?"),
    _topic("closing=next step", r"told (?:about )?(?:a |the |any )?next steps?"),
)
"""What is done to the person."""

PATTERN = "|".join(topic.words for topic in THINGS)


def name_topic(text: str, topics: tuple[Wanted, ...]) -> Wanted:
    """Return which of some topics a text names; it is one of them.

    Raises:
        StopIteration: it is none.
    """
    return next(topic for topic in topics if re.fullmatch(topic.words, text))
