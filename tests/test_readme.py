import re
from pathlib import Path
from typing import Any

import pytest
from builders import SCRIPTED
from command import RunAloe

from aloe import config as settings

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "example", sorted((ROOT / "examples").glob("*.toml")), ids=lambda p: p.stem
)
def test_shipped_settings_load(example: Path) -> None:
    settings.load(example)


def test_its_figures_of_the_proof_are_those_of_the_run() -> None:
    pages = ("results.md", "results-gpu.md")
    results = "".join((ROOT / "docs" / page).read_text(encoding="utf-8") for page in pages)
    section = README.partition("## Does it work?")[2].partition("```")[0]
    figures = re.findall(r"[-+]?[\d.]+%? \[[^]]*[\d%]\]", section)
    levels = re.findall(r"\| (0\.\d{3}) \|", section)
    assert (len(figures), len(levels)) == (12, 4)
    assert all(figure in results for figure in (*figures, *(f"| {each} [" for each in levels)))


def test_the_runs_compared_on_the_page_of_the_proof_are_those_of_their_own_pages() -> None:
    proof = (ROOT / "docs" / "proof.md").read_text(encoding="utf-8")
    named = r"(?:\w+|\[\w+\]\(([\w-]+\.md)\))"
    runs = re.findall(rf"^\| {named}, seed (\d) \|(.*)$", proof, re.MULTILINE)
    assert len(runs) == 3
    assert [page for page, *_ in runs] == ["", "", "results.md"]  # the history keeps the others
    for page, seed, row in runs:
        figures = re.findall(r"[-+]?[\d.]+%? \[[^]]+\]", row)
        assert len(figures) == 3
        if page:
            results = (ROOT / "docs" / page).read_text(encoding="utf-8")
            assert all(figure in results for figure in (*figures, f"Training seed {seed}"))


def test_its_verbs_are_verbs(aloe: RunAloe) -> None:
    named = set(re.findall(r"^\| `aloe ([a-z ]+)`", README, re.MULTILINE))
    assert len(named) > 8
    for verb in named:
        assert aloe(*verb.split(), "--help").code == 0, verb


def test_its_tree_of_folders_is_there() -> None:
    rooms = re.findall(r"^([a-z]+)/ {2,}", README.partition("## The packages")[2], re.MULTILINE)
    assert {"aloe", "memory", "agents", "graphs", "training", "benchmark"} <= set(rooms)
    assert all((ROOT / room).is_dir() for room in rooms)


@pytest.mark.train
def test_its_lines_of_python_run() -> None:
    pytest.importorskip("datasets")
    (block,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    names: dict[str, Any] = {}
    exec(
        compile(block.replace("turns=3", f"turns=3, model={SCRIPTED!r}"), "README.md", "exec"),
        names,
    )
    (tree,) = names["trees"]
    assert len(tree.persona.facts) == 3
    assert names["pairs"].column_names == ["prompt", "chosen", "rejected"]
