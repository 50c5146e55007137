"""What no person would type into a chat, in or around a message.

A model that is asked for one message wraps it: in tags, a fence, JSON, a label, a choice of drafts,
a blank to fill in, a count of its words. All of these show in the characters alone, so each is a
pattern; what a message says, and in whose voice, is checked by `aloe.agents.voice_faults`.
"""

import re
from collections.abc import Iterable
from itertools import pairwise

from aloe.agents.commentary import stems
from aloe.agents.concepts import lines_of_work
from aloe.schema import sentences

_CONTROL = re.compile(
    r"<\|[^|>\n]{1,40}\|?>|<(?:eos|eot|end|stop|bos)\b[^>\n]*>|</[A-Za-z][\w:-]*\s*>|&lt;/?\w+"
    r"|<(?:s|p|br|div|user|assistant|message|response|reply|turn|output|think"
    r"|user_turn)\b[^>\n]*>"
    r"|</?\w*(?:end|stop|turn|eos|eot)\w*>|<<\w+>>|\{(?:END|STOP|DONE|EOS)\}"
    r"|(?i:\(\s*end\b[^)]{0,20}\))"
    r"|\[/?[A-Z]{3,}\]|#{2,}\s*\w+\s*#{2,}|#{3,}\s*\Z|(?m:^#{1,4}\s+\w)|\bEND[_ ]OF[_ ](?:MESSAGE"
    r"|TURN|CHAT|CONVERSATION|TEXT|\w+)|\$(?:END|STOP)\$"
    r"|(?:^|\s)[-\u2013\u2014*=~#]{2,}\s*(?i:end|stop|done|fin|over)\b|[\[(](?i:conversation|chat|dialogue"
    r"|message|end of)[^\])]{0,20}(?i:ends?|over|closed|conversation)[\])]"
    r"|(?:--+|\u2014)\s*end of (?:the )?(?:message|turn|reply)\b",
)
_FENCE = re.compile(r"```|~~~")
_FENCED = re.compile(r"```.*?```|~~~.*?~~~", re.DOTALL)
_WHOLE_CODE = re.compile(
    r"\A\s*`[^`]+`\s*\Z|\A\s*\[\s*\"[^\"]*\"\s*\]\s*\Z|\A\s*\{\s*\"[^\"]+\"\s*:"
)
_MENTIONED = re.compile(r"(\w )<\|\w+\|>(?= [a-z])")
_FIELDS = re.compile(r"\{\s*[\"']\w+[\"']\s*:\s*[\"']")
_ASSIGNED = re.compile(
    r"""\A\W*(?:["']\w+["']\s*:|\w+_\w+\s*[:=]|\w+\s*=|(?:user|message|text|content|reply|response|role)\s*[:=])\s*(?:["'`\[{|]|\|\s*\n)""",
    re.I,
)
_OBJECT = re.compile(r"^(?:\w+\s*:\s*)?(?:```\w*\s*)?[\[{]\s*\{?\s*[\"']?\w+[\"']?\s*:", re.DOTALL)
_QUOTED_FENCE = re.compile(r"\A\s*(?:```|~~~)|(?:```|~~~)\s*(?:json|text|txt|md|markdown)\b")
_CODE_TALK = re.compile(
    r"\b(?:code|coding|program\w*|software|script|python|java\w*|pytest|sql|html|css|bug|function"
    r"|terminal|command line|regex|compiler|prompts?|chat products?|tokenizer|api)\b",
    re.IGNORECASE,
)
_CODE = re.compile(r"`[^`\n]+`|\s--\w|\w\(\)|\w+\.\w+\(|=>|==")

