"""Which dimension of replies a question is about, by rule.

A user answers what it was asked, so somebody has to say what that was; for wishes that a program
checks, a program says it. Words alone do not tell: "How long should I write?" is about replies,
"How long have you lived there?" is not. So a dimension's words count only if nothing says that the
question is about somebody else or about what the user did, and everyday words only beside a sign
that it is about replies: the assistant itself (I, me, my), what it writes, or a liking.
"""

from aloe.memory.questions import drop_questions
from aloe.memory.words import compile_any

OPEN = "open"
"""What `find_asked` calls a question about how to answer that names no dimension."""

_REPLIES = r"(?:answer(?:s|ed|ing)?|repl(?:y|ies|ying)|respon(?:d|ses?|ding)|messages?)\b"


_PREAMBLE = compile_any(
    r"\A(?:(?:thanks|thank you|sorry|i apologi[sz]e|hello|hi|hey|good (?:morning|day|evening)"
    r"|before|to|since|while|if|so|by the way)\b[^,;:]*[,;:]\s*)+"
)
"""What is said before the question is asked."""

_POLITE = compile_any(
    r"\A(?:could|can|would|will) you (?:please |kindly )?(?=(?:tell me|let me know|say)\b)"
)
"""What makes "tell me whether" a question to the user, and not one about what the user can do."""

_ELSEWHERE = compile_any(
    r"\A(?:did|has|have (?!you any\b)|had|was|were|who|when|where|why|(?:could|can) you)\b",
    r"\b(?:he|she|him|her|his|their|each other)\b|\b(?:ask|give|pay|tell|thank|for|to) them\b",
    r"\bpeople\b(?! (?:put|use|write|do|speak))",
    rf"\byour (?!(?:own |next |ideal )?(?:questions?|tastes?|liking|texts?|eyes?|views?"
    rf"|opinion|feelings?|sentences|paragraphs|{_REPLIES})\b)\w",
    r"\b(?:did|do) you (?:have (?!an?\b|any\b|preferences)|know|plan|feel sorry|serve|ask\b)",
    r"\b(?:did|do) you write\b(?!,| \")",
    r"\b(?:of|in|on|for|does|did|has|will|about|from) the (?!text|repl|answer|start|top|beginning"
    r"|end|parts|key|main|important|trouble|points|short|quick|format|style|tone|way|words|British"
    r"|American)\w",
    r"\b(?:like|want|plan|hope|wish) to (?!hear|see|be\b|read|know|get|have)\w",
    r"\b(?:court|judge|prison|wear|garden)\b|\bwhere you \w",  # other sentences, bolds and hedges
)
"""Signs that a question is not about replies."""

_SIGN = compile_any(
    r"\b(?:I|me|my|mine|from you)\b",
    _REPLIES,
    r"\btexts?\b",
    r"\b(?:like|prefer|want|expect|mind|bother|annoy|find|rather|feel about|care for|enjoy)\b",
    r"\b(?:okay|ok|fine|all right|welcome|useful|helpful|handy|easier|easy|better|nice|nicer)\b",
    r"\b(?:important|comfortable|friendly|pleasant|distracting|in order|suits?|taste)\b",
    r"\b(?:help|learn|put you off)\b",
    r"\bor (?:not?|none|rather|long|thorough|detailed)\b|\Awould (?:an?|some|more|fewer)\b",
    r"\b(?:is|was) (?:this|it|that) too\b|\bclearer\b|\bunderstand\b",
)
"""Signs that it is."""

