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
from sample_tree import CUT, HINTED, MUTE, OPENING, OTHER, PLAIN, TREE
from snapshots import drawn
from textual.pilot import Pilot
from textual.widgets import Input, Static

from aloe.benchmark.labelling import compare
from aloe.errors import InputError
from aloe.label_sheet import BlindPair
from aloe.labels import SEEN, read_labels
from aloe.schema import Tree
from aloe.views.browser import Branch, Browser

GROWN = grow(config(turns=2), persona=PERSONAS[0])
TREES = [GROWN, TREE]


class HeardBrowser(Browser):
    """Remembers what it said in passing, which leaves the screen after a few seconds."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.said: list[str] = []

    def notify(self, message: str, **_: Any) -> None:
        self.said.append(message)


def play(
    script: Callable[[Pilot[None], HeardBrowser], Awaitable[None]],
    trees: list[Tree] = TREES,
    *,
    size: tuple[int, int] = (80, 24),
    events: Path = Path("none"),
    unfinished: Collection[str] = (),
    grown: Any = None,
) -> None:
    grown = grown or SimpleNamespace(trees=trees, unfinished=unfinished, running=False)

    async def run() -> None:
        browser = HeardBrowser(lambda: grown, events)
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
    await pilot.press(*keys)
    await pilot.pause()


async def enter(pilot: Pilot[None], key: str, text: str) -> None:
    """Have the browser ask for a line, and give it one."""
    await pilot.press(key)
    pilot.app.query_one("#prompt", Input).value = text
    await press(pilot, "enter")


def test_arrows_go_through_the_tree() -> None:
    async def script(pilot: Pilot[None], browser: HeardBrowser) -> None:
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
    async def script(pilot: Pilot[None], browser: HeardBrowser) -> None:
        assert len(list(browser.query_one(Branch).root.children[1].children)) == 0
        await press(pilot, "m")
        assert chosen(browser) == PLAIN.id
        assert "I have a son called Rui." in shown(browser)
        await press(pilot, "f", "f")
        assert chosen(browser) == OTHER.id
        await press(pilot, "F")
        assert chosen(browser) == CUT.id
        await press(pilot, "a", "a")
        assert chosen(browser) == MUTE.id
        await press(pilot, "m")  # round to the beginning
        assert chosen(browser) == PLAIN.id

    play(script, [GROWN.model_copy(update={"verdicts": ()}), TREE])


def test_nothing_to_jump_to_is_said() -> None:
    async def script(pilot: Pilot[None], browser: HeardBrowser) -> None:
        await press(pilot, "m")
        assert chosen(browser) == GROWN.id
        assert browser.said == ["no mind-reading in these trees"]

    clean = [node.model_copy(update={"faults": ()}) for node in GROWN.nodes]
    mindless = [
        node.model_copy(update={"mind_reading": ()}) if node.role == "assistant" else node
        for node in clean
    ]
    play(script, [Tree.model_validate({**GROWN.model_dump(), "nodes": tuple(mindless)})])


def test_replies_side_by_side() -> None:
    async def script(pilot: Pilot[None], browser: HeardBrowser) -> None:
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
    async def script(pilot: Pilot[None], browser: HeardBrowser) -> None:
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

    async def script(pilot: Pilot[None], browser: HeardBrowser) -> None:
        for tree in trees:
            browser._go((trees.index(tree), tree.nodes[0].id))
            await pilot.pause()
            text = shown(browser)
            assert "user → scripted:aloe.agents.scripted:reply: ok" in text
            assert "judge → " in text
            assert tree.persona.personality[:20] in text  # it is in what the judge was sent

    play(script, trees, events=out / "events.jsonl")
    assert aloe("trace", out, "--tui").is_one_line_about("needs a terminal")


def state(browser: Browser) -> str:
    return str(browser.query_one("#state", Static).content)


def on_screen(browser: Browser) -> str:
    """Return what is drawn, as text."""
    strips = browser.screen._compositor.render_strips()
    return "\n".join("".join(part.text for part in strip) for strip in strips)


def test_search_goes_from_hit_to_hit_and_says_how_many_there_are() -> None:
    async def script(pilot: Pilot[None], browser: HeardBrowser) -> None:
        await press(pilot, "n")
        assert browser.said == ["nothing is searched for; / asks for a text"]
        await enter(pilot, "slash", "CHAIN")
        assert (chosen(browser), state(browser)) == (OPENING.id, "'CHAIN': 1 of 4")
        await press(pilot, "n")
        assert (chosen(browser), state(browser)) == (HINTED.id, "'CHAIN': 2 of 4")
        await press(pilot, "N", "N")  # round at the beginning
        assert (chosen(browser), state(browser)) == (CUT.id, "'CHAIN': 4 of 4")
        browser._find("qqq")
        assert browser.said[-1] == "nothing here has 'qqq'"
        browser._go_to_id("z")
        assert browser.said[-1] == "no ids start with 'z'"
        assert chosen(browser) == CUT.id

    play(script, [GROWN.model_copy(update={"verdicts": ()}), TREE])


def test_filters_help_and_legend_fit_a_small_terminal() -> None:
    async def script(pilot: Pilot[None], browser: HeardBrowser) -> None:
        assert browser.query_one("#legend").display is False
        await press(pilot, "k", "z")
        assert "◆ revealed" in on_screen(browser)
        assert browser.query_one("#right").region.height > 18
        await press(pilot, "z")
        assert browser.query_one("#right").region.height < 13
        await press(pilot, "question_mark")
        for words in ("search", "go to", "label", "reload", "next abstention", "?"):
            assert words in on_screen(browser) or words in str(
                browser.screen.query_one(Static).content
            )
        await press(pilot, "escape", "x", "down", "enter")
        assert state(browser).startswith("branches with a fault: 1 of 2 trees")
        shown = {place[1] for place in browser._grove.places}
        assert CUT.id in shown
        assert OTHER.id in shown
        browser._keep("persona", "bicycles")
        assert state(browser).startswith("trees of personas with 'bicycles' in them: 2 of 2")
        browser._keep("unfinished")
        assert browser.said[-1] == "there are no unfinished trees"

    clean = [node.model_copy(update={"faults": ()}) for node in GROWN.nodes]
    play(script, [GROWN.model_copy(update={"nodes": tuple(clean)}), TREE])


def test_reload_shows_what_has_grown_and_stays_where_one_was() -> None:
    begun = TREE.model_copy(update={"nodes": TREE.nodes[:3], "verdicts": TREE.verdicts[:1]})
    grown = SimpleNamespace(trees=[begun], unfinished={TREE.id}, running=True)

    async def script(pilot: Pilot[None], browser: HeardBrowser) -> None:
        assert state(browser) == "1 tree unfinished, a process is working"
        assert "unfinished" in on_screen(browser)
        await enter(pilot, "g", PLAIN.id[:5])
        grown.trees, grown.unfinished = [GROWN, TREE], ()
        await press(pilot, "r")
        number, name = browser.query_one(Branch).place or (0, None)
        assert (browser._grove.trees[number].id, name) == (TREE.id, PLAIN.id)
        assert browser.query_one("#state").display is False
        assert "unfinished" not in on_screen(browser)
        await enter(pilot, "g", OTHER.id[:5])
        assert OTHER.content in shown(browser)
        browser._read = lambda: (_ for _ in ()).throw(InputError(Path("trees.jsonl"), "broken"))
        await press(pilot, "r")
        assert "broken" in browser.said[-1]
        assert OTHER.content in shown(browser)

    play(script, grown=grown)


def test_a_pair_is_labelled_as_aloe_label_does_it(tmp_path: Path) -> None:
    file = tmp_path / "labels.jsonl"

    async def script(pilot: Pilot[None], browser: HeardBrowser) -> None:
        await press(pilot, "l")
        assert "choose a message" in browser.said[-1]
        await enter(pilot, "g", HINTED.id[:5])
        await press(pilot, "l")
        question = on_screen(browser)
        assert "a / b: better reply" in question
        assert SEEN in question
        await press(pilot, "escape", "l", "?", "a")
        assert f"kept in {file}: 1 label of" in browser.said[-1]

    play(script, [TREE], events=tmp_path / "events.jsonl")
    (label,) = read_labels(file)
    pair = BlindPair(tree=TREE, verdict=TREE.verdicts[0], rater=SEEN)
    assert label == pair.label("a", label.seconds)
    assert label.answer == label.shown.split("-")[0]
    assert compare([label], {pair.id: pair.verdict}).labels == 0  # it was not blind
    assert compare([label.model_copy(update={"rater": "me"})], {pair.id: pair.verdict}).labels == 1
