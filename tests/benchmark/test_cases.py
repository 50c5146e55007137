"""The cases: what the shipped suites promise, and what files are read as cases."""

import json
import re
from collections import Counter
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from demonstration import demonstrate

from aloe.benchmark import decontamination
from aloe.benchmark.case import Case
from aloe.benchmark.cases import SUITES, load_cases
from aloe.benchmark.swaps import RULED, assign_stand_ins
from aloe.config import Config
from aloe.errors import ConfigError, InputError
from aloe.memory.axes import AGE_BANDS, MIX
from aloe.memory.descriptions import Description, Lineage
from aloe.memory.embedder import MiniLmEmbedder
from aloe.memory.personas import SHIPPED, read_personas
from aloe.memory.pool.pairing import find_conflicts
from aloe.memory.splitting import find_close_pairs
from aloe.memory.validation import find_reasons
from aloe.memory.verifiable.catalogue import DIMENSIONS
from aloe.memory.verifiable.scoring import measure_satisfaction
from aloe.schema import Fact, sentences
from tests.builders import PERSONAS, persona_lines

SIZES = {
    "aloe-100": 100,
    "verifiable": 100,
    "extended": 30,
    "flip": 40,
    "flip-verifiable": 40,
    "long": 24,
    "noisy": 45,
    "none": 40,
    "ask": 100,
    "ask-free": 100,
}


@pytest.mark.parametrize("name", SUITES)
def test_every_suite_loads_and_nobody_contradicts_themselves(name: str) -> None:
    cases = load_cases(name)
    assert len(cases) == SIZES[name]
    for case in cases:
        assert case.suite == name
        assert len(case.why) > 20
        for persona in {case.persona.id: case.persona, "at the end": case.persona_at(99)}.values():
            assert not find_conflicts(persona.profile, persona.personality), case
            kinds = Counter(fact.kind for fact in persona.facts)
            assert kinds["fact"] >= 7
            assert kinds["trait"] >= 5


def test_ids_name_what_is_played() -> None:
    ids = [case.id for name in SUITES for case in load_cases(name)]
    assert len(set(ids)) == len(ids) == sum(SIZES.values())
    case = load_cases("aloe-100")[0]
    other = case.model_dump(exclude={"id"}) | {"why": "another reason"}
    assert Case.model_validate(other).id == case.id
    assert Case.model_validate(other | {"mood": "curt"}).id != case.id
    assert Case.model_validate(other | {"disclosure": "reticent"}).id != case.id


def test_a_case_that_leaves_disclosure_to_the_settings_keeps_its_id() -> None:
    case = load_cases("verifiable")[0]
    assert case.id == "3084ca509ebc7615"  # as before a case could name it
    assert "disclosure" not in case.model_dump()


@pytest.mark.parametrize("name", ["aloe-100", "verifiable"])
def test_lives_and_tempers_are_crossed_evenly(name: str) -> None:
    cases = load_cases(name)
    assert set(Counter(case.profile for case in cases).values()) == {4}
    assert set(Counter(case.personality for case in cases).values()) == {5}
    lives: dict[str, set[str]] = {}
    for case in cases:
        lives.setdefault(case.personality, set()).add(case.profile)
    assert max(len(a & b) for a, b in combinations(lives.values(), 2)) == 1


def test_the_hundred_cover_the_axes_of_the_pool() -> None:
    people = {case.profile: case.persona for case in load_cases("aloe-100")}.values()
    ages = [int(person.axes["age"]) for person in people]
    bands = Counter(b for a in ages for b, (low, high) in AGE_BANDS.items() if low <= a <= high)
    assert {person.axes["region"] for person in people} == set(MIX["profile"]["region"])
    levels = Counter(str(person.axes["expertise"]).partition(":")[0] for person in people)
    shares = {
        "age": bands,
        "place": Counter(person.axes["place"] for person in people),
        "means": Counter(person.axes["means"] for person in people),
        "expertise": levels,
    }
    for axis, counts in shares.items():
        for value, share in MIX["profile"][axis].items():
            assert counts[value] / 25 == pytest.approx(share, abs=0.06), (axis, value)
    valences = Counter(str(case.persona.axes["valence"]) for case in load_cases("aloe-100"))
    assert valences == {"difficult": 40, "neutral": 30, "pleasant": 30}


def test_the_hundred_keep_the_rules_of_the_pool() -> None:
    for case in load_cases("aloe-100"):
        for kind in ("profile", "personality"):
            text = getattr(case.persona, kind)
            draft = Description(
                kind=kind, text=text, axes=case.persona.axes, lineage=Lineage(origin="seed")
            )
            assert not find_reasons(draft), text
        assert case.persona.facts == tuple(
            Fact.of(kind, text)
            for kind, whole in (
                ("fact", case.persona.profile),
                ("trait", case.persona.personality),
            )
            for text in sentences(whole)
        )


