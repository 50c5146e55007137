"""The forms of clauses that state wishes: who wants it, what, and words that add nothing.

All is in lower case, as `plain_speech` makes it. What the parts of a clause come to is said by
`hearing`.
"""

import re
from functools import cache

from aloe.memory.verifiable.topics import DEEDS, ENDURED, OBJECT, PATTERN, REPLY

STARTS = re.compile(
    r"(?:[,;:(\u2013\u2014]| -+ )\s*(?:(?:and|but|so|or|nor|because|then)\s+)?"
    r"|\s(?:and|but|so|or|nor|because|then)\s+"
)
_NEXT = (
    r"(?:i|i'd|i'm|you|your|we|it|don't|never|stop|no|not|more|fewer|less|avoid|skip|drop|leave|keep|use|write|give"
    r"|add|include|put|ask|tell|explain|make|be|what|how|which|where|why|who|can|could|would|will"
    r"|do|is|are|help|show|answer|reply|thank|say|start|end|begin|get|go|apologi[sz]e|hedge|greet"
    r"|spell|bold|highlight|ramble|waffle|break|split)\b"
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
DET = (
    r"(?:(?:any|some|a|an|the|your|these|those|this|all|more|such|few|lots|plenty|so|many|much"
    r"|other|another|of|couple|occasional|odd|little|bit|extra|too|silly|stupid|annoying|endless"
    r"|constant|concrete|good|nice|friendly|simple|practical|short|small|clear|one) )*?"
)
_THING_NAMED = rf"{DET}(?:{PATTERN})"
_ONE_MORE = (
    rf"(?:no )?{DET.replace('|more', '')}(?:{PATTERN})(?={_MORE}{_END}|,| and | or | nor | with )"
)
_LIST = (
    rf"(?P<things>{_THING_NAMED}"
    rf"(?:, (?=no ){_ONE_MORE})*(?:(?:, {_ONE_MORE})*,? (?:and|or|nor|with) {_ONE_MORE})*)"
)
_OTHERS = (
    r"(?:,? (?:without|with no|not|not in|rather than|instead of)"
    rf" (?P<others>{_THING_NAMED}))?"
)
_RATHER = _OTHERS.replace("instead of", "instead of|over|more than")
"""After a verb of liking; "add numbers to the list" is about a list that there is."""
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
    r"(?:use|include|add|put in|insert|throw in|provide|work in|sprinkle in|stick to"
    r"|put)"
)
_GIVE = r"(?:(?:give|show)(?: me)?)"
_WRITE = r"(?:(?:write|make)(?: me)?)"
"""What also orders a text of its own, as "write a list", where "write lists" is a wish."""
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
_ENDURED = rf"(?:to be|being|to get) (?P<deed>{'|'.join(each.words for each in ENDURED)})"
_FRAMES = (
    # name, pattern, whether it is wanted
    ("want", rf"{_I_WANT} {_LIST}{_RATHER}", True),
    ("want", rf"(?:i|i'd) prefer {_LIST} to (?P<others>{_THING_NAMED})", True),
    ("want", rf"{_I_WANT_NOT} {_LIST}", False),
    ("like", rf"{_I_LIKE} {_LIST}{_RATHER}", True),
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
    ("order", rf"(?:can|could|may|might) i (?:have|get|see) {_LIST}", True),
    ("deed", rf"(?:{_I_WANT}|{_I_LIKE}) {_ENDURED}", True),
    ("deed", rf"(?:{_I_WANT_NOT}|{_I_DISLIKE}) {_ENDURED}", False),
)  # fmt: skip
_DOING = (
    ("use", rf"{_USE} {_LIST}{_OTHERS}", True),
    ("use", rf"(?:{_USE}|{_GIVE}|{_WRITE}) (?:no|fewer|less) {_LIST}", False),
    ("give", rf"{_GIVE} {_LIST}", True),
    ("order", rf"{_WRITE} {_LIST}{_OTHERS}", True),
    ("in", rf"{_IN}{_WITH} {_LIST}{_OTHERS}", True),
    ("in", rf"{_IN}{_WITHOUT} {_LIST}", False),
    ("use", rf"{_SKIP} {_LIST}", False),
    ("use", rf"(?:leave|keep|cut|take) {_LIST} (?:out|away|off)(?: of it)?", False),
    ("deed", rf"(?P<deed>{'|'.join(each.words for each in DEEDS)})", True),
)
_LEAD = rf"(?:(?P<asks>{_ASKS}) |(?P<asks_not>{_ASKS_NOT}) )?(?P<not>{_NOT} )?(?P<stop>{_STOP} )?"
TOO = re.compile(
    rf"(?:(?:(?:your (?:last )?(?:{REPLY}|(?P<sentences>sentences))|that (?:answer|reply))"
    rf" (?:is|are|was|were)|you're) (?:(?:much|way|far|a bit|a little|all) )*too"
    rf" (?:(?P<long>long|wordy|detailed|long-winded)|short|brief|choppy)){_TAIL}{_END}"
)


@cache
def frames() -> tuple[tuple[str, bool, re.Pattern[str]], ...]:
    """Return the forms of clauses: name, whether the thing is wanted, pattern."""
    done = ((name, rf"{_LEAD}(?:{pattern})", wanted) for name, pattern, wanted in _DOING)
    every = (*_FRAMES, *done)
    return tuple((name, wanted, re.compile(p + _TAIL + _END)) for name, p, wanted in every)
