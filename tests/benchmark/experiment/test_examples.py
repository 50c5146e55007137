"""Dialogues on a page of results: what a model wrote stays text."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from aloe.benchmark.experiment.examples import _dialogue
from aloe.benchmark.markdown import escape
from aloe.memory.verifiable.generation import generate
from aloe.schema import AssistantNode, UserNode


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("See <img src=x onerror=alert(1)>", "See &lt;img src=x onerror=alert(1)>"),
        ("one\r\rtwo\u2028three\x0bfour", "one\n> \n> two\n> three\n> four"),
        ("x\n# A heading", "x\n> \\# A heading"),
        ("x\n  ## A heading", "x\n>   \\## A heading"),
        ("A heading\n===", "A heading\n> \\==="),
        ("A heading\n--", "A heading\n> \\--"),
        ("```\ncode", "\\```\n> code"),
        ("![p](http://h/p.png)", "!\\[p](http://h/p.png)"),
        ("- one\n- **two**\n\n1. three", "- one\n> - **two**\n> \n> 1. three"),
    ],
)
def test_what_a_model_wrote_breaks_no_page(said: str, shown: str) -> None:
    user = UserNode.of(None, said, tree="t", agent="user", turn=1)
    reply = AssistantNode.of(user.id, said, agent="m", turn=1)
    tree = SimpleNamespace(nodes=[user, reply, user, reply], persona=generate(1))
    page = _dialogue(cast("Any", tree))
    assert page.count(shown) == 2
    assert all(line.startswith(">") for line in page.splitlines())


def test_a_cell_is_one_line_whatever_ends_lines_in_it() -> None:
    assert escape("a\r\nb\rc\u2028d|<e") == "a b c d\\|&lt;e"