_RARE = {
    "emoji": compile_any(
        r"\bemojis?\b|\bsmileys?\b|\bemoticons?\b",
        r"\b(?:little|small|tiny|smiling) (?:\w+ )?(?:faces|pictures|icons)\b.*"
        rf"\b(?:texts|{_REPLIES})",
    ),
    "sentences": compile_any(
        r"\b(?:how many|number of) words\b.*\bsentence\b",
        r"\b(?:short|long|brief|choppy|flowing|winding|clipped)\w*,? (?:\w+ )?sentences\b",
    ),
    "exclamation": compile_any(r"\bexclamation (?:marks?|points?)|\bexclamations\b"),
    "contractions": compile_any(
        r"\bcontractions?\b|\bcontracted\b|\b(?:short|shortened|long|full) forms?\b",
        r"\"\w+['\u2019](?:t|s|m|re|ll|ve|d)\"|\"(?:do not|cannot|it is|is not|i am|you are)\"",
        r"\bwords?\b.*\b(?:in full|out)\b|\bshorten\b.*\bwords?\b|\bapostrophes?\b",
    ),
    "spelling": compile_any(
        r"\b(?:British|American|(?-i:UK|US))\b.*\b(?:spell\w*|English|way|manner)\b",
        r"\bspel[lt]\w*\b.*\b(?:British|Britons?|Americans?|(?-i:UK|US))\b",
        r"\"(?:colou?r|cent(?:re|er)|favou?r|neighbou?r|theat(?:re|er)|met(?:re|er)|reali[sz]e)\"",
        r"\bEnglish\b.*\b(?:British|American|(?-i:UK|US))\b",
        r"\bwhich (?:spelling|variety of English|kind of English)\b",
    ),
    "emphasis": compile_any(
        r"\bin bold\b(?! colou?r)|\bbold (?:type|text|print|words?|letters?|terms?)\b",
        r"\b(?:bolding|boldface)\b|\b(?:use|any|some|without|of) bold\b(?! (?:colou?r|pattern)s?)",
        r"\b(?:highlight|emphasi[sz]e|underline)\b.*\b(?:words?|terms?|points?|bits|parts|what)\b",
    ),
    "paragraphs": compile_any(
        r"\bparagraphs\b|\b(?:one|single|new) (?:\w+ )?paragraph\b|\bparagraph breaks?\b",
        r"\b(?:blank|empty) lines?\b|\b(?:one|single|solid) (?:\w+ )?block\b|\bblock of text\b",
        r"\b(?:gaps?|spaces?) between\b.*\b(?:parts|sections|thoughts)\b",
    ),
    "lists": compile_any(
        r"\bbullet[- ]?points?\b|\bbulleted\b|\bbullets\b|\bitemi[sz]e\b|\bprose\b",
        r"\b(?:running|flowing|continuous) text\b|\bnumbered (?:points|steps|list)",
        r"\b(?:as|in) (?:a |an )?(?:\w+ )?lists?\b|\blists? or\b|\bor (?:a |an )?list\b",
    ),
    "hedging": compile_any(
        r"\bhedging\b|\bI hedge\b|\bqualifiers\b|\bifs and buts\b|\broom for doubt\b",
        r"\"(?:perhaps|maybe|might|possibly|probably|it seems|i think)\"",
        r"\b(?:cautious|careful|tentative) (?:wording|tone|language|words|style)\b",
    ),
    "greeting": compile_any(r"\bsalutations?\b|\bgreetings?\b|\bgreet(?:ed)?\b"),
    "closing": compile_any(r"\bnext steps?\b"),
}  # fmt: skip
"""What by itself is about replies, if nothing speaks against it."""

_EVERYDAY = {
    "sentences": compile_any(
        r"\b(?:short|long|brief|simple|flowing|winding|clipped|choppy|length)\w*\b.*\bsentences?\b",
        r"\bsentences?\b.*\b(?:short|long|length|small|words|split|break)",
        r"\b(?:break|split|chop)\b.*\bsentences?\b|\bchoppy\b",
    ),
    "lists": compile_any(
        r"\b(?:I|me to) list (?:this|these|them|the points|things)\b|\beach point\b.*\bline\b",
        r"(?:\blists|\ba list)\b(?! of)",
    ),
    "greeting": compile_any(r"\bhello\b|\bhi\b|\ba good (?:morning|day)\b"),
    "closing": compile_any(
        r"\b(?:what|which step|step) (?:comes|to do|to take|you can do|you could do) next\b",
        r"\b(?:action|step) to take\b",
    ),
    "emphasis": compile_any(
        r"\bbold\b(?! (?:\w+ )?(?:(?:colou?r|flavou?r|pattern)s?|enough|red|blue))"
    ),
    "hedging": compile_any(
        rf"\b(?:I|me to|my {_REPLIES} to) (?:am|was|feel|felt|sound|sounded|be|seem|seemed)\b"
        r".*\b(?:unsure|sure|certain|confident|definite|firm|direct|blunt)\b",
        r"\b(?:uncertain|doubts?|uncertainty|hedge)\b",
    ),
    "apology": compile_any(r"\bapolog\w+|\bsorry\b"),
    "thanks": compile_any(r"\bthank(?:s|ed|ing)?\b(?! you (?:card|gift|note))|\bgratitude\b"),
    "example": compile_any(
        r"(?<!for )\bexamples?\b|\billustrat\w+|\b(?:sample|concrete) (?:situation|case)\b"
    ),
    "numbers": compile_any(r"\b(?:figures|numerals|digits|numbers)\b(?! of)|\bput a number\b"),
    "length": compile_any(
        r"\bhow (?:long|short|brief|detailed)\b.*\b(?:should|to be|be)\b",
        r"\b(?:long|short|brief|detail|thorough|concise|quick|full)\w*\b.*"
        r"\b(?:answer|repl|response|version|explanation|story|message)",
        r"\b(?:answer|repl|response|version|explanation|message)\w*\b.*"
        r"\b(?:long|short|brief|detail|thorough|concise|length)",
        r"\bkeep (?:this|it|things|\w+ \w+) (?:brief|short)\b|\bhow many words\b",
        r"\btoo (?:much|long)\b|\bword (?:limit|count)\b|\bhow much (?:detail|text|depth)\b",
        r"\bdepth\b|\bthe gist\b",
        r"\bshort(?: and \w+)?,? or (?:long|thorough|detailed)\b|\b(?:what|which) length\b",
        r"\b(?:a few lines|the essentials)\b|\bI cut\b.*\b(?:down|short)\b",
        r"\b(?:I|me|my)\b.*\b(?:concise|brief|more detail|say (?:more|less)|shorter|longer)\b",
    ),
    "question": compile_any(
        r"\bquestions? (?:back|in return|from m[ey]|of my own|for you|to you)\b|\bmy questions\b",
        r"\bI (?:ask|asked|stop asking|keep asking)\b(?! (?:what|where|how|why|which|who|whether))",
        r"\bbe(?:ing)? asked\b|\bask(?:ing)? (?:back|you (?:things|something|nothing|anything))\b",
        r"\b(?:end|close|finish)\b.*\bquestion\b|\bquiz you\b",
        r"\b(?:I|me)\b.*\bask(?:ing)? (?:any |too many |fewer |more |you )*(?:\S+ )?questions\b",
    ),
}  # fmt: skip
"""What is about replies beside a sign of it."""