def test_every_reason_among_the_hundred_is_its_own() -> None:
    assert len({case.why for case in load_cases("aloe-100")}) == 100


def test_the_suites_were_compared_with_the_pool_as_both_are_now() -> None:
    """The record is of these very files, its closest pairs are real, and none is too close."""
    found = decontamination.Decontamination.model_validate_json(
        decontamination.FOUND.read_text(encoding="utf-8")
    )
    again = "the suites or the pool changed: run python -m aloe.benchmark.decontamination"
    assert found.known == decontamination.known_hash(), again
    assert found.held_out == decontamination.held_out_hash(), again
    embedder, texts = MiniLmEmbedder(), decontamination.held_out()
    assert found.embedder == embedder.name
    for kind, rows in found.neighbours.items():
        assert {each.held_out for each in rows} == set(texts[kind])
        assert all(each.similarity < found.threshold for each in rows)
        mine = embedder.embed([each.held_out for each in rows])
        theirs = embedder.embed([each.nearest for each in rows])
        measured = np.einsum("ij,ij->i", mine, theirs)
        assert measured == pytest.approx([each.similarity for each in rows], abs=0.02)


def test_a_copy_of_a_known_text_would_be_seen() -> None:
    known = [persona.profile for persona in read_personas(SHIPPED)[:20]]
    copy = known[7].replace("I am", "My age is", 1)
    nearest = decontamination.neighbours([copy], known, MiniLmEmbedder())[0]
    assert nearest.nearest == known[7]
    assert nearest.similarity > 0.9


def test_no_statement_of_the_hundred_stands_in_the_pool() -> None:
    pool = {fact.text for persona in read_personas(SHIPPED) for fact in persona.facts}
    ours = {fact.text for case in load_cases("aloe-100") for fact in case.persona.facts}
    assert [text for text in ours & pool if not re.match(r"I am \d+( years old)?\.$", text)] == []


def test_wishes_can_be_met_and_no_pool_of_four_holds_their_combination() -> None:
    for name, count in (("verifiable", 8), ("flip-verifiable", 8), ("ask", 5)):
        for case in load_cases(name):
            wishes = case.persona.preferences
            assert len(wishes) == count
            assert measure_satisfaction(wishes, demonstrate(wishes)) == 1


def test_what_askers_find_out_is_new_evenly_spread_and_not_asked_for_by_the_user() -> None:
    cases = load_cases("ask")
    sets = {case.personality: frozenset(case.persona.preferences.items()) for case in cases}
    assert {(case.disclosure, case.turns, len(case.persona.preferences)) for case in cases} == {
        ("reticent", 6, 5)
    }
    assert len(sets) == 50
    assert max(len(one & other) for one, other in combinations(sets.values(), 2)) <= 2
    wishes = Counter(each for wanted in sets.values() for each in wanted)
    assert set(wishes.values()) <= {7, 8}
    assert {name for name, _ in wishes} == DIMENSIONS.keys() - {"question"}
    effort = {
        sum(DIMENSIONS[name][0].value == value for name, value in each) for each in sets.values()
    }
    assert effort == {2, 3}


def test_askers_meet_small_clusters_and_somebody_stands_in_for_everybody() -> None:
    cases = load_cases("ask")
    lives: dict[str, set[str]] = {}
    for case in cases:
        lives.setdefault(case.profile, set()).add(case.personality)
    assert {len(each) for each in lives.values()} == {4}
    assert set(Counter(case.personality for case in cases).values()) == {2}
    assert max(len(one & other) for one, other in combinations(lives.values(), 2)) <= 1
    texts = list({case.profile: case.persona.profile for case in cases}.values())
    vectors = MiniLmEmbedder().embed(texts)
    assert not find_close_pairs({"profile": vectors}, Config().personas.threshold)
    stand_ins = assign_stand_ins(cases)
    assert {case.id for case in cases} == set(stand_ins)
    assert set(Counter(each.id for found in stand_ins.values() for each in found).values()) == {
        RULED
    }


def test_reticent_users_are_those_of_the_hundred() -> None:
    hundred, reticent = load_cases("aloe-100"), load_cases("ask-free")
    assert [case.persona for case in reticent] == [case.persona for case in hundred]
    assert {case.disclosure for case in reticent} == {"reticent"}


def test_flips_change_the_wishes_and_keep_the_life() -> None:
    for name in ("flip", "flip-verifiable"):
        for case in load_cases(name):
            before, after = case.persona_at(5), case.persona_at(6)
            assert before == case.persona
            assert before.profile == after.profile
            assert before.personality != after.personality
            assert case.flip
            assert case.flip.note
    reply = demonstrate(case.persona.preferences)
    assert measure_satisfaction(case.persona_at(10).preferences, reply) == 0


