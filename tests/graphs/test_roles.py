"""Roles, judges and prompts of the user's own, in trees grown in memory."""

import asyncio
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path
from typing import Any, get_args

import pytest
from builders import PERSONAS, config, grow, scripted_model
from langchain_core.messages import AIMessage, BaseMessage

import aloe
from aloe.agents.panel import identity
from aloe.agents.prompt import FOLDER, shipped
from aloe.agents.registry import find_cast, prompts_of
from aloe.agents.scripted import reply
from aloe.calls.event import Event, appending, read_events
from aloe.calls.log import CallLog
from aloe.calls.recorded_call import read_calls
from aloe.config import Config, Size
from aloe.errors import CallError, ConfigError, RoleError
from aloe.graphs.turn import turn_graph
from aloe.schema import AssistantNode, Tree, UserNode
from aloe.views.account import accounts
from aloe.views.marks import fact_text
from aloe.views.node import calls_about
from aloe.views.owners import Owners
from aloe.views.report_calls import CallShelf
from aloe.views.tree import Drawer

OWN = '''
import asyncio

from pydantic import BaseModel
from aloe.agents.roles import Update
from aloe.schema import Persona


class Risk(BaseModel):
    level: int


class Critic:
    after = "assistant"
    prompt = """
## system
You rate risk.
## user
{reply}"""

    def __init__(self, least=0):
        self.least = least

    async def __call__(self, exchange, model):
        read = [await model.read(Risk, each, reply=each.content) for each in exchange.candidates]
        kept = [risk and risk if risk and risk.level >= self.least else None for risk in read]
        return Update(notes={e.id: r for e, r in zip(exchange.candidates, kept)})


def redacts(exchange, model):
    kept = [part for part in exchange.said.content.split(". ") if "bees" not in part]
    return Update(text=". ".join(kept) or "Any ideas?")


def seen(exchange, model):
    return {
        "turn": exchange.turn,
        "path": len(exchange.path),
        "said": exchange.said is not None,
        "revealed": len(exchange.revealed),
        "candidates": len(exchange.candidates),
        "verdicts": len(exchange.verdicts),
    }


def joins(exchange, model, words="And I want tea."):
    return Update(text=f"{exchange.user.content} {words}", note="joined")


def instead(exchange, model, text):
    return Update(text=text or None)


def other(exchange, model):
    return Update(persona=Persona.of("I am 90. I keep owls.", "I whisper."), note="swapped")


def forgets(exchange, model):
    getattr(exchange.path, "clear", list)()


def forgets_and_judges(asked, model):
    forgets(asked, model)
    return longer(asked, model)


async def parrot(exchange, model):
    return Update(text=exchange.user.content.upper(), note=[1, 2.5, None])


class Companion:
    prompt = """
## user
You rate risk. {message}"""

    async def __call__(self, exchange, model):
        words = exchange.user.content
        return Update(text=f"{words} {await model.ask(message=words)}")


class Answers:
    among = "assistants"
    prompt = """
## user
You rate risk. {message}"""

    async def __call__(self, exchange, model):
        return Update(text=await model.ask(message=exchange.user.content))


class Doubts:
    after = "assistant"
    prompt = """
## user
You rate risk. {reply} {before}"""

    async def __call__(self, exchange, model):
        async def rate(each):
            first = await model.ask(each, reply=each.content, before="")
            await model.ask(each, reply=each.content, before=first)

        await asyncio.gather(*map(rate, exchange.candidates))


def both_sides(exchange, model):
    return Update(text="Do rest.\\nUser: I did.")


def peeks(exchange, model):
    return Update(text=exchange.persona.profile)


def silent(exchange, model):
    return None


def says(exchange, model, text=""):
    return text


def writes(exchange, model, text=""):
    return Update(text=text)


def notes_only(exchange, model):
    return Update(note="I forgot to answer.")


def streams(exchange, model):
    yield "Do "
    yield "rest."


async def streams_late(exchange, model):
    yield "Do rest."


class Streams:
    def __call__(self, exchange, model):
        yield "Do rest."


def early(exchange, model):
    return exchange.user.content


def listed(exchange, model):
    return Update(notes=[each.id for each in exchange.candidates])


def misses(exchange, model):
    from pathlib import Path

    from aloe.memory.personas import read_personas

    read_personas(Path("none.jsonl"))


def breaks(exchange, model):
    if exchange.turn == 2:
        raise KeyError("gone")


def asks_nobody(exchange, model):
    return model.ask(reply="x")


def strange(exchange, model):
    return Update(notes={"nobody": 1})


def rewrites(exchange, model):
    return Update(text="better")


def unwritable(exchange, model):
    return object()


class Misprompted(Critic):
    async def __call__(self, exchange, model):
        return await model.ask(answer="x")


def longer(asked, model):
    return len(asked.first.content) - len(asked.second.content)


def no_float(asked, model):
    return 10**400


def is_longer(asked, model):
    return len(asked.first.content) > len(asked.second.content)


def is_longer_in_numpy(asked, model):
    import numpy

    return numpy.bool_(is_longer(asked, model))


def weighted(asked, model, by=0):
    return by


def of_first(asked, model, first=None, second=None):
    """Return what it is told for the order in which it sees the longer reply first, or second."""
    said = first if longer(asked, model) > 0 else second
    return None if said is None else float(said)


of_first.symmetric = False


def equal(asked, model):
    return 0


def says_so(asked, model):
    return 1


says_so.symmetric = True


class SaysSo:
    symmetric = True

    def __call__(self, asked, model):
        return 1


INSTANCE = SaysSo()


def unsure(asked, model):
    return 1


unsure.symmetric = "no"


def no_margin(asked, model):
    return None if asked.user.turn == 1 else float("nan")


def no_number(asked, model):
    return "the first"


class Asks:
    prompt = "asks.md"

    async def __call__(self, asked, model):
        return {"A": 1.0, "B": -1.0}.get(await model.ask(a=asked.first.content))
'''


