import json
import re
from html.parser import HTMLParser
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from builders import PERSONAS, assistant, config, grow, user
from chromium import needs_chromium, search_in
from command import RunAloe
from rich.console import Console
from sample_tree import CALLS, OPENING, PERSONA, TREE, spelled_out
from snapshots import drawn
from wellformed import faults_of

from aloe.memory.run_folder import RunFolder
from aloe.memory.run_page import render_run
from aloe.memory.verifiable.generation import generate
from aloe.memory.wish_checks import check_replies, find_words
from aloe.schema import Disclosure, Persona, Telling, Tree, Vote
from aloe.views.account import Spending
from aloe.views.report import Extras, report
from aloe.views.report_calls import CallShelf
from aloe.views.report_charts import chart_run
from aloe.views.report_tree import describe_user
from aloe.views.table import TreeTable
from aloe.views.tree import head
from aloe.views.votes import describe_verdict, describe_votes
from aloe.views.wishes import Wishes

EVIL = "</script><script>document.title='run over'</script><img src=x onerror=alert(1)>"
SPENT = Spending(each.event for each in CALLS)
ASKED = "because asked"
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


def message(page: str, start: str, tree: int = 0) -> dict[str, Any]:
    """Return the message of a tree in the page that begins so."""
    nodes: list[dict[str, Any]] = data(page)[tree]["nodes"]  # type: ignore[assignment]
    return next(each for each in nodes if each["text"].startswith(start))


def data(page: str) -> list[dict[str, object]]:
    found = re.search(r'<script type="application/json" id="trees">(.*?)</script>', page, re.DOTALL)
    assert found
    trees: list[dict[str, object]] = json.loads(found[1])
    return trees


def test_figures_are_those_of_the_run() -> None:
    page = report("a run", [TREE, GROWN], SPENT, shown=10)
    words = words_of(page)
    compared = len(TREE.verdicts) + len(GROWN.verdicts)
    won = sum(verdict.preferred is not None for tree in (TREE, GROWN) for verdict in tree.verdicts)
    assert f"decided {won / compared:.0%} of {compared} comparisons" in words
    assert "calls 3 21 tokens written" in words
    assert "cost $0.0004" in words
    assert page.count("<svg") == 4
    assert [len(tree["nodes"]) for tree in data(page)] == [len(TREE.nodes), len(GROWN.nodes)]  # type: ignore[arg-type]
    assert data(page)[0]["kinds"] == ["abstain", "fault", "mind-reading"]