_BLANK = re.compile(
    r"_{3,}|\bX{3,}\b|\bXX\b(?! century)|\{\{?\s*[\w ']+\s*\}\}?|\(\s*(?:insert|fill in"
    r"|your)\b[^)]*\)"
)
_BRACKETS = re.compile(
    r"(?<![\w`\]])\[([^\W\d_][^\W\d\[\]]*(?:[ \w'\u2019,;/=-]*))\](?!\()|\u3007\u3007"
)
_ANGLE_BLANK = re.compile(r"(?<!\w)<[A-Za-z][\w ']{1,20}>")

_ROLES = (
    r"user|human|person|persona|character|me|myself|you|speaker|assistant|ai|bot|chatbot|helper"
    r"|usuari[oa]|asistente|utilisat(?:eur|rice)|assistante?|nutzer(?:in)?|benutzer(?:in)?|ich|du"
    r"|utente|用户|助手|用戶|उपयोगकर्ता|सहायक"
)
_ANSWERS = "response|reply|answer|model|system|agent|narrator|client|customer|q|a"
"""Words that label a line within a dialogue, but may well open a message."""
_LABEL = re.compile(
    rf"\A[\s*#\[(>_-]*(?:{_ROLES})\s*\d*(?: ?\([^)\n]*\))?[\])*_ ]*\s*[:\uff1a>]"
    rf"|\A\s*[\[(](?:{_ROLES})\s*\d*[\])]",
    re.IGNORECASE,
)
_LINE_LABEL = re.compile(
    rf"^[\s*#\[(>_-]*(?:the )?({_ROLES}|{_ANSWERS})\s*\d*[\])*_ ]*(?:[:\uff1a]|(?<=\))\s)",
    re.IGNORECASE | re.MULTILINE,
)
_INLINE_LABEL = re.compile(
    r"[.?!\"]\s+\W{0,2}(?:assistant|ai|user|bot|chatbot|human)\W{0,2}:\s", re.IGNORECASE
)
_NAME_LABEL = re.compile(
    r"\A[\s*\[(]*((?:[^\W\d_][\w'\u2019-]*)(?: [\w'\u2019-]+){0,2})(?: ?\([^)\n]{1,40}\))?[\])* ]*"
    r"\s*(?::|\uff1a|>| [-\u2013] )\s*(\S)"
)
_CASELESS_LABEL = re.compile(r"\A[\u0900-\u0dff\u3040-\u9fff\uac00-\ud7af]{1,12}\s*[:\uff1a]")
_OPENERS = frozenset((
    "question", "gegenfrage", "nachfrage", "rückfrage", "pergunta", "update", "edit", "ps",
    "context", "problem", "reason", "example", "note", "fact",
    "also", "first", "second", "third", "short", "today", "now", "answer", "so", "ok", "yes",
    "okay", "nope", "well", "right", "true", "fine", "hm", "hmm", "look", "listen", "again",
    "no", "topic", "warning", "confession", "idea", "plan", "options", "choices", "goal", "subject",
    "title", "summary", "todo", "tip", "story", "result", "symptoms", "frage", "kurz", "nota",
    "pregunta", "question", "domanda", "json", "thanks", "sorry", "seriously", "honestly",
))  # fmt: skip
_PARTIES = frozenset((
    "patient", "caller", "customer", "client", "guest", "visitor", "learner", "woman", "man",
    "girl", "boy",
))  # fmt: skip
_AGENT_NOUN = re.compile(
    r"(?:er|or|ist|ian|eer|man|woman|guy|girl|boy|lady|wife|nurse|chef|cook|clerk|monk|student"
    r"|pilot|vet|father|mother|eur|euse|ante|ero|era|वाला|वाली)$",
    re.IGNORECASE,
)

_CLOSING = re.compile(r"\b(?:thank|cheers|regards|love|bye|please)", re.IGNORECASE)
_ADVISES = re.compile(r"\byou(?:'re| could| can| should| may| might)\b", re.IGNORECASE)

