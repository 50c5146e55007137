"""The user of a verifiable persona, by rule: what can be judged exactly is also said exactly.

Wishes that a program checks are worth little if a model has to voice them and may not. So this
user speaks by rule: what it tells of its wishes is decided where it is for all users
(`aloe.agents.disclosing`), and said in one of many phrases, never twice in the same. No model is
called, and two candidates that answer alike hear the same.

Its facts of life are small talk, one a turn whatever was asked: no rule can tell which of them a
question is about, no reply is judged by them, and a user who has something to chat about is less of
a form to fill in.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from aloe.agents.disclosing import Act, CheckableWishes, choose_act, find_known, schedule_fact
from aloe.agents.rewording import Rewording
from aloe.agents.transcript import Turns
from aloe.calls.sample import vary_seed
from aloe.config import Phrases, UserConfig
from aloe.memory.disclosures import order_facts
from aloe.memory.verifiable.manners import Manner, find_manners
from aloe.memory.verifiable.talk import remark_on, say_again, say_anew, state_wish
from aloe.players import RULE
from aloe.schema import Persona, UserNode, derive_seed

QUESTIONS = (
    "What should I do today?",
    "What would you try first?",
    "What makes a good breakfast?",
    "How do I get more sleep?",
    "What could I give a friend?",
    "Where would you spend a free day?",
    "How do I tidy a full cupboard?",
    "What is a good habit to begin with?",
    "How do I make a room warmer?",
    "What can I learn in a month?",
    "How do I write a good letter?",
    "What helps on a bad day?",
    "How do I save a little money?",
    "What should I cook tonight?",
    "How do I get on with my neighbours?",
    "What is worth repairing?",
    "How do I plan a short trip?",
    "What could I plant this season?",
    "How do I stop putting things off?",
    "What is a good way to move more?",
)
"""What a message ends with, unless others are given. The proof trains on others, so that these
stay new to the models that it tests."""

BACK_TO = "Back to an earlier question:"
"""Said before a question once all were asked."""


@dataclass(frozen=True, kw_only=True)
class RuleUser:
    """Writes the messages of a verifiable persona."""

    questions: Sequence[str] = QUESTIONS
    """Asked in turn, from a place that the tree decides."""
    config: UserConfig = field(default_factory=UserConfig)
    """When it tells something, and in which half of the phrases."""
    most_words: int = 60
    """A message that a custom role reworded is over-long with more words."""

    async def speak(self, persona: Persona, tree: str, path: Turns) -> UserNode:
        """Write the user message that follows `path` (empty: the opening message)."""
        turn = len(path) // 2 + 1
        act = choose_act(CheckableWishes(persona=persona), tree, path, self.config)
        life = schedule_fact(persona, tree, turn)
        facts = {fact.id: fact.text for fact in persona.facts}
        said = "\n".join(node.content for node in path[::2])
        heard = path[-1].content if path else None
        words = _Words(
            persona=persona,
            half=self.config.phrases or "train",
            said=said,
            seed=vary_seed(derive_seed("words", tree, len(path), heard)),
        )
        parts = [
            *(facts[each.about] for each in life),
            words.put(act),
            "" if act.presses else self._question(tree, turn, said),
        ]
        return UserNode.of(
            path[-1].id if path else None,
            " ".join(filter(None, parts)),
            tree=tree,
            turn=turn,
            agent=RULE,
            told=(*life, *act.told),
            asked=act.asked,
        )

    async def recheck(
        self,
        persona: Persona,  # noqa: ARG002
        tree: str,  # noqa: ARG002
        path: Turns,
        changed: Rewording,
    ) -> UserNode:
        """Return a message that a custom role reworded, with the faults of what it says now."""
        earlier = [node.content for node in path]
        return changed.with_faults(changed.find_faults(earlier, most_words=self.most_words))

    def _question(self, tree: str, turn: int, said: str) -> str:
        first = (derive_seed("question", tree) + turn - 1) % len(self.questions)
        order = (*self.questions[first:], *self.questions[:first])
        return next((each for each in order if each not in said), f"{BACK_TO} {order[0]}")

    def done(self, persona: Persona, tree: str, path: Turns) -> bool:
        """Whether there is nothing left to tell after a path."""
        life = len(order_facts(persona, tree))
        known = find_known(CheckableWishes(persona=persona), path)
        return path[-1].turn >= life and len(known) == len(persona.preferences)


@dataclass(frozen=True, kw_only=True)
class _Words:
    """Puts an act into words that were not said before."""

    persona: Persona
    half: Phrases
    said: str
    seed: int

    def put(self, act: Act) -> str:
        if act.presses:
            return self._manner("presses")
        if act.asked == "indifferent":
            return self._manner("indifferent")
        if act.repeats:
            return self._wish(say_again if act.asked else remark_on, act.repeats)
        return " ".join(
            self._wish(remark_on if each.why == "contradicted" else state_wish, each.about)
            for each in act.told
        )

    def _manner(self, manner: Manner) -> str:
        return say_anew(find_manners(manner, self.half), self.half, self.said, self.seed)

    def _wish(self, voice: Callable[..., str], name: str) -> str:
        return voice(name, self.persona.preferences[name], self.half, self.said, self.seed)
