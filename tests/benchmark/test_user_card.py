"""Simulated users beside people, measured on their words."""

import json
from pathlib import Path

import pytest
from command import RunAloe

from aloe.benchmark.user_card import (
    FIGURES,
    asks,
    find_disclosure,
    measure_front_loading,
    measure_unknown,
    measure_users,
    measure_variety,
    pair_sides,
    words_of,
)
from aloe.errors import ConfigError
from aloe.memory.formats.known import import_trees
from aloe.memory.merge import replace_fields
from aloe.schema import Tree

GOLDEN = Path(__file__).parents[1] / "golden" / "formats"


def talks(folder: Path, *said: list[str]) -> list[Tree]:
    """Return conversations of people who say this, one each."""
    rows = [
        {"messages": [{"role": r, "content": t} for text in each for r, t in _turn(text)]}
        for each in said
    ]
    file = folder / f"talks{len(list(folder.iterdir()))}.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return import_trees([file]).trees


def _turn(text: str) -> list[tuple[str, str]]:
    return [("user", text), ("assistant", "Well.")]


def test_each_figure() -> None:
    said = ["Please help me. I'm a baker.", "Shorter?", "ok thanks"]
    found = {name: measure(said) for name, measure in FIGURES.items()}
    assert found == {
        "words per message": 3,
        "messages that ask": pytest.approx(1 / 3),
        "polite messages": pytest.approx(2 / 3),
        "first message, times the others": 4,
        "different words of the first 50": None,
        "words no dictionary has": 0,
        "turn of the first statement about oneself": 1,
        "who tell anything about themselves": 1,
    }
    assert find_disclosure(["Is my soup too salty?", "Fix it.", "The oven is old."]) is None
    assert find_disclosure(["Fix it.", "It broke, and my oven is old."]) == 2
    assert measure_unknown(["She organizes the enthusastic bakers of Torun; wories"]) == 2 / 4
    assert measure_variety(["yes no"] * 25) == 2 / 50
    assert measure_front_loading(["Only one."]) is None


@pytest.mark.parametrize(
    "said",
    [
        "I'm a nurse.", "i'm a nurse in ohio", "im a nurse", "I\u2019ve two boys.", "ive two boys",
        "i live in porto, any tips", "My oven is old.", "my kids are loud", "MY KIDS ARE LOUD",
    ],
)  # fmt: skip
def test_carelessly_written_statements_about_oneself_count_too(said: str) -> None:
    assert find_disclosure(["Fix it.", said]) == 2
    assert find_disclosure([f"{said.rstrip('.')}?", "Army life is limited."]) is None


def test_users_beside_people(tmp_path: Path) -> None:
    asks = [[f"Could you help me with the {thing}?", "And then?", "Why?"] for thing in NOUNS]
    tells = [[f"Fix the {thing}.", "Shorter."] for thing in NOUNS]
    ours, theirs = talks(tmp_path, *asks), talks(tmp_path, *tells)
    card = measure_users(ours, theirs)
    assert (card.simulated, card.people, card.turns) == (8, 8, 2)
    questions = card.figures["messages that ask"]
    assert (questions.simulated.value, questions.people.value) == (1, 0)
    assert questions.differs
    assert (questions.difference.value, questions.difference.low) == (1, 1)
    assert card == measure_users(ours, theirs)
    same = measure_users(ours, ours)
    assert not any(each.differs for each in same.figures.values())
    few = measure_users(ours[:5], theirs).figures["messages that ask"]
    assert (few.simulated.value, few.simulated.low, few.differs) == (1, None, False)
    # what one person says twice is said by one person
    one = [replace_fields(tree, persona=ours[0].persona) for tree in ours]
    alone = measure_users(one, theirs).figures["messages that ask"]
    assert (alone.simulated.count, alone.simulated.low, alone.differs) == (1, None, False)


