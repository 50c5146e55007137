"""The screen of a chat: the conversation, what is known of the person, and a line to type in.

Everything that can be done is a command that can be typed; keys are short for the usual ones. The
replies are drawn while they are written, except where the order is blind: who writes faster would
give away who writes.
"""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from rich.console import Group, RenderableType
from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, VerticalScroll
from textual.events import Key
from textual.filter import LineFilter
from textual.message import Message
from textual.pilot import Pilot
from textual.widgets import Footer, Static, TextArea
from textual.worker import Worker, WorkerState

from aloe.errors import INTERRUPTED, AloeError
from aloe.graphs.chat import ChatSession
from aloe.graphs.chat_commands import SlashCommand, read_line, run_command
from aloe.graphs.chat_turn import ChatError, ChatTurn
from aloe.graphs.chat_view import TurnView, head, ledger_lines, persona_lines
from aloe.views.escape_filter import EscapeFilter
from aloe.views.picture import save_screen

FRAME = 0.1
"""Seconds between two pictures of a reply that is being written."""
BESIDE = 64
"""Columns from which replies stand side by side, so that a long one hides no other."""
WIDE = 100
"""Columns from which the ledger stands beside the conversation."""
PICTURE = (WIDE, 30)
"""Columns and lines of the screen that plays the lines of a pipe."""


