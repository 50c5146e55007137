"""Replies continued more often, and what labels by return make of it."""

import asyncio
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from io import StringIO
from math import sqrt
from pathlib import Path
from statistics import pvariance
from typing import Any

import pytest
from branching import varied
from builders import (
    PERSONAS,
    JitteryChat,
    config,
    grow,
    models,
    persona_lines,
    scripted_model,
)
from command import RunAloe
from langchain_core.messages import AIMessage, BaseMessage
from rich.console import Console

from aloe.agents.rewording import Rewording
from aloe.agents.rule_user import RuleUser
from aloe.agents.transcript import Turns
from aloe.calls.exchanges import Start
from aloe.calls.log import CallLog
from aloe.config import Config, UserConfig
from aloe.graphs.context import make_context
from aloe.graphs.rollouts import plan_rollouts, roll_out
from aloe.memory.api import relabel, to_frame
from aloe.memory.merge import merge, replace_fields
from aloe.memory.run_folder import read_trees
from aloe.memory.verifiable.catalogue import find_wish
from aloe.models.open import Model
from aloe.schema import AssistantNode, Disclosure, Persona, Tree, UserNode
from aloe.training.export import ROWS, Format
from aloe.views.tree import Drawer

VARIED = "scripted:branching:varied"
WISHES = {"lists": "list", "question": "none"}
LISTS = find_wish("lists", "list").trait
PICKY = Persona.of("I sell tea.", "I want lists. I want no questions back.", preferences=WISHES)


def settings(**rollouts: Any) -> Config:
    wanted = config(turns=3, check_ledger=False)
    return wanted.updated({"simulation.rollouts": {"count": 3, **rollouts}}, source="test")


def rolled(tree: Tree, wanted: Config, model: Model | None = None, **parts: Any) -> Tree:
    """Return `tree` with rollouts; `parts` replace what the context would hold."""
    played = models(wanted, model or scripted_model(varied))
    context = replace(make_context(wanted, played, CallLog()), **parts)
    return asyncio.run(roll_out(tree, context))


GROWN = grow(settings(count=0), model=scripted_model(varied))
ROLLED = rolled(GROWN, settings())


def test_each_compared_reply_gets_its_continuations_and_nothing_is_lost() -> None:
    assert ROLLED.nodes[: len(GROWN.nodes)] == GROWN.nodes
    assert ROLLED.verdicts == GROWN.verdicts
    compared = {node for verdict in GROWN.verdicts for node in (verdict.first, verdict.second)}
    deep = {
        node.id: len(ROLLED.children(node.id))
        for node in GROWN.nodes
        if node.id in compared and node.turn < 3
    }
    assert len(deep) == 4
    assert set(deep.values()) == {3}
    new = ROLLED.nodes[len(GROWN.nodes) :]
    assert max(node.turn for node in new) == 3
    assert all(len(ROLLED.children(n.id)) == 1 for n in new if isinstance(n, UserNode))
    several = [n for n in ROLLED.nodes if n.role == "assistant" and len(ROLLED.children(n.id)) > 1]
    assert several, "a reply has several messages below it"
    assert len({node.id for node in ROLLED.nodes}) == len(ROLLED.nodes)
    seen: set[str | None] = {None}
    for node in ROLLED.nodes:
        assert node.parent in seen
        seen.add(node.id)
    assert plan_rollouts(ROLLED, settings().simulation) == []
    assert rolled(ROLLED, settings()) is ROLLED


def test_the_same_rollouts_come_whoever_answers_first() -> None:
    model = Model(**{**vars(scripted_model()), "chat": JitteryChat(script=varied)})
    assert rolled(GROWN, settings(), model) == ROLLED
    more = rolled(ROLLED, settings(count=5))
    assert more.nodes[: len(ROLLED.nodes)] == ROLLED.nodes
    assert len(more.nodes) > len(ROLLED.nodes), "further ones are other samples"


