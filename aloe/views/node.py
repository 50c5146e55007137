"""Everything about one message: what was sent for it, what came back, how it was judged."""

import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.rule import Rule
from rich.text import Text

from aloe.config import MIN_MASS
from aloe.judge_names import is_judge
from aloe.number_format import format_number
from aloe.views.answers import Interpreter, describe_note
from aloe.views.folding import grid, said
from aloe.views.marks import fact_text, notes, preference, verdicts_about
from aloe.views.owners import Owners
from aloe.views.tellings import describe_revealed, describe_tellings
from aloe.views.votes import describe_verdict, describe_votes

if TYPE_CHECKING:
    from aloe.calls.recorded_call import RecordedCall
    from aloe.schema import Node, ReturnLabel, Tree, Verdict, Vote


def calls_about(
    tree: "Tree", node: "Node", exchanges: "Sequence[RecordedCall]"
) -> "list[RecordedCall]":
    """Return the calls that wrote, read or judged `node` or drafts of it, or failed to answer it.

    Those of a judge, and of a custom role that wrote a reply, are logged under the user's message;
    of a reply they are the role's own, and those of the judge that it was shown to.

    Args:
        tree: the tree.
        node: one of its messages.
        exchanges: the calls of the tree, all and in their order.
    """
    owners = Owners(tree.nodes)
    owned = [(owners.of(each.event), each) for each in exchanges]
    if node.role == "user":
        return [each for about, each in owned if node.id in (about, about or each.event["node"])]
    found = []
    for about, each in owned:
        role = each.event["role"]
        shown = any(node.content in text for _, text in each.messages) and bool(node.content)
        wrote = role == node.agent or (is_judge(role) and shown)
        if about == node.id or (about == node.parent and wrote):
            found.append(each)
    return found


def node_view(
    tree: "Tree",
    node: "Node",
    exchanges: "Sequence[RecordedCall]",
    *,
    raw: bool = False,
    search: str = "",
    min_mass: float = MIN_MASS,
) -> RenderableType:
    """Return the node, the comparisons it took part in, and its calls in full.

    Args:
        tree: the tree.
        node: one of its messages.
        exchanges: the calls about it.
        raw: whether votes and answers are shown as they came, and not in words.
        search: what to mark in the message; empty for nothing.
        min_mass: as for `Interpreter`.
    """
    if node.role == "user":
        verdicts = list(tree.verdicts_on(node.id))
    else:
        verdicts = verdicts_about(tree, node)
    words = said(node.content)
    words.highlight_words([search] if search else [], "reverse bold", case_sensitive=False)
    parts: list[RenderableType] = [_facts(tree, node), Padding(words, (1, 0, 1, 2))]
    parts += [part for verdict in verdicts for part in verdict_view(tree, verdict, raw=raw)]
    interpreter = None if raw else Interpreter([tree], min_mass=min_mass)
    for exchange in exchanges:
        parts += [Text(), call_view(exchange, interpreter)]
    if not exchanges:
        parts.append(Text("no such call is recorded here", "dim"))
    return Group(*parts)


def _facts(tree: "Tree", node: "Node") -> RenderableType:
    lines = {
        "message": f"{node.id}, turn {node.turn}, written by {node.agent}",
        "tree": f"{tree.id}, answers {node.parent}" if node.parent else f"{tree.id}, opens it",
        "faults": ", ".join(node.faults),
        **notes(node),
    }
    if node.role == "user":
        lines["told"] = "\n".join(describe_revealed(tree, node))
        lines["why"] = "\n".join(describe_tellings(tree, node))
        lines["repaired"] = ", ".join(node.repaired)
    else:
        meaning = {"★": "preferred", "=": "a tie", "?": "the judge abstains"}
        lines["judged"] = meaning.get(preference(tree, node), "")
        lines["continued"] = "yes" if tree.children(node.id) else "no"
        lines["hint"] = node.hint or ""
        lines["too soon"] = "\n".join(f"◇ {fact_text(tree, f)}" for f in node.mind_reading)
    return grid({name: text for name, text in lines.items() if text})


def verdict_view(
    tree: "Tree", verdict: "Verdict", *, raw: bool = False
) -> Iterator[RenderableType]:
    """Yield a comparison and its votes, one a line; `raw`: the votes as they came."""
    yield Text(describe_verdict(tree, verdict), "bold")
    lines = _raw_votes(tree, verdict) if raw else describe_votes(tree, verdict)
    yield from (Padding(said(line), (0, 0, 0, 2)) for line in lines)


