"""A conversation with a person: what becomes of each turn, on disk and for the next one."""

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest
from builders import PERSONAS
from chatting import EMOJI, PLAIN, says, stored, talking
from langchain_core.messages import BaseMessage
from server import ChatServer, failure, streamed

from aloe.agents.scripted import reply
from aloe.benchmark.listed_runs import find_runs
from aloe.config import Config, ModelConfig
from aloe.errors import BudgetError, ConfigError, InputError, ModelError, StoreError
from aloe.graphs.chat import Chat, ChatSession
from aloe.graphs.chat_setup import chat_settings, find_persona, wants_inducer, wants_second
from aloe.graphs.chat_turn import ChatError, ChatTurn, Choice
from aloe.graphs.chat_view import summary
from aloe.memory.merge import merge
from aloe.memory.run_folder import read_trees
from aloe.memory.run_page import render_run
from aloe.memory.verifiable.catalogue import find_opposite, find_wish
from aloe.memory.verifiable.generation import generate
from aloe.memory.verifiable.phrases import find_stated
from aloe.models.model_string import ModelString
from aloe.schema import AssistantNode, Tree, UserNode
from aloe.training.export import ROWS


def fails(_messages: Sequence[BaseMessage], _arguments: dict[str, Any]) -> str:
    raise ValueError("the GPU is gone")


def say(
    session: ChatSession, text: str, hear: Callable[[str, str], None] = lambda _name, _text: None
) -> ChatTurn:
    turn = session.begin(text)
    asyncio.run(session.ask(turn, hear))
    if turn.replies:
        asyncio.run(session.mark(turn))
    return turn


def test_a_preferred_reply_is_what_it_goes_on_from(tmp_path: Path) -> None:
    seen: list[list[str]] = []

    def note(messages: Sequence[BaseMessage], _: dict[str, Any]) -> str:
        seen.append([each.text for each in messages])
        return "noted"

    with talking(tmp_path, note, says(PLAIN)) as session:
        say(session, "Hello.")
        assert stored(tmp_path).verdicts == ()
        session.prefer("1")
        session.prefer("2")  # one may change one's mind
        say(session, "And now?")
    assert seen == [["Hello."], ["Hello.", PLAIN, "And now?"]]
    tree = stored(tmp_path)
    (verdict,) = tree.verdicts
    assert (verdict.outcome, tree.by_id[verdict.second].agent) == ("second", "beside")
    assert [(vote.judge, vote.raw, vote.choice) for vote in verdict.votes] == [
        ("human", "2", "second")
    ]
    assert tree.models["user"] == tree.models["judge"] == "human"
    assert [node.agent for node in tree.nodes] == ["human", "model", "beside"] * 2
    assert tree.nodes[3].parent == tree.nodes[2].id


@pytest.mark.parametrize("row_format", ROWS)
def test_what_a_person_prefers_can_be_exported(tmp_path: Path, row_format: Any) -> None:
    with talking(tmp_path, says(PLAIN), says(EMOJI)) as session:
        for text in ("I want no emoji.", "And then?"):
            say(session, text)
            session.prefer("1")
    rows = list(ROWS[row_format](stored(tmp_path), Counter()))
    assert rows
    assert all(row.get("confidence") in (None, 1.0) for row in rows)


def test_without_a_word_about_it_the_first_reply_counts(tmp_path: Path) -> None:
    with talking(tmp_path, says(""), says(PLAIN)) as session:
        say(session, "Hello.")
        say(session, "And?")
    _, empty, reply, again, *_ = stored(tmp_path).nodes
    assert again.parent == reply.id
    assert empty.faults == ("empty",)


def test_replies_that_are_the_same_are_a_tie_whatever_one_says(tmp_path: Path) -> None:
    with talking(tmp_path, says(PLAIN), says(PLAIN)) as session:
        say(session, "Hello.")
        verdict = session.prefer("1")
    assert (verdict.outcome, verdict.votes) == ("tie", ())


