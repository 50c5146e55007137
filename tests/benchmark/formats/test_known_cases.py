"""Cases of other projects' benchmarks; the files are our own, in the documented shape."""

import asyncio
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from bags import BagOfWords
from builders import scripted_model
from learners import repeat

from aloe.agents.candidate import CONDITIONS, CandidateAgent
from aloe.agents.user import UserAgent
from aloe.benchmark.case import Case, Past
from aloe.benchmark.cases import load_cases
from aloe.benchmark.dialogues import RECALL, plan
from aloe.benchmark.forecast import _candidate
from aloe.benchmark.swaps import assign_stand_ins
from aloe.calls.log import CallLog
from aloe.config import Condition
from aloe.errors import InputError
from aloe.files.lines import Place
from aloe.files.records import read_records
from aloe.graphs.dialogue import DialogueContext, hold
from aloe.memory.disclosures import DisclosureChecker

ROLE = {"user": "human", "assistant": "ai"}
GOLDEN = Path(__file__).parents[2] / "golden" / "formats"


def cases(name: str) -> list[Case]:
    return load_cases(str(GOLDEN / name))


def past(case: Case) -> list[tuple[str, str]]:
    return [(each.role, each.content) for each in case.history]


def test_an_explicit_preference_is_said_and_then_the_question_asked() -> None:
    train, spicy = cases("prefeval_explicit.json")
    assert train.suite == "prefeval_explicit"
    assert (train.persona.profile, train.persona.personality) == (
        "",
        "I never fly; I only travel by train.",
    )
    assert train.why == "Most answers suggest a flight."
    (planned,) = plan([train], {}, 1, "candidate")
    assert planned.dialogue.prescribed == {
        1: "I never fly; I only travel by train.",
        2: "How should I get from Lyon to Naples?",
        3: RECALL,
    }
    assert planned.dialogue.history == ()
    assert assign_stand_ins([train, spicy]) == {train.id: (spicy,), spicy.id: (train,)}


def test_an_implicit_preference_is_the_past() -> None:
    (choice,) = cases("prefeval_choice.json")
    assert [role for role, _ in past(choice)] == ["user", "assistant"] * 2
    assert past(choice)[2][1] == "The second; I stay on the ground."
    (persona,) = cases("prefeval_persona.json")
    assert past(persona)[-2:] == [("user", "South, and no planes."), ("assistant", "Noted.")]
    for case in (choice, persona):
        assert case.messages == {1: "How should I get from Lyon to Naples?"}
        assert case.turns == 1
    with pytest.raises(InputError, match=r"prefeval_mcq.json, row 1: is of PrefEval's multiple ch"):
        cases("prefeval_mcq.json")


def test_sessions_of_persona_mem_are_the_past_up_to_the_question() -> None:
    one, later, other = cases("questions_32k.csv")
    assert past(one) == [
        ("user", "User: I read poems.\n\nUser: Mostly old ones."),
        ("assistant", "Assistant: Nice."),
    ]
    assert past(later)[2:] == [
        ("user", "User: Now I prefer short stories."),
        ("assistant", "Assistant: A change!"),
    ]
    assert (
        one.persona.profile == "Name: Mia Dahl\nGender Identity: woman\n\nMia Dahl lives in Oslo."
    )
    assert not any("Mia" in text for _, text in past(later))
    assert one.why.endswith("As you like poems, here's one.")
    assert one.profile == later.profile != other.profile


def test_checklists_of_cupid_are_what_a_judge_knows() -> None:
    case, other = cases("cupid.jsonl")
    assert [fact.text for fact in case.persona.facts] == [
        "Notes to Dr. Holt are curt and full of figures.",
        "Names a figure",
        "Has no greeting",
    ]
    assert len(case.history) == 6
    assert case.messages == {1: "Write to Dr. Holt about the trial."}
    assert case.why == "contrastive: Dr. Holt"
    assert case.profile != other.profile


