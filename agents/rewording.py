"""Faults of a user's message that a custom role reworded: those of the new text, not of the old.

A role may mend what the user's model could not, or spoil what was sound. Either way, what counts is
what the assistants answer.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from aloe.agents.faults import Part, user_faults
from aloe.models.reply import Reply
from aloe.schema import Fault, UserNode


@dataclass(frozen=True, kw_only=True)
class Rewording:
    """A message before and after."""

    draft: UserNode
    """As the user wrote it, with its faults."""
    user: UserNode
    """As it is now; its faults are still those of the draft."""
    reply: Reply
    """What the new text was made from."""

    def find_faults(
        self, earlier: Iterable[str], *, most_words: int, part: Part | None = None
    ) -> tuple[Fault, ...]:
        """Return what the rules find in the new text; the arguments are those of `user_faults`.

        What they find in the draft as well, and its user was not blamed for, does not count: it was
        told to repeat itself, say, or is a rule, which rules would take for a model.
        """
        said = list(earlier)
        text, whole = self.user.content, Reply.whole(self.draft.content)
        found = user_faults(text, self.reply, said, most_words=most_words, part=part)
        if not found:
            return ()
        before = user_faults(self.draft.content, whole, said, most_words=most_words, part=part)
        excused = set(before) - set(self.draft.faults)
        return tuple(fault for fault in found if fault not in excused)

    def with_faults(self, faults: tuple[Fault, ...]) -> UserNode:
        """Return the message with faults of its own; those of a draft that was mended are told."""
        repaired = self.draft.repaired if faults else (
            *self.draft.repaired, *self.draft.faults[:1]
        )  # fmt: skip
        return self.user.model_copy(update={"faults": faults, "repaired": repaired})