@pytest.fixture
def own(write_module: Callable[[str, str], str], tmp_path: Path) -> str:
    """Return the name of a module in the working folder that holds `OWN`."""
    (tmp_path / "asks.md").write_text("## user\nYou rate risk. {a}", encoding="utf-8")
    return write_module("roles", OWN)


def answers(
    text: str,
) -> Callable[[Sequence[BaseMessage], dict[str, Any]], str | AIMessage]:
    """Return a script that gives `text` to roles of the user's own and else does its part."""

    def script(messages: Sequence[BaseMessage], arguments: dict[str, Any]) -> str | AIMessage:
        return text if "You rate risk." in messages[0].text else reply(messages, arguments)

    return script


def calls_user(messages: Sequence[BaseMessage]) -> bool:
    return messages[0].text[:30] in {shipped("user", size).messages[0][1][:30] for size in SIZES}


SIZES: tuple[Size, ...] = get_args(Size)


def settings(changes: dict[str, Any], **simulation: Any) -> Config:
    return config(**simulation).updated(changes, source="test")


def grown(
    own: str, use: str, /, answer: str = "", calls: CallLog | None = None, **role: Any
) -> Tree:
    """Return a tree of two turns with one role, `OWN`'s `use`."""
    changes = {"roles": {"mine": {"use": f"{own}:{use}", **role}}}
    found = settings(changes, turns=2)
    return grow(found, model=scripted_model(answers(answer)), calls=calls)


def users(tree: Tree) -> list[UserNode]:
    return [node for node in tree.nodes if isinstance(node, UserNode)]


def replies(tree: Tree) -> list[AssistantNode]:
    return [node for node in tree.nodes if isinstance(node, AssistantNode)]


SEEN = {
    "before user": {"said": False, "revealed": 0, "candidates": 0, "verdicts": 0},
    "after user": {"said": True, "revealed": 0, "candidates": 0, "verdicts": 0},
    "after inducer": {"said": True, "revealed": 1, "candidates": 0, "verdicts": 0},
    "after assistant": {"said": True, "revealed": 1, "candidates": 2, "verdicts": 0},
    "after judge": {"said": True, "revealed": 1, "candidates": 2, "verdicts": 1},
}


@pytest.mark.parametrize(
    ("hook", "place"),
    [
        ({"before": "user"}, "before user"),
        ({"after": "user"}, "after user"),
        ({"before": "inducer"}, "after user"),
        ({"after": "inducer"}, "after inducer"),
        ({"before": "assistant"}, "after inducer"),
        ({"before": "judge"}, "after assistant"),
        ({"after": "judge"}, "after judge"),
    ],
)
def test_a_role_sees_what_there_is_at_its_place(own: str, hook: dict[str, str], place: str) -> None:
    tree = grown(own, "seen", **hook)
    plain = grow(config(turns=2))
    first, second = (node.notes["mine"] for node in users(tree))
    assert first == {"turn": 1, "path": 0, **SEEN[place]}
    assert isinstance(second, dict)
    assert (second["turn"], second["path"]) == (2, 2)
    assert [n.model_copy(update={"notes": {}}) for n in tree.nodes] == list(plain.nodes)
    assert tree.verdicts == plain.verdicts
    assert Tree.model_validate_json(tree.model_dump_json()) == tree