def test_conversations_are_compared_at_one_length(tmp_path: Path, aloe: RunAloe) -> None:
    long = [[f"Fix the {thing}.", *["And?"] * 8, "My oven is old."] for thing in NOUNS]
    short = [[f"Fix the {thing}.", "And?", "Why?"] for thing in NOUNS[:6]]
    theirs = talks(tmp_path, *short, ["Hi."], long[6], [*long[7], "So?", "Or?"])
    ours = talks(tmp_path, *long)
    sides = pair_sides(ours, theirs)
    assert {len(said) for side in (sides.simulated, sides.people) for _, said in side} == {3}
    card = measure_users(ours, theirs)
    assert (card.simulated, card.people, card.turns) == (8, 8, 3)
    assert (card.simulated_left_out, card.people_left_out) == (0, 1)
    # in ten messages all of ours tell something, and of the people only those who say as many
    assert not any(each.differs for each in card.figures.values())
    run = tmp_path / "trees.jsonl"
    run.write_text("".join(each.model_dump_json() + "\n" for each in ours))
    ran = aloe("users", "audit", run, "--against", tmp_path / "talks0.jsonl")
    shown = " ".join(ran.out.split())
    assert "the first 3 messages of each (with fewer, left out: 0 and 1)" in shown


def test_few_long_conversations_do_not_cost_the_interval(tmp_path: Path) -> None:
    long = [[f"Fix the {thing}.", *["And?"] * 11] for thing in NOUNS]
    theirs = [*long[:4], *([f"Fix the {thing}.", "And?"] for thing in NOUNS)]
    card = measure_users(talks(tmp_path, *long), talks(tmp_path, *theirs))
    assert (card.turns, card.people) == (2, 12)


NOUNS = ("tap", "roof", "door", "lamp", "sink", "bike", "wall", "shed")


def test_one_of_the_longest_paths_is_read() -> None:
    tree = import_trees([GOLDEN / "prism_conversations.jsonl"]).trees[0]
    assert words_of(tree) == ["Is it wrong to eat meat?", "Give me the strongest case for each."]


def test_the_command(aloe: RunAloe, tmp_path: Path) -> None:
    trees = talks(tmp_path, ["How are you?", "And now?"], ["Who are you?", "Why?"])
    run = tmp_path / "trees.jsonl"
    run.write_text("".join(each.model_dump_json() + "\n" for each in trees))
    ran = aloe("users", "audit", run, "--against", GOLDEN / "simulatorarena.json", "--json")
    assert ran.code == 0, ran.err
    assert ran.result["figures"]["messages that ask"]["simulated"]["value"] == 1
    assert ran.result["people"] == 1
    shown = aloe("users", "audit", run, "--against", GOLDEN / "simulatorarena.json").out
    assert "2 conversations of simulated users" in shown
    for half in ([run], ["--against", run]):
        assert aloe("users", "audit", *half).is_one_line_about("name both the run and the people")


def test_a_side_that_says_nothing_is_refused(aloe: RunAloe, tmp_path: Path) -> None:
    some = talks(tmp_path, ["Fix it."])
    for ours, theirs, whose in ((some, [], "people"), ([], some, "simulated users")):
        with pytest.raises(ConfigError, match=f"no message of {whose}"):
            measure_users(ours, theirs)
    against = ("--against", GOLDEN / "simulatorarena.json")
    for flag in (("--limit", 3), ("--model", "local:x"), ("--base-url", "http://127.0.0.1")):
        ran = aloe("users", "audit", tmp_path, *against, *flag)
        assert ran.is_one_line_about("go without --against")
    ran = aloe("users", "audit", "--base-url", "http://127.0.0.1")
    assert ran.is_one_line_about("--base-url", "--model")


@pytest.mark.parametrize(
    ("message", "asking"),
    [("What for?", True), ("Fine. Shall I go on? I can.", True), ('He said "why?"', True),
     ("**Which one?**", True), ("See a?b.", False), ("Fine.", False), ("", False)],
)  # fmt: skip
def test_a_message_asks_by_its_question_mark(message: str, asking: bool) -> None:
    assert asks(message) == asking