_OPEN = compile_any(
    rf"\b(?:how|way|manner|another way|differently)\b.*\b(?:{_REPLIES}|writ(?:e|ing|ten)\b|phrase\b"
    r"|put (?:things|this|it)\b|present\b|addressed\b|communicate\b|(?:talk|speak) to you)",
    rf"\b(?:preferences?|wishes|requests?|requirements?)\b.*\b(?:format|style|tone|{_REPLIES}"
    r"|writ(?:e|ing)|present)",
    r"\bpreferences?\W*\Z",
    rf"\b(?:style|format|tone|way|manner|kind|sort) of (?:writing\b|{_REPLIES})",
    r"\b(?:style|format|tone|manner)\b(?! of (?!writing|answer|repl)).*"
    r"\b(?:(?:would|do|should) (?:you|I)|you (?:would )?(?:like|prefer|want)|works|suits|best)\b",
    r"\b(?:like|want|wish|prefer|should|shall|look for|dislike|bothers?|better|change|differently"
    rf"|matters|hoping|in mind|works?|suits?|happy|makes)\b.*\b(?:{_REPLIES}|I write)",
    rf"\bmy (?:\w+ )?(?:{_REPLIES}|(?:style|tone|writing)\b)",
    rf"\b(?:ideal|perfect) {_REPLIES}",
    rf"\b(?:your|an?|good) (?:\w+ )?{_REPLIES}.*\b(?:like|want|bothers?|work|suit|better|be)\b",
)
_OFFER = compile_any(
    r"(?:should|shall|may|can|is it|would (?:an?|the|it))\b",
    r"(?:do|would) you (?:like|want|mind|prefer|enjoy|rather)\b",
)
"""How a question begins that names what it is about, even if no dimension is."""
_WAY = compile_any(
    r"\b(?:how|what|which|anything|something|style|format|tone|manner|differently)\b",
    r"(?<!on the )\bway\b",
)
"""What keeps it open all the same."""


def find_asked(question: str) -> str | None:
    """Return what a question wants to know of the user's wishes about replies.

    Args:
        question: one question, as `aloe.memory.questions.find_questions_in` finds them.

    Returns:
        A dimension of the catalogue; `OPEN` for a question about how to answer that names none;
        None for any other question.
    """
    straight = question.replace("\u201c", '"').replace("\u201d", '"')
    asked = _POLITE.sub("", _PREAMBLE.sub("", straight))
    if _ELSEWHERE.search(asked):
        return None
    for dimension, pattern in _RARE.items():
        if pattern.search(asked):
            return dimension
    if _SIGN.search(asked):
        for dimension, pattern in _EVERYDAY.items():
            if pattern.search(asked):
                return dimension
    if _OFFER.match(asked) and not _WAY.search(asked):
        return None
    return OPEN if _OPEN.search(asked) else None


def drop_questions_about(dimension: str, reply: str) -> str:
    """Return a reply without its questions about a dimension, in which it only mentions a wish.

    "Would a word of thanks be welcome?" thanks nobody.
    """
    return drop_questions(reply, lambda question: find_asked(question) == dimension)