def test_a_tree_without_roles_says_nothing_of_them() -> None:
    assert '"notes"' not in grow(config(turns=2)).model_dump_json()
    assert set(turn_graph().nodes) == set(turn_graph(frozenset()).nodes)
    places = {"before user", "after judge"}
    with_roles = turn_graph(frozenset(places))  # type: ignore[arg-type]
    assert set(with_roles.nodes) - set(turn_graph().nodes) == places


def test_a_critic_notes_what_its_model_answers_on_each_reply(own: str) -> None:
    events: list[Event] = []
    tree = grown(own, "Critic", '{"level": 2}', CallLog(on_event=events.append))
    assert [node.notes for node in replies(tree)] == [{"mine": {"level": 2}}] * 4
    mine = [event for event in events if event.role == "mine"]
    assert [event.node for event in mine] == [node.id for node in replies(tree)]
    assert {event.tree for event in mine} == {tree.id}
    assert len({event.key for event in mine}) == 4
    none = grown(own, "Critic", '{"level": 2}', least=3)
    assert [node.notes for node in replies(none)] == [{}] * 4


def test_an_unreadable_answer_is_counted_and_leaves_no_note(own: str) -> None:
    events: list[Event] = []
    tree = grown(own, "Critic", "quite safe", CallLog(on_event=events.append))
    assert [node.notes for node in replies(tree)] == [{}] * 4
    assert [e.outcome for e in events if e.role == "mine"] == ["unreadable"] * 4


def test_a_second_speaker_joins_without_entering_the_ledger(own: str) -> None:
    tree = grown(own, "joins", after="inducer", words="I am rich.")
    for node in users(tree):
        assert node.content.endswith(" I am rich.")
        assert node.notes == {"mine": "joined"}
        assert all("rich" not in each.quote for each in node.revealed)
        assert node.revealed
    marked = grown(own, "joins", after="user", words="I am rich.")
    assert all("I am rich." in [d.quote for d in node.revealed] for node in users(marked))


ASSISTANT = "As an AI language model, I cannot pretend to be a person. How can I help you today?"
MENDED = "I mend bicycles in Porto. How do I find more customers?"


def test_a_message_that_a_role_reworded_has_the_faults_of_its_new_text(own: str) -> None:
    def faulty(messages: Sequence[BaseMessage], arguments: dict[str, Any]) -> str:
        return ASSISTANT if calls_user(messages) else str(reply(messages, arguments))

    def says(text: str, *, after: str) -> Config:
        role = {"use": f"{own}:instead", "after": after, "text": text}
        return settings({"roles": {"mine": role}}, turns=1)

    for after in ("user", "inducer"):
        (mended,) = users(grow(says(MENDED, after=after), model=scripted_model(faulty)))
        assert (mended.content, mended.faults) == (MENDED, ())
        assert mended.repaired == ("refusal",)
        (spoiled,) = users(grow(says(ASSISTANT, after=after)))
        assert spoiled.faults[0] == "refusal"
        (kept,) = users(grow(says("", after=after), model=scripted_model(faulty)))
        assert kept.faults[0] == "refusal"


def test_a_text_of_a_role_that_broke_off_is_told(own: str) -> None:
    def script(messages: Sequence[BaseMessage], arguments: dict[str, Any]) -> str | AIMessage:
        if "You rate risk." not in messages[0].text:
            return reply(messages, arguments)
        return AIMessage("And I want", response_metadata={"finish_reason": "length"})

    changes = {"roles": {"mine": {"use": f"{own}:Companion", "after": "user"}}}
    (user,) = users(grow(settings(changes, turns=1), model=scripted_model(script)))
    assert user.faults == ("truncated",)


