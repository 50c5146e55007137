"""`aloe chat`: talk to one model, or to two side by side, and say which reply is better."""

import sys
from dataclasses import dataclass
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aloe.console import finish, say, say_written, stdout, waiting
from aloe.errors import EXIT_CODE, INTERRUPTED, AloeError, ConfigError
from aloe.extras import needs
from aloe.options import ConfigFile, Json, MaxCalls, MaxCost, MaxTokens, Seed, Svg, with_flags

if TYPE_CHECKING:
    from aloe.config import Config
    from aloe.graphs.chat import Chat, ChatSession


@dataclass(frozen=True, kw_only=True)
class ChatOptions:
    """The flags."""

    model: Annotated[
        str | None, typer.Option("--model", metavar="STR", help="Model that answers.")
    ] = None
    beside: Annotated[
        str | None,
        typer.Option("--beside", metavar="STR", help="Second model; may be the same."),
    ] = None
    persona: Annotated[
        str | None,
        typer.Option(
            "--persona", metavar="FILE|ID", help="Play this persona: FILE, FILE:ID, or shipped ID."
        ),
    ] = None
    me: Annotated[bool, typer.Option("--me", help="Be yourself (the default).")] = False
    blind: Annotated[
        bool, typer.Option("--blind", help="Shuffle the replies and hide which model wrote them.")
    ] = False
    inducer: Annotated[
        str | None,
        typer.Option(
            "--inducer", metavar="STR", help="Model that marks what you say about yourself."
        ),
    ] = None
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="Run folder; default: runs/chat-DATE-TIME."),
    ] = None
    plain: Annotated[
        bool, typer.Option("--plain", help="Plain lines instead of a full screen, as in a pipe.")
    ] = False
    svg: Svg = None
    max_cost: MaxCost = None
    max_calls: MaxCalls = None
    max_tokens: MaxTokens = None
    seed: Seed = None
    config: ConfigFile = None
    as_json: Json = False

    def settings(self) -> "Config":
        """Return the settings that the flags and the file give together."""
        from aloe.graphs.chat_setup import chat_settings

        given = {
            "seed": self.seed,
            "budget.max_cost": self.max_cost,
            "budget.max_calls": self.max_calls,
            "budget.max_tokens": self.max_tokens,
        }
        names = {"model": self.model, "beside": self.beside, "inducer": self.inducer}
        return chat_settings(self.config, given, **names)

    def prepare(self) -> "Chat":
        """Return the chat that can begin."""
        from aloe.graphs.chat_setup import (
            find_persona,
            prepare_chat,
            wants_inducer,
            wants_second,
        )
        from aloe.memory.run_folder import RunFolder

        if self.me and self.persona:
            raise ConfigError("--me and --persona say who you are; give one of them")
        config = self.settings()
        return prepare_chat(
            config,
            RunFolder(self.out or Path("runs") / f"chat-{datetime.now():%Y%m%d-%H%M%S}"),
            find_persona(self.persona),
            beside=wants_second(config, model=self.model, beside=self.beside),
            inducer=wants_inducer(config, self.inducer),
            blind=self.blind,
            seed=self.seed,
        )


@with_flags
def chat(options: ChatOptions) -> None:
    """Talk to a model, or to two side by side, and say which reply is better.

    You are user and judge: `/prefer 1` is a verdict, the conversation goes on with that reply, and
    the run folder holds a tree like any other, after every turn. So `aloe trace`, `report`,
    `export` and `train` work on it at once. `/help` lists what else can be typed.

    Example: `aloe chat --model local:smollm2-135m --beside openai:gpt-4o-mini --blind`
    """
    from aloe.graphs.chat_view import summary
    from aloe.graphs.commands.chat_lines import talk_in_lines
    from aloe.loop import make_runner

    with waiting("opening the models"):
        talk = options.prepare()
    screen = not options.plain and _has_screen()
    with make_runner() as loop, talk.session() as session:
        try:
            loop.run(talk.check_servers())
            if screen or options.svg:
                code = _on_screen(session, options.svg, typed=screen)
            else:
                talk_in_lines(session, loop, as_json=options.as_json)
                code = 0
            code = code or (EXIT_CODE if session.unanswered else 0)
        except KeyboardInterrupt:
            say("stopped")
            code = INTERRUPTED
        except AloeError:
            if session.said:
                _end(session)
            raise
        _end(session)
        if options.svg:
            say_written(options.svg)
        finish(summary(session), as_json=options.as_json)
    if code:
        raise typer.Exit(code)


def _has_screen() -> bool:
    """Whether there is a person at a terminal, and what it takes to draw there."""
    if not (sys.stdin.isatty() and stdout().is_terminal):
        return False
    if find_spec("textual") is None:
        say(f"plain lines; {needs('a screen', 'textual')}")
        return False
    return True


def _on_screen(session: "ChatSession", svg: Path | None, *, typed: bool) -> int:
    """Talk on a screen, or play the lines of a pipe on one that nobody sees."""
    try:
        from aloe.graphs.chat_app import ChatApp
    except ModuleNotFoundError as error:
        reason = needs("the screen of a chat", "textual", error.name)
        raise ConfigError(f"{reason}, or --plain") from None
    code = ChatApp(session, svg).talk(None if typed else sys.stdin.read().splitlines())
    if session.unanswered and not typed:
        for why in session.unanswered.failures.values():
            say(f"no reply: {why}", style="red")
    return code


def _end(session: "ChatSession") -> None:
    """Say what became of the conversation, and what can be done with it."""
    from aloe.graphs.chat_view import unblinded
    from aloe.number_format import counted

    if not session.said:
        say("nothing was said, so nothing is kept")
        return
    if session.chat.blind:
        for line in unblinded(session):
            say(line.plain)
    if session.unmarked:
        say(f"{counted(session.unmarked, 'message')} not marked by the model for it")
    path = session.chat.folder.path
    kept = [counted(len(session.turns), "turn")] if session.turns else []
    kept += ["your message, which has no reply"] if session.unanswered else []
    say(f"kept in {path}: {' and '.join(kept)}")
    steps = [f"aloe trace {path} --first"]
    if any(turn.verdict and turn.verdict.preferred for turn in session.turns):
        steps.append(f"aloe export {path} --format dpo --out pairs.jsonl")
    say(f"next: {', '.join(steps)}")
