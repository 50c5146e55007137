import json
from pathlib import Path

import pytest
from command import RunAloe

from aloe.benchmark.decontamination import sha256
from aloe.config import PersonasConfig
from aloe.memory.embedder import MiniLmEmbedder
from aloe.memory.personas import SHIPPED, read_personas
from aloe.memory.pool.report import count_broken_rules, find_contradictory

NEAREST = Path(__file__).parents[2] / "golden" / "nearest.json"
CITIES = [f"Town {chr(65 + n)}" for n in range(25)]
WRITER = "scripted:aloe.agents.scripted_writer:reply"


def test_show(composed_pool: Path, aloe: RunAloe) -> None:
    people = read_personas(composed_pool)
    ran = aloe("personas", "show", composed_pool, "--id", people[3].id[:10], "--json")
    assert [each["id"] for each in ran.result["personas"]] == [people[3].id]
    assert people[3].facts[0].text.split()[0] in ran.err
    said, made = " ".join(ran.err.split()), people[3].lineage["profile"]
    assert (
        f"profile: composed by rule (seed {made.seed}); most similar one: {made.nearest:.2f}"
        in said
    )
    assert "origin" not in said
    assert aloe("personas", "show", composed_pool, "--id", "zz").is_one_line_about(
        "no persona's id"
    )


def test_stats(composed_pool: Path, bag_settings: Path, tmp_path: Path, aloe: RunAloe) -> None:
    picture = tmp_path / "map.png"
    ran = aloe(
        "personas", "stats", composed_pool, "--config", bag_settings, "--map", picture, "--json"
    )
    assert ran.code == 0, ran.err
    assert ran.result["personas"] == 30
    assert ran.result["contradictory"] == 0
    assert ran.result["origins"] == {"composed": 60}
    assert sum(r["count"] for r in ran.result["coverage"] if r["axis"] == "age") == 30
    assert all(pair["similarity"] < 0.8 for pair in ran.result["nearest"])
    assert ran.result["saturation"][-1]["candidates"] >= 60
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_check_finds_what_is_wrong(composed_pool: Path, bag_settings: Path, aloe: RunAloe) -> None:
    check = ("personas", "check", composed_pool, "--config", bag_settings, "--json")
    ran = aloe(*check)
    assert (ran.code, ran.result["pairs"], ran.result["contradictory"]) == (0, [], {})
    first = read_personas(composed_pool)[0]
    copy = {"profile": first.profile + " Truly so.", "personality": "I have never been married."}
    odd = {"profile": "I am 30. I ask my wife.", "personality": "I have never been married."}
    with composed_pool.open("a") as file:
        file.write(json.dumps(copy) + "\n" + json.dumps(odd) + "\n")
    ran = aloe(*check)
    assert ran.code == 1
    assert [pair["first"] for pair in ran.result["pairs"]] == [first.id]
    assert f"the profile of {first.id} is a near-copy of that of" in " ".join(ran.err.split())
    assert list(ran.result["contradictory"].values()) == [["marriage"]]
    assert ran.result["unsound"]["profile: too_few_facts"] == 1


def test_the_shipped_pool_holds_no_near_copies(aloe: RunAloe, pytestconfig: pytest.Config) -> None:
    """Embedding all takes minutes, so what a full check said is kept, with what it was said of.

    After a change of any of that, run this file with --update-snapshots.
    """
    embedder, personas = MiniLmEmbedder(), {each.id: each for each in read_personas(SHIPPED)}
    subject = {"pool": sha256(SHIPPED), "embedder": embedder.name}
    if pytestconfig.getoption("--update-snapshots"):
        check = aloe("personas", "check", "--json").result
        nearest = aloe("personas", "stats", "--count", 20, "--json").result["nearest"]
        record = {**subject, "check": check, "nearest": nearest}
        NEAREST.write_text(json.dumps(record, indent=1) + "\n")
    kept = json.loads(NEAREST.read_text())
    assert {name: kept[name] for name in subject} == subject
    assert kept["check"] == {
        "personas": len(personas),
        "threshold": PersonasConfig().threshold,
        "pairs": [],
        "contradictory": {},
        "unsound": {},
    }
    for pair in kept["nearest"]:
        texts = [getattr(personas[pair[side]], pair["kind"]) for side in ("first", "second")]
        one, other = embedder.embed(texts)
        assert one @ other == pytest.approx(pair["similarity"], abs=0.02)


def test_the_shipped_pool_breaks_no_rule() -> None:
    personas = read_personas(SHIPPED)
    assert len(personas) >= 3310
    assert find_contradictory(personas) == {}
    assert count_broken_rules(personas) == {}


def test_calibrating(aloe: RunAloe) -> None:
    ran = aloe("personas", "calibrate", "--json")
    assert ran.result["threshold"] == ran.result["set"]
