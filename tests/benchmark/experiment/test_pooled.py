"""Several seeds on one page."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rows import table

from aloe.benchmark.experiment import tested
from aloe.benchmark.experiment.pipeline import Made
from aloe.benchmark.experiment.pooled import _head, _pooled
from aloe.benchmark.experiment.result_tables import tabulate_models
from aloe.benchmark.experiment.stage import Stages
from aloe.benchmark.suite_result import compute_suite
from aloe.config import Config


def test_each_seed_has_a_figure_of_its_own() -> None:
    found = {}
    for seed, gain in ((3, 0.25), (7, 0.75)):
        own, swapped = np.full((2, 2), 2 + gain), np.full((2, 2), 2.0)
        rows = [row for n in (0, 1) for row in table(own, swapped, seed=n)]  # repetitions
        found[seed] = [tested.Tested(name="base", rows=rows, result=compute_suite(rows))]
    together = _pooled(found)
    assert together[0].result.figures["gain"].value == 0.5
    page = tabulate_models(together, pooled=True)
    assert "| 0.250, 0.750 |" in page
    # two lives of each seed, which nobody has compared with those of the other
    assert "users of one seed whose lives are near-copies as one (4 are left); those of" in page
    assert "as one (2 are left). Own" in tabulate_models(found[3])


def test_how_many_replies_were_cut_off_stands_beside_the_empty_ones() -> None:
    levels, cells = np.full((8, 2), 2.0), []
    for known in ({}, {"cut_off": True}):
        rows = table(levels, **known)
        one = tested.Tested(name="base", rows=rows, result=compute_suite(rows))
        page = [line.split(" | ") for line in tabulate_models([one]).splitlines()]
        head, row = (next(each for each in page if each[0] == at) for at in ("| model", "| base"))
        cells.append(row[head.index("empty") + 1])
        assert head[head.index("empty") + 1] == "cut off at limit"
    assert cells == ["-", "100.0% (63.2% to 100.0%)"]  # of eight dialogues


def test_a_page_of_several_seeds_says_if_the_program_was_changed_between_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stages, found = Stages(root=tmp_path), []
    for seed, sources in enumerate(("before", "before", "after")):
        monkeypatch.setattr("aloe.benchmark.experiment.stage.hash_sources", lambda at=sources: at)
        stage = stages.make(f"seed-{seed}", [seed], Path.mkdir)
        made = Made(
            people=stage, trees=stage, models={}, validation={}, best="sft", test={}, transfer=()
        )
        found.append((Config(seed=seed), made))
    assert "was changed" not in _head(tmp_path / "page.md", found[:2])
    assert "of 2 states" in _head(tmp_path / "page.md", found)


@pytest.mark.train
@pytest.mark.slow
def test_the_users_of_several_seeds_are_taken_together(ran_experiment: Any, tmp_path: Path) -> None:
    out = tmp_path / "p"
    served = "scripted:taught:{stage}"
    ran = ran_experiment(out, "--seeds", "2", dialogue_turns=2, served=served)
    assert ran.code == 0, ran.err
    assert set(ran.result["best"]) == {"0", "1"}
    page = (out / "results.md").read_text(encoding="utf-8")
    goal = next(line for line in page.splitlines() if line.startswith("| own - swapped above 0"))
    lows = [float(low) for low in re.findall(r"\[(-?[0-9.]+),", goal)]
    assert len(lows) == 3  # all, and each
    assert lows[0] > min(lows[1:])  # more users
    for part in (
        "best of each seed, ceiling",
        "| shuffled |",
        "results/levels.svg",
        "together: 20",
    ):
        assert part in page, part
    for seed in "01":
        own = (out / "results" / f"seed-{seed}.md").read_text(encoding="utf-8")
        assert f"Training seed {seed}" in own
        assert (out / "results" / f"seed-{seed}" / "levels.svg").is_file()
