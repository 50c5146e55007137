import asyncio

from builders import PERSONAS, assistant, scripted_model, user

from aloe.agents.candidate import CONDITIONS, CandidateAgent
from aloe.calls.log import CallLog
from aloe.schema import AssistantNode, Persona

FIRST = user("I mend bicycles. Where do I start?")
REPLY = assistant("With the chain.", FIRST)
SECOND = user("And then?", REPLY.id, turn=2)


def ask(condition: str, told: Persona | None = None) -> tuple[list[tuple[str, str]], AssistantNode]:
    """Return what the model was sent, and the node that came of it."""
    seen: list[tuple[str, str]] = []

    def script(messages, arguments) -> str:
        seen.extend((message.type, message.text) for message in messages)
        return "The brakes."

    agent = CandidateAgent(
        model=scripted_model(script), calls=CallLog(), terms=CONDITIONS[condition]
    )
    node = asyncio.run(agent.reply("t", [FIRST, REPLY], SECOND, told))
    return seen, node


def test_the_candidate_gets_the_conversation_and_nothing_else() -> None:
    seen, node = ask("candidate")
    assert seen == [("human", FIRST.content), ("ai", REPLY.content), ("human", SECOND.content)]
    assert (node.content, node.agent, node.turn, node.hint) == ("The brakes.", "candidate", 2, None)


def test_the_floor_differs_in_nothing_but_its_model() -> None:
    assert ask("floor")[0] == ask("candidate")[0]


def test_without_history_only_the_last_message_is_seen() -> None:
    assert ask("no-history")[0] == [("human", SECOND.content)]


def test_who_is_told_reads_the_whole_persona_before_the_same_conversation() -> None:
    for condition in ("ceiling", "shuffled"):
        (role, text), *rest = ask(condition, PERSONAS[1])[0]
        assert role == "system"
        assert PERSONAS[1].profile in text
        assert PERSONAS[1].personality in text
        assert rest == ask("candidate")[0]


def test_concise_is_told_to_be_brief_and_no_more() -> None:
    (role, text), *rest = ask("concise")[0]
    assert role == "system"
    assert "brief" in text
    assert rest == ask("candidate")[0]


def test_silence_is_asked_twice_and_kept_as_an_empty_reply() -> None:
    calls = CallLog()
    agent = CandidateAgent(model=scripted_model(lambda *_: " "), calls=calls)
    node = asyncio.run(agent.reply("t", [], FIRST))
    assert (node.content, node.faults) == ("", ("empty",))
    assert calls.totals.outcomes["candidate", "empty"] == 2