def test_a_data_set_of_the_hub_holds_cases(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [json.loads(line) for line in (GOLDEN / "cupid.jsonl").read_text().splitlines()]
    hub = Path("hub:kixlab/CUPID:test")
    placed = [(Place(hub, row=number), row) for number, row in enumerate(rows, 1)]
    monkeypatch.setattr("aloe.files.records.read_hub", lambda path: iter(placed))
    found = load_cases(str(hub))
    assert [case.suite for case in found] == ["CUPID", "CUPID"]
    assert [case.messages for case in found] == [case.messages for case in cases("cupid.jsonl")]


@pytest.mark.parametrize(
    ("name", "changes", "said"),
    [
        ("prefeval_explicit.json", {"question": 3}, "'question' is no text but a number"),
        ("prefeval_persona.json", {"conversation": []}, "'conversation' is a list; an object"),
        ("prefeval_persona.json", {"conversation": {"0": {"user": "a"}}}, "'0': 'assistant' is m"),
        ("cupid.jsonl", {"current_checklist": "a, b"}, "'current_checklist' is a text; a list"),
        ("cupid.jsonl", {"prior_interactions": []}, "'prior_interactions' is an empty list"),
    ],
)
def test_broken_records(name: str, changes: dict[str, Any], said: str, tmp_path: Path) -> None:
    text = (GOLDEN / name).read_text()
    good = json.loads(text)[0] if name.endswith(".json") else json.loads(text.splitlines()[0])
    file = tmp_path / "given.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in (good, {**good, **changes})))
    with pytest.raises(InputError) as error:
        load_cases(str(file))
    assert str(error.value).startswith(f"{file}:2: ")
    assert said in str(error.value)


@pytest.mark.parametrize("name", ["cupid.jsonl", "prefeval_explicit.json", "questions_32k.csv"])
def test_a_later_record_that_is_no_object_is_named_by_its_line(name: str, tmp_path: Path) -> None:
    first = next(value for _, value in read_records(GOLDEN / name))
    file = tmp_path / "questions_32k.jsonl"
    shutil.copy(GOLDEN / "shared_contexts_32k.jsonl", tmp_path / "shared_contexts_32k.jsonl")
    file.write_text(f"{json.dumps(first)}\n3\n")
    with pytest.raises(InputError) as error:
        load_cases(str(file))
    assert str(error.value) == f"{file}:2: is a number, not an object"


def test_broken_files_of_persona_mem(tmp_path: Path) -> None:
    file, contexts = tmp_path / "questions_32k.csv", tmp_path / "shared_contexts_32k.jsonl"
    shutil.copy(GOLDEN / file.name, file)
    with pytest.raises(InputError, match="its contexts are missing"):
        load_cases(str(file))
    text = (GOLDEN / contexts.name).read_text()
    contexts.write_text(text.replace("ctx1", "ctx9"))
    with pytest.raises(InputError, match=r"csv:4: 'shared_context_id' is 'ctx1', which is no"):
        load_cases(str(file))
    contexts.write_text(text)
    file.write_text(file.read_text().replace("ctx0,7", "ctx0,70"))
    with pytest.raises(InputError, match=r"csv:3: 'end_index_in_shared_context' is 70; a whole"):
        load_cases(str(file))
    file.write_text("persona_id,user_query,correct_answer,incorrect_answers\n1,a,b,c\n")
    with pytest.raises(InputError, match=r"csv:2: is of PersonaMem v2; only v1"):
        load_cases(str(file))


@pytest.mark.parametrize("name", ["prefeval_explicit.json", "prefeval_persona.json", "cupid.jsonl"])
@pytest.mark.parametrize("condition", ["candidate", "no-history"])
def test_the_model_under_test_reads_the_past(name: str, condition: Condition) -> None:
    """Nobody plays the user: what it says is all prescribed."""
    case = cases(name)[0]
    calls, silent = CallLog(), scripted_model(lambda *_: "")
    context = DialogueContext(
        user=UserAgent(model=silent, calls=calls),
        candidate=CandidateAgent(
            model=scripted_model(repeat), calls=calls, terms=CONDITIONS[condition]
        ),
        checker=DisclosureChecker(BagOfWords()),
    )
    (planned,) = plan([case], {}, 1, condition)
    tree = asyncio.run(hold(planned.dialogue, {}, context))
    assert [node.content for node in tree.nodes[::2]] == [*case.messages.values(), RECALL]
    seen = condition == "candidate"
    before = "".join(f"{ROLE[role]}: {text}\n" for role, text in past(case)) if seen else ""
    assert tree.nodes[1].content == f"{before}human: {case.messages[1]}"


def test_the_past_is_in_the_forecast() -> None:
    (case,) = cases("prefeval_persona.json")
    long = tuple(Past(role=each.role, content=each.content * 100) for each in case.history)
    read = [
        _candidate(plan([each], {}, 1, "candidate")[0])[1]
        for each in (case, case.model_copy(update={"history": long}))
    ]
    letters = sum(len(text) for _, text in past(case))
    assert read[1] - read[0] == pytest.approx(2 * 99 * letters / 4, abs=4)
