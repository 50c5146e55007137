from pathlib import Path

import pytest
from builders import PERSONAS, assistant, config, grow, user
from command import RunAloe

from aloe.schema import Disclosure, Tree, Verdict
from memory.trees import RunFolder

SETTINGS = config(turns=2, both_turns=1)
TREES = [grow(SETTINGS, persona=persona) for persona in PERSONAS[:2]]


def folder(path: Path, trees: list[Tree]) -> Path:
    run = RunFolder(path)
    with run.writing(SETTINGS):
        for tree in trees:
            run.append(tree)
    return path


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return folder(tmp_path / "run", TREES)


def test_the_list_has_a_row_a_tree(aloe: RunAloe, run: Path) -> None:
    ran = aloe("trace", run, "--json")
    assert ran.code == 0
    assert [row["id"] for row in ran.result["trees"]] == [tree.id for tree in TREES]
    assert all(tree.id in ran.err for tree in TREES)
    assert all(tree.id in aloe("trace", run).out for tree in TREES)


def test_one_tree_is_drawn_whole(aloe: RunAloe, run: Path) -> None:
    ran = aloe("trace", run, "--tree", TREES[1].id[:6])
    flat = " ".join(ran.out.replace("│", " ").split())
    for node in TREES[1].nodes:
        assert " ".join(node.content.split())[:20] in flat
    assert flat.count("▶ a0") + flat.count("▶★ a0") == 1  # of the opening's two, both go on
    assert "★" in flat
    assert "◆" in flat
    assert TREES[0].persona.profile[:20] not in flat


def test_json_gives_the_tree_itself(aloe: RunAloe, run: Path) -> None:
    ran = aloe("trace", run, "--first", "--json")
    assert Tree.model_validate(ran.result) == TREES[0]
    assert "▶" in ran.err


def test_every_mark(aloe: RunAloe, tmp_path: Path) -> None:
    opening = user("[bold]Hi[/bold]", revealed=(Disclosure(quote="I [x] sew."),), faults=("echo",))
    a, b, c = (assistant(text, opening, agent=text or "mute") for text in ("one", "two", ""))
    verdicts = tuple(
        Verdict(node=opening.id, first=x.id, second=y.id, votes=(), outcome=outcome, margin=margin)  # type: ignore[arg-type]
        for x, y, outcome, margin in ((a, b, "tie", 0.0), (a, c, "abstain", None))
    )
    tree = TREES[0].model_copy(update={"nodes": (opening, a, b, c), "verdicts": verdicts})
    ran = aloe("trace", folder(tmp_path / "odd", [tree]), "--first")
    assert ran.code == 0
    assert "[bold]Hi[/bold]" in ran.out  # what is said is never taken for markup
    for mark in ("◆ I [x] sew.", "⚠ echo", "= two", "? one", "? mute", "(empty)"):
        assert mark in ran.out


def test_what_is_wrong(aloe: RunAloe, run: Path, tmp_path: Path) -> None:
    assert aloe("trace", tmp_path / "none").is_one_line_about("aloe simulate")
    assert aloe("trace", run, "--tree", "zzz").is_one_line_about("zzz", "lists them")
    twice = folder(tmp_path / "twice", [TREES[0], TREES[0]])
    assert aloe("trace", twice, "--tree", TREES[0].id[:2]).is_one_line_about("more of the id")
