import json
import time
from pathlib import Path

import pytest
from command import RunAloe, StartAloe

from aloe.memory.personas import read_personas
from aloe.memory.pool.store import read_vectors
from aloe.schema import digest

NEAREST = Path(__file__).parents[1] / "golden" / "nearest.json"
CITIES = [f"Town {chr(65 + n)}" for n in range(25)]
WRITER = "scripted:aloe.agents.scripted_writer:reply"


def test_growing_and_growing_on(tmp_path: Path, bag_settings: Path, aloe: RunAloe) -> None:
    out = tmp_path / "personas.jsonl"
    grow = ("personas", "grow", "--out", out, "--config", bag_settings, "--model", WRITER, "--json")
    ran = aloe(*grow, "--count", 5)
    assert ran.code == 0, ran.err
    assert (ran.result["personas"], ran.result["personas_now"], ran.result["ended"]) == (
        5,
        5,
        "target",
    )
    assert ran.result["calls"] == ran.result["candidates"] >= 10
    assert ran.result["output_tokens"] > 100
    assert "personas: 5/5" in ran.err
    people = read_personas(out)
    assert {origin.model for p in people for origin in p.lineage.values()} == {WRITER}
    events = (tmp_path / "personas.pool" / "events.jsonl").read_text().splitlines()
    assert len(events) == ran.result["calls"]

    again = aloe(*grow, "--count", 5)
    assert (again.code, again.result["calls"], again.result["personas"]) == (0, 0, 5)
    assert "(5 requested)" in again.err

    more = aloe(*grow, "--count", 8)
    assert (more.result["personas"], more.result["personas_now"]) == (8, 3)
    assert read_personas(out)[:5] == people


def test_a_growth_keeps_to_its_budget(tmp_path: Path, bag_settings: Path, aloe: RunAloe) -> None:
    few, out = tmp_path / "few.toml", tmp_path / "personas.jsonl"
    few.write_text(bag_settings.read_text() + "[budget]\nmax_calls = 3\n")
    grow = ("personas", "grow", "--out", out, "--model", WRITER, "--count", 5, "--json")
    for _ in range(2):
        ran = aloe(*grow, "--config", few)
        assert (ran.code, "raise the cap" in ran.err) == (3, True)
        events = (tmp_path / "personas.pool" / "events.jsonl").read_text().splitlines()
        assert len(events) == 3
    assert aloe(*grow, "--config", bag_settings).result["personas"] == 5
    few.write_text(bag_settings.read_text() + "[budget]\nmax_cost = 1.0\n")
    unpriced = ("--model", "openai:x@http://127.0.0.1:9/v1", "--count", 9, "--config", few)
    assert aloe(*grow, *unpriced).is_one_line_about("needs the price of openai:x")


SAME = """
def reply(messages, arguments):
    return "I am 30. I keep bees in Crete. I want to sell honey in the city."
"""


def test_a_growth_that_stays_short_says_so_and_counts_what_it_refused_itself(
    tmp_path: Path, bag_settings: Path, aloe: RunAloe, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "same_writer.py").write_text(SAME)
    monkeypatch.syspath_prepend(tmp_path)
    out, few = tmp_path / "personas.jsonl", tmp_path / "few.toml"
    few.write_text(bag_settings.read_text() + "window = 12\nmin_acceptance = 0.2\n")
    grow = ("personas", "grow", "--out", out, "--config", few, "--count", 5, "--json")
    for _ in range(2):
        ran = aloe(*grow, "--model", "scripted:same_writer:reply")
        assert (ran.code, ran.result["ended"]) == (2, "saturated")
        assert f"{ran.result['personas']} of 5 personas" in ran.err
        refused = ran.result["candidates"] - ran.result["accepted"]
        assert 0 < max(ran.result["refused"].values()) <= refused


