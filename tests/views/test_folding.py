# ruff: noqa: RUF001 (the signs of other scripts are the point)
"""No text is lost at any width: every word of a message is somewhere in its picture."""

from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from builders import assistant, user
from hypothesis import example, given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import RenderableType
from sample_tree import TREE
from snapshots import drawn

from aloe.graphs.chat_view import TurnView
from aloe.graphs.commands.newest_exchange import Lines, share_out
from aloe.memory.highlight import Highlight
from aloe.schema import Disclosure, Node, Tree, Verdict
from aloe.views.account import Account
from aloe.views.folding import Table, grid
from aloe.views.node import node_view
from aloe.views.question import LabelQuestion
from aloe.views.siblings import SiblingView
from aloe.views.tree import Drawer

ROOT = Path(__file__).parents[2]
URL = "https://example.org/a/path/without/a/blank/" + "and/more/" * 20 + "?q=1&r=2#end"
CHINESE = "我住在北京，我在一家小公司做会计，每天早上七点坐地铁上班，晚上回家给女儿做饭。" * 2
FAMILY = "👩\u200d👩\u200d👧 naïve café e\u0301 ａｂｃ"
CONTROLS = "before\x1bafter tab\there\rback\x08space \u2028line"
AGENTS = ("a_reply_with_a_very_long_name_that_no_column_has_room_for", "b")

words = st.sampled_from(["plain", "words", URL, CHINESE, "日本語です", FAMILY, "x" * 70])
texts = st.lists(words, min_size=1, max_size=6).map(" ".join) | st.text(
    st.characters(exclude_categories=["Cs", "Cc", "Zs", "Zl", "Zp"]), min_size=1, max_size=90
)
widths = st.integers(12, 200)


def tree_of(said: str, answers: tuple[str, str], *, deep: int = 1) -> Tree:
    """Return a tree in which all replies are continued, `deep` turns long."""
    nodes: list[Node] = []
    above: list[Node | None] = [None]
    for turn in range(1, deep + 1):
        reply = None
        for place, parent in enumerate(above):
            asked = user(f"{said} {place}", parent.id if parent else None, turn=turn,
                         revealed=(Disclosure(quote=said),))  # fmt: skip
            reply = [
                assistant(text, asked, agent=agent)
                for text, agent in zip(answers, AGENTS, strict=True)
            ]
            nodes += [asked, *reply]
        above = list(reply or [])
    return TREE.model_copy(update={"nodes": tuple(nodes), "verdicts": ()})


def dense(text: str) -> str:
    """Return what is to be seen of a text: no blanks, and no lines of a drawing."""
    seen = text.translate(dict.fromkeys(map(ord, "│├└─ \t"), None))
    return "".join(seen.split())


def assert_whole(picture: RenderableType, width: int, *said: str) -> None:
    """Make sure that all of it is there, and that no line is longer than the terminal."""
    shown = drawn(picture, width)
    assert max(map(cell_len, shown.splitlines())) <= width
    here = Counter(dense(shown))
    missing = Counter("".join(map(dense, said))) - here
    assert not missing, (width, missing)


@settings(max_examples=18)
@example(f"{CHINESE} {URL}", "no", 80)
@example(URL, CHINESE, 12)
@given(texts, texts, widths)
def test_every_word_is_in_every_picture(one: str, other: str, width: int) -> None:
    tree = tree_of(one, (other, "Well."))
    asked, first, second = tree.nodes
    assert asked.role == "user"
    assert first.role == second.role == "assistant"
    turn: Any = SimpleNamespace(
        user=asked, order=AGENTS, replies=dict(zip(AGENTS, (first, second), strict=True)),
        in_order=[first, second], verdict=None, named=False, failures={},
    )  # fmt: skip
    drawing = Drawer(tree=tree, account=None, took={}, full=True).drawing()
    chat: Any = SimpleNamespace(models={name: SimpleNamespace(name=name) for name in AGENTS})
    pictures: list[RenderableType] = [
        drawing,
        SiblingView(tree, asked, [first, second]),
        LabelQuestion(tree, first, second, "1 of 2"),
        Highlight(tree=tree, user=asked, best=first.id).__rich__(),
        *(TurnView(chat=chat, turn=turn, beside=beside) for beside in (True, False)),
    ]
    for picture in pictures:
        assert_whole(picture, width, one, other)
    assert_whole(node_view(tree, first, []), width, other)
    shown = dense(drawn(drawing, width))
    assert all(dense(text) in shown for text in (one, other))  # and in its order


