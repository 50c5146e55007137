import re
from pathlib import Path
from typing import Any

import pytest
from command import RunAloe

from aloe import config as settings

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "docs" / "results"
README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "example", sorted((ROOT / "examples").glob("*.toml")), ids=lambda p: p.stem
)
def test_shipped_settings_load(example: Path) -> None:
    settings.load(example)


def test_its_figures_are_those_of_the_run() -> None:
    results = (RESULTS / "gpu.md").read_text(encoding="utf-8")
    named = r"satisfies (\d+)% of all wishes \(base (\d+)%, shuffled control (\d+)%;"
    (claimed,) = re.findall(named, " ".join(README.split()))
    for percent, model in zip(claimed, ("best of each seed", "base", "shuffled"), strict=True):
        (level,) = re.findall(rf"^\| {model} \| ([\d.]+) \[", results, re.MULTILINE)
        assert round(100 * float(level)) == int(percent), model


def test_what_it_says_of_unheard_phrases_is_what_was_found() -> None:
    results = (RESULTS / "two-cores.md").read_text(encoding="utf-8")
    named = r"and (\d+)% \(base (\d+)%, control (\d+)%\) with \[held-out phrasings\]"
    (claimed,) = re.findall(named, " ".join(README.split()))
    for percent, model in zip(claimed, ("sft", "base", "shuffled"), strict=True):
        level = re.findall(rf"^\| {model} \| ([\d.]+) \[", results, re.MULTILINE)[0]
        assert round(100 * float(level)) == int(percent), model


def test_what_it_says_of_asking_is_what_was_found() -> None:
    results = (RESULTS / "asking-qwen.md").read_text(encoding="utf-8")
    named = (
        r"\[it finds out\]\([^)]*\) (\d+)% .*?\(base (\d+)%\) and satisfies (\d+)% "
        r"in the last two turns \(base (\d+)%\). A control .*?asks as much \((\d+)% found out\) "
        r"but does not adapt \((\d+)% satisfied\)"
    )
    (claimed,) = re.findall(named, " ".join(README.split()))

    def find_row(name: str) -> dict[str, float]:
        models = ("base", "sft", "dpo", "dpo, ceiling", "shuffled")
        (cells,) = re.findall(rf"^\| {name} \| (.*) \|$", results, re.MULTILINE)
        values = (float(re.split(r"[ %]", cell)[0]) for cell in cells.split(" | "))
        return dict(zip(models, values, strict=False))

    known, last = find_row("share found out by the end"), find_row("AL, last two turns")
    found = [known["dpo"], known["base"], 100 * last["dpo"], 100 * last["base"]]
    found += [known["shuffled"], 100 * last["shuffled"]]
    assert all(abs(int(one) - other) <= 0.5 for one, other in zip(claimed, found, strict=True))


def test_the_comparison_that_the_docs_explain_is_that_of_the_example(
    aloe: RunAloe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert aloe("example", "demo").code == 0
    shown = aloe("bench", "compare", "demo/base", "demo/trained").out
    page = (ROOT / "docs" / "benchmark.md").read_text(encoding="utf-8")
    block = page.partition("$ aloe bench compare demo/base demo/trained\n")[2].partition("```")[0]
    figures = re.compile(r"(?:[+-]\d\.\d{3}|\b\d+\.\d%).*")
    assert len(figures.findall(block)) == 9 + 2  # replies cut off, of each side
    assert figures.findall(block) == [line.rstrip() for line in figures.findall(shown)]


def test_the_figures_of_the_results_are_those_of_their_pages() -> None:
    text = (RESULTS / "index.md").read_text(encoding="utf-8")
    section = text.partition("## Held-out phrasings, two cores")[2].partition("## What matters")[0]
    pages = "".join(page.read_text("utf-8") for page in sorted(RESULTS.glob("*.md")))
    pages = pages.replace(text, "").replace("+", "")
    figures = re.findall(r"-?\d[\d.]*%? \[[^]]+\]", " ".join(section.split()))
    earlier = {"30% [17%, 41%]", "27% [13%, 43%]"}  # runs whose pages are in the history
    printed = set(figures) - earlier - {"0.057 [0.021, 0.096]"}
    assert len(printed) == 24
    assert all(figure in pages for figure in printed)
    assert "-0.057 [-0.096, -0.021]" in pages  # the other way round


def test_the_first_table_of_the_results_rounds_their_pages() -> None:
    text = (RESULTS / "index.md").read_text(encoding="utf-8")
    for page, best in (
        ("gpu", "best of each seed"),
        ("two-cores", "sft"),
        ("fixed-sentences", "rejection"),
    ):
        tested = (RESULTS / f"{page}.md").read_text("utf-8").partition("## Test users")[2]
        levels = dict(re.findall(r"^\| ([^|]+) \| ([\d.]+) \[", tested.partition("###")[0], re.M))
        (row,) = re.findall(rf"^\|[^\n]*\({page}\.md\) \|$", text, re.MULTILINE)
        expected = [levels["base"], levels[best], levels["shuffled"]]
        assert [f"{100 * float(level):.0f}" for level in expected] == re.findall(r"(\d+)%", row)


def test_its_verbs_are_verbs(aloe: RunAloe) -> None:
    named = set(re.findall(r"^\| `aloe ([a-z ]+)`", README, re.MULTILINE))
    assert len(named) > 8
    for verb in named:
        assert aloe(*verb.split(), "--help").code == 0, verb


def test_the_folders_that_contributors_are_told_of_are_there() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    rooms = re.findall(r"^([a-z]+)/ {2,}", text, re.MULTILINE)
    assert {"aloe", "memory", "agents", "graphs", "training", "benchmark"} <= set(rooms)
    assert all((ROOT / room).is_dir() for room in rooms)


@pytest.mark.train
def test_its_lines_of_python_run() -> None:
    pytest.importorskip("datasets")
    (block,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    names: dict[str, Any] = {}
    exec(compile(block, "README.md", "exec"), names)
    assert len(names["users"]) == len(names["trees"]) == 3
    assert names["pairs"].column_names == ["prompt", "chosen", "rejected"]
    assert f"gives {len(names['pairs'])} pairs" in README
