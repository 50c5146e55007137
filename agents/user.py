"""The simulated user: plays a persona and reveals it bit by bit.

The manner of the persona is in force from the start; its facts come on the table one a turn, in an
order drawn from the tree's seed, and the simulator is only ever told facts that are on the table.
So it cannot blurt out the rest, and what the user could have revealed by turn k is known exactly.
For the user agent the roles are flipped: it writes as "assistant" in answer to the assistant's
words. Its prompt opens with what is the same for everybody and then only grows from turn to turn,
so that a server's prefix cache holds across personas and turns.
"""

from dataclasses import dataclass, field

from agents.faults import tidied, user_faults
from agents.prompt import Prompt, shipped
from agents.transcript import Path
from aloe.calls import CallLog
from aloe.errors import CallError
from aloe.models import Message, Model
from aloe.schema import Fact, Persona, UserNode, derived_seed
from memory.ledger import facts_in_order

TRIES = 3
"""Samples asked for until one is without fault."""

NOTE = "Note:"
"""Opens a fact in the prompt; where the model goes on with a note of its own, it is cut off."""


@dataclass(frozen=True, kw_only=True)
class UserAgent:
    """Writes the user's messages."""

    model: Model
    calls: CallLog
    prompt: Prompt = field(default_factory=lambda: shipped("user"))
    window: int | None = None
    """Past exchanges that it rereads; None for all."""

    async def speak(self, persona: Persona, tree: str, path: Path) -> UserNode:
        """Write the user message that follows `path` (empty: the opening message).

        Raises:
            CallError: the call failed, or the model said nothing in `TRIES` samples.
        """
        parent = path[-1].id if path else None
        turn = len(path) // 2 + 1
        messages = self._messages(persona, tree, path)
        best: UserNode | None = None
        for attempt in range(TRIES):
            async with self.calls.call("user", self.model, tree=tree, node=parent) as call:
                seed = derived_seed("user", tree, parent, attempt)
                reply = await call.ask(messages, seed=seed)
                text = tidied(reply).partition(NOTE)[0].strip()
                faults = user_faults(text, reply, (node.content for node in path))
                call.event.outcome = faults[0] if faults else "ok"
                node = UserNode.of(parent, text, tree=tree, turn=turn, faults=faults)
                call.event.node = node.id
            if not faults:
                return node
            if text and (best is None or len(faults) < len(best.faults)):
                best = node
        if best is None:
            raise CallError(f"{self.model.name}: the user said nothing in {TRIES} tries")
        return best

    def _messages(self, persona: Persona, tree: str, path: Path) -> list[Message]:
        facts = facts_in_order(persona, tree)
        *messages, (_, introduction) = self.prompt.render(personality=persona.personality)
        exchanges = len(path) // 2
        first = 0 if self.window is None else max(0, exchanges - self.window)
        for turn in range(first, exchanges + 1):
            stimulus = self._stimulus(path, facts, turn)
            if turn == first:
                stimulus = f"{introduction}\n\n{stimulus}"
            messages.append(("user", stimulus))
            if turn < exchanges:
                messages.append(("assistant", path[2 * turn].content))
        return messages

    @staticmethod
    def _stimulus(path: Path, facts: list[Fact], turn: int) -> str:
        """Return what the user answers at `turn` (from 0): the assistant's words and a note."""
        note = f"{NOTE} {facts[turn].text}" if turn < len(facts) else "(No new note.)"
        return f"{path[2 * turn - 1].content}\n\n{note}" if turn else note
