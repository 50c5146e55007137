"""How well the shipped prompts work on a model: `python -m aloe.benchmark.prompt_study --model M`.

Real agents hold conversations with invented people and judge gold pairs; what they said is then
counted by rule. The people and the pairs are parted by a hash: prompts are worked on with the one
part (`--set develop`) and measured on the other (`--set test`), which is not looked at meanwhile.

The counters err. Whether a message carries its note is read off its words, so a loose paraphrase
counts as left out; whether it wants something is read off its form, so a question put as a
statement counts as none; and role confusions are those that `aloe.agents.faults` sees.
docs/choices.md says how far, by messages read.
"""

import argparse
import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from statistics import mean, median
from typing import Any, Literal

from aloe.agents.registry import models_in_use
from aloe.benchmark.agreement import wilson
from aloe.benchmark.audit import AuditProgress, audit
from aloe.benchmark.gold_pairs import GoldPair, pick_pairs, read_gold
from aloe.calls.event import appending, read_events
from aloe.calls.log import CallLog
from aloe.config import Config, validate
from aloe.files.writing import model_lines, replace_text
from aloe.graphs.concurrency import work_through
from aloe.graphs.context import SimulationContext, make_context, open_models
from aloe.loop import make_runner
from aloe.memory.disclosures import order_facts, tells
from aloe.memory.known_weights import keep_weights
from aloe.memory.personas import SHIPPED, read_personas
from aloe.models.open import Model
from aloe.models.weights import hash_models
from aloe.passport import Share
from aloe.schema import (
    AssistantNode,
    Disclosure,
    Fact,
    Fault,
    Node,
    Persona,
    Record,
    Tree,
    UserNode,
    digest,
)

Set = Literal["test", "develop"]

PERSONAS: dict[Set, slice] = {"test": slice(0, 20), "develop": slice(20, 28)}
"""Who is whose, in an order drawn by hash from the shipped pool."""
CONFUSIONS: frozenset[Fault] = frozenset(
    {"role_confusion", "refusal", "coaching", "both_sides", "commentary", "contradiction"}
)
"""Faults of a message in which somebody else speaks than the person."""

_WISH = re.compile(
    r"\b(?:(?:can|could|would|will) you|please|help me|tell me|show me|give me|advise me"
    r"|I(?:'d| would) (?:like|love|appreciate)|I (?:want|need|wonder|wish|hope)(?! not)"
    r"|I(?:'m| am) (?:looking|wondering|trying|thinking|searching)"
    r"|(?:any|some) (?:ideas?|tips?|advice|suggestions?|recommendations?|help)|let me know)\b"
    r"|(?:\A|[.!\n]\s*)(?:suggest|recommend|explain|list|find|write|draft|plan|name|describe"
    r"|compare|check|advise|remind|make|keep|start|stop|skip|be|don't|do not)\b",
    re.IGNORECASE,
)


class StudiedTurn(Record):
    """One exchange of a conversation."""

    persona: Persona
    note: Fact | None
    """What the user was to tell; None when nothing was left."""
    user: UserNode
    replies: tuple[AssistantNode, ...]
    """One of each assistant."""


def people(which: Set) -> list[Persona]:
    """Return the personas of one set."""
    pool = sorted(read_personas(SHIPPED), key=lambda each: digest("study of prompts", each.id))
    return pool[PERSONAS[which]]


def gold(which: Set, limit: int) -> list[GoldPair]:
    """Return about `limit` gold pairs of one half; mirror images stay together."""
    half = [
        p for p in read_gold() if (int(digest("half", p.group), 16) % 2 == 0) == (which[0] == "t")
    ]
    return pick_pairs(half, limit)


def settings(given: argparse.Namespace) -> Config:
    """Return the settings of a study: one model in each role, assistants apart."""
    role = {"model": given.model, "timeout": 1800.0}
    reply = {**role, "model": given.assistant or given.model, "max_tokens": given.reply_tokens}
    raw = {
        "prompt_size": given.prompts,
        "models": {
            **dict.fromkeys(("user", "inducer", "judge"), role),
            "assistants": [{**reply, "name": "hinted", "hint": True}, {**reply, "name": "plain"}],
        },
    }
    return validate(Config, raw, source="prompt study")


