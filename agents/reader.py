"""The second reader: a model that checks user messages that the rules let pass.

Rules catch form and voice, and contradictions of the persona's plain words; noticing that a widower
mentions the wife waiting at home takes a reader. If a model is configured for it, it gets one
question with two possible answers, read by their probabilities like a judge's. Any other answer,
and one of which the server says that neither was likely, counts as unreadable and is never held
against a message.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from aloe.agents.answer import ask_for_word
from aloe.agents.prompt import Prompt, shipped
from aloe.calls.log import CallLog
from aloe.config import MIN_MASS
from aloe.models.open import Model
from aloe.models.words import DOUBT, Answer
from aloe.schema import Persona, derive_seed


@dataclass(frozen=True, kw_only=True)
class Reader:
    """Says whether a message may be the persona's."""

    model: Model
    calls: CallLog
    prompt: Prompt = field(default_factory=lambda: shipped("reader"))
    min_mass: float = MIN_MASS
    """Probability that YES and NO must have together for it to be an answer."""
    min_margin: float = 0.0
    """Log-odds of NO over YES from which a message is doubted."""

    async def margin(
        self, persona: Persona, earlier: Sequence[str], message: str, *, tree: str, node: str
    ) -> float | None:
        """Return the log-odds that the message is not the persona's; None if unreadable.

        Args:
            persona: who should be speaking.
            earlier: what was said before, the user's messages first.
            message: what came.
            tree: tree that is worked for.
            node: node of the message.

        Raises:
            CallError: the call failed.
        """
        lines = (
            f"{'Assistant' if at % 2 else 'Person'}: {said}" for at, said in enumerate(earlier)
        )
        messages = self.prompt.render(
            persona=persona.text, history="\n".join(lines) or "(nothing yet)", message=message
        )
        answer = await ask_for_word(
            DOUBT,
            messages,
            self.model,
            self.calls,
            seed=derive_seed("reader", tree, node),
            tree=tree,
            node=node,
            min_mass=self.min_mass,
            role="reader",
        )
        return _margin(answer)

    async def doubts(
        self, persona: Persona, earlier: Sequence[str], message: str, *, tree: str, node: str
    ) -> bool:
        """Whether the message is more likely than not somebody else's; arguments as `margin`."""
        margin = await self.margin(persona, earlier, message, tree=tree, node=node)
        return margin is not None and margin > self.min_margin


def _margin(answer: Answer) -> float | None:
    if answer.word is None or answer.hesitant:
        return None
    if not answer.logprobs:
        return float("inf") if answer.word == "NO" else float("-inf")
    yes, no = (answer.logprobs.get(word, answer.most) for word in DOUBT.words)
    return no - yes
