"""Whose voice a message has, if it is not the person's own.

A simulator slips into other parts: it answers as the assistant, declines the part, tells the
assistant how to play its own, thinks aloud about what the person would say, or reports it. Each has
its turns of phrase, in English above all; for seven other languages the commonest are listed. What
has no phrase of its own is told by what it lacks: advice at length in which nobody says I and
nothing is asked is an answer, not a question.
"""

import re


def _any(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(patterns), re.IGNORECASE)


_MACHINE = (
    r"(?:ai|artificial intelligence|language model|computer(?: program)?|machine"
    r"|(?:piece of )?software|program|bot|chatbot"
    r"|text-based \w+|virtual (?:assistant|being)|digital assistant)"
)
_ASSISTANT = _any(
    r"\bas an? (?:\w+ )?(?:ai|language model)\b",
    r"\bI(?:'m| am) (?:just )?an? (?:\w+ )?(?:ai|language model)\b",
    rf"\b(?:I'm|I am|as|since|being|because I'm)(?: just| only"
    rf"| merely)? an? (?:\w+ )?{_MACHINE}\b",
    r"\bhow (?:can|may|could) I (?:help|assist|support) you\b",
    r"\b(?:I(?:'m| am)|we(?:'re| are)) here to (?:help|assist|support)\b",
    r"\bas your (?:\w+ )?assistant\b",
    r"\bit(?:'s| is) (?:great|wonderful) that you\b",
    r"\bglad I could help\b|\Ayou(?:'re| are) welcome[!.]"
    r"|\bI hope (?:this|that) helps(?: you)?[.!]",
    r"\bhere(?:'s| is) (?:a|an|the|your) (?:\w+ )?(?:plan|list|guide|summary|recipe) for you\b",
    r"\banything else, (?:just|please|feel)\b|\bno (?:problem|worries)[,!] (?:here|I)\b",
    r"\blet me know (?:if|whether|what|which|how|when) (?:you|I|there|anything|we|this)\b",
    r"\bfeel free to\b|\b(?:don't|do not|please don't) hesitate to\b",
    r"\bI(?:'m| am|'d be|'ll) (?:always )?(?:happy|glad|gladly|delighted|pleased)"
    r" (?:to )?(?:help|explain|suggest|take|walk|assist|show|draft|look|provide|offer)\b",
    r"\bI(?:'m| am) (?:so )?(?:glad|happy|sorry) to hear\b|\bI(?:'m| am) glad the\b",
    r"\bis there anything else\b|\bdo you need (?:any |some |more )?(?:help|assistance|advice)\b"
    r"|\btell me (?:more )?about your (?:job|work|day|diet|family|hobb\w+|life|plans|interests)\b"
    r"|\bif you (?:have|need|want|would like) (?:any|more|further|some"
    r"|other)(?: \w+)? (?:questions?"
    r"|help|information|advice|assistance|tips|support|ideas|suggestions)\b",
    r"\bwould you like (?:me|a few|some|more|an?|to (?:know|see|hear))\b|\bif you'd like\b",
    r"\b(?:shall|can|may|should) I (?:rewrite|outline|suggest|look up|draft|list|explain) ",
    r"\bI(?:'d| would) (?:strongly )?(?:recommend|suggest|advise)\b"
    r"|\bI (?:strongly )?(?:recommend|suggest|advise) (?:you|that|an? |the |(?!nothing)\w+ing )",
    r"\bthat(?:'s| is) an? (?:great|wonderful|excellent|good|fantastic) "
    r"(?:question|choice|step|first|start|idea|goal)",
    r"\b(?:great|excellent|wonderful) (?:question|choice)\b(?!\")",
    r"\bI (?:completely |fully |totally )?understand (?:how (?:you|that|this|it|\w+(?:ing|ful"
    r"|ult|hard))"
    r"|that you|your)\b|\bI understand,? .*\bthat must\b",
    r"\bI can (?:help|assist|suggest|recommend|offer|provide|guide|take a look)\b",
    r"\b(?:please|kindly) (?:provide|share|paste|specify) (?:your|more|me|the (?:full|exact))\b"
    r"|\byou (?:can|could|might|may) also (?:want to |consider |try )?\w+|\bhappy to help\b",
    r"\blet me (?:help|assist|explain|walk|guide|suggest) you?\b",
    r"\bhere are (?:some|a few|three|several|five)\b|\bthank(?:s| you) for (?:sharing|the desc)",
    r"\bconsult (?:a|your) (?:doctor|physician|professional)\b|\bplease see an? \w+ist\b",
    r"\bwelcome back!|\bwhat would you like (?:help|to know|to)\b|\bkeep up the good work\b",
    r"\byou(?:'re| are) doing (?:great|well)\b|\bdon't be discouraged\b",
    r"\bit sounds like (?:you|the|your)\b|\bcongratulations on your\b|\bcould be a .* detail!",
    r"\bestoy aquí para ayudar|\bsi tiene[s]? (?:más|otra|alguna)|\bno dude[s]? en\b",
    r"\bqué más dese|\bespero que esto (?:le|te) ayude|\ben qué puedo ayudar",
    r"\bn'hésite[sz]? pas\b|\bje suis là pour\b|\bje peux (?:vous|t'|te )\s?(?:aider|proposer)",
    r"\bcomment puis-je vous aider|\bsouhaitez-vous (?:que|d'autres)",
    r"\b(?:gerne )?helfe ich (?:ihnen|dir)|\bkann ich (?:dir|ihnen) (?:sonst |noch |bei )",
    r"\bhaben sie (?:noch )?(?:weitere |andere )?fragen|\bich kann ihnen (?:helfen|gerne)",
    r"\bsono (?:qui per|a (?:sua|tua) disposizione)|\bposso aiutar|\bse ha altre domande",
    r"为您服务|我来帮您|随时告诉我|请告诉我(?:您|更多)|还有其他问题|作为(?:一个)?人工智能",
    r"सहायता के लिए|मदद कर सकत|एआई सहायक",
)
_REFUSAL = _any(
    r"\b(?:can(?:'|no|\u2019)?t|can not|won't|will not|unable to|not able to|not comfortable"
    r"|(?:have|need|must|has) (?:to )?decline|decline to|refuse to|not possible for me to"
    r"|must not|not going to)\b[^.?!]{0,45}\b(?:pretend|pretending|role-?play\w*|impersonat\w+"
    r"|simulat\w+|act as|acting as|be this|take on|produce a|assume|(?:this|that|the) (?:role"
    r"|part"
    r"|character|persona)|continue (?:this|with)|continue in|(?:respond|answer|reply|speak"
    r"|write) "
    r"(?:as|this message|for (?:this|the) (?:person|user))|portray|play (?:this|the|a)"
    r"|engage in)\b",
    r"\b(?:sorry|apologi[sz]e|apologies|unfortunately),? (?:but )?I(?:'m| am)?(?: can(?:'|no)t"
    r"| unable to| not able to) (?:help|assist|do that|provide|fulfill?|comply|continue"
    r"|answer that"
    r"|discuss|support|complete|engage|participate|simulate)\b",
    r"^I can(?:'|no)t (?:help|assist) (?:you )?with (?:that|this)\b",
    r"\bI(?:'m| am) (?:just|only|merely) software\b|\b(?:my|our) (?:guidelines|policies"
    r"|programming)",
    r"\bI(?: do not|'ve| have| don't)(?: have)? no? ?(?:body|physical form|personal experiences"
    r"|feelings|human experiences)\b|\bfalls? outside what I\b",
    r"\bno puedo (?:hacerme|interpretar|asumir|fingir|continuar)|\bmodelo de lenguaje",
    r"\bkann (?:diese|die|den|das|so) (?:rolle|person|part)\b|\bsprachmodell\b"
    r"|\bals ki\b|\bkünstliche intelligenz",
    r"\bje ne (?:peux|puis) pas (?:jouer|incarner|prétendre|me faire)|\bmodèle de langage",
    r"\bnon posso (?:interpretare|fingere|impersonare)|\bmodello linguistico",
    r"(?:不能|无法)(?:扮演|继续|假装)|语言模型|भूमिका (?:नहीं|निभा)|भाषा मॉडल",
)
_COACHING = _any(
    r"\byou(?: should|'re meant to| are meant to| could| might| must| need to| may)"
    r"(?: now| next| also)? (?:ask|praise) (?:me|about)\b",
    r"\b(?:now|next|then|please|go on,?|kindly)\b[^.?!]{0,20}\bask (?:me|about)\b",
    r"\bask (?:me )?(?:a question )?about my\b|\bask me\b[^.?!]{0,40}\b(?:so|next|natural)\b",
    r"\byour next (?:reply|line|message|answer|turn|response|question)\b",
    r"\b(?:next time|in your next)\b[^.?!]{0,30}\b(?:answer|reply|say)\b",
    r"\b(?:so|then) (?:that )?I (?:can|will|could|may|'ll) (?:then )?(?:reveal|mention|work|react"
    r"|bring|tell|do my|share)\b|\bi(?:'ll| will) reveal\b|\bwait until I bring\b",
    r"\b(?:has|have)(?:n't| not) been (?:covered|mentioned|revealed)\b|\bthe notes? (?:want|say)",
    r"\b(?:respond|reply|answer|act|behave) as (?:the|an) (?:ai )?assistant\b"
    r"|\byour role as\b|\bit(?:'s| is) your turn\b",
    r"\b(?:look|looks|feel|feels|sound|sounds|makes?)\b[^.?!]{0,30}\b(?:realistic|natural)\b",
    r"\b(?:move|keep) the (?:dialogue|conversation|talk|chat) (?:along|going|natural)",
    r"\bact (?:surprised|a bit|more)\b|\bdon't mention my\b|\bgive me a chance to mention\b",
    r"\b(?:in|that's) the (?:next thing in the )?(?:third|fourth|next|second) turn\b",
    r"\bnext thing in the notes\b|\btry again and (?:this time )?\w+"
    r"|\bit would be better if you\b",
    r"\bbetter (?:reply|response|answer) (?:from you )?would be\b",
)
_PERSON = r"(?:user|person|persona|character|simulated \w+|simulator)"
_MESSAGE = r"(?:message|reply|response|opening|turn|utterance)"
_COMMENTARY = _any(
    r"\A\W*(?:thinking|thoughts?|(?:my )?reasoning|analysis|inner monologue|gedanken(?:gang)?"
    r"|réflexion|reflexión|pensamiento|pensando|ragionamento|思考|分析|विचार)\s*[:\uff1a]",
    r"\blet(?:'s| me|s) (?:think|see|consider|write)\b[^.?!\n]{0,60}"
    r"\b(?:user|persona|mood|(?:he|she|they|person) would|:)",
    r"\bpersonas?\b(?!l)|\b(?:stay\w* |remain\w* |\()in[ -]character\b|\brole-?play",
    rf"\b(?:the|this|next|a simulated|simulated) {_PERSON}(?:'s)? (?:\w+ ){{0,2}}(?:would|wants?"
    r"|might|asks?|says?|said|reply|message|response|voice|persona|turn|replied|explains?"
    r"|responds?|mentions?|states?|tells)\b|\bin the user's (?:voice|words|shoes)\b",
    r"\bfrom the [\w-]+'s (?:point of view|perspective|viewpoint)\b|\bspeaking for the \w+\s*[:,]",
    rf"\A\W*[\w-]+(?:'s|s') (?:next )?{_MESSAGE}\s*:|\b{_MESSAGE} from (?:the )?\w+\s*:",
    rf"\ban? (?:fitting|possible|plausible|natural|suitable) (?:next )?{_MESSAGE}\b",
    r"\blet me (?:respond|answer|reply|speak|write) as (?:the|this|her|him)\b|\(kept \w+",
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
    r"(?:\n|\(|--|—)\s*(?:this|it|which|the \w+) (?:message )?(?:reflects|keeps|matches|fits"
    r"|shows"
    r"|conveys|captures|leaves|includes)\b|\bto fit (?:his|her|their) \w+\b",
    r"\bas (?:requested|required|instructed|specified)\b|\b(?:requested|included|used)\s*:",
    r"\bnote (?:was |is |has been )?(?:included|used|worked in)\b",
    r"(?:^|[\n,*\[(:])\s*\w[\w ]{0,30}: (?:yes|check|done)\b",
    r"\n\s*[(\[]?I (?:used(?! to)|kept|added|wrote|included|chose|made sure|tried)\b"
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
    r"|states|expresses|jokes|argues|answers|swears|grumbles|complains)"
)
_REPORTED = _any(
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
    rf"|the )?((?:[\w-]+ ){{0,4}}?[\w-]+):? (?:\w+ly )?{_SAYS}\b[^?]*\Z",
    re.IGNORECASE,
)
_TIP = re.compile(
    r"\W*(?:try (?:to|\w+ing)|avoid|consider|make sure|start (?:by|with)|begin (?:by|with)"
    r"|aim (?:to|for)|remember to|be sure to|always|you (?:should|could|can|may|might))\b",
    re.IGNORECASE,
)
_FIRST = re.compile(r"\b(?:I|me|my|mine|we|our|us|im|ive)\b|\bI'", re.IGNORECASE)
_ADDRESS = re.compile(
    r"\b(?:you|your|yours)\b|(?:\A|[.;!:]\s|\b(?:and|or|then|so) )(?:try|keep|use|do|don't|avoid"
    r"|add|put|take|make|start|begin|open|set|spread|leave|drill|clean|cut|go|ask|tell|apply|plan"
    r"|watch|give|swap|check|remember|write|blast|strengthen)\b",
    re.IGNORECASE,
)
ANSWER_WORDS = 14
"""Fewest words of a message that counts as advice: shorter ones are wishes."""
TIP_WORDS = 8
"""The same where it opens as advice does."""
LECTURE_WORDS = 17
"""The same where nobody is addressed."""