@pytest.mark.parametrize(
    ("wanted", "count"),
    [
        ({"count": 1, "horizon": 2}, 2),  # one reply of each turn goes on already
        ({"count": 2, "horizon": 2}, 6),
        ({"count": 2, "horizon": 3}, 6),
        ({"count": 2, "horizon": 9}, 6),  # no further than the trees
        ({"count": 2, "until_turn": 1}, 3),
    ],
)
def test_what_is_planned_is_what_is_missing(wanted: dict[str, int], count: int) -> None:
    planned = plan_rollouts(GROWN, settings(**wanted).simulation)
    assert len(planned) == count
    depth = wanted.get("horizon", 3)
    for each in planned:
        turn = GROWN.by_id[each.reply].turn
        assert each.exchanges == min(depth - 1, 3 - turn)
    assert len({(each.reply, each.sample) for each in planned}) == count


def test_flawed_and_equal_replies_are_not_continued() -> None:
    first = GROWN.verdicts[0]
    for change in ({"faults": ("refusal",)}, {"content": ""}, {"mind_reading": ("f",)}):
        nodes = [n.model_copy(update=change) if n.id == first.first else n for n in GROWN.nodes]
        changed = replace_fields(GROWN, nodes=tuple(nodes))
        planned = plan_rollouts(changed, settings().simulation)
        assert not {first.first, first.second} & {each.reply for each in planned}


def agents_of(tree: Tree) -> set[str]:
    return {n.agent for n in tree.nodes[len(GROWN.nodes) :] if n.role == "assistant"}


def test_the_policy_answers() -> None:
    assert agents_of(ROLLED) == {"a0", "a1"}
    assert agents_of(rolled(GROWN, settings(policy="a1"))) == {"a1"}


def test_a_rollout_ends_where_nothing_can_be_learnt_below() -> None:
    def silent(messages: Sequence[BaseMessage], arguments: dict[str, Any]) -> str | AIMessage:
        said = varied(messages, arguments)
        return "" if isinstance(said, str) and ("Because you" in said or "(" in said) else said

    found = rolled(GROWN, settings(), scripted_model(silent))
    new = found.nodes[len(GROWN.nodes) :]
    empty = [node for node in new if not node.content]
    assert empty
    assert not [node for node in empty if found.children(node.id)]
    (labelled,) = relabel([found], horizon=2, discount=0.0)
    assert not {v.by_return.reason for v in labelled.verdicts if v.by_return} & {"empty reply"}


@dataclass(frozen=True)
class Marker:
    """Finds nothing."""

    async def induce(self, tree: str, user: UserNode) -> tuple[Disclosure, ...]:
        return ()


def by_rule(**parts: Any) -> dict[str, Any]:
    return {"user": RuleUser(), "inducer": Marker()} | parts


def test_rollouts_that_begin_alike_share_what_is_said() -> None:
    alike = {"user": Answering(), "inducer": Marker()}
    tree = grow(settings(count=0), persona=PICKY, **alike)
    found = rolled(tree, settings(), **alike)
    shared = [n for n in tree.nodes if n.role == "user" and n.turn == 2]
    replies = [each for node in shared for each in found.children(node.id)]
    before = [each for node in shared for each in tree.children(node.id)]
    assert replies[: len(before)] == before
    assert len(replies) > len(before), "the user says the same, the assistants do not"
    assert len({node.id for node in found.nodes}) == len(found.nodes)
    assert merge([found, tree]) == [found]


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("limits", [{}, {"node_budget": 30}, {"expansion": "both"}])
def test_rollouts_are_not_continued_nor_counted_by_the_budget(
    shared: bool, limits: dict[str, Any]
) -> None:
    parts: dict[str, Any] = {"user": Answering(), "inducer": Marker()} if shared else {}
    whole = {"persona": PICKY, "model": scripted_model(varied), **parts}
    short = grow(settings(count=0), **whole)
    found = rolled(short, settings(), **parts)
    last = [node for node in found.nodes if node.turn == 3]
    assert len(last) > len([node for node in short.nodes if node.turn == 3])
    longer = settings(count=0).updated({"simulation": {"turns": 5, **limits}}, source="test")
    plain = grow(longer, start=short, **whole)
    extended = grow(longer, start=found, **whole)
    assert extended.nodes == (*found.nodes, *plain.nodes[len(short.nodes) :])
    assert extended.verdicts == plain.verdicts
    assert max(node.turn for node in extended.nodes) == 5
    assert Start.of(found) == Start.of(short)


