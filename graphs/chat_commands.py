"""What a person can type in a chat beside messages: `/prefer 1`, `/why` and so on.

A line that begins with a slash is a command, `//` a message that begins with one. Commands that
need the screen (`/again`, `/quit`) are only read here.
"""

import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import get_args

from rich.console import RenderableType
from rich.text import Text

from aloe.errors import StoreError, suggest
from aloe.files.paths import expand_home, is_there
from aloe.files.writing import replace_folder
from aloe.graphs.chat import ChatSession
from aloe.graphs.chat_turn import ChatError, Choice
from aloe.graphs.chat_view import why_lines
from aloe.memory.relabelling import COMPANIONS

ABOUT = {
    "prefer": ("/prefer 1|2|tie", "say which reply is better; the conversation goes on with it"),
    "why": ("/why", "what the models were shown, wishes kept and broken, who wrote which reply"),
    "undo": ("/undo", "take your last message and its replies back"),
    "again": ("/again", "ask those again who failed to answer"),
    "save": ("/save [DIR]", "say where the conversation is kept, or copy it to DIR"),
    "help": ("/help", "show this"),
    "quit": ("/quit", "end the chat; everything is kept"),
}
"""Usage and purpose of each command."""


@dataclass(frozen=True)
class SlashCommand:
    """A command as it was typed."""

    name: str
    argument: str


def read_line(line: str) -> SlashCommand | str | None:
    """Return the command or the message in a line; None if it is blank.

    Raises:
        ChatError: there is no such command.
    """
    # Half a character, which a terminal or a pipe can send, could not be written to any file.
    text = line.encode("utf-8", "replace").decode().strip()
    if not text.startswith("/") or text.startswith("//"):
        return text.removeprefix("/") or None
    name, _, argument = text[1:].partition(" ")
    if name not in ABOUT:
        hint = suggest(f"/{name}", (f"/{each}" for each in ABOUT), "/help lists the commands")
        raise ChatError(f"there is no /{name}{hint}")
    return SlashCommand(name, argument.strip())


def run_command(session: ChatSession, command: SlashCommand) -> Iterable[RenderableType]:
    """Do what a command says; return what there is to show.

    Raises:
        ChatError: it makes no sense now.
        StoreError: something cannot be written.
    """
    return COMMANDS[command.name](session, command.argument)


def _prefer(session: ChatSession, argument: str) -> Iterable[RenderableType]:
    choice = next((each for each in get_args(Choice) if each == argument.lower()), None)
    if choice is None:
        raise ChatError("say /prefer 1, /prefer 2 or /prefer tie")
    verdict = session.prefer(choice)
    if not verdict.votes:
        same = verdict.outcome == "tie"
        yield Text("the replies are the same: a tie" if same else "one reply is empty: no verdict")
    else:
        yield Text("a tie" if choice == "tie" else f"you prefer {choice}; it goes on from there")


def _why(session: ChatSession, _: str) -> Iterable[RenderableType]:
    session.reveal()
    yield from why_lines(session)


def _undo(session: ChatSession, _: str) -> Iterable[RenderableType]:
    yield Text(f"taken back: {session.undo()}")


def _save(session: ChatSession, argument: str) -> Iterable[RenderableType]:
    folder = session.chat.folder
    if not session.turns:
        raise ChatError("nothing has been said yet")
    if not argument:
        yield Text(f"kept in {folder.path}, after every turn")
        return
    copy = expand_home(argument)
    if is_there(copy) and (not copy.is_dir() or any(copy.iterdir())):
        raise ChatError(f"{copy} is there already; name a new folder")
    try:
        with replace_folder(copy) as part:
            for name in (folder.trees.name, *COMPANIONS):
                if (folder.path / name).is_file():
                    shutil.copyfile(folder.path / name, part / name)
    except StoreError as error:
        raise ChatError(str(error)) from None
    yield Text(f"copied to {copy}")


def _help(_session: ChatSession, _: str) -> Iterable[RenderableType]:
    width = max(len(usage) for usage, _ in ABOUT.values())
    for usage, about in ABOUT.values():
        yield Text(f"{usage:{width}}  {about}")
    yield Text("Anything else is a message; // begins one that starts with a slash.", "dim")


COMMANDS: Mapping[str, Callable[[ChatSession, str], Iterable[RenderableType]]] = {
    "prefer": _prefer,
    "why": _why,
    "undo": _undo,
    "save": _save,
    "help": _help,
}
