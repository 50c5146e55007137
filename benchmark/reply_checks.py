"""What a program finds in a reply, without asking a model.

Using what the user said is not good in itself, and merely repeating it is worse; but a reply that
never does cannot be personal, and one that does so where it is out of place is too personal. The
rules are those of the disclosure checker: names, numbers, and words that carry meaning, in one
sentence. They miss paraphrases, for every model alike.
"""

import re
from collections.abc import Sequence

from aloe.agents.faults import echoes
from aloe.benchmark.case import Probe
from aloe.benchmark.scores import Recall
from aloe.memory.disclosures import DisclosureChecker, find_hidden
from aloe.memory.words import find_content_words, find_names, find_numbers
from aloe.schema import Disclosure, Fact, Persona, Tree, UserNode, sentences

SHARE = 0.5
"""Share of a statement's words that a sentence of the reply must have to take it up."""
LEAST = 2
"""Words that it must have at least, if the statement has as many."""


def takes_up(reply: str, statement: str, without: str = "") -> bool:
    """Whether a sentence of `reply` uses `statement`, not counting the words of `without`."""
    words = find_content_words(statement) - find_content_words(without)
    marks = {n for n in find_names(statement) if n.lower() not in without.lower()}
    figures = {n for n in find_numbers(statement) - find_numbers(without) if n > 12}
    return any(_meets(piece, words, marks, figures) for piece in sentences(reply))


def _meets(piece: str, words: frozenset[str], marks: set[str], figures: set[int]) -> bool:
    if marks & set(re.findall(r"\w+", piece)):
        return True
    common = words & find_content_words(piece)
    if common and figures & find_numbers(piece):
        return True
    least = min(LEAST, len(words))
    return bool(words) and len(common) >= max(least, SHARE * len(words))


def used(reply: str, persona: Persona, stated: Sequence[str]) -> tuple[str, ...]:
    """Return the ids of the stated facts of life that `reply` takes up."""
    return tuple(f.id for f in _life(persona) if f.id in stated and takes_up(reply, f.text))


def parroting(reply: str, message: str) -> bool:
    """Whether most of `reply` occurs in the message that it answers."""
    return bool(reply) and echoes(reply, message)


def personal(reply: str, probe: Probe, persona: Persona) -> bool:
    """Whether a reply to a probe brings in the user's life, beyond the probe's own words."""
    return any(takes_up(reply, fact.text, probe.message) for fact in _life(persona))


def right(reply: str, probe: Probe) -> bool | None:
    """Whether a reply to a probe has the answer; None if nothing short settles it."""
    if not probe.accept:
        return None
    said = reply.casefold()
    return any(
        re.search(rf"(?<!\w){re.escape(each.casefold())}(?!\w)", said) for each in probe.accept
    )


def leaked(persona: Persona, user: UserNode, tree: Tree) -> tuple[str, ...]:
    """Return the ids of statements in `user`, a node of `tree`, that it was not told by then."""
    said, scheduled = tree.path(user.id), tree.disclosure is None
    hidden = find_hidden(persona, tree.id, said, scheduled=scheduled)
    return tuple(fact for fact in user.stated if fact in hidden)


def recall(tree: Tree, persona: Persona, checker: DisclosureChecker) -> Recall:
    """Return how much of what the user stated occurs in the last reply of `tree`.

    Each sentence of the answer is held against the persona as a message of the user would be. One
    that says something else of the persona, or nothing of it, or denies it, is not right.
    """
    question, answer = tree.nodes[-2:]
    said = {fact for n in tree.nodes[:-2] if isinstance(n, UserNode) for fact in n.stated}
    stated = said & {fact.id for fact in persona.facts}
    lines = [re.sub(r"^(?:[-*•]|\d+[.)])\s*", "", each) for each in sentences(answer.content)]
    lines = [each for each in lines if re.search(r"\w", each)]
    quotes = tuple(Disclosure(quote=line) for line in dict.fromkeys(lines))
    as_user = UserNode.of(question.id, answer.content, tree=tree.id, turn=answer.turn)
    as_user = as_user.model_copy(update={"revealed": quotes})
    checked, _ = checker.check(persona, tree.id, tree.nodes[:-2], as_user, [])
    found = [each.fact for each in checked.revealed if each.kind == "revealed"]
    hits = [fact for fact in found if fact in stated]
    return Recall(
        answer=answer.id,
        listed=len(quotes),
        right=len(hits),
        found=len(set(hits)),
        stated=len(stated),
    )


def _life(persona: Persona) -> list[Fact]:
    return [fact for fact in persona.facts if fact.kind == "fact"]
