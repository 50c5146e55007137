"""Which language a short message is in, judging by its letters and small words.

Chat messages are too short for a statistical language detector, so this looks for less: letters of
another script, or small words that only one language has. English is recognised by its small words
and by MiniLM's vocabulary, which contains English words whole and splits others; so a message in a
language without a word list is still recognised as not English. If the evidence is thin, there is
no verdict.
"""

import re
from functools import cache, lru_cache
from itertools import chain

from aloe.memory.embedder import read_vocabulary

OTHER = "other"
"""A language that is not English and has no list here."""

_SCRIPTS = {
    "ja": r"[\u3040-\u30ff]", "zh": r"[\u4e00-\u9fff]", "ko": r"[\uac00-\ud7af]",
    "hi": r"[\u0900-\u097f]", "bn": r"[\u0980-\u09ff]", "ta": r"[\u0b80-\u0bff]",
    "ru": r"[\u0400-\u04ff]", "el": r"[\u0370-\u03ff]", "ar": r"[\u0600-\u06ff]",
    "he": r"[\u0590-\u05ff]", "th": r"[\u0e00-\u0e7f]", "ka": r"[\u10a0-\u10ff]",
    "hy": r"[\u0530-\u058f]", "am": r"[\u1200-\u137f]",
}  # fmt: skip
_WORDS = {
    "en": "the of and is are was were my you your it its this that with for have has had do does "
    "did what how why when where which who not but if would could should can from they he she we "
    "i'm i've don't it's there their or be been about than just too any some one i so yes no "
    "at on "
    "im ive whats u ur lol idk mine me them him her before after will then now only much many "
    "every never always still get got go by up out because "
    "without can't won't isn't didn't need want make take still here these those man",
    "de": "er hat gestern im beim vom zur zum dem den des am dein sich hab schon geht wird haben "
    "wenn der die das und ist nicht ich mein meine mit auf für ein eine einen zu wie was "
    "warum wann "
    "soll aber auch noch zwei vier um wir sie mir mich habe bin sind kann von bei oder kein",
    "fr": "le la les des du et est pas je mon ma mes avec pour une un que qui dans sur ce "
    "cette vous "
    "nous tu il elle ils trois puis-je ou où comment pourquoi j'ai c'est à au aux ne se en comme",
    "es": "el los las y es no mi mis con para una un que del en por se qué cómo cuándo dónde "
    "está "
    "son tengo pero más muy yo usted le me al lo cuatro ayer o sirve eso hay desde sin",
    "pt": "hoje foi deve ser isso sabe fazer ele ela minha meus pra já era tem dos das o os as e "
    "é não meu minha com para uma um que do da em por se como quando onde "
    "está são "
    "tenho mas mais muito eu você ao ou",
    "it": "il lo gli e è non mio mia con per una un che di del della in se come quando dove "
    "sono ho "
    "ma più molto io lei al ogni basta quando perché si due",
    "nl": "de het een en is niet ik mijn met voor van op te dat die wat hoe waarom wanneer "
    "heeft hij "
    "zij wij veel moet meteen er naar ook nog maar dit",
    "pl": "i jest nie się na do że co jak czy moja mój dla po ale są to od za przez jakie czemu",
    "sv": "och är inte jag min mitt med för en ett att det som på hur varför när har men "
    "också av "
    "den till noen får til med på ikke jeg det en et av og er",
}
_LETTERS = {"es": "ñ¿¡", "de": "ß", "pt": "ãõ", "pl": "łąęśżźń", "sv": "åøæ"}
_SPOKEN_IN: dict[str, set[str]] = {}
for _name, _words in _WORDS.items():
    for _word in _words.split():
        _SPOKEN_IN.setdefault(_word, set()).add(_name)
_NAMES = {
    "german": "de", "deutsch": "de", "french": "fr", "français": "fr", "spanish": "es",
    "español": "es", "portuguese": "pt", "italian": "it", "italiano": "it", "dutch": "nl",
    "polish": "pl", "chinese": "zh", "mandarin": "zh", "hindi": "hi", "japanese": "ja",
    "korean": "ko", "russian": "ru", "arabic": "ar", "greek": "el", "swedish": "sv",
    "norwegian": "sv", "danish": "sv", "english": "en",
}  # fmt: skip
_WRITES = re.compile(r"\b(?:write|type|speak|chat|answer|text)s? (?:\w+ )?(?:in )?([A-Z]\w+)")
FEWEST_WORDS = 4
"""Words that a message in Latin letters needs to show its language."""
WHOLE = 0.5
"""Share of longer words found whole in an English vocabulary below which a text is not English."""


@lru_cache(maxsize=1024)
def language(text: str) -> str | None:
    """Return the code of the language of `text`, `OTHER`, or None where little shows."""
    if not text.isascii() and (found := _script(text)):
        return found
    words = re.findall(r"[^\W\d_]+(?:['\u2019-][^\W\d_]+)*", text.lower().replace("\u2019", "'"))
    if len(words) < FEWEST_WORDS:
        return None
    scores = dict.fromkeys(_WORDS, 0)
    for name in chain.from_iterable(_SPOKEN_IN.get(word, ()) for word in words):
        scores[name] += 1
    lowered = text.lower()
    for name, marks in _LETTERS.items():
        scores[name] += 2 * any(mark in lowered for mark in marks)
    best = max(scores, key=lambda name: scores[name])
    if scores[best] >= 2 and (best == "en" or scores[best] > scores["en"] + 1):
        return best
    english = scores["en"] * 8 > len(words) or _mostly_english(words)
    return None if english else OTHER


def _script(text: str) -> str | None:
    """Return the language whose letters a text is written in; None for Latin ones."""
    letters = max(1, len(re.findall(r"[^\W\d_]", text)))
    for name, script in _SCRIPTS.items():
        if len(re.findall(script, text)) > (0.1 if name == "ja" else 0.3) * letters:
            return name
    return None


def languages_of(persona: str, said: str) -> frozenset[str]:
    """Return the languages of a person: of its description, of the chat, and those it names."""
    named = {_NAMES.get(word.lower()) for word in _WRITES.findall(persona)}
    return frozenset(filter(None, {language(persona), language(said), *named}))


def _mostly_english(words: list[str]) -> bool:
    longer = [word for word in words if len(word) > 3]
    return not longer or sum(w in english_words() for w in longer) >= WHOLE * len(longer)


@cache
def english_words() -> frozenset[str]:
    """Return the words and pieces of words of MiniLM's vocabulary, in lower case."""
    return frozenset(read_vocabulary())