class Entry(TextArea):
    """Where the person types: enter sends, and a line break is ctrl+j or pasted."""

    class Sent(Message):
        """What was typed."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    async def _on_key(self, event: Key) -> None:
        """Take keys in the order in which they come: a binding would overtake the letters."""
        if event.key not in ("enter", "ctrl+j"):
            await super()._on_key(event)
            return
        event.stop()
        event.prevent_default()
        if event.key == "ctrl+j":
            self.insert("\n")
        else:
            self.send()

    def send(self) -> None:
        """Send what is typed."""
        self.post_message(self.Sent(self.text))
        self.clear()

    def give_back(self, text: str) -> None:
        """Put a text that was sent before what is typed by now."""
        self.text = text + self.text
        self.move_cursor(self.document.end)


class ChatApp(App[int]):
    """The whole screen; it returns the exit code of the command.

    Args:
        session: the conversation.
        svg: where the last screen is saved; None for nowhere.
    """

    ENABLE_COMMAND_PALETTE = False
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (WIDE, "-wide")]  # noqa: RUF012
    CSS = """
    #head { height: auto; color: $text-muted; }
    #both { layout: vertical; height: 1fr; }
    .-wide #both { layout: horizontal; }
    #talk, #side { scrollbar-size-vertical: 1; }
    #talk { width: 1fr; height: 1fr; }
    #side { width: 1fr; height: auto; max-height: 6; border-top: solid $primary; }
    #side.-played { max-height: 10; }
    .-wide #side { width: 32; height: 1fr; max-height: 100%; border-top: none;
                   border-left: solid $primary; padding: 0 1; }
    Entry { height: auto; max-height: 5; border: none; border-top: solid $primary; padding: 0; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f2", "type('/prefer 1')", "1 better"),
        Binding("f3", "type('/prefer 2')", "2 better"),
        Binding("f4", "type('/prefer tie')", "tie"),
        Binding("f5", "type('/why')", "why"),
        Binding("f8", "ledger", "ledger"),
        Binding("escape", "stop", "stop", show=False),
        Binding("pageup", "page(-1)", "scroll", show=False, priority=True),
        Binding("pagedown", "page(1)", "scroll", show=False, priority=True),
        Binding("ctrl+q", "leave(0)", "quit", priority=True),
        Binding("ctrl+c", f"leave({INTERRUPTED})", "stop", show=False, priority=True),
    ]

    def __init__(self, session: ChatSession, svg: Path | None = None) -> None:
        super().__init__(ansi_color=True)
        self.session = session
        self.error: BaseException | None = None
        """What ended the chat, if it did not end by itself."""
        self._svg = svg
        self._shown: list[tuple[TurnView, Static]] = []
        self._at_work: Worker[None] | None = None
        self._marking: Worker[None] | None = None

    def get_line_filters(self) -> Sequence[LineFilter]:
        """Return what every line passes before the terminal gets it."""
        return [*super().get_line_filters(), EscapeFilter()]

    def compose(self) -> ComposeResult:
        """Lay out the head, the conversation, the ledger, the entry and the keys."""
        chat = self.session.chat
        yield Static(head(chat), id="head")
        with Container(id="both"):
            yield VerticalScroll(id="talk", can_focus=False)
            with VerticalScroll(id="side", classes="-played" if chat.persona.facts else ""):
                yield Static(id="ledger")
        yield Entry(
            placeholder="Say something, or /help", compact=True, highlight_cursor_line=False
        )
        yield Footer()

    def on_mount(self) -> None:
        """Show whom the person plays, and wait for the first message."""
        entry = self.query_one(Entry)
        entry.cursor_blink = self._svg is None  # a picture is the same whenever it is drawn
        entry.focus()
        self.query_one("#talk", VerticalScroll).anchor()
        self.set_interval(FRAME, self._draw_frame)
        self._draw()

    def on_key(self, event: Key) -> None:
        """Let what is typed be typed into the entry, wherever the person has gone with tab."""
        entry = self.query_one(Entry)
        if event.is_printable and event.character:
            entry.insert(event.character)
        elif event.key == "enter":
            entry.send()
        else:
            return
        entry.focus()

    def on_resize(self) -> None:
        """Put the replies side by side, or one under the other."""
        self._draw()

    def talk(self, lines: Sequence[str] | None = None) -> int:
        """Run until the person leaves; return the exit code of the command.

        Args:
            lines: what is typed on a screen that nobody sees; None for a person at the terminal.

        Raises:
            StoreError: the folder, or the picture, cannot be written.
            BudgetError: what the folder may cost is spent.
        """
        if lines is None:
            code = self.run()
        else:

            async def play(pilot: Pilot[object]) -> None:
                await self._play(pilot, lines)

            code = self.run(headless=True, size=PICTURE, auto_pilot=play)
        if self.error:
            raise self.error
        return code or 0

    async def _play(self, pilot: Pilot[object], lines: Sequence[str]) -> None:
        for line in lines:
            self.query_one(Entry).text = line
            await pilot.press("enter")
            while self._at_work or (self._marking and not self._marking.is_finished):
                await asyncio.sleep(FRAME / 2)
            await pilot.pause()
        self.action_leave(0)

    def on_entry_sent(self, event: Entry.Sent) -> None:
        """Take in what was typed; while replies are coming, it is given back."""
        if not self._take(event.text):
            self.query_one(Entry).give_back(event.text)

    def action_type(self, command: str) -> None:
        """Do what a key is short for; what is typed so far stays."""
        self._take(command)

    def _take(self, text: str) -> bool:
        """Do what a line says; whether it was taken in."""
        if self._at_work:
            self.notify("the replies are still coming; esc stops them", timeout=3)
            return False
        try:
            self._do(read_line(text))
        except ChatError as error:
            self._add(Text(str(error), "red"))
        except AloeError as error:
            self._fail(error)
        return True

    def _do(self, found: SlashCommand | str | None) -> None:
        if isinstance(found, str):
            self._ask(self.session.begin(found))
        elif found is None:
            return
        elif found.name == "quit":
            self.action_leave(0)
        elif found.name == "again":
            self._ask(self.session.retry())
        elif found.name == "undo":
            self.query_one(Entry).give_back(self.session.undo())
            self._draw()
        else:
            lines = list(run_command(self.session, found))
            self._draw()
            self._add(Group(*lines))

    def _add(self, picture: RenderableType) -> Static:
        """Put something at the end of the conversation."""
        block = Static(picture)
        self.query_one("#talk").mount(block)
        return block

    def _ask(self, turn: ChatTurn) -> None:
        """Draw a turn, and have it answered meanwhile."""
        if not self._shown or self._shown[-1][0].turn is not turn:
            self._draw()  # without a message that nobody answered
            beside = self.size.width >= BESIDE and len(turn.order) > 1
            view = TurnView(chat=self.session.chat, turn=turn, beside=beside)
            self._shown.append((view, self._add(view)))
        view, _ = self._shown[-1]
        view.waiting = 0
        self._at_work = self.run_worker(self._answered(turn, view), exit_on_error=False)

    async def _answered(self, turn: ChatTurn, view: TurnView) -> None:
        await self.session.ask(turn, view.partial.__setitem__)

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """Draw the turn once more when nobody is answering any longer."""
        if event.worker is not self._at_work or not event.worker.is_finished:
            if event.worker.error:
                self._fail(event.worker.error)
            return
        self._at_work = None
        turn = self._shown[-1][0].turn
        self._shown[-1][0].waiting = None
        self._draw()
        if event.state == WorkerState.CANCELLED:
            self._add(Text("stopped: what was coming is not kept; /again asks again", "red"))
        elif event.worker.error:
            self._fail(event.worker.error)
            return
        if turn.replies and self.return_value is None:  # and nobody is leaving
            self._marking = self.run_worker(self._mark(turn), exit_on_error=False)

    async def _mark(self, turn: ChatTurn) -> None:
        """Let what a turn tells be marked, while the conversation goes on."""
        ended = await self.session.mark(turn)
        self._draw()
        if ended:
            self._add(Text(ended, "red"))

    def _draw_frame(self) -> None:
        """Draw what is being written."""
        if self._at_work:
            view, block = self._shown[-1]
            view.waiting = (view.waiting or 0) + 1
            block.update(view)

    def _draw(self) -> None:
        """Draw the turns that are there, and what they brought to light."""
        session, beside = self.session, self.size.width >= BESIDE
        there = session.said
        for view, block in self._shown:
            view.beside = beside and len(view.turn.order) > 1
            if any(view.turn is each for each in there):
                block.update(view)
            else:
                block.remove()
        self._shown = [each for each in self._shown if any(each[0].turn is t for t in there)]
        last = session.turns[-1] if session.turns else None
        lines = (*ledger_lines(session.ledger, last), *persona_lines(session.chat))
        self.query_one("#ledger", Static).update(Group(*lines))

    def _fail(self, error: BaseException) -> None:
        """End the chat with an error."""
        self.error = error
        self.exit()

    def action_stop(self) -> None:
        """Stop the replies that are coming."""
        if self._at_work:
            self._at_work.cancel()

    def action_page(self, step: int) -> None:
        """Scroll the conversation."""
        talk = self.query_one("#talk", VerticalScroll)
        (talk.scroll_page_up if step < 0 else talk.scroll_page_down)(animate=False)

    def action_ledger(self) -> None:
        """Hide the ledger, or show it again."""
        side = self.query_one("#side")
        side.display = not side.display

    def action_leave(self, code: int) -> None:
        """End the chat."""
        if self._at_work:
            self._at_work.cancel()
        if self._svg:
            try:
                save_screen(self.export_screenshot(title="aloe chat"), self._svg)
            except AloeError as error:
                self.error = error
        self.exit(code)