async def hold(
    persona: Persona, turns: int, context: SimulationContext, *, plain: bool
) -> list[StudiedTurn]:
    """Hold one conversation; the hinted reply is the one that is answered.

    Args:
        persona: whom the user plays.
        turns: exchanges.
        context: the agents.
        plain: whether the assistant without a hint answers as well.
    """
    tree = Tree.id_for(persona, 0)
    facts = order_facts(persona, tree)
    path: list[Node] = []
    revealed: list[Disclosure] = []
    found = []
    for number in range(turns):
        user = await context.user.speak(persona, tree, path)
        marked = await context.inducer.induce(tree, user)
        user = user.model_copy(update={"revealed": marked})
        revealed += marked
        asked = context.assistants if plain else context.assistants[:1]
        replies = [await each.reply(tree, path, user, revealed) for each in asked]
        user, replies = context.checker.check(persona, tree, path, user, replies)
        note = facts[number] if number < len(facts) else None
        found.append(StudiedTurn(persona=persona, note=note, user=user, replies=tuple(replies)))
        path += [user, replies[0]]
    return found


def carries(turn: StudiedTurn) -> bool:
    """Whether a message tells its note, by its words or by what the ledger finds in it."""
    note = turn.note
    return note is not None and (note.id in turn.user.stated or tells(turn.user.content, note))


def wants(text: str) -> bool:
    """Whether a message asks or wants something."""
    return "?" in text or _WISH.search(text) is not None


def about_persona(marked: Disclosure, persona: Persona) -> bool:
    """Whether a sentence that the inducer marked tells something of the persona."""
    found = marked.kind in ("revealed", "contradicted")
    return found or any(tells(marked.quote, fact) for fact in persona.facts)


def distinct_2(texts: Sequence[str]) -> float:
    """Return the share of different word pairs among all, from 0 (one text, repeated) to 1."""
    pairs = [pair for text in texts for pair in pairwise(re.findall(r"\w+", text.lower()))]
    return len(set(pairs)) / max(1, len(pairs))


def measured_user(turns: Sequence[StudiedTurn]) -> dict[str, Any]:
    """Return what was counted on the user's messages."""
    noted = [turn for turn in turns if turn.note]
    first = [(*turn.user.repaired, *turn.user.faults)[:1] for turn in turns]
    return {
        "carry the note": _share(map(carries, noted)),
        "want something": _share(wants(turn.user.content) for turn in turns),
        "role confusions, first draft": _share(bool(CONFUSIONS & set(each)) for each in first),
        "role confusions, after repair": _share(
            bool(CONFUSIONS & set(turn.user.faults)) for turn in turns
        ),
        "any fault, first draft": _share(map(bool, first)),
        "any fault, after repair": _share(bool(turn.user.faults) for turn in turns),
        "faults of drafts": dict(
            Counter(f for t in turns for f in (*t.user.repaired, *t.user.faults)).most_common()
        ),
        "words": round(mean(len(turn.user.content.split()) for turn in turns), 1),
    }


def measured_inducer(turns: Sequence[StudiedTurn]) -> dict[str, Any]:
    """Return recall over the notes that were told, and precision over what was marked."""
    told = [turn for turn in turns if carries(turn) and turn.note]
    marked = [(each, turn.persona) for turn in turns for each in turn.user.revealed]
    return {
        "recall": _share(
            any(
                turn.note and (each.fact == turn.note.id or tells(each.quote, turn.note))
                for each in turn.user.revealed
            )
            for turn in told
        ),
        "precision": _share(about_persona(*each) for each in marked),
    }


def measured_replies(turns: Sequence[StudiedTurn], agent: str) -> dict[str, Any]:
    """Return what was counted on one assistant's replies."""
    nodes = [each for turn in turns for each in turn.replies if each.agent == agent]
    texts = [each.content for each in nodes]
    seen = Counter(texts)
    lengths = [len(text.split()) for text in texts]
    return {
        "words, median": median(lengths),
        "distinct-2": round(distinct_2(texts), 3),
        "repeated": _share(seen[text] > 1 for text in texts),
        "takes over or reports the user": _share(
            bool({"role_confusion", "about_user"} & set(each.faults)) for each in nodes
        ),
    }