def speaks_as_assistant(text: str, *, opening: bool) -> bool:
    """Whether `text` offers help or gives advice; an opening message answers nobody."""
    return bool(_ASSISTANT.search(text)) or (not opening and _advises(text))


def _advises(text: str) -> bool:
    """Whether somebody explains at length, without a word of themselves and without a question."""
    words = len(text.split())
    if "?" not in text and not _FIRST.search(text) and _TIP.match(text) and words >= TIP_WORDS:
        return True
    if words < ANSWER_WORDS or "?" in text or _FIRST.search(text):
        return False
    return words >= LECTURE_WORDS or bool(_ADDRESS.search(text))


def declines(text: str) -> bool:
    """Whether `text` refuses the part or the answer, or says that a machine speaks."""
    return bool(_REFUSAL.search(text))


def coaches(text: str) -> bool:
    """Whether `text` tells the assistant how to play its part in a simulation."""
    return bool(_COACHING.search(text))


def comments(text: str, persona: str = "") -> bool:
    """Whether `text` speaks about the message or its writer rather than being the message.

    Args:
        text: the message.
        persona: who should write it, to tell a report of what that person says.
    """
    if _COMMENTARY.search(text) or (_REPORTED.search(text) and not _FIRST.search(text)):
        return True
    found = _SUBJECT.search(text)
    if not found or _FIRST.search(text):
        return False
    return bool(stems(found[1]) & {*stems(persona), "user", "pers"})


def stems(text: str) -> set[str]:
    """Return the first four letters of the longer words."""
    return {word[:4] for word in re.findall(r"[^\W\d_]{4,}", text.lower())}