def test_the_order_is_drawn_where_it_is_blind_and_counts_in_the_vote(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    coins = iter([0, 1, 1, 0, 1, 0, 0, 1])
    monkeypatch.setattr("secrets.randbits", lambda bits: next(coins) if bits == 1 else 7)
    with talking(tmp_path, says(PLAIN), says(EMOJI), blind=True) as session:
        for number in range(8):
            turn = say(session, f"Number {number}.")
            assert not turn.named
            place = turn.order.index("beside") + 1
            session.prefer("1" if place == 1 else "2")
        orders = [turn.order for turn in session.turns]
        session.reveal()
        assert all(turn.named for turn in session.turns)
    assert set(orders) == {("model", "beside"), ("beside", "model")}
    tree = stored(tmp_path)
    assert {verdict.outcome for verdict in tree.verdicts} == {"second"}
    shown = [verdict.votes[0].order == "second-first" for verdict in tree.verdicts]
    assert shown == [order == ("beside", "model") for order in orders]


def test_nobody_can_know_the_order_from_an_earlier_draw(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    coins = iter([0, 1, 0, 1])
    monkeypatch.setattr("secrets.randbits", lambda bits: next(coins) if bits == 1 else 7)
    drawn = []
    for name in ("one", "other"):
        with talking(tmp_path / name, says(PLAIN), says(EMOJI), blind=True) as session:
            for _ in range(2):
                drawn.append(say(session, "Hello.").order[0])
                session.undo()
    assert drawn == ["model", "beside"] * 2


def test_a_message_can_be_taken_back(tmp_path: Path) -> None:
    with talking(tmp_path, says(PLAIN), says(EMOJI)) as session:
        say(session, "Hello.")
        say(session, "Stay.")
        assert session.undo() == "Stay."
        assert len(stored(tmp_path).nodes) == 3
        assert session.undo() == "Hello."
        assert list(read_trees(tmp_path)) == []
        with pytest.raises(ChatError, match="nothing has been said"):
            session.undo()
        session.begin("Never mind.")
        assert session.undo() == "Never mind."
    assert list(read_trees(tmp_path)) == []


def test_conversations_of_one_folder_stand_beside_each_other(tmp_path: Path) -> None:
    for text in ("Hello.", "Hello.", "Another."):
        with talking(tmp_path, says(PLAIN), says(EMOJI)) as session:
            say(session, text)
            say(session, "More.")
    trees = list(read_trees(tmp_path))
    assert len({tree.id for tree in trees}) == 3
    assert [len(tree.nodes) for tree in trees] == [6, 6, 6]
    with (
        talking(tmp_path, says(PLAIN), says(EMOJI)) as first,
        talking(tmp_path, says(PLAIN), says(EMOJI)) as second,
    ):
        say(first, "Mine.")
        with pytest.raises(StoreError, match="in use"):
            say(second, "Mine too.")
    with pytest.raises(ConfigError, match="other settings"), talking(tmp_path, "scripted:a:b"):
        pass


def test_chats_of_two_people_are_two_trees_unless_a_seed_makes_them_one(tmp_path: Path) -> None:
    def chatted(folder: str, choice: Choice, *more: str, seed: int | None = None) -> Tree:
        with talking(tmp_path / folder, says(PLAIN), says(EMOJI), seed=seed) as session:
            for text in ("Hello.", *more):
                say(session, text)
                session.prefer(choice)
        return stored(tmp_path / folder)

    ann, ben = chatted("ann", "1"), chatted("ben", "2")
    assert [tree.verdicts for tree in merge([ann, ben])] == [ann.verdicts, ben.verdicts]
    one = chatted("one", "1", seed=3)
    assert one == chatted("again", "1", seed=3)
    longer, other = chatted("more", "1", "More.", seed=3), chatted("other", "2", "Else.", seed=3)
    assert merge([one, longer]) == [longer]
    with pytest.raises(ConfigError, match=r"two chats have this id.*leave one out"):
        merge([longer, other])


def test_nobody_planned_how_many_conversations_a_chat_has(tmp_path: Path) -> None:
    given = {"models.inducer.model": "scripted:aloe.agents.scripted:reply"}
    with talking(tmp_path, says(PLAIN), inducer=True, **given) as session:
        session.begin("Hello.")
        folder = session.chat.folder
        assert folder.read_prompts()
        assert folder.planned() is None
        say(session, "Hello.")
    assert folder.planned() is None
    assert render_run(tmp_path, shown=1).unfinished == 0
    line = find_runs([tmp_path]).runs[tmp_path.name].describe()
    assert (line["state"], line["size"]) == ("", "1 tree")


def test_a_model_that_was_replaced_needs_another_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def put(weights: str) -> None:
        def found(configs: Iterable[ModelConfig]) -> dict[str, str]:
            return {str(ModelString.parse(each.model)): weights for each in configs}

        monkeypatch.setattr("aloe.graphs.chat_setup.hash_models", found)

    given = {"models.inducer.model": "scripted:aloe.agents.scripted:reply"}
    put("old")
    for inducer in (True, False):
        with talking(tmp_path, says(PLAIN), inducer=inducer, **given) as session:
            say(session, "Hello.")
    folder = session.chat.folder
    assert set(folder.read_models().values()) == {"old"}
    assert len(folder.read_models()) == 2, "the inducer's too"
    assert folder.read_prompts()
    put("new")
    with (
        pytest.raises(ConfigError, match="as it was before its files changed"),
        talking(tmp_path, says(PLAIN), **given),
    ):
        pass
    put("old")
    folder.prompts.write_text(json.dumps(dict.fromkeys(folder.read_prompts(), "other")))
    with (
        pytest.raises(ConfigError, match="holds a run with other prompts"),
        talking(tmp_path, says(PLAIN), inducer=True, **given),
    ):
        pass


def test_nothing_said_is_nothing_written(tmp_path: Path) -> None:
    with talking(tmp_path / "run", says(PLAIN)) as session:
        for ask in (session.retry, session.undo, lambda: session.prefer("tie")):
            with pytest.raises(ChatError):
                ask()
    assert not (tmp_path / "run").exists()


def test_a_model_that_fails_can_be_asked_again(tmp_path: Path, server: ChatServer) -> None:
    server.behave = lambda _: failure(500, "the GPU is gone")
    with talking(tmp_path, server.model, says(PLAIN)) as session:
        turn = say(session, "Hello.")
        assert "GPU" in turn.failures["model"]
        assert [node.agent for node in stored(tmp_path).nodes] == ["human", "beside"]
        with pytest.raises(ChatError, match="two replies"):
            session.prefer("1")
        server.behave = lambda _: streamed("Here ", "I am.")
        asyncio.run(session.ask(session.retry()))
        session.prefer("1")
        with pytest.raises(ChatError, match="every reply is there"):
            session.retry()
    assert [node.content for node in stored(tmp_path).nodes] == ["Hello.", "Here I am.", PLAIN]


def test_a_turn_that_nobody_answers_is_not_kept_and_can_be_asked_again(
    tmp_path: Path, server: ChatServer
) -> None:
    server.behave = lambda _: failure(400, "no such thing")
    with talking(tmp_path, server.model) as session:
        say(session, "Hello.")
        assert session.turns == []
        assert not (tmp_path / "trees.jsonl").exists()
        with pytest.raises(ChatError, match="/again"):
            session.prefer("1")
        server.behave = lambda _: streamed("Yes.")
        asyncio.run(session.ask(session.retry()))
        with pytest.raises(ChatError, match="--beside"):
            session.prefer("1")
    assert len(stored(tmp_path).nodes) == 2


def test_replies_are_heard_while_they_are_written(tmp_path: Path, server: ChatServer) -> None:
    server.behave = lambda _: streamed("<think>hm</think>", "Good ", "day.")
    heard: list[tuple[str, str]] = []
    with talking(tmp_path, server.model) as session:
        say(session, "Hello.", lambda name, text: heard.append((name, text)))
    assert heard[-1] == ("model", "Good day.")
    assert stored(tmp_path).nodes[1].content == "Good day."


def test_what_it_may_cost_ends_it(tmp_path: Path) -> None:
    with talking(tmp_path, says(PLAIN), **{"budget.max_calls": 1}) as session:
        say(session, "Hello.")
        with pytest.raises(BudgetError):
            say(session, "More.")
    assert [node.content for node in stored(tmp_path).nodes] == ["Hello.", PLAIN, "More."]


def test_a_reply_that_was_paid_for_is_kept_when_the_budget_ends(tmp_path: Path) -> None:
    with talking(tmp_path, says(PLAIN), says(EMOJI), **{"budget.max_calls": 1}) as session:
        with pytest.raises(BudgetError):
            say(session, "Hello.")
        assert len(session.turns) == 1
    (said, answered) = stored(tmp_path).nodes
    assert (said.content, answered.content in (PLAIN, EMOJI)) == ("Hello.", True)


def test_a_reply_that_came_before_the_others_were_stopped_is_kept(tmp_path: Path) -> None:
    seen: list[list[str]] = []
    gate = asyncio.Event()

    def note(messages: Sequence[BaseMessage], _: dict[str, Any]) -> str:
        seen.append([each.text for each in messages])
        return PLAIN

    async def late(*_: Any) -> str:
        await gate.wait()
        return EMOJI

    async def stop(session: ChatSession, text: str) -> None:
        gate.clear()
        turn = session.begin(text)
        asking = asyncio.create_task(session.ask(turn))
        while not turn.replies:
            await asyncio.sleep(0.01)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        assert [node.content for node in stored(tmp_path).nodes][-2:] == [text, PLAIN]
        with pytest.raises(ChatError, match="two replies"):
            session.prefer("1")
        gate.set()

    async def talk(session: ChatSession) -> None:
        await stop(session, "My name is Ann.")
        await session.ask(session.begin("What is my name?"))
        await stop(session, "Sure?")
        await session.ask(session.retry())

    with talking(tmp_path, note, late) as session:
        asyncio.run(talk(session))
    first = ["My name is Ann.", PLAIN, "What is my name?"]
    assert seen == [first[:1], first, [*first, PLAIN, "Sure?"]]
    assert [node.agent for node in stored(tmp_path).nodes] == [
        "human", "model", *["human", "model", "beside"] * 2
    ]  # fmt: skip


def test_the_ledger_grows_with_what_is_said_and_asked(tmp_path: Path) -> None:
    replies = iter(["Do you like emoji?", EMOJI, PLAIN])
    with talking(tmp_path, lambda *_: next(replies)) as session:
        say(session, "I mend bicycles. What should I cook?")
        assert session.ledger.wishes == {}
        assert session.ledger.asked == ("Do you like emoji?",)
        turn = say(session, "I want no emoji. And now?")
        marks = session.ledger.marks(turn.goes_on)
        assert [(mark.words, mark.said, mark.kept) for mark in marks] == [
            ("I want no emoji.", True, False)
        ]
        turn = say(session, "Leave out the emoji.")
        assert [mark.kept for mark in session.ledger.marks(turn.goes_on)] == [True]
    users = [node for node in stored(tmp_path).nodes if isinstance(node, UserNode)]
    assert [[d.quote for d in user.revealed] for user in users] == [
        [], ["I want no emoji."], ["Leave out the emoji."]
    ]  # fmt: skip
    assert [user.asked for user in users] == [None, "told", None]
    (telling,) = users[1].told
    assert (telling.about, telling.why) == ("emoji", "asked")
    assert telling.reply == stored(tmp_path).nodes[1].id
    assert users[2].told == ()


@pytest.mark.parametrize(
    ("reply", "why", "asked"),
    [
        (None, "volunteered", None),
        (PLAIN, "volunteered", None),
        (EMOJI, "contradicted", None),
        ("How would you like my replies?", "asked", "told"),
    ],
)
def test_why_a_wish_was_said(
    tmp_path: Path, reply: str | None, why: str, asked: str | None
) -> None:
    with talking(tmp_path, says(reply or "")) as session:
        if reply:
            say(session, "Hello.")
        user = say(session, "I want no emoji.").user
    assert [each.why for each in user.told] == [why]
    assert user.asked == asked


def test_a_persona_brings_its_wishes_and_is_checked(tmp_path: Path) -> None:
    persona = generate(7, wishes=2)
    trait = next(fact.text for fact in persona.facts if fact.kind == "trait")
    with talking(tmp_path, says(PLAIN), persona=persona) as session:
        assert [mark.said for mark in session.ledger.marks(None)] == [False, False]
        say(session, trait)
        assert [mark.said for mark in session.ledger.marks(None)].count(True) == 1
        name, wanted = next(iter(find_stated(trait).items()))
        say(session, find_wish(name, find_opposite(name, wanted)).trait)
        assert not any(mark.said for mark in session.ledger.marks(None))
    (user, reply, *_) = stored(tmp_path).nodes
    assert isinstance(user, UserNode)
    assert isinstance(reply, AssistantNode)
    assert [(each.kind, each.quote) for each in user.revealed] == [("revealed", trait)]
    assert user.consistency is not None


def test_an_inducer_marks_what_no_rule_finds(tmp_path: Path) -> None:
    with talking(
        tmp_path,
        says(PLAIN),
        inducer=True,
        **{"models.inducer.model": "scripted:aloe.agents.scripted:reply"},
    ) as session:
        say(session, "I mend bicycles. Leave out the emoji. What now?")
        told = [each.quote for each in session.ledger.told]
    assert told == ["I mend bicycles.", "Leave out the emoji."]


def test_the_conversation_goes_on_while_it_is_marked(tmp_path: Path) -> None:
    told = asyncio.Event()

    async def slow(messages: Sequence[BaseMessage], arguments: dict[str, Any]) -> Any:
        await told.wait()
        return reply(messages, arguments)

    async def talk(session: ChatSession) -> None:
        first = session.begin("I mend bicycles.")
        await session.ask(first)
        marking = asyncio.create_task(session.mark(first))
        session.prefer("2")
        second = session.begin("And now?")
        await session.ask(second)
        told.set()
        await marking
        await session.mark(second)
        assert [each.quote for each in session.ledger.told] == ["I mend bicycles."]

    given = {"models.inducer.model": slow}
    with talking(tmp_path, says(PLAIN), says(EMOJI), inducer=True, **given) as session:
        asyncio.run(talk(session))
    user, _, second, again, *_ = stored(tmp_path).nodes
    assert isinstance(user, UserNode)
    assert [each.quote for each in user.revealed] == ["I mend bicycles."]
    assert again.parent == second.id


def test_a_turn_that_is_left_while_it_is_marked_is_checked_all_the_same(tmp_path: Path) -> None:
    async def never(_messages: Sequence[BaseMessage], _arguments: dict[str, Any]) -> Any:
        await asyncio.sleep(60)

    async def talk(session: ChatSession) -> None:
        turn = session.begin("I mend bicycles in Porto. What now?")
        await session.ask(turn)
        marking = asyncio.create_task(session.mark(turn))
        await asyncio.sleep(0.01)
        session.prefer("2")
        marking.cancel()

    given = {"models.inducer.model": never, "persona": PERSONAS[0], "inducer": True}
    with talking(tmp_path, says("Ask your son Rui."), says(EMOJI), **given) as session:
        asyncio.run(talk(session))
    tree = stored(tmp_path)
    user, reply, _ = tree.nodes
    assert isinstance(user, UserNode)
    assert isinstance(reply, AssistantNode)
    assert user.stated
    assert reply.mind_reading
    assert len(tree.verdicts) == 1


def test_an_inducer_that_fails_costs_no_reply(tmp_path: Path) -> None:
    with talking(tmp_path, says(PLAIN), inducer=True, **{"models.inducer.model": fails}) as session:
        turn = say(session, "I mend bicycles. I want no emoji.")
    assert turn.failures == {}
    assert [each.quote for each in session.ledger.told] == ["I want no emoji."]
    assert (session.unmarked, summary(session)["unmarked"]) == (1, 1)


def test_an_inducer_that_is_refused_is_said_once_and_not_asked_again(tmp_path: Path) -> None:
    asked = []

    def refused(messages: Sequence[BaseMessage], _arguments: dict[str, Any]) -> str:
        asked.append(messages)
        raise ModelError("HTTP 404: no such model")

    async def talk(session: ChatSession) -> None:
        told = []
        for _ in range(2):
            turn = session.begin("I mend bicycles. I want no emoji.")
            await session.ask(turn)
            told.append(await session.mark(turn))
        assert told == ["no model marks what you say any more: HTTP 404: no such model", None]

    given = {"models.inducer.model": refused}
    with talking(tmp_path, says(PLAIN), inducer=True, **given) as session:
        asyncio.run(talk(session))
    assert (len(asked), session.unmarked) == (1, 2)
    with talking(tmp_path / "none", says(PLAIN)) as session:
        say(session, "I mend bicycles.")
    assert session.unmarked == 0


def test_personas_are_found_in_files_and_in_the_pool(
    tmp_path: Path, personas_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aloe.graphs.chat_setup.SHIPPED", personas_file)
    assert find_persona(None).facts == ()
    assert find_persona(str(personas_file)) == PERSONAS[0]
    assert find_persona(f"{personas_file}:{PERSONAS[2].id[:5]}") == PERSONAS[2]
    assert find_persona(PERSONAS[1].id[:6]) == PERSONAS[1]
    for wrong in ("nobody.jsonl", f"{tmp_path}/no.jsonl:ab"):
        with pytest.raises(InputError, match="no such file"):
            find_persona(wrong)
    with pytest.raises(ConfigError, match="starts with 'zz'; `aloe personas show`"):
        find_persona("zz")
    with pytest.raises(ConfigError, match="give more of it"):
        find_persona(f"{personas_file}:")


def test_settings_name_who_answers(tmp_path: Path) -> None:
    def resolved(text: str = "", **named: str | None) -> Config:
        file = tmp_path / "my.toml"
        file.write_text(text)
        flags = {"model": None, "beside": None, "inducer": None, **named}
        return chat_settings(file, {"seed": 3}, **flags)

    plain = resolved()
    assert [each.name for each in plain.models.assistants] == ["model", "beside"]
    assert not any(each.hint for each in plain.models.assistants)
    assert (plain.seed, plain.limits.patience) == (3, 20.0)
    assert plain.models.assistants[0].max_tokens == Config().benchmark.candidate.max_tokens
    assert not wants_inducer(plain, None)
    text = '[[models.assistants]]\nname = "a"\nmodel = "openai:m@http://x/v1"\nmax_tokens = 7\n'
    text += '[[models.assistants]]\nname = "b"\n[models.inducer]\nmodel = "openai:i@http://x/v1"\n'
    own = resolved(text + "[limits]\ntries = 2\n", beside="hf:other")
    first, second = own.models.assistants
    assert (first.model, first.max_tokens) == ("openai:m@http://x/v1", 7)
    assert second.model == "hf:other"
    assert own.limits.patience == Config().limits.patience
    assert resolved("[limits]\npatience = 300.0\n").limits.patience == 300.0
    assert wants_inducer(own, None)
    assert resolved(model="hf:one").models.assistants[1].model == "hf:one"
    assert resolved(inducer="hf:one").models.inducer == ModelConfig(
        **{**Config().models.inducer.model_dump(), "model": "hf:one"}
    )


def test_another_model_is_not_asked_at_the_server_of_the_one_before(tmp_path: Path) -> None:
    file = tmp_path / "my.toml"
    server = 'base_url = "http://127.0.0.1:8001/v1"\napi_key_env = "MY_KEY"\n'
    first = f'[[models.assistants]]\nname = "a"\nmodel = "openai:base"\n{server}top_p = 0.5\n'
    second = '[[models.assistants]]\nname = "b"\nmodel = "openai:gpt"\napi_key_env = "MY_OPENAI"\n'
    file.write_text(f'{first}{second}[models.inducer]\nmodel = "openai:i"\n{server}')
    found = chat_settings(
        file, {}, model="openai:tuned@http://127.0.0.1:9000/v1",
        beside="openai:x@http://evil:1/v1", inducer="openai:j",
    ).models  # fmt: skip
    for each in (*found.assistants, found.inducer):
        assert (each.base_url, each.api_key_env) == (None, None)
    assert found.assistants[0].top_p == 0.5
    again = chat_settings(file, {}, model=None, beside="openai:base", inducer=None).models
    for each in again.assistants:  # both are what the file says of that model
        assert (each.base_url, each.api_key_env) == ("http://127.0.0.1:8001/v1", "MY_KEY")


def test_two_assistants_of_the_settings_both_answer(tmp_path: Path) -> None:
    file = tmp_path / "my.toml"
    none: dict[str, str | None] = {"model": None, "beside": None}

    def second(text: str, **named: str) -> bool:
        file.write_text(text)
        given = {**none, **named}
        return wants_second(chat_settings(file, {}, inducer=None, **given), **given)

    one = '[[models.assistants]]\nname = "a"\nmodel = "hf:x"\n'
    two = f'{one}[[models.assistants]]\nname = "b"\nmodel = "hf:x"\n'
    assert second(two + "temperature = 0.1\n")
    assert second(two.replace("hf:x", "hf:y", 1))
    assert not second(two + "hint = true\n")  # a chat gives no hints
    assert not second("")
    assert not second(two + "temperature = 0.1\n", model="hf:z")
    assert second(two, beside="hf:x")
    written = chat_settings(file, {}, inducer=None, **none).toml()  # by a chat with one of them
    assert not second(written)


def test_the_embedded_model_is_kept_from_repeating_itself(tmp_path: Path) -> None:
    file = tmp_path / "my.toml"

    def penalties(text: str, model: str | None = None) -> list[float | None]:
        file.write_text(text)
        config = chat_settings(file, {}, model=model, beside=None, inducer=None)
        return [each.frequency_penalty for each in config.models.assistants]

    assert penalties("") == [0.4, 0.4]
    assert penalties("", "hf:x") == [None, None]
    assert penalties("[benchmark.candidate]\ntemperature = 0.1\n") == [None, None]
    named = (f'[[models.assistants]]\nname = "{name}"\n' for name in "ab")
    assert penalties("".join(named)) == [None, None]


def test_blind_wants_two(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--beside"), talking(tmp_path, says(PLAIN), blind=True):
        pass


def test_a_prompt_under_a_misspelt_name_is_refused(tmp_path: Path) -> None:
    misspelt = talking(tmp_path, says(PLAIN), prompts={"inducr": "none.md"})
    with pytest.raises(ConfigError, match="did you mean 'inducer'"), misspelt:
        pass


def test_embedded_models_of_different_files_take_turns(tmp_path: Path) -> None:
    at_work, most = 0, 0

    async def busy(*_: Any) -> str:
        nonlocal at_work, most
        at_work += 1
        most = max(most, at_work)
        await asyncio.sleep(0.01)
        at_work -= 1
        return PLAIN

    def together(*names: str) -> int:
        nonlocal most
        most = 0
        with talking(tmp_path / "-".join(names), busy, busy) as session:
            renamed = {
                name: model.__class__(**{**vars_of(model), "name": other})
                for (name, model), other in zip(session.chat.models.items(), names, strict=True)
            }
            chat = Chat(**{**vars(session.chat), "models": renamed})
            with chat.session() as named:
                say(named, "Hello.")
        return most

    assert together("local:a", "local:b") == 1
    assert together("local:a", "local:a") == 2
    assert together("local:a", "openai:b") == 2


def vars_of(model: Any) -> dict[str, Any]:
    return {name: getattr(model, name) for name in model.__dataclass_fields__}