def test_noisy_users_are_those_of_the_hundred() -> None:
    users = {case.persona.id for case in load_cases("aloe-100")}
    noisy = load_cases("noisy")
    assert {case.persona.id for case in noisy} <= users
    assert Counter(case.mood for case in noisy) == {"typos": 15, "curt": 15, "contradictory": 15}


def test_long_cases_have_something_to_tell_for_long() -> None:
    for case in load_cases("long"):
        assert case.turns == 24
        assert sum(fact.kind == "fact" for fact in case.persona.facts) == 22


def test_probes_come_late_one_of_each_kind() -> None:
    for case in load_cases("none"):
        assert sorted(case.probes) == [4, 6, 8, 10]
        assert {probe.kind for probe in case.probes.values()} == {
            "fact", "neutral", "other", "wrong",
        }  # fmt: skip


def test_cases_written_out_are_read_back(tmp_path: Path) -> None:
    cases = load_cases("flip")[:3]
    path = tmp_path / "mine.jsonl"
    path.write_text("".join(case.model_dump_json(exclude_none=True) + "\n" for case in cases))
    assert load_cases(str(path)) == cases


WRITTEN = {
    "persona": {"profile": "I row boats.", "personality": "I like lists."},
    "why": "I wrote it.",
    "profile": "rower",
    "personality": "lists",
    "turns": 3,
    "messages": {"1": "Hello."},
}
"""A case as somebody writes it, without its suite."""
PERSON = {"profile": "I bake bread.", "personality": "I want brevity."}


def test_a_case_without_a_suite_is_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.jsonl"
    path.write_text(json.dumps(WRITTEN) + "\n")
    (case,) = load_cases(str(path))
    assert (case.suite, case.persona.profile, case.turns) == ("mine", "I row boats.", 3)
    assert case.messages == {1: "Hello."}
    path.write_text(json.dumps(WRITTEN | {"suite": "mine"}) + "\n")
    assert load_cases(str(path)) == [case]


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        ([WRITTEN, WRITTEN | {"sutie": "mine"}], ":2: sutie: "),
        ([{("presona" if k == "persona" else k): v for k, v in WRITTEN.items()} | {"suite": "a"}],
         ":1: persona: "),
        ([PERSON, WRITTEN], ":2: the file begins with no case and this is one"),
        ([WRITTEN, PERSON], ":2: the file begins with a case and this is none"),
    ],
)  # fmt: skip
def test_a_case_is_never_played_as_another_person(
    tmp_path: Path, lines: list[dict[str, object]], problem: str
) -> None:
    path = tmp_path / "mine.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    with pytest.raises(InputError, match=rf"mine\.jsonl{problem}"):
        load_cases(str(path))


PROBE = {"message": "What is the capital of Australia?", "kind": "fact", "accept": ["Canberra"]}
CHANGE = {"turn": 2, "persona": PERSON, "note": "I have changed my mind."}
CHECKED = {**PERSON, "preferences": {"length": "brief"}}


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"probes": {"4": PROBE}}, r"probes: there is no turn 4 \(turns is 3\)"),
        ({"messages": {"0": "Hello."}}, "messages: there is no turn 0"),
        ({"flip": CHANGE | {"turn": 4}}, "flip: there is no turn 4"),
        ({"probes": {"1": PROBE}}, "probes and messages both give the message of turn 1"),
        ({"messages": {"2": "Hi."}, "flip": CHANGE}, "messages and flip both .* turn 2"),
        ({"probes": {"2": PROBE}, "flip": CHANGE}, "probes and flip both .* turn 2"),
    ],
)
def test_what_a_case_prescribes_is_sent(
    tmp_path: Path, change: dict[str, object], problem: str
) -> None:
    path = tmp_path / "mine.jsonl"
    path.write_text(json.dumps(WRITTEN | change) + "\n")
    with pytest.raises(InputError, match=rf"mine\.jsonl:1: {problem}"):
        load_cases(str(path))
    assert Case.model_validate(WRITTEN | {"suite": "mine"} | change)  # as a stored folder may hold


def test_a_change_that_a_rule_says_leaves_room_for_a_message(tmp_path: Path) -> None:
    path = tmp_path / "mine.jsonl"
    change = {"persona": CHECKED, "flip": CHANGE | {"persona": CHECKED}, "messages": {"2": "Hi."}}
    path.write_text(json.dumps(WRITTEN | change) + "\n")
    (case,) = load_cases(str(path))
    assert case.flip


