import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from builders import PERSONAS, config, grow
from chromium import dom, needs_chromium
from command import RunAloe
from sample_tree import CALLS, OPENING, TREE

from aloe.memory.run_folder import RunFolder
from aloe.schema import Persona, Tree
from aloe.views.account import Spending
from aloe.views.report import report

EVIL = "</script><script>document.title='run over'</script><img src=x onerror=alert(1)>"
SPENT = Spending(each.event for each in CALLS)
GROWN = grow(config(turns=3, both_turns=1), persona=PERSONAS[0])


def evil_tree() -> Tree:
    opening = OPENING.model_copy(update={"content": EVIL, "agent": EVIL})
    persona = Persona.of(f"I am {EVIL}. I swim.", EVIL)
    return Tree.model_validate(
        {**TREE.model_dump(), "persona": persona, "nodes": (opening, *TREE.nodes[1:])}
    )


class Elements(HTMLParser):
    """Names of the elements and attributes that a page is made of."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []
        self.attributes: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        self.attributes += [name for name, _ in attrs]


def data(page: str) -> list[dict[str, object]]:
    found = re.search(r'<script type="application/json" id="trees">(.*?)</script>', page, re.DOTALL)
    assert found
    trees: list[dict[str, object]] = json.loads(found[1])
    return trees


def test_figures_are_those_of_the_run() -> None:
    page = report("a run", [TREE, GROWN], SPENT, shown=10)
    plain = re.sub(r"<[^>]+>", " ", page.split("<script")[0])
    words = " ".join(plain.split())
    compared = len(TREE.verdicts) + len(GROWN.verdicts)
    assert f"of {compared} comparisons" in words
    assert "calls 3 21 tokens written" in words
    assert "cost $0.0004" in words
    assert page.count("<svg") == 4
    assert [len(tree["nodes"]) for tree in data(page)] == [len(TREE.nodes), len(GROWN.nodes)]  # type: ignore[arg-type]
    assert data(page)[0]["kinds"] == ["abstain", "fault", "mind-reading"]


def test_a_page_of_a_large_run_stays_small() -> None:
    page = report("a run", [TREE, GROWN], Spending([]), shown=1)
    assert len(data(page)) == 1
    assert "1 more are in trees.jsonl" in page
    assert "2 conversation trees" in page
    assert data(report("a run", [TREE], Spending([]), shown=0)) == []


def test_nothing_that_was_said_is_markup_and_nothing_is_asked_for() -> None:
    page = report(EVIL, [evil_tree()], SPENT, shown=5, settings=EVIL)
    assert EVIL not in page
    elements = Elements()
    elements.feed(page)
    assert elements.names.count("script") == 2  # its own, and the data
    assert "img" not in elements.names
    asking = ("src", "href", "srcset", "action", "data", "on")
    assert [name for name in elements.attributes if name.startswith(asking)] == ["data-number"]
    assert "url(" not in page


@needs_chromium
def test_the_page_in_a_browser(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    page = report("a run", [evil_tree(), GROWN], SPENT, shown=5)
    path.write_text(page.replace('class="tree"', 'class="tree" open'), encoding="utf-8")
    seen = dom(path, profile=tmp_path / "profile")
    assert "<title>a run</title>" in seen  # what a persona said did not run
    assert "2 of 2 trees" in seen
    text = re.sub(r"<[^>]+>", "", seen.split("<main>")[1].split("</main>")[0])
    for node in (*TREE.nodes[1:], *GROWN.nodes):
        assert (node.content or "(empty)")[:20] in text
    assert seen.count('class="message assistant preferred') >= 1
    assert seen.count('<details class="branch"') == 4  # both trees branch once, in two
    assert "◇" in text


def test_the_command_writes_one_file(aloe: RunAloe, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    with folder.writing(config(turns=3, both_turns=1)):
        folder.append(GROWN)
    ran = aloe("report", folder.path, "--json")
    assert ran.code == 0
    assert ran.result == {"out": str(folder.path / "report.html"), "trees": 1}
    page = (folder.path / "report.html").read_text(encoding="utf-8")
    assert GROWN.id[:8] in page
    assert "both_turns" in page  # the settings
    other = tmp_path / "there" / "page.html"
    assert aloe("report", folder.path, "--out", other, "--count", 0).code == 0
    assert data(other.read_text()) == []


def test_what_is_wrong(aloe: RunAloe, tmp_path: Path) -> None:
    assert aloe("report", tmp_path / "none").is_one_line_about("run folder")
    folder = RunFolder(tmp_path / "empty")
    with folder.writing(config()):
        folder.trees.write_text("")
    assert aloe("report", folder.path).is_one_line_about("no finished tree")


@pytest.mark.parametrize("missing", ["preferred", "tie"])
def test_runs_without_comparisons_have_a_page(missing: str) -> None:
    verdicts = () if missing == "preferred" else TREE.verdicts[:1]
    tree = Tree.model_validate({**TREE.model_dump(), "verdicts": verdicts})
    assert "conversation trees" in report("a run", [tree], Spending([]), shown=1)
