"""One call of each role, as a run makes it, and whether its answer is usable.

A model that says hello may still think before every word, truncate its answers or fail to write
JSON. So each role gets a real question, with its own prompt and settings, about an invented person,
and its answer is parsed as in a run.
"""

from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from typing import NamedTuple

from aloe.agents.judge import Comparison
from aloe.agents.writer import PersonaWriter
from aloe.calls.event import Event
from aloe.calls.log import CallLog
from aloe.calls.recorded_call import RecordedCall, join_messages
from aloe.config import Config
from aloe.errors import CallError, ModelError
from aloe.graphs.context import make_context
from aloe.judge_names import is_judge
from aloe.memory.verifiable.phrases import find_stated
from aloe.models.open import Model
from aloe.models.thoughts import joined_thoughts
from aloe.schema import AssistantNode, Disclosure, Persona, UserNode
from aloe.secrets import redact
from aloe.views.answers import Interpreter

TREE = "doctor"
PERSONA = Persona.of(
    "I am 34 years old. I mend bicycles in Porto. I have a son.", "I like short answers."
)
SAID = UserNode.of(
    None, "I mend bicycles in Porto. How do I find more customers?", tree=TREE, turn=1
)
REPLIES = tuple(
    AssistantNode.of(SAID.id, text, agent=agent, turn=1)
    for agent, text in (("a", "Put a sign out."), ("b", "Marketing is a broad field of study."))
)

SHOWN = 60
"""Characters of an answer that are shown."""

OUTCOMES = {
    "ok": "",
    "empty": "there is nothing in it",
    "unreadable": "it cannot be read",
    "truncated": "it is cut off",
}
"""What is said of an answer by its outcome; other outcomes are faults by name."""


class Check(NamedTuple):
    """What was checked."""

    what: str
    well: bool
    found: str
    """What was found, or what to do."""


async def check_roles(
    config: Config, models: Mapping[str, Model], roles: Collection[str]
) -> list[Check]:
    """Let roles of a run, or the writer of personas, make one call each.

    Args:
        config: settings of the run.
        models: by agent name; those of `aloe.agents.registry.models_in_use`, and `writer`.
        roles: who makes a call, by agent name.

    Raises:
        ConfigError: a custom role, judge or prompt cannot be used.
    """
    events: list[Event] = []
    calls = CallLog(on_event=events.append)
    found = []
    for role, play in _make_calls(config, models, calls):
        if role not in roles:
            continue
        before = len(events)
        try:
            await play()
        except (CallError, ModelError) as error:
            found.append(Check(f"role {role}", False, str(error)))
            continue
        made = list(join_messages(map(vars, events)))[before:]
        found += _check_answers(role, events[before:], made, models, config.judge.min_mass)
    return found


def _check_answers(
    role: str,
    events: Sequence[Event],
    made: Sequence[RecordedCall],
    models: Mapping[str, Model],
    min_mass: float,
) -> Iterator[Check]:
    """Yield what each model answered that took part: a panel has several, a user may be read."""
    if not events:
        yield Check(f"role {role}", True, "asked nothing")
    asked: dict[tuple[str, str], list[int]] = {}
    for place, event in enumerate(events):
        asked.setdefault((event.role, event.model), []).append(place)
    for (who, name), places in asked.items():
        model = _find_model(models, role, who, name)
        answered, calls = [events[n] for n in places], [made[n] for n in places]
        answers = _describe(answered, calls, model, min_mass)
        shown = f"role {who}" if len(asked) == 1 else f"role {who} ({redact(name)})"
        yield Check(shown, True, answers)


def _find_model(models: Mapping[str, Model], role: str, who: str, name: str) -> Model:
    """Return the model that an agent was asked as.

    Args:
        models: by agent name.
        role: whose call is made.
        who: the agent of the event, `judge` for all who vote.
        name: model string of the event.
    """
    own = models.get(who, models[role])
    voters = [each for agent, each in models.items() if who == "judge" and is_judge(agent)]
    return next((each for each in (own, *voters) if each.name == name), own)


def _make_calls(
    config: Config, models: Mapping[str, Model], calls: CallLog
) -> Iterator[tuple[str, Callable[[], Awaitable[object]]]]:
    """Yield what lets each role make its call, with its name."""
    context = make_context(config, dict(models), calls)
    revealed = (Disclosure(quote="I mend bicycles in Porto."),)
    comparison = Comparison(
        persona=PERSONA, tree=TREE, path=(), user=SAID, first=REPLIES[0], second=REPLIES[1]
    )
    yield "user", lambda: context.user.speak(PERSONA, TREE, ())
    yield "inducer", lambda: context.inducer.induce(TREE, SAID)
    for each in context.assistants:
        yield each.name, lambda each=each: each.reply(TREE, (), SAID, revealed)  # type: ignore[misc]
    yield "judge", lambda: context.judge.compare(comparison)
    writer = PersonaWriter(model=models["writer"], calls=calls, prompts=config.prompts)
    yield "writer", lambda: writer.write("profile", {"age": 34}, (), config.seed)


def _describe(
    events: Sequence[Event], made: Sequence[RecordedCall], model: Model, min_mass: float
) -> str:
    """Return the best of the answers in `events` and what is wrong with it.

    One that is usable is given in words, any other as it came.
    """
    answered = [(event, call) for event, call in zip(events, made, strict=True) if event.reply]
    event, call = next((each for each in answered if each[0].outcome == "ok"), answered[-1])
    assert event.reply
    remarks = list(filter(None, _find_remarks(event, [each for each, _ in answered], model)))
    interpreter = Interpreter(tells=find_stated, min_mass=min_mass)
    words = interpreter.interpret(call) if event.outcome == "ok" else str(event.reply["text"])
    text = " ".join(words.split())
    shown = text if len(text) <= SHOWN else f"{text[:SHOWN]}..."
    said = f"answers {shown!r} in {event.latency:.1f} s"
    if any(event.reply and event.reply["logprobs"] for event, _ in answered):
        said += " with log-probabilities"
    return f"{said}; but {', and '.join(remarks)}" if remarks else said


def _find_remarks(event: Event, answered: Sequence[Event], model: Model) -> Iterator[str]:
    yield OUTCOMES.get(event.outcome, f"it has the fault {event.outcome}")
    replies = [each.reply or {} for each in answered]
    if any(joined_thoughts(r.get("reasoning") or "", r.get("raw") or r["text"]) for r in replies):
        yield 'the model thinks first: reasoning = "off" is cheaper, or give it more max_tokens'
    cut = event.reply is not None and event.reply["finish"] == "length"
    if cut and event.outcome != "truncated" and event.arguments.get("max_tokens") != 1:
        yield f"it was cut at max_tokens = {model.config.max_tokens}"
    if event.role == "judge" and model.config.logprobs and not any(r["logprobs"] for r in replies):
        yield "without log-probabilities, so it is read from its text"