_NUMBERED = re.compile(
    r"(?:\A|\n|[.?!]\s+)\W*(?:\(?(?:\d|[a-eA-E])\s?[).:]|[-•*])\s+(?=\S)|\A\(?\d\)"
)
_OPTION = re.compile(
    r"\b(?:options?|versions?|drafts?|choices?|alternatives?|variants?)\s*"
    r"(?:#?\d|one|two|[ab]\b)\s*[:.)-]"
    r"|\b(?:first|second|1st|2nd) (?:option|version|draft|choice|alternative)\s*:"
    r"|\b(?:pick|choose) (?:one of (?:these|them)|whichever)\b"
    r"|\b(?:possible|alternative|sample) (?:replies|messages|responses|answers)\b"
    r"|\b(?:two|three|four|several|some) (?:ways to (?:put|say)|options|versions"
    r"|possible)\b[^,.?!:]{0,40}:",
    re.IGNORECASE | re.DOTALL,
)
_ASKS = re.compile(
    r"(?:is|are|do|does|did|can|could|should|would|will|what|how|why|when|where|which|who|any)\b",
    re.I,
)
_WEIGHED = re.compile(
    r"\b(?:which (?:would|one|should|is|do|of)|what would you (?:take|pick"
    r"|choose))\b[^?]*\?\s*\Z|\b(?:thoughts|opinions?|verdict|ideas|better|preference)\?\s*\Z",
    re.IGNORECASE,
)
"""A person who lays out choices asks which to take."""
_QUOTED_CHOICES = re.compile(
    r"(?:विकल्प|opción|opção|variante|möglichkeit) ?\d|\balternatively\b[^.\n]{0,40}:|\bor, (?:if"
    r"|for) [\w ]{2,20}:|(?m:^\s*(?i:either|or)\s*:)|[.?!]\s*/\s*[A-Z\d]|[.?!]\s+OR\s+[A-Z]"
    r"|\b(?:either|any|one|both) of (?:these|the following|them) (?:would|could|might|works?)\b"
    r"|[\"“][^\"”]+[\"”]\s*(?:/|\bor\b|\|)\s*[\"“]"
)

_COUNT = re.compile(
    r"\bword count\b|\b(?:total )?words\s*:\s*\d"
    r"|[(\[](?:[^)\]\n]{0,12}(?:length|approx|about|total|count|~|:)\W*)?\s*(?:共"
    r"|约)?\s*\d+\s*(?:words?|sentences?|characters?|w[öo]rter|palabras|mots|parole"
    r"|字|个字|शब्द)(?![a-z])(?!,? (?:max|or |at |please|limit|each|per))"
    r"|(?:[-\u2013\u2014*]|[.!?])\s*\d+ (?:words|sentences)(?: total)?\W*\Z"
    r"|[~≈]\s*\d+ words|[(\[]\s*(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven"
    r"|twelve|twenty) (?:words?|sentences?)\s*[.)\]]",
    re.IGNORECASE,
)
_OPEN_NOTE = re.compile(r"\[[^\[\]\n]{0,60}\Z|(?<![:;=8x-])\(\s*(?![^()]*\))[^()\n]{0,60}\Z")
_NOTE = re.compile(
    r"[(\[]\s*(?:note|n\.\s?b|nota|anmerkung|remarque)\b|\n\s*\W?(?:note|nota|anmerkung|hinweis"
    r"|नोट)\s*:",
    re.I,
)

