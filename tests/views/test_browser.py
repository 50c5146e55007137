"""The browser, driven by keys as a person does."""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from builders import PERSONAS, config, grow
from command import RunAloe
from rich.console import RenderableType
from sample_tree import CUT, HINTED, MUTE, OPENING, OTHER, PLAIN, SORRY, TREE
from snapshots import drawn
from textual.pilot import Pilot
from textual.widgets import Static

from aloe.schema import Tree
from aloe.views.browser import Branch, Browser

GROWN = grow(config(turns=2), persona=PERSONAS[0])
TREES = [GROWN, TREE]


def play(
    script: Callable[[Pilot[None], Browser], Awaitable[None]],
    trees: list[Tree] = TREES,
    *,
    size: tuple[int, int] = (120, 40),
    events: Path = Path("none"),
    unfinished: Collection[str] = (),
    grown: Any = None,
) -> None:
    grown = grown or SimpleNamespace(trees=trees, unfinished=unfinished, running=False)

    async def run() -> None:
        browser = Browser(lambda: grown, events)
        async with browser.run_test(size=size) as pilot:
            await pilot.pause()
            await script(pilot, browser)

    asyncio.run(run())


def chosen(browser: Browser) -> str | None:
    node = browser.query_one(Branch).cursor_node
    assert node is not None
    assert node.data is not None
    return node.data[1] or TREES[node.data[0]].id


def shown(browser: Browser) -> str:
    content = browser.query_one("#words", Static).content
    assert not isinstance(content, str)
    picture: RenderableType = content  # type: ignore[assignment]
    return " ".join(drawn(picture, 200).split())


async def press(pilot: Pilot[None], *keys: str) -> None:
    for key in keys:
        await pilot.press(key)
        await pilot.pause()


def test_arrows_go_through_the_tree() -> None:
    async def script(pilot: Pilot[None], browser: Browser) -> None:
        assert chosen(browser) == GROWN.id
        assert PERSONAS[0].profile[:30] in shown(browser)
        await press(pilot, "down")
        assert chosen(browser) == TREE.id
        await press(pilot, "right")  # opens
        await press(pilot, "right")  # goes in
        assert chosen(browser) == OPENING.id
        assert OPENING.content in shown(browser)
        await press(pilot, "right")
        assert chosen(browser) == HINTED.id
        assert "hint I mend bicycles in Porto." in shown(browser)
        await press(pilot, "left", "left")  # to the opening, and closes it
        assert chosen(browser) == OPENING.id
        await press(pilot, "down")
        assert chosen(browser) == OPENING.id  # nothing is below a closed end
        await press(pilot, "left")
        assert chosen(browser) == TREE.id

    play(script)


def test_jumps_open_what_they_land_in() -> None:
    async def script(pilot: Pilot[None], browser: Browser) -> None:
        assert len(list(browser.query_one(Branch).root.children[1].children)) == 0
        await press(pilot, "m")
        assert chosen(browser) == PLAIN.id
        assert "I have a son called Rui." in shown(browser)
        await press(pilot, "f")
        assert chosen(browser) == CUT.id
        await press(pilot, "f")
        assert chosen(browser) == OTHER.id
        await press(pilot, "F")
        assert chosen(browser) == CUT.id
        await press(pilot, "a")
        assert chosen(browser) == SORRY.id
        await press(pilot, "a")
        assert chosen(browser) == MUTE.id
        await press(pilot, "m")  # round to the beginning
        assert chosen(browser) == PLAIN.id

    play(script, [GROWN.model_copy(update={"verdicts": ()}), TREE])


def test_nothing_to_jump_to_is_said() -> None:
    async def script(pilot: Pilot[None], browser: Browser) -> None:
        await press(pilot, "m")
        assert chosen(browser) == GROWN.id
        assert [note.message for note in browser._notifications] == [
            "no mind-reading in these trees"
        ]

    clean = [node.model_copy(update={"faults": ()}) for node in GROWN.nodes]
    mindless = [
        node.model_copy(update={"mind_reading": ()}) if node.role == "assistant" else node
        for node in clean
    ]
    play(script, [Tree.model_validate({**GROWN.model_dump(), "nodes": tuple(mindless)})])


def test_replies_side_by_side() -> None:
    async def script(pilot: Pilot[None], browser: Browser) -> None:
        await press(pilot, "m")
        assert "no such call is recorded" in shown(browser)
        await press(pilot, "d")
        assert HINTED.content.split()[0] in shown(browser)
        assert "no such call" not in shown(browser)
        await press(pilot, "d")
        assert "no such call" in shown(browser)

    play(script)


@pytest.mark.parametrize(("size", "beside"), [((160, 40), True), ((80, 24), False)])
def test_sides_stand_beside_or_below_each_other(size: tuple[int, int], beside: bool) -> None:
    async def script(pilot: Pilot[None], browser: Browser) -> None:
        left, right = browser.query_one("#left").region, browser.query_one("#right").region
        assert (left.y == right.y) is beside
        assert (left.x == right.x) is not beside
        assert left.height > 5
        assert right.height > 5

    play(script, size=size)


def test_calls_are_those_of_the_tree(tmp_path: Path, aloe: RunAloe, personas_file: Path) -> None:
    from aloe.memory.run_folder import read_trees

    out = tmp_path / "run"
    given = ("--personas", personas_file, "--trees", 2, "--turns", 1)
    aloe(
        "simulate",
        *given,
        "--model",
        "scripted:aloe.agents.scripted:reply",
        "--out",
        out,
        "--quiet",
    )
    trees = list(read_trees(out))

    async def script(pilot: Pilot[None], browser: Browser) -> None:
        for tree in trees:
            browser._go((trees.index(tree), tree.nodes[0].id))
            await pilot.pause()
            text = shown(browser)
            assert "user → scripted:aloe.agents.scripted:reply: ok" in text
            assert "judge → " in text
            assert tree.persona.personality[:20] in text  # it is in what the judge was sent

    play(script, trees, events=out / "events.jsonl")
    assert aloe("trace", out, "--tui").is_one_line_about("needs a terminal")