def test_a_user_by_rule_who_draws_what_to_say_draws_anew_in_each_rollout() -> None:
    reticent = RuleUser(config=UserConfig(disclosure="reticent", complains=0.5, volunteers=0.5))
    wanted = settings(count=8, until_turn=1)
    tree = grow(settings(count=0), persona=PICKY, **by_rule(user=reticent))
    found = rolled(tree, wanted, **by_rule(user=reticent))
    replies = {verdict.first for verdict in tree.verdicts[:1]}
    said = {each.content for reply in replies for each in found.children(reply)}
    assert len(said) > 1
    assert rolled(tree, wanted, **by_rule(user=reticent)) == found


def test_every_reader_copes_with_several_messages_below_a_reply(
    aloe: RunAloe, tmp_path: Path
) -> None:
    kinds: list[Format] = ["sft", "dpo", "kto", "rm", "step"]
    for kind in kinds:  # what a rollout says is nobody's label
        before = json.dumps(list(ROWS[kind](GROWN, Counter())))
        assert json.dumps(list(ROWS[kind](ROLLED, Counter()))) == before, kind
    paths, more = ([row["conversations"] for row in ROWS["aloe"](each, Counter())]
                   for each in (GROWN, ROLLED))  # fmt: skip
    assert [path for path in more if path in paths] == paths
    told = [(turn["user"], turn["assistant"]) for path in paths for turn in path]
    assert all((turn["user"], turn["assistant"]) in told for path in more for turn in path)
    beginnings = [path[:end] for path in more for end in range(1, len(path))]
    assert not [path for path in more if path in beginnings or more.count(path) > 1]
    prompts = [row["prompt"][-1]["content"] for row in ROWS["grpo"](ROLLED, Counter())]
    assert len(prompts) == sum(node.role == "user" for node in ROLLED.nodes)
    assert len(to_frame([ROLLED])) == len(ROLLED.nodes)
    console = Console(width=200, file=StringIO())
    console.print(Drawer(tree=ROLLED, account=None, took={}).drawing())
    drawn = console.file.getvalue()  # type: ignore[attr-defined]
    assert all(node.content[:30] in drawn for node in ROLLED.nodes)
    (tmp_path / "trees.jsonl").write_text(ROLLED.model_dump_json() + "\n")
    assert aloe("report", tmp_path).code == 0
    page = (tmp_path / "report.html").read_text()
    assert all(node.content[:20] in page for node in ROLLED.nodes)
    for more in ((), ("--tree", ROLLED.id[:6])):
        assert aloe("trace", tmp_path, *more).code == 0


def test_labels_can_be_told_apart_afterwards() -> None:
    levels = {node.id: len(node.content) / 100 for node in ROLLED.nodes}
    (before,) = relabel([GROWN], horizon=3, discount=0.0, levels=levels)
    (after,) = relabel([ROLLED], horizon=3, z=0.0, levels=levels)
    returns = [v.by_return for v in after.verdicts if v.by_return and v.by_return.returns]
    assert len(returns) == 2, "those of the first two turns"
    assert all(label.error is not None for label in returns)
    longer = rolled(before, settings())
    assert [v.by_return for v in longer.verdicts] == [None] * len(longer.verdicts)
    assert longer.nodes == ROLLED.nodes