_SPAN = r"(?<![*\w])\*(?![*\s])[^*\n]*(?<!\s)\*(?![*\w])"
# One asterisk hugging each end, so neither **bold** nor 2 * 3 * 4; a single emphasised word inside
# a line is no stage direction.
_STARRED = re.compile(rf"(?:^|\n)\s*{_SPAN}|{_SPAN}\s*(?:$|\n)|(?=\*[^\s*]+ ){_SPAN}")
_FACE = (
    r"(?:sigh|smile|grin|laugh|chuckle|giggle|nod|frown|shrug|wink|blush|yawn|groan|pause"
    r"|spit|snort"
    r"|squint|mutter|whisper|wince|gulp|smirk|sob)(?:s|es|ing)?"
)
_BODY = (
    rf"(?:{_FACE}|shakes|rolls|leans|looks (?:at|away|up|down)|glances|gazes|stares|scratches"
    rf"|rubs"
    r"|wipes|clears|raises|slams|types|stretches|tilts|bites|sips|points at|crosses|adjusts"
    r"|takes an? (?:\w+ )?(?:breath|sip))"
)
_REPORTED_BODY = re.compile(rf"\A\s*(?:He|She|They) {_FACE}\b")
_PARENTHESIS = re.compile(
    rf"[(\[]\s*(?:\w+ly )?(?:nervous |soft |small |loud )?{_BODY}\b[^)\]\n]{{0,60}}[)\]]"
    r"|\A\W*\(\w{2,}s (?:the|her|his|at|up|down|around|over|out|off|into|to|a|an)\b[^)\n]{0,40}\)"
    r"|\A\W*(?:she|he|they) [^.?!:\n]{0,50}\b(?:types?|writes?|says?|texts?|sends?)\s*:"
    r"|, (?:she|he|they) (?:said|says|adds?|added|replied|replies|asked|asks|wrote|typed|answered"
    r"|muttered)(?: \w+ly)?[.?!]?\s*\Z"
    r"|\A\W*(?:with|in) an? [\w ]{2,20},? (?:she|he|they) \w+s\b"
    rf"|::[^:\n]{{3,60}}::|(?:^|(?<=\s))_(?:\w+ly )?{_BODY}\b[^_\n]{{0,40}}_(?=\s|$)"
    rf"|\bI (?:say|reply|answer|add|type|mutter|whisper|murmur"
    rf"|respond),?(?: [\w-]+){{0,2}} (?:with an? \w+|while \w+ing)"
    r"|[(\[*](?:long |short |awkward )?(?:pause|silence|beat)[)\]*]"
    rf"|\A\W*{_FACE},? [^.?!]{{0,20}}[.:]|, I (?:mutter|whisper|murmur|sigh)\b"
)


def marked_up(text: str, about: Iterable[str]) -> bool:
    """Whether `text` holds control marks, tags, a wrapping fence or an object in place of prose.

    Args:
        text: the message.
        about: who writes and what is talked about: code is no fault where code is the subject.
    """
    if _WHOLE_CODE.search(text):
        return True
    if not (_MENTIONED.search(text) or _FENCE.search(text) or _FIELDS.search(text)):
        return _has_control(text)
    code = bool(_CODE_TALK.search(" ".join(about)))  # which takes long to read
    if _FIELDS.search(text) and not code:
        return True
    if code:
        text = _MENTIONED.sub(r"\1", text)
    if _has_control(text):
        return True
    fences = len(_FENCE.findall(text))
    rest = _FENCED.sub(" ", text)
    if code and fences % 2 == 0 and len(rest.split()) > 2:
        return False
    return bool(fences) and bool(_QUOTED_FENCE.search(text) or fences % 2 or not code)


def _has_control(text: str) -> bool:
    return bool(_CONTROL.search(text) or _OBJECT.search(text) or _ASSIGNED.search(text))


def has_blank(text: str) -> bool:
    """Whether `text` holds a blank that somebody is to fill in."""
    if _BLANK.search(text):
        return True
    if _CODE.search(text):
        return False
    return bool(_BRACKETS.search(text) or (_ANGLE_BLANK.search(text)))