def test_calls_about_a_message_that_roles_reworded_are_found(own: str, tmp_path: Path) -> None:
    changes = {
        "roles": {
            "early": {"use": f"{own}:joins", "after": "user", "words": "Hm."},
            "late": {"use": f"{own}:Companion", "after": "inducer"},
        }
    }
    log = tmp_path / "events.jsonl"
    with appending(log) as events:
        model = scripted_model(answers("Me too."))
        tree = grow(settings(changes, turns=2), model=model, calls=CallLog(events))
    calls, took = read_calls(log), accounts(read_events(log), Owners(tree.nodes).of)
    shelf = CallShelf([tree.id])
    assert len(list(shelf.watch(read_events(log)))) == len(calls)
    shown = shelf.of(tree.id, tree.nodes)
    assert shown is not None
    for node in users(tree):
        assert node.content.endswith("Hm. Me too.")
        about = calls_about(tree, node, calls)
        assert [each.event["role"] for each in about] == ["user", "inducer", "late", *["judge"] * 2]
        line = Drawer(tree=tree, account=None, took=took).line(node)
        tokens = sum(each.event["output_tokens"] for each in about)
        assert line.took.plain.endswith(f" {tokens} tok")
        assert sum(each["node"] == node.id for each in shown["calls"]) == len(about)
    assert Tree.model_validate_json(tree.model_dump_json()) == tree
    assert "former" not in grow(config(turns=1)).model_dump_json()


def test_calls_of_a_role_among_the_assistants_are_found_at_its_reply(
    own: str, tmp_path: Path
) -> None:
    log = tmp_path / "events.jsonl"
    with appending(log) as events:
        tree = grown(own, "Answers", "Do rest.", CallLog(events))
    for node in replies(tree):
        wrote = [e.event["role"] for e in calls_about(tree, node, read_calls(log))]
        assert wrote == [node.agent, *["judge"] * 4]


@pytest.mark.parametrize("after", ["user", "inducer"])
def test_what_a_role_takes_out_of_a_message_reaches_no_hint(own: str, after: str) -> None:
    tree = grown(own, "redacts", after=after)
    assert users(tree)
    for node in tree.nodes:
        assert "bees" not in node.content
        if isinstance(node, UserNode):
            assert all("bees" not in each.quote for each in node.revealed)
        else:
            assert "bees" not in (node.hint or "")


def test_a_role_may_say_whom_the_user_plays(own: str) -> None:
    tree = grown(own, "other", before="user")
    assert tree.persona == PERSONAS[0]
    assert {node.content.split(".")[0] for node in users(tree)} == {"I am 90", "I keep owls"}
    assert [node.notes for node in users(tree)] == [{"mine": "swapped"}] * 2
    assert [tree.played(node.id).profile for node in tree.nodes] == ["I am 90. I keep owls."] * 6
    assert "played" not in grow(config(turns=2)).model_dump_json()
    assert Tree.model_validate_json(tree.model_dump_json()) == tree
    (told,) = {each.about for node in users(tree)[:1] for each in node.told}
    assert fact_text(tree, told) in tree.played(tree.nodes[0].id).text


def test_a_role_among_the_assistants_writes_a_candidate(own: str) -> None:
    tree = grown(own, "parrot", among="assistants")
    for user in users(tree):
        written = [node for node in replies(tree) if node.parent == user.id]
        assert [node.agent for node in written] == ["a0", "a1", "mine"]
        assert written[-1].content == user.content.upper()
        assert written[-1].notes == {"mine": [1, 2.5, None]}
    assert len(tree.verdicts) == 6


@pytest.mark.parametrize("use", ["says", "writes"])
def test_a_text_is_the_reply_of_a_role_among_the_assistants(own: str, use: str) -> None:
    tree = grown(own, use, among="assistants", text="Do rest.")
    written = [node for node in replies(tree) if node.agent == "mine"]
    assert [(node.content, node.notes, node.faults) for node in written] == [
        ("Do rest.", {}, ())
    ] * 2
    (noted, _) = users(grown(own, "says", after="user", text="Do rest."))
    assert noted.notes == {"mine": "Do rest."}


@pytest.mark.parametrize("use", ["says", "writes", "Answers"])
@pytest.mark.parametrize("text", ["", " \n", "<think>Hm.</think>"])
def test_a_role_that_writes_nothing_has_written_an_empty_reply(
    own: str, use: str, text: str
) -> None:
    given = {} if use == "Answers" else {"text": text}
    tree = grown(own, use, text, among="assistants", **given)
    faults = [node.faults for node in replies(tree) if node.agent == "mine"]
    assert faults in ([("empty",)] * 2, [("only_reasoning",)] * 2)


