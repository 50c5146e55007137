"""A chat in plain lines, for pipes and for terminals without a screen.

Replies and answers to commands go to stdout, everything else to stderr; with `--json` all of it, as
stdout is for the result alone. Lines are read between two turns and nowhere else, so Ctrl-C always
finds either the person or a model at work.
"""

import sys
from collections.abc import Callable, Iterator
from functools import partial

from rich.console import RenderableType
from rich.text import Text

from aloe.console import say, show, stderr, waiting
from aloe.graphs.chat import ChatSession
from aloe.graphs.chat_commands import SlashCommand, read_line, run_command
from aloe.graphs.chat_turn import ChatError, ChatTurn
from aloe.graphs.chat_view import find_hint, reply_text, title
from aloe.loop import Runner

PROMPT = "> "


Show = Callable[[RenderableType], None]


def talk_in_lines(session: ChatSession, loop: Runner, *, as_json: bool = False) -> None:
    """Talk until the lines end or `/quit`.

    Args:
        session: the conversation.
        loop: where the models are asked.
        as_json: whether stdout is to hold nothing but the result.

    Raises:
        StoreError: the folder cannot be written.
        BudgetError: what the folder may cost is spent.
    """
    if session.chat.persona.facts:
        say(f"you play: {session.chat.persona.text}")
    put = partial(show, as_json=as_json, lines=True, cut=False)
    for line in _lines(as_json=as_json):
        if _take(session, loop, line, put):
            break


def _lines(*, as_json: bool) -> Iterator[str]:
    """Yield what is typed, until its end; letters that are none are replaced."""
    if sys.stdin.isatty():
        say("type a message, or /help")
        while True:
            try:
                if as_json:
                    stderr().print(PROMPT, end="")
                yield input("" if as_json else PROMPT)
            except EOFError:
                say("")
                return
    if hasattr(sys.stdin, "reconfigure"):
        sys.stdin.reconfigure(errors="replace")
    yield from iter(sys.stdin.readline, "")


def _take(session: ChatSession, loop: Runner, line: str, put: Show) -> bool:
    """Do what a line says; whether it ends the chat. What makes no sense is one line."""
    try:
        found = read_line(line)
        if found is None:
            return False
        if isinstance(found, str):
            _answer(session, loop, session.begin(found), put)
        elif found.name == "again":
            _answer(session, loop, session.retry(), put)
        elif found.name == "quit":
            return True
        else:
            _show(session, found, put)
    except ChatError as error:
        say(str(error), style="red")
    return False


def _show(session: ChatSession, command: SlashCommand, put: Show) -> None:
    for part in run_command(session, command):
        put(part)


def _answer(session: ChatSession, loop: Runner, turn: ChatTurn, put: Show) -> None:
    """Have a turn answered, and print the replies that came."""
    missing = [name for name in turn.order if name not in turn.replies]
    with waiting("waiting for the reply"):
        loop.run(session.ask(turn))
    for place, name in enumerate(turn.order):
        if name not in missing:
            continue
        if reply := turn.replies.get(name):
            put(Text(f"[{title(session.chat, turn, place)}]", "bold green"))
            put(reply_text(reply))
            put("")
        else:
            why = turn.failures[name]
            say(f"{place + 1}: no reply: {why}; /again asks again", style="red")
    if turn.replies:
        if ended := loop.run(session.mark(turn)):
            say(ended, style="red")
        _say_ledger(session, turn)


def _say_ledger(session: ChatSession, turn: ChatTurn) -> None:
    """Say what the turn added to the ledger."""
    for told in turn.user.revealed:
        say(f"◆ {told.quote}", style="dim")
    if hint := find_hint(session, turn):
        say(hint, style="dim")
    ledger = session.ledger
    for place, reply in enumerate(turn.in_order, 1):
        marks = [mark for mark in ledger.marks(reply) if mark.kept is not None]
        if marks:
            broken = " ".join(mark.words for mark in marks if not mark.kept)
            kept = f"{sum(bool(mark.kept) for mark in marks)} of {len(marks)} wishes kept"
            say(f"{place}: {kept}" + (f"; broken: {broken}" if broken else ""), style="dim")