def measured(turns: Sequence[StudiedTurn]) -> dict[str, Any]:
    """Return all that is counted on conversations."""
    agents = dict.fromkeys(each.agent for turn in turns for each in turn.replies)
    return {
        "user": measured_user(turns),
        "inducer": measured_inducer(turns),
        **{name: measured_replies(turns, name) for name in agents},
    }


async def judged(
    config: Config, models: Mapping[str, Model], pairs: Sequence[GoldPair], calls: CallLog
) -> dict[str, Any]:
    """Let the judge of `config` decide gold pairs, and return what was counted."""
    progress = AuditProgress(wanted=len(pairs))
    passport = await audit(config, pairs, models, calls, progress, own=0)
    return {
        "decided": _share([True] * progress.decided + [False] * (len(pairs) - progress.decided)),
        "right of decided": _share(
            [True] * progress.right + [False] * (progress.decided - progress.right)
        ),
        "position": passport.model_dump(mode="json").get("position"),
    }


def _share(found: Iterable[bool]) -> str:
    held = list(found)
    return in_words(wilson(sum(held), len(held)))


def in_words(share: Share) -> str:
    """Return a share as a table has it."""
    if share.value is None:
        return "-"
    hits = round(share.value * share.count)
    low, high = (round(100 * each) for each in (share.low, share.high))
    return f"{hits}/{share.count} = {100 * share.value:.0f}% [{low}, {high}]"


async def study(given: argparse.Namespace, calls: CallLog) -> dict[str, Any]:
    """Hold the conversations, judge the pairs, and return the figures."""
    config = settings(given)
    models = open_models(config)
    context = make_context(config, models, calls)
    found: dict[str, list[StudiedTurn]] = {}

    async def work(persona: Persona) -> None:
        found[persona.id] = await hold(persona, given.turns, context, plain=given.plain)

    who = people(given.which)[: given.personas]
    await work_through(who, min(given.width, len(who)), work)
    turns = [turn for persona in who for turn in found[persona.id]]
    replace_text(given.out / "turns.jsonl", model_lines(turns))
    figures = measured(turns) if turns else {}
    if given.pairs:
        figures["judge"] = await judged(config, models, gold(given.which, given.pairs), calls)
    figures["unreadable"] = calls.totals.outcomes["inducer", "unreadable"]
    about = {name: getattr(given, name) for name in ("model", "assistant", "prompts", "which")}
    return {**about, **figures}


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    """Return what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True, help="model string, such as local:smollm2-135m")
    parser.add_argument("--assistant", help="model of the assistants; that of all without")
    parser.add_argument("--set", choices=("test", "develop"), default="develop", dest="which")
    parser.add_argument("--prompts", choices=("auto", "small", "full"), default="auto")
    parser.add_argument("--personas", type=int, help="the first so many of the set; all without")
    parser.add_argument("--turns", type=int, default=4)
    parser.add_argument("--reply-tokens", type=int, default=160, help="most of a reply")
    parser.add_argument("--plain", action="store_true", help="ask without a hint as well")
    parser.add_argument("--pairs", type=int, default=40, help="gold pairs; 0 leaves the judge out")
    parser.add_argument("--width", type=int, default=4, help="conversations at once")
    parser.add_argument("--out", type=Path, required=True, help="folder for what the model says")
    return parser.parse_args(given)


def main(given: Sequence[str] | None = None) -> None:
    """Measure, print and keep the figures; what was answered before is not asked again."""
    chosen = arguments(given)
    chosen.out.mkdir(parents=True, exist_ok=True)
    events = chosen.out / "events.jsonl"
    keep_weights(events, hash_models(models_in_use(settings(chosen)).values()))
    with make_runner() as loop, appending(events) as file:
        calls = CallLog(file, patient=True)
        calls.remember(read_events(events))
        figures = loop.run(study(chosen, calls))
    text = json.dumps(figures, indent=1, ensure_ascii=False)
    replace_text(chosen.out / "figures.json", text + "\n")
    print(text)


if __name__ == "__main__":
    main()
