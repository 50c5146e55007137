"""The check of disclosures: what a sentence says about the persona, and who reads minds."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest
from builders import PERSONAS, assistant, config, grow, scripted_model, user
from disclosures import HELD_OUT, SENTENCES
from disclosures import PERSONAS as LABELLED
from langchain_core.messages import AIMessage, BaseMessage

from aloe.agents.scripted import reply
from aloe.benchmark.prompt_study import about_persona
from aloe.graphs.commands.dashboard import _describe_ledger
from aloe.memory.disclosure_tally import Tally
from aloe.memory.disclosures import default_checker, find_mind_reading, order_facts
from aloe.memory.words import denies, find_content_words, find_names, find_numbers, is_about_speaker
from aloe.schema import Disclosure, Persona, UserNode
from aloe.training.export import dpo_rows
from aloe.views.table import Sums

PERSONA = PERSONAS[0]
"""34, mends bicycles in Porto, a son called Rui, swims a lot."""


def checked(persona: Persona, text: str, **given: Any) -> UserNode:
    given = {"revealed": (Disclosure(quote=text),), **given}
    return default_checker().check(persona, "t", [], user(text, **given), [])[0]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Next time, write sentences of 16 words and more.", "revealed"),
        ("Would it hurt you to spare me the exclamation marks?", "revealed"),
        ("I like an exclamation mark here and there.", "contradicted"),
        ("Give me an example.", "invented"),  # wished by others
    ],
)
def test_a_checkable_wish_is_known_by_its_phrase(text: str, kind: str) -> None:
    wishes = {"sentences": "long", "exclamation": "none"}
    traits = "I like flowing sentences of 16 words and more. I cannot stand exclamation marks."
    persona = Persona.of("I mend bicycles.", traits, preferences=wishes)
    (found,) = checked(persona, text).revealed
    assert found.kind == kind
    traits_told = {fact.id for fact in persona.facts if fact.kind == "trait"}
    assert (found.fact in traits_told) == (kind != "invented")


def labelled_right(rows: Sequence[tuple[str, str, str, str]]) -> int:
    right = 0
    for name, text, kind, about in rows:
        persona = Persona.of(*LABELLED[name])
        (found,) = checked(persona, text).revealed
        statement = next((f.text for f in persona.facts if f.id == found.fact), "")
        right += (found.kind, statement) == (kind, about)
    return right


def test_the_thresholds_fit_the_sentences_they_were_set_on() -> None:
    assert (labelled_right(SENTENCES), len(SENTENCES)) == (63, 64)


def test_the_thresholds_fit_other_sentences_too() -> None:
    assert (labelled_right(HELD_OUT), len(HELD_OUT)) == (26, 28)


def test_what_a_message_states_is_found_whether_marked_or_not() -> None:
    node = checked(PERSONA, "I swim a lot. What now? I'm 34.", revealed=())
    assert node.revealed == ()
    ids = {fact.text: fact.id for fact in PERSONA.facts}
    assert node.stated == (ids["I swim a lot."], ids["I am 34 years old."])


def test_whatever_is_said_of_somebody_without_facts_is_invented() -> None:
    node = checked(Persona.of("", ""), "I swim a lot.")
    assert [found.kind for found in node.revealed] == ["invented"]
    assert (node.stated, node.consistency) == ((), None)


def test_findings_do_not_depend_on_what_else_is_checked() -> None:
    text = "I fix bikes in Porto and swim a lot."
    alone = checked(PERSONA, text)
    path = [user("Hello.", turn=1)]
    again, _ = default_checker().check(PERSONA, "t", path, alone, [assistant("Hm.", alone)] * 3)
    assert again == alone


def test_consistency_tells_what_is_on_the_table_from_what_is_not() -> None:
    first, second, *_ = order_facts(PERSONA, "t")
    on = checked(PERSONA, first.text).consistency
    assert on is not None
    assert on.on_table == 1.0
    assert on.hidden is not None
    assert on.hidden < on.on_table
    ahead = checked(PERSONA, second.text).consistency
    assert ahead is not None
    assert ahead.hidden == 1.0
    last = checked(PERSONA, second.text, turn=9).consistency
    assert last is not None
    assert (last.on_table, last.hidden) == (1.0, None)


@pytest.mark.parametrize(
    ("text", "uses"),
    [
        ("Porto has good trains.", ["I mend bicycles in Porto."]),
        ("Take Rui with you, he will like it.", ["I have a son called Rui."]),
        ("At 34 years you can still start.", ["I am 34 years old."]),
        ("You who mend bicycles know how.", ["I mend bicycles in Porto."]),
        ("You mend things and have bicycles at hand.", ["I mend bicycles in Porto."]),
        ("Heat it to 34 degrees.", []),
        ("A bicycle would help.", []),
        ("Try to swim.", []),
        ("Ask your son.", []),
        ("Plain answers are best, in short.", []),
        ("You could mend it. Sell the bicycles after that.", []),
        ("", []),
    ],
)
def test_a_reply_that_uses_an_untold_fact_reads_minds(text: str, uses: list[str]) -> None:
    path = [checked(PERSONA, "Hello. What should I do?")]
    by_id = {fact.id: fact.text for fact in PERSONA.facts}
    assert [by_id[fact] for fact in find_mind_reading(text, PERSONA, path)] == uses


@pytest.mark.parametrize(
    "told",
    ["I mend bicycles in Porto.", "Do you know Porto and its bicycles to mend?"],
)
def test_what_was_told_or_said_may_be_used(told: str) -> None:
    path = [checked(PERSONA, told)]
    assert find_mind_reading("You mend bicycles in Porto, so start small.", PERSONA, path) == ()


def test_telling_it_later_does_not_help() -> None:
    path = [checked(PERSONA, "Hello there.")]
    reply_to_it = "Take Rui along."
    _, (flagged,) = default_checker().check(
        PERSONA, "t", [], path[0], [assistant(reply_to_it, path[0])]
    )
    assert len(flagged.mind_reading) == 1
    later = checked(PERSONA, "My son Rui is here.", parent=flagged.id, turn=2)
    assert find_mind_reading(reply_to_it, PERSONA, [*path, flagged, later]) == ()


def test_no_agent_is_told_what_the_check_found() -> None:
    prompts: list[list[str]] = []

    def watched(messages: Sequence[BaseMessage], arguments: dict[str, Any]) -> str | AIMessage:
        prompts.append([message.text for message in messages])
        return reply(messages, arguments)

    class Unchecked:
        def check(self, _p: Any, _t: Any, _path: Any, user: Any, replies: Any, **_: Any) -> Any:
            return user, list(replies)

    settings = config(turns=3, both_turns=1)
    tree = grow(settings, model=scripted_model(watched))
    assert any(node.role == "user" and node.stated for node in tree.nodes)
    with_check, prompts = sorted(prompts), []
    grow(settings, model=scripted_model(watched), checker=Unchecked())
    assert sorted(prompts) == with_check


def test_the_scripted_run_is_all_right() -> None:
    tally = Tally()
    for seed, persona in enumerate(PERSONAS):
        tally.add(grow(config(turns=3), persona=persona, seed=seed))
    assert (tally.recall, tally.precision) == (1.0, 1.0)
    summary = tally.summary()
    assert (summary["revealed"], summary["contradicted"], summary["invented"]) == (12, 0, 0)
    assert summary["mind_reading"] == 0
    assert list(summary["consistency"]) == [1, 2, 3]
    assert min(summary["consistency"].values()) > 0.5


def test_recall_and_precision_count_what_the_inducer_misses_and_makes_up() -> None:
    tree = grow(config(turns=1))
    _, *replies = tree.nodes
    text = "I swim a lot. I am 34 years old. I collect stamps."
    marks = tuple(Disclosure(quote=q) for q in ("I swim a lot.", "I collect stamps."))
    node = checked(PERSONA, text, revealed=marks)
    tally = Tally()
    tally.add(tree.model_copy(update={"nodes": (node, *replies)}))
    assert (tally.recall, tally.precision) == (0.5, 0.5)
    empty = Tally().summary()
    assert (empty["recall"], empty["precision"], empty["consistency"]) == (None, None, {})


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("Leave out the emoji.", True),
        ("I like an exclamation mark here and there.", True),  # about the persona, though wrong
        ("I like a question at the end.", False),
        ("I swim a lot.", False),
    ],
)
def test_a_wish_that_no_statement_puts_into_known_words_is_marked_rightly(
    text: str, right: bool
) -> None:
    wishes = {"emoji": "none", "exclamation": "none"}
    terse = Persona.of("I mend bicycles.", "Brevity is all to me.", preferences=wishes)
    node = checked(terse, text)
    (found,) = node.revealed
    assert found.fact is None
    tally = Tally()
    tally.add_nodes([node])
    assert (tally.precision, tally.kinds["invented"]) == (float(right), not right)
    assert about_persona(found, terse) == right


def test_old_lines_have_no_check_and_count_for_nothing() -> None:
    tally = Tally()
    unchecked = user("I swim a lot.", revealed=(Disclosure(quote="I swim a lot."),))
    tree = grow(config(turns=1)).model_copy(update={"nodes": (unchecked,)})
    tally.add(tree)
    assert (tally.marked, tally.recall, tally.precision) == (0, None, None)


def test_what_was_not_looked_at_is_not_shown_as_none_found() -> None:
    tree = grow(config(turns=2, check_ledger=False))
    tally = Tally()
    assert tally.summary()["revealed"] == 0  # nothing was said yet
    tally.add(tree)
    summary = tally.summary()
    names = ("stated", "marked", "revealed", "contradicted", "invented", "mind_reading")
    assert [summary[name] for name in names] == [None] * 6
    assert (summary["checked"], summary["messages"]) == (0, 2)
    said = _describe_ledger(tally)
    assert said == "not checked"
    assert Sums(tree=tree, account=None).result()["mind_reading"] is None
    tally.add(grow(config(turns=2)))
    summary = tally.summary()
    assert (summary["checked"], summary["messages"], summary["mind_reading"]) == (2, 4, 0)


def test_words_names_numbers_and_denial() -> None:
    assert find_content_words("I mended the Bicycles, mending is hard") == {
        "mend",
        "bicycl",
        "hard",
    }
    assert find_names("Porto is far. I saw Rui in May. I live in New York.") == {
        "Rui",
        "New",
        "York",
    }
    assert find_numbers("I have three cats, 2 dogs and 1 fish") == {3, 2, 1}
    assert denies("I can't")
    assert denies("I never do")
    assert not denies("I know nowhere better")
    assert is_about_speaker("I swim.")
    assert is_about_speaker("Swimming is my life.")
    assert not is_about_speaker("Do I swim?")
    assert not is_about_speaker("You swim.")


def test_the_order_of_facts_is_the_trees() -> None:
    orders = {tuple(f.id for f in order_facts(PERSONA, str(n))) for n in range(20)}
    assert len(orders) > 5


def test_no_row_prefers_a_reply_that_uses_what_was_not_told() -> None:
    def knowing(messages: Sequence[BaseMessage], arguments: dict[str, Any]) -> str | AIMessage:
        if not messages[0].text.startswith("You are a helpful"):
            return reply(messages, arguments)
        secrets = ("Take Rui along.", "Porto is fine for it.", "Start small.", "You swim, I guess.")
        return secrets[arguments["seed"] % 4]

    flagged = rows = 0
    for seed in range(20):
        tree = grow(config(turns=3, both_turns=1), seed=seed, model=scripted_model(knowing))
        flagged += sum(bool(n.mind_reading) for n in tree.nodes if n.role == "assistant")
        for row in dpo_rows(tree, Counter()):
            told = " ".join(message["content"] for message in row["prompt"])
            chosen = row["chosen"][0]["content"]
            rows += 1
            assert all(name in told for name in ("Rui", "Porto") if name in chosen)
    assert flagged > 0
    assert rows > 0