@pytest.mark.parametrize("width", [12, 40, 80, 200])
def test_a_tree_of_many_branchings_stays_on_the_screen(width: int) -> None:
    tree = tree_of(CHINESE, (URL, "Well."), deep=9)
    asked, first, second = tree.nodes[:3]
    judged = Verdict(
        node=asked.id, first=first.id, second=second.id, votes=(), outcome="first", margin=2.0
    )
    tree = tree.model_copy(update={"verdicts": (judged,)})
    took = {node.id: Account(seconds=12.3, output_tokens=4567) for node in tree.nodes}
    picture = Drawer(tree=tree, account=None, took=took, full=True, state="unfinished").drawing()
    assert_whole(picture, width, *(node.content for node in tree.nodes))


def test_a_long_message_is_cut_only_where_it_says_so() -> None:
    picture = Drawer(tree=tree_of(URL * 4, ("no", "no")), account=None, took={}).drawing()
    assert "characters more: --full" in drawn(picture, 80)
    found = Drawer(tree=tree_of(URL * 4, ("no", "no")), account=None, took={}, search="=2#END")
    assert "characters more" not in drawn(found.drawing(), 80)  # what is searched for is shown


@given(texts, widths)
@settings(max_examples=20)
def test_the_live_picture_shows_whole_what_there_is_room_for(one: str, width: int) -> None:
    picture = Lines((("user", one), ("hinted", "Well.")))
    if "more lines" not in drawn(picture, width):
        assert_whole(picture, width, one, "user hinted")
    assert_whole(picture, 300, one, "user hinted")


def test_what_the_live_picture_has_no_room_for_is_counted() -> None:
    shown = drawn(Lines((("user", "word " * 400), ("a", "Well."), ("b", "short"))), 80)
    assert "more lines" in shown
    assert "Well." in shown
    assert "short" in shown


@pytest.mark.parametrize(
    ("wanted", "room", "given"),
    [
        ([1, 9, 1], 9, [1, 7, 1]),
        ([9, 9], 4, [2, 2]),
        ([5, 5], 0, [1, 1]),
        ([], 3, []),
        ([2], 9, [2]),
    ],
)
def test_sharing_out(wanted: list[int], room: int, given: list[int]) -> None:
    assert share_out(wanted, room) == given


def test_a_control_character_takes_the_room_that_its_picture_takes() -> None:
    tree = tree_of(CONTROLS, (CONTROLS, "no"))
    for width in (12, 30, 31, 80):
        shown = drawn(Drawer(tree=tree, account=None, took={}).drawing(), width)
        assert "\x1b" not in shown
        assert max(map(cell_len, shown.splitlines())) <= width
        for word in ("␛after", "here␍back␈space"):
            assert word in dense(shown)


def test_a_table_of_names_and_texts_folds() -> None:
    assert_whole(grid({"profile": URL, "spent": CHINESE}), 40, URL, CHINESE)


def test_all_tables_fold() -> None:
    """Rich's own cuts; a new view that takes it loses text again."""
    folders = ("aloe", "memory", "agents", "graphs", "benchmark", "training")
    files = (file for folder in folders for file in (ROOT / folder).rglob("*.py"))
    taken = {f.name for f in files if "from rich.table import" in f.read_text(encoding="utf-8")}
    assert taken == {"folding.py"}
    table = Table("a", "b")
    table.add_column("c", overflow="ellipsis")
    table.add_row("1", "2", "3", "4")
    overflows = ["fold", "fold", "ellipsis", "fold"]
    assert [column.overflow for column in table.columns] == overflows
    bare = Table(box=None, show_header=False)
    bare.add_row("ok", URL, CHINESE)
    assert_whole(bare, 50, URL, CHINESE)
