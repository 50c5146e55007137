"""What users had told when replies were written, and what the questions of replies came to."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from rows import row

from aloe.benchmark.compare import ASKING_METRICS, METRICS, Side, compare
from aloe.benchmark.elicitation import follow_dialogue
from aloe.benchmark.figures import sample
from aloe.benchmark.scores import Elicitation, ReplyScores, Score
from aloe.benchmark.suite_result import compute_suite
from aloe.graphs.dialogue import PRESCRIBED
from aloe.memory.verifiable.phrases import find_traits
from aloe.schema import AssistantNode, Node, Persona, Telling, UserNode

WISHES = {"emoji": "some", "greeting": "greeted", "example": "given", "thanks": "none"}
PERSONA = Persona.of("I mend nets. I live in Sfax.", "I like emoji.", preferences=WISHES)

Turn = tuple[str, Sequence[tuple[str, str]], str | None]
"""A reply; what the message before it told and why; and what it made of the question before."""


def dialogue(*turns: Turn) -> list[Node]:
    """Return the nodes of a dialogue written by hand."""
    nodes: list[Node] = []
    for number, (reply, told, asked) in enumerate(turns, 1):
        message = UserNode.of(
            nodes[-1].id if nodes else None, f"Message {number}.", tree="t", turn=number,
            told=tuple(Telling(about=about, why=why) for about, why in told), asked=asked,
        )  # fmt: skip
        nodes += [message, AssistantNode.of(message.id, reply, agent="a", turn=number)]
    return nodes


ASKING = dialogue(
    ("Hello. Shall I use emoji? And lists?", [], None),
    ("Fine 🙂. Shall I use emoji?", [("emoji", "asked")], "told"),
    ("Fine. How long may it be?", [], "again"),
    ("Fine 🙂.", [("greeting", "contradicted"), ("example", "volunteered")], "indifferent"),
    ("Hello, for example this 🙂. Anything else?", [("thanks", "asked")], None),
    ("Tell me?", [], None),
)


def follow(nodes: Sequence[Node], **given: Any) -> list[Elicitation | None]:
    return follow_dialogue(nodes, [PERSONA] * 5, **{"scheduled": False, **given})


def test_what_is_known_grows_with_what_was_told() -> None:
    found = follow(ASKING)
    assert [each.known for each in found] == [0, 1, 1, 3, 4]
    assert {each.knowable for each in found} == {4}
    assert [len(each.told) for each in found] == [0, 1, 0, 2, 1]
    assert [each.questions for each in found] == [2, 1, 1, 0, 1]
    assert [each.answer for each in found] == ["told", "again", "indifferent", None, None]
    assert [each.answered for each in found] == [True] * 4 + [False]
    assert [each.broken for each in found] == [0, 0, 1, 2, 0]
    assert [each.needless for each in found] == [None] * 4 + [1]


def test_only_the_first_time_counts_and_only_what_there_is_to_find_out() -> None:
    told = [("emoji", "asked"), ("length", "asked"), ("a fact of life", "scheduled")]
    found = follow_dialogue(
        dialogue(("A.", told, None), ("B.", told, None)), [PERSONA] * 2, scheduled=False
    )
    assert [each.known for each in found] == [1, 1]
    assert [len(each.told) for each in found] == [1, 0]


def test_who_was_told_everything_and_who_is_probed_has_nothing_to_ask() -> None:
    assert [each.needless for each in follow(ASKING, informed=True)] == [2, 1, 1, 0, 1]
    assert [each.needless for each in follow(ASKING, probes={2})] == [None, 1, None, None, 1]
    everything = [(name, "volunteered") for name in WISHES]
    at_once = dialogue(("Hello? What else? Why?", everything, None), ("Yes.", [], None))
    found = follow_dialogue(at_once, [PERSONA] * 2, scheduled=False)
    assert [each.needless for each in found] == [3, 0]


def test_what_a_case_prescribes_answers_no_question() -> None:
    nodes = dialogue(("Emoji?", [], None), ("Lists?", [], None), ("Fine.", [], None))
    prescribed = nodes[2].model_copy(update={"agent": PRESCRIBED})
    found = follow_dialogue([*nodes[:2], prescribed, *nodes[3:]], [PERSONA] * 3, scheduled=False)
    assert [each.answered for each in found] == [False, True, False]


def test_wishes_that_a_prescribed_message_states_are_known() -> None:
    nodes = dialogue(("A.", [], None), ("B.", [("emoji", "asked")], None), ("C.", [], None))
    wish, other = (find_traits("emoji", value, "test")[0] for value in ("some", "none"))
    for text, known in ((wish, [1, 1, 1]), (other, [0, 1, 1])):
        stated = nodes[0].model_copy(update={"agent": PRESCRIBED, "content": text})
        found = follow_dialogue([stated, *nodes[1:]], [PERSONA] * 3, scheduled=False)
        assert [each.known for each in found] == known
        assert sum(len(each.told) for each in found) == 1


def test_a_question_that_the_user_asked_is_not_counted() -> None:
    nodes = dialogue(("Emoji? Message 1. Shall I?", [], None), ("Fine.", [], None))
    asked = nodes[0].model_copy(update={"content": "May I have emoji?  Well, EMOJI?"})
    found = follow_dialogue([asked, *nodes[1:]], [PERSONA] * 2, scheduled=False)
    assert [each.questions for each in found] == [1, 0]


def test_a_question_that_the_user_wants_back_is_not_needless() -> None:
    curious = Persona.of("I mend nets.", "I like it.", preferences={"question": "asked"})
    nodes = dialogue(("Yes? No?", [("question", "volunteered")], None), ("Yes?", [], None))
    found = follow_dialogue(nodes, [curious] * 2, scheduled=False)
    assert [each.needless for each in found] == [1, 0]


def test_what_a_flip_leaves_as_it_was_stays_known() -> None:
    life = Persona.of("I mend nets. I live in Sfax.", "I joke.").facts[:2]
    told = [[(fact.id, "scheduled")] for fact in life]
    nodes = dialogue(*(("Oh.", each, None) for each in told), ("Ah.", [], None), ("Eh.", [], None))
    before, after, moved = (
        Persona.of("I mend nets. I live in Sfax.", "I like jokes."),
        Persona.of("I mend nets. I live in Sfax.", "I like to be formal."),
        Persona.of("I mend nets. I live in Oran.", "I like to be formal."),
    )
    found = follow_dialogue(nodes, [before, before, after, moved], scheduled=True)
    assert [(each.known, each.knowable) for each in found] == [(1, 2), (2, 2), (2, 2), (1, 2)]
    kept = Persona.of("I hum.", "I like emoji.", preferences={"emoji": WISHES["emoji"]})
    of_wishes = follow_dialogue(ASKING, [PERSONA] * 3 + [kept] * 2, scheduled=False)
    assert [each.known for each in of_wishes[2:4]] == [1, 1]


def test_of_somebody_else_nothing_is_known_yet() -> None:
    turned = Persona.of("I mend nets. I live in Sfax.", "No emoji.", preferences={"emoji": "none"})
    found = follow_dialogue(ASKING, [PERSONA] * 3 + [turned] * 2, scheduled=False)
    assert [(each.known, each.knowable) for each in found[2:]] == [(1, 4), (0, 1), (0, 1)]


def test_dialogues_from_before_there_were_notes_have_no_figures() -> None:
    silent = dialogue(("Hello?", [], None), ("Well.", [], None))
    assert follow_dialogue(silent, [PERSONA] * 2, scheduled=True) == [None, None]
    reticent = follow_dialogue(silent, [PERSONA] * 2, scheduled=False)
    assert [each.known for each in reticent] == [0, 0]  # nobody asked, nothing came up


def test_statements_are_what_there_is_to_find_out_of_a_free_persona() -> None:
    persona = Persona.of("I mend nets. I live in Sfax.", "I like jokes.")
    told = [(persona.facts[1].id, "asked")]
    nodes = dialogue(("Where do you live?", [], None), ("Ah.", told, "told"))
    found = follow_dialogue(nodes, [persona] * 2, scheduled=False)
    assert [(each.known, each.knowable) for each in found] == [(0, 3), (1, 3)]
    assert {each.broken for each in found} == {None}
    on_schedule = follow_dialogue(nodes, [persona] * 2, scheduled=True)
    assert {each.knowable for each in on_schedule} == {2}


def rows(nodes: Sequence[Node], users: int = 8, mark: str = "", **given: Any) -> list[ReplyScores]:
    """Return the rows of as many users with this very dialogue, at levels 0.1, 0.2 ..."""
    return [
        _row(f"{mark}{n}", turn, found)
        for n in range(users)
        for turn, found in enumerate(follow(nodes, **given), 1)
    ]


def _row(user: str, turn: int, found: Elicitation | None) -> ReplyScores:
    own, swapped = (
        Score(judge="rule", shown=shown, value=step * turn)
        for shown, step in (("own", 0.1), ("swapped", 0.05))
    )
    who = {"case": user, "profile": user, "personality": user, "dialogue": user}
    plain = row(turn=turn, **who)
    return plain.model_copy(update={"elicitation": found, "scores": (own, swapped)})


def test_the_figures_are_those_of_arithmetic() -> None:
    found = compute_suite(rows(ASKING))
    values = {name: figure.value for name, figure in found.figures.items()}
    expected = {
        "known": 1, "known_asked": 2 / 4, "known_contradicted": 1 / 4, "known_volunteered": 1 / 4,
        "known_scheduled": 0, "unkept": 3 / 9, "questions": 1, "asked_new": 1 / 4,
        "asked_again": 1 / 4, "asked_idle": 2 / 4, "needless": 1, "al_last": 0.45,
        "gain_last": 0.225,
    }  # fmt: skip
    assert {name: values[name] for name in expected} == pytest.approx(expected)
    np.testing.assert_allclose([f.value for f in found.curves["known"]], [0, 0.25, 0.25, 0.75, 1])
    assert found.figures["asked_new"].count == 8 * 4
    assert found.figures["needless"].count == 8


def test_intervals_are_over_users() -> None:
    silent = dialogue(*[("Well.", [], None)] * 6)
    mixed = [*rows(ASKING), *rows(silent, mark="silent")]
    known = compute_suite(mixed).figures["known"]
    assert known.value == 0.5
    assert 0 < known.low < 0.5 < known.high < 1
    assert compute_suite(rows(ASKING, users=3)).figures["known"].low is None


def test_the_last_turns_are_those_of_each_dialogue() -> None:
    long, short = rows(ASKING, users=1), rows(ASKING, users=2)[5:8]
    found = compute_suite([*long, *short]).figures["al_last"]
    assert found.value == pytest.approx((0.45 + 0.25) / 2)


def test_rows_without_notes_have_none_of_it() -> None:
    plain = compute_suite([row()])
    assert "known" not in plain.curves
    assert not {"known", "questions", "needless", "al_last"} & set(plain.figures)
    assert '"elicitation"' not in row().model_dump_json()
    data = rows(ASKING, users=1)[1]
    assert ReplyScores.model_validate_json(data.model_dump_json()) == data


def test_two_models_are_compared_by_what_they_find_out() -> None:
    silent = rows(dialogue(*[("Well.", [], None)] * 6))
    sides = [Side(name="a", rows=silent), Side(name="b", rows=rows(ASKING))]
    lines = {line.metric: line for line in compare(sides)}
    assert list(lines) == [*METRICS, *ASKING_METRICS]
    assert lines["known"].difference.value == 1
    assert lines["questions"].difference.value == 1
    assert lines["al_last"].difference.value == 0
    assert lines["needless"].difference.value is None  # the one never came to know all
    told = [("Well?", [(name, "scheduled")], None) for name in WISHES]
    on_schedule = dialogue(*told, ("A.", [], None))
    sides = [Side(name=name, rows=rows(on_schedule, scheduled=True)) for name in "ab"]
    assert [line.metric for line in compare(sides)] == list(METRICS)


def test_sample_measures_what_it_is_given() -> None:
    table = sample(rows(ASKING, users=2)).measure(lambda each: each.turn)
    np.testing.assert_array_equal(table, [[1, 2, 3, 4, 5]] * 2)