def _raw_votes(tree: "Tree", verdict: "Verdict") -> Iterator[str]:
    agents = {
        side: f"{tree.by_id[reply].agent} {reply[:6]}"
        for side, reply in (("first", verdict.first), ("second", verdict.second))
    }
    yield from (_raw_vote(vote, agents) for vote in verdict.votes)
    if verdict.by_return:
        yield _by_return(verdict.by_return, agents)


def _by_return(label: "ReturnLabel", agents: dict[str, str]) -> str:
    found = f"by return: {label.reason or agents.get(label.outcome, label.outcome)}"
    if label.returns:
        first, second = map(format_number, label.returns)
        error = "unknown" if label.error is None else f"{label.error:.3f}"
        found += f", {first} against {second}, standard error of the difference {error}"
    return f"{found} ({label.rule})"


def _raw_vote(vote: "Vote", agents: dict[str, str]) -> str:
    shown = vote.order.split("-")
    words = f"A = {agents[shown[0]]}, B = {agents[shown[1]]}: "
    words += f"said {vote.raw!r}, read as {agents.get(vote.choice or '', vote.choice or 'nothing')}"
    if vote.logprobs:
        for letter, value in zip("AB", vote.logprobs, strict=True):
            most = "at most " if letter in vote.unlisted else ""
            words += f", ln P({letter}) {most}{format_number(value)}"
    words += "" if vote.tie is None else f", ln P(TIE) {format_number(vote.tie)}"
    if vote.mass is not None:
        words += f", {vote.mass:.1%} on an answer" + ("" if vote.logprobs else ": its text counts")
    return words + (f", about {vote.criterion}" if vote.criterion else "") + f" ({vote.judge})"


def call_view(exchange: "RecordedCall", interpreter: Interpreter | None) -> RenderableType:
    """Return one call: its figures, what was sent word for word, and what came back.

    Args:
        exchange: the call.
        interpreter: says the answer in words; None: it is shown as it came.
    """
    event = exchange.event
    parts: list[RenderableType] = [
        Rule(Text(f"{event['role']} → {event['model']}: {event['outcome']}", "bold"), align="left"),
        Text(_figures(exchange, raw=not interpreter), "dim"),
    ]
    for role, text in exchange.messages:
        parts += [Text(role, "cyan"), Padding(said(text), (0, 0, 0, 2))]
    if not exchange.messages:
        parts.append(Text("what was sent is not recorded in this log", "dim"))
    if event["error"]:
        parts += [Text("failed", "bold red"), Padding(said(event["error"]), (0, 0, 0, 2))]
        return Group(*parts)
    if exchange.thoughts:
        parts += [Text("thoughts", "bold magenta")]
        parts += [Padding(said(exchange.thoughts, "dim"), (0, 0, 0, 2))]
    answer = interpreter.interpret(exchange) if interpreter else exchange.text
    parts += [Text("answer", "bold green"), Padding(said(answer), (0, 0, 0, 2))]
    if answer != exchange.text:
        parts.append(Text("in words; --raw (w in the browser) shows it as it came", "dim"))
    if not interpreter:
        parts += [Text(line, "dim") for line in _first_token(exchange)]
    return Group(*parts)


def _figures(exchange: "RecordedCall", *, raw: bool) -> str:
    event = exchange.event
    start = datetime.fromtimestamp(event["started"]).astimezone()
    cost = "unknown cost" if event["cost"] is None else f"${event['cost']:.6f}"
    finish = (event["reply"] or {}).get("finish", "-")
    arguments = event.get("arguments", {})
    plain = {name: value for name, value in arguments.items() if not isinstance(value, dict)}
    sent = json.dumps(arguments, ensure_ascii=False) if raw else describe_note(plain)
    return (
        f"{start:%H:%M:%S}, {event['latency']:.2f} s, {event['input_tokens']} tokens read "
        f"({event['cached_tokens']} from cache), {event['output_tokens']} written, {cost}, "
        f"finish {finish}, key {event['key']}\n{sent}"
    )


def _first_token(exchange: "RecordedCall") -> Iterator[str]:
    """Yield the likeliest first tokens, where the server gave any."""
    found = (exchange.event["reply"] or {}).get("logprobs") or {}
    best = sorted(found.items(), key=lambda each: -each[1])[:5]
    if best:
        yield "first token: " + ", ".join(
            f"{token!r} {format_number(value, '{:.2f}')}" for token, value in best
        )
