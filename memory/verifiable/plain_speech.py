"""Sentences of a person, made alike before wishes are looked for in them.

Letter case, short forms, courtesies, forms of verbs and what comes before a sentence begins say
nothing of what is wanted. What stands in quotation marks is somebody's text and becomes a
character that matches no wish.
"""

import re

from aloe.emoji import EMOJI
from aloe.memory.verifiable.topics import REPLY

HIDDEN = "\u00b6"
"""Character that stands for other people's words; it matches no wish."""

_WORDS = (
    (r"[\u2018\u2019`]", "'"), (r"[\u201c\u201d]", '"'), (EMOJI, " "), (r"[*_]+", ""),
    (r"\"(perhaps|maybe|might|possibly|probably|don't|it's|can't|i'm)[,.]?\"", r"\1"),
    (rf"\"[^\"]*\"?|{HIDDEN}+", f" {HIDDEN} "), (r"\bdo not\b|\bdont\b", "don't"),
    (r"\bcan ?not\b|\bcant\b", "can't"), (r"\bi would\b|\bid (?=like|love|rather)", "i'd"),
    (r"\bi am\b|\bim\b", "i'm"), (r"\byou are\b", "you're"), (r"\bneed not\b", "needn't"),
    (r"\bit would\b", "it'd"), (r"\bdid not\b", "didn't"), (r"\bu\b", "you"),
    (r"(?<!don't )\balways\b|\b(?:please|pls|plz|kindly|just|simply|really|actually|definitely"
     r"|honestly|absolutely|ever|also|still|all that)\b", " "),
)  # fmt: skip
"""How texts are made alike, one after the other."""

_BENT = {
    "using": "use", "used": "use", "writing": "write", "wrote": "write", "giving": "give",
    "gave": "give", "adding": "add", "added": "add", "including": "include", "included": "include",
    "putting": "put", "showing": "show", "showed": "show", "asking": "ask", "asked": "ask",
    "apologising": "apologise", "apologizing": "apologise", "apologised": "apologise",
    "apologized": "apologise", "saying": "say", "said": "say", "thanking": "thank",
    "thanked": "thank", "greeting": "greet", "greeted": "greet", "starting": "start",
    "started": "start", "beginning": "begin", "opening": "open", "ending": "end", "ended": "end",
    "finishing": "finish", "closing": "close", "telling": "tell", "told": "tell",
    "suggesting": "suggest", "suggested": "suggest", "hedging": "hedge", "hedged": "hedge",
    "bolding": "bold", "highlighting": "highlight", "answering": "answer", "answered": "answer",
    "replying": "reply", "replied": "reply", "making": "make", "made": "make", "being": "be",
    "were": "be", "keeping": "keep", "kept": "keep", "splitting": "split", "breaking": "break",
    "avoiding": "avoid", "avoided": "avoid", "rambling": "ramble", "waffling": "waffle",
    "leaving": "leave", "left": "leave", "skipping": "skip", "skipped": "skip",
    "spelling": "spell", "spelled": "spell", "explaining": "explain", "explained": "explain",
    "contracting": "contract", "shortening": "shorten", "going": "go", "went": "go",
}  # fmt: skip
_BENDS = re.compile(
    r"\b((?:(?:stop|quit|avoid|refrain from|would you mind(?: not)?|it (?:if|when) you"
    r"|(?:if|rather) you(?: didn't)?) (?:all )?"
    r"|(?:stop|quit|avoid) [^,;:]{3,60} or ))(\w+)\b"
)
"""What the form of a verb depends on."""
_BOTH = re.compile(
    r"\b((?:stop|quit|avoid|refrain from|mind not) [^,;:]{3,60}?) (?:and|or) (\w+ing)\b"
)
"""Two verbs that depend on the same: what is denied of the one is of the other."""

_OPENS = re.compile(
    r"\A(?:(?:(?:hi|hey|hello|thanks|thank you|yes|yeah|yep|no|nope|right|sorry|good|great|nice"
    r"|cool|wait|ah|um|hm+|remember|again|btw|by the way|tbh|to be honest|one (?:more )?thing"
    r"|for the record|in short|if possible|if you can|if you don't mind|my wish|my wishes"
    rf"|(?:when|whenever|if) you (?:answer|reply|write|respond)(?: to)?(?: me)?) ?[,:!-]+"
    r"|(?:ok|okay|hey|well|oh|and|but|so|from now on|next time|in future|as i said"
    r"|i (?:already |have )?(?:said|told you|repeat|mean)(?: that)?"
    rf"|in (?:each|every|all|your)(?: of your)? {REPLY}|for me)\b ?[,:!-]*) *)+"
)
"""What comes before a sentence begins."""


def simplify(sentence: str) -> str:
    """Return a sentence in lower case, without words that change nothing."""
    plain = sentence.casefold()
    for words, instead in _WORDS:
        plain = re.sub(words, instead, plain)
    plain = _BOTH.sub(lambda m: f"{m[1]} or {_BENT.get(m[2], m[2])}", _tidy(plain))
    plain = _tidy(_BENDS.sub(lambda m: m[1] + _BENT.get(m[2], m[2]), plain))
    return _tidy(plain[opening.end() :] if (opening := _OPENS.match(plain)) else plain)


def is_opening(text: str) -> bool:
    """Whether a text in lower case only comes before a sentence begins, as "remember:"."""
    return bool(_OPENS.fullmatch(text))


def _tidy(text: str) -> str:
    text = re.sub(r"\s+", " ", text).strip(" .!?,;\u2026")
    return re.sub(r"\s*,[\s,]*", ", ", text)