def labelled(text: str, persona: str) -> bool:
    """Whether `text` opens with the name or the role of who says it."""
    if _LABEL.search(text):
        return True
    if _CASELESS_LABEL.search(text):
        return True
    found = _NAME_LABEL.search(text)
    if not found or (head := found[1].split())[0].lower() in _OPENERS:
        return False
    if len(head) == 1 and ":" in found[0] and found[1][0].isupper() and found[2].isupper():
        return True
    if (
        len(head) == 1
        and ":" in found[0]
        and (lines_of_work(head[0]) or head[0].lower() in _PARTIES)
    ):
        return True
    if len(head) == 1 and re.search(rf"\ban? (?:\w+ )?{re.escape(head[0])}\b", persona, re.I):
        return True
    return bool(stems(found[1]) & stems(persona)) and bool(_AGENT_NOUN.search(head[-1]))


_WHOLLY_QUOTED = re.compile(r"\s*[\"“][^\"”]+[\"”]\s*\Z")
_QUOTED_LINES = re.compile(r"^\s*>.*\n+[^>\n].*\n+\s*>", re.MULTILINE)


def both_sides(text: str) -> bool:
    """Whether `text` holds a dialogue: two labelled speakers, or lines that answer each other."""
    if _INLINE_LABEL.search(text) or _QUOTED_LINES.search(text):
        return True
    labels = {found.lower() for found in _LINE_LABEL.findall(text)}
    lines = [line for line in text.splitlines() if line.strip()]
    if labels and len(lines) > 1 and not _LINE_LABEL.fullmatch(lines[0].strip()):
        return True
    if len(lines) > 2 and all(_WHOLLY_QUOTED.match(line) for line in lines):
        return True
    if len(lines) < 3 or "```" in text or any(re.match(r"\s*[-•*\d(]", line) for line in lines):
        return False
    return any(
        ("?" in line and not _CLOSING.search(after)) or _ADVISES.search(after)
        for line, after in pairwise(lines)
    )


def has_options(text: str) -> bool:
    """Whether `text` is several messages to choose from."""
    if _WEIGHED.search(text):
        return False
    if _OPTION.search(text) or _QUOTED_CHOICES.search(text):
        return True
    found = list(_NUMBERED.finditer(text))
    items = [text[each.end() :] for each in found]
    if len(items) > 1 and all(_ASKS.match(item) for item in items):
        return False  # several questions, not several messages
    bullets = [line for line in text.splitlines() if re.match(r"\s*[-•*] ", line)]
    if bullets and not all(re.search(r"[.?!][\"”)]?\s*\Z", line) for line in bullets):
        return False  # a list of things, not of messages
    return len(found) > 1 and not text[: found[0].start()].strip(" \n-•*")


def annotated(text: str) -> bool:
    """Whether `text` counts its own words or ends in a note about itself, whole or cut off."""
    return bool(_COUNT.search(text) or _OPEN_NOTE.search(text) or _NOTE.search(text))


def narrates(text: str) -> bool:
    """Whether `text` holds stage directions."""
    starred = any(not _titled(found[0]) and _acted(found[0]) for found in _STARRED.finditer(text))
    return starred or bool(_PARENTHESIS.search(text) or _REPORTED_BODY.search(text))


def _acted(span: str) -> bool:
    """Whether a starred span may be an act: several words, or one that looks like a verb."""
    words = re.findall(r"[^\W\d_]+", span)
    return len(words) != 1 or bool(re.search(r"(?:s|ing|ed)\Z", words[0]))


def _titled(span: str) -> bool:
    """Whether a starred span is the title of a work, several words of it capitalised."""
    words = re.findall(r"[^\W\d_]{4,}", span)
    return len(words) > 1 and all(word[0].isupper() for word in words)


def repeats_itself(text: str) -> bool:
    """Whether `text` says the same again and again."""
    said = [re.sub(r"\W+", " ", piece).strip().lower() for piece in sentences(text)]
    if any(said.count(piece) > (1 if len(piece.split()) > 3 else 3) for piece in said if piece):
        return True
    words = re.findall(r"\w+", text.lower())
    if len(words) < 9:
        return False
    runs = [tuple(words[i : i + 3]) for i in range(len(words) - 2)]
    return len(set(runs)) <= 0.5 * len(runs)
