"""Turns that teach not to be personal: a message that has nothing to do with the user's life.

A model that is rewarded for using what the user told uses it everywhere. So a conversation in which
the user has told something is given one more turn: a message of a stock (`restraint.jsonl`), the
plain reply, and the same reply with a quotation of the user dragged in, which loses. Nothing but
that differs between the two. No model writes any of it, and messages that share a word of meaning
with the persona are not used for it: there a personal reply could be the better one. Nor are users
whose wishes a program can check, for those hold in every reply, and the plain one does not keep
them.

The messages are of the kinds of the benchmark's suite `none`, and none is from it.
"""

from collections.abc import Iterable, Iterator
from functools import cache
from itertools import zip_longest
from pathlib import Path
from typing import Literal

from aloe.files.records import read_models
from aloe.memory.words import find_content_words
from aloe.schema import AssistantNode, Persona, Record, Tree, UserNode, Verdict, digest, sentences

STOCK = Path(__file__).with_name("restraint.jsonl")

PLAIN = "plain"
PERSONAL = "personal"
"""What nodes call the authors of the two replies."""

DRAGGED = (
    'You told me: "{said}" {reply}',
    '{reply} That should help, since you said: "{said}"',
    'With what you told me in mind ("{said}"): {reply}',
    '{reply} By the way, how is that going? You said: "{said}"',
    'For somebody who says "{said}" this is easy. {reply}',
    '{reply} I have not forgotten what you said: "{said}"',
)
"""How a reply brings in what the user said."""


class Errand(Record):
    """A message in which the user's person has no place, with a right reply."""

    kind: Literal["fact", "neutral", "other", "wrong"]
    """As in the benchmark's probes."""
    message: str
    reply: str


@cache
def read_stock() -> tuple[Errand, ...]:
    """Return the messages that are shipped."""
    return tuple(errand for _, errand in read_models(STOCK, Errand))


def make_restraint(trees: Iterable[Tree]) -> Iterator[Tree]:
    """Yield every turn of restraint that trees give, as trees of one path and one verdict.

    Those of different trees and places come by turns, so that the first of them are as varied as
    can be. What is yielded depends on the trees alone.
    """
    places = [(tree, reply) for tree in trees for reply in _find_places(tree)]
    places.sort(key=lambda each: digest("restraint", each[0].id, each[1].id))
    rounds = zip_longest(*(_turns(tree, reply) for tree, reply in places))
    return (made for each in rounds for made in each if made is not None)


def _find_places(tree: Tree) -> Iterator[AssistantNode]:
    """Yield the replies that a conversation could go on from, the user having told something."""
    for node in tree.nodes:
        if isinstance(node, AssistantNode) and node.content and not node.faults:
            before = tree.by_id[node.parent]
            free = not tree.played(before.id).preferences
            if free and not tree.lost(before.id) and any(_quotes(tree, before.id)):
                yield node


def _quotes(tree: Tree, user: str) -> Iterator[str]:
    """Yield what the user said of itself by then, one sentence each, none against the persona."""
    for told in tree.revealed(user):
        if told.kind in (None, "revealed") and len(sentences(told.quote)) == 1:
            yield told.quote.strip()


def _turns(tree: Tree, reply: AssistantNode) -> Iterator[Tree]:
    quotes = list(_quotes(tree, reply.parent))
    stock = [errand for errand in read_stock() if _is_foreign(errand, tree.played(reply.id))]
    for errand in sorted(stock, key=lambda each: digest(reply.id, each.message)):
        chance = int(digest("dragged", reply.id, errand.message), 16)
        said = quotes[chance % len(quotes)]
        personal = DRAGGED[chance % len(DRAGGED)].format(said=said, reply=errand.reply)
        yield _extended(tree, reply, errand, personal)


def _is_foreign(errand: Errand, persona: Persona) -> bool:
    """Whether a message and its reply share no word of meaning with the persona."""
    words = find_content_words(f"{errand.message} {errand.reply}")
    return not words & find_content_words(persona.text)


def _extended(tree: Tree, reply: AssistantNode, errand: Errand, personal: str) -> Tree:
    """Return the path to `reply` with one more turn, in which `personal` loses."""
    turn = reply.turn + 1
    user = UserNode.of(reply.id, errand.message, tree=tree.id, turn=turn, agent="restraint")
    good = AssistantNode.of(user.id, errand.reply, agent=PLAIN, turn=turn)
    bad = AssistantNode.of(user.id, personal, agent=PERSONAL, turn=turn)
    verdict = Verdict(node=user.id, first=good.id, second=bad.id, votes=(), outcome="first")
    path = tree.path(reply.id)
    return tree.model_copy(update={"nodes": (*path, user, good, bad), "verdicts": (verdict,)})
