"""What people are usually asked about, and how the answers sound.

"What do you do for a living?" and "I mend nets" have no word in common, and their vectors are no
nearer than those of strangers. So a question on one of the usual topics is also compared with
sentences that answer such questions. Age, home and aims are told by how a sentence begins, the
other topics by its likeness to the examples. An example never speaks for the same sentence.
"""

import re
from dataclasses import dataclass
from functools import cache

from aloe.memory.composition import read_parts
from aloe.memory.words import compile_any


@dataclass(frozen=True, kw_only=True)
class Topic:
    """One thing that people are asked about."""

    asks: re.Pattern[str]
    """What a question about it says."""
    states: re.Pattern[str] | None = None
    """What a statement about it says; None if only examples tell."""
    examples: tuple[str, ...] = ()


TOPICS: dict[str, Topic] = {
    "age": Topic(
        asks=compile_any(
            r"\bhow old (?:are|would|did|were|a person)\b|\byour age\b|\b(?:what|which) age\b",
            r"\byears? of life\b|\bwere you born\b|\bdate of birth\b|\bhow many years\b",
            r"\byou (?:over|under) (?:\w+ty|\w+teen)\b",
        ),
        states=compile_any(
            r"\bI (?:am|turned|have just turned|will be) (?:now |already )?\d{2}\b|\bmy age is\b",
            r"\bborn \d+ years ago\b|\b\d{2} years old\b",
        ),
    ),
    "home": Topic(
        asks=compile_any(
            r"\bwhere(?:abouts)?\b.*\b(?:live|home|based|house|you from)\b",
            r"\b(?:which|what) (?:city|town|country|village|area|region|part|state)\b",
            r"\bwhat (?:kind|sort) of (?:place|town|house|home|building)\b",
            r"\bin which \w+ do you live\b",
        ),
        states=compile_any(
            r"\AI (?:live|settled|rent|share)\b.*\b(?:in|on|at)\b",
            r"\A(?:my )?home is\b|\Amy house stands\b",
        ),
    ),
    "aim": Topic(
        asks=compile_any(
            r"\bhop(?:e|ing)\b|\bgoals?\b|\b(?:your|any) (?:aims?|plans?)\b|\bachieve\b|\bsettle\b",
            r"\bhelp you with\b|\bon your mind\b|\byou looking for\b|\bwhat brings you\b",
            r"\bwhat (?:\w+ )*would you like to\b|\bwould you like to change\b",
            r"\bdecision\b|\bunsure\b",
            r"\bcoming up\b|\bpreparing\b|\bworking (?:on|towards)\b|\bget better at\b|\bproblem\b",
            r"\bputting (?:money )?aside\b",
        ),
        states=compile_any(
            r"\bI (?:want|need|hope|plan|have to|worry|cannot decide|wish)\b",
            r"\bI am (?:trying|looking|planning|saving|choosing|about to|learning|training)\b",
            r"\bI am (?:waiting|collecting|organising)\b",
        ),
    ),
    "work": Topic(
        asks=compile_any(
            r"\b(?:jobs?|work(?:ing)?|living|professions?|professionally|trade|occupation)\b",
            r"\b(?:industry|business|employ\w*|retired?|career)\b|\bearn\b(?!.*\bany\b)",
        ),
    ),
    "school": Topic(
        asks=compile_any(r"\b(?:school|stud(?:y|ying|ent)|degree|university|college|education)\b"),
        examples=(
            "I go to secondary school.", "I study chemistry at university.",
            "I never finished school.", "I have a degree in history.",
            "I am training to be an electrician.", "I am a first-year student.",
        ),
    ),
    "partner": Topic(
        asks=compile_any(r"\b(?:married|wife|husband|partner|relationship|(?:boy|girl)friend|family)\b"),
        examples=(
            "My husband works abroad.", "My wife left me last year.", "I am divorced.",
            "I am a widower.", "My boyfriend and I live apart.", "I got engaged at Christmas.",
            "I have never been married.",
        ),
    ),
    "children": Topic(
        asks=compile_any(r"\b(?:children|kids|parent|sons?|daughters?|family|expecting|baby)\b"),
        examples=(
            "I have two sons.", "My daughter is four.", "My baby girl was born in winter.",
            "I raise three children.", "My children have left home.",
            "I am going to have a baby.", "I adopted a boy.",
        ),
    ),
    "siblings": Topic(
        asks=compile_any(r"\b(?:siblings|brothers?|sisters?|family)\b"),
        examples=(
            "I have three sisters.", "My brother lives abroad.",
            "I have no brothers or sisters.", "My twin sister is a singer.",
        ),
    ),
    "elders": Topic(
        asks=compile_any(
            r"\b(?:parents|mother|father|grandparents|relatives?|family)\b",
            r"\b(?:raised|care for|brought up)\b",
        ),
        examples=(
            "My parents live next door.", "I care for my sick mother.",
            "My grandfather raised me.", "My father turned eighty.",
        ),
    ),
    "household": Topic(
        asks=compile_any(
            r"\b(?:live (?:alone|with)|lives with|household|flatmates|on your own|alone)\b",
            r"\bshare your (?:home|flat|house)\b|\brents? from you\b",
        ),
        examples=(
            "I live alone.", "I share a house with five students.",
            "My whole family lives in two rooms.", "I have a lodger.", "I live with my aunt.",
        ),
    ),
    "pets": Topic(
        asks=compile_any(r"\b(?:pets?|animals?)\b"),
        examples=(
            "I have a cat.", "A dog is my only company.", "I keep rabbits in the yard.",
            "I own a parrot.", "My two hamsters sleep all day.",
        ),
    ),
    "health": Topic(
        asks=compile_any(
            r"\b(?:health|ill(?:ness)?|medical|condition|disab\w+|disease|suffer|trouble|chronic)\b",
            r"\btake into account\b",
        ),
        examples=(
            "I have a bad back.", "I suffer from a chronic illness.", "I am deaf in one ear.",
            "I am allergic to milk.", "I had an operation on my knee.", "I use a walking stick.",
            "I cannot sleep at night.", "My sight is poor.", "I get terrible headaches.",
            "I have epilepsy.", "My lungs are weak.",
        ),
    ),
    "hobby": Topic(
        asks=compile_any(
            r"\bhobb\w+\b|\b(?:free|spare) time\b|\bfor fun\b|\b(?:weekends?|sundays?|evenings?)\b",
            r"\bpastimes?\b|\brelax\b|\bleisure\b|\bkeeps you busy\b|\bhandicrafts?\b",
            r"\binterests\b|\bclub\b",
        ),
    ),
    "money": Topic(
        asks=compile_any(r"\b(?:money|debts?|owe|savings|afford|income|loan|set aside)\b"),
        examples=(
            "I owe money to the bank.", "I have no savings.", "I save a little every month.",
            "I live on a small pension.", "I lost everything I had put by.",
            "I earn barely enough.",
        ),
    ),
}  # fmt: skip
"""By name, in the order in which a statement is tried for the first three."""


@cache
def read_examples() -> tuple[tuple[str, str], ...]:
    """Return sentences with the topics they tell, those of the pool's lists among them."""
    written = [(name, text) for name, topic in TOPICS.items() for text in topic.examples]
    works = [("work", row[-1]) for row in read_parts("work")]
    return (*written, *works, *(("hobby", row[0]) for row in read_parts("habits")))
