"""How a chat looks: turns, the ledger, and why the replies are as they are.

The same pictures serve the screen and the plain lines; only widths differ.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from textwrap import indent

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.padding import Padding
from rich.text import Text

from aloe.control_characters import show_controls
from aloe.graphs.chat import Chat, ChatSession
from aloe.graphs.chat_ledger import Ledger, WishMark
from aloe.graphs.chat_turn import ChatTurn
from aloe.memory.verifiable.hearing import find_all_heard, find_heard
from aloe.number_format import counted
from aloe.schema import AssistantNode
from aloe.views.folding import Table

SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"


def title(chat: Chat, turn: ChatTurn, place: int) -> str:
    """Return what a reply is headed with: its place, and its model unless that is hidden."""
    model = chat.models[turn.order[place]].name
    return f"{place + 1} {model}" if turn.named else str(place + 1)


def short_title(chat: Chat, turn: ChatTurn, place: int) -> str:
    """Return the same with the last part of the model's name, for a narrow column."""
    name = _short_name(chat.models[turn.order[place]].name)
    return f"{place + 1} {name}" if turn.named else str(place + 1)


def _short_name(model: str) -> str:
    return re.split(r"[/:]", model)[-1]


def head(chat: Chat) -> Text:
    """Return who talks to whom, in a line."""
    if chat.blind:
        return Text("aloe chat   two models, blind: /why tells who is who")
    models = (
        f"{place} {_short_name(chat.models[name].name)}" for place, name in enumerate(chat.names, 1)
    )
    return Text("aloe chat   " + "   ".join(models))


@dataclass(kw_only=True)
class TurnView:
    """One turn: the message, and the replies as far as they are there."""

    chat: Chat
    turn: ChatTurn
    partial: dict[str, str] = field(default_factory=dict)
    """What is being said, by name. It is shown where it cannot give away who writes."""
    waiting: int | None = None
    """Frame of the spinner; None once nobody is answering any more."""
    beside: bool = False
    """Whether the replies stand side by side, and not one under the other."""

    def __rich_console__(self, _console: Console, _options: ConsoleOptions) -> RenderResult:
        yield Text.assemble(("you  ", "bold cyan"), show_controls(self.turn.user.content))
        for told in self.turn.user.revealed:
            yield Text(f"◆ {show_controls(told.quote)}", "magenta")
        places = range(len(self.turn.order))
        if self.beside:
            table = Table(box=None, expand=True, padding=(0, 2, 0, 0), show_header=False)
            for _ in places:
                table.add_column(ratio=1, overflow="fold")
            table.add_row(*map(self._head, places))
            table.add_row(*map(self._words, places))
            yield table
        else:
            for place in places:
                yield self._head(place)
                yield Padding(self._words(place), (0, 0, 0, 2))
        yield Text()

    def _head(self, place: int) -> Text:
        reply, verdict = self.turn.in_order[place], self.turn.verdict
        mark = " "
        if reply and verdict:
            preferred = verdict.preferred == reply.id
            mark = "★" if preferred else "=" if verdict.outcome == "tie" else " "
        return Text(f"{mark} {short_title(self.chat, self.turn, place)}", "bold green")

    def _words(self, place: int) -> Text:
        name = self.turn.order[place]
        hidden = self.waiting is not None and not self.turn.named
        if (reply := self.turn.replies.get(name)) and not hidden:
            return reply_text(reply)
        if why := self.turn.failures.get(name):
            return Text(f"no reply: {show_controls(why)}; /again asks again", "red")
        if self.waiting is None:
            return Text("(no reply)", "dim")
        said = self.partial.get(name, "") if self.turn.named else ""
        spin = SPINNER[self.waiting % len(SPINNER)]
        return Text.assemble(show_controls(said), (f" {spin}" if said else spin, "dim"))


def reply_text(reply: AssistantNode) -> Text:
    """Return a reply and its faults."""
    text = Text(show_controls(reply.content) or "(empty)", "" if reply.content else "dim")
    if reply.faults:
        text.append(f"\n⚠ {', '.join(reply.faults)}", "red")
    return text


HINT = "No checkable wish heard; try: I want no lists."


def find_hint(session: ChatSession, turn: ChatTurn) -> str:
    """Return what to say after a first message in which no wish was heard; else nothing."""
    quiet = not session.ledger.wishes and turn.user.turn == 1
    return HINT if quiet else ""


