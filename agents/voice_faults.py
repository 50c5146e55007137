"""Whose voice a message is in, if it is not the person's own.

A simulator slips into other roles: it answers as the assistant, refuses to play, tells the
assistant how to play its part, thinks aloud about what the person would say, or reports it. Each
has typical phrases, mostly English ones; for seven other languages the commonest are listed. What
has no typical phrases is recognised by what is missing: long advice without an I or a question is
an answer, not a user's message.
"""

import re

from aloe.agents.commentary import FIRST, stems
from aloe.agents.languages import language
from aloe.agents.phrases import any_of
from aloe.schema import sentences

_MACHINE = (
    r"(?:ai|artificial intelligence|language model|computer(?: program)?|machine"
    r"|(?:piece of )?software|program|bot|chatbot"
    r"|text-based \w+|virtual (?:assistant|being)|digital assistant)"
)
_ASSISTANT = any_of(
    r"\blet me know how (?:it|you|things|that|this|your)\b|\bhere(?:'s"
    r"| is) an? (?:\w+ )?(?:checklist|list|plan|guide|summary|recipe|example|tip|outline"
    r"|breakdown|overview)\b"
    r"|\bkeeps? you company\b|\bI(?:'m| am) here if you\b|\bhave an? (?:safe|good|great|nice"
    r"|wonderful|lovely|pleasant) (?:trip|day|evening|night"
    r"|flight|time|journey|weekend|drive)\b(?:[!,.]| and)|\bsafe travels!?\W*(?:and|\Z)",
    r"\b(?:many|most|lots of|plenty of) (?:\w+ )?\w+ (?:feel|experience|struggle|find|go through"
    r"|face|have) (?:the same|this|it|that way)\b"
    r"|\bI hear you[.,!]|\bwould it (?:help|be helpful|make sense|be useful) (?:to|if)\b"
    r"|\bfind it helpful\b",
    r"\bplease share\b(?![^.?!]*\bme\b)|\bI (?:will|shall|would|'ll) (?:gladly|happily|be glad"
    r"|be happy)\b|\bwe (?:could|can) start (?:by|with)\b",
    r"\b(?:good thinking|well done|nice work|good job)\b|\bwishing you\b|\b(?:good"
    r"|best of) luck (?:with|on|and) (?:your|the|that)\b"
    r"|\benjoy your\b|\bplease don't worry\b|\bdon't worry[,:] (?!I\b)",
    r"\bit(?:'s| is) (?:completely |totally |perfectly |quite |very )?(?:understandable|normal"
    r"|natural|common|important|essential|okay|worth)"
    r" (?:to|that|for)\b(?![^.?!]*\b(?:I|my|me|we)\b)",
    r"\byour (?:budget|needs|preferences|situation|goals?|schedule|requirements|comfort|symptoms"
    r"|concerns?|experience|interests?"
    r"|circumstances|progress|journey|health|lifestyle|routine)\b",
    r"\bthank(?:s| you) for (?:the|these|those|that|your|letting|providing|clarifying|reaching"
    r"|asking) ?"
    r"(?:details|information|info|question|patience|me know|clarification|update|context|out"
    r"|kind words)?\b(?=[!.,])",
    r"\bbased on (?:them|that|this|what you|your|these)\b|\b(?:may|might) I ask (?:what|how"
    r"|which|where|who|when) (?:your?|the|it)\b(?=[^?]*\byour?\b|[^?]*\bused for)",
    r"\bI can (?:adapt|adjust|tailor|narrow|refine|explain|show you|walk|look (?:it|into)|draft"
    r"|create|prepare)\b",
    r"\b(?:can|could|would) (?:work|fit|suit|serve) (?:well )?(?:for )?you\b|\b(?:serve"
    r"|suit) you well\b",
    r"\bas an? (?:\w+ )?(?:ai|language model)\b",
    r"\bI(?:'m| am) (?:just )?an? (?:\w+ )?(?:ai|language model)\b",
    rf"\b(?:I'm|I am|as|since|being|because I'm)(?: just| only"
    rf"| merely)? an? (?:\w+ )?{_MACHINE}\b",
    r"\bhow (?:can|may|could) I (?:help|assist|support) you\b",
    r"\b(?:I(?:'m| am)|we(?:'re| are)) here to (?:help|assist|support)\b",
    r"\bas your (?:\w+ )?assistant\b",
    r"\bit(?:'s| is) (?:great|wonderful) that you\b",
    r"\b(?:sorry|glad|great|good|happy|sad|nice|lovely) to hear (?:that )?(?:you|about your|your"
    r"|it|this)\b",
    r"\bhave you (?:already )?(?:tried|considered|thought about|spoken|talked|consulted|seen a"
    r"|checked)\b"
    r"(?! (?:it|that|one) yourself)",
    r"\b(?:you'd|you would|you want|would you) (?:like|want|prefer|care)(?: me)? to (?:know"
    r"|discuss|talk|explore|share|hear"
    r"|focus|start with|go over|learn|try|look)\b",
    r"\bhappy to (?:go over|walk|help|explain|share|discuss|suggest|provide|assist|answer"
    r"|give you)\b",
    r"\blet's (?:put together|look at|break|start (?:with|by)|explore|take a look|figure"
    r"|work (?:on|through|out)|go through"
    r"|dive|begin|talk about|see what we|see how we|make (?:a|you))\b(?![^.?!]*\bI\b)",
    r"\bhow long (?:have you been|has (?:this|it) been|have you had)\b|\byou've got this\b"
    r"|\bremember, (?!I\b)\w+",
    r"\bwhat (?:kind|sort|type) of \w+ (?:are|do|would|were) you (?:consider|look|think|need"
    r"|want|prefer|hav|us|interest)\w*",
    r"\b(?:that|this) (?:sounds|must be|must have been) (?:really |very |so |quite "
    r"|incredibly )?(?:tough|hard|difficult"
    r"|frustrating|challenging|stressful|exhausting|wonderful|lovely|exciting|great|delicious)\b",
    r"\bwhat an? (?:\w+ )?(?:way|idea|question|story|achievement|project|hobby) (?:to|you|for)\b",
    r"\byou (?:deserve|should be proud|are not alone|aren't alone)\b|\bkeep me posted\b|\bI(?:'d"
    r"| would) be (?:happy|glad|delighted) to\b",
    r"\b(?:tell me (?:more|a bit more|a little more)|share (?:more|a bit more))"
    r" (?:about(?! your (?:first|second|third|last|other) )|so)\b",
    r"\b(?:could|can|would) you (?:tell|share|provide|give) me (?:more|some more|a bit more"
    r"|additional|your)\b"
    r"|\bwhat (?:else )?(?:can|may|could) I (?:do|help|assist)\b[^.?!]{0,20}\bfor you\b"
    r"|\bdoes (?:that|this) help\?",
    r"\b(?:here's|here is) what (?:you|I(?:'d| would)? (?:recommend|suggest|advise))\b"
    r"|\bmy advice (?:is|would be)\b",
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
    r"\bI(?:'d| would) (?:strongly )?(?:recommend|suggest|advise)\b(?! \w+ to (?:nobody|no one))"
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
_REFUSAL = any_of(
    r"\b(?:can(?:'|no|\u2019)?t|can not|won't|will not|unable to|not able to|not comfortable"
    r"|(?:have|need|must|has) (?:to )?decline|decline to|refuse to|not possible for me to"
    r"|must not|not going to|(?:don't|do not) think it(?:'s| is| would be) (?:appropriate|right"
    r"|ethical)|rather not"
    r"|prefer not to|inappropriate|uncomfortable|shouldn't|should not|can(?:no"
    r"|')t in good conscience)\b[^.?!]{0,45}\b(?:pretend|pretending|role-?play\w*|impersonat\w+"
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
    r"\b(?:goes|is) against (?:my|the) (?:guidelines|policy|policies|rules|programming)\b",
    r"\bnot something I can do\b|\b(?:don't|do not) have (?:the ability|the capacity|a body"
    r"|feelings) ?(?:to)?\b",
    r"\bI(?:'m| am)? ?(?:can(?:'|no)t|unable to|not able to|won't|will not) (?:generate|provide"
    r"|create|fulfil?l|produce|complete|comply|engage|continue)\b"
    r"|\bI can only (?:provide|offer|answer|respond|help|assist|give)\b",
    r"^I can(?:'|no)t (?:help|assist) (?:you )?with (?:that|this)\b",
    r"\bI(?:'m| am) (?:just|only|merely) software\b|\b(?:my|our) (?:guidelines|policies"
    r"|programming)",
    r"\bI(?: do not|'ve| have| don't)(?: have)?(?: no| an?)? (?:body|physical form"
    r"|personal experiences"
    r"|feelings|human experiences)\b|\bfalls? outside what I\b",
    r"\bno puedo (?:hacerme|interpretar|asumir|fingir|continuar)|\bmodelo de lenguaje",
    r"\bkann (?:diese|die|den|das|so) (?:rolle|person|part)\b|\bsprachmodell\b"
    r"|\bals ki\b|\bkünstliche intelligenz",
    r"\bje ne (?:peux|puis) pas (?:jouer|incarner|prétendre|me faire)|\bmodèle de langage",
    r"\bnon posso (?:interpretare|fingere|impersonare)|\bmodello linguistico",
    r"(?:不能|无法)(?:扮演|继续|假装)|语言模型|भूमिका (?:नहीं|निभा)|भाषा मॉडल",
)
_COACHING = any_of(
    r"\byou(?: should|'re meant to| are meant to| could| might| must| need to| may)"
    r"(?: now| next| also)? (?:ask|praise) (?:me|about)\b",
    r"\b(?:now|next|then|please|go on,?|kindly)\b[^.?!]{0,20}\bask (?:me|about)\b",
    r"\bask (?:me )?(?:a question )?about my\b|\bask me\b[^.?!]{0,40}\b(?:so|next|natural)\b",
    r"\byour (?:reply|answer|response|line|turn|message)s?\b[^.?!]{0,20}\b(?:should|must"
    r"|needs? to|ought|has to)\b",
    r"\byou (?:forgot|should have|could have|were supposed|are supposed"
    r"|were meant)(?: to)? (?:ask|asked|bring|brought"
    r"|mention|mentioned|raise|raised|play|stay)\b|\b(?:next|third|fourth|following|this) turn\b",
    r"\b(?:answer|reply|respond|stay|remain|be|play|act|keep)\b[^.?!]{0,15}\bin (?:character"
    r"|role|your role)\b",
    r"\byou (?:are|'re) (?:playing|the assistant|supposed to be the)\b|\b(?:play"
    r"|keep) your (?:part|role)\b",
    r"\b(?:then|so) I(?:'ll| will| can| could) (?:tell you|talk|bring up|mention|reveal"
    r"|say) (?:about|my|that I)\b",
    r"\b(?:do|say) that now and I(?:'ll| will)\b|\bpretend (?:that )?you (?:don't|do not"
    r"|didn't) know\b",
    r"\blet's make (?:this|it|the) (?:\w+ )?(?:more|less) \w+|\bask me (?:why|how|whether|if|when"
    r"|where|about)\b"
    r"|\b(?:fits?|matches|from|in|per|to) my notes\b|\bin this (?:simulation|role-?play|scenario"
    r"|exercise)\b",
    r"\bbe more \w+ next time\b|\bsound (?:more )?like (?:an? |the )?(?:ai|assistant|chatbot"
    r"|human|person|user)\b|\bfollow up with (?:a|another)\b"
    r"|\byou(?:'re| are) the (?:ai |chat ?)?(?:assistant|bot)\b|\bgood (?:answer|reply"
    r"|response)[,;.] now\b|\b(?:has|needs|with) (?:more )?tension\b",
    r"\bso (?:that )?I (?:can|could|may|will) (?:object|disagree|complain|push back|argue|react"
    r"|follow up|protest)\b"
    r"|\b(?:disagree|argue|agree) with me (?:about|on|so|more,|now)\b|\byou (?:may|might"
    r"|could) want to ask\b",
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
_TIP = re.compile(
    r"\W*(?:try (?:to|\w+ing)|avoid|consider|make sure|start (?:by|with)|begin (?:by|with)"
    r"|(?:use|keep|check|add|place|store|apply|mix|soak|rinse|wipe|clean|heat|bake|stir|choose"
    r"|limit|reduce|increase|remove|replace"
    r"|monitor|measure|drink|eat|stretch|breathe|practi[sc]e|wear|opt|look|aim|ensure|prepare|set"
    r"|take|turn|wait|cover|cut) "
    r"(?![^.?!]*\b(?:words?|lines?|answers?|lists?|sentences?|short|please|table)\b)"
    r"|aim (?:to|for)|remember to|be sure to|always|you (?:should|could|can|may|might))\b",
    re.IGNORECASE,
)
_ADDRESS = re.compile(
    r"\b(?:you|your|yours)\b|(?:\A|[.;!:]\s|\b(?:and|or|then|so) )(?:try|keep|use|do|don't|avoid"
    r"|add|put|take|make|start|begin|open|set|spread|leave|drill|clean|cut|go|ask|tell|apply|plan"
    r"|watch|give|swap|check|remember|write|blast|strengthen)\b",
    re.IGNORECASE,
)
_WISH = re.compile(
    r"\W*(?:sorry|please|and|so|what|how|who|why|when|where|which|whose|is|are|was|do|does|did"
    r"|has|have|would|will|can|could|should"
    r"|may|write|make|give|tell|list|explain|compare|summari[sz]e|describe|name|recommend"
    r"|rephrase|translate|draft|find|show|put"
    r"|state|quote|cite|turn|say|pick|any|anything|thanks|thank)\b",
    re.IGNORECASE,
)
_YOURS = re.compile(r"\byour (?:own |new |old |current )?([^\W\d_]+)", re.IGNORECASE)
_TASTE = re.compile(
    r"\b(?:favou?rite|opinion|view|take|source|proof|advice|answer|reply|guess|idea|word|tip"
    r"|list|if you (?:were|had)|would you)\b",
    re.IGNORECASE,
)
_INTERJECTION = re.compile(
    r"\A\W*(?:sure|yes|no|great|okay|ok|of course|certainly|absolutely|perfect)\b[.,!]\s*", re.I
)
_QUOTED = re.compile(r"[\"“][^\"”\n]*[\"”]|(?<!\w)'[^'\n]{3,}'(?!\w)")
OWN_WORDS = 5
"""Fewest words outside quotes of a message that quotes somebody."""
OPENING_WORDS = 6
"""Fewest words of the first sentence of an explanation."""
GENERAL_WORDS = 9
"""Fewest words a sentence where it states something and neither asks nor wishes."""
ANSWER_WORDS = 14
"""Fewest words of a message that counts as advice: shorter ones are wishes."""
TIP_WORDS = 8
"""The same where it opens as advice does."""
LECTURE_WORDS = 17
"""The same where nobody is addressed."""


def speaks_as_assistant(text: str, *, opening: bool) -> bool:
    """Whether `text` offers help or gives advice; an opening message answers nobody."""
    advises = not opening and language(text) in (None, "en") and _advises(text)
    return bool(_ASSISTANT.search(text)) or advises


def _advises(text: str) -> bool:
    """Whether somebody explains at length, without a word of themselves and without a question.

    Who answers a question in a word or two before they go on is being asked, not asking; so is who
    types without capitals.
    """
    words, pieces = len(text.split()), sentences(_INTERJECTION.sub("", text)) or [text]
    if "?" in text or FIRST.search(text) or pieces[0][:1].islower():
        return False
    if _TIP.match(text) and words >= TIP_WORDS:
        return True
    if len(pieces[0].split()) < OPENING_WORDS:
        return False
    general = words >= GENERAL_WORDS * len(pieces) and not _WISH.match(text)
    advised = words >= ANSWER_WORDS and bool(_ADDRESS.search(text))
    return words >= LECTURE_WORDS or general or advised


def without_quotes(text: str) -> str:
    """Return a message without what it quotes; all of it if next to nothing would be left."""
    left = _QUOTED.sub(" ", text)
    return left if len(left.split()) >= OWN_WORDS else text


def addresses_oneself(text: str, own: str) -> bool:
    """Whether `text` calls yours what is the writer's own, as only somebody else would.

    Args:
        text: the message.
        own: what the writer has and does, in their words.
    """
    pieces = [each for each in sentences(text) if not (_TASTE.search(each) or FIRST.search(each))]
    named = {word[:4].lower() for word in _YOURS.findall("\n".join(pieces)) if len(word) > 3}
    return bool(named) and not named.isdisjoint(stems(own))


def declines(text: str) -> bool:
    """Whether `text` refuses the part or the answer, or says that a machine speaks."""
    return bool(_REFUSAL.search(text))


def coaches(text: str) -> bool:
    """Whether `text` tells the assistant how to play its part in a simulation."""
    return bool(_COACHING.search(text))
