"""The screen of a chat, driven by keys as a person does."""

import asyncio
import re
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from chatting import EMOJI, ME, PLAIN, says, stored, talking
from rich.console import Group
from server import Answer, ChatServer, failure, streamed
from snapshots import drawn
from textual.pilot import Pilot
from textual.widgets import Static

from aloe.errors import BudgetError
from aloe.graphs.chat_app import ChatApp, Entry
from aloe.memory.verifiable.generation import generate
from aloe.models.scripted import Script
from aloe.schema import Persona

LONG = "世" * 70 + " " + "x" * 150
"""Words that fit into no line."""

Play = Callable[[Pilot[int], ChatApp], Awaitable[None]]


def play(
    folder: Path,
    script: Play,
    model: Script | str,
    beside: Script | str | None = None,
    *,
    size: tuple[int, int] = (80, 24),
    persona: Persona = ME,
    blind: bool = False,
) -> ChatApp:
    with talking(folder, model, beside, persona=persona, blind=blind) as session:
        app = ChatApp(session)

        async def run() -> None:
            async with app.run_test(size=size) as pilot:
                await pilot.pause()
                await script(pilot, app)

        asyncio.run(run())
    return app


async def enter(pilot: Pilot[int], app: ChatApp, text: str, *, wait: bool = True) -> None:
    app.query_one(Entry).insert(text)
    await pilot.press("enter")
    await pilot.pause()
    while wait and app._at_work:
        await asyncio.sleep(0.01)
    await pilot.pause()


def shown(app: ChatApp, place: str = "#talk Static") -> str:
    """Return what stands there, as wide as the screen has it."""
    blocks = [each.content for each in app.query(place).results(Static)]
    return drawn(Group(*blocks), app.query_one("#talk").content_size.width)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("size", "wide", "beside"),
    [((60, 24), False, False), ((80, 24), False, True), ((120, 40), True, True)],
)
def test_two_replies_and_what_is_preferred(
    tmp_path: Path, size: tuple[int, int], *, wide: bool, beside: bool
) -> None:
    async def script(pilot: Pilot[int], app: ChatApp) -> None:
        assert app.focused is app.query_one(Entry)
        assert "Nothing is known of you yet" in shown(app, "#ledger")
        await enter(pilot, app, "I want no emoji. Soup?")
        lines = shown(app).splitlines()
        heads = [line for line in lines if "1 says" in line or "2 says" in line]
        assert len(heads) == (1 if beside else 2)
        assert (shown(app).count("世"), shown(app).count("x")) == (70, 150)  # nothing is cut
        assert "I want no emoji. 1✓ 2✗" in shown(app, "#ledger")
        await pilot.press("f3")
        await pilot.pause()
        assert "★ 2" in shown(app)
        assert "you prefer 2" in shown(app)
        await enter(pilot, app, "/foo")
        assert "there is no /foo" in shown(app)
        await pilot.press("f5")
        await pilot.pause()
        assert "user: I want no emoji. Soup?" in shown(app)
        head, talk, entry = (app.query_one(each).region for each in ("#head", "#talk", Entry))
        assert head.height == 1
        assert talk.height > 8
        assert entry.bottom == size[1] - 1  # above the keys
        side = app.query_one("#side").region
        assert (side.x > 0) is wide

    play(tmp_path, script, says(LONG), says(EMOJI), size=size)
    (verdict,) = stored(tmp_path).verdicts
    assert verdict.outcome == "second"


def test_a_reply_is_drawn_while_it_is_written(tmp_path: Path, server: ChatServer) -> None:
    server.behave = lambda _: streamed("Good ", "morning ", "to you.", drip=0.02)

    async def script(pilot: Pilot[int], app: ChatApp) -> None:
        await enter(pilot, app, "Hello.", wait=False)
        seen = set()
        while app._at_work:
            seen.add(app._shown[-1][0].partial.get("model", ""))
            await asyncio.sleep(0.005)
        assert {"Good", "Good morning"} <= seen
        await pilot.pause()
        assert "Good morning to you." in shown(app)

    play(tmp_path, script, server.model)


def hold_back(server: ChatServer) -> threading.Event:
    """Let a server answer once the event that is returned is set."""
    gate = threading.Event()

    def behave(_: object) -> Answer:
        gate.wait(10)
        return streamed("Late.")

    server.behave = behave
    return gate


def test_nothing_is_drawn_early_where_it_is_blind(tmp_path: Path, server: ChatServer) -> None:
    gate = hold_back(server)

    async def script(pilot: Pilot[int], app: ChatApp) -> None:
        await enter(pilot, app, "Hello.", wait=False)
        while not app.session.unanswered or not app.session.unanswered.replies:
            await asyncio.sleep(0.01)
        await pilot.pause(0.15)
        assert PLAIN not in shown(app)
        gate.set()
        await enter(pilot, app, "")
        assert PLAIN in shown(app)
        assert "says" not in shown(app)
        await enter(pilot, app, "/why")
        assert "1 says" in shown(app) or "2 says" in shown(app)

    play(tmp_path, script, says(PLAIN), server.model, blind=True)


