"""Turns that teach not to be personal where it is out of place."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from builders import PERSONAS
from command import RunAloe

from aloe.agents.restraint import make_restraint, read_stock
from aloe.benchmark.case import Probe
from aloe.benchmark.cases import load_cases
from aloe.benchmark.reply_checks import personal, right
from aloe.errors import ConfigError
from aloe.memory.run_folder import read_trees
from aloe.memory.words import find_content_words
from aloe.schema import Tree
from aloe.training.dataset_export import Exported, ExportPlan, export_trees

GOLDEN = Path(__file__).parent.parent / "golden" / "trees.jsonl"
(TREE,) = read_trees(GOLDEN)
MADE = list(make_restraint([TREE]))


def export(tmp_path: Path, **given: Any) -> Exported:
    plan = {"run": GOLDEN, "row_format": "dpo", "out": tmp_path / "rows.jsonl", **given}
    return export_trees(ExportPlan(**plan))


def test_the_reply_that_drags_in_the_users_life_loses() -> None:
    assert len(MADE) > 20
    for made in MADE:
        (verdict,) = made.verdicts
        user, good, bad = made.nodes[-3:]
        probe = Probe(message=user.content, kind="fact")
        assert (verdict.preferred, verdict.rejected) == (good.id, bad.id)
        assert not personal(good.content, probe, TREE.persona)
        assert good.content in bad.content
        said = [told.quote for told in TREE.revealed(user.parent or "")]
        assert any(f'"{quote}"' in bad.content for quote in said)
        assert made.path(user.id)[:-1] == TREE.path(user.parent or "")
    judged = [
        personal(made.nodes[-1].content, Probe(message=made.nodes[-3].content, kind="fact"),
                 TREE.persona)
        for made in MADE
    ]  # fmt: skip
    assert all(judged)
    places = Counter(made.nodes[-3].parent for made in MADE)
    assert max(places.values()) - min(places.values()) == 0
    assert len({made.nodes[-3].parent for made in MADE[: len(places)]}) == len(places)
    assert list(make_restraint([TREE])) == MADE


def test_no_message_is_of_the_suite_that_measures_it() -> None:
    probes = [probe for case in load_cases("none") for probe in case.probes.values()]
    assert {errand.kind for errand in read_stock()} == {probe.kind for probe in probes}
    for errand in read_stock():
        words = find_content_words(errand.message)
        for probe in probes:
            shared = words & find_content_words(probe.message)
            assert len(shared) <= len(words) / 2, (errand.message, probe.message)
            assert not (probe.accept and right(errand.reply, probe) and errand.kind == "fact")


def test_what_has_to_do_with_the_user_is_left_alone() -> None:
    def told(profile: str, **given: Any) -> set[str]:
        persona = TREE.persona.model_copy(update={"profile": profile, **given})
        tree = TREE.model_copy(update={"persona": persona})
        return {made.nodes[-3].content for made in make_restraint([tree])}

    river = "What is the longest river in South America?"
    assert river in told("I mend bicycles.")
    assert river not in told("I am a guide on a river.")
    assert told("I mend bicycles.", preferences={"length": "brief"}) == set()
    silent = [node.model_copy(update={"revealed": ()}) for node in TREE.nodes
              if node.role == "user"]  # fmt: skip
    by_id = {node.id: node for node in silent}
    nodes = tuple(by_id.get(node.id, node) for node in TREE.nodes)
    assert list(make_restraint([TREE.model_copy(update={"nodes": nodes})])) == []


def test_the_share_is_what_is_asked_for(aloe: RunAloe, tmp_path: Path) -> None:
    plain = export(tmp_path)
    for kind, share in (("dpo", 0.5), ("sft", 0.2), ("rm", 0.5), ("llamafactory-kto", 0.4)):
        done = export(tmp_path, row_format=kind, restraint=share)
        assert done.restraint / len(done.rows) == pytest.approx(share, abs=0.5 / len(done.rows))
    half = export(tmp_path, restraint=0.5)
    assert half.rows[: len(plain.rows)] == plain.rows
    assert {row["persona"] for row in half.rows} == {TREE.persona.id}
    kept = export(tmp_path, restraint=0.5, min_margin=1.0)
    assert kept.restraint == len(kept.rows) / 2 > 0
    out = tmp_path / "folder"
    ran = aloe("export", GOLDEN, "--format", "dpo", "--out", out, "--restraint", 0.5, "--json")
    assert ran.result["restraint"] == len(plain.rows)
    assert "4 rows teach not to be personal" in (out / "README.md").read_text()
    assert len((out / "train.jsonl").read_text().splitlines()) == 2 * len(plain.rows)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"row_format": "grpo", "restraint": 0.1}, "has no place for it"),
        ({"row_format": "sharegpt", "restraint": 0.1}, "has no place for it"),
        ({"restraint": 0.99}, "at most 0."),
    ],
)
def test_what_cannot_be_had_is_refused(tmp_path: Path, given: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        export(tmp_path, **given)
    assert not (tmp_path / "rows.jsonl").exists()


def test_trees_give_turns_by_turns() -> None:
    def renamed(name: str, at: int) -> Tree:
        return TREE.model_copy(update={"id": name, "persona": PERSONAS[at]})

    both = list(make_restraint([renamed("a", 0), renamed("b", 1)]))
    assert {made.id for made in both[:8]} == {"a", "b"}
    assert json.dumps([made.model_dump(mode="json") for made in both[:1]])