def test_personas_become_cases(tmp_path: Path) -> None:
    path = tmp_path / "people.jsonl"
    path.write_text(persona_lines())
    cases = load_cases(str(path))
    assert [case.persona for case in cases] == PERSONAS
    assert {case.suite for case in cases} == {"people"}
    assert {case.turns for case in cases} == {10}


def test_original_files_are_crossed_as_the_original_does(tmp_path: Path) -> None:
    lives = [f"He is {20 + n}. He lives alone in a town called Place{n}." for n in range(20)]
    lines = [json.dumps(text) for text in lives]
    glued = "\n".join([lines[0] + lines[1], *lines[2:]])
    (tmp_path / "profile_eval.jsonl").write_text(glued)
    tempers = [json.dumps(f"He is temper {n}. He talks a lot.") for n in range(7)]
    (tmp_path / "personality_eval.jsonl").write_text("\n".join(tempers))
    cases = load_cases(str(tmp_path / "profile_eval.jsonl"))
    assert len(cases) == 100
    assert set(Counter(case.profile for case in cases).values()) == {5}
    assert set(Counter(case.personality for case in cases).values()) == {20}


def test_what_cannot_be_cases_is_said_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="did you mean 'aloe-100'"):
        load_cases("aloe100")
    with pytest.raises(ConfigError, match="suites are aloe-100, verifiable"):
        load_cases("/nowhere/x.jsonl")
    path = tmp_path / "profiles.jsonl"
    path.write_text('"I am 30. I live in Rome."\n')
    with pytest.raises(InputError, match=r"personalities beside it as personalities\.jsonl"):
        load_cases(str(path))
    path.write_text("\n")
    with pytest.raises(InputError, match="there are no cases here"):
        load_cases(str(path))
    case = json.loads(load_cases("none")[0].model_dump_json(exclude_none=True))
    path.write_text(json.dumps(case | {"turns": 0}) + "\n")
    with pytest.raises(InputError, match=r"profiles.jsonl:1: turns: "):
        load_cases(str(path))
    odd = case["persona"] | {"preferences": {"length": "endless"}}
    path.write_text(json.dumps(case | {"persona": odd}) + "\n")
    with pytest.raises(InputError, match="length is 'brief' or 'thorough', not 'endless'"):
        load_cases(str(path))
    path.write_text((json.dumps(case) + "\n") * 2)
    with pytest.raises(InputError, match=r":2: case \w+ appears twice"):
        load_cases(str(path))


@pytest.mark.parametrize("change", [{"turns": 8}, {"mood": "curt"}, {"id": "0123456789abcdef"}])
def test_a_changed_case_does_not_keep_its_id(tmp_path: Path, change: dict[str, object]) -> None:
    good, other = load_cases("flip")[:2]
    path = tmp_path / "mine.jsonl"
    lines = [good.model_dump(mode="json"), other.model_dump(mode="json") | change]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    with pytest.raises(InputError, match=r"mine\.jsonl:2: case .* leave its id out"):
        load_cases(str(path))
    lines[1].pop("id")
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert load_cases(str(path))[0] == good


def test_a_rule_has_no_mood(tmp_path: Path) -> None:
    case = load_cases("verifiable")[0].model_dump(mode="json", exclude={"id"})
    path = tmp_path / "mine.jsonl"
    path.write_text(json.dumps({**case, "mood": "typos"}) + "\n")
    with pytest.raises(InputError, match=r"mine\.jsonl:1: .*has no mood"):
        load_cases(str(path))


@pytest.mark.parametrize(("suite", "other"), [("verifiable", "flip"), ("flip", "verifiable")])
def test_no_flip_turns_a_rule_into_a_model(tmp_path: Path, suite: str, other: str) -> None:
    first, second = (load_cases(name)[0] for name in (suite, other))
    flip = {"turn": 2, "persona": second.persona.model_dump(mode="json"), "note": "I changed."}
    case = first.model_dump(mode="json", exclude={"id"})
    path = tmp_path / "mine.jsonl"
    path.write_text(json.dumps(case) + "\n" + json.dumps({**case, "flip": flip}) + "\n")
    with pytest.raises(InputError, match=r"mine\.jsonl:2: flip: only one .* has preferences"):
        load_cases(str(path))
    path.write_text(json.dumps({**case, "flip": {**flip, "persona": case["persona"]}}) + "\n")
    assert len(load_cases(str(path))) == 1


@pytest.mark.parametrize("label", ["profile", "personality", "why"])
def test_a_label_may_be_corrected(tmp_path: Path, label: str) -> None:
    case = load_cases("flip")[0].model_copy(update={label: "corrected"})
    path = tmp_path / "mine.jsonl"
    path.write_text(case.model_dump_json() + "\n")
    assert load_cases(str(path)) == [case]