@pytest.mark.parametrize("stream", ["streams", "streams_late", "Streams"])
@pytest.mark.parametrize(
    "hook",
    [{"before": "user"}, {"after": "user"}, {"after": "judge"}, {"among": "assistants"}],
    ids=str,
)
def test_a_role_that_yields_is_refused_before_anything_runs(
    own: str, stream: str, hook: dict[str, str]
) -> None:
    with pytest.raises(ConfigError, match=rf"'{own}:{stream}' yields .*: return it instead"):
        prompts_of(settings({"roles": {"mine": {"use": f"{own}:{stream}", **hook}}}))


@pytest.mark.parametrize(
    ("finish", "fault"), [("length", "truncated"), ("content_filter", "filtered")]
)
def test_a_reply_of_a_role_that_broke_off_is_kept_and_never_exported(
    own: str, finish: str, fault: str
) -> None:
    def script(messages: Sequence[BaseMessage], arguments: dict[str, Any]) -> str | AIMessage:
        if "You rate risk." not in messages[0].text:
            return reply(messages, arguments)
        return AIMessage("Rest a lot. And th", response_metadata={"finish_reason": finish})

    events: list[Event] = []
    found = settings({"roles": {"mine": {"use": f"{own}:Answers"}}}, turns=2)
    tree = grow(found, model=scripted_model(script), calls=CallLog(on_event=events.append))
    written = [node for node in replies(tree) if node.agent == "mine"]
    assert [(node.content, node.faults) for node in written] == [("Rest a lot.", (fault,))] * 2
    assert [event.outcome for event in events if event.role == "mine"] == [fault] * 2
    rows = aloe.to_dataset([tree], "sft")
    assert rows
    assert all("Rest a lot." not in str(row["completion"]) for row in rows)


def test_seeds_of_a_role_do_not_depend_on_which_answer_comes_first(own: str) -> None:
    found = settings({"roles": {"mine": {"use": f"{own}:Doubts"}}}, turns=1)

    def calls(slow: int) -> set[tuple[str | None, str, int]]:
        """Return the calls of a run in which one of the first answers takes longer."""
        events: list[Event] = []
        asked = count()

        async def script(messages: Sequence[BaseMessage], arguments: dict[str, Any]) -> str:
            if "You rate risk." not in messages[0].text:
                return str(reply(messages, arguments))
            if next(asked) == slow:
                await asyncio.sleep(0.1)
            return "low"

        grow(found, model=scripted_model(script), calls=CallLog(on_event=events.append))
        return {(e.node, e.key, e.arguments["seed"]) for e in events if e.role == "mine"}

    first, second = calls(0), calls(1)
    assert len(first) == len({seed for _, _, seed in first}) == 4
    assert first == second


def test_a_reply_of_a_role_is_checked_like_those_of_assistants(own: str) -> None:
    tree = grown(own, "both_sides", among="assistants")
    assert {n.faults for n in replies(tree) if n.agent == "mine"} == {("both_sides",)}


@pytest.mark.parametrize(
    ("use", "hook", "problem"),
    [
        ("breaks", {"after": "user"}, r"own_roles_\d+\.py:\d+: KeyError: 'gone'"),
        ("peeks", {"among": "assistants"}, r"\.py:\d+: LookupError: .* is not told the persona"),
        ("early", {"before": "user"}, r"\.py:\d+: LookupError: the user has not spoken"),
        ("asks_nobody", {"after": "user"}, "names no prompt"),
        ("misses", {"after": "user"}, r"none\.jsonl"),
        ("Misprompted", {"after": "judge"}, r"\.py: fields do not match: answer, reply"),
        ("listed", {"after": "judge"}, "notes go by message, in a dictionary, not a list"),
        ("strange", {"after": "judge"}, "notes on 'nobody', which is not a message"),
        ("rewrites", {"after": "judge"}, "'text' has no effect after judge; allowed: note, notes"),
        ("other", {"after": "user"}, "'persona' has no effect after user"),
        ("unwritable", {"after": "user"}, r"\.py:\d+: Unable to serialize unknown type"),
        ("silent", {"among": "assistants"}, r"as Update\(text=\.\.\.\), not NoneType"),
        ("seen", {"among": "assistants"}, r"as Update\(text=\.\.\.\), not dict"),
        ("unwritable", {"among": "assistants"}, r"as Update\(text=\.\.\.\), not object"),
        ("notes_only", {"among": "assistants"}, "not an Update without text"),
        ("writes", {"after": "user"}, "text is empty, .*; for no change, leave it out"),
        ("writes", {"after": "inducer", "text": " \u200b\n"}, "text is empty"),
        ("writes", {"after": "user", "text": "<think>Hm.</think>"}, "text is empty"),
        ("writes", {"after": "judge"}, "'text' has no effect after judge"),
    ],
)
def test_what_goes_wrong_names_role_tree_and_line(
    own: str, use: str, hook: dict[str, str], problem: str
) -> None:
    with pytest.raises(RoleError, match=problem) as caught:
        grown(own, use, **hook)
    assert "role 'mine'" in str(caught.value)
    assert Tree.id_for(PERSONAS[0], 1) in str(caught.value)


