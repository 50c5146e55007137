"""Whether a message talks about the message: thoughts, an introduction, a report, a verdict.

Models asked to write what somebody says often write about it instead. Each way of doing so has
typical phrases, mostly English ones here; the persona's words show who is being reported.
"""

import re

from aloe.agents.phrases import any_of

FIRST = re.compile(r"\b(?:I|me|my|mine|we|our|us|im|ive)\b|\bI'", re.IGNORECASE)
"""Words of who speaks of themselves, in English."""
_PERSON = r"(?:user|person|persona|character|simulated \w+|simulator)"
_MESSAGE = r"(?:message|reply|response|opening|turn|utterance)"
_COMMENTARY = any_of(
    r"\A\W*(?:thinking|thoughts?|(?:my )?reasoning|analysis|inner monologue|gedanken(?:gang)?"
    r"|réflexion|reflexión|pensamiento|pensando|ragionamento|思考|分析|विचार)\s*[:\uff1a]",
    r"\blet(?:'s| me|s) (?:think|see|consider|write)\b[^.?!\n]{0,60}"
    r"\b(?:user|persona|mood|(?:he|she|they|person) would|:)",
    r"\bpersonas?\b(?!l)|(?:\bstay\w* |\bremain\w* |\()in[ -]character\b|\brole-?play",
    rf"\b(?:the|this|next|a simulated|simulated) {_PERSON}(?:'s)? (?:(?:\w+ly|then|also|just|now"
    rf"|next|own) ){{0,2}}(?:would|wants?"
    r"|needs?|has to|should|must|might|asks?|says?|said|reply|message|response|voice|persona|turn"
    r"|replied|explains?"
    r"|responds?|mentions?|states?|tells)\b|\bin the user's (?:voice|words|shoes)\b",
    r"\bfrom the [\w-]+'s (?:point of view|perspective|viewpoint)\b|\bspeaking for the \w+\s*[:,]",
    rf"\A\W*[\w-]+(?:'s|s') (?:next )?{_MESSAGE}\s*:|\b{_MESSAGE} from (?:the )?\w+\s*:",
    rf"\ban? (?:fitting|possible|plausible|natural|suitable) (?:next )?{_MESSAGE}\b",
    r"\blet me (?:respond|answer|reply|speak|write) as (?:the|this|her|him)\b|\(kept \w+",
    r"\A\W*(?:as|being|speaking|acting|playing|taking|from|in)\b[^.?!\n]{0,50}\b(?:I(?:['\u2019]d"
    r"| would|['\u2019]ll| will)|my) (?:\w+ )?"
    r"(?:write|reply|respond|type|answer|message|response|ask for|say:|go:|put it)",
    r"\A\W*(?:understood|got it|noted|alright)[,.!] I(?:'ll| will) (?:be|write|keep|stay|play"
    r"|sound)\b|\bin the first person\b"
    r"|\b(?:the above|within (?:one|two|three) sentences)\b|\bI should (?:mention|bring up"
    r"|reveal)\b|\bmust include\b|\bI was told to (?:write|be|say|tell|keep)\b"
    r"|\bto be (?:disclosed|revealed|mentioned)\b|\byou are (?:\w+ )?user\b",
    r"\bthe user \w+s\b(?! (?:manual|guide))|\A[^:\n]{0,40}\b(?:antwort|nachricht|mensagem"
    r"|resposta|mensaje|respuesta|réponse|messaggio|risposta)\b[^:\n]{0,40}:\s",
    r"\A\W*as the user\b|\bI, as the user\b|, as the user,|\b(?:taking on|assuming|in|playing"
    r"|adopting) the (?:role|part|place|position) of (?:the|this|a|an)\b|\bthe user's (?:side"
    r"|role|part|end|turn)\b"
    r"|\bif I (?:was|were) (?:the|this|that) [\w ]{2,25},? I(?:'d| would)\b|\b(?:writing|typing"
    r"|replying|answering) as (?:the|this|a|an|her|him)\b",
    rf"\b(?:possible|suggested|sample|example|likely|potential) {_MESSAGE}\b|\bsince (?:he"
    rf"|she) (?:[\w'\u2019]+ ){{0,2}}(?:likes?|wants?|prefers?|hates?|uses?|is|has)\b"
    r"|\b(?:he|she)(?:'d| would) (?:\w+ )?(?:say|give|answer|reply|write|ask|use|keep)\b"
    r"|\bcharacter check\b",
    r"\bhere goes\b|\bmy attempt\b|\bthe way the \w+ would\b|\bthe assistant (?:asked|asks|said"
    r"|says|wants|suggested|suggests|offered"
    r"|replied|answered|just|gave|needs|will|should)\b",
    r"\bthe (?:profile|persona|description|character sheet|card)\b[^.?!]{0,12}\b(?:has|says|gives"
    r"|mentions|is|wants|lists|shows|does)\b"
    r"|\A\W*(?:task|objective|instructions?|requirements?|output|format|constraints?)\s*:",
    r"\b(?:keeps?|sticks?|stays?|holds?|true|close|faithful) (?:to|with|within) (?:the|her|his|my"
    r"|their) (?:notes?|persona|character|brief|role|voice|style)\b"
    r"|[✔✅☑✓]\s*\w|\w\s*[✔✅☑✓]",
    r"\bwhy this works\b|//\s*\w+, ",
    rf"\A\W*(?:user|the {_PERSON}|this {_PERSON}) (?:asks|says|wants|tells|requests|replies)\b",
    r"\b(?:I|we) (?:need|want|have|should|must|am|are) (?:to )?(?:write|produce|generate|craft"
    r"|compose|give) (?:a|as|the|this|his|her|their) (?:\w+ )?(?:message|reply|response|turn|line"
    r"|person|user|\w+ person)\b|\bI want something \w+ here\b",
    r"\b(?:my |the )?(?:output|draft|final|result|final answer)\s*:\s|\bnote about\b",
    r"\bso,? (?:I'll|I will|let me) (?:start|open|begin) with\b",
    r"\b(?:if I were|acting as|responding as|answering as|speaking as|in the (?:role|voice"
    r"|person)"
    r" of|from the (?:perspective|viewpoint|point of view) of) (?:the|this|that|her|him)\b"
    r"[^.?!\n]{0,30}(?:[,:]|\bI(?:'d| would)\b)|\bI, the user\b",
    r"\bas (?:the|this|that|her|him|an? (?:user|person))\b[^.?!,:\n]{0,30}[,:]? ?"
    r"(?:(?:I'd|I would|I'll|I will|I might|I could) (?:say|reply|answer|respond|ask|write|send)"
    r"|my (?:next )?(?:message|reply|response|answer))\b",
    r"\(as (?:this|the) \w+\)|\b(?:message|reply|response|answer) I'd (?:send|write|give)\b",
    r"\bmy (?:next )?(?:message|response|reply) (?:as|would be|could be|might be)\b",
    r"\b(?:here(?:'s| is)|below is|find below|the following is|this is) (?:the|an?|my|her|his"
    r"|one)"
    rf" (?:[\w'-]+ ){{0,3}}{_MESSAGE}(?: (?:from|as|of|for|in|that"
    rf"|the)\b[^.:\n]{{0,40}})?\s*[:.\n]",
    r"\A\W*here you go\b|\A\W*(?:sure|certainly|of course|okay|absolutely)\b[!,.]? "
    rf"(?:here(?:'s| is)|below|the (?:next|following|{_PERSON}|message))\b",
    rf"\A\W*(?:the )?(?:next|user|following) (?:\w+(?:'s)? )?{_MESSAGE}\b[^?!\n]{{0,40}}[:\n.]",
    rf"\bfind below\b|\A\W*{_MESSAGE}\s*:",
    rf"\b(?:{_PERSON}|she|he|they|one) (?:might|would|could|will|may) (?:\w+ )?(?:say|send"
    r"|respond|reply|write|answer|ask)(?: like this| something like|\s*:|:)",
    rf"\bI(?:'ll| will) (?:now )?write (?:the|a|this|her|his) (?:next )?{_MESSAGE}\b",
    rf"\b(?:next|following) {_MESSAGE} (?:might|would|could|may) (?:read|be)\b"
    rf"|\ban? {_MESSAGE} the \w+ (?:might|would|could) (?:send|write)\b",
    r"\b(?:tone|manner|mood|voice) (?:is |was )?(?:kept|preserved|noted|maintained)\b"
    r"|\b\w+ tone,|\b(?:tone|rationale)\s*:",
    r"(?:\n|\(|--|\u2014)\s*(?:this|it|which|the \w+) (?:message )?(?:reflects|keeps|matches|fits"
    r"|shows"
    r"|conveys|captures|leaves|includes)\b|\bto fit (?:his|her|their) \w+\b",
    r"\bas (?:requested|required|instructed|specified)\b|\b(?:requested|included|used)\s*:",
    r"\bnote (?:was |is |has been )?(?:included|used|worked in)\b",
    r"(?:^|[\n,*\[(:])\s*(?:[\w ]{0,20} )?(?:tone|question|questions|note|notes|fact|facts|mood"
    r"|length|style|language|persona"
    r"|character|role|voice|words?|manner|traits?|language|format|personality|message|short"
    r"|curt): (?:yes|check|done|ok|good|kept|included|met)\b",
    r"\b(?:this|the) (?:message|reply|response|answer|opening|question|line) (?:is|includes"
    r"|reveals|keeps|sounds|stays|matches|fits"
    r"|shows|reflects|uses|has|mentions|ends|asks|avoids|contains|captures)\b(?! (?:from|by"
    r"|I got))",
    r"[(\[\n]\s*(?:this|it|which) (?:\w+ )?(?:reveals|introduces|brings|works|hints|tells|uses"
    r"|mentions|asks|invites|lets)\b",
    r"\n\W*(?:explanation|rationale|justification|reason(?:ing)?|comment|context|summary|check"
    r"|self-check|verification)\s*:",
    r"\b(?:persona|character|in-character|role)[ -](?:consistent|appropriate|true)\b"
    r"|\bfor the character\b"
    r"|\b(?:note|fact) (?:used|woven|mentioned|revealed)\b|\btrue to (?:her|his|their"
    r"|the) (?:character|persona|voice|style)\b",
    r"\bin (?:the|this) (?:user|person|character|speaker)'s (?:place|position|role|voice|style"
    r"|tone|words|shoes|own)\b",
    r"\bI (?:would|'d|might|could|will) (?:respond|reply|answer|write|say|type"
    r"|put it)(?: back)?(?: with| like this| as follows| something like)?\s*:",
    r"\A\W*(?:(?:alright|ok|okay|sure|certainly|so|well|right|good)\W+)*(?:here(?:'s| is| are)"
    r"|below is|below are|this is|the following is|that's)"
    r" (?:what|how|the|a|an|one|her|his|their|my)\b(?![^:\n]{0,60}\b(?:I|we"
    r"|me) )[^:\n]{0,60}\b(?:type|types|write|writes|say|says|send|sends|ask|asks|line|message"
    r"|reply"
    r"|response|follow-up|turn|utterance|respond)\b[^:\n.]{0,40}[:\n.]",
    r"\A\W*(?:an?|the) (?:[\w,-]+ ){0,4}(?:message|reply|response|question|follow-up|opening"
    r"|line)(?: in which| where| that| from| by)\b",
    r"\bstep (?:1|one|2|two)\s*[:.]|\blet me (?:draft|make it|write|phrase|craft|word|put it)\b"
    r"|\b(?:first|second) draft\b",
    r"\bthe (?:note|notes|brief|prompt|instructions?|profile|task|scenario) (?:says?|wants?"
    r"|tells?|asks?|mentions?|requires?|is about)\b"
    r"|\bI (?:need|have|should|must|want) to (?:write|bring|mention|reveal|weave|work in|include"
    r"|keep|stay|sound|produce|add|use the)"
    r" (?:one|a|in|it|the|my|that)\b[^.?!]{0,30}\b(?:message|note|fact|short|character|cheerful"
    r"|persona|question|tone|sentence)\w*",
    r"\n\s*[(\[]?I (?:used(?! to)|kept|added|wrote|included|chose|made sure|tried|avoided"
    r"|followed|mentioned|matched|stayed|stuck|left out|went with)\b"
    r"|\bbased on the notes?\b|\bnotes? (?:provided|given|above)\b"
    r"|\bplaying (?:the|this|her|him)\b[^.,]{0,30}, (?:I|my)\b|\bhave the character\b"
    r"|\bin (?:his|her|their) (?:own )?(?:voice|words|role|place)\s*:"
    rf"|\A\W*(?:her|his|their) (?:next )?{_MESSAGE}\s*:",
    r"\bI kept it (?:to|short)|\bas this person (?:asks|likes|would)",
    r"\bals (?:nutzer(?:in)?|benutzer(?:in)?) (?:würde|sage|antworte)"
    r"|\bhier ist die (?:nächste )?"
    r"nachricht|\bich überlege\b[^.]{0,40}(?:sie|er) sagen würde",
    r"\bcomo usuari[oa], |\b(?:este es el|aquí tienes el|el siguiente) (?:siguiente )?mensaje\b",
    r"\ben tant qu'utilisat|\bvoici (?:le|la|un|une) (?:prochaine? )?(?:message|réponse)\b",
    r"\bcome utente\b|\becco il (?:prossimo )?messaggio",
    r"以下是.{0,8}(?:消息|回复)|下一条消息|这是.{0,8}(?:消息|回复)|अगला संदेश",
)
_SAYS = (
    r"(?:says|asks|replies|explains|responds|tells|wonders|admits|apologi[sz]es|requests|mentions"
    r"|writes|types|continues|states|expresses|jokes|describes|reveals|shares|argues|answers"
    r"|swears|grumbles|complains)"
)
_REPORTED = any_of(
    r"\A\W*(?:he|she|they) \w+\b[^?]*\b(?:and|then|while|before) (?:then )?(?:wonders?|wondering"
    r"|asks?|asking|wants? to know|requests?|inquires?)\b[^?]*\Z",
    r"\A\W*(?:he|she|they) (?:\w+ly )?(?:replies|responds|answers) (?:with|that)\b",
    rf"\A\W*(?:\w+ing, )?(?:he|she|they) (?:\w+ly )?(?:{_SAYS}|respond|ask|explain|reply)\b"
    r"[^?]*\b(?:and (?:asks?|wonders?|admits?|requests?|tells?|that)|whether|that|assistant)\b"
    r"[^?]*\Z",
    r"\bder (?:nutzer|\w+er) (?:sagt|fragt|antwortet),? |\bdie (?:nutzerin|\w+in) (?:sagt|fragt)",
    r"\bl'utilisat\w+ (?:dit|demande|répond)|\b(?:la usuaria|el usuario) (?:dice|pregunta"
    r"|responde)",
    r"\A\w+ (?:responde|dice|pregunta|explica) que\b|用户.{0,6}(?:说|问|回答|表示)|उपयोगकर्ता",
)
_SUBJECT = re.compile(
    rf"\A\W*(?:an? "
    rf"|the )?((?:[\w-]+ ){{0,6}}?[\w-]+):? (?:(?:\w+ly|then|also|now|finally) )?{_SAYS}\b[^?]*\Z",
    re.IGNORECASE,
)
_ANNOUNCED = re.compile(
    rf"\W*(?:the |this )?([\w-]+) (?:then |now |also )?{_SAYS}\s*:", re.IGNORECASE
)
_SOMEBODY = frozenset((
    "user", "pers", "woma", "man", "girl", "guy", "lady", "spea", "narr", "writ", "clie", "cust",
    "huma",
))  # fmt: skip
"""Beginnings of the words for somebody who is reported and not named."""


def comments(text: str, persona: str = "") -> bool:
    """Whether `text` speaks about the message or its writer rather than being the message.

    Args:
        text: the message.
        persona: who should write it, to tell a report of what that person says.
    """
    if _COMMENTARY.search(text) or (_REPORTED.search(text) and not FIRST.search(text)):
        return True
    found = _SUBJECT.search(text)
    spoken = _ANNOUNCED.match(text)
    if spoken and stems(spoken[1]) & {*stems(persona), *_SOMEBODY}:
        return True
    if not found or FIRST.search(text):
        return False
    subject = re.split(r" (?:of|in|with|from|on|at) ", found[1])[0]
    head = stems(subject.split()[-1])
    return bool(stems(subject) & stems(persona) or head & _SOMEBODY)


def stems(text: str) -> set[str]:
    """Return the first four letters of the longer words."""
    return {word[:4] for word in re.findall(r"[^\W\d_]{4,}", text.lower())}
