"""Why each fault occurs, and what the model is told when it is asked again.

A reason names what was wrong and what to do instead, because models repeat what they are merely
warned about. It comes late in the prompt, so that the prefix cache still applies.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from aloe.schema import Fault


@dataclass(frozen=True)
class Repair:
    """What to know about a fault."""

    cause: str
    """Why models do it, for people."""
    reason: str
    """What the model is told when it is asked again."""


REPAIRS: Mapping[Fault, Repair] = {
    "empty": Repair(
        "nothing came, or nothing but marks",
        "(Nothing was written. Write the person's message.)",
    ),
    "only_reasoning": Repair(
        "the token limit, reached while the model thinks",
        "(Only thoughts were written. Write the person's message at once.)",
    ),
    "role_confusion": Repair(
        "chat models are trained to help, so they answer",
        "(That was the assistant speaking. Write as the person.)",
    ),
    "refusal": Repair(
        "trained caution takes a part for a deception",
        "(Nobody is deceived. Write what the person types next.)",
    ),
    "coaching": Repair(
        "the model knows that it is a simulation and steers it",
        "(The person knows of no notes and no script. Write only what the person types.)",
    ),
    "commentary": Repair(
        "instructed models introduce, explain and count what they write",
        "(That was about the message. Write the message itself and nothing else.)",
    ),
    "options": Repair(
        "instructed models offer a choice",
        "(Those were several drafts. Write one message.)",
    ),
    "both_sides": Repair(
        "the model goes on with the transcript",
        "(The assistant answers for itself. Write one message of the person.)",
    ),
    "prompt_leak": Repair(
        "small models copy what they were told",
        "(Those were your instructions. Say it as the person would.)",
    ),
    "label": Repair(
        "the model writes a script",
        "(No name in front: write only what the person types.)",
    ),
    "markup": Repair(
        "chat templates, code and data in the training text",
        "(No tags, fences or fields: write plain words, as one types them.)",
    ),
    "placeholder": Repair(
        "letters with blanks in the training text",
        "(No blanks to fill in: write a message that can be sent as it is.)",
    ),
    "other_language": Repair(
        "the model follows a place name or its own main language",
        "(That was another language. Write in the language of this chat.)",
    ),
    "contradiction": Repair(
        "the model makes up a person that is likelier than this one",
        "(That is not true of the person. Keep to the notes.)",
    ),
    "invention": Repair(
        "the model fills the gaps of a person",
        "(The notes say nothing of that. Keep to the notes.)",
    ),
    "doubted": Repair(
        "a second reader takes it for somebody else's (models.reader)",
        "(The person would not send that. Keep to the notes and write only what the person types.)",
    ),
    "narration": Repair(
        "role-play in the training text",
        "(No stage directions: write only what the person types.)",
    ),
    "echo": Repair(
        "what was said is the likeliest to be said again",
        "(That was said before. Write something new.)",
    ),
    "about_user": Repair(
        "a hint about the user is read as an order to report",
        "(Speak to the person, as you, and never of them as the user.)",
    ),
    "over_long": Repair(
        "instructed models are long",
        "(That was too long. Write two short sentences.)",
    ),
    "truncated": Repair(
        "the token limit",
        "(That was too long. Write one short sentence.)",
    ),
    "filtered": Repair(
        "the provider's filter",
        "(A filter cut that off. Write it in milder words.)",
    ),
    "failed": Repair(
        "an abort, a fault of the server, a call of a tool",
        "(That broke off. Write one whole message.)",
    ),
}
"""By fault."""

ASSISTANT_REASONS: Mapping[Fault, str] = {
    "role_confusion": "(That was the person speaking. Answer as the assistant.)",
    "about_user": REPAIRS["about_user"].reason,
    "both_sides": "(The person speaks for themselves. Write your answer only.)",
    "prompt_leak": "(Those were your instructions. Answer the message.)",
    "echo": "(Those were the person's words. Answer them.)",
}
"""What an assistant is told when it is asked again."""
