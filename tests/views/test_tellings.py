"""Why something came to light stands wherever a tree is shown."""

from io import StringIO

from builders import assistant, user
from rich.console import Console
from sample_tree import PERSONA, SON, TREE

from aloe.graphs.commands.dashboard import _describe_ledger
from aloe.memory.disclosure_tally import Tally
from aloe.schema import Disclosure, Telling, Tree
from aloe.views.account import Spending
from aloe.views.node import node_view
from aloe.views.report import report
from aloe.views.siblings import SiblingView
from aloe.views.tellings import describe_revealed, describe_tellings
from aloe.views.tree import Drawer, head

FIRST = user("Hello.", told=(Telling(about=PERSONA.facts[0].id, why="scheduled"),))
REPLY = assistant("Do you have children?", FIRST)
SECOND = user(
    "I have a son called Rui.",
    REPLY.id,
    turn=2,
    told=(Telling(about=SON, why="asked", reply=REPLY.id),),
    asked="told",
)
OTHER = assistant("And children?", SECOND)
THIRD = user("As I said.", OTHER.id, turn=3, asked="again")
ANSWERING = TREE.model_copy(
    update={
        "nodes": (FIRST, REPLY, SECOND, OTHER, THIRD),
        "verdicts": (),
        "disclosure": "answering",
    }
)
LINES = ["told, because asked: I have a son called Rui."]


def shown(*parts: object) -> str:
    console = Console(file=StringIO(), width=100)
    for part in parts:
        console.print(part)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    return " ".join(text.split())


def test_a_line_says_what_was_told_and_why() -> None:
    assert describe_tellings(ANSWERING, SECOND) == LINES
    assert describe_tellings(ANSWERING, THIRD) == ["asked for what was told before"]
    assert describe_tellings(ANSWERING, FIRST) == ["told, its turn: I mend bicycles in Porto."]
    assert describe_tellings(TREE, FIRST) == []  # where all things come in their turn
    wish = PERSONA.model_copy(update={"preferences": {"emoji": "some"}})
    told = user("Hm.", told=(Telling(about="emoji", why="contradicted", reply="r"),))
    tree = TREE.model_copy(update={"persona": wish})
    assert describe_tellings(tree, told) == ["told, against the reply: emoji, some"]


def test_what_the_ledger_has_is_said_once_with_its_reason() -> None:
    told = SECOND.told[0]
    quoted = Disclosure(quote="I have a son called Rui.", fact=SON)
    whim = Disclosure(quote="I like tea.", kind="invented")
    both = SECOND.model_copy(update={"revealed": (whim, quoted)})
    assert describe_revealed(ANSWERING, both) == [
        "◆ I like tea. (invented)",
        "◆ I have a son called Rui. (because asked)",
    ]
    assert describe_tellings(ANSWERING, both) == []
    wish = PERSONA.model_copy(update={"preferences": {"emoji": "some"}})
    tree = ANSWERING.model_copy(update={"persona": wish})
    wanted = told.model_copy(update={"about": "emoji"})
    asks = Disclosure(quote="More smileys!")
    message = SECOND.model_copy(update={"told": (told, wanted), "revealed": (asks, quoted)})
    assert describe_revealed(tree, message)[0] == "◆ More smileys! (because asked: emoji, some)"
    assert describe_tellings(tree, message) == []
    trait = PERSONA.facts[-1]
    tied = Disclosure(quote="Be plain.", kind="revealed", fact=trait.id)
    message = SECOND.model_copy(update={"told": (told, wanted), "revealed": (quoted, tied)})
    assert trait.kind == "trait"
    assert describe_revealed(tree, message)[1] == "◆ Be plain. (because asked)"
    assert describe_tellings(tree, message) == []
    fact = Disclosure(quote="I swim.", kind="revealed", fact=PERSONA.facts[2].id)
    message = message.model_copy(update={"revealed": (quoted, fact)})
    assert describe_tellings(tree, message) == ["told, because asked: emoji, some"]
    unclear = message.model_copy(update={"revealed": (whim, asks)})
    assert describe_revealed(tree, unclear)[1] == "◆ More smileys!"
    assert len(describe_tellings(tree, unclear)) == 2


def test_trace_page_and_summary_say_it() -> None:
    tree: Tree = ANSWERING
    assert LINES[0] in shown(Drawer(tree=tree, account=None, took={}).drawing())
    assert "tells answering" in shown(head(tree))
    assert LINES[0].removeprefix("told, ") in shown(node_view(tree, SECOND, []))
    assert LINES[0] in shown(SiblingView(tree, SECOND, [OTHER]))
    page = report("run", [tree], Spending([]), shown=1)
    assert '["told","I have a son called Rui.","because asked"]' in page
    tally = Tally()
    tally.add(tree)
    assert _describe_ledger(tally).endswith("told: 1 because asked")
    assert tally.summary()["told"] == {"scheduled": 1, "asked": 1}