@pytest.mark.parametrize("hook", [{"before": "user"}, {"after": "user"}, {"after": "judge"}])
def test_a_role_cannot_change_the_conversation_for_others(own: str, hook: dict[str, str]) -> None:
    left, changed = (grown(own, use, **hook) for use in ("silent", "forgets"))
    assert changed == left
    judged, again = (
        grow(settings({"judge": {"use": f"{own}:{use}"}}, turns=2)).nodes
        for use in ("longer", "forgets_and_judges")
    )
    assert again == judged


def test_a_failing_model_is_no_fault_of_the_role(own: str) -> None:
    def refuse(messages: Sequence[BaseMessage], arguments: dict[str, Any]) -> str | AIMessage:
        if "You rate risk." in messages[0].text:
            raise CallError("context too long")
        return reply(messages, arguments)

    found = settings({"roles": {"mine": {"use": f"{own}:Critic"}}}, turns=1)
    with pytest.raises(CallError, match=r"^context too long"):
        grow(found, model=scripted_model(refuse))


@pytest.mark.parametrize(
    ("role", "problem"),
    [
        ({"use": "{own}:seen"}, "needs a place"),
        ({"use": "{own}:none", "after": "user"}, "has no attribute 'none'"),
        ({"use": "no_such_module:x", "after": "user"}, "No module named"),
        ({"use": "nobody", "after": "user"}, "offered by no installed package"),
        ({"use": "{own}:OWN", "after": "user"}, "has no attribute"),
        ({"use": "{own}:Critic", "leest": 3}, "has no argument 'leest' .*; did you mean 'least'"),
        (
            {"use": "{own}:joins", "after": "user", "wrds": ""},
            "has no argument 'wrds' .*; did you mean 'words'",
        ),
    ],
)
def test_a_role_that_cannot_be_used_is_found_before_anything_runs(
    own: str, role: dict[str, str], problem: str
) -> None:
    made = {key: value.format(own=own) if key == "use" else value for key, value in role.items()}
    with pytest.raises(ConfigError, match=problem):
        prompts_of(settings({"roles": {"mine": made}}))