def test_a_growth_in_which_nothing_fits_names_what_is_in_the_way(
    tmp_path: Path, bag_settings: Path, aloe: RunAloe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aloe.memory.pool.pairing.find_conflicts", lambda *_: ("work", "sleep"))
    out, few = tmp_path / "personas.jsonl", tmp_path / "few.toml"
    few.write_text(bag_settings.read_text() + "window = 12\n")
    grow = ("personas", "grow", "--out", out, "--config", few, "--count", 5, "--json")
    ran = aloe(*grow, "--model", WRITER)
    assert (ran.code, ran.result["ended"], ran.result["personas"]) == (2, "unmatched", 0)
    assert ran.result["conflicts"] == ["work", "sleep"]
    assert 12 <= ran.result["candidates"] <= 24
    said = "0 of 5 personas: no profile that waits fits a personality that waits: they disagree"
    assert f"{said} about work, sleep; try other seeds" in " ".join(ran.err.split())


def test_own_seeds_are_shown_and_a_broken_one_is_named(
    tmp_path: Path, bag_settings: Path, aloe: RunAloe
) -> None:
    seeds = tmp_path / "seeds"
    seeds.mkdir()
    (seeds / "profiles.jsonl").write_text('"I am 30. I sail."\n{"text": "I am 40. I ski."}\n')
    (seeds / "personalities.jsonl").write_text('"I shout."\n{"texts": "I joke."}\n')
    grow = ("personas", "grow", "--out", tmp_path / "p.jsonl", "--config", bag_settings)
    ran = aloe(*grow, "--model", WRITER, "--seeds", seeds, "--count", 2)
    assert ran.is_one_line_about("personalities.jsonl:2", "a seed is")
    (seeds / "personalities.jsonl").write_text('"I shout."\n"I joke."\n')
    ran = aloe(*grow, "--model", WRITER, "--seeds", seeds, "--count", 2)
    assert ran.code == 0, ran.err
    parents = {digest("I am 30. I sail."), digest("I am 40. I ski.")}
    for persona in read_personas(tmp_path / "p.jsonl"):
        assert set(persona.lineage["profile"].parents) == parents


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--model", "nonsense"), ("unknown model", "nonsense")),
        (("--model", "openai:gpt-4o-mini"), ("OPENAI_API_KEY",)),
        (("--model", "openai:x@http://127.0.0.1:9/v1"), ("nothing answers",)),
        (("--seeds", "nowhere"), ("nowhere", "cannot be read")),
        (("--count", "0"), ("--count: at least 1",)),
        (("--batch", "0"), ("--batch: at least 1",)),
        (("--compose", "--batch", "0"), ("--batch: at least 1",)),
        (("--compose", "--model", WRITER), ("--model would not be read beside --compose",)),
    ],
)
def test_bad_input_is_one_line(
    tmp_path: Path, aloe: RunAloe, arguments: tuple[str, ...], words: tuple[str, ...]
) -> None:
    out = tmp_path / "personas.jsonl"
    assert aloe("personas", "grow", "--out", out, *arguments).is_one_line_about(*words)
    assert list(tmp_path.iterdir()) == []


def test_another_threshold_is_refused(
    composed_pool: Path, bag_settings: Path, aloe: RunAloe
) -> None:
    bag_settings.write_text(bag_settings.read_text().replace("0.8", "0.9"))
    ran = aloe(
        "personas",
        "grow",
        "--compose",
        "--count",
        40,
        "--out",
        composed_pool,
        "--config",
        bag_settings,
    )
    assert ran.is_one_line_about("threshold 0.8, now it is 0.9")


def test_killed_at_any_moment_nothing_is_lost_or_doubled(
    tmp_path: Path, bag_settings: Path, start: StartAloe, aloe: RunAloe
) -> None:
    out = tmp_path / "personas.jsonl"
    grow = (
        "personas",
        "grow",
        "--out",
        out,
        "--config",
        bag_settings,
        "--model",
        WRITER,
        "--quiet",
    )
    kept: list[str] = []
    for lines in (1, 12, 25):
        child = start(*grow, "--count", 60, ANONYMIZED_TELEMETRY="false")
        deadline = time.monotonic() + 60
        while not out.exists() or out.read_bytes().count(b"\n") < lines:
            assert child.poll() is None, child.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.002)
        child.kill()
        child.wait()
        whole = out.read_text().rpartition("\n")[0].splitlines()
        assert whole[: len(kept)] == kept
        kept = whole
    with out.open("a") as file:
        file.write('{"id":"torn')
    ran = aloe(*grow, "--count", 60)
    assert ran.code == 0, ran.err
    people = read_personas(out)
    assert len(people) == 60
    assert [json.loads(line)["id"] for line in kept] == [p.id for p in people[: len(kept)]]
    stored = read_vectors(out, "bag-of-words")
    assert {digest(p.profile) for p in people} <= stored["profile"].keys()
    assert len(stored["profile"]) == 60 + 32
    assert len(stored["personality"]) == 60 + 32


@pytest.mark.parametrize(
    "verb", ["grow", "show", "stats", "check", "calibrate", "split", "export", "import"]
)
def test_every_verb_shows_an_example(aloe: RunAloe, verb: str) -> None:
    ran = aloe("personas", verb, "--help")
    assert ran.code == 0
    assert "Example:" in ran.out
    assert f"aloe personas {verb}" in " ".join(ran.out.split())


def test_verifiable_personas_are_composed(aloe: RunAloe, tmp_path: Path) -> None:
    words = ("personas", "verifiable", "--count", 5, "--wishes", 2, "--seed", 3)
    made = []
    for name in ("a", "b"):
        ran = aloe(*words, "--about", "emoji, lists, length", "--out", tmp_path / name, "--json")
        assert ran.result["personas"] == 5
        made.append((tmp_path / name).read_text())
    assert made[0] == made[1]
    personas = list(read_personas(tmp_path / "a"))
    assert len({each.id for each in personas}) == 5
    assert {len(each.preferences) for each in personas} == {2}
    assert {name for each in personas for name in each.preferences} <= {"emoji", "lists", "length"}
    out = ("--out", tmp_path / "c")
    assert aloe(*words, "--about", "emojis", *out).is_one_line_about("'emojis' is none of")
    assert aloe(*words, "--about", "emoji", *out).is_one_line_about(
        "2 is more than the number of dimensions, 1"
    )
    assert not (tmp_path / "c").exists()