def words_of(page: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", page.split("<script")[0]).split())


def test_trees_of_two_runs_name_all_models_of_an_agent() -> None:
    other = GROWN.model_copy(update={"models": {"hinted": "local:large", "judge": "openai:judge"}})
    said = words_of(report("runs", [TREE, other, TREE], SPENT, shown=0))
    assert "hinted openai:small, local:large" in said
    assert "judge openai:judge -" in said


def test_what_was_not_logged_or_checked_is_no_zero() -> None:
    opening = user("Hello.")
    nodes = (opening, assistant("Hi.", opening))
    imported = TREE.model_copy(update={"nodes": nodes, "verdicts": (), "models": {}})
    said = words_of(report("imported", [imported], Spending([]), shown=0))
    assert "told - things in 1 user message" in said
    assert "mind-reading - of 0 checked replies" in said
    assert "calls - no log of them cost - no log of calls" in said
    assert "a0 - 1 0 - - - -" in said
    assert "$0" not in said
    seen = opening.model_copy(update={"stated": ("a fact",)})
    checked = imported.model_copy(update={"nodes": (seen, nodes[1])})
    free = Spending([{**CALLS[0].event, "carried": True}])
    said = words_of(report("checked", [checked, imported], free, shown=0))
    assert "told 0 things in 2 user messages" in said
    assert "mind-reading 0% of 1 checked reply" in said
    assert "calls 0 0 tokens written cost $0.0000" in said  # a log says so
    table = drawn(TreeTable([checked, imported], {}), 160)
    assert [line.split()[-3] for line in table.splitlines()[1:3]] == ["0", "-"]


def test_a_page_of_a_large_run_stays_small() -> None:
    page = report("a run", [TREE, GROWN], Spending([]), shown=1)
    assert len(data(page)) == 1
    assert "1 more are in trees.jsonl" in page
    assert faults_of(page) == []
    assert "2 conversation trees" in page
    assert data(report("a run", [TREE], Spending([]), shown=0)) == []


def test_nothing_that_was_said_is_markup_and_nothing_is_asked_for() -> None:
    page = report(EVIL, [evil_tree()], SPENT, shown=5, extras=Extras(settings=EVIL))
    assert EVIL not in page
    elements = Elements()
    elements.feed(page)
    assert elements.names.count("script") == 2  # its own, and the data
    assert "img" not in elements.names
    asking = ("src", "srcset", "action", "data", "on")
    found = {name for name in elements.attributes if name.startswith(asking)}
    assert found == {"data-key", "data-number", "data-things"}
    assert set(re.findall('href="(.)', page)) == {"#"}
    assert "url(" not in page


def test_the_command_writes_one_file(aloe: RunAloe, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    with folder.writing(config(turns=3, both_turns=1)):
        folder.append(GROWN)
    ran = aloe("report", folder.path, "--json")
    assert ran.code == 0
    written = {"out": str(folder.path / "report.html"), "trees": 1, "unfinished": 0}
    assert ran.result == written
    page = (folder.path / "report.html").read_text(encoding="utf-8")
    assert GROWN.id[:8] in page
    assert "both_turns" in page  # the settings
    other = tmp_path / "there" / "page.html"
    few = aloe("report", folder.path, "--out", other, "--count", 0)
    assert "1 tree, none of them on the page" in few.out
    assert "on the page" not in ran.err
    assert data(other.read_text()) == []


def test_what_is_wrong(aloe: RunAloe, tmp_path: Path) -> None:
    assert aloe("report", tmp_path / "none").is_one_line_about("none: does not exist")
    folder = RunFolder(tmp_path / "empty")
    with folder.writing(config()):
        folder.trees.write_text("")
    assert aloe("report", folder.path).is_one_line_about("no exchange")


@pytest.mark.parametrize("missing", ["preferred", "tie"])
def test_runs_without_comparisons_have_a_page(missing: str) -> None:
    verdicts = () if missing == "preferred" else TREE.verdicts[:1]
    tree = Tree.model_validate({**TREE.model_dump(), "verdicts": verdicts})
    assert "1 conversation tree of" in report("a run", [tree], Spending([]), shown=1)


def test_a_running_or_stopped_run_shows_what_is_there(tmp_path: Path, aloe: RunAloe) -> None:
    folder = RunFolder(tmp_path)
    begun = GROWN.model_copy(update={"nodes": (), "verdicts": ()})
    opening = GROWN.nodes[0]
    with folder.writing(config(turns=3, both_turns=1)):
        assert "No exchange is finished yet." in render_run(tmp_path, shown=9).html
        replies = GROWN.children(opening.id)
        folder.growing.add(begun, [opening, *replies], list(GROWN.verdicts_on(opening.id)))
        page = render_run(tmp_path, shown=9).html
        assert "running, 1 unfinished tree<" in page
    page = render_run(tmp_path, shown=9).html
    assert "stopped with 1 unfinished tree<" in page
    assert data(page)[0]["kinds"] == ["unfinished"]
    assert [node["id"] for node in data(page)[0]["nodes"]] == [opening.id, *(r.id for r in replies)]  # type: ignore[attr-defined]
    ran = aloe("report", tmp_path, "--json")
    assert (ran.result["trees"], ran.result["unfinished"]) == (1, 1)
    with folder.locked():
        folder.append(GROWN)
    said = render_run(tmp_path, shown=9).html.split("</style>")[1].split("<script")[0]
    assert "unfinished" not in said


def test_trees_that_only_the_log_knows_are_unfinished(tmp_path: Path, aloe: RunAloe) -> None:
    folder = RunFolder(tmp_path)
    failed = CALLS[0].event | {"reply": None, "outcome": "error", "error": "HTTP 500"}
    lines = [failed | {"tree": each} for each in ("a", "b", "b", GROWN.id)]
    with folder.writing(config(turns=3, both_turns=1)):
        folder.append(GROWN)
        lines.append(failed | {"tree": "of a fork", "carried": True})
        folder.events.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert "stopped with 2 unfinished trees<" in render_run(tmp_path, shown=9).html
    assert aloe("report", tmp_path, "--json").result["unfinished"] == 2


def test_wishes_are_said_in_the_users_words_with_what_became_of_them() -> None:
    persona = generate(1, wishes=2, about=["emoji", "exclamation"])
    words = find_words(persona)
    assert set(words.values()) <= {fact.text for fact in persona.facts if fact.kind == "trait"}
    told, (name, value) = words["emoji"], ("emoji", persona.preferences["emoji"])
    opening = user(told, told=(Telling(about=name, why="asked", reply="r"),))
    plain, faces = assistant("Row on!", opening), assistant("Row on \N{ROWBOAT}", opening)
    nodes = (opening, plain, faces, assistant("", opening, agent="mute"))
    tree = TREE.model_copy(update={"persona": persona, "nodes": nodes, "verdicts": ()})
    extras = Extras(wishes=check_replies)
    page = report("a run", [tree], Spending([]), shown=1, extras=extras)
    assert message(page, told)["marks"] == [["told", told, "because asked"]]
    kept = ["kept" if value == "none" else "broken", told, ""]
    assert kept in message(page, "Row on!")["marks"]
    assert kept not in message(page, "Row on \N{ROWBOAT}")["marks"]
    said = check_replies(tree).checked
    assert [wish.kept for wish in said[nodes[3].id]] == [False, False]  # silence keeps nothing
    untold = [mark[1] for mark in message(page, "Row on!")["marks"] if mark[0] == "untold"]
    kept = persona.preferences["exclamation"] == "some"
    assert untold == [f"1 wish not told yet, {int(kept)} kept"]
    assert "{" not in json.dumps(message(page, "Row on!")["marks"])


@pytest.mark.parametrize(
    ("content", "about", "marks"),
    [
        ("I swim every morning.", PERSONA.facts[2].id, [["told", "I swim every morning.", ASKED]]),
        (
            "I find emoji childish and don't want them.",
            "emoji",
            [["told", "I find emoji childish and don't want them.", ASKED]],
        ),
        ("I want no emoji.", "emoji", [["told", "I want no emoji.", ASKED]]),
    ],
)
def test_what_is_told_is_shown_once_where_the_ledger_was_not_checked(
    content: str, about: str, marks: list[list[str]]
) -> None:
    told = (Telling(about=about, why="asked", reply="r"),)
    opening = user(content, told=told, revealed=(Disclosure(quote=content),))
    given = {"nodes": (opening, assistant("Row on!", opening)), "verdicts": ()}
    tree = TREE.model_copy(update=given)
    assert list(describe_user(tree, opening, check_replies(tree))) == marks
    unquoted = opening.model_copy(update={"revealed": ()})
    tree = tree.model_copy(update={"nodes": (unquoted, tree.nodes[1])})
    words = "I want no emoji." if about == "emoji" else content
    assert list(describe_user(tree, unquoted, check_replies(tree))) == [["told", words, ASKED]]


def test_prompts_and_calls_are_there_each_text_once() -> None:
    shelf = CallShelf([TREE.id])
    spent = Spending(shelf.watch(spelled_out()))
    assert spent.total.calls == len(CALLS)
    page = report("a run", [TREE], spent, shown=1, extras=Extras(calls=shelf))
    held: dict[str, Any] = data(page)[0]["calls"]  # type: ignore[assignment]
    assert [call["role"] for call in held["calls"]] == [each.event["role"] for each in CALLS]
    sent = [[held["texts"][place] for _, place in call["sent"]] for call in held["calls"]]
    assert sent == [[text for _, text in each.messages] for each in CALLS]
    assert len(held["texts"]) == len(set(held["texts"]))


def test_calls_that_do_not_fit_are_left_out_from_the_end() -> None:
    shelf = CallShelf([TREE.id, "other"], room=1)
    moved = [{**event, "tree": "other"} for event in spelled_out()]
    assert len(list(shelf.watch([*moved, *spelled_out()]))) == 2 * len(CALLS)
    assert shelf.of("other", ()) is None
    assert shelf.of(TREE.id, ())
    assert data(report("a run", [TREE], Spending([]), shown=1))[0]["calls"] is None


def test_votes_are_sentences() -> None:
    page = report("a run", [TREE], Spending([]), shown=1)
    (won,) = message(page, "I mend bicycles")["verdicts"]
    assert won == [
        "hinted preferred to plain, by 0.75, 80% sure",
        [
            "openai:judge, shown hinted as A and plain as B: hinted; hinted 90%, plain 9%",
            "openai:judge, shown plain as A and hinted as B: plain; plain 67%, hinted 30%, "
            "a tie 0%",
        ],
    ]
    (empty,) = message(page, "Leave Rui")["verdicts"]
    assert empty == ["hinted and plain: the judge abstains; one is empty", []]


@pytest.mark.parametrize(
    ("said", "outcome", "why"),
    [
        (("Do it.", "Do  it.\n"), "tie", "a tie; the replies look alike"),
        (("Do it.", "Do it."), "tie", "a tie; the replies are identical"),
        (("Do it.", "\u200b"), "abstain", "the judge abstains; one is empty"),
        (("", " "), "abstain", "the judge abstains; both are empty"),
        (("Do it.", "As you mend bicycles: do it."), "first", "; no judge was asked"),
    ],
)
def test_it_says_why_no_judge_was_asked(said: tuple[str, str], outcome: str, why: str) -> None:
    told = TREE.verdicts[0].model_copy(update={"votes": (), "outcome": outcome, "margin": None})
    texts = dict(zip((told.first, told.second), said, strict=True))
    nodes = [
        node.model_copy(update={"content": texts.get(node.id, node.content)}) for node in TREE.nodes
    ]
    tree = TREE.model_copy(update={"nodes": tuple(nodes)})
    assert describe_verdict(tree, told).endswith(why)


def test_counts_of_a_rule_are_no_json() -> None:
    raw = json.dumps({"first": {"a": True, "b": True}, "second": {"a": True, "b": False}})
    vote = Vote(judge="rule", order="first-second", raw=raw, choice="first")
    verdict = TREE.verdicts[0].model_copy(update={"votes": (vote,), "margin": None})
    said = "counted by rule: hinted keeps 2 of 2 wishes, plain keeps 1 of 2 wishes"
    assert list(describe_votes(TREE, verdict)) == [said]


@needs_chromium
def test_search_finds_every_spelling_of_a_letter(tmp_path: Path) -> None:
    said = "From \u0130zmir to Porto: a cafe\u0301 in \u039f\u0394\u039f\u03a3."
    opening = OPENING.model_copy(update={"content": said})
    tree = Tree.model_validate({**TREE.model_dump(), "nodes": (opening, *TREE.nodes[1:])})
    marked = {
        "from \u0130zm": "From \u0130zm",
        "izmir to p": "\u0130zmir to P",
        "caf\u00e9 in": "caf\u00e9 in",
        "CAFE\u0301 IN": "caf\u00e9 in",
        "\u03bf\u03b4\u03bf\u03c3.": "\u039f\u0394\u039f\u03a3.",
    }
    found = search_in(report("a run", [tree], SPENT, shown=1), [*marked], tmp_path)
    assert {query: marks for query, (_, marks) in found.items()} == {
        query: [mark] for query, mark in marked.items()
    }


def test_bands_need_six_trees_and_axes_stay() -> None:
    trees = [TREE.model_copy(update={"id": f"{number:016x}"}) for number in range(6)]
    charts = chart_run(trees, [Wishes()] * 6)
    assert charts[0].axis == charts[1].axis == (0, 100)
    assert charts[0].counts == ["6", "12"]
    assert None not in charts[0].curves[0].low
    few = chart_run(trees[:5], [Wishes()] * 5)
    assert {each for curve in few[0].curves for each in curve.low} == {None}


def test_what_users_told_is_counted_once() -> None:
    persona = generate(1, wishes=2, about=["emoji", "exclamation"])
    words = find_words(persona)
    trait = next(fact for fact in persona.facts if fact.text == words["emoji"])
    quote = Disclosure(quote=words["emoji"], kind="revealed", fact=trait.id)
    told = (Telling(about="emoji", why="asked", reply="r"),)
    opening = user(words["emoji"], told=told, revealed=(quote,))
    nodes = (opening, assistant("Row on!", opening))
    given = {"persona": persona, "nodes": nodes, "verdicts": ()}
    for disclosure in ("answering", None):
        tree = TREE.model_copy(update={**given, "disclosure": disclosure})
        extras = Extras(wishes=check_replies)
        page = report("a run", [tree], Spending([]), shown=1, extras=extras)
        assert message(page, opening.content)["marks"] == [["told", quote.quote, "because asked"]]
        known = next(each for each in chart_run([tree], [Wishes()]) if "told" in each.title)
        assert known.curves[0].levels == [1]
        drawn = Console(file=StringIO(), width=200)
        drawn.print(head(tree))
        assert "1 thing told" in drawn.file.getvalue()  # type: ignore[attr-defined]