def ledger_lines(ledger: Ledger, turn: ChatTurn | None) -> Iterator[Text]:
    """Yield what is known of the person, and what the last replies make of it."""
    if turn and not ledger.wishes:
        yield Text(HINT, "dim")
    elif not (ledger.told or ledger.wishes or ledger.asked):
        yield Text("Nothing is known of you yet. Say, for example: I want no emoji.", "dim")
    latest = find_all_heard(told.quote for told in ledger.told).items()
    for told in ledger.told:
        names = find_heard(told.quote).keys()
        if names and names <= dict(latest & ledger.wishes.items()).keys():
            continue  # what it states stands among the wishes, or something newer does
        kind = f" ({told.kind})" if told.kind not in (None, "revealed") else ""
        yield Text(f"◆ {show_controls(told.quote)}{kind}", "magenta")
    replies = turn.in_order if turn else []
    marks = [ledger.marks(reply) for reply in replies] or [ledger.marks(None)]
    for number, wish in enumerate(marks[0]):
        said = wish.said
        line = Text(f"{'◆' if said else '◇'} {wish.words}", "magenta" if said else "dim")
        for place, each in enumerate(marks if replies else (), 1):
            line.append(f" {place}", "dim").append(*_kept(each[number]))
        yield line
    for question in ledger.asked:
        yield Text(f"? {show_controls(question)}", "cyan")


def _kept(mark: WishMark) -> tuple[str, str]:
    return {True: ("✓", "green"), False: ("✗", "red"), None: ("-", "dim")}[mark.kept]


def persona_lines(chat: Chat) -> Iterator[Text]:
    """Yield whom the person plays; nothing if they are themself.

    Wishes that a program can check stand in the ledger already, and are the whole personality.
    """
    persona = chat.persona
    texts = (persona.profile, "" if persona.preferences else persona.personality)
    for number, text in enumerate(filter(None, texts)):
        yield Text.assemble(("" if number else "you play  ", "bold"), text)


def why_lines(session: ChatSession) -> Iterator[RenderableType]:
    """Yield what the models were shown for the last replies, and which wishes those keep."""
    turn, chat = session.last, session.chat
    yield Text("what the models were shown, with no instruction and no hint:", "bold")
    for node in (*turn.path, turn.user):
        yield Text(indent(f"{node.role}: {show_controls(node.content)}", "  "))
    for place, reply in enumerate(turn.in_order):
        if reply is None:
            continue
        words = f"{counted(len(reply.content.split()), 'word')}, message {reply.id[:6]}"
        yield Text.assemble((title(chat, turn, place), "bold green"), f"  {words}")
        marks = session.ledger.marks(reply)
        for kept, label in ((True, "keeps"), (False, "breaks")):
            wishes = [mark.words for mark in marks if mark.kept is kept]
            if wishes:
                yield Text(f"  {label}: {' '.join(wishes)}")
    if not session.ledger.wishes:
        yield Text(HINT, "dim")
    yield Text(f"aloe trace {chat.folder.path} --node ID shows every call", "dim")


def summary(session: ChatSession) -> Mapping[str, object]:
    """Return what came of a conversation, for machines."""
    preferred = dict.fromkeys(session.chat.names, 0)
    verdicts = [turn.verdict for turn in session.turns if turn.verdict]
    for turn in session.turns:
        if turn.verdict and turn.verdict.preferred and turn.goes_on:
            preferred[turn.goes_on.agent] += 1
    totals = session.calls.totals if session.calls else None
    return {
        "out": str(session.chat.folder.path) if session.said else None,
        "tree": session.tree_id if session.said else None,
        "turns": len(session.turns),
        "preferred": preferred,
        "tie": sum(verdict.outcome == "tie" for verdict in verdicts),
        "unmarked": session.unmarked,
        "calls": totals.calls if totals else 0,
        "output_tokens": totals.output_tokens if totals else 0,
        "cost": totals.known_cost if totals else 0.0,
    }


def unblinded(session: ChatSession) -> Iterator[Text]:
    """Yield which model wrote which reply, a line a turn."""
    models = session.chat.models
    for turn in session.turns:
        who = ", ".join(f"{place} {models[n].name}" for place, n in enumerate(turn.order, 1))
        yield Text(f"turn {turn.user.turn}: {who}{_preferred(turn)}")


def _preferred(turn: ChatTurn) -> str:
    if turn.verdict is None:
        return ""
    if turn.verdict.preferred and turn.goes_on:
        return f"; you preferred {turn.order.index(turn.goes_on.agent) + 1}"
    return f"; {turn.verdict.outcome}"