@dataclass(frozen=True)
class Answering:
    """A user who wants lists and no questions, and says the one when asked about it."""

    async def speak(self, persona: Persona, tree: str, path: Turns) -> UserNode:
        asked = bool(path) and "lists?" in path[-1].content
        told = any(LISTS in node.content for node in path)
        text = LISTS if asked and not told else "Go on." if path else "What now?"
        parent = path[-1].id if path else None
        return UserNode.of(parent, text, tree=tree, turn=len(path) // 2 + 1)

    async def recheck(
        self, persona: Persona, tree: str, path: Turns, changed: Rewording
    ) -> UserNode:
        return changed.user

    def done(self, persona: Persona, tree: str, path: Turns) -> bool:
        return False


@dataclass(frozen=True)
class Candidate:
    """Writes lists once it knows; until then prose, or a question about lists."""

    name: str
    asks: bool

    async def reply(
        self, tree: str, path: Turns, user: UserNode, revealed: Sequence[Disclosure]
    ) -> AssistantNode:
        known = any(LISTS in node.content for node in (*path, user))
        text = "Do you like lists?" if self.asks else "Well, think about it."
        said = "- One.\n- Two." if known else text
        return AssistantNode.of(user.id, said, agent=self.name, turn=user.turn)


def test_a_reply_that_elicits_a_wish_wins_by_exactly_what_it_is_worth() -> None:
    """See the arithmetic in the body: the question costs a level now and earns two later."""
    candidates = (Candidate("plain", asks=False), Candidate("asker", asks=True))
    parts = {"user": Answering(), "inducer": Marker(), "assistants": candidates}
    wanted = config(turns=3, expansion="both", check_ledger=False)
    tree = grow(wanted, persona=PICKY, **parts)
    plain, asker = tree.children(tree.nodes[0].id)
    judged = tree.verdicts[0]
    assert (judged.preferred, judged.rejected) == (plain.id, asker.id)
    # levels: prose 0.5 (no question), question 0, list 1. After the question all know: 1, 1.
    # After prose: prose again (0.5), then 0.5 and 0; or the question (0), then 1 and 1.
    (labelled,) = relabel([tree], horizon=3, discount=1.0)
    label = labelled.verdicts[0].by_return
    assert label
    assert label.returns == pytest.approx(((0.5 + (0.75 + 1.0) / 2) / 3, (0.0 + 1.0 + 1.0) / 3))
    assert label.difference == pytest.approx(-0.625 / 3)
    ways = [
        (0.5 + 0.75) / 3,
        (0.5 + 1.0) / 3,
        2 / 3,
        2 / 3,
    ]  # prose went on in two, and so did this
    assert label.error == pytest.approx(sqrt(pvariance(ways) * 4 / 2))
    assert label.outcome == "second"
    (now,) = relabel([tree], horizon=3, discount=0.0)
    assert now.verdicts[0].by_return
    assert now.verdicts[0].by_return.outcome == judged.outcome == "first"
    close = relabel([tree], horizon=3, discount=1.0, z=1.5)[0].verdicts[0].by_return
    assert close
    assert close.reason == "not told apart"
    # Grown with one path and rolled out by a policy, as much as it can see.
    narrow = grow(config(turns=3, check_ledger=False), persona=PICKY, **parts)
    more = rolled(narrow, settings(count=1, policy="plain"), **parts)
    found = relabel([more], horizon=3, discount=1.0, z=0.0)[0].verdicts[0].by_return
    assert found
    assert found.returns
    assert found.returns[1] == pytest.approx(2 / 3)


@dataclass(frozen=True)
class Leaving(Answering):
    """A user who is done with what they say first."""

    def done(self, persona: Persona, tree: str, path: Turns) -> bool:
        return len(path) == 1


@pytest.mark.parametrize("stops", [False, True])
def test_replies_to_a_last_message_are_not_continued(stops: bool) -> None:
    wanted = settings().updated({"simulation.stop_when_done": stops}, source="test")
    found = rolled(GROWN, wanted, user=Leaving(), inducer=Marker())
    opening, *_ = GROWN.nodes
    for reply in GROWN.children(opening.id):
        continued = found.children(reply.id) != GROWN.children(reply.id)
        assert continued == (not stops)


@pytest.fixture
def run(aloe: RunAloe, tmp_path: Path) -> Path:
    (tmp_path / "personas.jsonl").write_text(persona_lines(PERSONAS[:2]))
    ran = aloe(
        *("simulate", "--personas", tmp_path / "personas.jsonl", "--trees", 2, "--turns", 2),
        *("--model", VARIED, "--out", tmp_path / "run", "--quiet"),
    )
    assert ran.code == 0, ran.err
    return tmp_path / "run"


def test_the_command_extends_resumes_and_keeps_what_was_there(
    aloe: RunAloe, run: Path, tmp_path: Path
) -> None:
    extend = ("simulate", "--extend", run, "--rollouts", 3, "--horizon", 2, "--policy", "hinted")
    before = list(read_trees(run))
    hinted = before[0].nodes[1].agent
    extend = (*extend[:-1], hinted)
    whole = aloe(*extend, "--out", tmp_path / "whole", "--json")
    assert whole.code == 0, whole.err
    assert "give their levels with `aloe relabel --levels`" in whole.err
    after = list(read_trees(tmp_path / "whole"))
    for old, new in zip(before, after, strict=True):
        assert new.nodes[: len(old.nodes)] == old.nodes
        assert {n.agent for n in new.nodes[len(old.nodes) :] if n.role == "assistant"} == {hinted}
        for reply in old.children(old.nodes[0].id):
            assert len(new.children(reply.id)) == 3
    calls = whole.result["calls"]
    assert f"forecast: {calls:,} calls" in whole.err
    first = aloe(*extend, "--out", tmp_path / "parts", "--max-calls", calls // 2, "--quiet")
    assert first.code == 3
    rest = aloe(*extend, "--out", tmp_path / "parts", "--max-calls", 10_000, "--quiet", "--json")
    assert rest.code == 0, rest.err
    assert list(read_trees(tmp_path / "parts")) == after
    again = aloe(*extend, "--out", tmp_path / "whole", "--quiet", "--json")
    assert again.result["calls"] == 0
    assert aloe("relabel", tmp_path / "whole", "--horizon", 2).is_one_line_about("--levels FILE")
    assert aloe("relabel", tmp_path / "whole", "--discount", 0).code == 0
    assert all(v.by_return for t in read_trees(tmp_path / "whole") for v in t.verdicts)
    longer = ("simulate", "--extend", tmp_path / "whole", "--out", tmp_path / "longer")
    assert aloe(*longer, "--turns", 3, "--quiet").code == 0
    plainly = ("simulate", "--extend", run, "--turns", 3, "--out", tmp_path / "plain")
    assert aloe(*plainly, "--quiet").code == 0
    grown = {tree.id: tree for tree in read_trees(tmp_path / "plain")}
    for old, new in zip(after, read_trees(tmp_path / "longer"), strict=True):
        assert new.nodes[: len(old.nodes)] == old.nodes
        assert {node.id for node in new.nodes[len(old.nodes) :]} == {
            node.id for node in grown[new.id].nodes if node.turn == 3
        }
        assert not [v for v in new.verdicts if v.by_return], "there is more to look at now"


def test_what_makes_no_sense_is_refused(aloe: RunAloe, run: Path, tmp_path: Path) -> None:
    out = ("--out", tmp_path / "new", "--quiet")
    extend, personas = ("--extend", run), ("--personas", tmp_path / "personas.jsonl")
    for flags, words in (
        ((*extend, "--rollouts", 2, "--policy", "nobody"), ("no assistant 'nobody'", "hinted")),
        ((*extend, "--policy", "hinted"), ("--policy", "--rollouts N")),
        ((*extend, "--turns", 3, "--until-turn", 1), ("--until-turn", "--rollouts N")),
        ((*personas, "--rollouts", 2), ("--extend DIR",)),
        (extend, ("already has 2 turns;", "--rollouts")),
    ):
        assert aloe("simulate", *flags, *out).is_one_line_about(*words)
    file = tmp_path / "rollouts.toml"
    file.write_text("[simulation.rollouts]\ncount = 2\n")
    ran = aloe("simulate", *personas, "--config", file, "--model", VARIED, *out)
    assert ran.is_one_line_about("--extend")
    assert not (tmp_path / "new").exists()