def test_what_is_typed_meanwhile_is_given_back(tmp_path: Path, server: ChatServer) -> None:
    gate = hold_back(server)

    async def script(pilot: Pilot[int], app: ChatApp) -> None:
        entry = app.query_one(Entry)
        await pilot.press(*"Hi", "enter", *"More", "enter")  # in one go, as a paste or a fast hand
        await pilot.pause()
        assert entry.text == "More"
        assert app.session.unanswered is not None
        await pilot.press("escape")
        await pilot.pause(0.1)
        assert "stopped" in shown(app)
        gate.set()
        entry.clear()
        await enter(pilot, app, "/again")
        assert "Late." in shown(app)
        await enter(pilot, app, "/undo")
        assert entry.text == "Hi"
        assert "Late." not in shown(app)
        await pilot.press("ctrl+j", *"there")
        assert entry.text == "Hi\nthere"

    play(tmp_path, script, server.model)


def test_a_stopped_turn_keeps_the_reply_that_is_there(tmp_path: Path, server: ChatServer) -> None:
    hold_back(server)

    async def script(pilot: Pilot[int], app: ChatApp) -> None:
        for key in ("escape", "ctrl+q"):
            await enter(pilot, app, "I want no emoji.", wait=False)
            while not app.session.unanswered or not app.session.unanswered.replies:
                await asyncio.sleep(0.01)
            await pilot.press(key)
            await pilot.pause(0.1)
            if key == "escape":
                assert "stopped" in shown(app)
                assert PLAIN in shown(app)

    app = play(tmp_path, script, says(PLAIN), server.model)
    assert app.error is None
    assert len(stored(tmp_path).nodes) == 4


def test_a_model_that_fails_says_so_in_its_place(tmp_path: Path, server: ChatServer) -> None:
    server.behave = lambda _: failure(400, "no such thing")

    async def script(pilot: Pilot[int], app: ChatApp) -> None:
        await enter(pilot, app, "Hello.")
        assert "no such thing" in shown(app)
        server.behave = lambda _: streamed("Better.")
        await enter(pilot, app, "/again")
        assert "Better." in shown(app)

    play(tmp_path, script, server.model)


def test_a_wish_stands_in_one_line_of_the_ledger(tmp_path: Path) -> None:
    async def script(pilot: Pilot[int], app: ChatApp) -> None:
        await enter(pilot, app, "Hello.")
        assert "No checkable wish heard; try: I want no lists." in shown(app, "#ledger")
        for text in ("Give me an example.", "I love emojis.", "Please don't use emojis."):
            await enter(pilot, app, text)
        lines = shown(app, "#ledger").split("◆")[1:]
        assert len(lines) == 2
        assert "I want an example" in lines[0]
        assert "I want no emoji." in lines[1]
        assert "No checkable wish" not in shown(app, "#ledger")

    play(tmp_path, script, says(PLAIN), size=(120, 40))


def test_ctrl_c_keeps_the_message_that_nobody_answered(tmp_path: Path, server: ChatServer) -> None:
    gate = hold_back(server)

    async def script(pilot: Pilot[int], app: ChatApp) -> None:
        await enter(pilot, app, "Hello.", wait=False)
        await pilot.press("ctrl+c")
        await pilot.pause()

    assert play(tmp_path, script, server.model).return_value == 130
    gate.set()
    assert [node.content for node in stored(tmp_path).nodes] == ["Hello."]


def test_a_persona_stands_beside(tmp_path: Path) -> None:
    persona = generate(7, wishes=2)

    async def script(pilot: Pilot[int], app: ChatApp) -> None:
        assert persona.profile[:20] in shown(app, "#ledger")
        assert shown(app, "#ledger").count("◇") == 2
        await pilot.press("tab", *"Hi")  # to the ledger, and back with what is typed
        assert app.focused is app.query_one(Entry)
        assert app.query_one(Entry).text == "Hi"
        await pilot.press("tab", "?", "enter")
        while app._at_work:
            await asyncio.sleep(0.01)
        assert "you  Hi?" in shown(app)
        await pilot.press("f8")
        assert app.query_one("#side").display is False

    play(tmp_path, script, says(PLAIN), persona=persona)


@pytest.mark.parametrize(("key", "code"), [("ctrl+q", 0), ("ctrl+c", 130)])
def test_leaving(tmp_path: Path, key: str, code: int) -> None:
    async def script(pilot: Pilot[int], app: ChatApp) -> None:
        await enter(pilot, app, "Hello.")
        await pilot.press(key)

    assert play(tmp_path, script, says(PLAIN)).return_value == code
    assert len(stored(tmp_path).nodes) == 2


def test_a_pipe_can_be_played_to_a_picture(tmp_path: Path) -> None:
    picture = tmp_path / "chat.svg"
    with talking(tmp_path / "run", says(PLAIN), says(EMOJI)) as session:
        assert ChatApp(session, picture).talk(["I want no emoji.", "/prefer 1", "/nonsense"]) == 0
    text = picture.read_text(encoding="utf-8")
    assert "<svg" in text
    assert not re.search(r"(url\(|href=|src=)\W*https?:", text)
    assert "nonsense" in text
    assert len(stored(tmp_path / "run").verdicts) == 1


def test_an_error_that_ends_it_is_raised(tmp_path: Path) -> None:
    with (
        talking(tmp_path, says(PLAIN), **{"budget.max_calls": 1}) as session,
        pytest.raises(BudgetError),
    ):
        ChatApp(session).talk(["Hello.", "More."])
    assert [node.content for node in stored(tmp_path).nodes] == ["Hello.", PLAIN, "More."]