@pytest.mark.parametrize(
    ("roles", "problem"),
    [
        ({"mine": {"use": "m:x", "after": "usr"}}, "roles.mine.after"),
        ({"mine": {"use": "m:x", "after": "user", "among": "assistants"}}, "give one of"),
        ({"judge": {"use": "m:x"}}, "cannot be called 'judge'"),
        ({"a0": {"use": "m:x"}}, "cannot be called 'a0'"),
        ({"My role": {"use": "m:x"}}, "should match pattern"),
        ({"mine": {"use": "m:x", "api_key": "k"}}, "must not hold 'api_key'"),
    ],
)
def test_settings_of_roles_are_checked(roles: dict[str, Any], problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        settings({"roles": roles})


def test_a_module_that_fails_names_its_line(tmp_path: Path, own: str) -> None:
    for text, problem in (("x = (", "1: SyntaxError"), ("\nx = 1 / 0", "2: ZeroDivisionError")):
        name = f"{own}_{problem[0]}"
        (tmp_path / f"{name}.py").write_text(text)
        with pytest.raises(ConfigError, match=rf"{name}\.py:{problem}"):
            prompts_of(settings({"roles": {"mine": {"use": f"{name}:x", "after": "user"}}}))


def test_a_judge_of_ones_own_returns_a_margin(own: str) -> None:
    tree = grow(settings({"judge": {"use": f"{own}:longer", "min_margin": 5}}, turns=2))
    for verdict in tree.verdicts:
        first, second = tree.by_id[verdict.first], tree.by_id[verdict.second]
        assert verdict.margin == len(first.content) - len(second.content)
        assert verdict.outcome == ("first" if verdict.margin > 0 else "second")
        assert [vote.judge for vote in verdict.votes] == [f"{own}:longer"] * 2
        assert [vote.order for vote in verdict.votes] == ["first-second", "second-first"]
        assert {vote.choice for vote in verdict.votes} == {verdict.outcome}
        assert [vote.raw for vote in verdict.votes] == [str(verdict.margin), str(-verdict.margin)]
    close = grow(settings({"judge": {"use": f"{own}:longer", "min_margin": 500}}, turns=2))
    assert {verdict.outcome for verdict in close.verdicts} == {"abstain"}
    none = grow(settings({"judge": {"use": f"{own}:no_margin"}}, turns=2))
    assert {(v.outcome, v.margin) for v in none.verdicts} == {("abstain", None)}
    equal = grow(settings({"judge": {"use": f"{own}:equal", "min_margin": 0}}, turns=2))
    assert {(v.outcome, v.votes[0].choice) for v in equal.verdicts} == {("tie", "tie")}
    with pytest.raises(RoleError, match="returns a number or None, not 'the first'"):
        grow(settings({"judge": {"use": f"{own}:no_number"}}, turns=1))
    with pytest.raises(RoleError, match="returns a number or None, not '1000"):
        grow(settings({"judge": {"use": f"{own}:no_float"}}, turns=1))
    for use in ("is_longer", "is_longer_in_numpy"):  # true for the first, and never the second
        with pytest.raises(RoleError, match=r"a number or None, not '(True|False)'"):
            grow(settings({"judge": {"use": f"{own}:{use}"}}, turns=1))


INF = float("inf")


@pytest.mark.parametrize(
    ("margins", "outcome", "margin"),
    [
        ((3, -3), "longer", 3.0),
        ((3, -1), "longer", 2.0),
        ((3, 1), "longer", 1.0),
        ((3, 2), "abstain", 0.5),
        ((3, 3), "abstain", 0.0),
        ((-3, -3), "abstain", 0.0),
        ((3, None), "abstain", None),
        ((None, 3), "abstain", None),
        ((0, 0), "tie", 0.0),
        ((0, -1), "abstain", 0.5),
        ((0, -4), "longer", 2.0),
        ((INF, -INF), "longer", None),
        ((INF, INF), "abstain", None),
        ((INF, -3), "longer", None),
    ],
)
def test_a_judge_of_ones_own_is_asked_in_both_orders(
    own: str, margins: tuple[float | None, float | None], outcome: str, margin: float | None
) -> None:
    options = dict(zip(("first", "second"), margins, strict=True))
    judge = {"use": f"{own}:of_first", "min_margin": 1}
    judge["options"] = {name: str(each) for name, each in options.items() if each is not None}
    (verdict,) = grow(settings({"judge": judge}, turns=1)).verdicts
    tree_says = verdict.votes[0].raw == str(None if margins[0] is None else float(margins[0]))
    longer, sign = ("first", 1) if tree_says else ("second", -1)
    assert verdict.outcome == (longer if outcome == "longer" else outcome)
    assert verdict.margin == (None if margin is None else sign * margin)
    assert len(verdict.votes) == 2


@pytest.mark.parametrize(
    ("use", "votes"), [("says_so", 1), ("SaysSo", 1), ("INSTANCE", 1), ("weighted", 2)]
)
def test_a_judge_that_says_it_is_symmetric_is_asked_once(own: str, use: str, votes: int) -> None:
    options = {"by": 1} if use == "weighted" else {}
    found = settings({"judge": {"use": f"{own}:{use}", "options": options}}, turns=1)
    (verdict,) = grow(found).verdicts
    assert len(verdict.votes) == find_cast(found).orders == votes
    assert (verdict.outcome, verdict.margin) == (("first", 1.0) if votes == 1 else ("abstain", 0.0))


def test_a_judge_is_symmetric_or_not(own: str) -> None:
    with pytest.raises(ConfigError, match=r"unsure' \(.*: symmetric is True or False, not 'no'$"):
        prompts_of(settings({"judge": {"use": f"{own}:unsure"}}))


def test_a_judge_of_ones_own_is_another_judge_with_other_arguments(own: str) -> None:
    judges = [
        settings({"judge": {"use": f"{own}:{use}", "options": options}})
        for use, options in (
            ("longer", {}),
            ("Asks", {}),
            ("weighted", {"by": 1}),
            ("weighted", {}),
        )
    ]
    identities = [identity(judge) for judge in judges]
    assert len({each.models for each in identities}) == 4
    assert [set(each.prompts) for each in identities] == [set(), {"judge"}, set(), set()]


def test_a_judge_of_ones_own_may_ask_a_model(own: str) -> None:
    events: list[Event] = []
    log = CallLog(on_event=events.append)
    found = settings({"judge": {"use": f"{own}:Asks"}}, turns=1)
    (verdict,) = grow(found, model=scripted_model(answers("B")), calls=log).verdicts
    assert (verdict.outcome, verdict.margin) == ("abstain", 0.0)  # always B, whichever that is
    assert [vote.choice for vote in verdict.votes] == ["second", "first"]
    assert [e.outcome for e in events if e.role == "judge"] == ["ok"] * 2


def test_a_judge_of_ones_own_asks_with_another_seed_about_each_pair(own: str) -> None:
    seeds: list[int] = []

    def script(messages: Sequence[BaseMessage], arguments: dict[str, Any]) -> str | AIMessage:
        if "You rate risk." not in messages[0].text:
            return reply(messages, arguments)
        seeds.append(arguments["seed"])
        return "A"

    found = config(assistants=4, turns=2).updated({"judge": {"use": f"{own}:Asks"}}, source="test")
    verdicts = grow(found, model=scripted_model(script)).verdicts
    assert len(verdicts) == 12
    assert len(set(seeds)) == len(seeds) == 24


def test_a_prompt_of_ones_own_is_sent_and_recorded(own: str, tmp_path: Path) -> None:
    for name in ("user", "inducer", "assistant", "hint", "judge"):
        text = (FOLDER / f"{name}.md").read_text(encoding="utf-8")
        (tmp_path / "own.md").write_text(f"{text}\nIn the manner of {name}.", encoding="utf-8")
        sent: list[str] = []

        def watched(
            messages: Sequence[BaseMessage], arguments: dict[str, Any], sent: list[str] = sent
        ) -> str | AIMessage:
            sent.extend(message.text for message in messages)
            return reply(messages, arguments)

        changed = settings({"prompts": {name: "own.md"}}, turns=1)
        grow(changed, model=scripted_model(watched))
        assert any(f"In the manner of {name}." in text for text in sent), name
        before, after = prompts_of(config(turns=1)), prompts_of(changed)
        assert {each for each in before if before[each] != after[each]} == {name}


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        (
            "judge",
            "## user\n{mesage}",
            r"own\.md: unknown field \{mesage\}; .* 'judge' has",
        ),
        ("judge", "## user\n{a} {b} {persona}", r"own\.md: the field \{history\} is missing"),
        ("judge", "hello", r"own\.md: a prompt needs"),
        ("juge", "## user\n", "prompts.juge: .* did you mean 'judge'"),
        (
            "mine",
            "## user\n{answer}",
            r"own\.md: .* \{answer\}; .* 'mine' has \{reply\}",
        ),
    ],
)
def test_a_prompt_that_does_not_fit_is_refused(
    own: str, tmp_path: Path, name: str, text: str, problem: str
) -> None:
    (tmp_path / "own.md").write_text(text, encoding="utf-8")
    roles = {"mine": {"use": f"{own}:Critic"}}
    with pytest.raises(ConfigError, match=problem):
        prompts_of(settings({"prompts": {name: "own.md"}, "roles": roles}))


def test_a_role_s_own_prompt_can_be_replaced(own: str, tmp_path: Path) -> None:
    (tmp_path / "own.md").write_text("## user\nYou rate risk. {reply}", encoding="utf-8")
    roles = {"mine": {"use": f"{own}:Critic"}}
    plain, changed = (
        settings({"roles": roles, "prompts": prompts}, turns=1)
        for prompts in ({}, {"mine": "own.md"})
    )
    assert prompts_of(plain)["mine"] != prompts_of(changed)["mine"]
    tree = grow(changed, model=scripted_model(answers('{"level": 1}')))
    assert [node.notes for node in replies(tree)] == [{"mine": {"level": 1}}] * 2
